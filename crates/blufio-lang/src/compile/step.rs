// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps that do not wait: arrows, assignments, branches, replies.

use super::Compiler;
use super::emit::Label;
use crate::program::Register;
use crate::program::instruction::Instruction as I;
use crate::program::operand::{LengthMax, Object, Person, Position, Scalar, Small, StateIndex};
use crate::typed::{
    COLLECTION_DEFAULT_MAX, CompareOperator, Expr, Step, StepKind as S, SwitchValue, Type, TypeShape,
    Variable, VariantArm,
};
use crate::value::Value;

/// What a match looks at: the number of the case, and where the payload is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub tag: u16,
    pub payload: Option<u16>,
}

impl Compiler<'_> {
    /// Compiles steps; says whether control goes on behind them.
    pub(super) fn steps(&mut self, steps: &[Step]) -> bool {
        steps.iter().all(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> bool {
        self.emitter.at(step.span);
        let mark = self.temporaries;
        let goes_on = self.step_inner(step);
        self.release(mark);
        goes_on
    }

    fn step_inner(&mut self, step: &Step) -> bool {
        match &step.kind {
            S::Go(state) => {
                self.emit(I::Go(StateIndex(state.0 as u16)));
                return false;
            }
            S::Done(value) => {
                match value {
                    Some(value) => {
                        let value = self.object(value, None);
                        self.emit(I::Done(Object(value)));
                    }
                    None => self.emit(I::DoneEmpty()),
                }
                return false;
            }
            S::Assign(variable, value) => self.assign(*variable, value),
            S::Append(list, item) => {
                let item = self.object(item, None);
                self.change(*list, |list| I::Append(list, Object(item)));
            }
            S::PutEntry { map, key, value } => {
                let (key, value) = (self.object(key, None), self.object(value, None));
                self.change(*map, |map| I::PutEntry(map, Object(key), Object(value)));
            }
            S::Reply(text) => {
                let text = self.print(text, None);
                self.emit(I::Reply(Object(text)));
            }
            S::Send(who, text, delivery) => {
                let (who, text) = (Person(self.person(who)), self.print(text, None));
                self.emit(I::Send(who, Object(text), *delivery));
            }
            S::Show(text) => {
                let text = self.print(text, None);
                self.emit(I::Show(Object(text)));
            }
            S::Remember(text, scope) => {
                let text = self.print(text, None);
                self.emit(I::Remember(*scope, Object(text)));
            }
            S::ForgetMemory(scope) => self.emit(I::ForgetMemory(*scope)),
            S::ForgetHistory => self.emit(I::ForgetHistory()),
            S::ForgetWakes => self.emit(I::ClearWakes()),
            S::Wake { relative, when, with } => self.wake(*relative, when, with.as_ref()),
            S::Request(request) => return self.request(request),
            S::Together(branches) => self.together(branches),
            S::Each(each) => self.each(each),
            S::If { condition, yes, no } => {
                return self.either(yes, no, |c, label| c.branch(condition, false, label));
            }
            S::IfSome { subject, binder, some, none } => return self.if_some(subject, *binder, some, none),
            S::Match { subject, arms, otherwise } => {
                let subject = self.subject(subject);
                return self.arms(subject, arms, otherwise.as_deref());
            }
            S::Switch { subject, arms, otherwise } => return self.switch(subject, arms, otherwise),
            S::PickArms { ty, model, arms } => return self.pick_arms(*ty, model, arms, step.span),
            S::PickValue { ty, model, into } => self.pick_value(ty, model, *into, step.span),
            S::Write { model, into } => self.write(model, *into, step.span),
            S::Turn { stream, model, says, calls, refuses } => {
                return self.turn(*stream, model, [Some(says), calls.as_ref(), Some(refuses)], step.span);
            }
            S::Run { calls, approved_by } => self.run(calls, approved_by.as_ref(), step.span),
            S::Later(later) => self.later(step.span, &format!("`{}`", later.what)),
            S::Error => self.later(step.span, "this step"),
        }
        true
    }

    /// `variable` = `value`.
    pub(super) fn assign(&mut self, variable: Variable, value: &Expr) {
        match self.register(variable) {
            Register::Scalar(to) => {
                self.scalar(value, Some(to));
            }
            Register::Object(to) => {
                self.object(value, Some(to));
            }
        }
    }

    /// `variable` = what a register of the type holds.
    pub(super) fn assign_register(&mut self, variable: Variable, from: Register, ty: &Type) {
        match (self.register(variable), from) {
            (Register::Scalar(to), Register::Scalar(from)) => self.emit(I::Move(Scalar(to), Scalar(from))),
            (Register::Object(to), Register::Object(from)) => self.emit(I::Copy(Object(to), Object(from))),
            (Register::Object(to), Register::Scalar(from)) => match self.scalar_kind(ty) {
                Some(kind) => self.emit(I::Wrap(kind, Object(to), Scalar(from))),
                None => self.later(self.emitter.span(), "this assignment"),
            },
            (Register::Scalar(to), Register::Object(from)) => {
                let ty = self.variable_type(variable);
                self.unwrap(&ty, from, to);
            }
        }
    }

    fn change(&mut self, variable: Variable, make: impl FnOnce(Object) -> I) {
        let mut ty = self.variable_type(variable);
        while let Type::Named(id) = ty {
            ty = match self.source.types.get(id.0 as usize).map(|definition| &definition.shape) {
                Some(TypeShape::Alias(target)) => target.clone(),
                _ => Type::Unknown,
            };
        }
        let max = match ty {
            Type::List(_, max) | Type::Map(_, max) => max,
            _ => COLLECTION_DEFAULT_MAX,
        };
        let Register::Object(register) = self.register(variable) else {
            return self.later(self.emitter.span(), "this step");
        };
        self.emit(make(Object(register)));
        self.emit(I::CheckLength(Object(register), LengthMax(max)));
    }

    /// Two branches; `leave` jumps to the label of the second one.
    fn either(&mut self, first: &[Step], second: &[Step], leave: impl FnOnce(&mut Self, Label)) -> bool {
        let (other, end) = (self.emitter.label(), self.emitter.label());
        leave(self, other);
        let first_goes_on = self.steps(first);
        if second.is_empty() {
            self.emitter.place(other);
            return true;
        }
        if first_goes_on {
            self.emitter.jump(end, I::Jump);
        }
        self.emitter.place(other);
        let second_goes_on = self.steps(second);
        self.emitter.place(end);
        first_goes_on || second_goes_on
    }

    fn if_some(&mut self, subject: &Expr, binder: Option<Variable>, some: &[Step], none: &[Step]) -> bool {
        let inner = match &subject.ty {
            Type::Optional(inner) => inner.as_ref().clone(),
            other => other.clone(),
        };
        let value = self.object(subject, None);
        self.either(some, none, |c, label| {
            c.emitter.jump(label, |target| I::JumpNone(Object(value), target));
            if let Some(binder) = binder {
                c.assign_register(binder, Register::Object(value), &inner);
            }
        })
    }

    fn subject(&mut self, subject: &Expr) -> Subject {
        if self.is_scalar(&subject.ty) {
            return Subject { tag: self.scalar(subject, None), payload: None };
        }
        let payload = self.object(subject, None);
        self.subject_in(payload)
    }

    /// The union in a value register as a subject.
    pub(super) fn subject_in(&mut self, payload: u16) -> Subject {
        let tag = self.scalar_temporary();
        self.emit(I::Tag(Scalar(tag), Object(payload)));
        Subject { tag, payload: Some(payload) }
    }

    /// Arms over the cases of a subject; without `otherwise` the last arm needs no test, since they cover every case.
    pub(super) fn arms(&mut self, subject: Subject, arms: &[VariantArm], otherwise: Option<&[Step]>) -> bool {
        let labels: Vec<Label> = arms.iter().map(|_| self.emitter.label()).collect();
        let end = self.emitter.label();
        let untested = if otherwise.is_none() { arms.len().saturating_sub(1) } else { arms.len() };
        for (arm, label) in arms.iter().zip(&labels).take(untested) {
            for case in &arm.cases {
                self.emitter.jump(*label, |t| I::JumpEqualK(Scalar(subject.tag), Small(*case as i16), t));
            }
        }
        let mut goes_on = arms.is_empty() && otherwise.is_none();
        if let Some(otherwise) = otherwise {
            if self.steps(otherwise) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
        } else if let Some(last) = labels.last() {
            self.emitter.jump(*last, I::Jump);
        }
        for (arm, label) in arms.iter().zip(labels) {
            self.emitter.at(arm.span);
            self.emitter.place(label);
            self.binders(subject, &arm.binders);
            if self.steps(&arm.steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
        }
        self.emitter.place(end);
        goes_on
    }

    fn binders(&mut self, subject: Subject, binders: &[Variable]) {
        let Some(from) = subject.payload else { return };
        for (position, binder) in binders.iter().enumerate() {
            let at = Position(position as u16);
            match self.register(*binder) {
                Register::Object(to) => self.emit(I::Payload(Object(to), Object(from), at)),
                Register::Scalar(to) => {
                    let mark = self.temporaries;
                    let value = self.object_temporary();
                    self.emit(I::Payload(Object(value), Object(from), at));
                    let ty = self.variable_type(*binder);
                    self.unwrap(&ty, value, to);
                    self.release(mark);
                }
            }
        }
    }

    fn switch(&mut self, subject: &Expr, arms: &[(Vec<SwitchValue>, Vec<Step>)], otherwise: &[Step]) -> bool {
        let labels: Vec<Label> = arms.iter().map(|_| self.emitter.label()).collect();
        let end = self.emitter.label();
        let scalar = self.is_scalar(&subject.ty);
        let register = if scalar { self.scalar(subject, None) } else { self.object(subject, None) };
        for ((values, _), label) in arms.iter().zip(&labels) {
            for value in values {
                let mark = self.temporaries;
                self.switch_value(register, scalar, value, *label);
                self.release(mark);
            }
        }
        let mut goes_on = self.steps(otherwise);
        if goes_on {
            self.emitter.jump(end, I::Jump);
        }
        for ((_, steps), label) in arms.iter().zip(labels) {
            self.emitter.place(label);
            if self.steps(steps) {
                goes_on = true;
                self.emitter.jump(end, I::Jump);
            }
        }
        self.emitter.place(end);
        goes_on
    }

    fn switch_value(&mut self, subject: u16, scalar: bool, value: &SwitchValue, label: Label) {
        match (value, scalar) {
            (SwitchValue::Int(value), true) => match i16::try_from(*value) {
                Ok(k) => self.emitter.jump(label, |t| I::JumpEqualK(Scalar(subject), Small(k), t)),
                Err(_) => {
                    let constant = self.scalar_temporary();
                    self.constant(constant, *value);
                    self.emitter.jump(label, |t| I::JumpEqual(Scalar(subject), Scalar(constant), t));
                }
            },
            (value, false) => {
                let constant = match value {
                    SwitchValue::Text(text) => Value::Text(text.as_str().into()),
                    SwitchValue::Int(value) => Value::Number(*value as f64),
                };
                let (other, truth) = (self.object_temporary(), self.scalar_temporary());
                self.load(other, constant);
                self.emit(I::CompareValue(
                    CompareOperator::Equal,
                    Scalar(truth),
                    Object(subject),
                    Object(other),
                ));
                self.emitter.jump(label, |t| I::JumpIf(Scalar(truth), t));
            }
            (SwitchValue::Text(_), true) => self.later(self.emitter.span(), "this label"),
        }
    }
}
