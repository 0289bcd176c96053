// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rulings of the language, one test each, on programs that are written by hand.

mod constructs;
pub mod front_end;
mod properties;
mod rulings;
mod steps;

use std::sync::Arc;

use super::Machine;
use crate::compile::compile;
use crate::effect::{Action, Awaited, Effect, EffectId, Event, ModelEffect, Outcome, StepResult, Stop};
use crate::program::Program;
use crate::typed;
use crate::value::{Failure, FailureKind, Message, Value};

/// A session with its program and a clock.
pub struct Session {
    pub program: Program,
    pub machine: Machine,
    pub now_ms: i64,
    pub last: StepResult,
}

pub fn compiled(source: &typed::Program) -> Program {
    let (program, diagnostics) = compile(source);
    let found: Vec<String> =
        diagnostics.iter().map(|d| format!("{}: {}", d.title, d.label.message)).collect();
    assert!(found.is_empty(), "{found:?}");
    program
}

pub fn message(text: &str) -> Event {
    let text = Arc::from(text);
    Event::Message(Arc::new(Message { inbox_id: 7, text, sender: "Ada".into(), own_words: true }))
}

pub fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Arc::new(Failure { kind, detail: "outside".into(), until_ms: None }))
}

impl Session {
    pub fn start(source: &typed::Program) -> Self {
        let program = compiled(source);
        let mut machine = Machine::new(&program);
        let last = machine.start(&program, 1_000);
        Self { program, machine, now_ms: 1_000, last }
    }

    pub fn step(&mut self, event: Event) -> &StepResult {
        self.now_ms += 1_000;
        self.last = self.machine.step(&self.program, event, self.now_ms);
        &self.last
    }

    pub fn say(&mut self, text: &str) -> &StepResult {
        self.step(message(text))
    }

    pub fn resolve(&mut self, outcome: Outcome) -> &StepResult {
        let (effect, _) = self.machine.pending(&self.program).remove(0);
        self.step(Event::Resolved { effect, outcome })
    }

    pub fn pick(&mut self, case: u32, payload: Vec<Value>) -> &StepResult {
        self.resolve(Outcome::Picked(Value::Variant(case, payload.into())))
    }

    pub fn state(&self) -> &str {
        &self.program.states[self.machine.state() as usize].name
    }

    pub fn replies(&self) -> Vec<&str> {
        let reply = |action: &'_ Action| matches!(action, Action::Reply(_));
        self.last
            .actions
            .iter()
            .filter(|a| reply(a))
            .map(|a| if let Action::Reply(t) = a { t.as_ref() } else { "" })
            .collect()
    }

    pub fn slot(&self, name: &str) -> Value {
        self.machine.slot(&self.program, name).expect("no such slot")
    }

    /// The model step that the last step stopped at.
    pub fn asked(&self) -> (EffectId, ModelEffect, bool) {
        match &self.last.stop {
            Stop::Await(awaited) => match awaited.as_slice() {
                [Awaited { id, effect: Effect::Model(model), fresh }] => (*id, model.clone(), *fresh),
                other => panic!("not a model step: {other:?}"),
            },
            other => panic!("not a wait: {other:?}"),
        }
    }
}
