// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests, byte for byte deterministic: the same transcript gives the same bytes, and one more turn only adds to them,
//! because the endpoints cache by prefix.

use blufio_core::model::{Block, ModelError, ModelErrorKind, ModelRequest, Role, ToolOffer, Turn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::dialect::{Dialect, OutputCap, StructuredOutput};
use super::strict;
use crate::transport::error;

/// Longest name of a tool.
const NAME_BYTES_MAX: usize = 64;

/// Body of `POST /chat/completions`, or why this endpoint cannot serve the request.
pub fn body(request: &ModelRequest, provider: &str, dialect: &Dialect) -> Result<String, ModelError> {
    refuse_what_is_missing(request, provider, dialect)?;
    let cap = match dialect.output_cap {
        OutputCap::MaxTokens => "max_tokens",
        OutputCap::MaxCompletionTokens => "max_completion_tokens",
    };
    let mut fields = vec![
        format!("\"model\":{}", Value::from(request.model.as_str())),
        format!("\"{cap}\":{}", request.output_tokens_max),
        "\"stream\":true".to_string(),
    ];
    if dialect.stream_options {
        fields.push("\"stream_options\":{\"include_usage\":true}".into());
    }
    if let Some(effort) = dialect.effort(&request.model, !request.tools.is_empty()) {
        fields.push(format!("\"reasoning_effort\":{}", Value::from(effort)));
    }
    if !request.tools.is_empty() {
        let tools: Vec<String> = request.tools.iter().map(tool).collect();
        fields.push(format!("\"tools\":[{}]", tools.join(",")));
        if request.output_schema.is_some() {
            // They are declared for the sake of the history: the answer is to be the value.
            fields.push("\"tool_choice\":\"none\"".into());
        }
    }
    let schema = request.output_schema.as_deref();
    let (format, instruction) = schema.map_or((None, None), |schema| structured(schema, dialect));
    fields.extend(format.map(|format| format!("\"response_format\":{format}")));
    fields.push(format!("\"messages\":[{}]", messages(request, provider, instruction).join(",")));
    Ok(format!("{{{}}}", fields.join(",")))
}

fn refuse_what_is_missing(
    request: &ModelRequest,
    provider: &str,
    dialect: &Dialect,
) -> Result<(), ModelError> {
    let refuse = |words: String| Err(error(ModelErrorKind::InvalidRequest, words));
    if !dialect.tools && !request.tools.is_empty() {
        return refuse(format!("{provider} takes no tools"));
    }
    if let Some(offer) = request.tools.iter().find(|offer| !is_tool_name(&offer.name)) {
        return refuse(format!(
            "{provider} takes no tool named `{}`: at most {NAME_BYTES_MAX} letters, digits, `_` and `-`",
            offer.name
        ));
    }
    let mut blocks = request.turns.iter().flat_map(|turn| &turn.blocks);
    let missing = blocks.find_map(|block| match block {
        Block::Image { .. } if !dialect.images => Some("images"),
        Block::Document { .. } if !dialect.documents => Some("documents"),
        _ => None,
    });
    if let Some(missing) = missing {
        return refuse(format!("{provider} takes no {missing}"));
    }
    match &request.output_schema {
        Some(_) if dialect.structured_output == StructuredOutput::Refused => {
            refuse(format!("{provider} has no structured output"))
        }
        Some(schema) if serde_json::from_str::<&RawValue>(schema).is_err() => {
            refuse("the schema of the answer is not JSON".to_string())
        }
        _ => Ok(()),
    }
}

fn is_tool_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// `response_format`, and what is to be said in words.
fn structured(schema: &str, dialect: &Dialect) -> (Option<String>, Option<String>) {
    let instruction = || Some(instruction(schema));
    match dialect.structured_output {
        StructuredOutput::JsonSchema => match strict::form_of(schema) {
            strict::Form::Closed => (Some(json_schema(schema, true)), None),
            strict::Form::Open => (Some(json_schema(schema, false)), None),
            // The API takes objects only.
            strict::Form::NoObject => (None, instruction()),
        },
        StructuredOutput::JsonObject if strict::form_of(schema) == strict::Form::NoObject => {
            (None, instruction())
        }
        StructuredOutput::JsonObject => (Some("{\"type\":\"json_object\"}".to_string()), instruction()),
        StructuredOutput::Instruction | StructuredOutput::Refused => (None, instruction()),
    }
}

fn json_schema(schema: &str, is_strict: bool) -> String {
    format!(
        "{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"answer\",\"strict\":{is_strict},\"schema\":{schema}}}}}"
    )
}

/// Structured output in words. DeepSeek demands the word JSON in the prompt.
fn instruction(schema: &str) -> String {
    format!(
        "Answer with one JSON value only, without any other text and without a code fence. It must fit this JSON Schema:\n{schema}"
    )
}

/// JSON text as it is; an empty object where it is not JSON.
fn raw_json(text: &str) -> String {
    serde_json::from_str::<&RawValue>(text).map_or_else(|_| "{}".to_string(), |raw| raw.get().to_string())
}

fn tool(offer: &ToolOffer) -> String {
    let (name, description) = (Value::from(offer.name.as_str()), Value::from(offer.description.as_str()));
    let parameters = raw_json(&offer.input_schema);
    format!(
        "{{\"type\":\"function\",\"function\":{{\"name\":{name},\"description\":{description},\"parameters\":{parameters}}}}}"
    )
}

fn messages(request: &ModelRequest, provider: &str, instruction: Option<String>) -> Vec<String> {
    let mut out = Vec::with_capacity(request.turns.len() + 2);
    if !request.system.is_empty() {
        // One text: several endpoints take neither parts nor a second system message.
        out.push(json!({"role": "system", "content": request.system.join("\n\n")}).to_string());
    }
    let last = request.turns.len().saturating_sub(1);
    let mut instruction = instruction;
    for (at, turn) in request.turns.iter().enumerate() {
        match turn.role {
            Role::User => {
                let said = if at == last { instruction.take() } else { None };
                out.extend(user(turn, said));
            }
            Role::Assistant => out.extend(assistant(turn, provider)),
        }
    }
    // After an assistant's turn, or without any turn.
    out.extend(instruction.map(|text| json!({"role": "user", "content": text}).to_string()));
    out
}

/// Results of tools first, as the API wants them right behind the call; then what the person said.
fn user(turn: &Turn, instruction: Option<String>) -> Vec<String> {
    let (mut out, mut parts) = (Vec::new(), Vec::new());
    for block in &turn.blocks {
        match block {
            Block::ToolResult { id, content, is_error } => {
                // The API has no field for it.
                let content = if *is_error { format!("The tool failed: {content}") } else { content.clone() };
                out.push(json!({"role": "tool", "tool_call_id": id, "content": content}).to_string());
            }
            Block::Text { text } => parts.push(json!({"type": "text", "text": text})),
            Block::Image { media_type, data } => {
                let url = format!("data:{media_type};base64,{data}");
                parts.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            Block::Document { media_type, name, data, .. } => {
                let file = format!("data:{media_type};base64,{data}");
                parts.push(json!({"type": "file", "file": {"filename": name, "file_data": file}}));
            }
            // A block in another provider's own form means nothing here; a user's turn has no calls.
            Block::Opaque { .. } | Block::ToolUse { .. } => {}
        }
    }
    parts.extend(instruction.map(|text| json!({"type": "text", "text": text})));
    let texts: Option<Vec<&str>> = parts.iter().map(|p| p.get("text").and_then(Value::as_str)).collect();
    match texts {
        _ if parts.is_empty() => {}
        // A plain string wherever that is possible: not everybody takes parts.
        Some(texts) => out.push(json!({"role": "user", "content": texts.join("\n\n")}).to_string()),
        None => out.push(json!({"role": "user", "content": parts}).to_string()),
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
    let mut texts = Vec::new();
    let mut calls = Vec::new();
    for block in &turn.blocks {
        match block {
            Block::Text { text } => texts.push(text.as_str()),
            Block::ToolUse { id, name, input } => calls.push(json!({
                "id": id, "type": "function", "function": {"name": name, "arguments": raw_json(input)}
            })),
            // Another provider's reasoning is signed for that provider: it is dropped.
            Block::Opaque { .. }
            | Block::Image { .. }
            | Block::Document { .. }
            | Block::ToolResult { .. } => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": texts.join("\n\n")});
    if !calls.is_empty() {
        message["tool_calls"] = Value::from(calls);
    }
    vec![message.to_string()]
}
