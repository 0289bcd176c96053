// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio status`: exit 0 only when a server is ready on the data folder.

use std::path::Path;

use anyhow::Result;
use blufio_agent::kill::{Killed, SETTING, read};
use blufio_persist::SqliteStore;
use clap::Args;
use serde_json::json;

use super::kill;
use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::control::protocol::{Answer, Ask, StatusReport};
use crate::output::{self, DataArguments};

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArguments,
}

/// Prints a snapshot; 1 when no server is ready.
pub fn run(context: &Context, arguments: &Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let answer = client::runtime()?.block_on(client::ask(&data, Ask::Status))?;
    match answer {
        Some(Answer::Status(report)) if report.status.running => {
            if arguments.data.is_json() {
                output::json(&report)?;
            } else {
                output::data(&text(&report))?;
            }
            Ok(0)
        }
        _ => {
            let killed = killed(&data);
            if arguments.data.is_json() {
                output::json(&json!({ "running": false, "models_killed": killed }))?;
            }
            if let Some(killed) = killed {
                output::talk(&format!("model calls are {}", kill::line(&killed)));
            }
            output::talk(&format!(
                "no server is ready on {}: start it with `blufio serve --data {0}`",
                data.display()
            ));
            Ok(INPUT_HAS_ERRORS)
        }
    }
}

/// Whether model calls are stopped where no server runs. What cannot be read is told by the command that needs it.
fn killed(data: &Path) -> Option<Killed> {
    let setting = SqliteStore::setting_at_rest(data, SETTING);
    setting.ok().filter(|_| !SqliteStore::is_held(data)).and_then(read)
}

fn text(report: &StatusReport) -> String {
    let status = &report.status;
    let mut out = format!("ready (process {}, version {})\n", report.process, report.version);
    for program in &status.programs {
        out.push_str(&format!("agent     {} v{}  {}\n", program.agent, program.version, program.hash));
    }
    for channel in &status.channels {
        let detail = channel.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        out.push_str(&format!("channel   {} {}{detail}\n", channel.name, channel.health));
    }
    for provider in &status.providers {
        let detail = provider.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        out.push_str(&format!("provider  {} {}{detail}\n", provider.name, provider.health));
    }
    if let Some(address) = &report.webhooks {
        out.push_str(&format!("webhooks  {address}\n"));
    }
    if let Some(killed) = &status.models_killed {
        out.push_str(&format!("models    {}\n", kill::line(killed)));
    }
    let totals = &status.totals;
    out.push_str(&format!("owner     {}\n", if status.owner_known { "known" } else { "not paired" }));
    out.push_str(&format!(
        "sessions  {} live, {} parked, {} at work\n",
        totals.sessions_live, totals.sessions_parked, status.sessions_active
    ));
    out.push_str(&format!("inbox     {} waiting\n", totals.inbox_waiting));
    out.push_str(&format!(
        "outbox    {} waiting, {} uncertain\n",
        totals.outbox_waiting, totals.outbox_uncertain
    ));
    for notice in &status.notices {
        out.push_str(&format!("notice    {}\n", output::harmless(notice)));
    }
    out
}
