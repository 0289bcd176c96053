// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rebuilds a session's machine from its journal alone: the state row is the truth for resuming, the journal is the
//! truth for audit, and this shows that they are the same truth.

mod compare;

use std::sync::Arc;

use blufio_core::message::{Inbound, InboundKind};
use blufio_core::store::JournalRow;
use blufio_lang::effect::{EffectId, Event, Outcome, StepResult};
use blufio_lang::machine::Machine;
use blufio_lang::program::Program;
use blufio_lang::value::{Message, Value};
use serde_json::Value as Json;
use thiserror::Error;

use crate::outcome::{self, coordinate};

pub use compare::{Difference, Verdict, compare, verify};

/// Why a journal does not replay.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// A record does not parse.
    #[error("record {sequence} is damaged: {reason}")]
    Damaged {
        /// Which record.
        sequence: i64,
        /// What is wrong.
        reason: String,
    },
    /// A result that fitted then does not fit now: what follows belongs to another program.
    #[error("record {sequence} does not fit this program")]
    Differs {
        /// Which record.
        sequence: i64,
    },
    /// The session moved to a program that is not there, or cannot have moved to it.
    #[error("record {sequence} goes on with a program that is not there")]
    NoProgram {
        /// Which record.
        sequence: i64,
    },
}

/// A session that is taken again from the records of its journal, in their order from its start.
#[derive(Debug, Clone)]
pub struct Replay {
    program: Arc<Program>,
    machine: Machine,
}

impl Replay {
    /// A session of a program before its first record.
    pub fn new(program: Arc<Program>) -> Self {
        Self { machine: Machine::new(&program), program }
    }

    /// The program it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The session so far.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Takes a record; what the step did, if the record stands for one. A move to another program is not taken here.
    pub fn take(&mut self, row: &JournalRow) -> Result<Option<StepResult>, ReplayError> {
        if !matches!(row.record.kind.as_str(), "event" | "result") {
            return Ok(None);
        }
        let damaged = |reason: String| ReplayError::Damaged { sequence: row.sequence, reason };
        let body: Json =
            serde_json::from_str(&row.record.body).map_err(|error| damaged(error.to_string()))?;
        let program = &self.program;
        if body.get("start").is_some() {
            let arguments = body.get("arguments").and_then(Json::as_array).cloned().unwrap_or_default();
            let values = parameters(program, &arguments).map_err(damaged)?;
            return Ok(Some(self.machine.start_with(program, &values, row.at_ms)));
        }
        let event = if row.record.kind == "result" {
            let outcome = body.get("outcome").ok_or_else(|| damaged("no outcome".into()))?;
            let effect = coordinate(body.get("effect")).ok_or_else(|| damaged("no coordinate".into()))?;
            let outcome = read_outcome(program, &self.machine, effect, outcome);
            let outcome = outcome.ok_or(ReplayError::Differs { sequence: row.sequence })?;
            Some(Event::Resolved { effect, outcome })
        } else {
            read_event(program, &body).map_err(damaged)?
        };
        Ok(event.map(|event| self.machine.step(program, event, row.at_ms)))
    }

    /// Goes on with another program, as the session did at this record.
    pub fn go_on_with(&mut self, program: Arc<Program>, row: &JournalRow) -> Result<(), ReplayError> {
        let migration = program.migrations.iter().find(|migration| migration.from == self.program.version);
        let moved = self.machine.migrate(&self.program, &program, migration);
        self.machine = moved.map_err(|_| ReplayError::NoProgram { sequence: row.sequence })?;
        self.program = program;
        Ok(())
    }
}

/// Identities of the programs that a session left and went on with, if this record says so.
pub fn moved_between(row: &JournalRow) -> Option<([u8; 32], [u8; 32])> {
    let body: Json = serde_json::from_str(&row.record.body).ok().filter(|_| row.record.kind == "migrated")?;
    let hash = |key: &str| read_hash(body.get(key)?.as_str()?);
    hash("from_program").zip(hash("program"))
}

/// Takes every step of a journal again. `programs` finds the programs that the session moved to.
pub fn replay(
    first: Arc<Program>,
    journal: &[JournalRow],
    programs: impl Fn([u8; 32]) -> Option<Arc<Program>>,
) -> Result<Machine, ReplayError> {
    let mut replay = Replay::new(first);
    for row in journal {
        if let Some((_, next)) = moved_between(row) {
            let next = programs(next).ok_or(ReplayError::NoProgram { sequence: row.sequence })?;
            replay.go_on_with(next, row)?;
        }
        replay.take(row)?;
    }
    Ok(replay.machine)
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// An event as the machine was told it; `None` for messages that no step took.
fn read_event(program: &Program, body: &Json) -> Result<Option<Event>, String> {
    if let Some(timer) = coordinate(body.get("timer")) {
        return Ok(Some(Event::Timer { visit: timer.visit, timer: timer.number }));
    }
    if let Some(wake) = body.get("wake").and_then(Json::as_u64) {
        return Ok(Some(Event::Wake { wake }));
    }
    let number = |key: &str| body.get(key).and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
    if let Some(schedule) = number("every") {
        return Ok(Some(Event::Every(schedule)));
    }
    if let Some(event) = number("declared") {
        let shape = program.events.get(event as usize).ok_or("no such event")?.shape;
        let value = program.value_of_shape(shape, body.get("value").unwrap_or(&Json::Null));
        let value = value.map_err(|_| "the event does not fit its type")?;
        return Ok(Some(Event::Declared { event, value }));
    }
    if body.get("how").and_then(Json::as_str) != Some("taken") {
        return Ok(None);
    }
    let inbound = body.get("inbound").cloned().unwrap_or_default();
    let inbound: Inbound = serde_json::from_value(inbound).map_err(|error| error.to_string())?;
    let id = body.get("message").and_then(Json::as_i64).ok_or("no message id")?;
    Ok(Some(program_event(id, &inbound)))
}

/// What the machine is told of a stored message, or of what happened to the chat.
pub(crate) fn program_event(inbox_id: i64, inbound: &Inbound) -> Event {
    let message = Arc::new(program_message(inbox_id, inbound));
    match inbound.kind {
        InboundKind::Message => Event::Message(message),
        kind => Event::Channel { what: kind.word().into(), message },
    }
}

/// A stored message as a program sees it.
fn program_message(inbox_id: i64, message: &Inbound) -> Message {
    Message {
        inbox_id,
        text: message.text.as_str().into(),
        sender: message.sender.name.as_str().into(),
        own_words: message.own_words,
    }
}

/// How an effect ended, read for the step that waits for it.
fn read_outcome(program: &Program, machine: &Machine, id: EffectId, outcome: &Json) -> Option<Outcome> {
    let pending = machine.pending(program);
    let (_, effect) = pending.iter().find(|(known, _)| *known == id)?;
    outcome::read(program, effect, outcome)
}

/// Values of the parameters, in order.
pub(crate) fn parameters(program: &Program, arguments: &[Json]) -> Result<Vec<Value>, String> {
    let count = usize::from(program.parameters);
    if arguments.len() != count {
        return Err(format!("{count} arguments are needed, {} are given", arguments.len()));
    }
    let value = |(slot, json): (&blufio_lang::program::Slot, &Json)| {
        program
            .value_of_shape(slot.shape, json)
            .map_err(|violations| format!("`{}`: {}", slot.name, first_words(&violations)))
    };
    program.slots.iter().take(count).zip(arguments).map(value).collect()
}

/// The first thing that is wrong, in words.
pub(crate) fn first_words(violations: &[blufio_lang::schema::Violation]) -> String {
    violations.first().map_or_else(String::new, |violation| violation.message.clone())
}
