// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can happen to a session next: every event that it takes, every outcome of what it waits for.

use std::sync::Arc;

use super::Deadline;
use crate::effect::{Disposition, Effect, EffectId, Event, ModelPurpose, Outcome, happening_sample};
use crate::machine::Machine;
use crate::program::shape::ShapeId;
use crate::program::{EffectClass, Program, Purpose, Trigger};
use crate::simulate::harvest::{Literals, harvest};
use crate::simulate::representative::{Representatives, happening, message};
use crate::simulate::{BEGINNING_MS, describe};
use crate::typed;
use crate::value::{Failure, FailureKind, ToolCall, Value};

const HOUR_MS: i64 = 3_600_000;

/// Something that can happen.
#[derive(Debug, Clone)]
pub(in crate::simulate) struct Choice {
    /// As tests write it.
    pub line: String,
    pub event: Event,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Whether something outside failed.
    pub is_failure: bool,
}

/// What can happen to sessions of a program.
pub(in crate::simulate) struct Menu<'p> {
    program: &'p Program,
    stand_ins: Representatives<'p>,
    /// Events from outside, as tests write them.
    events: Vec<(String, Event)>,
    /// Answers by schema.
    picks: Vec<Vec<(String, Value)>>,
    /// Results by tool.
    results: Vec<Vec<(String, Value)>>,
    failures: Vec<Arc<Failure>>,
    /// Times of the day that matter.
    clocks_ms: Vec<i64>,
    has_over_budget: bool,
}

impl<'p> Menu<'p> {
    pub fn new(typed: &typed::Program, program: &'p Program) -> Self {
        let literals = harvest(typed);
        let failures = failures(&literals);
        let clocks_ms = if literals.reads_time {
            vec![BEGINNING_MS, BEGINNING_MS + 12 * HOUR_MS]
        } else {
            vec![BEGINNING_MS]
        };
        let stand_ins = Representatives::new(program, literals);
        let handlers = program.states.iter().flat_map(|state| &state.handlers).chain(&program.anywhere);
        let has_over_budget = handlers.into_iter().any(|handler| handler.trigger == Trigger::OverBudget);
        let picks = program.schemas.iter().map(|schema| {
            let line = |value: &Value| {
                format!("model picks {}", describe::value(program, schema.shape, value, BEGINNING_MS))
            };
            stand_ins.all(schema.shape).into_iter().map(|value| (line(&value), value)).collect()
        });
        let results = program.tools.iter().map(|tool| {
            let Some(shape) = tool.gives else { return Vec::new() };
            let line = |value: &Value| {
                format!(
                    "tool {} gives ({})",
                    tool.tool,
                    describe::result(program, shape, value, BEGINNING_MS)
                )
            };
            stand_ins.all(shape).into_iter().map(|value| (line(&value), value)).collect()
        });
        let (picks, results) = (picks.collect(), results.collect());
        let events = events(program, &stand_ins);
        Self { program, stand_ins, events, picks, results, failures, clocks_ms, has_over_budget }
    }

    /// Beyond this no comparison of the program tells numbers apart.
    pub fn int_max(&self) -> i64 {
        self.stand_ins.int_max()
    }

    /// Values of the agent's parameters.
    pub fn parameters(&self) -> Vec<Value> {
        let slots = self.program.slots.iter().take(usize::from(self.program.parameters));
        slots.map(|slot| self.stand_ins.first(slot.shape).unwrap_or(Value::None)).collect()
    }

    /// Everything that can happen to a session.
    pub fn choices(&self, machine: &Machine, deadlines: &[Deadline]) -> Vec<Choice> {
        let mut found: Vec<(String, Event, bool)> = Vec::new();
        let takes = |event: &Event| machine.disposition(self.program, event) == Disposition::Take;
        for (id, effect) in machine.pending(self.program) {
            self.outcomes(id, &effect, &mut found);
        }
        found.extend(
            self.events
                .iter()
                .filter(|(_, event)| takes(event))
                .map(|(line, event)| (line.clone(), event.clone(), false)),
        );
        found.extend(self.due(machine, deadlines, &takes));
        let mut out = Vec::with_capacity(found.len() * self.clocks_ms.len());
        for (line, event, is_failure) in found {
            for now_ms in &self.clocks_ms {
                let line =
                    if *now_ms == BEGINNING_MS { line.clone() } else { format!("{line}  // at midnight") };
                out.push(Choice { line, event: event.clone(), now_ms: *now_ms, is_failure });
            }
        }
        out
    }

    /// The next deadline or wake that the session takes.
    fn due(
        &self,
        machine: &Machine,
        deadlines: &[Deadline],
        takes: &dyn Fn(&Event) -> bool,
    ) -> Option<(String, Event, bool)> {
        let timers = deadlines
            .iter()
            .map(|deadline| (deadline.due_ms, Event::Timer { visit: deadline.visit, timer: deadline.timer }));
        let wakes = machine.wakes().map(|(wake, due_ms)| (due_ms, Event::Wake { wake }));
        let next = timers.chain(wakes).filter(|(_, event)| takes(event)).min_by_key(|(due_ms, _)| *due_ms);
        next.map(|(due_ms, event)| (wait_until(Some(due_ms)), event, false))
    }

    fn outcomes(&self, id: EffectId, effect: &Effect, out: &mut Vec<(String, Event, bool)>) {
        let program = self.program;
        let mut add = |line: String, outcome: Outcome| {
            let is_failure = matches!(
                outcome,
                Outcome::Failed(_) | Outcome::Uncertain | Outcome::OverBudget(_) | Outcome::Late
            );
            out.push((line, Event::Resolved { effect: id, outcome }, is_failure));
        };
        let name = describe::effect(program, effect);
        match effect {
            Effect::Model(model) => {
                self.answers(&model.purpose, id, &mut add);
                self.fail(&name, None, &mut add);
                if self.has_over_budget {
                    add(format!("// `{name}` would exceed the budget"), Outcome::OverBudget(None));
                }
            }
            Effect::Run { .. } => {
                add("// the calls are performed".into(), Outcome::Ran);
                if program.tools.iter().any(|tool| tool.effect == EffectClass::Once) {
                    add("// nobody knows whether a call was performed".into(), Outcome::Uncertain);
                }
            }
            Effect::Call { grant, .. } => {
                for (line, value) in self.results.get(*grant as usize).into_iter().flatten() {
                    add(line.clone(), Outcome::Done(value.clone()));
                }
                let tool = program.tools.get(*grant as usize);
                self.fail(&name, tool.map(|tool| tool.tool.as_str()), &mut add);
                if tool.is_some_and(|tool| tool.effect == EffectClass::Once) {
                    add(format!("// nobody knows whether `{name}` was performed"), Outcome::Uncertain);
                }
            }
            Effect::AskAgent { shape, deadline_ms, .. } => {
                for (line, value) in self.given(&name, *shape) {
                    add(line, Outcome::Done(value));
                }
                self.fail(&name, None, &mut add);
                self.late(*deadline_ms, &mut add);
            }
            Effect::AskPerson { .. } | Effect::Approve { .. } => self.people(&name, effect, &mut add),
            Effect::Recall { .. } => {
                add("// nothing is remembered".into(), Outcome::Done(Value::List([].into())));
                let one = Value::List([Value::Text("words".into())].into());
                add("// something is remembered".into(), Outcome::Done(one));
            }
        }
    }

    /// What people say and decide.
    fn people(&self, name: &str, effect: &Effect, add: &mut impl FnMut(String, Outcome)) {
        match effect {
            Effect::AskPerson { whom, deadline_ms, .. } => {
                for text in self.stand_ins.texts() {
                    let line = format!("{} says {}", describe::who(whom), describe::quoted(&text));
                    add(line, Outcome::Said(text));
                }
                self.fail(name, None, add);
                self.late(*deadline_ms, add);
            }
            Effect::Approve { by, editing, deadline_ms, .. } => {
                let who = match by {
                    typed::Who::Quorum(_, group) => group.clone(),
                    by => describe::who(by),
                };
                add(format!("{who} yes"), Outcome::Yes(None));
                if editing.is_some() {
                    add(
                        format!("// {who} corrects the text and agrees"),
                        Outcome::Yes(Some("corrected".into())),
                    );
                }
                add(format!("{who} no"), Outcome::No);
                self.late(*deadline_ms, add);
            }
            _ => {}
        }
    }

    fn answers(&self, purpose: &ModelPurpose, id: EffectId, add: &mut impl FnMut(String, Outcome)) {
        match purpose {
            ModelPurpose::Pick { schema } | ModelPurpose::Fill { schema, .. } => {
                for (line, value) in self.picks.get(*schema as usize).into_iter().flatten() {
                    add(line.clone(), Outcome::Picked(value.clone()));
                }
            }
            ModelPurpose::Write => {
                for text in self.stand_ins.texts().into_iter().take(1) {
                    add(format!("model says {}", describe::quoted(&text)), Outcome::Wrote(text));
                }
            }
            ModelPurpose::Turn { .. } => {
                for text in self.stand_ins.texts().into_iter().take(1) {
                    add(format!("model says {}", describe::quoted(&text)), Outcome::Said(text));
                }
                add("// the model refuses".into(), Outcome::Refused("no".into()));
                let asks_for_calls = |site: &crate::program::Site| {
                    matches!(site.purpose, Purpose::Turn { calls: Some(_), .. })
                };
                if self.program.sites.iter().any(asks_for_calls) {
                    self.call(id, add);
                }
            }
        }
    }

    /// A model wants a tool; the worst one that it may want.
    fn call(&self, id: EffectId, add: &mut impl FnMut(String, Outcome)) {
        let tools = &self.program.tools;
        let once = tools.iter().find(|tool| tool.effect == EffectClass::Once);
        let Some(tool) = once.or_else(|| tools.first()) else { return };
        let (mut words, mut object) = (Vec::new(), serde_json::Map::new());
        for parameter in &tool.parameters {
            let Some(value) = self.stand_ins.first(parameter.shape) else { continue };
            let written = describe::value(self.program, parameter.shape, &value, BEGINNING_MS);
            words.push(format!("{}: {written}", parameter.name));
            object.insert(parameter.name.clone(), self.program.json_of_shape(parameter.shape, &value));
        }
        let call = ToolCall {
            id: format!("call_{}", id.number).into(),
            tool: tool.tool.as_str().into(),
            arguments: serde_json::Value::Object(object).to_string().into(),
        };
        add(format!("model calls {}({})", tool.tool, words.join(", ")), Outcome::Called([call].into()));
    }

    fn given(&self, name: &str, shape: ShapeId) -> Vec<(String, Value)> {
        let line = |value: &Value| {
            format!("// `{name}` gives {}", describe::value(self.program, shape, value, BEGINNING_MS))
        };
        self.stand_ins.all(shape).into_iter().map(|value| (line(&value), value)).collect()
    }

    fn fail(&self, name: &str, tool: Option<&str>, add: &mut impl FnMut(String, Outcome)) {
        for failure in &self.failures {
            let line = match (tool, failure.kind) {
                (Some(tool), FailureKind::Broken) => format!("tool {tool} fails"),
                (_, kind) => format!("// `{name}` fails: {}", kind.word()),
            };
            add(line, Outcome::Failed(failure.clone()));
        }
    }

    fn late(&self, deadline_ms: Option<i64>, add: &mut impl FnMut(String, Outcome)) {
        if deadline_ms.is_some() {
            add(wait_until(deadline_ms), Outcome::Late);
        }
    }
}

fn wait_until(due_ms: Option<i64>) -> String {
    let ahead_ms = due_ms.unwrap_or(BEGINNING_MS).saturating_sub(BEGINNING_MS).max(1_000);
    format!("wait {}", describe::duration(ahead_ms))
}

/// Why steps fail: every kind if the program looks at it.
fn failures(literals: &Literals) -> Vec<Arc<Failure>> {
    let kinds = FailureKind::ALL.into_iter().filter(|kind| *kind != FailureKind::Arithmetic);
    kinds
        .filter(|kind| literals.reads_failure || *kind == FailureKind::Broken)
        .map(|kind| {
            let until_ms = (kind == FailureKind::Limited).then_some(BEGINNING_MS + HOUR_MS);
            Arc::new(Failure { kind, detail: "something failed".into(), until_ms })
        })
        .collect()
}

/// Every event from outside.
fn events(program: &Program, stand_ins: &Representatives<'_>) -> Vec<(String, Event)> {
    let mut out: Vec<(String, Event)> = Vec::new();
    for text in stand_ins.texts() {
        let event = Event::Message(Arc::new(message(&text)));
        out.push((format!("say {}", describe::quoted(&text)), event));
    }
    for (at, event) in (0..).zip(&program.events) {
        for value in stand_ins.all(event.shape) {
            let line = format!("event {}", describe::value(program, event.shape, &value, BEGINNING_MS));
            out.push((line, Event::Declared { event: at, value }));
        }
    }
    let mut words: Vec<&str> = Vec::new();
    for handler in program.states.iter().flat_map(|state| &state.handlers).chain(&program.anywhere) {
        if let Trigger::Channel(word) = &handler.trigger
            && !words.contains(&word.as_str())
        {
            words.push(word);
            let event = happening(word, happening_sample(word), 1);
            out.push((format!("{word} {}", describe::quoted(happening_sample(word))), event));
        }
    }
    for schedule in 0..u32::try_from(program.schedules.len()).unwrap_or(0) {
        out.push((format!("// schedule {} fires", schedule + 1), Event::Every(schedule)));
    }
    out
}

/// Whether a failure is the one that an outcome brought.
pub(super) fn is_outside(event: &Event, why: &Failure) -> bool {
    matches!(event, Event::Resolved { outcome: Outcome::Failed(failure), .. } if **failure == *why)
}
