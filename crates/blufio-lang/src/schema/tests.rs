// SPDX-License-Identifier: MIT OR Apache-2.0
//! Schemas and answers, in both directions.

use serde_json::{Value as Json, json};

use crate::program::shape::{Case, Field, Named, Shape, ShapeId};
use crate::program::{Program, Schema};
use crate::value::{Currency, Value};

const WISH: u32 = 0;
const TABLE: u32 = 1;
const LABEL: u32 = 2;
const COUNT: u32 = 3;
const EVERYTHING: u32 = 4;

fn field(name: &str, shape: u16) -> Field {
    Field { name: name.into(), doc: String::new(), shape: ShapeId(shape) }
}

fn record(members: Vec<Field>) -> Shape {
    Shape::Record(Named { name: "R".into(), doc: String::new(), members })
}

fn case(name: &str, fields: Vec<Field>) -> Case {
    Case { name: name.into(), doc: String::new(), fields }
}

/// A program with schemas only: sealed as far as schemas go.
fn program() -> Program {
    let euro = Currency::named("eur").unwrap();
    let mut people = field("people", 3);
    people.doc = "How many of you?".into();
    let shapes = vec![
        Shape::Union(Named {
            name: "Wish".into(),
            doc: String::new(),
            members: vec![
                case("question", vec![]),
                case("refund", vec![field("order", 1), field("amount", 2)]),
                case("choice", vec![field("order", 1)]),
            ],
        }),
        Shape::Text(Some(5)),
        Shape::Money(Some(euro)),
        Shape::Int(1, 12),
        record(vec![field("day", 5), field("at", 6), people, field("note", 7)]),
        Shape::Date,
        Shape::Time,
        Shape::Optional(ShapeId(1)),
        Shape::Union(Named {
            name: "Label".into(),
            doc: String::new(),
            members: vec![case("bug", vec![]), case("praise", vec![])],
        }),
        record((10..=19).map(|n| field(&format!("f{n}"), n)).collect()),
        Shape::Number,
        Shape::YesNo,
        Shape::Money(None),
        Shape::Duration,
        Shape::Moment,
        Shape::Json,
        Shape::List(ShapeId(8), 2),
        Shape::Map(ShapeId(3), 2),
        Shape::Optional(ShapeId(0)),
        Shape::Text(None),
    ];
    let schemas = [0, 4, 8, 3, 9].map(|n| Schema { shape: ShapeId(n) }).to_vec();
    let mut program = Program { shapes, schemas, ..Program::default() };
    program.derived.schemas = super::generate(&program);
    program
}

fn violations(program: &Program, schema: u32, json: Json) -> Vec<String> {
    program.value_from_json(schema, &json).unwrap_err().iter().map(ToString::to_string).collect()
}

/// Every object is closed and requires all it has; no keyword that providers refuse.
fn assert_accepted_by_providers(schema: &Json) {
    match schema {
        Json::Object(object) => {
            for refused in [
                "minimum",
                "maximum",
                "minLength",
                "maxLength",
                "minItems",
                "maxItems",
                "pattern",
                "$ref",
                "oneOf",
            ] {
                assert!(!object.contains_key(refused), "{schema}");
            }
            if object.get("type") == Some(&json!("object")) {
                assert_eq!(object["additionalProperties"], json!(false));
                let properties: Vec<&String> = object["properties"].as_object().unwrap().keys().collect();
                let required: Vec<&str> =
                    object["required"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
                assert_eq!(properties, required);
            }
            object.values().for_each(assert_accepted_by_providers);
        }
        Json::Array(items) => items.iter().for_each(assert_accepted_by_providers),
        _ => {}
    }
}

#[test]
fn schemas_keep_to_what_structured_outputs_accept() {
    let program = program();
    for index in 0..program.schemas.len() as u32 {
        let schema: Json = serde_json::from_str(program.schema_json(index)).unwrap();
        assert_eq!(schema["type"], json!("object"), "the root is an object");
        assert_accepted_by_providers(&schema);
    }
    assert_eq!(program.schema_json(99), "");
}

#[test]
fn schema_of_a_union() {
    let expected = json!({
        "type": "object",
        "properties": {
            "choice": { "type": "string", "enum": ["question", "refund", "choice"] },
            "refund": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "order": { "type": "string", "description": "at most 5 characters" },
                            "amount": {
                                "type": "object",
                                "properties": {
                                    "amount": { "type": "string", "description": "decimal number such as 20.00" },
                                    "currency": { "type": "string", "enum": ["eur"] }
                                },
                                "required": ["amount", "currency"],
                                "additionalProperties": false
                            }
                        },
                        "required": ["order", "amount"],
                        "additionalProperties": false
                    },
                    { "type": "null" }
                ],
                "description": "only when choice is refund, else null"
            },
            "choice_payload": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": { "order": { "type": "string", "description": "at most 5 characters" } },
                        "required": ["order"],
                        "additionalProperties": false
                    },
                    { "type": "null" }
                ],
                "description": "only when choice is choice, else null"
            }
        },
        "required": ["choice", "refund", "choice_payload"],
        "additionalProperties": false
    });
    assert_eq!(serde_json::from_str::<Json>(program().schema_json(WISH)).unwrap(), expected);
}

#[test]
fn documentation_of_a_field_reaches_the_schema() {
    let schema: Json = serde_json::from_str(program().schema_json(TABLE)).unwrap();
    assert_eq!(schema["properties"]["people"]["description"], json!("How many of you? (from 1 to 12)"));
}

#[test]
fn answers_become_values() {
    let program = program();
    let euro = Currency::named("eur").unwrap();
    let refund = json!({ "choice": "refund", "refund": { "order": "A7", "amount": { "amount": "20.00", "currency": "eur" } }, "choice_payload": null });
    let payload = [Value::Text("A7".into()), Value::Money(2_000, euro)];
    assert_eq!(program.value_from_json(WISH, &refund), Ok(Value::Variant(1, payload.into())));
    assert_eq!(
        program.value_from_json(WISH, &json!({ "choice": "question" })),
        Ok(Value::Variant(0, [].into()))
    );
    assert_eq!(
        program.value_from_json(LABEL, &json!({ "choice": "praise" })),
        Ok(Value::Variant(1, [].into()))
    );
    assert_eq!(program.value_from_json(COUNT, &json!({ "value": 12 })), Ok(Value::Int(12)));
    assert_eq!(program.value_from_json(COUNT, &json!({ "value": 12.0 })), Ok(Value::Int(12)));
    let table = json!({ "day": "2026-11-21", "at": "08:30", "people": 4, "note": null });
    let expected = [Value::Date(20_778), Value::Time(510), Value::Int(4), Value::None];
    assert_eq!(program.value_from_json(TABLE, &table), Ok(Value::Record(expected.into())));
}

#[test]
fn what_prints_as_json_reads_back() {
    let program = program();
    let dollar = Currency::named("usd").unwrap();
    let answer = json!({
        "f10": 1.5, "f11": true, "f12": { "amount": "-0.05", "currency": "usd" }, "f13": "4h 30m",
        "f14": "2026-11-21T08:30:00+01:00", "f15": "{\"a\": 1}", "f16": ["bug", "praise"],
        "f17": [{ "key": "k", "value": 3 }], "f18": { "choice": "question", "refund": null, "choice_payload": null }, "f19": "x"
    });
    let value = program.value_from_json(EVERYTHING, &answer).unwrap();
    let Value::Record(fields) = &value else { panic!("not a record") };
    assert_eq!(fields[2], Value::Money(-5, dollar));
    assert_eq!(fields[3], Value::Duration(16_200_000));
    assert_eq!(fields[7], Value::Map([("k".into(), Value::Int(3))].into()));
    assert_eq!(fields[8], Value::Variant(0, [].into()));
    let printed = program.json_of_shape(ShapeId(9), &value);
    assert_eq!(printed["f12"], answer["f12"]);
    assert_eq!(printed["f14"], json!("2026-11-21T07:30:00Z"));
    assert_eq!(printed["f16"], answer["f16"]);
    assert_eq!(program.value_of_shape(ShapeId(9), &printed).unwrap(), value);
}

#[test]
fn wrong_answers_are_told_in_words_that_a_model_can_act_on() {
    let program = program();
    let too_long = json!({ "choice": "refund", "refund": { "order": "A7 and more", "amount": { "amount": "1,5", "currency": "usd" }, "x": 1 } });
    assert_eq!(
        violations(&program, WISH, too_long),
        [
            "refund.x: is not a property of the answer; leave it out",
            "refund.order: must have at most 5 characters, has 11",
            "refund.amount.currency: must be eur",
        ]
    );
    assert_eq!(
        violations(&program, WISH, json!({ "choice": "refund" })),
        ["refund: is required when choice is refund"]
    );
    assert_eq!(
        violations(&program, WISH, json!({ "choice": "else" })),
        ["choice: must be one of question, refund, choice"]
    );
    assert_eq!(violations(&program, WISH, json!("question")), ["answer: must be an object"]);
    let both = json!({ "choice": "question", "refund": { "order": "A7" } });
    assert_eq!(violations(&program, WISH, both), ["refund: must be null when choice is question"]);
    assert_eq!(violations(&program, COUNT, json!({ "value": 13 })), ["value: must be from 1 to 12"]);
    assert_eq!(violations(&program, COUNT, json!({ "value": "12" })), ["value: must be an integer"]);
    assert_eq!(violations(&program, COUNT, json!({})), ["value: is missing"]);
    let table = json!({ "day": "2026-02-30", "at": "24:00", "people": 1.5 });
    assert_eq!(
        violations(&program, TABLE, table),
        [
            "day: must be a date that exists, such as 2026-11-21",
            "at: must be a time of day such as 08:30",
            "people: must be an integer"
        ]
    );
    assert_eq!(program.value_from_json(99, &json!({})).unwrap_err().len(), 1);
}

#[test]
fn lists_and_maps_keep_their_bounds() {
    let program = program();
    let with = |key: &str, value: Json| {
        let mut answer = json!({
            "f10": 1, "f11": true, "f12": { "amount": "1", "currency": "usd" }, "f13": "1s",
            "f14": "2026-11-21T08:30:00Z", "f15": "1", "f16": [], "f17": [], "f18": null, "f19": ""
        });
        answer[key] = value;
        answer
    };
    assert!(program.value_from_json(EVERYTHING, &with("f16", json!(["bug"]))).is_ok());
    let too_many = with("f16", json!(["bug", "bug", "bug"]));
    assert_eq!(violations(&program, EVERYTHING, too_many), ["f16: must have at most 2 items, has 3"]);
    let twice = with("f17", json!([{ "key": "a", "value": 1 }, { "key": "a", "value": 2 }]));
    assert_eq!(violations(&program, EVERYTHING, twice), ["f17: has the key a twice"]);
    assert_eq!(violations(&program, EVERYTHING, with("f14", json!("tomorrow"))).len(), 1);
    assert_eq!(violations(&program, EVERYTHING, with("f15", json!("{"))).len(), 1);
}

#[test]
fn somebody_elses_document_may_hold_more_than_the_shape_and_its_maps_are_objects() {
    let shapes = vec![
        record(vec![field("id", 1), field("counts", 2), field("raw", 3), field("note", 4)]),
        Shape::Text(Some(5)),
        Shape::Map(ShapeId(5), 2),
        Shape::Json,
        Shape::Optional(ShapeId(1)),
        Shape::Int(0, 9),
    ];
    let program = Program { shapes, ..program() };
    let document = json!({ "id": "a", "counts": { "x": 1 }, "raw": [1, null], "sender": { "login": "b" } });
    let value = program.value_of_document(ShapeId(0), &document).unwrap();
    assert!(program.value_of_shape(ShapeId(0), &document).is_err(), "what a model writes is read strictly");
    let kept = program.json_of_shape(ShapeId(0), &value);
    assert_eq!(program.value_of_shape(ShapeId(0), &kept).unwrap(), value, "as it is stored it reads back");
    assert_eq!(kept["raw"], "[1,null]");
    let wrong = json!({ "id": "too long", "counts": { "x": 1, "y": 10, "z": 0 } });
    let paths: Vec<String> = program
        .value_of_document(ShapeId(0), &wrong)
        .unwrap_err()
        .into_iter()
        .map(|violation| violation.to_string())
        .collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let whole = program.value_of_document(ShapeId(0), &json!([])).unwrap_err();
    assert_eq!(whole[0].path, "body");
}
