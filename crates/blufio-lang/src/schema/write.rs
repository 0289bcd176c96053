// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values as JSON, in the forms that [`super`] describes and reads back: what tools are called with.

use serde_json::{Map, Value as Json, json};

use super::payload_key;
use crate::program::Program;
use crate::program::civil::{print_amount, print_date, print_duration, print_moment, print_time};
use crate::program::shape::{Field, Shape, ShapeId};
use crate::value::{FailureKind, Value};

impl Program {
    /// A value of a shape as JSON; `null` for what has no form.
    pub fn json_of_shape(&self, shape: ShapeId, value: &Value) -> Json {
        let Some(described) = self.shape(shape) else { return Json::Null };
        match (described, value) {
            (Shape::Optional(of), value) if *value != Value::None => self.json_of_shape(*of, value),
            (Shape::Record(record), Value::Record(values)) => self.json_of_fields(&record.members, values),
            (Shape::Union(union), Value::Variant(case, payload)) => {
                let Some(chosen) = union.members.get(*case as usize) else { return Json::Null };
                if described.is_scalar() {
                    return Json::from(chosen.name.as_str());
                }
                let mut out = Map::new();
                out.insert("choice".into(), Json::from(chosen.name.as_str()));
                for case in union.members.iter().filter(|case| !case.fields.is_empty()) {
                    let is_chosen = case.name == chosen.name;
                    let fields =
                        if is_chosen { self.json_of_fields(&case.fields, payload) } else { Json::Null };
                    out.insert(payload_key(&case.name).to_string(), fields);
                }
                Json::Object(out)
            }
            (Shape::List(of, _), Value::List(items)) => {
                items.iter().map(|item| self.json_of_shape(*of, item)).collect()
            }
            (Shape::Map(of, _), Value::Map(entries)) => entries
                .iter()
                .map(|(key, value)| json!({ "key": &**key, "value": self.json_of_shape(*of, value) }))
                .collect(),
            (Shape::FailureKind, Value::Variant(kind, _)) => {
                FailureKind::ALL.get(*kind as usize).map_or(Json::Null, |kind| Json::from(kind.word()))
            }
            (_, value) => plain(value),
        }
    }

    fn json_of_fields(&self, fields: &[Field], values: &[Value]) -> Json {
        let field =
            |(field, value): (&Field, &Value)| (field.name.clone(), self.json_of_shape(field.shape, value));
        Json::Object(fields.iter().zip(values).map(field).collect())
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::YesNo(yes) => Json::from(*yes),
        Value::Int(value) => Json::from(*value),
        Value::Number(value) => Json::from(*value),
        Value::Text(text) => Json::from(&**text),
        Value::Message(message) => Json::from(&*message.text),
        Value::Money(minor, currency) => {
            json!({ "amount": print_amount(*minor, *currency), "currency": currency.code() })
        }
        Value::Duration(ms) => Json::from(print_duration(*ms)),
        Value::Moment(ms) => Json::from(print_moment(*ms)),
        Value::Date(days) => Json::from(print_date(*days)),
        Value::Time(minutes) => Json::from(print_time(*minutes)),
        Value::Json(text) => Json::from(&**text),
        Value::Failure(failure) => json!({ "kind": failure.kind.word(), "detail": &*failure.detail }),
        Value::ToolCalls(calls) => calls.iter().map(|call| Json::from(&*call.tool)).collect(),
        _ => Json::Null,
    }
}
