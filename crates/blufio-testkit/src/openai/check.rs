// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the real API refuses in a request. Words follow its own.

use blufio_core::base64;
use serde_json::Value;

const ARGUMENTS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "reasoning_effort",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "user",
    "store",
    "metadata",
];

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the first thing that is wrong.
pub(super) fn request(body: &Value) -> Result<(), String> {
    let fields = body.as_object().ok_or("the body is not an object")?;
    if let Some(other) = fields.keys().find(|key| !ARGUMENTS.contains(&key.as_str())) {
        return Err(format!("Unrecognized request argument supplied: {other}"));
    }
    let model = text(body, "/model");
    if model.is_empty() {
        return Err("you must provide a model parameter".into());
    }
    let reasons = ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|start| model.starts_with(start));
    if reasons && fields.contains_key("max_tokens") {
        return Err("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.".into());
    }
    if fields.contains_key("max_tokens") && fields.contains_key("max_completion_tokens") {
        return Err(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.".into()
        );
    }
    for cap in ["max_tokens", "max_completion_tokens"] {
        if fields.get(cap).is_some_and(|n| n.as_u64().is_none_or(|n| n == 0)) {
            return Err(format!("Invalid '{cap}': integer below minimum value."));
        }
    }
    let streams = body.get("stream") == Some(&Value::Bool(true));
    if fields.contains_key("stream_options") && !streams {
        return Err("The 'stream_options' parameter is only allowed when 'stream' is enabled.".into());
    }
    let is_new = model.starts_with("gpt-5.6") || model.starts_with("gpt-6");
    if is_new && fields.contains_key("tools") && text(body, "/reasoning_effort") != "none" {
        return Err(format!(
            "Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions."
        ));
    }
    tools(body)?;
    format(body)?;
    messages(list(body, "messages"))
}

fn tools(body: &Value) -> Result<(), String> {
    if body.get("tool_choice").is_some() && body.get("tools").is_none() {
        return Err("'tool_choice' is only allowed when 'tools' are specified.".into());
    }
    if body.get("tools").is_some() && list(body, "tools").is_empty() {
        return Err("Invalid 'tools': empty array. Expected an array with minimum length 1.".into());
    }
    for tool in list(body, "tools") {
        let name = text(tool, "/function/name");
        if text(tool, "/type") != "function" || !is_name(name) {
            return Err(format!(
                "Invalid 'tools[0].function.name': '{name}' does not match '^[a-zA-Z0-9_-]+$'"
            ));
        }
        if tool.pointer("/function/parameters").is_some()
            && text(tool, "/function/parameters/type") != "object"
        {
            return Err(format!("Invalid schema for function '{name}': schema must be of type \"object\""));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn format(body: &Value) -> Result<(), String> {
    match body.get("response_format").map(|format| text(format, "/type")) {
        None | Some("text") => Ok(()),
        Some("json_object") => {
            let all = body.get("messages").map(Value::to_string).unwrap_or_default().to_lowercase();
            match all.contains("json") {
                true => Ok(()),
                false => Err("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.".into()),
            }
        }
        Some("json_schema") => {
            let format = body.pointer("/response_format/json_schema").unwrap_or(&Value::Null);
            if !is_name(text(format, "/name")) {
                return Err("Missing required parameter: 'response_format.json_schema.name'.".into());
            }
            let schema = format.get("schema").unwrap_or(&Value::Null);
            if text(schema, "/type") != "object" {
                return Err(
                    "Invalid schema for response_format: schema must be a JSON Schema of 'type: \"object\"'"
                        .into(),
                );
            }
            if format.get("strict") == Some(&Value::Bool(true)) { closed_schema(schema) } else { Ok(()) }
        }
        Some(other) => Err(format!(
            "Invalid value: '{other}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        )),
    }
}

/// Strict structured outputs take closed objects with every field required, and no composition but `anyOf`.
pub fn closed_schema(schema: &Value) -> Result<(), String> {
    const REFUSED: &[&str] =
        &["allOf", "oneOf", "not", "patternProperties", "minLength", "maxLength", "uniqueItems"];
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if let Some(word) = REFUSED.iter().find(|word| fields.contains_key(**word)) {
        return Err(format!("Invalid schema for response_format: '{word}' is not permitted."));
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    if text(schema, "/type") == "object" {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err("Invalid schema for response_format: 'additionalProperties' is required to be supplied and to be false.".into());
        }
        let required: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
        if properties.is_some_and(|all| all.keys().any(|name| !required.contains(&name.as_str()))) {
            return Err("Invalid schema for response_format: 'required' is required to be supplied and to be an array including every key in properties.".into());
        }
    }
    let inner = properties.into_iter().flat_map(|all| all.values()).chain(list(schema, "anyOf"));
    inner.chain(fields.get("items")).try_for_each(closed_schema)
}

fn messages(all: &[Value]) -> Result<(), String> {
    if all.is_empty() {
        return Err("Invalid 'messages': empty array. Expected an array with minimum length 1.".into());
    }
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in all.iter().enumerate() {
        let role = text(message, "/role");
        if role == "tool" {
            let id = text(message, "/tool_call_id");
            let known = open.iter().position(|waiting| *waiting == id);
            let Some(known) = known else {
                return Err(
                    "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                        .into(),
                );
            };
            open.remove(known);
        } else if let Some(id) = open.first() {
            return Err(format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {id}"
            ));
        }
        content(at, role, message)?;
        for call in list(message, "tool_calls") {
            let whole = role == "assistant"
                && text(call, "/type") == "function"
                && is_name(text(call, "/function/name"));
            if !whole
                || text(call, "/id").is_empty()
                || call.pointer("/function/arguments").is_none_or(|a| !a.is_string())
            {
                return Err(format!("Invalid 'messages[{at}].tool_calls'"));
            }
            open.push(text(call, "/id"));
        }
    }
    match open.first() {
        Some(id) => Err(format!("The following tool_call_ids did not have response messages: {id}")),
        None => Ok(()),
    }
}

fn content(at: usize, role: &str, message: &Value) -> Result<(), String> {
    let is_part = |part: &Value| match text(part, "/type") {
        "text" => part.get("text").is_some_and(Value::is_string),
        "image_url" => {
            let url = text(part, "/image_url/url");
            role == "user" && (url.starts_with("https://") || is_image(url))
        }
        "file" => role == "user" && is_file(part),
        _ => false,
    };
    let fits = match (role, message.get("content")) {
        ("system" | "developer" | "user" | "tool" | "assistant", Some(Value::String(_))) => true,
        ("system" | "developer" | "user" | "tool" | "assistant", Some(Value::Array(parts))) => {
            !parts.is_empty() && parts.iter().all(is_part)
        }
        ("assistant", None | Some(Value::Null)) => !list(message, "tool_calls").is_empty(),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(format!("Invalid value for 'content' of messages[{at}] with role '{role}'"))
    }
}

fn is_image(url: &str) -> bool {
    let data = url.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
    data.is_some_and(|(_, data)| !data.is_empty() && base64::is_whole(data))
}

/// One that was uploaded before, or a PDF with its name; this API takes nothing else
/// (<https://developers.openai.com/api/docs/guides/file-inputs>).
fn is_file(part: &Value) -> bool {
    let Some(data) = part.pointer("/file/file_data").and_then(Value::as_str) else {
        return !text(part, "/file/file_id").is_empty();
    };
    let is_pdf = |data: &str| {
        base64::is_whole(data) && (0..5).all(|at| base64::byte_at(data, at) == b"%PDF-".get(at).copied())
    };
    !text(part, "/file/filename").is_empty()
        && data.strip_prefix("data:application/pdf;base64,").is_some_and(is_pdf)
}

/// DeepSeek: reasoning that came with a tool call has to be sent again, also when it is empty
/// (<https://api-docs.deepseek.com/guides/thinking_mode>).
pub fn reasoning_content_comes_back(body: &Value) -> Result<(), String> {
    let lacks = |message: &Value| {
        !list(message, "tool_calls").is_empty()
            && message.get("reasoning_content").is_none_or(|r| !r.is_string())
    };
    match list(body, "messages").iter().any(lacks) {
        true => Err("The `reasoning_content` in the thinking mode must be passed back to the API.".into()),
        false => Ok(()),
    }
}
