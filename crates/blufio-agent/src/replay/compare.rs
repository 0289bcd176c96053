// SPDX-License-Identifier: MIT OR Apache-2.0
//! Says whether a session's journal is what its own programs do, and where another program would have gone another way.

use std::collections::VecDeque;
use std::sync::Arc;

use blufio_core::store::{JournalRecord, JournalRow};
use blufio_lang::effect::{Action, StepResult, Stop};
use blufio_lang::machine::Machine;
use blufio_lang::program::Program;
use blufio_lang::simulate::describe_step;

use super::{Replay, ReplayError, moved_between};
use crate::journal;

/// The first place where two runs are not the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The record that was taken, or that is not as it would be.
    pub sequence: i64,
    /// When it was committed, milliseconds since 1970.
    pub at_ms: i64,
    /// The record that was taken, as the journal has it.
    pub record: JournalRecord,
    /// What happened.
    pub happened: Vec<String>,
    /// What would happen now.
    pub would_happen: Vec<String>,
}

/// How two runs compare.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// They are the same in every step.
    Same {
        /// How many steps were taken.
        steps: usize,
        /// The session behind them, by the program that went on with it.
        machine: Box<Machine>,
    },
    /// They are not.
    Differs(Box<Difference>),
}

/// Takes a journal again with its own programs: every transition, every intent and every end that it records must be
/// what the step does.
pub fn verify(
    first: Arc<Program>,
    journal: &[JournalRow],
    programs: impl Fn([u8; 32]) -> Option<Arc<Program>>,
) -> Result<Verdict, ReplayError> {
    let mut replay = Replay::new(first);
    let (mut steps, mut due) = (0, VecDeque::new());
    let mut taken = None;
    for row in journal {
        let differs = |expected: Option<JournalRecord>| {
            let words = |record: &JournalRecord| format!("{} {}", record.kind, record.body);
            Ok(Verdict::Differs(Box::new(Difference {
                sequence: row.sequence,
                at_ms: row.at_ms,
                record: row.record.clone(),
                happened: vec![words(&row.record)],
                would_happen: expected.iter().map(words).collect(),
            })))
        };
        if let Some((_, next)) = moved_between(row) {
            replay
                .go_on_with(programs(next).ok_or(ReplayError::NoProgram { sequence: row.sequence })?, row)?;
            continue;
        }
        match row.record.kind.as_str() {
            // The program failed in a way that is not the session's.
            "defect" => break,
            "moved" | "done" | "fault" => {
                let expected = due.pop_front();
                if expected.as_ref() != Some(&row.record) {
                    return differs(expected);
                }
            }
            "intent" if is_of_step(&row.record) => {
                let expected = due.pop_front();
                if expected.as_ref() != Some(&row.record) {
                    return differs(expected);
                }
            }
            _ => {
                let result = replay.take(row)?;
                if let Some(result) = result {
                    if let Some(missing) = due.pop_front() {
                        return differs(Some(missing));
                    }
                    steps += 1;
                    due = trail(replay.program(), &result).into();
                    taken = Some(row);
                }
            }
        }
    }
    if let (Some(missing), Some(row)) = (due.pop_front(), taken) {
        return Ok(Verdict::Differs(Box::new(Difference {
            sequence: row.sequence,
            at_ms: row.at_ms,
            record: row.record.clone(),
            happened: Vec::new(),
            would_happen: vec![format!("{} {}", missing.kind, missing.body)],
        })));
    }
    Ok(Verdict::Same { steps, machine: Box::new(replay.machine) })
}

/// Whether an intent is of a step; the others are of calls inside of a `run`.
fn is_of_step(record: &JournalRecord) -> bool {
    let body: serde_json::Value = serde_json::from_str(&record.body).unwrap_or_default();
    let bare_call = body.get("call").is_some() && body.get("arguments").is_none();
    !bare_call && body.get("approval_of_call").is_none()
}

/// What the journal records of a step besides what it was told.
fn trail(program: &Program, result: &StepResult) -> Vec<JournalRecord> {
    let name = |state: u32| program.states.get(state as usize).map_or("?", |state| state.name.as_str());
    let mut records = Vec::new();
    for action in &result.actions {
        if let Action::Moved { from, to } = action {
            records.push(journal::moved(from.map(name), name(*to)));
        }
    }
    match &result.stop {
        Stop::Await(awaited) => {
            for awaited in awaited.iter().filter(|awaited| awaited.fresh) {
                records.push(journal::intent(program, awaited.id, &awaited.effect));
            }
        }
        Stop::Idle => {}
        Stop::Done(value) => records.push(journal::done(value.as_ref())),
        Stop::Fault(fault) => records.push(journal::fault(fault)),
    }
    records
}

/// Takes a journal again with its own programs and, beside them, with another one from the start on; the first step
/// that is not the same in the words of the two programs.
pub fn compare(
    first: Arc<Program>,
    other: Arc<Program>,
    journal: &[JournalRow],
    programs: impl Fn([u8; 32]) -> Option<Arc<Program>>,
) -> Result<Verdict, ReplayError> {
    let (mut own, mut other) = (Replay::new(first), Replay::new(other));
    let mut steps = 0;
    for row in journal {
        if let Some((_, next)) = moved_between(row) {
            let next = programs(next).ok_or(ReplayError::NoProgram { sequence: row.sequence })?;
            own.go_on_with(next, row)?;
            continue;
        }
        let Some(happened) = own.take(row)? else { continue };
        let happened = describe_step(own.program(), &happened);
        let would_happen = match other.take(row) {
            Ok(Some(result)) => describe_step(other.program(), &result),
            Ok(None) => Vec::new(),
            Err(ReplayError::Damaged { reason, .. }) => vec![format!("it cannot be taken: {reason}")],
            Err(_) => vec!["it cannot be taken: no step waits for such a result".to_string()],
        };
        steps += 1;
        if happened != would_happen {
            return Ok(Verdict::Differs(Box::new(Difference {
                sequence: row.sequence,
                at_ms: row.at_ms,
                record: row.record.clone(),
                happened,
                would_happen,
            })));
        }
    }
    Ok(Verdict::Same { steps, machine: Box::new(other.machine) })
}
