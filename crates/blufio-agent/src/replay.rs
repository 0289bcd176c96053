// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rebuilds a session's machine from its journal alone: the state row is the truth for resuming, the journal is the
//! truth for audit, and this shows that they are the same truth.

use std::sync::Arc;

use blufio_core::message::Inbound;
use blufio_core::store::JournalRow;
use blufio_lang::effect::{Effect, EffectId, Event, ModelPurpose, Outcome};
use blufio_lang::machine::Machine;
use blufio_lang::program::Program;
use blufio_lang::value::{Failure, FailureKind, Message, ToolCall};
use serde_json::Value as Json;
use thiserror::Error;

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
    /// A result that fitted then does not fit now: the journal belongs to another program.
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
        if !matches!(row.record.kind.as_str(), "event" | "result") {
            continue;
        }
        let damaged = |reason: String| ReplayError::Damaged { sequence: row.sequence, reason };
        let body: Json =
            serde_json::from_str(&row.record.body).map_err(|error| damaged(error.to_string()))?;
        if body.get("start").is_some() {
            machine.start(program, row.at_ms);
            continue;
        }
        let event = if row.record.kind == "result" {
            let outcome = body.get("outcome").ok_or_else(|| damaged("no outcome".into()))?;
            let effect = coordinate(body.get("effect")).ok_or_else(|| damaged("no coordinate".into()))?;
            let outcome = read_outcome(program, &machine, outcome);
            Some(Event::Resolved {
                effect,
                outcome: outcome.ok_or(ReplayError::Differs { sequence: row.sequence })?,
            })
        } else {
            read_event(&body).map_err(damaged)?
        };
        if let Some(event) = event {
            machine.step(program, event, row.at_ms);
        }
    }
    Ok(machine)
}

/// An event as the machine was told it; `None` for messages that no step took.
fn read_event(body: &Json) -> Result<Option<Event>, String> {
    if let Some(timer) = coordinate(body.get("timer")) {
        return Ok(Some(Event::Timer { visit: timer.visit, timer: timer.number }));
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

fn coordinate(pair: Option<&Json>) -> Option<EffectId> {
    let pair = pair?.as_array()?;
    let number = u32::try_from(pair.get(1)?.as_u64()?).ok()?;
    Some(EffectId { visit: pair.first()?.as_u64()?, number })
}

/// How an effect ended. A picked document is read again against the schema of the step that waits for it.
fn read_outcome(program: &Program, machine: &Machine, outcome: &Json) -> Option<Outcome> {
    let (kind, value) = outcome.as_object()?.iter().next()?;
    let text = || value.as_str().map(Arc::from);
    Some(match kind.as_str() {
        "picked" => {
            let (_, Effect::Model(effect)) = machine.pending(program)? else { return None };
            let ModelPurpose::Pick { schema } = effect.purpose else { return None };
            Outcome::Picked(program.value_from_json(schema, value).ok()?)
        }
        "wrote" => Outcome::Wrote(text()?),
        "said" => Outcome::Said(text()?),
        "refused" => Outcome::Refused(text()?),
        "ran" => Outcome::Ran,
        "uncertain" => Outcome::Uncertain,
        "called" => {
            Outcome::Called(value.as_array()?.iter().map(read_call).collect::<Option<Vec<_>>>()?.into())
        }
        "failed" => Outcome::Failed(Arc::new(read_failure(value)?)),
        _ => return None,
    })
}

fn read_call(call: &Json) -> Option<ToolCall> {
    let text = |key: &str| call.get(key).and_then(Json::as_str).map(Arc::from);
    Some(ToolCall { id: text("id")?, tool: text("tool")?, arguments: text("arguments")? })
}

fn read_failure(failure: &Json) -> Option<Failure> {
    let word = failure.get("kind")?.as_str()?;
    let kind = FailureKind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let detail = failure.get("detail")?.as_str()?.into();
    Some(Failure { kind, detail, until_ms: failure.get("until_ms").and_then(Json::as_i64) })
}
