// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one step did, in words that do not depend on how its program was compiled, so that the steps of two programs
//! can be compared.

use super::{effect, fault, quoted, tool, who};
use crate::effect::{Action, Effect, ModelEffect, StepResult, Stop};
use crate::program::Program;
use crate::program::civil;

/// Every decision of a step in order, then where it stopped.
pub fn describe_step(program: &Program, result: &StepResult) -> Vec<String> {
    let mut lines: Vec<String> =
        result.actions.iter().filter_map(|action| decision(program, action)).collect();
    match &result.stop {
        Stop::Await(awaited) => {
            let fresh = awaited.iter().filter(|awaited| awaited.fresh);
            lines.extend(fresh.map(|awaited| request(program, &awaited.effect)));
        }
        Stop::Idle => {}
        Stop::Done(Some(value)) => lines.push(format!("done {value:?}")),
        Stop::Done(None) => lines.push("done".into()),
        Stop::Fault(why) => lines.push(format!("parked: {}", fault(why))),
    }
    lines
}

/// A decision; nothing for housekeeping that follows from the others.
fn decision(program: &Program, action: &Action) -> Option<String> {
    let name = |state: u32| program.states.get(state as usize).map_or("?", |state| state.name.as_str());
    let at = civil::print_moment;
    Some(match action {
        Action::Reply(text) => format!("reply {}", quoted(text)),
        Action::Send(whom, text, delivery) => {
            format!("send {} {}{}", who(whom), quoted(text), delivery.words())
        }
        Action::Show(text) => format!("show {}", quoted(text)),
        Action::Remember { text, scope } => format!("remember {} for {}", quoted(text), scope.word()),
        Action::ForgetMemory(scope) => format!("forget {}", scope.word()),
        Action::ForgetHistory => "forget history".into(),
        Action::SetWake { wake, due_ms } => format!("wake {wake} at {}", at(*due_ms)),
        Action::ClearWakes => "forget wakes".into(),
        Action::SetTimer { timer, due_ms, .. } => format!("deadline {timer} at {}", at(*due_ms)),
        Action::ClearTimers => return None,
        Action::CancelEffect(_) => "what was pending is cancelled".into(),
        Action::Moved { from: Some(from), to } => format!("{} → {}", name(*from), name(*to)),
        Action::Moved { from: None, to } => format!("begins in {}", name(*to)),
    })
}

fn request(program: &Program, wanted: &Effect) -> String {
    let begin = effect(program, wanted);
    let within = |deadline: &Option<i64>| {
        deadline.map(|at| format!(" until {}", civil::print_moment(at))).unwrap_or_default()
    };
    match wanted {
        Effect::Model(model) => format!("{begin}{}", prompt(program, model)),
        Effect::Run { calls, approved_by, deadline_ms } => {
            let calls: Vec<String> =
                calls.iter().map(|call| format!("{} {}", call.tool, call.arguments)).collect();
            let by = approved_by.as_ref().map(|by| format!(" approved by {}", who(by))).unwrap_or_default();
            format!("{begin} {}{by}{}", calls.join(", "), within(deadline_ms))
        }
        Effect::Call { grant, arguments, retries, .. } => {
            format!("call {} {arguments} retry {retries}", tool(program, *grant))
        }
        Effect::AskAgent { arguments, here, with, deadline_ms, .. } => {
            let here = if *here { " here" } else { "" };
            let with = with.as_ref().map(|with| format!(" with {}", who(with))).unwrap_or_default();
            format!("{begin} {arguments:?}{here}{with}{}", within(deadline_ms))
        }
        Effect::AskPerson { question, deadline_ms, .. } => {
            format!("{begin} {}{}", quoted(question), within(deadline_ms))
        }
        Effect::Approve { question, editing, deadline_ms, .. } => {
            let editing =
                editing.as_ref().map(|text| format!(" editing {}", quoted(text))).unwrap_or_default();
            format!("{begin} {}{editing}{}", quoted(question), within(deadline_ms))
        }
        Effect::Recall { query, scope, top } => {
            format!("recall {} from {} top {top}", quoted(query), scope.word())
        }
    }
}

fn prompt(program: &Program, model: &ModelEffect) -> String {
    let name = program.models.get(model.model as usize).map_or("?", |model| model.name.as_str());
    let history = if model.history { " with history" } else { "" };
    let memory = if model.memory { " with memory" } else { "" };
    let from: Vec<String> =
        model.from.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
    let from = if from.is_empty() { String::new() } else { format!(" from {}", from.join(", ")) };
    format!(" using {name}{history}{memory}{from} {}", quoted(&model.instruction))
}
