// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers and their bytes.

use serde_json::{Value, json};

/// A part of an answer, in the order in which it is streamed.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text, word by word.
    Text(String),
    /// A refusal, word by word.
    Refusal(String),
    /// Reasoning in `reasoning_content` (DeepSeek, vLLM, llama.cpp).
    Reasoning(String),
    /// One entry of `reasoning_details` (OpenRouter).
    Detail(Value),
    /// A tool call: id, name, arguments.
    Tool(String, String, Value),
}

/// Tokens that the answer reports; `prompt` includes `cached` and `written`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The whole prompt.
    pub prompt: u64,
    /// The answer.
    pub completion: u64,
    /// Read from the cache.
    pub cached: u64,
    /// Written to the cache.
    pub written: u64,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Parts.
    pub pieces: Vec<Piece>,
    /// `finish_reason`.
    pub finish: String,
    /// Usage; `None` reports none.
    pub usage: Option<Usage>,
    /// The model that answers; empty for the one asked for.
    pub model: String,
    /// Comment lines between events, as OpenRouter and DeepSeek send them.
    pub comments: bool,
}

impl Answer {
    /// An answer of these parts.
    pub fn of(pieces: Vec<Piece>, finish: &str) -> Self {
        Self {
            pieces,
            finish: finish.into(),
            usage: Some(Usage { prompt: 120, completion: 20, cached: 0, written: 0 }),
            model: String::new(),
            comments: false,
        }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::of(vec![Piece::Text(text.into())], "stop")
    }

    /// Tool calls.
    pub fn tools(calls: &[(&str, &str, Value)]) -> Self {
        let pieces = calls
            .iter()
            .map(|(id, name, input)| Piece::Tool((*id).into(), (*name).into(), input.clone()))
            .collect();
        Self::of(pieces, "tool_calls")
    }

    /// Another reason to finish.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish = reason.into();
        self
    }

    fn model_or<'a>(&'a self, asked: &'a str) -> &'a str {
        if self.model.is_empty() { asked } else { &self.model }
    }

    fn usage_json(&self) -> Value {
        match self.usage {
            None => Value::Null,
            Some(u) => json!({"prompt_tokens": u.prompt, "completion_tokens": u.completion,
                "total_tokens": u.prompt + u.completion,
                "prompt_tokens_details": {"cached_tokens": u.cached, "cache_write_tokens": u.written, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}}),
        }
    }

    /// The body of an answer that is not streamed.
    pub(super) fn completion(&self, asked: &str, number: u64) -> Value {
        let texts =
            |pick: fn(&Piece) -> Option<&str>| self.pieces.iter().filter_map(pick).collect::<String>();
        let text = texts(|piece| if let Piece::Text(text) = piece { Some(text) } else { None });
        let refusal = texts(|piece| if let Piece::Refusal(text) = piece { Some(text) } else { None });
        let or_null = |text: String| if text.is_empty() { Value::Null } else { Value::from(text) };
        let mut message = json!({"role": "assistant", "content": or_null(text), "refusal": or_null(refusal)});
        let calls: Vec<Value> = self
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Tool(id, name, input) => Some(json!({"id": id, "type": "function",
                    "function": {"name": name, "arguments": input.to_string()}})),
                _ => None,
            })
            .collect();
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        json!({"id": format!("chatcmpl-{number:08}"), "object": "chat.completion", "created": 1_790_000_000,
            "model": self.model_or(asked), "usage": self.usage_json(),
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish}]})
    }

    /// The events of a stream, one string each.
    pub fn events(&self, asked: &str, number: u64, with_usage: bool) -> Vec<String> {
        let chunk = |choices: Value| {
            let mut chunk = json!({"id": format!("chatcmpl-{number:08}"), "object": "chat.completion.chunk",
                "created": 1_790_000_000, "model": self.model_or(asked), "choices": choices});
            if with_usage {
                chunk["usage"] = Value::Null;
            }
            chunk
        };
        let delta = |delta: Value| {
            event(&chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}])))
        };
        let mut out = Vec::new();
        if self.comments {
            out.push(": OPENROUTER PROCESSING\n\n".to_string());
        }
        out.push(delta(json!({"role": "assistant", "content": "", "refusal": null})));
        let mut calls = 0;
        for piece in &self.pieces {
            let is_call = matches!(piece, Piece::Tool(..));
            out.extend(deltas(piece, calls).into_iter().map(delta));
            calls += usize::from(is_call);
            if self.comments {
                out.push(": keep-alive\n\n".to_string());
            }
        }
        out.push(event(&chunk(
            json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": self.finish}]),
        )));
        if with_usage && self.usage.is_some() {
            let mut last = chunk(json!([]));
            last["usage"] = self.usage_json();
            out.push(event(&last));
        }
        out.push("data: [DONE]\n\n".to_string());
        out
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn deltas(piece: &Piece, index: usize) -> Vec<Value> {
    let words = |text: &str, field: &str| -> Vec<Value> {
        text.split_inclusive(' ').map(|word| json!({ field: word })).collect()
    };
    match piece {
        Piece::Text(text) => words(text, "content"),
        Piece::Refusal(text) => words(text, "refusal"),
        Piece::Reasoning(text) => words(text, "reasoning_content"),
        Piece::Detail(detail) => vec![json!({"reasoning_details": [detail]})],
        Piece::Tool(id, name, input) => {
            let text = input.to_string();
            let characters: Vec<char> = text.chars().collect();
            let first = json!({"tool_calls": [{"index": index, "id": id, "type": "function",
                "function": {"name": name, "arguments": ""}}]});
            let rest = characters.chunks(9).map(|part| {
                let part: String = part.iter().collect();
                json!({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
            });
            std::iter::once(first).chain(rest).collect()
        }
    }
}
