// SPDX-License-Identifier: MIT OR Apache-2.0
//! From chunks to one whole answer, or to the reason why there is none. Nothing half received leaves this file: an
//! answer exists only after its `finish_reason` and `[DONE]`, a tool call only with complete arguments.
//!
//! Chunks: <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>. Fields that are not known are
//! passed over; comments (`: OPENROUTER PROCESSING`, `: keep-alive`) never get here.

use blufio_core::model::{
    Block, ModelDelta, ModelError, ModelErrorKind, ModelReply, RawContent, Role, StopReason, Turn, Usage,
};
use serde_json::{Map, Value, json};

use super::calls::Calls;
use super::dialect::{Dialect, ReasoningHistory};
use super::{errors, usage};
use crate::fence;
use crate::sse::SseEvent;
use crate::stream::Collector;
use crate::transport::error;

/// Most bytes of one answer.
const CONTENT_BYTES_MAX: usize = 16 << 20;
/// Most entries of `reasoning_details`.
const DETAILS_MAX: usize = 4_096;

/// Collects one answer.
#[derive(Debug, Clone)]
pub struct Assembler {
    provider: String,
    history: ReasoningHistory,
    /// Whether an answer may come wrapped in a code fence, because JSON was asked for.
    unwraps: bool,
    id: String,
    model: String,
    text: String,
    refusal: String,
    reasoning: String,
    details: Vec<Map<String, Value>>,
    calls: Calls,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    /// Whether that is of the whole answer: some count on in every chunk.
    is_counted: bool,
    bytes: usize,
    finished: bool,
}

fn incomplete(message: impl Into<String>) -> ModelError {
    error(ModelErrorKind::Incomplete, message)
}

impl Assembler {
    /// For one answer of a named endpoint; `structured` when a schema was asked for.
    pub fn new(provider: &str, dialect: &Dialect, structured: bool) -> Self {
        Self {
            provider: provider.to_string(),
            history: dialect.reasoning_history,
            unwraps: structured,
            id: String::new(),
            model: String::new(),
            text: String::new(),
            refusal: String::new(),
            reasoning: String::new(),
            details: Vec::new(),
            calls: Calls::default(),
            stop: None,
            usage: None,
            is_counted: false,
            bytes: 0,
            finished: false,
        }
    }

    fn event(&mut self, event: &SseEvent, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        if self.finished {
            return Ok(());
        }
        if event.data.trim() == "[DONE]" {
            self.finished = true;
            return match self.stop {
                Some(_) => Ok(()),
                None => Err(incomplete("the stream is done without a finish_reason")),
            };
        }
        self.bytes += event.data.len();
        if self.bytes > CONTENT_BYTES_MAX {
            return Err(incomplete("the answer is larger than 16 MiB"));
        }
        let chunk: Value = serde_json::from_str(&event.data)
            .map_err(|_| incomplete("an event of the stream is not JSON"))?;
        if !chunk.is_object() {
            return Err(incomplete("an event of the stream is no object"));
        }
        let usage = usage::of_chunk(&chunk);
        self.usage = usage.or(self.usage);
        if let Some(failed) = errors::of_chunk(&self.provider, &event.event, &chunk) {
            return Err(failed);
        }
        let id = chunk.get("id").and_then(Value::as_str).unwrap_or("");
        if !id.is_empty() && !self.id.is_empty() && !id.starts_with(self.id.as_str()) {
            // "Each chunk has the same ID": this one is of another answer (M-31).
            return Err(incomplete("a chunk of another answer"));
        }
        for (field, kept) in [("id", &mut self.id), ("model", &mut self.model)] {
            if kept.is_empty() {
                let said = chunk.get(field).and_then(Value::as_str).unwrap_or("");
                *kept = said.chars().take(200).collect();
            }
        }
        // `[]` and null are how usage comes.
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match choices {
            [] => self.is_counted |= usage.is_some(),
            [choice] if choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0 => {
                self.choice(choice, on_delta)?;
                self.is_counted |= usage.is_some() && self.stop.is_some();
            }
            _ => return Err(incomplete("more than one choice where one was asked for")),
        }
        Ok(())
    }

    /// What the answer cost; `None` as long as a part of it is not known.
    fn counted(&self) -> Option<Usage> {
        self.usage.filter(|_| self.is_counted)
    }

    fn choice(&mut self, choice: &Value, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        if let Some(delta) = choice.get("delta").and_then(Value::as_object) {
            let was_stopped = self.stop.is_some();
            if self.delta(delta, on_delta)? && was_stopped {
                return Err(incomplete("content after the finish_reason"));
            }
        }
        let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) else { return Ok(()) };
        let stop = match reason {
            "stop" => StopReason::EndTurn,
            "tool_calls" | "function_call" => StopReason::ToolUse,
            "length" => StopReason::MaxTokens,
            "content_filter" => StopReason::Refusal,
            "error" | "abort" | "insufficient_system_resource" => {
                return Err(errors::of_finish_reason(&self.provider, reason));
            }
            other => StopReason::Other(other.chars().take(100).collect()),
        };
        // OpenRouter says it again with the usage.
        match self.stop.replace(stop) {
            Some(before) if Some(&before) != self.stop.as_ref() => {
                Err(incomplete("two different reasons to finish"))
            }
            _ => Ok(()),
        }
    }

    /// Takes a delta; whether it held anything.
    fn delta(
        &mut self,
        delta: &Map<String, Value>,
        on_delta: &mut dyn FnMut(ModelDelta),
    ) -> Result<bool, ModelError> {
        let piece = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or("");
        let text = text_of(delta.get("content"));
        let reasoning = [piece("reasoning_content"), piece("reasoning")];
        let reasoning = reasoning.into_iter().find(|r| !r.is_empty()).unwrap_or("");
        let calls = delta.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let pieces = [text.as_str(), reasoning, piece("refusal")];
        let holds = pieces.iter().any(|text| !text.is_empty()) || !calls.is_empty();
        self.reasoning.push_str(reasoning);
        self.refusal.push_str(piece("refusal"));
        if !text.is_empty() {
            self.text.push_str(&text);
            on_delta(ModelDelta::Text(text));
        }
        if self.history == ReasoningHistory::ReasoningDetails {
            self.details(delta.get("reasoning_details"))?;
        }
        for call in calls {
            self.calls.piece(call, on_delta).map_err(incomplete)?;
        }
        Ok(holds)
    }

    /// Pieces of one reasoning block have one `index` and one `type`: their texts are one text.
    fn details(&mut self, details: Option<&Value>) -> Result<(), ModelError> {
        for detail in details.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object) {
            let same = |last: &Map<String, Value>| {
                ["index", "type"].iter().all(|field| last.get(*field) == detail.get(*field))
            };
            if self.details.last().is_some_and(same) {
                for (field, value) in detail {
                    self.details.last_mut().into_iter().for_each(|last| extend(last, field, value));
                }
            } else if self.details.len() >= DETAILS_MAX {
                return Err(incomplete("too much reasoning"));
            } else {
                self.details.push(detail.clone());
            }
        }
        Ok(())
    }

    fn whole(self, request_id: Option<String>) -> Result<ModelReply, ModelError> {
        let usage = self.counted();
        let fail =
            |message: &str| ModelError { usage, request_id: request_id.clone(), ..incomplete(message) };
        if !self.finished {
            return Err(fail("the stream ended before [DONE]"));
        }
        let said = self.stop.clone().ok_or_else(|| fail("the answer has no finish_reason"))?;
        let mut stop = if self.refusal.is_empty() { said } else { StopReason::Refusal };
        // A tool call of an answer that was cut is never executed, whatever its JSON looks like.
        let is_cut = matches!(stop, StopReason::MaxTokens | StopReason::Refusal);
        let has_calls = !self.calls.is_empty() && !is_cut;
        match stop {
            // Gemini behind this API says `stop` of a stream with calls.
            StopReason::EndTurn if has_calls => stop = StopReason::ToolUse,
            StopReason::ToolUse if !has_calls => return Err(fail("the answer calls tools without a call")),
            _ => {}
        }
        let text = if self.unwraps { fence::unwrapped(&self.text) } else { &self.text };
        let shown = if stop == StopReason::Refusal && text.trim().is_empty() { &self.refusal } else { text };
        // A blank text before a call is no content, and other providers refuse it in a history.
        let mut blocks: Vec<Block> =
            (!shown.trim().is_empty()).then(|| Block::Text { text: shown.to_string() }).into_iter().collect();
        let mut message = json!({"role": "assistant", "content": text});
        if has_calls {
            let (calls, raw) = self.calls.finish(&self.id).map_err(fail)?;
            blocks.extend(calls);
            message["tool_calls"] = Value::from(raw);
        }
        match self.history {
            ReasoningHistory::Dropped => {}
            ReasoningHistory::ReasoningContent => message["reasoning_content"] = self.reasoning.into(),
            ReasoningHistory::ReasoningDetails if self.details.is_empty() => {}
            ReasoningHistory::ReasoningDetails => message["reasoning_details"] = self.details.into(),
        }
        // What was said before a refusal is not to be kept, and an empty turn has nothing to keep.
        let raw = (stop != StopReason::Refusal && !blocks.is_empty())
            .then(|| RawContent { provider: self.provider, json: format!("[{message}]") });
        Ok(ModelReply {
            turn: Turn { role: Role::Assistant, blocks, raw },
            stop,
            usage,
            model: self.model,
            request_id,
        })
    }
}

impl Collector<SseEvent> for Assembler {
    fn take(&mut self, event: &SseEvent, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        self.event(event, on_delta).map_err(|failed| {
            // An answer that broke off is billed; the provider's own errors may be, at what was counted by then.
            let is_cut = failed.kind == ModelErrorKind::Incomplete;
            ModelError { usage: if is_cut { self.counted() } else { self.usage }, ..failed }
        })
    }

    fn is_finished(&self) -> bool {
        self.finished
    }

    fn usage(&self) -> Option<Usage> {
        self.counted()
    }

    fn finish(self, request_id: Option<String>) -> Result<ModelReply, ModelError> {
        self.whole(request_id)
    }
}

/// Text of a delta: a string, or (Mistral) a list of parts.
fn text_of(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => String::new(),
    }
}

fn extend(last: &mut Map<String, Value>, field: &str, value: &Value) {
    match (last.get_mut(field), value) {
        (_, Value::Null) => {}
        (Some(Value::String(so_far)), Value::String(more))
            if matches!(field, "text" | "summary" | "data") =>
        {
            so_far.push_str(more);
        }
        _ => {
            last.insert(field.to_string(), value.clone());
        }
    }
}
