// SPDX-License-Identifier: MIT OR Apache-2.0
//! Effects: built from the values that were computed before the wait, and their outcomes on the way back.

use std::sync::Arc;

use super::execute::Context;
use super::transition::failure;
use super::{Machine, Pending, Place, Segment, objects};
use crate::effect::{Effect, Fault, ModelEffect, ModelPurpose, Outcome, Stop};
use crate::program::shape::{Shape, ShapeId, conforms};
use crate::program::{Asked, Landing, NOTHING, OutcomeKind, Program, Purpose, Register, Site, Who};
use crate::value::{Failure, FailureKind, Value};

/// What the effect of a site is asked with, from the registers that the code filled.
pub(super) fn asked_values(program: &Program, objects: &[Value], site: u16) -> Box<[Value]> {
    let first = usize::from(program.layout.effect_first);
    let count =
        program.sites.get(usize::from(site)).map_or(0, |site| crate::program::asked_with(program, site));
    objects.get(first..first + usize::from(count)).unwrap_or(&[]).into()
}

/// Whether the values are what the effect of a site needs, without building it.
pub(super) fn can_ask(program: &Program, site: u16, values: &[Value]) -> bool {
    let Some(described) = program.sites.get(usize::from(site)) else { return false };
    let printed = |value: &Value| matches!(value, Value::Text(_) | Value::Message(_) | Value::None);
    match (&described.purpose, values.split_first()) {
        (
            Purpose::Pick { .. } | Purpose::Write { .. } | Purpose::Turn { .. },
            Some((Value::Text(_), from)),
        ) => from.len() == described.from.len() && from.iter().all(printed),
        _ => effect(program, site, values).is_some(),
    }
}

/// The effect of a site; `None` when the values are not what it needs.
pub(super) fn effect(program: &Program, site: u16, values: &[Value]) -> Option<Effect> {
    let site = program.sites.get(usize::from(site))?;
    let asked = crate::program::asked_with(program, site);
    if values.len() != usize::from(asked) {
        return None;
    }
    let purpose = match &site.purpose {
        Purpose::Run { approved_by, deadline, .. } => {
            let [Value::ToolCalls(calls), rest @ ..] = values else { return None };
            return Some(Effect::Run {
                calls: calls.clone(),
                approved_by: match approved_by {
                    Some(who) => Some(person(program, *who)?),
                    None => None,
                },
                deadline_ms: deadline_of(*deadline, rest)?,
            });
        }
        Purpose::Request { asked, .. } => return request(program, site, asked, values),
        Purpose::Pick { schema, .. } => ModelPurpose::Pick { schema: u32::from(*schema) },
        Purpose::Fill { schema, .. } => {
            ModelPurpose::Fill { schema: u32::from(*schema), known: text(values.last()?)? }
        }
        Purpose::Write { .. } => ModelPurpose::Write,
        Purpose::Turn { stream, .. } => ModelPurpose::Turn { stream: *stream },
    };
    let (instruction, values) = values.split_first()?;
    let mut from = Vec::with_capacity(site.from.len());
    let mut from_messages = Vec::new();
    for (words, value) in site.from.iter().zip(values) {
        let printed: Arc<str> = match value {
            Value::Text(text) => text.clone(),
            Value::Message(message) => {
                from_messages.push(message.inbox_id);
                message.text.clone()
            }
            Value::None => NOTHING.into(),
            _ => return None,
        };
        from.push((Arc::from(words.as_str()), printed));
    }
    Some(Effect::Model(ModelEffect {
        purpose,
        model: u32::from(site.model),
        from,
        from_messages,
        history: site.history,
        memory: site.memory,
        retries: site.retries,
        instruction: text(instruction)?,
    }))
}

fn request(program: &Program, site: &Site, asked: &Asked, values: &[Value]) -> Option<Effect> {
    Some(match asked {
        Asked::Call { grant } => {
            let tool = program.tools.get(usize::from(*grant))?;
            let mut arguments = serde_json::Map::new();
            for (parameter, value) in tool.parameters.iter().zip(values) {
                if !conforms(&program.shapes, parameter.shape, value) {
                    return None;
                }
                if *value != Value::None {
                    arguments.insert(parameter.name.clone(), program.json_of_shape(parameter.shape, value));
                }
            }
            Effect::Call {
                grant: u32::from(*grant),
                arguments: serde_json::Value::Object(arguments).to_string().into(),
                shape: tool.gives.unwrap_or(ShapeId(u16::MAX)),
                retries: site.retries,
            }
        }
        Asked::Agent { grant, here, with, deadline } => {
            let ask = program.asks.get(usize::from(*grant))?;
            let (arguments, rest) = values.split_at_checked(ask.parameters.len())?;
            let fits = |(shape, value): (&ShapeId, &Value)| conforms(&program.shapes, *shape, value);
            if !ask.parameters.iter().zip(arguments).all(fits) {
                return None;
            }
            Effect::AskAgent {
                grant: u32::from(*grant),
                arguments: arguments.into(),
                shape: ask.gives,
                here: *here,
                with: match with {
                    Some(who) => Some(person(program, *who)?),
                    None => None,
                },
                deadline_ms: deadline_of(*deadline, rest)?,
            }
        }
        Asked::Person { whom, deadline } => Effect::AskPerson {
            whom: person(program, *whom)?,
            question: text(values.first()?)?,
            deadline_ms: deadline_of(*deadline, &values[1..])?,
        },
        Asked::Approval { by, editing, deadline } => Effect::Approve {
            by: person(program, *by)?,
            question: text(values.first()?)?,
            editing: match editing {
                Some(_) => Some(text(values.get(1)?)?),
                None => None,
            },
            deadline_ms: deadline_of(*deadline, &values[1 + usize::from(editing.is_some())..])?,
        },
        Asked::Recall { scope, top } => {
            Effect::Recall { query: text(values.first()?)?, scope: *scope, top: u32::from(*top) }
        }
    })
}

fn person(program: &Program, who: u16) -> Option<Who> {
    program.people.get(usize::from(who)).cloned()
}

fn text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The deadline at the end of the values, when there is one.
fn deadline_of(has_one: bool, rest: &[Value]) -> Option<Option<i64>> {
    match (has_one, rest) {
        (false, []) => Some(None),
        (true, [Value::Moment(due_ms)]) => Some(Some(*due_ms)),
        _ => None,
    }
}

/// Where an outcome leads.
enum Next {
    /// Code goes on here, after a register received a value.
    On(u16, Option<(Register, Value)>),
    Failed(Failure),
    Uncertain,
    OverBudget(Option<i64>),
}

impl Machine {
    /// Goes on with what became of a pending effect.
    pub(super) fn resume(&mut self, context: &mut Context<'_>, number: u32, outcome: Outcome) -> Stop {
        let program = context.program;
        let Some(at) = self.pending.iter().position(|pending| pending.number == number) else {
            return self.rest(program);
        };
        let pending = self.pending.remove(at);
        let Some(site) = program.sites.get(usize::from(pending.site)) else {
            return Stop::Fault(Fault::Corrupt("no such effect site"));
        };
        #[cfg(test)]
        self.shadowed(|shadow| shadow.resolves(program, pending.number, pending.site, &outcome));
        let next = self.outcome(program, site, outcome);
        match pending.place {
            Place::Alone => self.resume_alone(context, &pending, next),
            Place::Branch => self.resume_branch(context, &pending, next),
            Place::Item(item) => self.resume_item(context, &pending, item, next),
        }
    }

    fn resume_alone(&mut self, context: &mut Context<'_>, pending: &Pending, next: Next) -> Stop {
        let origin = pending.origin;
        let segment = match next {
            Next::On(entry, bind) => Ok(Segment { entry, bind, origin }),
            Next::Failed(why) => self.fail(context, why, origin),
            Next::Uncertain => self.uncertain(context, origin),
            Next::OverBudget(until_ms) => self.over_budget(context, until_ms, origin),
        };
        match segment {
            Ok(segment) => self.drive(context, segment),
            Err(fault) => Stop::Fault(fault),
        }
    }

    /// A branch of `together`: the last one goes on, a failure ends all.
    fn resume_branch(&mut self, context: &mut Context<'_>, pending: &Pending, next: Next) -> Stop {
        if let Next::On(_, bind) = next {
            if let Some((register, value)) = bind
                && !self.store(register, value)
            {
                return Stop::Fault(Fault::Corrupt("a register of another kind"));
            }
            if self.pending.iter().any(|other| other.place == Place::Branch) {
                return self.rest(context.program);
            }
            let Some(entry) = self.gather.take() else {
                return Stop::Fault(Fault::Corrupt("branches that nobody waits for"));
            };
            return self.drive(context, Segment { entry, bind: None, origin: pending.origin });
        }
        self.cancel_pending(context);
        self.resume_alone(context, pending, next)
    }

    /// An item of a loop: a failure costs the item alone, an unknown outcome ends the loop.
    fn resume_item(&mut self, context: &mut Context<'_>, pending: &Pending, item: u32, next: Next) -> Stop {
        match next {
            Next::On(entry, bind) => self.go_on_with_item(context, item, entry, bind),
            Next::Failed(_) | Next::OverBudget(_) => self.drop_item(context, item),
            Next::Uncertain => {
                self.cancel_pending(context);
                self.resume_alone(context, pending, Next::Uncertain)
            }
        }
    }

    fn outcome(&mut self, program: &Program, site: &Site, outcome: Outcome) -> Next {
        let wrong = || Next::Failed(failure(FailureKind::Invalid, "an outcome of another kind of step"));
        if let Purpose::Request { landings, into, resume, otherwise, asked } = &site.purpose {
            return self.answered(program, asked, landings, (*into, *resume, *otherwise), outcome);
        }
        let land = |landing: &Landing, value: Value| {
            Next::On(landing.at, landing.into.map(|register| (register, value)))
        };
        match (outcome, &site.purpose) {
            (Outcome::Failed(why), _) => Next::Failed((*why).clone()),
            (Outcome::Uncertain, _) => Next::Uncertain,
            (Outcome::OverBudget(until_ms), _) => Next::OverBudget(until_ms),
            (Outcome::Picked(value), Purpose::Pick { schema, into, resume }) => {
                if fits(program, *schema, &value) {
                    Next::On(*resume, Some((*into, value)))
                } else {
                    Next::Failed(failure(FailureKind::Invalid, "the answer does not fit the type"))
                }
            }
            (Outcome::Picked(value), Purpose::Fill { schema, slot, landings }) => {
                if fits(program, *schema, &value) {
                    self.filled(program, *schema, *slot, landings, &value)
                } else {
                    Next::Failed(failure(FailureKind::Invalid, "the answer does not fit the type"))
                }
            }
            (Outcome::Wrote(text), Purpose::Write { into, resume }) => {
                Next::On(*resume, Some((*into, Value::Text(text))))
            }
            (Outcome::Said(text), Purpose::Turn { says, .. }) => land(says, Value::Text(text)),
            (Outcome::Refused(why), Purpose::Turn { refuses, .. }) => land(refuses, Value::Text(why)),
            (Outcome::Called(calls), Purpose::Turn { calls: Some(landing), .. }) => {
                land(landing, Value::ToolCalls(calls))
            }
            (Outcome::Ran, Purpose::Run { resume, .. }) => Next::On(*resume, None),
            (Outcome::Refused(why), _) => Next::Failed(failure(FailureKind::Refused, &why)),
            _ => wrong(),
        }
    }

    /// What became of a request: its arm, the way on with its value, `else`, or a failure.
    fn answered(
        &mut self,
        program: &Program,
        asked: &Asked,
        landings: &[(OutcomeKind, Landing)],
        (into, resume, otherwise): (Option<Register>, u16, Option<u16>),
        outcome: Outcome,
    ) -> Next {
        let shape = match asked {
            Asked::Call { grant } => program.tools.get(usize::from(*grant)).and_then(|tool| tool.gives),
            Asked::Agent { grant, .. } => program.asks.get(usize::from(*grant)).map(|ask| ask.gives),
            _ => None,
        };
        let (kind, value) = match outcome {
            Outcome::Done(value) if shape.is_some_and(|id| !conforms(&program.shapes, id, &value)) => {
                let why = failure(FailureKind::Invalid, "the result does not fit its type");
                (OutcomeKind::Failed, Value::Failure(Arc::new(why)))
            }
            Outcome::Done(value) => (OutcomeKind::Done, value),
            Outcome::Said(text) => (OutcomeKind::Says, Value::Text(text)),
            Outcome::Yes(edited) => {
                if let (Asked::Approval { editing: Some(slot), .. }, Some(text)) = (asked, edited)
                    && let Some(place) = self.objects.get_mut(usize::from(*slot))
                {
                    *place = Value::Text(text);
                }
                (OutcomeKind::Yes, Value::None)
            }
            Outcome::No => (OutcomeKind::No, Value::None),
            Outcome::Late => (OutcomeKind::Late, Value::None),
            Outcome::Failed(why) => (OutcomeKind::Failed, Value::Failure(why)),
            Outcome::Refused(why) => {
                (OutcomeKind::Failed, Value::Failure(Arc::new(failure(FailureKind::Refused, &why))))
            }
            Outcome::Uncertain => (OutcomeKind::Uncertain, Value::None),
            Outcome::OverBudget(until_ms) => return Next::OverBudget(until_ms),
            _ => return Next::Failed(failure(FailureKind::Invalid, "an outcome of another kind of step")),
        };
        if !may_end(asked, kind, &value) {
            return Next::Failed(failure(FailureKind::Invalid, "an outcome of another kind of step"));
        }
        if let Some((_, landing)) = landings.iter().find(|(known, _)| *known == kind) {
            return Next::On(landing.at, landing.into.map(|register| (register, value)));
        }
        match (kind, value) {
            (OutcomeKind::Done | OutcomeKind::Says, value) => {
                Next::On(resume, into.map(|register| (register, value)))
            }
            (_, value) => match (otherwise, kind, value) {
                (Some(at), ..) => Next::On(at, None),
                (None, OutcomeKind::Uncertain, _) => Next::Uncertain,
                (None, OutcomeKind::Failed, Value::Failure(why)) => Next::Failed((*why).clone()),
                (None, OutcomeKind::Late, _) => {
                    Next::Failed(failure(FailureKind::Timeout, "nobody answered in time"))
                }
                (None, ..) => Next::Failed(failure(FailureKind::Denied, "refused")),
            },
        }
    }

    /// Merges what was said into the slot; nothing that is known is emptied.
    fn filled(
        &mut self,
        program: &Program,
        schema: u16,
        slot: u16,
        landings: &[Landing; 3],
        said: &Value,
    ) -> Next {
        let Some(Shape::Record(record)) =
            program.schemas.get(usize::from(schema)).and_then(|schema| program.shape(schema.shape))
        else {
            return Next::Failed(failure(FailureKind::Invalid, "the slot is no record"));
        };
        let (Value::Record(new), Some(place)) = (said, self.objects.get_mut(usize::from(slot))) else {
            return Next::Failed(failure(FailureKind::Invalid, "the answer is no record"));
        };
        let known: Arc<[Value]> = match place {
            Value::Record(fields) => fields.clone(),
            _ => vec![Value::None; record.members.len()].into(),
        };
        let merged: Arc<[Value]> = known
            .iter()
            .zip(new.iter())
            .map(|(known, new)| if *new == Value::None { known.clone() } else { new.clone() })
            .collect();
        let heard = new.iter().any(|value| *value != Value::None);
        *place = Value::Record(merged.clone());
        let [complete, missing, nothing] = landings;
        let open = record.members.iter().zip(merged.iter()).find(|(_, value)| **value == Value::None);
        match open {
            _ if !heard => Next::On(nothing.at, None),
            None => Next::On(complete.at, None),
            Some((field, _)) => {
                let question =
                    if field.doc.is_empty() { format!("{}?", field.name) } else { field.doc.clone() };
                let value = Value::Text(question.into());
                Next::On(missing.at, missing.into.map(|register| (register, value)))
            }
        }
    }

    /// Puts a value into a register of either file; `false` when it does not belong there.
    pub(super) fn store(&mut self, register: Register, value: Value) -> bool {
        #[cfg(test)]
        self.shadowed(|shadow| shadow.stored(register));
        match register {
            Register::Object(index) => match self.objects.get_mut(usize::from(index)) {
                Some(place) => *place = value,
                None => return false,
            },
            Register::Scalar(index) => {
                match (objects::scalar_of(&value), self.scalars.get_mut(usize::from(index))) {
                    (Some(scalar), Some(place)) => *place = scalar,
                    _ => return false,
                }
            }
        }
        true
    }
}

fn fits(program: &Program, schema: u16, value: &Value) -> bool {
    program
        .schemas
        .get(usize::from(schema))
        .is_some_and(|schema| conforms(&program.shapes, schema.shape, value))
}

/// Whether a request can end like this: an answer of another kind would go on where no arm of it stands.
fn may_end(asked: &Asked, kind: OutcomeKind, value: &Value) -> bool {
    match kind {
        OutcomeKind::Done => match asked {
            Asked::Call { .. } | Asked::Agent { .. } => true,
            Asked::Recall { .. } => {
                matches!(value, Value::List(texts) if texts.iter().all(|text| matches!(text, Value::Text(_))))
            }
            Asked::Person { .. } | Asked::Approval { .. } => false,
        },
        OutcomeKind::Says => matches!(asked, Asked::Person { .. }),
        OutcomeKind::Yes | OutcomeKind::No => matches!(asked, Asked::Approval { .. }),
        _ => true,
    }
}
