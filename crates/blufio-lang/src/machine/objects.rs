// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions over values. A value of the wrong kind is a trap, never a panic: the verifier proves registers, the
//! types of what they hold are the checker's.

use std::cmp::Ordering;
use std::sync::Arc;

use super::execute::Trap;
use crate::program::Program;
use crate::program::instruction::Instruction as I;
use crate::program::operand::{Object, Scalar, ScalarKind, TextProperty};
use crate::program::shape::Shape;
use crate::typed::{ArithmeticOperator as A, CompareOperator as C};
use crate::value::Value;

/// Longest text that interpolation makes, in bytes; what is longer is cut (ruling 14). A program that doubles a slot
/// at every message would else fill the memory.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;
/// Stands where a text was cut.
const CUT_MARK: &str = " […]";

const CONFUSED: Trap = Trap::Corrupt("a register holds a value of another type");
const OVERFLOW: Trap = Trap::Arithmetic("the result is too large");
const MIXED: Trap = Trap::Arithmetic("mixed currencies");
const ZERO: Trap = Trap::Arithmetic("division by zero");

/// Executes one instruction that is not the dispatch loop's own.
pub(super) fn apply(
    program: &Program,
    scalars: &mut [i64],
    objects: &mut [Value],
    instruction: I,
) -> Result<(), Trap> {
    let value = |register: Object| &objects[usize::from(register.0)];
    let (to, result) = match instruction {
        I::LoadValue(to, constant) => (to, program.value_constants[usize::from(constant.0)].clone()),
        I::Copy(to, from) => (to, value(from).clone()),
        I::Wrap(kind, to, from) => (to, wrap(kind, scalars[usize::from(from.0)]).ok_or(CONFUSED)?),
        I::Calculate(operator, to, a, b) => (to, calculate(operator, value(a), value(b))?),
        I::NegateValue(to, a) => (to, negate(value(a))?),
        I::Print(to, a, shape) => (to, Value::Text(program.print(shape, value(a)).into())),
        I::PrintForPrompt(to, a, shape) => {
            (to, Value::Text(program.print_for_prompt(shape, value(a)).into()))
        }
        I::Join(to, first, count) => (to, join(row(objects, first, count.0))?),
        I::MakeRecord(to, first, count) => (to, Value::Record(row(objects, first, count.0).into())),
        I::MakeList(to, first, count) => (to, Value::List(row(objects, first, count.0).into())),
        I::MakeVariant(to, case) => match value(to) {
            Value::Record(fields) => (to, Value::Variant(u32::from(case.0), fields.clone())),
            _ => return Err(CONFUSED),
        },
        I::Field(to, from, at) => match value(from) {
            Value::Record(fields) => (to, fields.get(usize::from(at.0)).ok_or(CONFUSED)?.clone()),
            _ => return Err(CONFUSED),
        },
        I::Payload(to, from, at) => match value(from) {
            Value::Variant(_, fields) => (to, fields.get(usize::from(at.0)).ok_or(CONFUSED)?.clone()),
            _ => return Err(CONFUSED),
        },
        I::Property(property, to, from) => (to, text_property(property, value(from))?),
        I::First(to, from) => match value(from) {
            Value::List(items) => (to, items.first().cloned().unwrap_or(Value::None)),
            _ => return Err(CONFUSED),
        },
        I::Index(to, from, key) => match (value(from), value(key)) {
            (Value::Map(entries), Value::Text(key)) => {
                (to, entries.iter().find(|(k, _)| k == key).map_or(Value::None, |(_, v)| v.clone()))
            }
            _ => return Err(CONFUSED),
        },
        I::Append(list, item) => match value(list) {
            Value::List(items) => (list, Value::List(items.iter().chain([value(item)]).cloned().collect())),
            _ => return Err(CONFUSED),
        },
        I::PutEntry(map, key, item) => (map, put(value(map), value(key), value(item))?),
        other => return to_scalar(scalars, objects, other),
    };
    objects[usize::from(to.0)] = result;
    Ok(())
}

/// Instructions that look at values and give a scalar, or only check.
fn to_scalar(scalars: &mut [i64], objects: &[Value], instruction: I) -> Result<(), Trap> {
    let value = |register: Object| &objects[usize::from(register.0)];
    let (to, result): (Scalar, i64) = match instruction {
        I::Unwrap(kind, to, from) => {
            (to, unwrap(kind, value(from)).ok_or(Trap::Invalid("a value is missing"))?)
        }
        I::CompareValue(operator, to, a, b) => (to, i64::from(compare(operator, value(a), value(b))?)),
        I::Tag(to, from) => match value(from) {
            Value::Variant(case, _) => (to, i64::from(*case)),
            _ => return Err(CONFUSED),
        },
        I::KindOf(to, from) => match value(from) {
            Value::Failure(failure) => (to, failure.kind as i64),
            _ => return Err(CONFUSED),
        },
        I::Length(to, from) => (to, length(value(from))? as i64),
        I::Contains(to, a, b) => (to, i64::from(contains(value(a), value(b))?)),
        I::Require(a) if *value(a) == Value::None => return Err(Trap::Invalid("a value is missing")),
        I::Require(_) => return Ok(()),
        I::CheckLength(a, max) if length(value(a))? > max.0 as usize => {
            return Err(Trap::Invalid("a list or map is full"));
        }
        I::CheckLength(..) => return Ok(()),
        _ => return Err(Trap::Corrupt("an instruction that nobody executes")),
    };
    scalars[usize::from(to.0)] = result;
    Ok(())
}

/// The scalar that a value of the scalar file is.
pub(super) fn scalar_of(value: &Value) -> Option<i64> {
    Some(match value {
        Value::YesNo(yes) => i64::from(*yes),
        Value::Int(value) | Value::Duration(value) | Value::Moment(value) => *value,
        Value::Date(days) => i64::from(*days),
        Value::Time(minutes) => i64::from(*minutes),
        Value::Variant(case, payload) if payload.is_empty() => i64::from(*case),
        _ => return None,
    })
}

fn row(objects: &[Value], first: Object, count: u16) -> &[Value] {
    let first = usize::from(first.0);
    objects.get(first..first + usize::from(count)).unwrap_or(&[])
}

pub(super) fn text(value: &Value) -> Result<&Arc<str>, Trap> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(CONFUSED),
    }
}

fn join(parts: &[Value]) -> Result<Value, Trap> {
    let mut out = String::new();
    for part in parts {
        let part = text(part)?;
        let room = TEXT_BYTES_MAX - out.len();
        if part.len() > room {
            let mut room = room;
            while !part.is_char_boundary(room) {
                room -= 1;
            }
            out.push_str(&part[..room]);
            out.push_str(CUT_MARK);
            break;
        }
        out.push_str(part);
    }
    Ok(Value::Text(out.into()))
}

/// The value that a scalar of this kind stands for; `None` when it is out of the kind's range.
pub(super) fn wrap(kind: ScalarKind, scalar: i64) -> Option<Value> {
    Some(match kind {
        ScalarKind::Int => Value::Int(scalar),
        ScalarKind::YesNo => Value::YesNo(scalar != 0),
        ScalarKind::Duration => Value::Duration(scalar),
        ScalarKind::Moment => Value::Moment(scalar),
        ScalarKind::Date => Value::Date(i32::try_from(scalar).ok()?),
        ScalarKind::Time => Value::Time(u32::try_from(scalar).ok()?),
        ScalarKind::Case => Value::Variant(u32::try_from(scalar).ok()?, Arc::from([])),
    })
}

/// The scalar that a value of this kind stands for; `None` for any other value.
pub(super) fn unwrap(kind: ScalarKind, value: &Value) -> Option<i64> {
    match (kind, value) {
        (ScalarKind::Int, Value::Int(value))
        | (ScalarKind::Duration, Value::Duration(value))
        | (ScalarKind::Moment, Value::Moment(value)) => Some(*value),
        (ScalarKind::YesNo, Value::YesNo(yes)) => Some(i64::from(*yes)),
        (ScalarKind::Date, Value::Date(days)) => Some(i64::from(*days)),
        (ScalarKind::Time, Value::Time(minutes)) => Some(i64::from(*minutes)),
        (ScalarKind::Case, Value::Variant(case, payload)) if payload.is_empty() => Some(i64::from(*case)),
        _ => None,
    }
}

/// How scalars of a shape are wrapped.
pub(super) fn kind_of(shape: &Shape) -> ScalarKind {
    match shape {
        Shape::YesNo => ScalarKind::YesNo,
        Shape::Duration => ScalarKind::Duration,
        Shape::Moment => ScalarKind::Moment,
        Shape::Date => ScalarKind::Date,
        Shape::Time => ScalarKind::Time,
        Shape::Union(_) | Shape::FailureKind => ScalarKind::Case,
        _ => ScalarKind::Int,
    }
}

fn calculate(operator: A, a: &Value, b: &Value) -> Result<Value, Trap> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            if *b == 0.0 && matches!(operator, A::Divide | A::Remainder) {
                return Err(ZERO);
            }
            let result = match operator {
                A::Add => a + b,
                A::Subtract => a - b,
                A::Multiply => a * b,
                A::Divide => a / b,
                A::Remainder => a % b,
            };
            if result.is_finite() { Ok(Value::Number(result)) } else { Err(OVERFLOW) }
        }
        (Value::Money(a, currency), Value::Money(b, other)) => {
            if currency != other {
                return Err(MIXED);
            }
            let result = match operator {
                A::Add => a.checked_add(*b),
                A::Subtract => a.checked_sub(*b),
                _ => return Err(CONFUSED),
            };
            Ok(Value::Money(result.ok_or(OVERFLOW)?, *currency))
        }
        // A quotient of money is cut to the minor unit, towards zero.
        (Value::Money(a, currency), Value::Int(b)) => {
            let result = match operator {
                A::Multiply => a.checked_mul(*b),
                A::Divide if *b == 0 => return Err(ZERO),
                A::Divide => a.checked_div(*b),
                _ => return Err(CONFUSED),
            };
            Ok(Value::Money(result.ok_or(OVERFLOW)?, *currency))
        }
        _ => Err(CONFUSED),
    }
}

fn negate(value: &Value) -> Result<Value, Trap> {
    match value {
        Value::Number(value) => Ok(Value::Number(-value)),
        Value::Money(minor, currency) => Ok(Value::Money(minor.checked_neg().ok_or(OVERFLOW)?, *currency)),
        _ => Err(CONFUSED),
    }
}

fn compare(operator: C, a: &Value, b: &Value) -> Result<bool, Trap> {
    match operator {
        C::Equal => return Ok(a == b),
        C::NotEqual => return Ok(a != b),
        _ => {}
    }
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b).ok_or(CONFUSED)?,
        (Value::Money(a, currency), Value::Money(b, other)) => {
            if currency != other {
                return Err(MIXED);
            }
            a.cmp(b)
        }
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => return Err(CONFUSED),
    };
    Ok(match operator {
        C::Less => order == Ordering::Less,
        C::LessOrEqual => order != Ordering::Greater,
        C::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn length(value: &Value) -> Result<usize, Trap> {
    match value {
        Value::List(items) => Ok(items.len()),
        Value::Map(entries) => Ok(entries.len()),
        Value::Text(text) => Ok(text.chars().count()),
        _ => Err(CONFUSED),
    }
}

fn contains(whole: &Value, part: &Value) -> Result<bool, Trap> {
    match (whole, part) {
        (Value::List(items), part) => Ok(items.contains(part)),
        (Value::Map(entries), Value::Text(key)) => Ok(entries.iter().any(|(k, _)| k == key)),
        (Value::Text(whole), Value::Text(part)) => Ok(whole.contains(part.as_ref())),
        _ => Err(CONFUSED),
    }
}

fn put(map: &Value, key: &Value, item: &Value) -> Result<Value, Trap> {
    let (Value::Map(entries), Value::Text(key)) = (map, key) else { return Err(CONFUSED) };
    let mut entries = entries.to_vec();
    match entries.iter_mut().find(|(k, _)| k == key) {
        Some((_, place)) => *place = item.clone(),
        None => entries.push((key.clone(), item.clone())),
    }
    Ok(Value::Map(entries.into()))
}

fn text_property(property: TextProperty, value: &Value) -> Result<Value, Trap> {
    Ok(match (property, value) {
        (TextProperty::MessageText, Value::Message(message)) => Value::Text(message.text.clone()),
        (TextProperty::MessageSender, Value::Message(message)) => Value::Text(message.sender.clone()),
        (TextProperty::FailureDetail, Value::Failure(failure)) => Value::Text(failure.detail.clone()),
        (TextProperty::FailureUntil, Value::Failure(failure)) => {
            failure.until_ms.map_or(Value::None, Value::Moment)
        }
        _ => return Err(CONFUSED),
    })
}
