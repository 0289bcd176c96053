// SPDX-License-Identifier: MIT OR Apache-2.0
//! A value that fits a schema: what emulated models answer when nobody scripted them.

use serde_json::{Value, json};

/// The first value of a schema: first choices, ones, no list entries.
pub(crate) fn first_value(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|e| e.first()) {
        return first.clone();
    }
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let null = options.iter().any(|o| o.get("type").and_then(Value::as_str) == Some("null"));
        return if null { Value::Null } else { options.first().map_or(Value::Null, first_value) };
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let fields = schema.get("properties").and_then(Value::as_object);
            Value::Object(
                fields
                    .into_iter()
                    .flatten()
                    .map(|(name, field)| (name.clone(), first_value(field)))
                    .collect(),
            )
        }
        Some("array") => json!([]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("string") => json!("x"),
        _ => Value::Null,
    }
}
