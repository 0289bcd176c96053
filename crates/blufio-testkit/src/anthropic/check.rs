// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the real API refuses in a request.

use blufio_core::base64;
use serde_json::Value;

/// Returns the first thing that is wrong.
pub(super) fn request(version: Option<&str>, body: &Value) -> Result<(), String> {
    match version {
        Some("2023-06-01") => {}
        Some("2026-10-21") => {
            if let Some(field) = ["temperature", "top_p", "top_k"].into_iter().find(|f| body.get(f).is_some())
            {
                return Err(format!("{field}: sampling parameters are not supported in this version"));
            }
        }
        Some(other) => return Err(format!("anthropic-version: {other} is not a valid version")),
        None => return Err("anthropic-version: header is required".into()),
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("model: field required".into());
    }
    if let Some(tools) = body.get("tools").and_then(Value::as_array) {
        for tool in tools {
            tool_offer(tool)?;
        }
    }
    if count_marks(body) > 4 {
        return Err("a maximum of 4 blocks with cache_control may be provided".into());
    }
    if let Some(schema) = body.pointer("/output_config/format/schema") {
        output_schema(schema)?;
    }
    messages(body)
}

fn tool_offer(tool: &Value) -> Result<(), String> {
    let name = tool.get("name").and_then(Value::as_str).unwrap_or("");
    let fits = (1..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !fits {
        return Err(format!("tools: name `{name}` does not match ^[a-zA-Z0-9_-]{{1,128}}$"));
    }
    match tool.pointer("/input_schema/type").and_then(Value::as_str) {
        Some("object") => Ok(()),
        _ => Err(format!("tools: input_schema of `{name}` must be of type object")),
    }
}

fn count_marks(value: &Value) -> usize {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| usize::from(k == "cache_control") + count_marks(v)).sum()
        }
        Value::Array(items) => items.iter().map(count_marks).sum(),
        _ => 0,
    }
}

/// Structured outputs take a subset of JSON Schema: closed objects, no bounds, no recursion.
fn output_schema(schema: &Value) -> Result<(), String> {
    const REFUSED: &[&str] = &[
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
        "multipleOf",
        "$ref",
    ];
    if let Some(fields) = schema.as_object() {
        if let Some(word) = REFUSED.iter().find(|w| fields.contains_key(**w)) {
            return Err(format!("output_config.format.schema: `{word}` is not supported"));
        }
        if fields.get("type").and_then(Value::as_str) == Some("object")
            && fields.get("additionalProperties") != Some(&Value::Bool(false))
        {
            return Err("output_config.format.schema: additionalProperties must be false".into());
        }
        let properties =
            fields.get("properties").and_then(Value::as_object).into_iter().flat_map(|p| p.values());
        let others = fields
            .iter()
            .filter(|(k, _)| matches!(k.as_str(), "items" | "anyOf" | "allOf"))
            .flat_map(|(_, v)| match v {
                Value::Array(items) => items.iter().collect::<Vec<_>>(),
                other => vec![other],
            });
        return properties.chain(others).try_for_each(output_schema);
    }
    Ok(())
}

fn ids<'a>(turn: &'a Value, kind: &str, field: &str) -> Vec<&'a str> {
    let blocks = turn.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    blocks
        .iter()
        .filter(|b| b.get("type").and_then(Value::as_str) == Some(kind))
        .filter_map(|b| b.get(field).and_then(Value::as_str))
        .collect()
}

/// Pictures and documents that come within the request.
fn source(block: &Value) -> Result<(), String> {
    /// Of base64, not of what it stands for.
    const IMAGE_BYTES_MAX: usize = 5 * 1024 * 1024;
    const IMAGES: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/webp"];
    let kind = block.get("type").and_then(Value::as_str).unwrap_or("");
    if !matches!(kind, "image" | "document") {
        return Ok(());
    }
    let field = |name: &str| block.pointer(&format!("/source/{name}")).and_then(Value::as_str).unwrap_or("");
    let (media_type, data) = (field("media_type"), field("data"));
    match (kind, field("type")) {
        ("document", "text") if media_type == "text/plain" && !data.is_empty() => return titled(block),
        (_, "base64") => {}
        (_, other) => {
            return Err(format!(
                "{kind}.source: Input tag '{other}' found using 'type' does not match any of the expected tags"
            ));
        }
    }
    let is_known =
        if kind == "image" { IMAGES.contains(&media_type) } else { media_type == "application/pdf" };
    if !is_known {
        return Err(format!("{kind}.source.base64.media_type: '{media_type}' is not permitted"));
    }
    if data.is_empty() || !base64::is_whole(data) {
        return Err(format!("{kind}.source.base64.data: invalid base64 data"));
    }
    if kind == "image" && data.len() > IMAGE_BYTES_MAX {
        return Err(format!(
            "image.source.base64: image exceeds 5 MB maximum: {} bytes > {IMAGE_BYTES_MAX} bytes",
            data.len()
        ));
    }
    if kind == "document" {
        if !(0..5).all(|at| base64::byte_at(data, at) == b"%PDF-".get(at).copied()) {
            return Err("document.source.base64.data: The PDF specified was not valid.".into());
        }
        return titled(block);
    }
    Ok(())
}

fn titled(document: &Value) -> Result<(), String> {
    let fits = |title: &Value| title.as_str().is_some_and(|title| (1..=500).contains(&title.chars().count()));
    match document.get("title") {
        Some(title) if !title.is_null() && !fits(title) => {
            Err("document.title: String should have between 1 and 500 characters".into())
        }
        _ => Ok(()),
    }
}

fn messages(body: &Value) -> Result<(), String> {
    let turns = body
        .get("messages")
        .and_then(Value::as_array)
        .filter(|t| !t.is_empty())
        .ok_or("messages: at least one message is required")?;
    for (at, turn) in turns.iter().enumerate() {
        let role = turn.get("role").and_then(Value::as_str).unwrap_or("");
        if !matches!(role, "user" | "assistant") || (at == 0 && role != "user") {
            return Err(format!("messages.{at}: unexpected role `{role}`"));
        }
        let is_empty = match turn.get("content") {
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(blocks)) => blocks.is_empty(),
            _ => true,
        };
        if is_empty {
            return Err(format!("messages.{at}: all messages must have non-empty content"));
        }
        let blank = turn.get("content").and_then(Value::as_array).is_some_and(|blocks| {
            blocks.iter().any(|b| {
                b.get("type").and_then(Value::as_str) == Some("text")
                    && b.get("text").and_then(Value::as_str).is_none_or(|t| t.trim().is_empty())
            })
        });
        if blank {
            return Err(format!("messages.{at}: text content blocks must contain non-whitespace text"));
        }
        let blocks = turn.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (number, block) in blocks.iter().enumerate() {
            source(block).map_err(|problem| format!("messages.{at}.content.{number}.{problem}"))?;
        }
        let asked = ids(turn, "tool_use", "id");
        if asked.is_empty() {
            continue;
        }
        let answered =
            turns.get(at + 1).map(|next| ids(next, "tool_result", "tool_use_id")).unwrap_or_default();
        if let Some(orphan) = asked.iter().find(|id| !answered.contains(id)) {
            return Err(format!(
                "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {orphan}"
            ));
        }
    }
    Ok(())
}
