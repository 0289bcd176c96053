// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conditions: control flow instead of truth values, comparisons fused with their jump, `and` and `or` short-circuit.

use super::Compiler;
use super::emit::Label;
use crate::program::instruction::Instruction as I;
use crate::program::operand::{Immediate, Object, Scalar, Small, ValueConstant};
use crate::typed::{CompareOperator as C, Expr, ExprKind as E};
use crate::value::Value;

impl Compiler<'_> {
    /// Jumps to `label` when the condition is `when`, falls through otherwise.
    pub(super) fn branch(&mut self, condition: &Expr, when: bool, label: Label) {
        let mark = self.temporaries;
        match &condition.kind {
            E::YesNo(yes) => {
                if *yes == when {
                    self.emitter.jump(label, I::Jump);
                }
            }
            E::Not(inner) => self.branch(inner, !when, label),
            // Both sides decide alike: `and` that must be no, `or` that must be yes.
            E::And(left, right) if !when => {
                self.branch(left, false, label);
                self.branch(right, false, label);
            }
            E::Or(left, right) if when => {
                self.branch(left, true, label);
                self.branch(right, true, label);
            }
            E::And(left, right) | E::Or(left, right) => {
                let skip = self.emitter.label();
                self.branch(left, !when, skip);
                self.branch(right, when, label);
                self.emitter.place(skip);
            }
            E::Compare(operator, left, right) => self.compare(*operator, left, right, when, label),
            E::TimeBetween(moment, from, to, zone) => {
                let (sum, least) = self.time_between(moment, [from, to], zone.as_deref());
                self.emitter.jump(label, |t| {
                    if when { I::JumpNotLess(sum, least, t) } else { I::JumpLess(sum, least, t) }
                });
            }
            _ => {
                let truth = Scalar(self.scalar(condition, None));
                self.emitter
                    .jump(label, |t| if when { I::JumpIf(truth, t) } else { I::JumpUnless(truth, t) });
            }
        }
        self.release(mark);
    }

    fn compare(&mut self, operator: C, left: &Expr, right: &Expr, when: bool, label: Label) {
        let operator = if when { operator } else { opposite(operator) };
        if let (C::Equal | C::NotEqual, E::None) = (operator, &right.kind) {
            let value = Object(self.object(left, None));
            let none = operator == C::Equal;
            self.emitter.jump(label, |t| if none { I::JumpNone(value, t) } else { I::JumpSome(value, t) });
        } else if self.is_scalar(&left.ty) && self.is_scalar(&right.ty) {
            let a = Scalar(self.scalar(left, None));
            match small(right) {
                Some(k) => self.emitter.jump(label, |t| match operator {
                    C::Equal => I::JumpEqualK(a, k, t),
                    C::NotEqual => I::JumpNotEqualK(a, k, t),
                    C::Less => I::JumpLessK(a, k, t),
                    C::LessOrEqual => I::JumpNotGreaterK(a, k, t),
                    C::Greater => I::JumpGreaterK(a, k, t),
                    C::GreaterOrEqual => I::JumpNotLessK(a, k, t),
                }),
                None => {
                    let b = Scalar(self.scalar(right, None));
                    self.emitter.jump(label, |t| match operator {
                        C::Equal => I::JumpEqual(a, b, t),
                        C::NotEqual => I::JumpNotEqual(a, b, t),
                        C::Less => I::JumpLess(a, b, t),
                        C::LessOrEqual => I::JumpNotLess(b, a, t),
                        C::Greater => I::JumpLess(b, a, t),
                        C::GreaterOrEqual => I::JumpNotLess(a, b, t),
                    });
                }
            }
        } else {
            let (a, b) = (Object(self.object(left, None)), Object(self.object(right, None)));
            let truth = Scalar(self.scalar_temporary());
            self.emit(I::CompareValue(operator, truth, a, b));
            self.emitter.jump(label, |t| I::JumpIf(truth, t));
        }
    }

    /// Two scalars of which the first is at least the second when the moment's time of day lies between the two, the
    /// end not included; a window whose end comes before its beginning lasts over midnight.
    fn time_between(
        &mut self,
        moment: &Expr,
        [from, to]: [&Expr; 2],
        zone: Option<&str>,
    ) -> (Scalar, Scalar) {
        let time = Scalar(self.scalar_temporary());
        let moment = Scalar(self.scalar(moment, None));
        let zone = self.zone_constant(zone);
        self.emit(I::TimeOfDay(time, moment, zone));
        let (from, to) = (Scalar(self.scalar(from, None)), Scalar(self.scalar(to, None)));
        let [begun, open, plain] = [(); 3].map(|()| Scalar(self.scalar_temporary()));
        self.emit(I::Compare(C::GreaterOrEqual, begun, time, from));
        self.emit(I::Compare(C::Less, open, time, to));
        self.emit(I::Compare(C::LessOrEqual, plain, from, to));
        // Both must hold within a day, one of them over midnight.
        self.emit(I::Add(begun, begun, open));
        self.emit(I::AddK(plain, plain, Small(1)));
        (begun, plain)
    }

    /// A zone as a constant; the agent's or UTC without one.
    pub(super) fn zone_constant(&mut self, zone: Option<&str>) -> ValueConstant {
        let zone = zone.or(self.source.zone.as_deref()).unwrap_or("UTC");
        ValueConstant(self.emitter.value_constant(Value::Text(zone.into())))
    }

    /// `to` = the truth of a condition, as 0 or 1.
    pub(super) fn truth(&mut self, condition: &Expr, to: u16) {
        if let E::Compare(operator, left, right) = &condition.kind
            && !matches!(right.kind, E::None)
        {
            if self.is_scalar(&left.ty) && self.is_scalar(&right.ty) {
                let (a, b) = (self.scalar(left, None), self.scalar(right, None));
                self.emit(I::Compare(*operator, Scalar(to), Scalar(a), Scalar(b)));
            } else {
                let (a, b) = (self.object(left, None), self.object(right, None));
                self.emit(I::CompareValue(*operator, Scalar(to), Object(a), Object(b)));
            }
        } else if let E::Not(inner) = &condition.kind {
            let inner = self.scalar(inner, None);
            self.emit(I::Not(Scalar(to), Scalar(inner)));
        } else {
            let (no, end) = (self.emitter.label(), self.emitter.label());
            self.branch(condition, false, no);
            self.emit(I::LoadInt(Scalar(to), Immediate(1)));
            self.emitter.jump(end, I::Jump);
            self.emitter.place(no);
            self.emit(I::LoadInt(Scalar(to), Immediate(0)));
            self.emitter.place(end);
        }
    }
}

fn opposite(operator: C) -> C {
    match operator {
        C::Equal => C::NotEqual,
        C::NotEqual => C::Equal,
        C::Less => C::GreaterOrEqual,
        C::LessOrEqual => C::Greater,
        C::Greater => C::LessOrEqual,
        C::GreaterOrEqual => C::Less,
    }
}

/// A constant that fits into an instruction.
fn small(expr: &Expr) -> Option<Small> {
    let value = match &expr.kind {
        E::Int(value) | E::Duration(value) => *value,
        E::Time(minutes) => i64::from(*minutes),
        E::Date(days) => i64::from(*days),
        E::YesNo(yes) => i64::from(*yes),
        E::FailureKind(case) => i64::from(*case),
        E::Variant(_, case, fields) if fields.is_empty() => i64::from(*case),
        _ => return None,
    };
    i16::try_from(value).ok().map(Small)
}
