// SPDX-License-Identifier: MIT OR Apache-2.0
//! Effects, people and values in the words of programs, so that what a simulation did can be read, and pasted.

mod step;

use crate::effect::{Effect, Fault, ModelPurpose};
use crate::program::Program;
use crate::program::civil;
use crate::program::shape::{Field, Shape, ShapeId};
use crate::typed::Who;
use crate::value::{FailureKind, Value};

pub use step::describe_step;

/// A person as programs write them.
pub(super) fn who(who: &Who) -> String {
    match who {
        Who::Owner => "owner".into(),
        Who::Sender => "sender".into(),
        Who::Person(name) => name.clone(),
        Who::Quorum(count, group) => format!("{count} of {group}"),
    }
}

/// A pending effect: `pick Wish`, `call orders.find`, `approve by owner`.
pub(super) fn effect(program: &Program, effect: &Effect) -> String {
    match effect {
        Effect::Model(model) => match &model.purpose {
            ModelPurpose::Pick { schema } => match name_of_schema(program, *schema) {
                Some(name) => format!("pick {name}"),
                None => "pick".into(),
            },
            ModelPurpose::Fill { .. } => "fill".into(),
            ModelPurpose::Write => "write".into(),
            ModelPurpose::Turn { .. } => "turn".into(),
        },
        Effect::Run { .. } => "run".into(),
        Effect::Call { grant, .. } => format!("call {}", tool(program, *grant)),
        Effect::AskAgent { grant, .. } => {
            format!("ask {}", program.asks.get(*grant as usize).map_or("an agent", |ask| ask.agent.as_str()))
        }
        Effect::AskPerson { whom, .. } => format!("ask {}", who(whom)),
        Effect::Approve { by, .. } => format!("approve by {}", who(by)),
        Effect::Recall { .. } => "recall".into(),
    }
}

/// Name of a granted tool.
pub(super) fn tool(program: &Program, grant: u32) -> &str {
    program.tools.get(grant as usize).map_or("a tool", |tool| tool.tool.as_str())
}

fn name_of_schema(program: &Program, schema: u32) -> Option<&str> {
    let schema = program.schemas.get(schema as usize)?;
    match program.shape(schema.shape)? {
        Shape::Record(record) => Some(record.name.as_str()),
        Shape::Union(union) => Some(union.name.as_str()),
        _ => None,
    }
}

/// Why a session is parked.
pub(super) fn fault(fault: &Fault) -> String {
    let failure = |failure: &crate::value::Failure| {
        if failure.detail.is_empty() {
            failure.kind.word().to_string()
        } else {
            format!("{} ({})", failure.kind.word(), failure.detail)
        }
    };
    match fault {
        Fault::FailedTwice(why) => {
            format!("a step failed again while a failure was handled: {}", failure(why))
        }
        Fault::Unhandled(why) => format!("nobody handles a failure: {}", failure(why)),
        Fault::RuleBroken(rule) => format!("a step would have broken the rule `{rule}`"),
        Fault::UnhandledUncertain => "nobody handles an uncertain outcome".into(),
        Fault::OutOfFuel => "one step did too much work".into(),
        Fault::TooManyTransitions => "states lead to each other without ever waiting".into(),
        Fault::Corrupt(what) => format!("the program is damaged: {what}"),
    }
}

/// A text in quotes, as programs write it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '{' => out.push_str("\\{"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A duration as one literal.
pub(super) fn duration(ms: i64) -> String {
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms >= length && ms % length == 0 {
            return format!("{}{unit}", ms / length);
        }
    }
    format!("{}s", (ms.max(0) + 999) / 1_000)
}

/// A value as programs write it, at a time (milliseconds since 1970).
pub(super) fn value(program: &Program, shape: ShapeId, value: &Value, now_ms: i64) -> String {
    let all = |fields: &[Field], values: &[Value]| {
        let one = |(field, given): (&Field, &Value)| {
            (*given != Value::None)
                .then(|| format!("{}: {}", field.name, self::value(program, field.shape, given, now_ms)))
        };
        fields.iter().zip(values).filter_map(one).collect::<Vec<_>>().join(", ")
    };
    match (program.shape(shape), value) {
        (_, Value::None) => "none".into(),
        (Some(Shape::Optional(of)), given) => self::value(program, *of, given, now_ms),
        (_, Value::Text(text) | Value::Json(text)) => quoted(text),
        (_, Value::Message(message)) => quoted(&message.text),
        (_, Value::Money(minor, currency)) => {
            format!("{} {}", civil::print_amount(*minor, *currency), currency.code())
        }
        (_, Value::Duration(ms)) => duration(*ms),
        (_, Value::Moment(ms)) => format!("now + {}", duration(ms.saturating_sub(now_ms))),
        (Some(Shape::List(of, _)), Value::List(items)) => {
            let items: Vec<String> =
                items.iter().map(|item| self::value(program, *of, item, now_ms)).collect();
            format!("[{}]", items.join(", "))
        }
        (Some(Shape::Record(record)), Value::Record(values)) => {
            format!("{}({})", record.name, all(&record.members, values))
        }
        (Some(Shape::Union(union)), Value::Variant(case, payload)) => match union.members.get(*case as usize)
        {
            Some(case) if case.fields.is_empty() => case.name.clone(),
            Some(case) => format!("{}({})", case.name, all(&case.fields, payload)),
            None => "?".into(),
        },
        (_, Value::Variant(kind, _)) => {
            FailureKind::ALL.get(*kind as usize).map_or("?", |kind| kind.word()).to_string()
        }
        (_, other) => program.print(shape, other),
    }
}

/// What stands between the brackets of `gives (…)`.
pub(super) fn result(program: &Program, shape: ShapeId, given: &Value, now_ms: i64) -> String {
    let text = value(program, shape, given, now_ms);
    match (program.shape(shape), given) {
        (Some(Shape::Record(record)), Value::Record(_)) => {
            let inner = text.strip_prefix(record.name.as_str()).and_then(|rest| rest.strip_prefix('('));
            inner.and_then(|rest| rest.strip_suffix(')')).unwrap_or(&text).to_string()
        }
        _ => format!("value: {text}"),
    }
}
