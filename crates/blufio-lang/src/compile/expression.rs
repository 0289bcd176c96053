// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions. `scalar` leaves the result in a scalar register, `object` in a value register; each accepts any
//! expression and crosses the border between the files where the static type says so. With `want` the result is in
//! that register, else wherever it is cheapest (a variable stays in its own).

use super::Compiler;
use crate::program::Register;
use crate::program::instruction::Instruction as I;
use crate::program::operand::{
    CaseIndex, Count, Immediate, Object, Position, Scalar, ScalarConstant, Small, TextProperty, ValueConstant,
};
use crate::typed::{ArithmeticOperator as A, Expr, ExprKind as E, Property, TextPart, Type};
use crate::value::Value;

impl Compiler<'_> {
    /// The expression in a scalar register.
    pub(super) fn scalar(&mut self, expr: &Expr, want: Option<u16>) -> u16 {
        let mark = self.emitter.span();
        self.emitter.at(expr.span);
        let result = self.scalar_inner(expr, want);
        self.emitter.at(mark);
        result
    }

    /// The expression as a value.
    pub(super) fn object(&mut self, expr: &Expr, want: Option<u16>) -> u16 {
        let mark = self.emitter.span();
        self.emitter.at(expr.span);
        let result = match self.scalar_kind(&expr.ty) {
            Some(kind) if !lives_as_value(expr) => {
                let temporaries = self.temporaries;
                let scalar = self.scalar(expr, None);
                self.release(temporaries);
                let to = want.unwrap_or_else(|| self.object_temporary());
                self.emit(I::Wrap(kind, Object(to), Scalar(scalar)));
                to
            }
            _ => self.object_inner(expr, want),
        };
        self.emitter.at(mark);
        result
    }

    fn scalar_inner(&mut self, expr: &Expr, want: Option<u16>) -> u16 {
        if let E::Variable(variable) = &expr.kind
            && let Register::Scalar(from) = self.register(*variable)
        {
            if let Some(to) = want.filter(|to| *to != from) {
                self.emit(I::Move(Scalar(to), Scalar(from)));
            }
            return want.unwrap_or(from);
        }
        let to = want.unwrap_or_else(|| self.scalar_temporary());
        let mark = self.temporaries;
        match &expr.kind {
            E::Int(value) | E::Duration(value) => self.constant(to, *value),
            E::Time(minutes) => self.constant(to, i64::from(*minutes)),
            E::Date(days) => self.constant(to, i64::from(*days)),
            E::YesNo(yes) => self.constant(to, i64::from(*yes)),
            E::FailureKind(case) | E::Variant(_, case, _) => self.constant(to, i64::from(*case)),
            E::Now => self.emit(I::Now(Scalar(to))),
            E::Negate(inner) => {
                let inner = self.scalar(inner, None);
                self.emit(I::Negate(Scalar(to), Scalar(inner)));
            }
            E::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right, to),
            E::Not(_) | E::And(..) | E::Or(..) | E::Compare(..) | E::TimeBetween(..) => self.truth(expr, to),
            E::Contains(left, right) => {
                let (left, right) = (self.object(left, None), self.object(right, None));
                self.emit(I::Contains(Scalar(to), Object(left), Object(right)));
            }
            E::Length(of) => {
                let of = self.object(of, None);
                self.emit(I::Length(Scalar(to), Object(of)));
            }
            E::Property(of, Property::FailureKind) => {
                let of = self.object(of, None);
                self.emit(I::KindOf(Scalar(to), Object(of)));
            }
            E::Default(optional, default) => {
                let (none, end) = (self.emitter.label(), self.emitter.label());
                let optional = self.object(optional, None);
                self.emitter.jump(none, |target| I::JumpNone(Object(optional), target));
                self.unwrap(&expr.ty, optional, to);
                self.emitter.jump(end, I::Jump);
                self.emitter.place(none);
                self.scalar(default, Some(to));
                self.emitter.place(end);
            }
            E::Present(inner) => {
                let inner = self.object(inner, None);
                self.unwrap(&expr.ty, inner, to);
            }
            _ => {
                let inner = self.object_inner(expr, None);
                self.unwrap(&expr.ty, inner, to);
            }
        }
        self.release(mark);
        to
    }

    fn object_inner(&mut self, expr: &Expr, want: Option<u16>) -> u16 {
        match &expr.kind {
            E::Variable(variable) => {
                let Register::Object(from) = self.register(*variable) else { return self.object(expr, want) };
                if let Some(to) = want.filter(|to| *to != from) {
                    self.emit(I::Copy(Object(to), Object(from)));
                }
                return want.unwrap_or(from);
            }
            E::ToOptional(inner) => return self.object(inner, want),
            E::Print(inner) => return self.print(inner, want),
            E::Present(inner) => {
                let from = self.object(inner, want);
                self.emit(I::Require(Object(from)));
                return from;
            }
            E::Text(parts) => return self.text(parts, want, Audience::People),
            _ => {}
        }
        let to = want.unwrap_or_else(|| self.object_temporary());
        let mark = self.temporaries;
        match &expr.kind {
            E::Number(value) => self.load(to, Value::Number(*value)),
            E::Money(minor, currency) => self.load(to, Value::Money(*minor, *currency)),
            E::None => self.load(to, Value::None),
            E::Wakes => self.emit(I::Wakes(Object(to))),
            E::Field(of, at) => {
                let of = self.object(of, None);
                self.emit(I::Field(Object(to), Object(of), Position(*at as u16)));
            }
            E::Property(of, property) => self.property(of, *property, to),
            E::Index(of, key) => {
                let (of, key) = (self.object(of, None), self.object(key, None));
                self.emit(I::Index(Object(to), Object(of), Object(key)));
            }
            E::Record(..) | E::Variant(..) | E::List(_) => self.compound(expr, to),
            E::Negate(inner) => {
                let inner = self.object(inner, None);
                self.emit(I::NegateValue(Object(to), Object(inner)));
            }
            E::Arithmetic(operator, left, right) => {
                let (left, right) = (self.object(left, None), self.object(right, None));
                self.emit(I::Calculate(*operator, Object(to), Object(left), Object(right)));
            }
            E::First(of) => {
                let of = self.object(of, None);
                self.emit(I::First(Object(to), Object(of)));
            }
            E::Default(optional, default) => {
                let end = self.emitter.label();
                // Through a temporary, because the default may read the register that the result goes to.
                let chosen = self.object_temporary();
                self.object(optional, Some(chosen));
                self.emitter.jump(end, |target| I::JumpSome(Object(chosen), target));
                self.object(default, Some(chosen));
                self.emitter.place(end);
                self.emit(I::Copy(Object(to), Object(chosen)));
            }
            E::Error => self.later(expr.span, "this expression"),
            _ => self.later(expr.span, "a value of this kind"),
        }
        self.release(mark);
        to
    }

    fn compound(&mut self, expr: &Expr, to: u16) {
        match &expr.kind {
            E::Variant(_, case, fields) if fields.is_empty() => {
                self.load(to, Value::Variant(*case, [].into()))
            }
            E::Record(_, fields) | E::Variant(_, _, fields) => {
                let (first, count) = self.row(fields);
                self.emit(I::MakeRecord(Object(to), first, count));
                if let E::Variant(_, case, _) = &expr.kind {
                    self.emit(I::MakeVariant(Object(to), CaseIndex(*case as u16)));
                }
            }
            E::List(items) => {
                let (first, count) = self.row(items);
                self.emit(I::MakeList(Object(to), first, count));
            }
            _ => self.later(expr.span, "a value of this kind"),
        }
    }

    fn property(&mut self, of: &Expr, property: Property, to: u16) {
        let of = self.object(of, None);
        let property = match property {
            Property::MessageText => TextProperty::MessageText,
            Property::MessageSender => TextProperty::MessageSender,
            Property::FailureDetail => TextProperty::FailureDetail,
            Property::FailureUntil => TextProperty::FailureUntil,
            Property::FailureKind => {
                let kind = self.scalar_temporary();
                self.emit(I::KindOf(Scalar(kind), Object(of)));
                self.emit(I::Wrap(crate::program::operand::ScalarKind::Case, Object(to), Scalar(kind)));
                return;
            }
        };
        self.emit(I::Property(property, Object(to), Object(of)));
    }

    /// Expressions in value registers in a row.
    fn row(&mut self, items: &[Expr]) -> (Object, Count) {
        let count = u16::try_from(items.len()).unwrap_or(u16::MAX);
        let first = self.object_temporaries(count);
        for (offset, item) in (0..count).zip(items) {
            let mark = self.temporaries;
            self.object(item, Some(first.saturating_add(offset)));
            self.release(mark);
        }
        (Object(first), Count(count))
    }

    fn arithmetic(&mut self, operator: A, left: &Expr, right: &Expr, to: u16) {
        if let (A::Add | A::Subtract | A::Remainder, E::Int(k) | E::Duration(k)) = (operator, &right.kind)
            && let Ok(k) = i16::try_from(if operator == A::Subtract { k.wrapping_neg() } else { *k })
        {
            let left = self.scalar(left, None);
            self.emit(match operator {
                A::Remainder => I::RemainderK(Scalar(to), Scalar(left), Small(k)),
                _ => I::AddK(Scalar(to), Scalar(left), Small(k)),
            });
            return;
        }
        let (left, right) = (Scalar(self.scalar(left, None)), Scalar(self.scalar(right, None)));
        let to = Scalar(to);
        self.emit(match operator {
            A::Add => I::Add(to, left, right),
            A::Subtract => I::Subtract(to, left, right),
            A::Multiply => I::Multiply(to, left, right),
            A::Divide => I::Divide(to, left, right),
            A::Remainder => I::Remainder(to, left, right),
        });
    }

    /// `to` = the scalar constant.
    pub(super) fn constant(&mut self, to: u16, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.emit(I::LoadInt(Scalar(to), Immediate(value))),
            Err(_) => {
                let constant = self.emitter.scalar_constant(value);
                self.emit(I::LoadScalar(Scalar(to), ScalarConstant(constant)));
            }
        }
    }

    /// `to` = the value.
    pub(super) fn load(&mut self, to: u16, value: Value) {
        let constant = self.emitter.value_constant(value);
        self.emit(I::LoadValue(Object(to), ValueConstant(constant)));
    }

    /// `to` = the scalar of type `ty` in the value register `from`.
    pub(super) fn unwrap(&mut self, ty: &Type, from: u16, to: u16) {
        match self.scalar_kind(ty) {
            Some(kind) => self.emit(I::Unwrap(kind, Scalar(to), Object(from))),
            None => self.later(self.emitter.span(), "a value of this type"),
        }
    }

    /// The text of a value for people.
    pub(super) fn print(&mut self, expr: &Expr, want: Option<u16>) -> u16 {
        self.printed(expr, want, Audience::People)
    }

    pub(super) fn printed(&mut self, expr: &Expr, want: Option<u16>, audience: Audience) -> u16 {
        if matches!(expr.ty, Type::Text(_)) {
            return self.object(expr, want);
        }
        let shape = self.shape(&expr.ty, expr.span);
        let to = want.unwrap_or_else(|| self.object_temporary());
        let mark = self.temporaries;
        let from = Object(self.object(expr, None));
        self.release(mark);
        self.emit(match audience {
            Audience::People => I::Print(Object(to), from, shape),
            Audience::Prompt => I::PrintForPrompt(Object(to), from, shape),
        });
        to
    }

    /// An interpolated text.
    pub(super) fn text(&mut self, parts: &[TextPart], want: Option<u16>, audience: Audience) -> u16 {
        match parts {
            [] => {
                let to = want.unwrap_or_else(|| self.object_temporary());
                self.load(to, Value::Text("".into()));
                to
            }
            [TextPart::Literal(literal)] => {
                let to = want.unwrap_or_else(|| self.object_temporary());
                self.load(to, Value::Text(literal.as_str().into()));
                to
            }
            [TextPart::Value(value)] => self.printed(value, want, audience),
            parts => {
                let to = want.unwrap_or_else(|| self.object_temporary());
                let mark = self.temporaries;
                let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
                let first = self.object_temporaries(count);
                for (offset, part) in (0..count).zip(parts) {
                    let mark = self.temporaries;
                    let place = first.saturating_add(offset);
                    match part {
                        TextPart::Literal(literal) => self.load(place, Value::Text(literal.as_str().into())),
                        TextPart::Value(value) => {
                            self.printed(value, Some(place), audience);
                        }
                    }
                    self.release(mark);
                }
                self.emit(I::Join(Object(to), Object(first), Count(count)));
                self.release(mark);
                to
            }
        }
    }
}

/// Who reads a text: values print differently for people and in prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    People,
    Prompt,
}

/// Whether an expression of a scalar type is found as a value, so that wrapping it would go there and back.
fn lives_as_value(expr: &Expr) -> bool {
    matches!(expr.kind, E::Field(..))
}
