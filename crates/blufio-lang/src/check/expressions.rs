// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions: every one gets a type, every conversion is explicit in the result.

use super::report;
use super::scope::Checker;
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
                self.later("`wakes`", span);
                error(span)
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

    fn arguments(
        &mut self,
        what: &str,
        fields: &[crate::typed::FieldDef],
        arguments: &[ast::Argument],
        span: Span,
    ) -> Vec<Expr> {
        let mut values: Vec<Option<Expr>> = vec![None; fields.len()];
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
                        continue;
                    }
                },
                None => position,
            };
            let Some(field) = fields.get(at) else { continue };
            let value = self.expect(&argument.value, &field.ty);
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
        if !missing.is_empty() || arguments.len() > fields.len() {
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

    fn negate(&mut self, inner: &ast::Expr, span: Span) -> Expr {
        let inner = self.expr(inner, None);
        match inner.ty {
            Type::Int(low, high) => match inner.kind {
                ExprKind::Int(value) => make(
                    Type::Int(value.wrapping_neg(), value.wrapping_neg()),
                    ExprKind::Int(value.wrapping_neg()),
                    span,
                ),
                _ => make(
                    Type::Int(high.saturating_neg(), low.saturating_neg()),
                    ExprKind::Negate(Box::new(inner)),
                    span,
                ),
            },
            Type::Number | Type::Money(_) | Type::Duration => {
                make(inner.ty.clone(), ExprKind::Negate(Box::new(inner)), span)
            }
            Type::Unknown | Type::ToolResult(_) => error(span),
            _ => self.mismatch("a number, money or a duration", &inner),
        }
    }

    fn binary(&mut self, operator: BinaryOperator, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        use BinaryOperator as B;
        match operator {
            B::And => {
                let (left, right) = (self.expect(left, &Type::YesNo), self.expect(right, &Type::YesNo));
                make(Type::YesNo, ExprKind::And(Box::new(left), Box::new(right)), span)
            }
            B::Or => self.or(left, right, span),
            B::Contains => self.contains(left, right, span),
            B::Add => self.arithmetic(ArithmeticOperator::Add, left, right, span),
            B::Subtract => self.arithmetic(ArithmeticOperator::Subtract, left, right, span),
            B::Multiply => self.arithmetic(ArithmeticOperator::Multiply, left, right, span),
            B::Divide => self.arithmetic(ArithmeticOperator::Divide, left, right, span),
            B::Remainder => self.arithmetic(ArithmeticOperator::Remainder, left, right, span),
            B::Is => self.compare(CompareOperator::Equal, left, right, span),
            B::IsNot => self.compare(CompareOperator::NotEqual, left, right, span),
            B::Less => self.compare(CompareOperator::Less, left, right, span),
            B::LessOrEqual => self.compare(CompareOperator::LessOrEqual, left, right, span),
            B::Greater => self.compare(CompareOperator::Greater, left, right, span),
            B::GreaterOrEqual => self.compare(CompareOperator::GreaterOrEqual, left, right, span),
        }
    }

    fn or(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let left = self.expr(left, None);
        match left.ty.clone() {
            Type::Optional(of) => {
                let right = self.expect(right, &of);
                make(*of, ExprKind::Default(Box::new(left), Box::new(right)), span)
            }
            Type::YesNo => {
                let right = self.expect(right, &Type::YesNo);
                make(Type::YesNo, ExprKind::Or(Box::new(left), Box::new(right)), span)
            }
            Type::Unknown | Type::ToolResult(_) => {
                self.expr(right, None);
                error(span)
            }
            _ => self.mismatch("a yes/no or an optional before `or`", &left),
        }
    }

    fn contains(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Expr {
        let left = self.expr(left, None);
        let left = self.as_text(left);
        let right = match left.ty.clone() {
            Type::List(of, _) => self.expect(right, &of),
            Type::Text(_) => self.expect(right, &Type::Text(None)),
            Type::Unknown | Type::ToolResult(_) => return error(span),
            _ => return self.mismatch("a list or a text before `contains`", &left),
        };
        make(Type::YesNo, ExprKind::Contains(Box::new(left), Box::new(right)), span)
    }

    fn compare(
        &mut self,
        operator: CompareOperator,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Expr {
        let left = self.expr(left, None);
        let wanted = widen(&left.ty);
        let mut right = self.expr(right, Some(&wanted));
        if matches!(right.kind, ExprKind::None) {
            if !matches!(left.ty, Type::Optional(_)) {
                return error(span);
            }
            return make(Type::YesNo, ExprKind::Compare(operator, Box::new(left), Box::new(right)), span);
        }
        let equality = matches!(operator, CompareOperator::Equal | CompareOperator::NotEqual);
        let mut left = left;
        if equality && matches!(left.ty, Type::Optional(_)) {
            right = self.coerce(right, &wanted);
        } else {
            left = self.present(left);
            left = self.as_text(left);
            right = self.as_text(right);
            if matches!((&left.ty, &right.kind), (Type::Number, ExprKind::Int(_))) {
                right = self.coerce(right, &Type::Number);
            }
            let wanted = widen(&left.ty);
            right = self.coerce(right, &wanted);
        }
        let ordered = matches!(
            left.ty,
            Type::Int(..)
                | Type::Number
                | Type::Money(_)
                | Type::Duration
                | Type::Moment
                | Type::Date
                | Type::Time
                | Type::Unknown
                | Type::ToolResult(_)
        );
        if !equality && !ordered {
            return self.mismatch("something with an order (a number, money, a time)", &left);
        }
        if matches!(left.ty, Type::Unknown | Type::ToolResult(_)) || matches!(right.ty, Type::Unknown) {
            return Expr { ty: Type::YesNo, kind: ExprKind::Error, span };
        }
        make(Type::YesNo, ExprKind::Compare(operator, Box::new(left), Box::new(right)), span)
    }

    fn between(
        &mut self,
        value: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        zone: Option<&ast::Text>,
        span: Span,
    ) -> Expr {
        if let Some(zone) = zone {
            self.zone(zone);
        }
        let value = self.expr(value, None);
        let low = self.expr(low, Some(&value.ty));
        let high = self.expr(high, Some(&value.ty));
        if value.ty == Type::Moment && low.ty == Type::Time {
            self.later("`now between` times of day", span);
            return Expr { ty: Type::YesNo, kind: ExprKind::Error, span };
        }
        let wanted = widen(&value.ty);
        let (low, high) = (self.coerce(low, &wanted), self.coerce(high, &wanted));
        let at_least = make(
            Type::YesNo,
            ExprKind::Compare(CompareOperator::GreaterOrEqual, Box::new(value.clone()), Box::new(low)),
            span,
        );
        let at_most = make(
            Type::YesNo,
            ExprKind::Compare(CompareOperator::LessOrEqual, Box::new(value), Box::new(high)),
            span,
        );
        make(Type::YesNo, ExprKind::And(Box::new(at_least), Box::new(at_most)), span)
    }

    /// Arithmetic on already written operands.
    pub fn arithmetic(
        &mut self,
        operator: ArithmeticOperator,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Expr {
        let left = self.expr(left, None);
        let right = self.expr(right, Some(&widen(&left.ty)));
        let (left, right) = (self.present(left), self.present(right));
        self.arithmetic_typed(operator, left, right, span)
    }

    /// Arithmetic on checked operands.
    pub fn arithmetic_typed(
        &mut self,
        operator: ArithmeticOperator,
        left: Expr,
        right: Expr,
        span: Span,
    ) -> Expr {
        use ArithmeticOperator as A;
        let ty = match (operator, &left.ty, &right.ty) {
            (_, Type::Unknown | Type::ToolResult(_), _) | (_, _, Type::Unknown | Type::ToolResult(_)) => {
                return error(span);
            }
            (_, Type::Int(..), Type::Int(..)) => INT,
            (_, Type::Number, Type::Number | Type::Int(..)) | (_, Type::Int(..), Type::Number) => {
                Type::Number
            }
            (A::Add | A::Subtract, Type::Money(a), Type::Money(b))
                if a == b || a.is_none() || b.is_none() =>
            {
                Type::Money(a.or(*b))
            }
            (A::Multiply | A::Divide, Type::Money(a), Type::Int(..)) => Type::Money(*a),
            (A::Add | A::Subtract, Type::Duration, Type::Duration) => Type::Duration,
            (A::Multiply | A::Divide, Type::Duration, Type::Int(..)) => Type::Duration,
            (A::Add | A::Subtract, Type::Moment, Type::Duration) => Type::Moment,
            (A::Subtract, Type::Moment, Type::Moment) => Type::Duration,
            _ => {
                let (a, b) = (self.type_name(&left.ty), self.type_name(&right.ty));
                let fits = format!("operands that fit together (this is {a})");
                self.push(report::type_mismatch::report(&fits, &b, right.span));
                return error(span);
            }
        };
        let (mut left, mut right) = (left, right);
        if ty == Type::Number {
            left = self.coerce(left, &Type::Number);
            right = self.coerce(right, &Type::Number);
        }
        make(ty, ExprKind::Arithmetic(operator, Box::new(left), Box::new(right)), span)
    }

    /// A message where text is wanted gives its text.
    pub fn as_text(&mut self, expr: Expr) -> Expr {
        match expr.ty {
            Type::Message => Expr {
                ty: Type::Text(None),
                span: expr.span,
                kind: ExprKind::Property(Box::new(expr), Property::MessageText),
            },
            _ => expr,
        }
    }

    /// An optional used as a plain value: must be certain to be there, which the flow analysis proves for variables.
    pub fn present(&mut self, expr: Expr) -> Expr {
        let Type::Optional(of) = expr.ty.clone() else { return expr };
        if !matches!(expr.kind, ExprKind::Variable(_)) {
            let found = self.type_name(&expr.ty);
            let expected = format!("{} (write `… or DEFAULT`, or test it with `when`)", self.type_name(&of));
            self.push(report::type_mismatch::report(&expected, &found, expr.span));
            return error(expr.span);
        }
        Expr { ty: *of, span: expr.span, kind: ExprKind::Present(Box::new(expr)) }
    }

    /// Fits a value into a type, or says why it does not.
    pub fn coerce(&mut self, expr: Expr, expected: &Type) -> Expr {
        if matches!(expr.ty, Type::Unknown | Type::ToolResult(_))
            || *expected == Type::Unknown
            || expr.ty == *expected
        {
            return expr;
        }
        match (&expr.ty, expected) {
            (Type::ToolResult(_), _) | (_, Type::ToolResult(_)) => expr,
            (Type::Text(_), Type::Text(None)) => expr,
            (Type::Text(Some(a)), Type::Text(Some(b))) if a <= b => expr,
            (Type::Int(low, high), Type::Int(least, most)) if low >= least && high <= most => expr,
            (Type::Int(..), Type::Number) => match expr.kind {
                ExprKind::Int(value) => make(Type::Number, ExprKind::Number(value as f64), expr.span),
                _ => self.mismatch("number", &expr),
            },
            (Type::Money(Some(_)), Type::Money(None)) => expr,
            (Type::List(of, max), Type::List(into, most))
                if max <= most
                    && (of == into
                        || **of == Type::Unknown
                        || matches!((of.as_ref(), into.as_ref()), (Type::Text(_), Type::Text(None)))) =>
            {
                Expr { ty: expected.clone(), ..expr }
            }
            (Type::FailureKind, Type::Text(_)) => {
                Expr { ty: Type::Text(None), span: expr.span, kind: ExprKind::Print(Box::new(expr)) }
            }
            (Type::Message, Type::Text(None)) => self.as_text(expr),
            (Type::Optional(_), Type::Optional(_)) => self.mismatch_types(expected, &expr),
            (_, Type::Optional(of)) => {
                let inner = self.coerce(expr, of);
                make(expected.clone(), ExprKind::ToOptional(Box::new(inner.clone())), inner.span)
            }
            (Type::Optional(_), _) if matches!(expr.kind, ExprKind::Variable(_)) => {
                let inner = self.present(expr);
                self.coerce(inner, expected)
            }
            _ => self.mismatch_types(expected, &expr),
        }
    }

    fn mismatch_types(&mut self, expected: &Type, found: &Expr) -> Expr {
        let name = self.type_name(expected);
        self.mismatch(&name, found)
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
