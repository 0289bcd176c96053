// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a schema is in the subset that strict structured outputs take: closed objects with every field required, no
//! composition but `anyOf` (<https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>). A schema
//! that is not is sent without `strict`: then it is a hint, and the caller's validation decides.

use serde_json::{Map, Value};

/// What a schema is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An object within the subset.
    Closed,
    /// An object outside of it.
    Open,
    /// Something else than an object: not taken at all.
    NoObject,
}

/// Keywords that strict mode refuses.
const REFUSED: &[&str] = &[
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    "uniqueItems",
    "contains",
    "minLength",
    "maxLength",
];

pub(super) fn form_of(schema: &str) -> Form {
    match serde_json::from_str::<Value>(schema) {
        Ok(Value::Object(fields)) if fields.get("type").and_then(Value::as_str) == Some("object") => {
            if is_closed(&fields) {
                Form::Closed
            } else {
                Form::Open
            }
        }
        _ => Form::NoObject,
    }
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    if REFUSED.iter().any(|word| schema.contains_key(*word)) {
        return false;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_object = schema.get("type").and_then(Value::as_str) == Some("object") || properties.is_some();
    if is_object {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &String| {
            required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name.as_str())))
        };
        let all_required = properties.is_none_or(|fields| fields.keys().all(is_required));
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) || !all_required {
            return false;
        }
    }
    let within = |value: &Value| match value {
        Value::Object(fields) => is_closed(fields),
        _ => true,
    };
    let listed =
        |name: &str| schema.get(name).and_then(Value::as_array).is_none_or(|all| all.iter().all(within));
    let named =
        |name: &str| schema.get(name).and_then(Value::as_object).is_none_or(|all| all.values().all(within));
    named("properties") && named("$defs") && listed("anyOf") && schema.get("items").is_none_or(within)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_closed_objects_with_every_field_required_are_strict() {
        let closed = |extra: Value| {
            let mut schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
                "required": ["a"], "additionalProperties": false});
            schema.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            form_of(&schema.to_string())
        };
        assert_eq!(closed(json!({})), Form::Closed);
        let nested = json!({"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"enum": [1]}}]}}});
        assert_eq!(closed(nested), Form::Closed);
        for open in [
            json!({"required": []}),
            json!({"additionalProperties": true}),
            json!({"oneOf": []}),
            json!({"properties": {"a": {"type": "string", "maxLength": 3}}}),
            json!({"properties": {"a": {"type": "array", "items": {"type": "object"}}}}),
            json!({"$defs": {"x": {"type": "object"}}}),
        ] {
            assert_eq!(closed(open.clone()), Form::Open, "{open}");
        }
        for other in ["{\"enum\":[\"a\"]}", "{\"type\":\"array\"}", "3", "nonsense"] {
            assert_eq!(form_of(other), Form::NoObject, "{other}");
        }
    }
}
