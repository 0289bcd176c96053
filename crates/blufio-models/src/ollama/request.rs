// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to `/api/chat`, byte for byte deterministic: one more turn only adds to them, because the server keeps the
//! state of the longest prefix it knows.

use std::collections::HashMap;

use blufio_core::model::{Block, ModelError, ModelErrorKind, ModelRequest, Role, ToolOffer, Turn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Settings;
use crate::transport::error;

/// Body of `POST /api/chat`, or why this server cannot serve the request.
pub fn body(request: &ModelRequest, provider: &str, settings: &Settings) -> Result<String, ModelError> {
    refuse_what_is_missing(request, provider, settings)?;
    let mut fields = vec![
        format!("\"model\":{}", Value::from(request.model.as_str())),
        "\"stream\":true".to_string(),
        // Not in the documents but in `api/types.go`: a prompt that does not fit is an error instead of losing its
        // beginning, and an answer ends at the window instead of pushing the prompt out.
        "\"truncate\":false,\"shift\":false".to_string(),
    ];
    let context =
        settings.context(&request.model).map_or(String::new(), |tokens| format!(",\"num_ctx\":{tokens}"));
    fields.push(format!("\"options\":{{\"num_predict\":{}{context}}}", request.output_tokens_max));
    fields.extend(settings.think.map(|think| format!("\"think\":{think}")));
    match request.output_schema.as_deref() {
        // The sampler is bound to the schema, so that no tool could be called anyway.
        Some(schema) => fields.push(format!("\"format\":{schema}")),
        None if request.tools.is_empty() => {}
        None => {
            let tools: Vec<String> = request.tools.iter().map(tool).collect();
            fields.push(format!("\"tools\":[{}]", tools.join(",")));
        }
    }
    fields.push(format!("\"messages\":[{}]", messages(request, provider).join(",")));
    Ok(format!("{{{}}}", fields.join(",")))
}

fn refuse_what_is_missing(
    request: &ModelRequest,
    provider: &str,
    settings: &Settings,
) -> Result<(), ModelError> {
    let refuse = |words: String| Err(error(ModelErrorKind::InvalidRequest, words));
    if !settings.tools && !request.tools.is_empty() {
        return refuse(format!("{provider} takes no tools"));
    }
    let mut blocks = request.turns.iter().flat_map(|turn| &turn.blocks);
    let missing = blocks.find_map(|block| match block {
        Block::Image { .. } if !settings.images => Some("images"),
        // The API has no field for them.
        Block::Document { .. } => Some("documents"),
        _ => None,
    });
    if let Some(missing) = missing {
        return refuse(format!("{provider} takes no {missing}"));
    }
    match request.output_schema.as_deref().map(serde_json::from_str::<&RawValue>) {
        Some(Err(_)) => refuse("the schema of the answer is not JSON".to_string()),
        _ => Ok(()),
    }
}

/// JSON text as it is; an empty object where it is not JSON.
fn raw_json(text: &str) -> &str {
    serde_json::from_str::<&RawValue>(text).map_or("{}", RawValue::get)
}

fn tool(offer: &ToolOffer) -> String {
    let (name, description) = (Value::from(offer.name.as_str()), Value::from(offer.description.as_str()));
    let parameters = raw_json(&offer.input_schema);
    format!(
        "{{\"type\":\"function\",\"function\":{{\"name\":{name},\"description\":{description},\"parameters\":{parameters}}}}}"
    )
}

/// One call in the API's form: arguments are an object, not text.
pub(super) fn call(id: &str, name: &str, input: &str) -> String {
    let (id, name) = (Value::from(id), Value::from(name));
    format!("{{\"id\":{id},\"function\":{{\"name\":{name},\"arguments\":{}}}}}", raw_json(input))
}

fn messages(request: &ModelRequest, provider: &str) -> Vec<String> {
    let mut out = Vec::with_capacity(request.turns.len() + 1);
    if !request.system.is_empty() {
        out.push(json!({"role": "system", "content": request.system.join("\n\n")}).to_string());
    }
    // Results carry the name of their tool; older servers know no ids.
    let mut names: HashMap<&str, &str> = HashMap::new();
    for turn in &request.turns {
        for block in &turn.blocks {
            if let Block::ToolUse { id, name, .. } = block {
                names.insert(id, name);
            }
        }
        match turn.role {
            Role::User => out.extend(user(turn, &names)),
            Role::Assistant => out.extend(assistant(turn, provider)),
        }
    }
    out
}

fn user(turn: &Turn, names: &HashMap<&str, &str>) -> Vec<String> {
    let (mut out, mut texts, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for block in &turn.blocks {
        match block {
            Block::ToolResult { id, content, is_error } => {
                // The API has no field for it.
                let content = if *is_error { format!("The tool failed: {content}") } else { content.clone() };
                let name = names.get(id.as_str()).copied().unwrap_or("");
                let message =
                    json!({"role": "tool", "content": content, "tool_name": name, "tool_call_id": id});
                out.push(message.to_string());
            }
            Block::Text { text } => texts.push(text.as_str()),
            Block::Image { data, .. } => images.push(data.as_str()),
            // A block in another provider's own form means nothing here; a user's turn has no calls; documents were
            // refused.
            Block::Opaque { .. } | Block::ToolUse { .. } | Block::Document { .. } => {}
        }
    }
    if !texts.is_empty() || !images.is_empty() {
        let mut message = json!({"role": "user", "content": texts.join("\n\n")});
        if !images.is_empty() {
            message["images"] = Value::from(images);
        }
        out.push(message.to_string());
    }
    out
}

fn assistant(turn: &Turn, provider: &str) -> Vec<String> {
    if let Some(raw) = turn.raw.as_ref().filter(|raw| raw.provider == provider) {
        let messages: Result<Vec<&RawValue>, _> = serde_json::from_str(&raw.json);
        if let Ok(messages) = messages {
            return messages.into_iter().map(|message| message.get().to_string()).collect();
        }
    }
    let (mut texts, mut calls) = (Vec::new(), Vec::new());
    for block in &turn.blocks {
        match block {
            Block::Text { text } => texts.push(text.as_str()),
            Block::ToolUse { id, name, input } => calls.push(call(id, name, input)),
            // Another provider's reasoning is dropped: it is signed for that provider.
            Block::Opaque { .. }
            | Block::Image { .. }
            | Block::Document { .. }
            | Block::ToolResult { .. } => {}
        }
    }
    vec![message(&texts.join("\n\n"), "", &calls)]
}

/// An assistant's message. Thinking is kept beside calls only: models go on from it when the results come, and the
/// templates drop it otherwise.
pub(super) fn message(text: &str, thinking: &str, calls: &[String]) -> String {
    let mut fields = format!("\"role\":\"assistant\",\"content\":{}", Value::from(text));
    if !calls.is_empty() {
        if !thinking.is_empty() {
            fields.push_str(&format!(",\"thinking\":{}", Value::from(thinking)));
        }
        fields.push_str(&format!(",\"tool_calls\":[{}]", calls.join(",")));
    }
    format!("{{{fields}}}")
}
