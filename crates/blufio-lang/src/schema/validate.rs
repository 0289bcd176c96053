// SPDX-License-Identifier: MIT OR Apache-2.0
//! A model's JSON becomes a value, or a list of violations worded so that the model can correct itself.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{is_object, payload_key};
use crate::program::Program;
use crate::program::civil::{parse_amount, parse_date, parse_duration, parse_moment, parse_time};
use crate::program::shape::{Case, Field, Named, Shape, ShapeId};
use crate::value::{Currency, FailureKind, Value};

/// Most violations that one answer reports.
const VIOLATIONS_MAX: usize = 20;

/// One thing that is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Violation {
    /// Where, as `refund.amount`; `answer` or `body` for the whole.
    pub path: String,
    /// What is expected.
    pub message: String,
}

impl Program {
    /// The value that a model's answer stands for, validated against the schema table's entry, with its bounds.
    pub fn value_from_json(&self, schema: u32, json: &Json) -> Result<Value, Vec<Violation>> {
        let Some(schema) = self.schemas.get(schema as usize) else {
            return Err(vec![Violation { path: "answer".into(), message: "there is no such schema".into() }]);
        };
        let mut reader = Reader::new(self, "answer", false);
        let shape = self.shape(schema.shape);
        let value = match shape {
            Some(Shape::Union(union)) => reader.union(union, json),
            shape if is_object(shape) => reader.value(schema.shape, json),
            _ => reader.wrapped(schema.shape, json),
        };
        match value {
            Some(value) if reader.violations.is_empty() => Ok(value),
            _ => Err(reader.violations),
        }
    }
}

impl Program {
    /// The value of a shape that JSON stands for, in the form that [`Program::json_of_shape`] writes: what a tool gave.
    pub fn value_of_shape(&self, shape: ShapeId, json: &Json) -> Result<Value, Vec<Violation>> {
        Reader::new(self, "answer", false).whole_value(shape, json)
    }

    /// The value of a shape that somebody's document stands for, whose author does not know the shape: what the shape
    /// does not name is left out, a map may be an object, and a `json` is whatever stands there.
    pub fn value_of_document(&self, shape: ShapeId, json: &Json) -> Result<Value, Vec<Violation>> {
        Reader::new(self, "body", true).whole_value(shape, json)
    }
}

struct Reader<'a> {
    program: &'a Program,
    /// What the whole is called.
    whole: &'static str,
    /// Whether the author knows nothing of the shape.
    foreign: bool,
    path: Vec<String>,
    violations: Vec<Violation>,
}

impl<'a> Reader<'a> {
    fn new(program: &'a Program, whole: &'static str, foreign: bool) -> Self {
        Self { program, whole, foreign, path: Vec::new(), violations: Vec::new() }
    }

    fn whole_value(mut self, shape: ShapeId, json: &Json) -> Result<Value, Vec<Violation>> {
        match self.value(shape, json) {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(self.violations),
        }
    }

    /// Notes a violation here; gives `None` so that callers can return it.
    fn wrong<T>(&mut self, message: impl Into<String>) -> Option<T> {
        if self.violations.len() < VIOLATIONS_MAX {
            let path = if self.path.is_empty() { self.whole.to_string() } else { self.path.join(".") };
            self.violations.push(Violation { path, message: message.into() });
        }
        None
    }

    fn under<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.path.push(name.to_string());
        let result = read(self);
        self.path.pop();
        result
    }

    fn object<'j>(&mut self, json: &'j Json, known: &[&str]) -> Option<&'j Map<String, Json>> {
        let Some(object) = json.as_object() else { return self.wrong("must be an object") };
        let foreign = self.foreign;
        for key in object.keys().filter(|key| !foreign && !known.contains(&key.as_str())) {
            let _: Option<()> = self.under(key, |r| r.wrong("is not a property of the answer; leave it out"));
        }
        Some(object)
    }

    fn wrapped(&mut self, shape: ShapeId, json: &Json) -> Option<Value> {
        let object = self.object(json, &["value"])?;
        match object.get("value") {
            Some(value) => self.under("value", |r| r.value(shape, value)),
            None => self.under("value", |r| r.wrong("is missing")),
        }
    }

    fn union(&mut self, union: &Named<Case>, json: &Json) -> Option<Value> {
        let with_payload = |case: &&Case| !case.fields.is_empty();
        let mut known = vec!["choice"];
        known.extend(union.members.iter().filter(with_payload).map(|case| payload_key(&case.name)));
        let object = self.object(json, &known)?;
        let labels: Vec<&str> = union.members.iter().map(|case| case.name.as_str()).collect();
        let chosen = object.get("choice").and_then(Json::as_str);
        let Some(at) = labels.iter().position(|label| Some(*label) == chosen) else {
            return self.under("choice", |r| r.wrong(format!("must be one of {}", labels.join(", "))));
        };
        for other in union.members.iter().filter(with_payload).filter(|case| case.name != labels[at]) {
            if object.get(payload_key(&other.name)).is_some_and(|payload| !payload.is_null()) {
                let _: Option<()> = self.under(payload_key(&other.name), |r| {
                    r.wrong(format!("must be null when choice is {}", labels[at]))
                });
            }
        }
        let case = &union.members[at];
        if case.fields.is_empty() {
            return Some(Value::Variant(at as u32, Arc::from([])));
        }
        let key = payload_key(&case.name);
        let Some(payload) = object.get(key).filter(|payload| !payload.is_null()) else {
            return self.under(key, |r| r.wrong(format!("is required when choice is {}", case.name)));
        };
        self.under(key, |r| r.fields(&case.fields, payload)).map(|payload| Value::Variant(at as u32, payload))
    }

    fn fields(&mut self, fields: &[Field], json: &Json) -> Option<Arc<[Value]>> {
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let object = self.object(json, &known)?;
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            let optional = matches!(self.program.shape(field.shape), Some(Shape::Optional(_)));
            let value = match object.get(&field.name) {
                Some(json) => self.under(&field.name, |r| r.value(field.shape, json)),
                None if optional => Some(Value::None),
                None => self.under(&field.name, |r| r.wrong("is missing")),
            };
            values.extend(value);
        }
        (values.len() == fields.len()).then(|| values.into())
    }

    fn value(&mut self, id: ShapeId, json: &Json) -> Option<Value> {
        let program = self.program;
        let Some(shape) = program.shape(id) else { return self.wrong("has no type") };
        match shape {
            Shape::Text(max) => self.text(*max, json).map(Value::Text),
            Shape::Int(low, high) => self.int(*low, *high, json),
            Shape::Number => match json.as_f64().filter(|number| number.is_finite()) {
                Some(number) => Some(Value::Number(number)),
                None => self.wrong("must be a number"),
            },
            Shape::YesNo => match json.as_bool() {
                Some(yes) => Some(Value::YesNo(yes)),
                None => self.wrong("must be true or false"),
            },
            Shape::Money(currency) => self.money(*currency, json),
            Shape::Duration => {
                self.parsed(json, "a duration such as 1d 4h 30m", |t| parse_duration(t).map(Value::Duration))
            }
            Shape::Moment => {
                let expected = "a moment in RFC 3339 with offset, such as 2026-11-21T08:30:00+01:00";
                self.parsed(json, expected, |t| parse_moment(t).map(Value::Moment))
            }
            Shape::Date => self
                .parsed(json, "a date that exists, such as 2026-11-21", |t| parse_date(t).map(Value::Date)),
            Shape::Time => {
                self.parsed(json, "a time of day such as 08:30", |t| parse_time(t).map(Value::Time))
            }
            Shape::Json if self.foreign => Some(Value::Json(json.to_string().into())),
            Shape::Json => self.parsed(json, "a text that holds one JSON document", |t| {
                serde_json::from_str::<serde::de::IgnoredAny>(t).ok().map(|_| Value::Json(t.into()))
            }),
            Shape::Optional(_) if json.is_null() => Some(Value::None),
            Shape::Optional(of) => self.value(*of, json),
            Shape::List(of, max) => self.list(*of, *max, json),
            Shape::Map(of, max) => self.map(*of, *max, json),
            Shape::Record(record) => self.fields(&record.members, json).map(Value::Record),
            Shape::Union(union) if shape.is_scalar() => {
                self.label(json, union.members.iter().map(|case| case.name.as_str()).collect())
            }
            Shape::Union(union) => self.union(union, json),
            Shape::FailureKind => self.label(json, FailureKind::ALL.iter().map(|kind| kind.word()).collect()),
            Shape::Message | Shape::Failure | Shape::ToolCalls => self.wrong("cannot be given by a model"),
        }
    }

    fn parsed(
        &mut self,
        json: &Json,
        expected: &str,
        parse: impl Fn(&str) -> Option<Value>,
    ) -> Option<Value> {
        match json.as_str().and_then(parse) {
            Some(value) => Some(value),
            None => self.wrong(format!("must be {expected}")),
        }
    }

    fn label(&mut self, json: &Json, labels: Vec<&str>) -> Option<Value> {
        match labels.iter().position(|label| Some(*label) == json.as_str()) {
            Some(at) => Some(Value::Variant(at as u32, Arc::from([]))),
            None => self.wrong(format!("must be one of {}", labels.join(", "))),
        }
    }

    fn text(&mut self, max: Option<u32>, json: &Json) -> Option<Arc<str>> {
        let Some(text) = json.as_str() else { return self.wrong("must be a text") };
        let length = text.chars().count();
        match max {
            Some(max) if length > max as usize => {
                self.wrong(format!("must have at most {max} characters, has {length}"))
            }
            _ => Some(text.into()),
        }
    }

    fn int(&mut self, low: i64, high: i64, json: &Json) -> Option<Value> {
        // `3.0` is an integer too, as JSON Schema says.
        let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64);
        match json.as_i64().or_else(|| json.as_f64().and_then(whole)) {
            Some(value) if (low..=high).contains(&value) => Some(Value::Int(value)),
            Some(_) => self.wrong(format!("must be from {low} to {high}")),
            None => self.wrong("must be an integer"),
        }
    }

    fn money(&mut self, wanted: Option<Currency>, json: &Json) -> Option<Value> {
        let object = self.object(json, &["amount", "currency"])?;
        let code = object.get("currency").and_then(Json::as_str);
        let currency = match (code.and_then(Currency::named), wanted) {
            (Some(found), None) => found,
            (Some(found), Some(wanted)) if found == wanted => found,
            (_, Some(wanted)) => {
                return self.under("currency", |r| r.wrong(format!("must be {}", wanted.code())));
            }
            (None, None) => {
                return self.under("currency", |r| r.wrong("must be a known currency code such as eur"));
            }
        };
        match object.get("amount").and_then(Json::as_str).and_then(|amount| parse_amount(amount, currency)) {
            Some(minor) => Some(Value::Money(minor, currency)),
            None => {
                self.under("amount", |r| r.wrong("must be a text with a decimal number such as \"20.00\""))
            }
        }
    }

    fn list(&mut self, of: ShapeId, max: u32, json: &Json) -> Option<Value> {
        let Some(items) = json.as_array() else { return self.wrong("must be a list") };
        if items.len() > max as usize {
            return self.wrong(format!("must have at most {max} items, has {}", items.len()));
        }
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            values.extend(self.under(&index.to_string(), |r| r.value(of, item)));
        }
        (values.len() == items.len()).then(|| Value::List(values.into()))
    }

    fn map(&mut self, of: ShapeId, max: u32, json: &Json) -> Option<Value> {
        if let (true, Some(object)) = (self.foreign, json.as_object()) {
            let entry = |(key, value): (&String, &Json)| serde_json::json!({ "key": key, "value": value });
            let entries: Json = object.iter().map(entry).collect();
            return self.map(of, max, &entries);
        }
        let Some(items) = json.as_array() else { return self.wrong("must be a list of entries") };
        if items.len() > max as usize {
            return self.wrong(format!("must have at most {max} entries, has {}", items.len()));
        }
        let mut entries: Vec<(Arc<str>, Value)> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let entry = self.under(&index.to_string(), |r| {
                let object = r.object(item, &["key", "value"])?;
                let Some(key) = object.get("key").and_then(Json::as_str) else {
                    return r.under("key", |r| r.wrong("must be a text"));
                };
                let Some(value) = object.get("value") else {
                    return r.under("value", |r| r.wrong("is missing"));
                };
                r.under("value", |r| r.value(of, value)).map(|value| (Arc::from(key), value))
            });
            if let Some((key, _)) = &entry
                && entries.iter().any(|(other, _)| other == key)
            {
                return self.wrong(format!("has the key {key} twice"));
            }
            entries.extend(entry);
        }
        (entries.len() == items.len()).then(|| Value::Map(entries.into()))
    }
}
