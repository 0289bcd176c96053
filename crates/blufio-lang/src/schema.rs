// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a `pick` asks a model for, as JSON Schema, and the way back: the model's JSON becomes a value of the type or a
//! list of violations that can be put before the model.
//!
//! The forms are those that structured outputs of model providers accept: the root is an object, every object names
//! all its properties as required and allows no others, there is no recursion and no bound (bounds stand in the
//! description and are validated here).
//!
//! | type | JSON |
//! |---|---|
//! | union | `{"choice": "refund", "refund": {"order": "7", …}}`: one property per case with payload, `null` for the others |
//! | union without payload inside another value | the label |
//! | record | an object |
//! | money | `{"amount": "20.00", "currency": "eur"}` |
//! | moment, date, time | RFC 3339 with offset, `2026-11-21`, `08:30` |
//! | duration | `1d 4h 30m` |
//! | `T?` | the value or `null` |
//! | map | a list of `{"key": …, "value": …}` |
//! | anything else at the root | `{"value": …}` |

#[cfg(test)]
mod tests;
mod validate;
mod write;

pub use validate::Violation;

use serde_json::{Map, Value as Json, json};

use crate::program::Program;
use crate::program::shape::Case;
use crate::program::shape::{Field, Named, Shape, ShapeId};
use crate::value::CURRENCIES;

/// JSON Schemas of all entries of the program's schema table.
pub(crate) fn generate(program: &Program) -> Vec<String> {
    program.schemas.iter().map(|schema| root(&program.shapes, schema.shape).to_string()).collect()
}

impl Program {
    /// JSON Schema of an entry of the schema table; empty for an index that does not exist.
    pub fn schema_json(&self, index: u32) -> &str {
        self.derived.schemas.get(index as usize).map_or("", String::as_str)
    }

    /// JSON Schema of the arguments of a granted tool, serialised; empty for an index that does not exist.
    pub fn tool_schema(&self, index: u32) -> String {
        let Some(tool) = self.tools.get(index as usize) else { return String::new() };
        let parameter = |parameter: &crate::program::Parameter| {
            (parameter.name.clone(), describe(&self.shapes, parameter.shape))
        };
        object(tool.parameters.iter().map(parameter).collect(), "").to_string()
    }
}

/// The property that holds the payload of a case. `choice` itself is taken.
pub(crate) fn payload_key(case: &str) -> &str {
    if case == "choice" { "choice_payload" } else { case }
}

/// Whether the root of the answer is the value itself, rather than `{"value": …}`.
fn is_object(shape: Option<&Shape>) -> bool {
    matches!(shape, Some(Shape::Record(_) | Shape::Union(_)))
}

fn root(shapes: &[Shape], id: ShapeId) -> Json {
    match shapes.get(usize::from(id.0)) {
        Some(Shape::Union(union)) => union_object(shapes, union),
        shape if is_object(shape) => describe(shapes, id),
        _ => {
            let mut properties = Map::new();
            properties.insert("value".into(), describe(shapes, id));
            object(properties, "")
        }
    }
}

fn object(properties: Map<String, Json>, doc: &str) -> Json {
    let required: Vec<Json> = properties.keys().map(|key| json!(key)).collect();
    let object = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    with_doc(object, doc)
}

fn with_doc(mut schema: Json, doc: &str) -> Json {
    if let (false, Some(schema)) = (doc.is_empty(), schema.as_object_mut()) {
        let text = match schema.get("description").and_then(Json::as_str) {
            Some(format) => format!("{doc} ({format})"),
            None => doc.to_string(),
        };
        schema.insert("description".into(), text.into());
    }
    schema
}

fn fields_object(shapes: &[Shape], fields: &[Field], doc: &str) -> Json {
    let describe_field =
        |field: &Field| (field.name.clone(), with_doc(describe(shapes, field.shape), &field.doc));
    object(fields.iter().map(describe_field).collect(), doc)
}

fn labels(union: &Named<Case>) -> Json {
    let labels: Vec<&str> = union.members.iter().map(|case| case.name.as_str()).collect();
    let documented: Vec<String> = union
        .members
        .iter()
        .filter(|case| !case.doc.is_empty())
        .map(|case| format!("{}: {}", case.name, case.doc))
        .collect();
    with_doc(json!({ "type": "string", "enum": labels }), &documented.join("; "))
}

fn union_object(shapes: &[Shape], union: &Named<Case>) -> Json {
    let mut properties = Map::new();
    properties.insert("choice".into(), labels(union));
    for case in union.members.iter().filter(|case| !case.fields.is_empty()) {
        let doc = format!("only when choice is {}, else null", case.name);
        let payload = json!({ "anyOf": [fields_object(shapes, &case.fields, ""), { "type": "null" }], "description": doc });
        properties.insert(payload_key(&case.name).to_string(), payload);
    }
    object(properties, &union.doc)
}

fn text(description: &str) -> Json {
    json!({ "type": "string", "description": description })
}

fn describe(shapes: &[Shape], id: ShapeId) -> Json {
    let Some(shape) = shapes.get(usize::from(id.0)) else { return json!({ "type": "null" }) };
    match shape {
        Shape::Text(None) => json!({ "type": "string" }),
        Shape::Text(Some(max)) => text(&format!("at most {max} characters")),
        Shape::Int(i64::MIN, i64::MAX) => json!({ "type": "integer" }),
        Shape::Int(low, high) => json!({ "type": "integer", "description": format!("from {low} to {high}") }),
        Shape::Number => json!({ "type": "number" }),
        Shape::YesNo => json!({ "type": "boolean" }),
        Shape::Money(currency) => {
            let codes: Vec<&str> = match currency {
                Some(currency) => vec![currency.code()],
                None => CURRENCIES.iter().map(|(code, _)| *code).collect(),
            };
            let mut properties = Map::new();
            properties.insert("amount".into(), text("decimal number such as 20.00"));
            properties.insert("currency".into(), json!({ "type": "string", "enum": codes }));
            object(properties, "")
        }
        Shape::Duration => text("a duration such as 1d 4h 30m or 90s"),
        Shape::Moment => {
            json!({ "type": "string", "format": "date-time", "description": "RFC 3339 with offset, such as 2026-11-21T08:30:00+01:00" })
        }
        Shape::Date => {
            json!({ "type": "string", "format": "date", "description": "a date such as 2026-11-21" })
        }
        Shape::Time => text("a time of day such as 08:30"),
        Shape::Json => text("one JSON document as a text"),
        Shape::List(of, max) => {
            json!({ "type": "array", "items": describe(shapes, *of), "description": format!("at most {max} items") })
        }
        Shape::Map(of, max) => {
            let mut entry = Map::new();
            entry.insert("key".into(), json!({ "type": "string" }));
            entry.insert("value".into(), describe(shapes, *of));
            json!({ "type": "array", "items": object(entry, ""), "description": format!("at most {max} entries") })
        }
        Shape::Optional(of) => json!({ "anyOf": [describe(shapes, *of), { "type": "null" }] }),
        Shape::Record(record) => fields_object(shapes, &record.members, &record.doc),
        Shape::Union(union) if shape.is_scalar() => with_doc(labels(union), &union.doc),
        Shape::Union(union) => union_object(shapes, union),
        Shape::FailureKind => {
            let words: Vec<&str> = crate::value::FailureKind::ALL.iter().map(|kind| kind.word()).collect();
            json!({ "type": "string", "enum": words })
        }
        // The checker lets no model be asked for these.
        Shape::Message | Shape::Failure | Shape::ToolCalls => json!({ "type": "null" }),
    }
}
