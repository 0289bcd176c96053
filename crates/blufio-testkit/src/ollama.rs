// SPDX-License-Identifier: MIT OR Apache-2.0
//! An emulated Ollama (<https://docs.ollama.com/api>): `/api/chat` with scripts, `/api/tags`, `/api/show`, `/api/embed`.
//! Stricter than the real one, which passes over fields that it does not know: a wrong name is a mistake in a test.

mod check;
mod stream;

use serde_json::{Value, json};

pub use stream::{Answer, Piece};

use crate::schema::first_value;
use crate::scripted::{self, Wire};

/// A running emulator.
pub type Emulator = scripted::Emulator<Answer>;
/// What a request gets.
pub type Script = scripted::Script<Answer>;

/// A model that the server does not have.
pub const MISSING_MODEL: &str = "missing";

impl Wire for Answer {
    const CHAT_PATH: &'static str = "/api/chat";
    const STREAM_TYPE: &'static str = "application/x-ndjson";
    const NEEDS_KEY: bool = false;

    fn pieces(&self, asked: &Value, number: u64) -> Vec<String> {
        self.lines(asked.get("model").and_then(Value::as_str).unwrap_or(""), number)
    }

    fn whole(&self, asked: &Value, number: u64) -> Value {
        self.message(asked.get("model").and_then(Value::as_str).unwrap_or(""), number)
    }

    fn wants_stream(asked: &Value) -> bool {
        asked.get("stream") != Some(&Value::Bool(false))
    }

    fn echo(asked: &Value) -> Self {
        match asked.get("format").filter(|format| format.is_object()) {
            Some(schema) => Self::text(&first_value(schema).to_string()),
            None => {
                let messages = asked.get("messages").and_then(Value::as_array);
                let last = messages.and_then(|all| {
                    all.iter().rev().find(|m| m.get("role").and_then(Value::as_str) == Some("user"))
                });
                let said = last.and_then(|m| m.get("content")).and_then(Value::as_str).unwrap_or("");
                Self::text(&format!("echo: {said}"))
            }
        }
    }

    fn error(_: u16, _: &str, message: &str) -> Value {
        json!({ "error": message })
    }

    fn error_piece(_: &str, message: &str) -> String {
        format!("{}\n", json!({ "error": message }))
    }

    fn check(asked: &Value) -> Result<(), (u16, String)> {
        if asked.get("model").and_then(Value::as_str) == Some(MISSING_MODEL) {
            return Err((404, format!("model '{MISSING_MODEL}' not found")));
        }
        check::request(asked).map_err(|words| (400, words))
    }

    fn other(path: &str, body: &Value) -> Option<(u16, Value)> {
        let model = body.get("model").and_then(Value::as_str).unwrap_or("");
        let details = json!({"format": "gguf", "family": "qwen3", "families": ["qwen3"],
            "parameter_size": "4.0B", "quantization_level": "Q4_K_M", "parent_model": ""});
        Some(match path {
            "/api/version" => (200, json!({"version": "0.40.12"})),
            "/api/tags" => (
                200,
                json!({"models": [{"name": "qwen3:4b", "model": "qwen3:4b", "modified_at": "2026-10-01T00:00:00Z",
                    "size": 1, "digest": "d", "details": details}]}),
            ),
            "/api/show" if model == MISSING_MODEL => {
                (404, json!({"error": format!("model '{model}' not found")}))
            }
            "/api/show" => (
                200,
                json!({"license": "", "modelfile": "", "parameters": "", "template": "", "details": details,
                    "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40_960},
                    "capabilities": ["completion", "tools", "thinking"]}),
            ),
            "/api/embed" => embed(body),
            _ => return None,
        })
    }
}

fn embed(body: &Value) -> (u16, Value) {
    let texts: Vec<&str> = match body.get("input") {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => return (400, json!({"error": "invalid input type"})),
    };
    let vectors: Vec<Value> =
        texts.iter().map(|text| json!([text.len(), text.chars().count(), 1.0])).collect();
    let model = body.get("model").cloned().unwrap_or_default();
    (
        200,
        json!({"model": model, "embeddings": vectors, "total_duration": 1, "load_duration": 1, "prompt_eval_count": 1}),
    )
}
