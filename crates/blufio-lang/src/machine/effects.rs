// SPDX-License-Identifier: MIT OR Apache-2.0
//! Effects: built from the registers that were filled before the wait, and their outcomes on the way back.

use std::sync::Arc;

use super::execute::Context;
use super::transition::failure;
use super::{Machine, Origin, Segment, objects};
use crate::effect::{Effect, Fault, ModelEffect, ModelPurpose, Outcome, Stop};
use crate::program::shape::conforms;
use crate::program::{Landing, NOTHING, Program, Purpose, Register};
use crate::value::{FailureKind, Value};

impl Machine {
    /// The effect of a site; `None` when its registers do not hold what it needs.
    pub(super) fn effect(&self, program: &Program, site: u16) -> Option<Effect> {
        let site = program.sites.get(usize::from(site))?;
        let first = usize::from(program.layout.effect_first);
        let head = self.objects.get(first)?;
        let purpose = match &site.purpose {
            Purpose::Run { .. } => {
                let Value::ToolCalls(calls) = head else { return None };
                return Some(Effect::Run { calls: calls.clone() });
            }
            Purpose::Pick { schema, .. } => ModelPurpose::Pick { schema: u32::from(*schema) },
            Purpose::Write { .. } => ModelPurpose::Write,
            Purpose::Turn { stream, .. } => ModelPurpose::Turn { stream: *stream },
        };
        let Value::Text(instruction) = head else { return None };
        let values = self.objects.get(first + 1..first + 1 + site.from.len())?;
        let mut from = Vec::with_capacity(values.len());
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
            retries: site.retries,
            instruction: instruction.clone(),
        }))
    }

    /// Whether the registers hold what the effect of a site needs, without building it.
    pub(super) fn can_ask(&self, program: &Program, site: u16) -> bool {
        let Some(site) = program.sites.get(usize::from(site)) else { return false };
        let first = usize::from(program.layout.effect_first);
        let values = self.objects.get(first + 1..first + 1 + site.from.len());
        let printed = |value: &Value| matches!(value, Value::Text(_) | Value::Message(_) | Value::None);
        match (&site.purpose, self.objects.get(first)) {
            (Purpose::Run { .. }, Some(Value::ToolCalls(_))) => true,
            (Purpose::Run { .. }, _) => false,
            (_, Some(Value::Text(_))) => values.is_some_and(|values| values.iter().all(printed)),
            _ => false,
        }
    }

    /// Goes on with what became of the pending effect.
    pub(super) fn resume(&mut self, context: &mut Context<'_>, outcome: Outcome) -> Stop {
        let program = context.program;
        let Some(pending) = self.pending.take() else { return self.rest(program) };
        let Some(site) = program.sites.get(usize::from(pending.site)) else {
            return Stop::Fault(Fault::Corrupt("no such effect site"));
        };
        let origin = pending.origin;
        let segment = match (outcome, &site.purpose) {
            (Outcome::Failed(why), _) => self.fail(context, (*why).clone(), origin),
            (Outcome::Uncertain, _) => self.uncertain(context, origin),
            (Outcome::Picked(value), Purpose::Pick { schema, into, resume }) => {
                if self.accept(program, *schema, *into, value) {
                    Ok(Segment { entry: *resume, bind: None, origin })
                } else {
                    self.fail(
                        context,
                        failure(FailureKind::Invalid, "the answer does not fit the type"),
                        origin,
                    )
                }
            }
            (Outcome::Wrote(text), Purpose::Write { into, resume }) => {
                Ok(Segment { entry: *resume, bind: Some((*into, Value::Text(text))), origin })
            }
            (Outcome::Said(text), Purpose::Turn { says, .. }) => Ok(land(*says, Value::Text(text), origin)),
            (Outcome::Refused(why), Purpose::Turn { refuses, .. }) => {
                Ok(land(*refuses, Value::Text(why), origin))
            }
            (Outcome::Called(calls), Purpose::Turn { calls: Some(landing), .. }) => {
                Ok(land(*landing, Value::ToolCalls(calls), origin))
            }
            (Outcome::Ran, Purpose::Run { resume }) => Ok(Segment { entry: *resume, bind: None, origin }),
            (Outcome::Refused(why), _) => self.fail(context, failure(FailureKind::Refused, &why), origin),
            _ => self.fail(
                context,
                failure(FailureKind::Invalid, "an outcome of another kind of step"),
                origin,
            ),
        };
        match segment {
            Ok(segment) => self.drive(context, segment),
            Err(fault) => Stop::Fault(fault),
        }
    }

    /// Stores what was picked; `false` when it is not of the type.
    fn accept(&mut self, program: &Program, schema: u16, into: Register, value: Value) -> bool {
        let Some(schema) = program.schemas.get(usize::from(schema)) else { return false };
        if !conforms(&program.shapes, schema.shape, &value) {
            return false;
        }
        match into {
            Register::Object(index) => match self.objects.get_mut(usize::from(index)) {
                Some(place) => *place = value,
                None => return false,
            },
            Register::Scalar(index) => {
                let kind = program.shape(schema.shape).map(objects::kind_of);
                match (
                    kind.and_then(|kind| objects::unwrap(kind, &value)),
                    self.scalars.get_mut(usize::from(index)),
                ) {
                    (Some(scalar), Some(place)) => *place = scalar,
                    _ => return false,
                }
            }
        }
        true
    }
}

/// How many value registers the effect of a site is asked with.
pub(super) fn asked_with(program: &Program, site: u16) -> u16 {
    let site = program.sites.get(usize::from(site));
    site.map_or(
        0,
        |site| if matches!(site.purpose, Purpose::Run { .. }) { 1 } else { site.from.len() as u16 + 1 },
    )
}

fn land(landing: Landing, value: Value, origin: Origin) -> Segment {
    Segment { entry: landing.at, bind: landing.into.map(|register| (register, value)), origin }
}
