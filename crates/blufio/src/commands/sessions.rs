// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio sessions`: list them, show one's journal, discard one.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::control::protocol::{Answer, Ask, JournalLine, SessionLine};
use crate::output::{self, DataArguments};

/// Arguments of `sessions`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Also sessions that ended.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    data: DataArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List sessions (what happens without a word).
    List {
        /// Also sessions that ended.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Show the journal of a session.
    Show {
        /// Its key.
        key: String,
        #[command(flatten)]
        data: DataArguments,
    },
    /// Discard a session with its mail and deadlines.
    Drop {
        /// Its key.
        key: String,
    },
}

/// Runs the subcommand.
pub fn run(context: &Context, arguments: Arguments) -> Result<u8> {
    let folder = context.data_folder()?;
    let runtime = client::runtime()?;
    let ask = |ask: Ask| runtime.block_on(client::ask_or_read(&folder, ask));
    match arguments.command.unwrap_or(Command::List { all: arguments.all, data: arguments.data }) {
        Command::List { all, data } => match ask(Ask::Sessions { ended_too: all })? {
            Answer::Sessions(sessions) if data.is_json() => output::json(&sessions)?,
            Answer::Sessions(sessions) => output::data(&list(&sessions))?,
            other => bail!("unexpected answer {other:?}"),
        },
        Command::Show { key, data } => match ask(Ask::Journal { key })? {
            Answer::Journal(journal) if data.is_json() => output::json(&journal)?,
            Answer::Journal(journal) => output::data(&show(&journal))?,
            other => bail!("unexpected answer {other:?}"),
        },
        Command::Drop { key } => match ask(Ask::DropSession { key: key.clone() })? {
            Answer::Dropped(true) => output::talk(&output::harmless(&format!("dropped {key}"))),
            Answer::Dropped(false) => {
                output::talk(&output::harmless(&format!(
                    "there is no session `{key}`; `blufio sessions` lists them"
                )));
                return Ok(INPUT_HAS_ERRORS);
            }
            other => bail!("unexpected answer {other:?}"),
        },
    }
    Ok(0)
}

fn list(sessions: &[SessionLine]) -> String {
    let row = |session: &SessionLine| {
        let status = serde_json::to_value(session.status)
            .ok()
            .and_then(|word| word.as_str().map(str::to_string))
            .unwrap_or_default();
        let pending = if session.pending { "working" } else { "waiting" };
        vec![
            session.key.clone(),
            session.state.clone(),
            status,
            pending.to_string(),
            session.step.to_string(),
        ]
    };
    output::table(
        &["SESSION", "STATE", "STATUS", "NOW", "STEP"],
        &sessions.iter().map(row).collect::<Vec<_>>(),
    )
}

fn show(journal: &[JournalLine]) -> String {
    let row = |line: &JournalLine| {
        vec![line.sequence.to_string(), line.at_ms.to_string(), line.kind.clone(), line.body.to_string()]
    };
    output::table(&["NUMBER", "TIME", "KIND", "RECORD"], &journal.iter().map(row).collect::<Vec<_>>())
}
