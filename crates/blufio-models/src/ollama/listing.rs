// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a server has: `/api/tags` and `/api/show`.

use blufio_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

use crate::transport::error;

/// Most models that are listed.
const MODELS_MAX: usize = 10_000;

/// A model of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The longest context that it was made for, tokens; the server may run it with less.
    pub context_tokens: Option<u64>,
    /// Whether it takes tools. `None` when the server does not say (before 0.6.4).
    pub tools: Option<bool>,
    /// Whether it takes images.
    pub images: Option<bool>,
    /// Whether it thinks before it answers.
    pub thinks: Option<bool>,
}

/// Names from `/api/tags`.
pub(super) fn names(body: &Value) -> Result<Vec<String>, ModelError> {
    let models = body
        .get("models")
        .and_then(Value::as_array)
        .ok_or_else(|| error(ModelErrorKind::NotTheProvider, "the answer has no list of models"))?;
    let name = |model: &Value| model.get("name").and_then(Value::as_str).map(str::to_string);
    Ok(models.iter().filter_map(name).take(MODELS_MAX).collect())
}

/// Facts from `/api/show`. The key of the context carries the architecture: `qwen3.context_length`.
pub(super) fn info(body: &Value) -> Result<ModelInfo, ModelError> {
    let facts = body.get("model_info").and_then(Value::as_object);
    if facts.is_none() && body.get("capabilities").is_none() && body.get("details").is_none() {
        return Err(error(ModelErrorKind::NotTheProvider, "the answer does not describe a model"));
    }
    let architecture =
        facts.and_then(|f| f.get("general.architecture")).and_then(Value::as_str).unwrap_or("");
    let key = format!("{architecture}.context_length");
    let abilities = body.get("capabilities").and_then(Value::as_array);
    let can = |name: &str| abilities.map(|all| all.iter().any(|ability| ability.as_str() == Some(name)));
    Ok(ModelInfo {
        context_tokens: facts.and_then(|f| f.get(&key)).and_then(Value::as_u64),
        tools: can("tools"),
        images: can("vision"),
        thinks: can("thinking"),
    })
}
