// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers and their bytes.

use serde_json::{Value, json};

/// A part of an answer, in the order in which it is streamed.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text, word by word.
    Text(String),
    /// Thinking, word by word.
    Thinking(String),
    /// A tool call, whole: name and arguments.
    Tool(String, Value),
    /// A tool call with the id that newer servers give.
    ToolWithId(String, String, Value),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Parts.
    pub pieces: Vec<Piece>,
    /// `done_reason`; `None` leaves it out.
    pub done_reason: Option<String>,
    /// Tokens of prompt and answer; `None` reports none.
    pub counts: Option<(u64, u64)>,
    /// The model that answers; empty for the one asked for.
    pub model: String,
}

impl Answer {
    /// An answer of these parts.
    pub fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces, done_reason: Some("stop".into()), counts: Some((26, 20)), model: String::new() }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::of(vec![Piece::Text(text.into())])
    }

    /// Tool calls without ids.
    pub fn tools(calls: &[(&str, Value)]) -> Self {
        Self::of(calls.iter().map(|(name, input)| Piece::Tool((*name).into(), input.clone())).collect())
    }

    /// Another reason to end.
    #[must_use]
    pub fn done_reason(mut self, reason: &str) -> Self {
        self.done_reason = Some(reason.into());
        self
    }

    fn line(&self, asked: &str, number: u64, at: usize, message: &Value) -> Value {
        let model = if self.model.is_empty() { asked } else { &self.model };
        let created = format!("2026-11-21T09:{:02}:{:02}.{at:06}Z", number / 60 % 60, number % 60);
        json!({"model": model, "created_at": created, "message": message, "done": false})
    }

    fn close(&self, line: &mut Value) {
        line["done"] = true.into();
        if let Some(reason) = &self.done_reason {
            line["done_reason"] = reason.as_str().into();
        }
        if let Some((prompt, answer)) = self.counts {
            let numbers = json!({"total_duration": 4_883_583_458_u64, "load_duration": 1_334_875, "prompt_eval_count": prompt,
                "prompt_eval_duration": 342_546_000, "eval_count": answer, "eval_duration": 4_535_599_000_u64});
            for (name, number) in numbers.as_object().into_iter().flatten() {
                line[name] = number.clone();
            }
        }
    }

    /// The lines of a stream, one string each.
    pub fn lines(&self, asked: &str, number: u64) -> Vec<String> {
        let messages = self.pieces.iter().flat_map(messages);
        let mut lines: Vec<Value> =
            messages.enumerate().map(|(at, message)| self.line(asked, number, at, &message)).collect();
        let end = json!({"role": "assistant", "content": ""});
        let mut last = self.line(asked, number, lines.len(), &end);
        self.close(&mut last);
        lines.push(last);
        lines.into_iter().map(|line| format!("{line}\n")).collect()
    }

    /// The body of an answer that is not streamed.
    pub(super) fn message(&self, asked: &str, number: u64) -> Value {
        let mut whole = json!({"role": "assistant", "content": ""});
        for message in self.pieces.iter().flat_map(messages) {
            for (field, value) in message.as_object().into_iter().flatten().filter(|(f, _)| *f != "role") {
                whole[field] = match (whole.get(field), value) {
                    (Some(Value::String(so_far)), Value::String(more)) => format!("{so_far}{more}").into(),
                    (Some(Value::Array(so_far)), Value::Array(more)) => {
                        so_far.iter().chain(more).cloned().collect()
                    }
                    _ => value.clone(),
                };
            }
        }
        let mut line = self.line(asked, number, 0, &whole);
        self.close(&mut line);
        line
    }
}

fn messages(piece: &Piece) -> Vec<Value> {
    let words = |text: &str| text.split_inclusive(' ').map(str::to_string).collect::<Vec<_>>();
    match piece {
        Piece::Text(text) => {
            words(text).into_iter().map(|word| json!({"role": "assistant", "content": word})).collect()
        }
        Piece::Thinking(text) => words(text)
            .into_iter()
            .map(|word| json!({"role": "assistant", "content": "", "thinking": word}))
            .collect(),
        Piece::Tool(name, input) => vec![json!({"role": "assistant", "content": "",
            "tool_calls": [{"function": {"name": name, "arguments": input}}]})],
        Piece::ToolWithId(id, name, input) => vec![json!({"role": "assistant", "content": "",
            "tool_calls": [{"id": id, "function": {"index": 0, "name": name, "arguments": input}}]})],
    }
}
