// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a value becomes one of the type that is wanted, or why it does not.

use super::*;

impl Checker<'_> {
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
        if !provable(&expr) {
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
            (Type::Named(id), Type::Text(_)) if self.is_enumeration(*id) => {
                Expr { ty: Type::Text(None), span: expr.span, kind: ExprKind::Print(Box::new(expr)) }
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
            (Type::Optional(_), _) if provable(&expr) => {
                let inner = self.present(expr);
                self.coerce(inner, expected)
            }
            _ => self.mismatch_types(expected, &expr),
        }
    }

    /// Whether a type is a union of labels alone, which is as good as a text of one of these words.
    fn is_enumeration(&self, id: TypeId) -> bool {
        matches!(self.shape(id), Some(TypeShape::Union(cases)) if cases.iter().all(|case| case.fields.is_empty()))
    }

    fn mismatch_types(&mut self, expected: &Type, found: &Expr) -> Expr {
        let name = self.type_name(expected);
        self.mismatch(&name, found)
    }
}

/// Whether the flow analysis can prove that an optional holds a value: a variable, or a field of a `so far` slot.
fn provable(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Variable(_) => true,
        ExprKind::Field(base, _) => {
            matches!(base.ty, Type::SoFar(_)) && matches!(base.kind, ExprKind::Variable(Variable::Slot(_)))
        }
        _ => false,
    }
}
