// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio check [PATH]`: argv → sources → check → render → exit code.

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use blufio_lang::diagnostic::{render, to_json};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::INPUT_HAS_ERRORS;
use crate::output::{self, DataArguments};
use crate::programs::{self, ProgramSet};
use crate::sources::SourceError;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of agents, or one file (default: ./agents, else the working directory).
    path: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
}

/// The folder that commands about programs look at.
pub fn default_path(named: Option<&PathBuf>) -> PathBuf {
    let agents = PathBuf::from("agents");
    match named {
        Some(path) => path.clone(),
        None if agents.is_dir() => agents,
        None => PathBuf::from("."),
    }
}

/// Checks; 1 when there are errors.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let path = default_path(arguments.path.as_ref());
    let set = match programs::load(&path) {
        Ok(set) => set,
        Err(SourceError::NotAProgram { path, problem }) => {
            if arguments.data.is_json() {
                output::json(
                    &json!({ "ok": false, "errors": 1, "warnings": 0, "agents": [], "diagnostics": [{ "severity": "error", "title": problem, "file": path }] }),
                )?;
            } else {
                output::talk(&output::harmless(&format!("error: {path}: {problem}")));
            }
            return Ok(INPUT_HAS_ERRORS);
        }
        Err(error) => return Err(error.into()),
    };
    if arguments.data.is_json() {
        output::json(&as_json(&set))?;
    } else {
        print(&set)?;
    }
    Ok(if set.diagnostics.has_errors() { INPUT_HAS_ERRORS } else { 0 })
}

fn as_json(set: &ProgramSet) -> Value {
    let (errors, warnings) = set.diagnostics.counts();
    let agent = |agent: &blufio_lang::check::CheckedAgent| {
        json!({
            "name": agent.program.name,
            "version": agent.program.version,
            "states": agent.program.states.len(),
            "model_calls_per_event": agent.facts.calls_per_event,
            "worst_path": agent.facts.worst_path,
        })
    };
    json!({
        "ok": errors == 0,
        "errors": errors,
        "warnings": warnings,
        "suppressed": set.diagnostics.suppressed(),
        "agents": set.checked.agents.iter().map(agent).collect::<Vec<_>>(),
        "diagnostics": to_json(&set.diagnostics, &set.sources.map),
    })
}

fn print(set: &ProgramSet) -> Result<()> {
    let mut text = render(&set.diagnostics, &set.sources.map, output::colour(&io::stdout()));
    let (errors, warnings) = set.diagnostics.counts();
    if set.diagnostics.suppressed() > 0 {
        text.push_str(&format!("… and {} more\n", set.diagnostics.suppressed()));
    }
    if errors == 0 {
        for agent in &set.checked.agents {
            let program = &agent.program;
            let calls = agent.facts.calls_per_event.map_or("unknown".to_string(), |calls| calls.to_string());
            let path = agent.facts.worst_path.join(" → ");
            let path = if path.is_empty() { String::new() } else { format!(" ({path})") };
            text.push_str(&format!(
                "{} v{}: {} states, at most {calls} model calls per message{path}\n",
                program.name,
                program.version,
                program.states.len()
            ));
        }
    }
    text.push_str(&match (errors, warnings) {
        (0, 0) => "ok\n".to_string(),
        (0, _) => format!("ok, {}\n", count(warnings, "warning")),
        _ => format!(
            "{}, {}; `blufio explain CODE` tells more\n",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    });
    output::data(&text)
}

/// A number with its noun.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
