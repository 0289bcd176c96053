// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps that ask the world, alone, side by side, or for every item of a list; and wakes.

use super::Compiler;
use super::expression::Audience;
use crate::program::instruction::Instruction as I;
use crate::program::operand::{LoopId, Object, Scalar, ScalarKind, SiteId};
use crate::program::{Asked, Frame, Landing, Loop, Purpose, Register};
use crate::typed::{EachStep, Expr, OutcomeKind, Request, RequestStep, Type, Variable, Who};
use crate::value::Value;

const NOWHERE: Landing = Landing { into: None, at: 0 };

impl Compiler<'_> {
    /// Index of somebody in the table of people.
    pub(super) fn person(&mut self, who: &Who) -> u16 {
        let at = self.people.iter().position(|known| known == who).unwrap_or_else(|| {
            self.people.push(who.clone());
            self.people.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Puts now + `within` into the effect register with this offset.
    pub(super) fn deadline(&mut self, within: Option<&Expr>, offset: u16) {
        let Some(within) = within else { return };
        let mark = self.temporaries;
        let (now, sum) = (self.scalar_temporary(), self.scalar_temporary());
        let within = self.scalar(within, None);
        self.emit(I::Now(Scalar(now)));
        self.emit(I::Add(Scalar(sum), Scalar(now), Scalar(within)));
        let place = self.effect_first.saturating_add(offset);
        self.emit(I::Wrap(ScalarKind::Moment, Object(place), Scalar(sum)));
        self.release(mark);
    }

    fn put(&mut self, value: &Expr, offset: u16) {
        let mark = self.temporaries;
        self.object(value, Some(self.effect_first.saturating_add(offset)));
        self.release(mark);
    }

    fn put_text(&mut self, text: &Expr, offset: u16) {
        let mark = self.temporaries;
        self.printed(text, Some(self.effect_first.saturating_add(offset)), Audience::People);
        self.release(mark);
    }

    /// Puts what is asked with into the effect registers.
    fn asked(&mut self, request: &Request) -> Asked {
        match request {
            Request::Call { grant, arguments, .. } => {
                for (offset, (_, value)) in (0..).zip(arguments) {
                    self.put(value, offset);
                }
                Asked::Call { grant: *grant as u16 }
            }
            Request::AskAgent { grant, arguments, here, with, within } => {
                for (offset, value) in (0..).zip(arguments) {
                    self.put(value, offset);
                }
                self.deadline(within.as_ref(), arguments.len() as u16);
                let with = with.as_ref().map(|who| self.person(who));
                Asked::Agent { grant: *grant as u16, here: *here, with, deadline: within.is_some() }
            }
            Request::AskPerson { whom, question, within } => {
                self.put_text(question, 0);
                self.deadline(within.as_ref(), 1);
                Asked::Person { whom: self.person(whom), deadline: within.is_some() }
            }
            Request::Approve { by, editing, question, within } => {
                self.put_text(question, 0);
                let editing = editing.and_then(|slot| match self.register(slot) {
                    Register::Object(register) => Some(register),
                    Register::Scalar(_) => None,
                });
                if let Some(slot) = editing {
                    let place = self.effect_first.saturating_add(1);
                    self.emit(I::Copy(Object(place), Object(slot)));
                }
                self.deadline(within.as_ref(), 1 + u16::from(editing.is_some()));
                Asked::Approval { by: self.person(by), editing, deadline: within.is_some() }
            }
            Request::Recall { query, scope, top } => {
                self.put_text(query, 0);
                Asked::Recall { scope: *scope, top: u16::try_from(*top).unwrap_or(u16::MAX) }
            }
            // A `fill` is a model step and does not come here.
            Request::Fill { .. } => {
                self.later(self.emitter.span(), "this step");
                Asked::Call { grant: 0 }
            }
        }
    }

    /// A request with its arms; says whether control goes on behind it.
    pub(super) fn request(&mut self, step: &RequestStep) -> bool {
        if let Request::Fill { slot, record, model } = &step.request {
            return self.fill(step, *slot, &Type::SoFar(*record), model);
        }
        let retries = match &step.request {
            Request::Call { retries, .. } => *retries,
            _ => 0,
        };
        let asked = self.asked(&step.request);
        let purpose = Purpose::Request {
            asked: asked.clone(),
            landings: Vec::new(),
            into: None,
            resume: 0,
            otherwise: None,
        };
        let site = self.wait(None, purpose, step.span);
        let end = self.emitter.label();
        let mut goes_on = false;
        let mut landings = Vec::new();
        for arm in &step.arms {
            self.emitter.at(arm.span);
            let landing = Landing { into: arm.binder.map(|b| self.register(b)), at: self.emitter.here() };
            landings.extend(arm.outcomes.iter().map(|kind| (*kind, landing)));
            if self.steps(&arm.steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
        }
        let otherwise = step.otherwise.as_ref().map(|steps| {
            let at = self.emitter.here();
            if self.steps(steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
            at
        });
        self.emitter.place(end);
        let takes = |kind| step.arms.iter().any(|arm| arm.outcomes.contains(&kind));
        let decides = matches!(asked, Asked::Approval { .. });
        goes_on |= !decides && !takes(OutcomeKind::Done) && !takes(OutcomeKind::Says);
        let (resume, into) = (self.emitter.here(), step.into.map(|into| self.register(into)));
        if let Some(site) = self.sites.get_mut(site) {
            site.purpose = Purpose::Request { asked, landings, into, resume, otherwise };
            site.retries = retries;
        }
        // Something must stand where the step goes on, even if nothing follows it.
        self.emitter.resumable();
        goes_on
    }

    fn fill(
        &mut self,
        step: &RequestStep,
        slot: Variable,
        ty: &Type,
        model: &crate::typed::ModelUse,
    ) -> bool {
        let Register::Object(slot) = self.register(slot) else {
            self.later(step.span, "this slot");
            return true;
        };
        self.ask(model);
        let shape = self.shape(ty, step.span);
        let known = self.effect_first.saturating_add(1).saturating_add(model.from.len() as u16);
        self.emit(I::PrintForPrompt(Object(known), Object(slot), shape));
        let schema = self.schema(ty, step.span);
        let purpose = Purpose::Fill { schema, slot, landings: [NOWHERE; 3] };
        let site = self.wait(Some(model), purpose, step.span);
        let end = self.emitter.label();
        let mut goes_on = false;
        let mut landings = [NOWHERE; 3];
        for arm in &step.arms {
            self.emitter.at(arm.span);
            let landing = Landing { into: arm.binder.map(|b| self.register(b)), at: self.emitter.here() };
            for kind in &arm.outcomes {
                match kind {
                    OutcomeKind::Complete => landings[0] = landing,
                    OutcomeKind::Missing => landings[1] = landing,
                    _ => landings[2] = landing,
                }
            }
            if self.steps(&arm.steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
        }
        if let Some(steps) = &step.otherwise {
            let at = self.emitter.here();
            for landing in landings.iter_mut().filter(|landing| landing.at == 0) {
                *landing = Landing { into: None, at };
            }
            if self.steps(steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
        }
        self.emitter.place(end);
        if let Some(site) = self.sites.get_mut(site) {
            site.purpose = Purpose::Fill { schema, slot, landings };
        }
        goes_on
    }

    /// Every branch is asked, then all are waited for.
    pub(super) fn together(&mut self, branches: &[RequestStep]) {
        for branch in branches {
            self.emitter.at(branch.span);
            let retries = match &branch.request {
                Request::Call { retries, .. } => *retries,
                _ => 0,
            };
            let asked = self.asked(&branch.request);
            let into = branch.into.map(|into| self.register(into));
            let purpose = Purpose::Request { asked, landings: Vec::new(), into, resume: 0, otherwise: None };
            let site = self.site(None, purpose, branch.span);
            if let Some(site) = self.sites.get_mut(site) {
                site.retries = retries;
            }
            self.emit(I::Fork(SiteId(u16::try_from(site).unwrap_or(u16::MAX))));
        }
        self.emit(I::Gather());
    }

    /// The steps of an item stand behind the jump over them.
    pub(super) fn each(&mut self, each: &EachStep) {
        self.put(&each.list, 0);
        self.deadline(each.within.as_ref(), 1);
        let index = self.loops.len();
        let frame = self.loop_frame(each.locals);
        let results = each.results.and_then(|(list, last)| match self.register(list) {
            Register::Object(list) => {
                let kind =
                    last.filter(|last| matches!(self.register(*last), Register::Scalar(_))).map(|last| {
                        let ty = self.variable_type(last);
                        self.shape(&ty, each.span)
                    });
                Some((list, last.map(|last| self.register(last)), kind))
            }
            Register::Scalar(_) => None,
        });
        self.loops.push(Loop {
            variable: self.register(each.variable),
            body: 0,
            frame,
            at_once: each.at_once as u16,
            deadline: each.within.is_some(),
            results,
            resume: 0,
            span: each.span,
        });
        self.emit(I::Each(LoopId(u16::try_from(index).unwrap_or(u16::MAX))));
        let body = self.block(each.span, &each.steps);
        let resume = self.emitter.here();
        if let Some(each) = self.loops.get_mut(index) {
            (each.body, each.resume) = (body, resume);
        }
        self.emitter.resumable();
    }

    /// The registers of locals with these indexes, which lie in a row in each file.
    fn loop_frame(&mut self, (first, end): (u32, u32)) -> Frame {
        let mut frame = Frame::default();
        for at in first..end {
            let register = self.register(Variable::Local(at));
            let ty = self.variable_type(Variable::Local(at));
            let shape = self.shape(&ty, self.emitter.span());
            match register {
                Register::Scalar(index) => {
                    if frame.scalars.is_empty() {
                        frame.scalar_first = index;
                    }
                    frame.scalars.push(shape);
                }
                Register::Object(index) => {
                    if frame.objects.is_empty() {
                        frame.object_first = index;
                    }
                    frame.objects.push(shape);
                }
            }
        }
        frame
    }

    pub(super) fn wake(&mut self, relative: bool, when: &Expr, with: Option<&Expr>) {
        let mut due = self.scalar(when, None);
        if relative {
            let (now, sum) = (self.scalar_temporary(), self.scalar_temporary());
            self.emit(I::Now(Scalar(now)));
            self.emit(I::Add(Scalar(sum), Scalar(now), Scalar(due)));
            due = sum;
        }
        let with = match with {
            Some(with) => self.object(with, None),
            None => {
                let with = self.object_temporary();
                self.load(with, Value::None);
                with
            }
        };
        self.emit(I::SetWake(Scalar(due), Object(with)));
    }
}
