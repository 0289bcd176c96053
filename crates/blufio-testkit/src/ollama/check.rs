// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a request to `/api/chat`: what the real server cannot read (`api/types.go`), and names that it
//! would pass over.

use blufio_core::base64;
use serde_json::Value;

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "format",
    "keep_alive",
    "tools",
    "options",
    "think",
    "truncate",
    "shift",
];
const OPTIONS: &[&str] = &[
    "num_ctx",
    "num_predict",
    "num_keep",
    "seed",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "stop",
];
const MESSAGE: &[&str] =
    &["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"];

fn unknown<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    value.as_object()?.keys().map(String::as_str).find(|key| !known.contains(key))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the first thing that is wrong.
pub(super) fn request(body: &Value) -> Result<(), String> {
    if let Some(field) = unknown(body, FIELDS) {
        return Err(format!("unknown field {field}"));
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("model is required".into());
    }
    let options = body.get("options").unwrap_or(&Value::Null);
    if let Some(option) = unknown(options, OPTIONS) {
        return Err(format!("invalid option provided: {option}"));
    }
    for name in ["num_ctx", "num_predict"] {
        if options.get(name).is_some_and(|number| number.as_i64().is_none_or(|n| n == 0 || n < -2)) {
            return Err(format!("option \"{name}\" must be of type integer"));
        }
    }
    match body.get("format") {
        None | Some(Value::Object(_)) => {}
        Some(Value::String(word)) if word == "json" || word.is_empty() => {}
        Some(other) => {
            return Err(format!("invalid format: {other}; expected \"json\" or a valid JSON Schema object"));
        }
    }
    if body.get("think").is_some_and(|think| !think.is_boolean() && !think.is_string()) {
        return Err("think must be a boolean or string".into());
    }
    for tool in list(body, "tools") {
        let name = tool.pointer("/function/name").and_then(Value::as_str).unwrap_or("");
        let is_object = tool.pointer("/function/parameters/type").and_then(Value::as_str) == Some("object");
        if tool.get("type").and_then(Value::as_str) != Some("function") || name.is_empty() || !is_object {
            return Err(format!("invalid tool `{name}`"));
        }
    }
    list(body, "messages").iter().enumerate().try_for_each(|(at, message)| self::message(at, message))
}

fn message(at: usize, message: &Value) -> Result<(), String> {
    if let Some(field) = unknown(message, MESSAGE) {
        return Err(format!("unknown field {field} of messages[{at}]"));
    }
    let role = message.get("role").and_then(Value::as_str).unwrap_or("");
    if !matches!(role, "system" | "user" | "assistant" | "tool") {
        return Err(format!("invalid role of messages[{at}]: {role}"));
    }
    // Go reads what is absent or null as an empty text.
    if message.get("content").is_some_and(|content| !content.is_string() && !content.is_null()) {
        return Err(format!("json: cannot unmarshal messages[{at}].content into Go value of type string"));
    }
    for image in list(message, "images") {
        let data = image.as_str().unwrap_or("");
        if data.is_empty() || !base64::is_whole(data) {
            return Err("illegal base64 data".into());
        }
    }
    for call in list(message, "tool_calls") {
        let name = call.pointer("/function/name").and_then(Value::as_str).unwrap_or("");
        if role != "assistant"
            || name.is_empty()
            || !call.pointer("/function/arguments").is_some_and(Value::is_object)
        {
            return Err("json: cannot unmarshal string into Go struct field ToolCallFunction.arguments of type api.ToolCallFunctionArguments".into());
        }
    }
    if role == "tool" && message.get("tool_name").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(format!("messages[{at}] does not name its tool"));
    }
    Ok(())
}
