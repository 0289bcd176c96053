// SPDX-License-Identifier: MIT OR Apache-2.0
//! From stream events to one whole answer, or to the reason why there is none. Nothing half received leaves this file:
//! an answer exists only after `message_stop`, and a tool call only when its input is one complete JSON object.
//!
//! Events: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>. New kinds of events, deltas and blocks may
//! appear at any time: unknown events and deltas are passed over, unknown blocks are kept as they are.

use blufio_core::model::{
    Block, ModelDelta, ModelError, ModelErrorKind, ModelReply, RawContent, Role, StopReason, Turn, Usage,
};
use serde_json::{Map, Value};

use super::PROVIDER;
use crate::sse::SseEvent;
use crate::stream::Collector;

/// Most content blocks of one answer.
const BLOCKS_MAX: usize = 1_024;
/// Most bytes of one answer.
const CONTENT_BYTES_MAX: usize = 16 << 20;

#[derive(Debug)]
struct OpenBlock {
    block: Map<String, Value>,
    /// Pieces of a tool's input.
    json: String,
    closed: bool,
}

/// Collects one answer.
#[derive(Debug, Default)]
pub struct Assembler {
    started: bool,
    blocks: Vec<OpenBlock>,
    model: String,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    /// Whether something of the prompt is to be cached for an hour.
    keeps_an_hour: bool,
    /// Whether the provider told how much of it was.
    tells_how_long: bool,
    /// Whether the prompt was counted.
    has_input: bool,
    /// Whether the whole answer was counted: `message_start` has the count of its first token only.
    has_output: bool,
    bytes: usize,
    finished: bool,
}

fn incomplete(message: impl Into<String>) -> ModelError {
    ModelError {
        kind: ModelErrorKind::Incomplete,
        message: message.into(),
        retry_after_ms: None,
        usage: None,
        request_id: None,
        status: None,
    }
}

impl Assembler {
    /// Of an answer to a request of which something is to be cached for an hour, or not.
    pub fn new(keeps_an_hour: bool) -> Self {
        Self { keeps_an_hour, ..Self::default() }
    }

    /// What the answer cost; `None` as long as a part of it is not known.
    fn counted(&self) -> Option<Usage> {
        self.usage.filter(|_| self.has_input && self.has_output)
    }

    fn event(&mut self, event: &SseEvent, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        if self.finished {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|_| incomplete("an event of the stream is not JSON"))?;
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(&event.event).to_string();
        self.bytes += event.data.len();
        if self.bytes > CONTENT_BYTES_MAX {
            return Err(incomplete("the answer is larger than 16 MiB"));
        }
        match kind.as_str() {
            "message_start" => self.message_start(&data),
            "content_block_start" => self.block_start(data, on_delta),
            "content_block_delta" => self.block_delta(&data, on_delta),
            "content_block_stop" => self.block_stop(&data),
            "message_delta" => self.message_delta(&data),
            "message_stop" => self.message_stop(),
            "error" => Err(super::errors::from_event(&data)),
            _ => Ok(()),
        }
    }

    fn message_start(&mut self, data: &Value) -> Result<(), ModelError> {
        if std::mem::replace(&mut self.started, true) {
            return Err(incomplete("two message_start events in one stream"));
        }
        let message = data.get("message").unwrap_or(&Value::Null);
        self.model = message.get("model").and_then(Value::as_str).unwrap_or("").chars().take(200).collect();
        self.add_usage(message.get("usage"), false);
        Ok(())
    }

    fn add_usage(&mut self, usage: Option<&Value>, is_of_all: bool) {
        let Some(Value::Object(fields)) = usage else { return };
        // Numbers are cumulative: a later one replaces an earlier one. Negative and absurd ones are not believed.
        let number = |name: &str| fields.get(name).and_then(Value::as_u64).map(|n| n.min(1 << 40));
        self.has_input |= number("input_tokens").is_some();
        self.has_output |= is_of_all && number("output_tokens").is_some();
        let mut so_far = self.usage.unwrap_or_default();
        so_far.input_tokens = number("input_tokens").unwrap_or(so_far.input_tokens);
        so_far.output_tokens = number("output_tokens").unwrap_or(so_far.output_tokens);
        so_far.cache_read_tokens = number("cache_read_input_tokens").unwrap_or(so_far.cache_read_tokens);
        so_far.cache_write_tokens =
            number("cache_creation_input_tokens").unwrap_or(so_far.cache_write_tokens);
        let kept = fields.get("cache_creation").and_then(|kept| kept.get("ephemeral_1h_input_tokens"));
        if let Some(kept) = kept.and_then(Value::as_u64) {
            so_far.cache_write_1h_tokens = kept.min(so_far.cache_write_tokens);
            self.tells_how_long = true;
        } else if self.keeps_an_hour && !self.tells_how_long {
            // A proxy in between may leave it out: the dearer of the two.
            so_far.cache_write_1h_tokens = so_far.cache_write_tokens;
        }
        self.usage = Some(so_far);
    }

    fn index(&self, data: &Value) -> Result<usize, ModelError> {
        let index = data
            .get("index")
            .and_then(Value::as_u64)
            .ok_or_else(|| incomplete("a block event without an index"))?;
        usize::try_from(index)
            .ok()
            .filter(|i| *i < BLOCKS_MAX)
            .ok_or_else(|| incomplete(format!("block index {index} is out of range")))
    }

    fn block_start(
        &mut self,
        mut data: Value,
        on_delta: &mut dyn FnMut(ModelDelta),
    ) -> Result<(), ModelError> {
        if !self.started {
            return Err(incomplete("a block before message_start"));
        }
        let index = self.index(&data)?;
        if index != self.blocks.len() {
            return Err(incomplete(format!("block {index} where {} was expected", self.blocks.len())));
        }
        let Some(Value::Object(block)) = data.get_mut("content_block").map(Value::take) else {
            return Err(incomplete("a block without content"));
        };
        if block.get("type").and_then(Value::as_str) == Some("tool_use") {
            on_delta(ModelDelta::ToolStarted(text_field(&block, "name")));
        }
        self.blocks.push(OpenBlock { block, json: String::new(), closed: false });
        Ok(())
    }

    fn block_delta(&mut self, data: &Value, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        let index = self.index(data)?;
        let open = self
            .blocks
            .get_mut(index)
            .filter(|b| !b.closed)
            .ok_or_else(|| incomplete(format!("a delta for block {index}, which is not open")))?;
        let Some(delta) = data.get("delta").and_then(Value::as_object) else { return Ok(()) };
        let piece = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or("");
        match delta.get("type").and_then(Value::as_str).unwrap_or("") {
            "text_delta" => {
                append(&mut open.block, "text", piece("text"));
                on_delta(ModelDelta::Text(piece("text").to_string()));
            }
            "input_json_delta" => open.json.push_str(piece("partial_json")),
            "thinking_delta" => append(&mut open.block, "thinking", piece("thinking")),
            "signature_delta" => append(&mut open.block, "signature", piece("signature")),
            "citations_delta" => {
                if let (Some(citation), Value::Array(citations)) = (
                    delta.get("citation"),
                    open.block.entry("citations").or_insert_with(|| Value::Array(Vec::new())),
                ) {
                    citations.push(citation.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn block_stop(&mut self, data: &Value) -> Result<(), ModelError> {
        let index = self.index(data)?;
        let open = self
            .blocks
            .get_mut(index)
            .filter(|b| !b.closed)
            .ok_or_else(|| incomplete(format!("block {index} ends without being open")))?;
        open.closed = true;
        Ok(())
    }

    fn message_delta(&mut self, data: &Value) -> Result<(), ModelError> {
        if !self.started {
            return Err(incomplete("message_delta before message_start"));
        }
        if let Some(reason) = data.pointer("/delta/stop_reason").and_then(Value::as_str) {
            self.stop = Some(match reason {
                "end_turn" => StopReason::EndTurn,
                "tool_use" => StopReason::ToolUse,
                "max_tokens" => StopReason::MaxTokens,
                "refusal" => StopReason::Refusal,
                "pause_turn" => StopReason::PauseTurn,
                "model_context_window_exceeded" => StopReason::ContextWindowExceeded,
                "stop_sequence" => StopReason::StopSequence,
                other => StopReason::Other(other.chars().take(100).collect()),
            });
        }
        self.add_usage(data.get("usage"), true);
        Ok(())
    }

    fn message_stop(&mut self) -> Result<(), ModelError> {
        if !self.started {
            return Err(incomplete("message_stop before message_start"));
        }
        if self.blocks.iter().any(|b| !b.closed) {
            return Err(incomplete("message_stop while a block is open"));
        }
        self.finished = true;
        Ok(())
    }

    fn whole(self, request_id: Option<String>) -> Result<ModelReply, ModelError> {
        let usage = self.counted();
        let fail =
            |message: &str| ModelError { usage, request_id: request_id.clone(), ..incomplete(message) };
        if !self.finished {
            return Err(fail("the stream ended before message_stop"));
        }
        let stop = self.stop.ok_or_else(|| fail("the answer has no stop_reason"))?;
        let is_cut =
            matches!(stop, StopReason::MaxTokens | StopReason::ContextWindowExceeded | StopReason::Refusal);
        let mut blocks: Vec<Block> = Vec::with_capacity(self.blocks.len());
        let mut raw: Vec<Value> = Vec::with_capacity(self.blocks.len());
        for open in self.blocks {
            let is_tool = open.block.get("type").and_then(Value::as_str) == Some("tool_use");
            // A tool call of an answer that was cut is never executed, whatever its JSON looks like.
            if is_tool && is_cut {
                continue;
            }
            let (block, value) = whole_block(open.block, &open.json).map_err(fail)?;
            // A blank text is no content: sent again, it is refused, by this provider too.
            if matches!(&block, Block::Text { text } if text.trim().is_empty()) {
                continue;
            }
            if let Block::ToolUse { id, .. } = &block
                && blocks.iter().any(|b| matches!(b, Block::ToolUse { id: other, .. } if other == id))
            {
                return Err(fail("two tool calls with one id"));
            }
            blocks.push(block);
            raw.push(value);
        }
        if stop == StopReason::Refusal {
            // What was said before a refusal is not to be kept.
            blocks.retain(|b| matches!(b, Block::Text { .. }));
            raw.clear();
        }
        let json = serde_json::to_string(&raw).map_err(|_| fail("the answer cannot be kept"))?;
        let raw = (!raw.is_empty()).then(|| RawContent { provider: PROVIDER.to_string(), json });
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

fn text_field(block: &Map<String, Value>, name: &str) -> String {
    block.get(name).and_then(Value::as_str).unwrap_or("").to_string()
}

fn append(block: &mut Map<String, Value>, field: &str, piece: &str) {
    match block.entry(field).or_insert_with(|| Value::String(String::new())) {
        Value::String(text) => text.push_str(piece),
        other => *other = Value::String(piece.to_string()),
    }
}

/// A closed block in our form and in the provider's.
fn whole_block(mut block: Map<String, Value>, json: &str) -> Result<(Block, Value), &'static str> {
    match block.get("type").and_then(Value::as_str) {
        Some("text") => {
            let text = text_field(&block, "text");
            Ok((Block::Text { text }, Value::Object(block)))
        }
        Some("tool_use") => {
            let input = if json.trim().is_empty() {
                block.get("input").map_or_else(|| "{}".to_string(), Value::to_string)
            } else {
                json.to_string()
            };
            let parsed: Value =
                serde_json::from_str(&input).map_err(|_| "the input of a tool call is not complete JSON")?;
            if !parsed.is_object() {
                return Err("the input of a tool call is not an object");
            }
            let (id, name) = (text_field(&block, "id"), text_field(&block, "name"));
            if id.is_empty() || name.is_empty() {
                return Err("a tool call without id or name");
            }
            block.insert("input".into(), parsed);
            Ok((Block::ToolUse { id, name, input }, Value::Object(block)))
        }
        _ => {
            let value = Value::Object(block);
            Ok((Block::Opaque { json: value.to_string() }, value))
        }
    }
}
