// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rebuilds a session's machine from its journal alone: the state row is the truth for resuming, the journal is the
//! truth for audit, and this shows that they are the same truth.

use std::sync::Arc;

use blufio_core::message::Inbound;
use blufio_core::store::JournalRow;
use blufio_lang::effect::{EffectId, Event, Outcome};
use blufio_lang::machine::Machine;
use blufio_lang::program::Program;
use blufio_lang::value::{Message, Value};
use serde_json::Value as Json;
use thiserror::Error;

use crate::outcome::{self, coordinate};

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
    /// A result that fitted then does not fit now, or the session moved to another version here: what follows belongs
    /// to another program.
    #[error("record {sequence} does not fit this program")]
    Differs {
        /// Which record.
        sequence: i64,
    },
}

/// Takes every step of a journal again, on the program that it was written by. The rows are all of the session's, in
/// order, from its start.
pub fn replay(program: &Program, journal: &[JournalRow]) -> Result<Machine, ReplayError> {
    let mut machine = Machine::new(program);
    for row in journal {
        if row.record.kind == "migrated" {
            return Err(ReplayError::Differs { sequence: row.sequence });
        }
        if !matches!(row.record.kind.as_str(), "event" | "result") {
            continue;
        }
        let damaged = |reason: String| ReplayError::Damaged { sequence: row.sequence, reason };
        let body: Json =
            serde_json::from_str(&row.record.body).map_err(|error| damaged(error.to_string()))?;
        if body.get("start").is_some() {
            let arguments = body.get("arguments").and_then(Json::as_array).cloned().unwrap_or_default();
            let values = parameters(program, &arguments).map_err(damaged)?;
            machine.start_with(program, &values, row.at_ms);
            continue;
        }
        let event = if row.record.kind == "result" {
            let outcome = body.get("outcome").ok_or_else(|| damaged("no outcome".into()))?;
            let effect = coordinate(body.get("effect")).ok_or_else(|| damaged("no coordinate".into()))?;
            let outcome = read_outcome(program, &machine, effect, outcome);
            Some(Event::Resolved {
                effect,
                outcome: outcome.ok_or(ReplayError::Differs { sequence: row.sequence })?,
            })
        } else {
            read_event(program, &body).map_err(damaged)?
        };
        if let Some(event) = event {
            machine.step(program, event, row.at_ms);
        }
    }
    Ok(machine)
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
    Ok(Some(Event::Message(Arc::new(program_message(id, &inbound)))))
}

/// A stored message as a program sees it.
pub(crate) fn program_message(inbox_id: i64, message: &Inbound) -> Message {
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
