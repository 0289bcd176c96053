// SPDX-License-Identifier: MIT OR Apache-2.0
//! The values that tests write down: constant expressions of the checked program.

use crate::program::civil;
use crate::typed::{ArithmeticOperator as A, Expr, ExprKind as E, Program, TextPart, Type, TypeShape};
use crate::value::Value;

/// Why a value cannot be had.
const NOT_CONSTANT: &str = "this is no value that can be written down in a test";
const OVERFLOW: &str = "the value is too large";

/// The value of a constant expression at a time (milliseconds since 1970).
pub(super) fn evaluate(expr: &Expr, now_ms: i64) -> Result<Value, String> {
    let row = |items: &[Expr]| items.iter().map(|item| evaluate(item, now_ms)).collect::<Result<Vec<_>, _>>();
    Ok(match &expr.kind {
        E::Int(value) => Value::Int(*value),
        E::Number(value) => Value::Number(*value),
        E::Money(minor, currency) => Value::Money(*minor, *currency),
        E::Duration(ms) => Value::Duration(*ms),
        E::Time(minutes) => Value::Time(*minutes),
        E::Date(days) => Value::Date(*days),
        E::YesNo(yes) => Value::YesNo(*yes),
        E::None => Value::None,
        E::Now => Value::Moment(now_ms),
        E::Text(parts) => {
            let mut text = String::new();
            for part in parts {
                match part {
                    TextPart::Literal(words) => text.push_str(words),
                    TextPart::Value(value) => text.push_str(&plain(&evaluate(value, now_ms)?)?),
                }
            }
            Value::Text(text.into())
        }
        E::Print(inner) => Value::Text(plain(&evaluate(inner, now_ms)?)?.into()),
        E::ToOptional(inner) | E::Present(inner) => evaluate(inner, now_ms)?,
        E::Record(_, fields) => Value::Record(row(fields)?.into()),
        E::Variant(_, case, fields) => Value::Variant(*case, row(fields)?.into()),
        E::FailureKind(kind) => Value::Variant(*kind, [].into()),
        E::List(items) => Value::List(row(items)?.into()),
        E::Not(inner) => match evaluate(inner, now_ms)? {
            Value::YesNo(yes) => Value::YesNo(!yes),
            _ => return Err(NOT_CONSTANT.into()),
        },
        E::Negate(inner) => match evaluate(inner, now_ms)? {
            Value::Int(value) => Value::Int(value.checked_neg().ok_or(OVERFLOW)?),
            Value::Number(value) => Value::Number(-value),
            Value::Money(minor, currency) => Value::Money(minor.checked_neg().ok_or(OVERFLOW)?, currency),
            Value::Duration(ms) => Value::Duration(ms.checked_neg().ok_or(OVERFLOW)?),
            _ => return Err(NOT_CONSTANT.into()),
        },
        E::Arithmetic(operator, left, right) => {
            arithmetic(*operator, &evaluate(left, now_ms)?, &evaluate(right, now_ms)?)?
        }
        _ => return Err(NOT_CONSTANT.into()),
    })
}

fn arithmetic(operator: A, left: &Value, right: &Value) -> Result<Value, String> {
    let whole = |a: i64, b: i64| {
        match operator {
            A::Add => a.checked_add(b),
            A::Subtract => a.checked_sub(b),
            A::Multiply => a.checked_mul(b),
            A::Divide => a.checked_div(b),
            A::Remainder => a.checked_rem(b),
        }
        .ok_or_else(|| OVERFLOW.to_string())
    };
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => Value::Int(whole(*a, *b)?),
        (Value::Number(a), Value::Number(b)) => Value::Number(match operator {
            A::Add => a + b,
            A::Subtract => a - b,
            A::Multiply => a * b,
            A::Divide => a / b,
            A::Remainder => a % b,
        }),
        (Value::Money(a, currency), Value::Money(b, other)) if currency == other => {
            Value::Money(whole(*a, *b)?, *currency)
        }
        (Value::Money(a, currency), Value::Int(b)) | (Value::Int(b), Value::Money(a, currency)) => {
            Value::Money(whole(*a, *b)?, *currency)
        }
        (Value::Duration(a), Value::Duration(b) | Value::Int(b)) => Value::Duration(whole(*a, *b)?),
        (Value::Moment(a), Value::Duration(b)) | (Value::Duration(b), Value::Moment(a)) => {
            Value::Moment(whole(*a, *b)?)
        }
        (Value::Moment(a), Value::Moment(b)) => Value::Duration(whole(*a, *b)?),
        _ => return Err(NOT_CONSTANT.into()),
    })
}

/// A scalar inside of a text.
fn plain(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::Text(text) | Value::Json(text) => text.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::YesNo(yes) => if *yes { "yes" } else { "no" }.to_string(),
        Value::Money(minor, currency) => {
            format!("{} {}", civil::print_amount(*minor, *currency), currency.code().to_ascii_uppercase())
        }
        Value::Duration(ms) => civil::print_duration(*ms),
        Value::Moment(ms) => civil::print_moment(*ms),
        Value::Date(days) => civil::print_date(*days),
        Value::Time(minutes) => civil::print_time(*minutes),
        _ => return Err(NOT_CONSTANT.into()),
    })
}

/// The label of a case that an expression writes; labels, unlike numbers, mean the same in every agent.
pub(super) fn label_of<'p>(program: &'p Program, expr: &Expr) -> Option<&'p str> {
    let (Type::Named(_), E::Variant(id, case, _)) = (&expr.ty, &expr.kind) else { return None };
    match &program.types.get(id.0 as usize)?.shape {
        TypeShape::Union(cases) => cases.get(*case as usize).map(|case| case.name.as_str()),
        _ => None,
    }
}
