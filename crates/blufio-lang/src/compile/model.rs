// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps that wait. Everything a prompt may hold is computed before the wait and copied to the effect's registers, so
//! that the effect can be rebuilt after a restart even if a handler changed a slot meanwhile.

use super::Compiler;
use super::expression::Audience;
use super::step::Subject;
use crate::program::instruction::Instruction as I;
use crate::program::operand::SiteId;
use crate::program::{Landing, Purpose, Register, Schema, Site};
use crate::source::Span;
use crate::typed::{Expr, ModelUse, Step, Type, TypeId, Variable, VariantArm, Who};

/// What an arm of `turn` binds and does.
type TurnArm = (Option<Variable>, Vec<Step>);

impl Compiler<'_> {
    /// Puts what the effect is asked with into its registers.
    pub(super) fn ask(&mut self, model: &ModelUse) {
        let first = self.effect_first;
        self.text(&model.instruction, Some(first), Audience::Prompt);
        for (index, (_, value)) in model.from.iter().enumerate() {
            let mark = self.temporaries;
            let place = first.saturating_add(1).saturating_add(u16::try_from(index).unwrap_or(u16::MAX));
            // A message stays one, so that `with history` can leave it out there (ruling 4).
            let message = match &value.ty {
                Type::Optional(of) => matches!(**of, Type::Message),
                ty => *ty == Type::Message,
            };
            if message {
                self.object(value, Some(place));
            } else {
                self.printed(value, Some(place), Audience::Prompt);
            }
            self.release(mark);
        }
    }

    /// Waits at a new site; returns its index so that its landings can be filled in.
    pub(super) fn wait(&mut self, model: Option<&ModelUse>, purpose: Purpose, span: Span) -> usize {
        let index = self.site(model, purpose, span);
        self.emit(I::Await(SiteId(u16::try_from(index).unwrap_or(u16::MAX))));
        index
    }

    /// A new site.
    pub(super) fn site(&mut self, model: Option<&ModelUse>, purpose: Purpose, span: Span) -> usize {
        let index = self.sites.len();
        self.emitter.at(span);
        self.sites.push(Site {
            purpose,
            model: model.map_or(0, |model| model.model.0 as u16),
            from: model
                .map(|model| model.from.iter().map(|(words, _)| words.clone()).collect())
                .unwrap_or_default(),
            history: model.is_some_and(|model| model.history),
            memory: model.is_some_and(|model| model.memory),
            retries: model.map_or(0, |model| model.retries),
            span,
        });
        index
    }

    pub(super) fn schema(&mut self, ty: &Type, span: Span) -> u16 {
        let schema = Schema { shape: self.shape(ty, span) };
        let index = match self.schemas.iter().position(|known| *known == schema) {
            Some(index) => index,
            None => {
                self.schemas.push(schema);
                self.schemas.len() - 1
            }
        };
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Waits for a value of the type; returns the temporary that receives it.
    fn pick(&mut self, ty: &Type, model: &ModelUse, span: Span) -> Register {
        self.ask(model);
        let schema = self.schema(ty, span);
        let into = if self.is_scalar(ty) {
            Register::Scalar(self.scalar_temporary())
        } else {
            Register::Object(self.object_temporary())
        };
        let resume = self.emitter.here().saturating_add(1);
        self.wait(Some(model), Purpose::Pick { schema, into, resume }, span);
        into
    }

    pub(super) fn pick_arms(
        &mut self,
        ty: TypeId,
        model: &ModelUse,
        arms: &[VariantArm],
        span: Span,
    ) -> bool {
        let subject = match self.pick(&Type::Named(ty), model, span) {
            Register::Scalar(tag) => Subject { tag, payload: None },
            Register::Object(payload) => self.subject_in(payload),
        };
        self.arms(subject, arms, None)
    }

    pub(super) fn pick_value(&mut self, ty: &Type, model: &ModelUse, into: Variable, span: Span) {
        let from = self.pick(ty, model, span);
        self.assign_register(into, from, ty);
    }

    pub(super) fn write(&mut self, model: &ModelUse, into: Variable, span: Span) {
        self.ask(model);
        let into = self.register(into);
        let resume = self.emitter.here().saturating_add(1);
        self.wait(Some(model), Purpose::Write { into, resume }, span);
    }

    /// `turn`: its arms in the order says, calls, refuses.
    pub(super) fn turn(
        &mut self,
        stream: bool,
        model: &ModelUse,
        arms: [Option<&TurnArm>; 3],
        span: Span,
    ) -> bool {
        self.ask(model);
        let nowhere = Landing { into: None, at: 0 };
        let purpose = Purpose::Turn { stream, says: nowhere, calls: None, refuses: nowhere };
        let site = self.wait(Some(model), purpose, span);
        let end = self.emitter.label();
        let mut goes_on = false;
        let landings = arms.map(|arm| {
            let (binder, steps) = arm?;
            let into = binder.map(|binder| self.register(binder));
            let at = self.emitter.here();
            if self.steps(steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
            Some(Landing { into, at })
        });
        self.emitter.place(end);
        if let Some(site) = self.sites.get_mut(site) {
            let [says, calls, refuses] = landings;
            let (says, refuses) = (says.unwrap_or(nowhere), refuses.unwrap_or(nowhere));
            site.purpose = Purpose::Turn { stream, says, calls, refuses };
            site.history = true;
        }
        goes_on
    }

    pub(super) fn run(&mut self, calls: &Expr, approved_by: Option<&(Who, Option<Expr>)>, span: Span) {
        self.object(calls, Some(self.effect_first));
        let who = approved_by.map(|(who, _)| self.person(who));
        let within = approved_by.and_then(|(_, within)| within.as_ref());
        self.deadline(within, 1);
        let resume = self.emitter.here().saturating_add(1);
        self.wait(None, Purpose::Run { approved_by: who, deadline: within.is_some(), resume }, span);
    }
}
