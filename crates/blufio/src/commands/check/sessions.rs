// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio check --db DIR`: what a reload would do to the sessions of a database (check 15, ruling 17), before it does.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use blufio_agent::Envelope;
use blufio_core::store::{SessionRow, SessionStatus, Store};
use blufio_lang::machine::{Machine, Stays};
use blufio_lang::program::Program;
use blufio_persist::SqliteStore;
use serde_json::json;

use crate::cli::INPUT_HAS_ERRORS;
use crate::control::client;
use crate::output;
use crate::programs::ProgramSet;

/// Sessions that are looked at.
const SESSIONS_MAX: u32 = 1_000_000;

/// Sessions of one version in one state that fare alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    agent: String,
    from: u32,
    to: Option<u32>,
    state: String,
    fate: Fate,
}

/// What becomes of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It has this program already.
    Same,
    /// It goes on with the new program.
    Moves,
    /// It is at work.
    Busy,
    /// It stays on its version, and why.
    Stays(String),
    /// Its agent is not in the folder.
    NoAgent,
}

impl Fate {
    fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Moves => "moves",
            Self::Busy => "busy",
            Self::Stays(_) => "stays",
            Self::NoAgent => "no agent",
        }
    }

    fn words(&self, to: Option<u32>) -> String {
        match self {
            Self::Same => "run this program already".to_string(),
            Self::Moves => format!("move to v{}", to.unwrap_or_default()),
            Self::Busy => "are at work; they are looked at when they rest".to_string(),
            Self::Stays(why) => format!("stay on their version: {why}"),
            Self::NoAgent => "stay on their version: this folder has no such agent".to_string(),
        }
    }
}

/// Looks at every session that has not ended; 1 when one that rests would not move.
pub fn fit(set: &ProgramSet, data: &Path, json: bool) -> Result<u8> {
    let groups = client::runtime()?.block_on(async {
        let store = SqliteStore::open_read_only(data)?;
        let groups = groups(set, &store).await;
        store.close().await?;
        groups
    })?;
    if json {
        let row = |(group, count): (&Group, &usize)| {
            json!({
                "agent": group.agent,
                "from": group.from,
                "to": group.to,
                "state": group.state,
                "sessions": count,
                "fate": group.fate.word(),
                "why": match &group.fate { Fate::Stays(why) => Some(why), _ => None },
            })
        };
        output::json(&groups.iter().map(row).collect::<Vec<_>>())?;
    } else {
        let line = |(group, count): (&Group, &usize)| {
            let Group { agent, from, to, state, fate } = group;
            let sessions = if *count == 1 { "session" } else { "sessions" };
            format!("{agent} v{from} in {state}: {count} {sessions}: {}\n", fate.words(*to))
        };
        let lines: String = groups.iter().map(line).collect();
        output::data(if lines.is_empty() { "no session runs\n" } else { &lines })?;
    }
    let stays = groups.keys().any(|group| matches!(group.fate, Fate::Stays(_) | Fate::NoAgent));
    Ok(if stays { INPUT_HAS_ERRORS } else { 0 })
}

async fn stored(store: &SqliteStore, session: &SessionRow) -> Result<Program> {
    let bytes = store.program(session.program).await?;
    let bytes = bytes.with_context(|| format!("the program of {} is not in the database", session.key))?;
    Program::from_bytes(&bytes).map_err(|error| anyhow!("a stored program: {error}"))
}

async fn groups(set: &ProgramSet, store: &SqliteStore) -> Result<BTreeMap<Group, usize>> {
    let mut known: HashMap<[u8; 32], Program> = HashMap::new();
    let mut groups = BTreeMap::new();
    for session in store.sessions(false, SESSIONS_MAX).await? {
        if session.status != SessionStatus::Live {
            continue;
        }
        let old: &Program = match known.entry(session.program) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(empty) => empty.insert(stored(store, &session).await?),
        };
        let new = set.programs.iter().map(|agent| &agent.program).find(|new| new.name == session.agent);
        let group = Group {
            agent: session.agent.clone(),
            from: old.version,
            to: new.map(|new| new.version),
            state: session.state_name.clone(),
            fate: fate(&session, old, new)?,
        };
        *groups.entry(group).or_default() += 1;
    }
    Ok(groups)
}

fn fate(session: &SessionRow, old: &Program, new: Option<&Program>) -> Result<Fate> {
    let Some(new) = new else { return Ok(Fate::NoAgent) };
    if old.to_bytes() == new.to_bytes() {
        return Ok(Fate::Same);
    }
    let envelope = Envelope::decode(&session.state).with_context(|| session.key.clone())?;
    let machine = Machine::decode(old, &envelope.machine).with_context(|| session.key.clone())?;
    let migration = new.migrations.iter().find(|migration| migration.from == old.version);
    Ok(match machine.migrate(old, new, migration) {
        Ok(_) => Fate::Moves,
        Err(Stays::Busy) => Fate::Busy,
        Err(why) => Fate::Stays(why.to_string()),
    })
}
