// SPDX-License-Identifier: MIT OR Apache-2.0
//! How values print: for people (rulings 5 and 18), and for prompts, where compound values are JSON. Moments print as
//! UTC until the runtime knows a person's zone.

use serde_json::{Map, Value as Json, json};

use super::Program;
use crate::program::civil::{print_amount, print_date, print_duration, print_moment, print_time};
use crate::program::shape::{Field, Shape, ShapeId};
use crate::value::{FailureKind, Value};

/// What an empty optional prints as.
pub const NOTHING: &str = "(none)";

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
                self.to_json(shape, value).to_string()
            }
            Value::Variant(_, payload) if !payload.is_empty() => self.to_json(shape, value).to_string(),
            _ => self.print(shape, value),
        }
    }

    fn print_into(&self, shape: ShapeId, value: &Value, out: &mut String) {
        match value {
            Value::None => out.push_str(NOTHING),
            Value::YesNo(yes) => out.push_str(if *yes { "yes" } else { "no" }),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Number(value) => out.push_str(&value.to_string()),
            Value::Text(text) | Value::Json(text) => out.push_str(text),
            Value::Money(minor, currency) => {
                out.push_str(&print_amount(*minor, *currency));
                out.push(' ');
                out.push_str(&currency.code().to_ascii_uppercase());
            }
            Value::Duration(ms) => out.push_str(&print_duration(*ms)),
            Value::Moment(ms) => out.push_str(&print_moment(*ms)),
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

    fn print_fields(&self, fields: &[Field], values: &[Value], out: &mut String) {
        separated(out, ", ", fields.iter().zip(values), |out, (field, value)| {
            out.push_str(&field.name);
            out.push_str(": ");
            self.print_into(field.shape, value, out);
        });
    }

    /// The value as JSON, in the forms that [`Program::value_from_json`] reads.
    pub fn to_json(&self, shape: ShapeId, value: &Value) -> Json {
        match value {
            Value::None => Json::Null,
            Value::YesNo(yes) => json!(yes),
            Value::Int(value) => json!(value),
            Value::Number(value) => json!(value),
            Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text.as_ref())),
            Value::Money(minor, currency) => {
                json!({ "amount": print_amount(*minor, *currency), "currency": currency.code() })
            }
            Value::List(items) => {
                let of = self.inner(shape);
                items.iter().map(|item| self.to_json(of, item)).collect()
            }
            Value::Map(entries) => {
                let of = self.inner(shape);
                entries
                    .iter()
                    .map(|(key, value)| (key.to_string(), self.to_json(of, value)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            Value::Record(values) => self.fields_to_json(self.fields(shape, None), values).into(),
            Value::Variant(case, payload) => {
                let name = self.case_name(shape, *case);
                if payload.is_empty() {
                    return json!(name);
                }
                let fields = self.fields_to_json(self.fields(shape, Some(*case)), payload);
                json!({ "choice": name, crate::schema::payload_key(name): fields })
            }
            Value::ToolCalls(calls) => calls.iter().map(|call| json!(call.tool.as_ref())).collect(),
            other => json!(self.print(shape, other)),
        }
    }

    fn fields_to_json(&self, fields: &[Field], values: &[Value]) -> Map<String, Json> {
        fields
            .iter()
            .zip(values)
            .map(|(field, value)| (field.name.clone(), self.to_json(field.shape, value)))
            .collect()
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
