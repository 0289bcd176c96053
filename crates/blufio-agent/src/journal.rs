// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bodies of journal records. Together with the program they suffice to take every step again: an `event` holds what
//! the machine was told, a `result` holds how an effect ended, and the record's time is the time the step saw.

use blufio_core::message::Inbound;
use blufio_core::store::JournalRecord;
use blufio_lang::effect::{Effect, EffectId, Fault, ModelPurpose, Outcome};
use blufio_lang::value::Failure;
use serde_json::{Value, json};

fn record(kind: &str, body: Value) -> JournalRecord {
    JournalRecord { kind: kind.to_string(), body: body.to_string() }
}

fn coordinate(id: EffectId) -> Value {
    json!([id.visit, id.number])
}

/// The session began.
pub(crate) fn started() -> JournalRecord {
    record("event", json!({ "start": true }))
}

/// A message was taken, joined to the history, or dropped (`how`).
pub(crate) fn message(id: i64, how: &str, message: &Inbound) -> JournalRecord {
    record("event", json!({ "message": id, "how": how, "inbound": message }))
}

/// A deadline was taken.
pub(crate) fn timer(visit: u64, timer: u32) -> JournalRecord {
    record("event", json!({ "timer": [visit, timer] }))
}

/// A deadline or a result came too late for its state.
pub(crate) fn late(what: &str, visit: u64, number: u32) -> JournalRecord {
    record("late", json!({ "what": what, "at": [visit, number] }))
}

/// The session went from one state to another.
pub(crate) fn moved(from: Option<&str>, to: &str) -> JournalRecord {
    record("moved", json!({ "from": from, "to": to }))
}

/// An effect is about to be performed.
pub(crate) fn intent(id: EffectId, effect: &Effect, model: Option<&str>) -> JournalRecord {
    let body = match effect {
        Effect::Run { calls } => {
            let calls: Vec<Value> = calls
                .iter()
                .map(|c| json!({ "id": &*c.id, "tool": &*c.tool, "arguments": &*c.arguments }))
                .collect();
            json!({ "effect": coordinate(id), "run": calls })
        }
        Effect::Model(effect) => {
            json!({ "effect": coordinate(id), "model": purpose(&effect.purpose), "using": model })
        }
    };
    record("intent", body)
}

/// Word for the purpose of a model step, as the ledger spells it.
pub(crate) fn purpose(purpose: &ModelPurpose) -> &'static str {
    match purpose {
        ModelPurpose::Pick { .. } => "pick",
        ModelPurpose::Write => "write",
        ModelPurpose::Turn { .. } => "turn",
    }
}

/// A call that must not be repeated is about to start.
pub(crate) fn call_started(id: EffectId, call: usize) -> JournalRecord {
    record("intent", json!({ "effect": coordinate(id), "call": call }))
}

/// One attempt of a model call.
pub(crate) fn attempt(
    id: EffectId,
    model: &str,
    outcome: &str,
    usage: Option<blufio_core::model::Usage>,
) -> JournalRecord {
    record("attempt", json!({ "effect": coordinate(id), "model": model, "outcome": outcome, "usage": usage }))
}

/// How an effect ended; `picked` is the document that a `pick` gave, `calls` the results of a `run`.
pub(crate) fn result(
    id: EffectId,
    outcome: &Outcome,
    picked: Option<&Value>,
    calls: Option<Value>,
) -> JournalRecord {
    let how = match outcome {
        Outcome::Picked(_) => json!({ "picked": picked }),
        Outcome::Wrote(text) => json!({ "wrote": &**text }),
        Outcome::Said(text) => json!({ "said": &**text }),
        Outcome::Called(calls) => {
            let calls: Vec<Value> = calls
                .iter()
                .map(|c| json!({ "id": &*c.id, "tool": &*c.tool, "arguments": &*c.arguments }))
                .collect();
            json!({ "called": calls })
        }
        Outcome::Refused(why) => json!({ "refused": &**why }),
        Outcome::Ran => json!({ "ran": calls }),
        Outcome::Failed(failure) => json!({ "failed": failure_body(failure) }),
        Outcome::Uncertain => json!({ "uncertain": true, "ran": calls }),
    };
    record("result", json!({ "effect": coordinate(id), "outcome": how }))
}

fn failure_body(failure: &Failure) -> Value {
    json!({ "kind": failure.kind.word(), "detail": &*failure.detail, "until_ms": failure.until_ms })
}

/// The session is parked.
pub(crate) fn fault(fault: &Fault) -> JournalRecord {
    record("fault", json!({ "fault": fault_words(fault) }))
}

/// The session is parked because this program panicked.
pub(crate) fn defect(panic: &str) -> JournalRecord {
    record("fault", json!({ "fault": format!("a defect of this program: {panic}") }))
}

/// Words for a fault.
pub(crate) fn fault_words(fault: &Fault) -> String {
    match fault {
        Fault::FailedTwice(failure) => {
            format!("a failure while handling a failure: {} ({})", failure.kind.word(), failure.detail)
        }
        Fault::Unhandled(failure) => {
            format!("a failure that nothing handles: {} ({})", failure.kind.word(), failure.detail)
        }
        Fault::UnhandledUncertain => "an effect of unknown outcome that nothing handles".to_string(),
        Fault::OutOfFuel => "a step that did not end within its instructions".to_string(),
        Fault::TooManyTransitions => "a step that moved from state to state without waiting".to_string(),
        Fault::Corrupt(what) => format!("the program's code is damaged: {what}"),
    }
}

/// The session ended.
pub(crate) fn done(value: Option<&blufio_lang::value::Value>) -> JournalRecord {
    record("done", json!({ "value": value.map(|v| format!("{v:?}")) }))
}
