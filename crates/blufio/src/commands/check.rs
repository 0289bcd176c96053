// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio check [PATH]`: argv → sources → check → render → exit code.

mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use blufio_lang::authority::{self, Authority};
use blufio_lang::diagnostic::{render, to_json};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::INPUT_HAS_ERRORS;
use crate::models::Models;
use crate::output::{self, DataArguments};
use crate::programs::{self, ProgramSet};
use crate::sources::SourceError;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of agents, or one file (default: ./agents, else the working directory).
    path: Option<PathBuf>,
    /// One row per state: its cap, its cost, what it does to the world, where it leads.
    #[arg(long)]
    table: bool,
    /// Compare with an older version: what may be done, asked and spent now that could not before. Ends with 1 when
    /// something is more.
    #[arg(long, value_name = "OLD")]
    diff: Option<PathBuf>,
    /// Whether the sessions of a data folder could go on with these programs: what moves, what stays on its version and
    /// why. Ends with 1 when a session that rests would stay.
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
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
pub fn run(arguments: &Arguments, config: Option<&Path>) -> Result<u8> {
    let models = Models::load(config)?;
    let path = default_path(arguments.path.as_ref());
    let set = match programs::load(&path, &models) {
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
    if let Some(old) = &arguments.diff
        && !set.diagnostics.has_errors()
    {
        return compare(&programs::load(old, &models)?, &set, arguments.data.is_json());
    }
    if let Some(data) = &arguments.db
        && !set.diagnostics.has_errors()
    {
        return sessions::fit(&set, data, arguments.data.is_json());
    }
    if arguments.data.is_json() {
        output::json(&as_json(&set))?;
    } else {
        print(&set)?;
        if arguments.table && !set.diagnostics.has_errors() {
            output::data(&table(&set))?;
        }
    }
    Ok(if set.diagnostics.has_errors() { INPUT_HAS_ERRORS } else { 0 })
}

/// Every agent of both folders; 1 when one of them may do or cost more.
fn compare(old: &ProgramSet, new: &ProgramSet, json: bool) -> Result<u8> {
    let (mut text, mut rows, mut is_more) = (String::new(), Vec::new(), false);
    let nothing = Authority::default();
    let known = |set: &ProgramSet| -> BTreeMap<String, Authority> {
        set.checked.agents.iter().map(|a| (a.program.name.clone(), authority::authority(a))).collect()
    };
    let (before, after) = (known(old), known(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name).unwrap_or(&nothing), after.get(name).unwrap_or(&nothing));
        for change in authority::diff(old, new) {
            is_more |= change.is_more();
            text.push_str(&format!("{name}: {change}\n"));
            rows.push(json!({ "agent": name, "change": change.to_string(), "is_more": change.is_more() }));
        }
    }
    if json {
        output::json(&json!({ "is_more": is_more, "changes": rows }))?;
    } else {
        output::data(if text.is_empty() { "no difference in what may be done or spent\n" } else { &text })?;
    }
    Ok(if is_more { INPUT_HAS_ERRORS } else { 0 })
}

fn table(set: &ProgramSet) -> String {
    let mut out = String::new();
    for agent in &set.checked.agents {
        out.push_str(&format!("\n{}\n", agent.program.name));
        for row in authority::table(agent) {
            let cap = row.cap.map(|cap| format!(", max {cap}")).unwrap_or_default();
            out.push_str(&format!(
                "  {}{cap}, {}\n",
                row.state,
                count(row.model_calls as usize, "model call")
            ));
            out.extend(row.powers.iter().map(|power| format!("      {power}\n")));
            if !row.leads_to.is_empty() {
                out.push_str(&format!("      → {}\n", row.leads_to.join(", ")));
            }
        }
    }
    out
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
            "heartbeats_usd_per_month_max": agent.facts.money_heartbeats_month_micro_usd.map(|usd| usd as f64 / 1e6),
            "powers": authority::authority(agent).powers.iter().map(|(power, at)| json!({ "power": power.to_string(), "states": at })).collect::<Vec<_>>(),
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
            if let Some(usd) = agent.facts.money_heartbeats_month_micro_usd {
                text.push_str(&format!(
                    "{} v{}: at most {:.2} usd a month for heartbeats\n",
                    program.name,
                    program.version,
                    usd as f64 / 1e6
                ));
            }
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
