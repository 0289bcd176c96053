// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions: every one gets a type, every conversion is explicit in the result.

mod conversions;
mod operators;

use super::scope::Checker;
use super::{Construct, report};
use crate::ast::{self, BinaryOperator, UnaryOperator};
use crate::source::Span;
use crate::typed::{
    ArithmeticOperator, CompareOperator, Expr, ExprKind, Property, TextPart, Type, TypeId, TypeShape,
    Variable,
};
use crate::value::{Currency, FailureKind};

const INT: Type = Type::Int(i64::MIN, i64::MAX);

fn error(span: Span) -> Expr {
    Expr { ty: Type::Unknown, kind: ExprKind::Error, span }
}

fn make(ty: Type, kind: ExprKind, span: Span) -> Expr {
    Expr { ty, kind, span }
}

impl Checker<'_> {
    /// Checks an expression against an expected type and converts it.
    pub fn expect(&mut self, written: &ast::Expr, expected: &Type) -> Expr {
        let expr = self.expr(written, Some(expected));
        self.coerce(expr, expected)
    }

    /// Checks an expression; `expected` helps labels, empty lists and `none` to find their type.
    pub fn expr(&mut self, written: &ast::Expr, expected: Option<&Type>) -> Expr {
        let span = written.span;
        match &written.kind {
            ast::ExprKind::Int(value) => match expected {
                Some(Type::Number) => make(Type::Number, ExprKind::Number(*value as f64), span),
                _ => make(Type::Int(*value, *value), ExprKind::Int(*value), span),
            },
            ast::ExprKind::Number(text) => {
                make(Type::Number, ExprKind::Number(text.parse().unwrap_or(0.0)), span)
            }
            ast::ExprKind::Text(text) => self.text(text),
            ast::ExprKind::Money { amount, currency } => self.money(amount, currency, span),
            ast::ExprKind::Duration(ms) => make(Type::Duration, ExprKind::Duration(*ms), span),
            ast::ExprKind::TimeOfDay(minutes) => make(Type::Time, ExprKind::Time(*minutes), span),
            ast::ExprKind::Date(year, month, day) => {
                make(Type::Date, ExprKind::Date(days_from_civil(*year, *month, *day)), span)
            }
            ast::ExprKind::YesNo(value) => make(Type::YesNo, ExprKind::YesNo(*value), span),
            ast::ExprKind::None => self.none(expected, span),
            ast::ExprKind::Now => make(Type::Moment, ExprKind::Now, span),
            ast::ExprKind::Wakes => {
                self.needs(Construct::Wake, "`wakes`", span);
                make(self.wakes_type(), ExprKind::Wakes, span)
            }
            ast::ExprKind::Name(name) => self.name(name, expected, span),
            ast::ExprKind::Field(base, field) => self.field(base, field, span),
            ast::ExprKind::Index(base, key) => self.index(base, key, span),
            ast::ExprKind::Construct { name, arguments } => self.construct(name, arguments, expected, span),
            ast::ExprKind::List(items) => self.list(items, expected, span),
            ast::ExprKind::Unary(UnaryOperator::Not, inner) => {
                let inner = self.expect(inner, &Type::YesNo);
                make(Type::YesNo, ExprKind::Not(Box::new(inner)), span)
            }
            ast::ExprKind::Unary(UnaryOperator::Negate, inner) => self.negate(inner, span),
            ast::ExprKind::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            ast::ExprKind::Between { value, low, high, zone } => {
                self.between(value, low, high, zone.as_ref(), span)
            }
            ast::ExprKind::Length(inner) => {
                let inner = self.expr(inner, None);
                let inner = self.present(inner);
                match inner.ty {
                    Type::List(..) | Type::Map(..) | Type::Text(_) => {
                        make(INT, ExprKind::Length(Box::new(inner)), span)
                    }
                    Type::Unknown | Type::ToolResult(_) => error(span),
                    _ => self.mismatch("a list, a map or a text", &inner),
                }
            }
            ast::ExprKind::First(inner) => {
                let inner = self.expr(inner, None);
                match inner.ty.clone() {
                    Type::List(of, _) => make(Type::Optional(of), ExprKind::First(Box::new(inner)), span),
                    Type::Unknown | Type::ToolResult(_) => error(span),
                    _ => self.mismatch("a list", &inner),
                }
            }
        }
    }

    fn mismatch(&mut self, expected: &str, found: &Expr) -> Expr {
        let name = self.type_name(&found.ty);
        self.push(report::type_mismatch::report(expected, &name, found.span));
        error(found.span)
    }

    fn none(&mut self, expected: Option<&Type>, span: Span) -> Expr {
        match expected {
            Some(optional @ Type::Optional(_)) => make(optional.clone(), ExprKind::None, span),
            Some(Type::Unknown) | None => error(span),
            Some(other) => {
                let name = self.type_name(other);
                self.push(report::type_mismatch::report(&name, "none", span));
                error(span)
            }
        }
    }

    /// A text with its interpolations; every type prints.
    pub fn text(&mut self, text: &ast::Text) -> Expr {
        let parts = self.text_parts(text);
        let max = parts.iter().try_fold(0u32, |sum, part| match part {
            TextPart::Literal(literal) => Some(sum.saturating_add(literal.chars().count() as u32)),
            TextPart::Value(_) => None,
        });
        make(Type::Text(max), ExprKind::Text(parts), text.span)
    }

    pub fn text_parts(&mut self, text: &ast::Text) -> Vec<TextPart> {
        text.parts
            .iter()
            .map(|part| match part {
                ast::TextPart::Literal(literal) => TextPart::Literal(literal.clone()),
                ast::TextPart::Value(value) => TextPart::Value(self.expr(value, None)),
            })
            .collect()
    }

    /// An expression as the text that people read.
    pub fn printed(&mut self, written: &ast::Expr) -> Expr {
        let expr = self.expr(written, None);
        match expr.ty {
            Type::Text(_) => expr,
            _ => Expr { ty: Type::Text(None), span: expr.span, kind: ExprKind::Print(Box::new(expr)) },
        }
    }

    fn money(&mut self, amount: &str, code: &str, span: Span) -> Expr {
        let Some(currency) = Currency::named(code) else { return error(span) };
        match minor_units(amount, currency) {
            Some(minor) => make(Type::Money(Some(currency)), ExprKind::Money(minor, currency), span),
            None => {
                let title = format!("{code} in steps of 1/{}", currency.minor_per_unit());
                self.push(report::type_mismatch::report(&title, &format!("`{amount}`"), span));
                error(span)
            }
        }
    }

    fn name(&mut self, name: &str, expected: Option<&Type>, span: Span) -> Expr {
        if let Some(at) = self.local(name) {
            let variable = Variable::Local(at);
            return make(self.type_of(variable), ExprKind::Variable(variable), span);
        }
        if let Some(&at) = self.slot_ids.get(name) {
            let variable = Variable::Slot(at);
            return make(self.type_of(variable), ExprKind::Variable(variable), span);
        }
        let wanted = match expected {
            Some(Type::Optional(inner)) => Some(inner.as_ref()),
            other => other,
        };
        match wanted {
            Some(Type::FailureKind) => {
                if let Some(at) = FailureKind::ALL.iter().position(|k| k.word() == name) {
                    return make(Type::FailureKind, ExprKind::FailureKind(at as u32), span);
                }
            }
            Some(Type::Named(id)) => {
                if let Some(found) = self.nullary(*id, name, span) {
                    return found;
                }
            }
            Some(Type::Unknown | Type::ToolResult(_)) => return error(span),
            _ => {
                let owners: Vec<TypeId> = (0..self.types.len() as u32)
                    .map(TypeId)
                    .filter(|id| self.has_nullary(*id, name))
                    .collect();
                if let [only] = owners.as_slice()
                    && let Some(found) = self.nullary(*only, name, span)
                {
                    return found;
                }
            }
        }
        let candidates = self.visible_names();
        let near = report::nearest(name, candidates.iter().map(String::as_str));
        let diagnostic = report::unknown_name::report(name, span, near);
        self.push_unknown(diagnostic);
        error(span)
    }

    fn has_nullary(&self, id: TypeId, name: &str) -> bool {
        matches!(self.shape(id), Some(TypeShape::Union(cases)) if cases.iter().any(|c| c.name == name && c.fields.is_empty()))
    }

    fn nullary(&self, id: TypeId, name: &str, span: Span) -> Option<Expr> {
        let Some(TypeShape::Union(cases)) = self.shape(id) else { return None };
        let at = cases.iter().position(|c| c.name == name && c.fields.is_empty())?;
        Some(make(Type::Named(id), ExprKind::Variant(id, at as u32, Vec::new()), span))
    }

    fn visible_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.slot_ids.keys().cloned().collect();
        names.extend(self.locals.iter().map(|l| l.name.clone()).filter(|n| self.local(n).is_some()));
        names.sort();
        names
    }

    fn field(&mut self, base: &ast::Expr, field: &ast::Ident, span: Span) -> Expr {
        let base = self.expr(base, None);
        let base = self.present(base);
        let property = match (&base.ty, field.node.as_str()) {
            (Type::Message, "text") => Some((Property::MessageText, Type::Text(None))),
            (Type::Message, "sender") => Some((Property::MessageSender, Type::Text(None))),
            (Type::Failure, "kind") => Some((Property::FailureKind, Type::FailureKind)),
            (Type::Failure, "detail") => Some((Property::FailureDetail, Type::Text(None))),
            (Type::Failure, "until") => {
                Some((Property::FailureUntil, Type::Optional(Box::new(Type::Moment))))
            }
            _ => None,
        };
        if let Some((property, ty)) = property {
            return make(ty, ExprKind::Property(Box::new(base), property), span);
        }
        let id = match &base.ty {
            Type::Named(id) | Type::SoFar(id) => Some(*id),
            Type::Unknown | Type::ToolResult(_) => return error(span),
            _ => None,
        };
        let fields = match id.and_then(|id| self.shape(id)) {
            Some(TypeShape::Record(fields)) => fields.clone(),
            Some(TypeShape::Alias(Type::Unknown)) => return error(span),
            _ => Vec::new(),
        };
        if let Some(at) = fields.iter().position(|f| f.name == field.node) {
            if matches!(base.ty, Type::SoFar(_)) {
                let ty = match fields[at].ty.clone() {
                    already @ Type::Optional(_) => already,
                    plain => Type::Optional(Box::new(plain)),
                };
                return make(ty, ExprKind::Field(Box::new(base), at as u32), span);
            }
            return make(fields[at].ty.clone(), ExprKind::Field(Box::new(base), at as u32), span);
        }
        let near = report::nearest(&field.node, fields.iter().map(|f| f.name.as_str()));
        let of = self.type_name(&base.ty);
        self.push(report::no_field::report(&field.node, &of, field.span, near));
        error(span)
    }

    fn index(&mut self, base: &ast::Expr, key: &ast::Expr, span: Span) -> Expr {
        let base = self.expr(base, None);
        match base.ty.clone() {
            Type::Map(of, _) => {
                let key = self.expect(key, &Type::Text(None));
                make(Type::Optional(of), ExprKind::Index(Box::new(base), Box::new(key)), span)
            }
            Type::Unknown | Type::ToolResult(_) => error(span),
            _ => self.mismatch("a map", &base),
        }
    }

    fn construct(
        &mut self,
        name: &ast::Ident,
        arguments: &[ast::Argument],
        expected: Option<&Type>,
        span: Span,
    ) -> Expr {
        let record = self.type_ids.get(&name.node).copied();
        if let Some(id) = record
            && let Some(TypeShape::Record(fields)) = self.shape(id).cloned()
        {
            let values = self.arguments(&name.node, &fields, arguments, span);
            return make(Type::Named(id), ExprKind::Record(id, values), span);
        }
        let in_expected = match expected {
            Some(Type::Named(id)) => Some(*id),
            Some(Type::Optional(inner)) => match inner.as_ref() {
                Type::Named(id) => Some(*id),
                _ => None,
            },
            _ => None,
        };
        let candidates = in_expected.into_iter().chain((0..self.types.len() as u32).map(TypeId));
        for id in candidates {
            let Some(TypeShape::Union(cases)) = self.shape(id) else { continue };
            if let Some(at) = cases.iter().position(|c| c.name == name.node) {
                let fields = cases[at].fields.clone();
                let values = self.arguments(&name.node, &fields, arguments, span);
                return make(Type::Named(id), ExprKind::Variant(id, at as u32, values), span);
            }
        }
        let near = report::nearest(&name.node, self.type_ids.keys().map(String::as_str)).map(str::to_string);
        self.push_unknown(report::unknown_name::report(&name.node, name.span, near.as_deref()));
        error(span)
    }

    pub fn arguments(
        &mut self,
        what: &str,
        fields: &[crate::typed::FieldDef],
        arguments: &[ast::Argument],
        span: Span,
    ) -> Vec<Expr> {
        let mut values: Vec<Option<Expr>> = vec![None; fields.len()];
        // What has no place was reported, or is reported with what is missing; not both.
        let (mut is_unknown, mut is_extra) = (false, false);
        for (position, argument) in arguments.iter().enumerate() {
            let at = match &argument.name {
                Some(name) => match fields.iter().position(|f| f.name == name.node) {
                    Some(at) => at,
                    None => {
                        let near = report::nearest(&name.node, fields.iter().map(|f| f.name.as_str()));
                        self.push(report::no_field::report(
                            &name.node,
                            &format!("`{what}`"),
                            name.span,
                            near,
                        ));
                        is_unknown = true;
                        continue;
                    }
                },
                None => position,
            };
            let Some(field) = fields.get(at) else {
                is_extra = true;
                continue;
            };
            let value = self.expect(&argument.value, &field.ty);
            if let Some(Some(first)) = values.get(at) {
                let first = first.span;
                self.push(report::duplicate::report("field", &field.name, value.span, first));
            }
            if let Some(place) = values.get_mut(at) {
                *place = Some(value);
            }
        }
        let missing: Vec<&str> = fields
            .iter()
            .zip(&values)
            .filter(|(f, v)| v.is_none() && !matches!(f.ty, Type::Optional(_)))
            .map(|(f, _)| f.name.as_str())
            .collect();
        if is_extra || !(missing.is_empty() || is_unknown) {
            let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            self.push(report::wrong_count::report(
                &format!("`{what}`"),
                &format!("the fields {}", names.join(", ")),
                arguments.len(),
                span,
            ));
        }
        fields
            .iter()
            .zip(values)
            .map(|(field, value)| {
                value.unwrap_or_else(|| {
                    make(
                        field.ty.clone(),
                        if matches!(field.ty, Type::Optional(_)) { ExprKind::None } else { ExprKind::Error },
                        span,
                    )
                })
            })
            .collect()
    }

    fn list(&mut self, items: &[ast::Expr], expected: Option<&Type>, span: Span) -> Expr {
        let mut element = match expected {
            Some(Type::List(of, _)) => Some(of.as_ref().clone()),
            _ => None,
        };
        let mut values = Vec::new();
        for item in items {
            let value = match &element {
                Some(ty) => {
                    let ty = ty.clone();
                    self.expect(item, &ty)
                }
                None => self.expr(item, None),
            };
            if element.is_none() {
                element = Some(widen(&value.ty));
            }
            values.push(value);
        }
        let max = match expected {
            Some(Type::List(_, max)) => *max,
            _ => items.len().max(1) as u32,
        };
        if values.len() > max as usize {
            self.push(report::bad_bounds::report(
                &format!("{} elements in a list of at most {max}", values.len()),
                span,
            ));
        }
        make(Type::List(Box::new(element.unwrap_or(Type::Unknown)), max), ExprKind::List(values), span)
    }

    /// Reports a zone that does not exist.
    pub fn zone(&mut self, zone: &ast::Text) {
        if let [ast::TextPart::Literal(name)] = zone.parts.as_slice()
            && (self.environment.zone_exists)(name)
        {
            return;
        }
        let written = literal(zone).unwrap_or_default();
        self.push(report::unknown_zone::report(&written, zone.span));
    }
}

/// The text without interpolation; `None` when it has any.
pub(super) fn literal(text: &ast::Text) -> Option<String> {
    text.parts
        .iter()
        .map(|part| match part {
            ast::TextPart::Literal(literal) => Some(literal.as_str()),
            ast::TextPart::Value(_) => None,
        })
        .collect()
}

/// The type without the bounds that only a literal has.
pub(super) fn widen(ty: &Type) -> Type {
    match ty {
        Type::Int(..) => INT,
        Type::Text(_) => Type::Text(None),
        other => other.clone(),
    }
}

/// Exact minor units of a decimal amount; `None` when it has more digits than the currency.
fn minor_units(amount: &str, currency: Currency) -> Option<i64> {
    let digits = currency.minor_per_unit().ilog10() as usize;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > digits {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let padded = format!("{fraction:0<digits$}");
    let minor: i64 = if digits == 0 { 0 } else { padded.parse().ok()? };
    whole.checked_mul(currency.minor_per_unit())?.checked_add(minor)
}

/// Days since 1970-01-01 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i32, month: u8, day: u8) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (i32::from(month) + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + i32::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A duration that stands in the text, with its sign.
pub(super) fn written_ms(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Duration(ms) => Some(*ms),
        ExprKind::Negate(inner) => written_ms(inner).map(i64::saturating_neg),
        _ => None,
    }
}
