// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio replay SESSION`: takes a session's journal again. With its own programs every step must be what the journal
//! says; with another program it shows the first step that goes another way. Nothing is performed and nothing written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use blufio_agent::Envelope;
use blufio_agent::replay::{Difference, Verdict, compare, moved_between, verify};
use blufio_core::store::{JournalRow, SessionRow, SessionStatus, Store};
use blufio_lang::program::Program;
use blufio_lang::program::civil::print_moment;
use blufio_persist::SqliteStore;
use clap::Args;
use serde_json::json;

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::daemon;
use crate::models::Models;
use crate::output::{self, DataArguments};
use crate::wiring::Places;

/// Rows of the journal that are read at a time.
const ROWS_AT_ONCE: u32 = 10_000;
/// Readings of a session that changes meanwhile.
const READS_MAX: u32 = 100;
/// Sessions that are looked through for a key.
const SESSIONS_MAX: u32 = 1_000_000;

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Key of the session (`blufio sessions --all` lists them); of several the newest.
    key: String,
    /// Compare with the agent of the same name in this folder instead.
    #[arg(long, value_name = "AGENTS")]
    with: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
}

/// What the database knows of a session.
struct Record {
    session: SessionRow,
    journal: Vec<JournalRow>,
    first: Arc<Program>,
    programs: HashMap<[u8; 32], Arc<Program>>,
}

/// Replays; 1 when something differs.
pub fn run(context: &Context, arguments: &Arguments) -> Result<u8> {
    let folder = context.data_folder()?;
    let runtime = client::runtime()?;
    let record = runtime.block_on(async {
        let store = SqliteStore::open_read_only(&folder)?;
        let record = read(&store, &arguments.key).await;
        store.close().await?;
        record
    })?;
    let programs = |hash| record.programs.get(&hash).cloned();
    let judged = match &arguments.with {
        None => verify(Arc::clone(&record.first), &record.journal, programs)
            .map_err(|error| error.to_string())
            .and_then(|verdict| like_the_state(&record.session, verdict)),
        Some(agents) => {
            let other = other(context, agents, &record.session.agent)?;
            compare(Arc::clone(&record.first), other, &record.journal, programs)
                .map_err(|error| error.to_string())
        }
    };
    match judged {
        Ok(verdict) => tell(arguments, &record, &verdict),
        Err(words) => {
            output::talk(&output::harmless(&format!("{}: {words}", record.session.key)));
            Ok(INPUT_HAS_ERRORS)
        }
    }
}

/// The state behind the last step must be the one that is stored.
fn like_the_state(session: &SessionRow, verdict: Verdict) -> Result<Verdict, String> {
    if let Verdict::Same { machine, .. } = &verdict
        && session.status == SessionStatus::Live
    {
        let stored = Envelope::decode(&session.state).map_err(|error| error.to_string())?;
        if stored.machine != machine.encode() {
            return Err("the stored state is not what the journal gives: one of them was changed".into());
        }
    }
    Ok(verdict)
}

async fn session_of(store: &SqliteStore, key: &str) -> Result<SessionRow> {
    let sessions = store.sessions(true, SESSIONS_MAX).await?;
    let found = sessions.into_iter().filter(|session| session.key == key).max_by_key(|session| session.id);
    found.ok_or_else(|| anyhow!("there is no session `{key}`; `blufio sessions --all` lists them"))
}

/// A session and its journal, of one moment: a server may be working on it.
async fn read_together(store: &SqliteStore, key: &str) -> Result<(SessionRow, Vec<JournalRow>)> {
    for _ in 0..READS_MAX {
        let session = session_of(store, key).await?;
        let mut journal: Vec<JournalRow> = Vec::new();
        loop {
            let from = journal.last().map_or(0, |row| row.sequence + 1);
            let rows = store.journal(session.id, from, ROWS_AT_ONCE).await?;
            if rows.is_empty() {
                break;
            }
            journal.extend(rows);
        }
        let after = session_of(store, key).await?;
        if (after.id, after.step) == (session.id, session.step) {
            return Ok((session, journal));
        }
    }
    Err(anyhow!("`{key}` is being worked on all the time; try again when it rests"))
}

async fn read(store: &SqliteStore, key: &str) -> Result<Record> {
    let (session, journal) = read_together(store, key).await?;
    let moves: Vec<_> = journal.iter().filter_map(moved_between).collect();
    let first = moves.first().map_or(session.program, |(from, _)| *from);
    let mut programs = HashMap::new();
    for hash in moves.iter().map(|(_, to)| *to).chain([first]) {
        let bytes = store.program(hash).await?.context("a program of this session is not in the database")?;
        let program = Program::from_bytes(&bytes).map_err(|error| anyhow!("a stored program: {error}"))?;
        programs.insert(hash, Arc::new(program));
    }
    let first = programs.get(&first).cloned().context("a program of this session is not in the database")?;
    Ok(Record { session, journal, first, programs })
}

/// The agent of that name in a folder.
fn other(context: &Context, agents: &Path, name: &str) -> Result<Arc<Program>> {
    let set = daemon::checked(
        &Places { agents: agents.to_path_buf(), data: context.data_folder()? },
        &Models::of(&context.config)?,
    )?;
    let found = set.programs.into_iter().find(|agent| agent.program.name == name);
    let found = found.ok_or_else(|| anyhow!("there is no agent `{name}` in {}", agents.display()))?;
    Ok(Arc::new(found.program))
}

fn tell(arguments: &Arguments, record: &Record, verdict: &Verdict) -> Result<u8> {
    let key = &record.session.key;
    let program = format!("{} v{}", record.first.name, record.first.version);
    match verdict {
        Verdict::Same { steps, .. } if arguments.data.is_json() => {
            output::json(&json!({ "session": key, "same": true, "steps": steps }))?;
        }
        Verdict::Same { steps, .. } => {
            let what = match &arguments.with {
                None => format!("{program} does what the journal says"),
                Some(folder) => format!("{} would do the same", folder.display()),
            };
            output::data(&output::harmless(&format!("{key}: {what}: {steps} steps, no difference\n")))?;
        }
        Verdict::Differs(difference) if arguments.data.is_json() => output::json(&json!({
            "session": key,
            "same": false,
            "record": difference.sequence,
            "at_ms": difference.at_ms,
            "kind": difference.record.kind,
            "body": serde_json::from_str::<serde_json::Value>(&difference.record.body).unwrap_or_default(),
            "happened": difference.happened,
            "would_happen": difference.would_happen,
        }))?,
        Verdict::Differs(difference) => output::data(&output::harmless(&words(key, difference)))?,
    }
    Ok(if matches!(verdict, Verdict::Same { .. }) { 0 } else { INPUT_HAS_ERRORS })
}

fn words(key: &str, difference: &Difference) -> String {
    let list = |lines: &[String]| match lines {
        [] => "    nothing\n".to_string(),
        lines => lines.iter().map(|line| format!("    {line}\n")).collect(),
    };
    format!(
        "{key}: first difference at record {} ({}):\n  {} {}\n  happened:\n{}  would happen:\n{}",
        difference.sequence,
        print_moment(difference.at_ms),
        difference.record.kind,
        difference.record.body,
        list(&difference.happened),
        list(&difference.would_happen),
    )
}
