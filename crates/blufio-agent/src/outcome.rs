// SPDX-License-Identifier: MIT OR Apache-2.0
//! How an effect ended, as JSON and back: for the journal, for replay, and for what an asked agent tells its asker.

use std::sync::Arc;

use blufio_lang::effect::{Effect, EffectId, ModelPurpose, Outcome};
use blufio_lang::program::Program;
use blufio_lang::program::shape::ShapeId;
use blufio_lang::value::{Failure, FailureKind, ToolCall, Value};
use serde_json::{Value as Json, json};

/// Shape of what a request gives.
fn shape_of(effect: &Effect) -> Option<ShapeId> {
    match effect {
        Effect::Call { shape, .. } | Effect::AskAgent { shape, .. } => Some(*shape),
        _ => None,
    }
}

fn done_json(program: &Program, effect: Option<&Effect>, value: &Value) -> Json {
    match (effect.and_then(shape_of), value) {
        (Some(shape), value) => program.json_of_shape(shape, value),
        (None, Value::List(texts)) => texts.iter().map(text_json).collect(),
        (None, value) => text_json(value),
    }
}

fn text_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::from(&**text),
        _ => Json::Null,
    }
}

/// As JSON; `picked` is the document that a `pick` gave, `calls` the results of a `run`.
pub(crate) fn to_json(
    program: &Program,
    effect: Option<&Effect>,
    outcome: &Outcome,
    picked: Option<&Json>,
    calls: Option<Json>,
) -> Json {
    match outcome {
        Outcome::Picked(_) => json!({ "picked": picked }),
        Outcome::Done(value) => json!({ "done": done_json(program, effect, value) }),
        Outcome::Yes(edited) => json!({ "yes": edited.as_deref() }),
        Outcome::No => json!({ "no": true }),
        Outcome::Late => json!({ "late": true }),
        Outcome::Wrote(text) => json!({ "wrote": &**text }),
        Outcome::Said(text) => json!({ "said": &**text }),
        Outcome::Called(calls) => json!({ "called": calls_json(calls) }),
        Outcome::Refused(why) => json!({ "refused": &**why }),
        Outcome::Ran => json!({ "ran": calls }),
        Outcome::Failed(failure) => json!({ "failed": failure_json(failure) }),
        Outcome::Uncertain => json!({ "uncertain": true, "ran": calls }),
        Outcome::OverBudget(until_ms) => json!({ "over_budget": until_ms }),
    }
}

/// Calls that a model asked for, as JSON.
pub(crate) fn calls_json(calls: &[ToolCall]) -> Json {
    let call =
        |call: &ToolCall| json!({ "id": &*call.id, "tool": &*call.tool, "arguments": &*call.arguments });
    calls.iter().map(call).collect()
}

fn failure_json(failure: &Failure) -> Json {
    json!({ "kind": failure.kind.word(), "detail": &*failure.detail, "until_ms": failure.until_ms })
}

/// What [`to_json`] wrote, for the effect that waits for it; `None` when it does not fit.
pub(crate) fn read(program: &Program, effect: &Effect, outcome: &Json) -> Option<Outcome> {
    let (kind, value) = outcome.as_object()?.iter().next()?;
    let text = || value.as_str().map(Arc::from);
    Some(match kind.as_str() {
        "picked" => {
            let Effect::Model(effect) = effect else { return None };
            let (ModelPurpose::Pick { schema } | ModelPurpose::Fill { schema, .. }) = effect.purpose else {
                return None;
            };
            Outcome::Picked(program.value_from_json(schema, value).ok()?)
        }
        "done" => Outcome::Done(match (effect, shape_of(effect)) {
            (_, Some(shape)) => program.value_of_shape(shape, value).ok()?,
            _ => texts(value.as_array()?),
        }),
        "yes" => Outcome::Yes(text()),
        "no" => Outcome::No,
        "late" => Outcome::Late,
        "wrote" => Outcome::Wrote(text()?),
        "said" => Outcome::Said(text()?),
        "refused" => Outcome::Refused(text()?),
        "ran" => Outcome::Ran,
        "uncertain" => Outcome::Uncertain,
        "over_budget" => Outcome::OverBudget(value.as_i64()),
        "called" => {
            Outcome::Called(value.as_array()?.iter().map(read_call).collect::<Option<Vec<_>>>()?.into())
        }
        "failed" => Outcome::Failed(Arc::new(read_failure(value)?)),
        _ => return None,
    })
}

fn texts(items: &[Json]) -> Value {
    Value::List(items.iter().filter_map(Json::as_str).map(|text| Value::Text(text.into())).collect())
}

fn read_call(call: &Json) -> Option<ToolCall> {
    let text = |key: &str| call.get(key).and_then(Json::as_str).map(Arc::from);
    Some(ToolCall { id: text("id")?, tool: text("tool")?, arguments: text("arguments")? })
}

fn read_failure(failure: &Json) -> Option<Failure> {
    let word = failure.get("kind")?.as_str()?;
    let kind = FailureKind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let detail = failure.get("detail")?.as_str()?.into();
    Some(Failure { kind, detail, until_ms: failure.get("until_ms").and_then(Json::as_i64) })
}

/// The coordinate of a record.
pub(crate) fn coordinate(pair: Option<&Json>) -> Option<EffectId> {
    let pair = pair?.as_array()?;
    let number = u32::try_from(pair.get(1)?.as_u64()?).ok()?;
    Some(EffectId { visit: pair.first()?.as_u64()?, number })
}
