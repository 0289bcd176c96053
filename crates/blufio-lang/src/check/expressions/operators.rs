// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operators: which types fit together, and what comes out.

use super::*;

impl Checker<'_> {
    pub(super) fn negate(&mut self, inner: &ast::Expr, span: Span) -> Expr {
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

    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Expr {
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
        make(Type::YesNo, ExprKind::Compare(operator, Box::new(left), Box::new(right)), span)
    }

    pub(super) fn between(
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
            self.needs(Construct::TimeOfDay, "`now between` times of day", span);
            let high = self.coerce(high, &Type::Time);
            let zone = zone.and_then(literal).or_else(|| self.zone.clone());
            let kind = ExprKind::TimeBetween(Box::new(value), Box::new(low), Box::new(high), zone);
            return make(Type::YesNo, kind, span);
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
}
