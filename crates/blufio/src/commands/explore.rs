// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio explore [PATH]`: every path of the agents to a bound, without a model: sessions that are stuck or parked, and
//! what no path reaches.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use blufio_lang::simulate::explore::{Exploration, Finding, Limits, explore};
use blufio_lang::source::SourceMap;
use clap::Args;
use serde_json::{Value, json};

use super::check::{count, default_path};
use super::test::{coverage_as_json, place, print_coverage, simulated};
use crate::cli::INPUT_HAS_ERRORS;
use crate::output::{self, DataArguments};

/// Arguments of `explore`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of agents, or one file (default: ./agents, else the working directory).
    path: Option<PathBuf>,
    /// Only this agent.
    #[arg(long)]
    agent: Option<String>,
    /// Longest path, in events and outcomes.
    #[arg(long, value_name = "N", default_value_t = Limits::default().depth_max)]
    depth: usize,
    /// Most distinct sessions of an agent.
    #[arg(long, value_name = "N", default_value_t = Limits::default().sessions_max)]
    states: usize,
    #[command(flatten)]
    data: DataArguments,
}

/// Explores; 1 when a session is stuck, parked or changed by a crash, or when the programs have errors.
pub fn run(arguments: &Arguments, config: Option<&Path>) -> Result<u8> {
    let simulated = simulated(&default_path(arguments.path.as_ref()), config)?;
    if simulated.has_errors() {
        return Ok(INPUT_HAS_ERRORS);
    }
    let limits = Limits { depth_max: arguments.depth, sessions_max: arguments.states };
    let names: Vec<&str> = simulated.folder.agents.iter().map(|agent| agent.typed.name.as_str()).collect();
    let mut found = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if arguments.agent.as_ref().is_none_or(|wanted| wanted == name) {
            let begun = Instant::now();
            found.push(explore(&simulated.folder, at, limits));
            output::talk(&format!("{name}: explored in {:.2} s", begun.elapsed().as_secs_f64()));
        }
    }
    if found.is_empty() {
        let wanted = arguments.agent.as_deref().unwrap_or_default();
        bail!("there is no agent `{wanted}` here; there is {}", names.join(", "));
    }
    if arguments.data.is_json() {
        let agents: Vec<Value> = found.iter().map(|one| as_json(one, &simulated.sources)).collect();
        output::json(&agents)?;
    } else {
        let text: String = found.iter().map(|one| as_text(one, &simulated.sources)).collect();
        output::data(&text)?;
    }
    Ok(if found.iter().any(|one| !one.findings.is_empty()) { INPUT_HAS_ERRORS } else { 0 })
}

fn as_text(found: &Exploration, sources: &SourceMap) -> String {
    let mut text = format!(
        "{}: {}, {}, {}\n",
        found.agent,
        count(found.sessions, "session"),
        count(found.steps, "step"),
        if found.is_complete {
            "every path to its end".to_string()
        } else {
            format!("cut at {} deep and {}", found.depth, count(found.sessions, "session"))
        }
    );
    for finding in &found.findings {
        text.push_str(&format!(
            "\n{} in state `{}` ({}): {}\n\n",
            finding.kind.word(),
            finding.state,
            place(sources, finding.span),
            finding.why
        ));
        for line in finding.test_block().lines() {
            text.push_str(&format!("    {line}\n"));
        }
        text.push('\n');
    }
    text.push_str(&print_coverage(&found.coverage, sources, true));
    text
}

fn as_json(found: &Exploration, sources: &SourceMap) -> Value {
    let finding = |finding: &Finding| {
        let (file, line) = sources.position_of(finding.span).map_or(("", 0), |(file, at)| (file, at.line));
        json!({
            "kind": finding.kind.word(),
            "state": finding.state,
            "why": finding.why,
            "file": file,
            "line": line,
            "path": finding.path,
            "test": finding.test_block(),
        })
    };
    json!({
        "agent": found.agent,
        "sessions": found.sessions,
        "steps": found.steps,
        "depth": found.depth,
        "complete": found.is_complete,
        "findings": found.findings.iter().map(finding).collect::<Vec<_>>(),
        "coverage": coverage_as_json(&found.coverage, sources),
    })
}
