// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the question of an approval shows a value: the same value stands in it, or a record that holds it, or each
//! of its untrusted parts where the whole is nothing but those parts put together.

use super::super::closed;
use super::super::requests;
use crate::typed::{Expr, ExprKind, Variable};

/// Calls back for every variable of an expression.
pub(super) fn variables(expr: &Expr, found: &mut impl FnMut(Variable)) {
    if let ExprKind::Variable(variable) = expr.kind {
        found(variable);
    }
    for part in closed::parts(expr) {
        variables(part, found);
    }
}

/// Whether an expression reads what pending wakes carry.
pub(super) fn reads_wakes(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Wakes) || closed::parts(expr).into_iter().any(reads_wakes)
}

/// Whether an expression is nothing but a variable that fits.
pub(super) fn is_variable(expr: &Expr, fits: impl Fn(Variable) -> bool) -> bool {
    matches!(bare(expr).kind, ExprKind::Variable(variable) if fits(variable))
}

/// Whether a value is worked out, so that its parts do not tell it.
pub(super) fn is_computed(expr: &Expr) -> bool {
    match &bare(expr).kind {
        ExprKind::Variable(_) => false,
        ExprKind::Field(base, _) | ExprKind::Property(base, _) => is_computed(base),
        ExprKind::Text(_) | ExprKind::Record(..) | ExprKind::Variant(..) | ExprKind::List(_) => {
            closed::parts(bare(expr)).into_iter().any(is_computed)
        }
        _ => true,
    }
}

/// Whether a question shows a value of the call. `same` compares a variable of the call with one of the question.
pub(super) fn covers(
    question: &Expr,
    value: &Expr,
    same: &impl Fn(Variable, Variable) -> bool,
    untrusted: &impl Fn(&Expr) -> bool,
    edited: &impl Fn(&Expr) -> bool,
) -> bool {
    if !untrusted(value) || edited(value) {
        return true;
    }
    if requests::shown(question).into_iter().any(|part| shows(part, value, same)) {
        return true;
    }
    match &bare(value).kind {
        ExprKind::Text(_) | ExprKind::Record(..) | ExprKind::Variant(..) | ExprKind::List(_) => {
            closed::parts(bare(value)).into_iter().all(|part| covers(question, part, same, untrusted, edited))
        }
        _ => false,
    }
}

/// Whether a printed value is the one of the call, or holds it.
fn shows(part: &Expr, value: &Expr, same: &impl Fn(Variable, Variable) -> bool) -> bool {
    let mut holder = bare(value);
    loop {
        if equal(holder, bare(part), same) {
            return true;
        }
        match &holder.kind {
            ExprKind::Field(base, _) => holder = bare(base),
            _ => return false,
        }
    }
}

/// Without conversions that change nothing of what is seen.
fn bare(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::ToOptional(inner) | ExprKind::Present(inner) | ExprKind::Print(inner) => bare(inner),
        // A message prints its text.
        ExprKind::Property(inner, crate::typed::Property::MessageText) => bare(inner),
        _ => expr,
    }
}

fn equal(a: &Expr, b: &Expr, same: &impl Fn(Variable, Variable) -> bool) -> bool {
    let both = |a: &Expr, b: &Expr| equal(bare(a), bare(b), same);
    match (&a.kind, &b.kind) {
        (ExprKind::Variable(a), ExprKind::Variable(b)) => same(*a, *b),
        (ExprKind::Field(a, x), ExprKind::Field(b, y)) => x == y && both(a, b),
        (ExprKind::Property(a, x), ExprKind::Property(b, y)) => x == y && both(a, b),
        (ExprKind::Index(a, x), ExprKind::Index(b, y)) => both(a, b) && both(x, y),
        (ExprKind::Default(a, x), ExprKind::Default(b, y))
        | (ExprKind::Contains(a, x), ExprKind::Contains(b, y)) => both(a, b) && both(x, y),
        (ExprKind::Arithmetic(f, a, x), ExprKind::Arithmetic(g, b, y)) => f == g && both(a, b) && both(x, y),
        (ExprKind::First(a), ExprKind::First(b))
        | (ExprKind::Length(a), ExprKind::Length(b))
        | (ExprKind::Negate(a), ExprKind::Negate(b)) => both(a, b),
        (ExprKind::Int(a), ExprKind::Int(b)) | (ExprKind::Duration(a), ExprKind::Duration(b)) => a == b,
        (ExprKind::Money(a, x), ExprKind::Money(b, y)) => a == b && x == y,
        (ExprKind::Text(_), ExprKind::Text(_)) => same_text(a, b, same),
        _ => false,
    }
}

fn same_text(a: &Expr, b: &Expr, same: &impl Fn(Variable, Variable) -> bool) -> bool {
    use crate::typed::TextPart::{Literal, Value};
    let (ExprKind::Text(a), ExprKind::Text(b)) = (&a.kind, &b.kind) else { return false };
    a.len() == b.len()
        && a.iter().zip(b).all(|parts| match parts {
            (Literal(a), Literal(b)) => a == b,
            (Value(a), Value(b)) => equal(bare(a), bare(b), same),
            _ => false,
        })
}
