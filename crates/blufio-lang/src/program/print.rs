// SPDX-License-Identifier: MIT OR Apache-2.0
//! How values print: for people, in the agent's language and zone (rulings 5 and 18), and for prompts, where compound
//! values are JSON. An agent without a zone prints moments in UTC.

use super::Program;
use crate::program::civil::{
    print_amount, print_date, print_duration, print_moment, print_moment_in, print_time,
};
use crate::program::shape::{Field, Shape, ShapeId};
use crate::value::{FailureKind, Value};

/// What an empty optional prints as.
pub const NOTHING: &str = "(none)";

/// The few words that values print with.
struct Words {
    language: &'static str,
    yes: &'static str,
    no: &'static str,
    nothing: &'static str,
}

const fn words(language: &'static str, yes: &'static str, no: &'static str, nothing: &'static str) -> Words {
    Words { language, yes, no, nothing }
}

/// Languages that have their own words; the first stands for all others.
const WORDS: [Words; 8] = [
    words("en", "yes", "no", NOTHING),
    words("de", "ja", "nein", "(nichts)"),
    words("fr", "oui", "non", "(rien)"),
    words("es", "sí", "no", "(nada)"),
    words("it", "sì", "no", "(niente)"),
    words("nl", "ja", "nee", "(niets)"),
    words("pt", "sim", "não", "(nada)"),
    words("pl", "tak", "nie", "(nic)"),
];

impl Program {
    /// The value as people read it.
    pub fn print(&self, shape: ShapeId, value: &Value) -> String {
        let mut out = String::new();
        self.print_into(shape, value, &mut out);
        out
    }

    /// The value as a prompt holds it.
    pub fn print_for_prompt(&self, shape: ShapeId, value: &Value) -> String {
        match value {
            Value::List(_) | Value::Map(_) | Value::Record(_) | Value::ToolCalls(_) => {
                self.json_of_shape(shape, value).to_string()
            }
            Value::Variant(_, payload) if !payload.is_empty() => self.json_of_shape(shape, value).to_string(),
            _ => self.print(shape, value),
        }
    }

    fn print_into(&self, shape: ShapeId, value: &Value, out: &mut String) {
        match value {
            Value::None => out.push_str(self.words().nothing),
            Value::YesNo(yes) => out.push_str(if *yes { self.words().yes } else { self.words().no }),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Number(value) => out.push_str(&value.to_string()),
            Value::Text(text) | Value::Json(text) => out.push_str(text),
            Value::Money(minor, currency) => {
                out.push_str(&print_amount(*minor, *currency));
                out.push(' ');
                out.push_str(&currency.code().to_ascii_uppercase());
            }
            Value::Duration(ms) => out.push_str(&print_duration(*ms)),
            Value::Moment(ms) => out.push_str(&self.print_moment(*ms)),
            Value::Date(days) => out.push_str(&print_date(*days)),
            Value::Time(minutes) => out.push_str(&print_time(*minutes)),
            Value::Message(message) => out.push_str(&message.text),
            Value::List(items) => {
                let of = self.inner(shape);
                separated(out, "\n", items.iter(), |out, item| self.print_into(of, item, out));
            }
            Value::Map(entries) => {
                let of = self.inner(shape);
                separated(out, "\n", entries.iter(), |out, (key, value)| {
                    out.push_str(key);
                    out.push_str(": ");
                    self.print_into(of, value, out);
                });
            }
            Value::Record(values) => self.print_fields(self.fields(shape, None), values, out),
            Value::Variant(case, payload) => {
                out.push_str(self.case_name(shape, *case));
                if !payload.is_empty() {
                    out.push_str(" (");
                    self.print_fields(self.fields(shape, Some(*case)), payload, out);
                    out.push(')');
                }
            }
            Value::Failure(failure) => {
                out.push_str(failure.kind.word());
                if !failure.detail.is_empty() {
                    out.push_str(": ");
                    out.push_str(&failure.detail);
                }
            }
            Value::ToolCalls(calls) => {
                separated(out, ", ", calls.iter(), |out, call| out.push_str(&call.tool))
            }
        }
    }

    /// A moment in the agent's zone, else UTC.
    fn print_moment(&self, moment_ms: i64) -> String {
        let zoned = self.zone.as_deref().and_then(|zone| print_moment_in(moment_ms, zone));
        zoned.unwrap_or_else(|| print_moment(moment_ms))
    }

    fn words(&self) -> &'static Words {
        let language = self.language.as_deref().and_then(|tag| tag.split(['-', '_']).next()).unwrap_or("en");
        WORDS.iter().find(|words| words.language.eq_ignore_ascii_case(language)).unwrap_or(&WORDS[0])
    }

    fn print_fields(&self, fields: &[Field], values: &[Value], out: &mut String) {
        separated(out, ", ", fields.iter().zip(values), |out, (field, value)| {
            out.push_str(&field.name);
            out.push_str(": ");
            self.print_into(field.shape, value, out);
        });
    }

    /// Shape of the items; of an optional, of what it holds.
    fn inner(&self, shape: ShapeId) -> ShapeId {
        match self.shape(shape) {
            Some(Shape::List(of, _) | Shape::Map(of, _)) => *of,
            Some(Shape::Optional(of)) if !matches!(self.shape(*of), Some(Shape::Optional(_))) => {
                self.inner(*of)
            }
            _ => shape,
        }
    }

    fn fields(&self, shape: ShapeId, case: Option<u32>) -> &[Field] {
        match (self.shape(shape), case) {
            (Some(Shape::Optional(of)), _) if !matches!(self.shape(*of), Some(Shape::Optional(_))) => {
                self.fields(*of, case)
            }
            (Some(Shape::Record(record)), None) => &record.members,
            (Some(Shape::Union(union)), Some(case)) => {
                union.members.get(case as usize).map_or(&[], |case| case.fields.as_slice())
            }
            _ => &[],
        }
    }

    fn case_name(&self, shape: ShapeId, case: u32) -> &str {
        match self.shape(shape) {
            Some(Shape::Optional(of)) if !matches!(self.shape(*of), Some(Shape::Optional(_))) => {
                self.case_name(*of, case)
            }
            Some(Shape::Union(union)) => {
                union.members.get(case as usize).map_or("?", |case| case.name.as_str())
            }
            Some(Shape::FailureKind) => FailureKind::ALL.get(case as usize).map_or("?", |kind| kind.word()),
            _ => "?",
        }
    }
}

fn separated<T>(
    out: &mut String,
    between: &str,
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        each(out, item);
    }
}
