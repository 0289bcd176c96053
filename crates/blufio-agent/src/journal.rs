// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bodies of journal records. Together with the program they suffice to take every step again: an `event` holds what
//! the machine was told, a `result` holds how an effect ended, and the record's time is the time the step saw.

use blufio_core::message::Inbound;
use blufio_core::store::JournalRecord;
use blufio_lang::effect::{Effect, EffectId, Fault, ModelEffect, ModelPurpose};
use blufio_lang::program::Program;
use serde_json::{Value, json};

use crate::reload::Loaded;

fn record(kind: &str, body: Value) -> JournalRecord {
    JournalRecord { kind: kind.to_string(), body: body.to_string() }
}

fn coordinate(id: EffectId) -> Value {
    json!([id.visit, id.number])
}

/// The session began, with the values of its parameters.
pub(crate) fn started(arguments: &[Value]) -> JournalRecord {
    let body = if arguments.is_empty() {
        json!({ "start": true })
    } else {
        json!({ "start": true, "arguments": arguments })
    };
    record("event", body)
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
pub(crate) fn intent(program: &Program, id: EffectId, effect: &Effect) -> JournalRecord {
    let at = coordinate(id);
    let using =
        |effect: &ModelEffect| program.models.get(effect.model as usize).map(|model| model.name.clone());
    let body = match effect {
        Effect::Run { calls, .. } => json!({ "effect": at, "run": crate::outcome::calls_json(calls) }),
        Effect::Model(effect) => {
            json!({ "effect": at, "model": purpose(&effect.purpose), "using": using(effect) })
        }
        Effect::Call { grant, arguments, .. } => {
            json!({ "effect": at, "call": grant, "arguments": &**arguments })
        }
        Effect::AskAgent { grant, .. } => json!({ "effect": at, "ask": grant }),
        Effect::AskPerson { whom, question, .. } => {
            json!({ "effect": at, "ask": format!("{whom:?}"), "question": &**question })
        }
        Effect::Approve { by, question, .. } => {
            json!({ "effect": at, "approve": format!("{by:?}"), "question": &**question })
        }
        Effect::Recall { query, top, .. } => json!({ "effect": at, "recall": &**query, "top": top }),
    };
    record("intent", body)
}

/// Word for the purpose of a model step, as the ledger spells it.
pub(crate) fn purpose(purpose: &ModelPurpose) -> &'static str {
    match purpose {
        ModelPurpose::Pick { .. } => "pick",
        ModelPurpose::Fill { .. } => "fill",
        ModelPurpose::Write => "write",
        ModelPurpose::Turn { .. } => "turn",
    }
}

/// A call that must not be repeated is about to start.
pub(crate) fn call_started(id: EffectId, call: usize) -> JournalRecord {
    record("intent", json!({ "effect": coordinate(id), "call": call }))
}

/// Somebody is asked whether a call may start.
pub(crate) fn call_asked(id: EffectId, call: u32) -> JournalRecord {
    record("intent", json!({ "effect": coordinate(id), "approval_of_call": call }))
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

/// The history that prompts hold begins behind so many more turns; what stands for them.
pub(crate) fn epoch(id: EffectId, turns: usize, summary: Option<&blufio_core::model::Turn>) -> JournalRecord {
    record("epoch", json!({ "effect": coordinate(id), "turns": turns, "summary": summary }))
}

/// A tool said who somebody is now.
pub(crate) fn person(name: &str, is: &str) -> JournalRecord {
    record("person", json!({ "name": name, "is": is }))
}

/// How an effect ended, in the form of `outcome`.
pub(crate) fn result(id: EffectId, outcome: Value) -> JournalRecord {
    record("result", json!({ "effect": coordinate(id), "outcome": outcome }))
}

/// How a cancelled effect ended all the same; no step saw it.
pub(crate) fn result_late(id: EffectId, outcome: Value) -> JournalRecord {
    record("late", json!({ "what": "result", "at": coordinate(id), "outcome": outcome }))
}

/// Somebody's answer to a question that is not decided by it alone, or a decision about one call of a `run`.
pub(crate) fn vote(id: EffectId, who: &str, yes: bool) -> JournalRecord {
    record("vote", json!({ "effect": coordinate(id), "who": who, "yes": yes }))
}

/// The session goes on with another version of its program.
pub(crate) fn migrated(from: &Loaded, to: &Loaded) -> JournalRecord {
    let hex = |hash: &[u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let body = json!({
        "from": from.program.version,
        "to": to.program.version,
        "from_program": hex(&from.hash),
        "program": hex(&to.hash),
    });
    record("migrated", body)
}

/// A wake was taken.
pub(crate) fn wake(wake: u64) -> JournalRecord {
    record("event", json!({ "wake": wake }))
}

/// A schedule fired.
pub(crate) fn every(schedule: u32) -> JournalRecord {
    record("event", json!({ "every": schedule }))
}

/// An event of a declared type was taken.
pub(crate) fn declared(event: u32, value: &Value) -> JournalRecord {
    record("event", json!({ "declared": event, "value": value }))
}

/// Mail that nothing waits for any more.
pub(crate) fn unwanted(what: &str) -> JournalRecord {
    record("late", json!({ "what": what }))
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
        Fault::RuleBroken(rule) => format!("a step that would have broken the rule `{rule}`"),
        Fault::OutOfFuel => "a step that did not end within its instructions".to_string(),
        Fault::TooManyTransitions => "a step that moved from state to state without waiting".to_string(),
        Fault::Corrupt(what) => format!("the program's code is damaged: {what}"),
    }
}

/// The session ended.
pub(crate) fn done(value: Option<&blufio_lang::value::Value>) -> JournalRecord {
    record("done", json!({ "value": value.map(|v| format!("{v:?}")) }))
}
