// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers and their bytes.

use serde_json::{Value, json};

/// A content block.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text, streamed word by word.
    Text(String),
    /// A tool call: id, name, input.
    Tool(String, String, Value),
    /// Thinking with its signature.
    Thinking(String, String),
}

/// Tokens that the answer reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Input.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// Written to the cache.
    pub cache_write: u64,
    /// Of these, those that are kept for an hour.
    pub cache_write_1h: u64,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Blocks.
    pub pieces: Vec<Piece>,
    /// `stop_reason`.
    pub stop: String,
    /// Usage; `None` reports none.
    pub usage: Option<Usage>,
    /// The model that answers; empty for the one asked for.
    pub model: String,
}

impl Answer {
    fn of(pieces: Vec<Piece>, stop: &str) -> Self {
        Self {
            pieces,
            stop: stop.into(),
            usage: Some(Usage { input: 120, output: 20, cache_read: 0, cache_write: 0, cache_write_1h: 0 }),
            model: String::new(),
        }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::of(vec![Piece::Text(text.into())], "end_turn")
    }

    /// A value for structured output.
    pub fn json(value: &Value) -> Self {
        Self::text(&value.to_string())
    }

    /// Tool calls.
    pub fn tools(calls: &[(&str, &str, Value)]) -> Self {
        let pieces = calls
            .iter()
            .map(|(id, name, input)| Piece::Tool((*id).into(), (*name).into(), input.clone()))
            .collect();
        Self::of(pieces, "tool_use")
    }

    /// Another stop reason.
    #[must_use]
    pub fn stop(mut self, reason: &str) -> Self {
        self.stop = reason.into();
        self
    }

    /// Everything that it says, for counting.
    pub(super) fn words(&self) -> String {
        let words = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Tool(_, name, input) => format!("{name} {input}"),
            Piece::Thinking(thinking, _) => thinking.clone(),
        };
        self.pieces.iter().map(words).collect::<Vec<_>>().join("\n")
    }

    /// The body of an answer that is not streamed.
    pub(super) fn message(&self, asked: &str, number: u64) -> Value {
        let content: Vec<Value> = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => json!({"type": "text", "text": text}),
                Piece::Tool(id, name, input) => {
                    json!({"type": "tool_use", "id": id, "name": name, "input": input})
                }
                Piece::Thinking(thinking, signature) => {
                    json!({"type": "thinking", "thinking": thinking, "signature": signature})
                }
            })
            .collect();
        json!({"id": format!("msg_{number:08}"), "type": "message", "role": "assistant", "model": self.model_or(asked),
            "content": content, "stop_reason": self.stop, "stop_sequence": null, "usage": self.usage_json(true)})
    }

    fn model_or<'a>(&'a self, asked: &'a str) -> &'a str {
        if self.model.is_empty() { asked } else { &self.model }
    }

    fn usage_json(&self, final_output: bool) -> Value {
        match self.usage {
            Some(u) => {
                json!({"input_tokens": u.input, "output_tokens": if final_output { u.output } else { 1 },
                "cache_read_input_tokens": u.cache_read, "cache_creation_input_tokens": u.cache_write,
                "cache_creation": {"ephemeral_5m_input_tokens": u.cache_write.saturating_sub(u.cache_write_1h),
                    "ephemeral_1h_input_tokens": u.cache_write_1h}})
            }
            None => json!({}),
        }
    }

    /// The events of a stream, one string each.
    pub fn events(&self, asked: &str, number: u64) -> Vec<String> {
        let start = json!({"type": "message_start", "message": {"id": format!("msg_{number:08}"), "type": "message", "role": "assistant",
            "model": self.model_or(asked), "content": [], "stop_reason": null, "stop_sequence": null, "usage": self.usage_json(false)}});
        let mut out = vec![event("message_start", &start)];
        for (index, piece) in self.pieces.iter().enumerate() {
            let (block, deltas) = parts(piece);
            out.push(event(
                "content_block_start",
                &json!({"type": "content_block_start", "index": index, "content_block": block}),
            ));
            if index == 0 {
                out.push(event("ping", &json!({"type": "ping"})));
            }
            for delta in deltas {
                out.push(event(
                    "content_block_delta",
                    &json!({"type": "content_block_delta", "index": index, "delta": delta}),
                ));
            }
            out.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": index})));
        }
        let usage = self.usage.map_or(json!({}), |u| json!({"output_tokens": u.output}));
        let delta = json!({"type": "message_delta", "delta": {"stop_reason": self.stop, "stop_sequence": null}, "usage": usage});
        out.push(event("message_delta", &delta));
        out.push(event("message_stop", &json!({"type": "message_stop"})));
        out
    }
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn parts(piece: &Piece) -> (Value, Vec<Value>) {
    match piece {
        Piece::Text(text) => {
            let words = text.split_inclusive(' ').map(|w| json!({"type": "text_delta", "text": w})).collect();
            (json!({"type": "text", "text": ""}), words)
        }
        Piece::Tool(id, name, input) => {
            let text = input.to_string();
            let characters: Vec<char> = text.chars().collect();
            let pieces = characters
                .chunks(9)
                .map(|c| json!({"type": "input_json_delta", "partial_json": c.iter().collect::<String>()}))
                .collect();
            (json!({"type": "tool_use", "id": id, "name": name, "input": {}}), pieces)
        }
        Piece::Thinking(thinking, signature) => (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": thinking}),
                json!({"type": "signature_delta", "signature": signature}),
            ],
        ),
    }
}
