// SPDX-License-Identifier: MIT OR Apache-2.0
//! An emulated Chat Completions API (<https://platform.openai.com/docs/api-reference/chat>), as strict as OpenAI's, with
//! the ways of others where a test asks for them.

mod check;
mod stream;

use serde_json::{Value, json};

pub use check::{closed_schema, reasoning_content_comes_back};
pub use stream::{Answer, Piece, Usage};

use crate::schema::first_value;
use crate::scripted::{self, Wire};

/// A running emulator; its base URL is `{url}/v1`.
pub type Emulator = scripted::Emulator<Answer>;
/// What a request gets.
pub type Script = scripted::Script<Answer>;

impl Wire for Answer {
    const CHAT_PATH: &'static str = "/v1/chat/completions";
    const STREAM_TYPE: &'static str = "text/event-stream; charset=utf-8";
    const NEEDS_KEY: bool = true;

    fn pieces(&self, asked: &Value, number: u64) -> Vec<String> {
        let with_usage = asked.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
        self.events(asked.get("model").and_then(Value::as_str).unwrap_or(""), number, with_usage)
    }

    fn whole(&self, asked: &Value, number: u64) -> Value {
        self.completion(asked.get("model").and_then(Value::as_str).unwrap_or(""), number)
    }

    fn wants_stream(asked: &Value) -> bool {
        asked.get("stream") == Some(&Value::Bool(true))
    }

    fn echo(asked: &Value) -> Self {
        match asked.pointer("/response_format/json_schema/schema") {
            Some(schema) => Self::text(&first_value(schema).to_string()),
            None => Self::text(&format!("echo: {}", last_user_text(asked))),
        }
    }

    fn error(_: u16, kind: &str, message: &str) -> Value {
        json!({"error": {"message": message, "type": kind, "param": null, "code": kind}})
    }

    fn error_piece(kind: &str, message: &str) -> String {
        format!("data: {}\n\n", Self::error(200, kind, message))
    }

    fn check(asked: &Value) -> Result<(), (u16, String)> {
        check::request(asked).map_err(|words| (400, words))
    }

    fn other(path: &str, body: &Value) -> Option<(u16, Value)> {
        match path {
            "/v1/models" => Some((
                200,
                json!({"object": "list", "data": [{"id": "gpt-6-luna", "object": "model",
                "created": 1_790_000_000, "owned_by": "openai"}]}),
            )),
            "/v1/embeddings" => Some(embeddings(body)),
            _ => None,
        }
    }
}

/// Vectors that depend on the text only, in the wrong order, as the API allows.
fn embeddings(body: &Value) -> (u16, Value) {
    let texts: Vec<&str> = match body.get("input") {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
        return (400, Answer::error(400, "invalid_request_error", "'$.input' is invalid"));
    }
    let vector = |text: &str| json!([text.len(), text.chars().count(), 1.0]);
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)}))
        .collect();
    let model = body.get("model").cloned().unwrap_or_default();
    (
        200,
        json!({"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 1, "total_tokens": 1}}),
    )
}

/// Text of the last user message of a request.
pub fn last_user_text(asked: &Value) -> String {
    let messages = asked.get("messages").and_then(Value::as_array);
    let last = messages
        .and_then(|all| all.iter().rev().find(|m| m.get("role").and_then(Value::as_str) == Some("user")));
    match last.and_then(|message| message.get("content")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|p| p.get("text").and_then(Value::as_str)).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}
