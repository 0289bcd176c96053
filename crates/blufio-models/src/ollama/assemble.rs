// SPDX-License-Identifier: MIT OR Apache-2.0
//! From lines to one whole answer, or to the reason why there is none. An answer exists only after the line with
//! `"done":true`; calls come whole, in one line each or several in one.
//!
//! Lines: <https://docs.ollama.com/api/chat>. Fields that are not known are passed over.

use blufio_core::model::{
    Block, ModelDelta, ModelError, ModelErrorKind, ModelReply, RawContent, Role, StopReason, Turn, Usage,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{errors, request};
use crate::fence;
use crate::stream::Collector;
use crate::transport::error;

/// Most calls of one answer.
const CALLS_MAX: usize = 1_024;
/// Most bytes of one answer.
const CONTENT_BYTES_MAX: usize = 16 << 20;
/// Highest number of tokens that is believed.
const TOKENS_MAX: u64 = 1 << 40;

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    /// One JSON object, as received.
    input: String,
}

/// Collects one answer.
#[derive(Debug)]
pub struct Assembler {
    provider: String,
    /// Whether an answer may come wrapped in a code fence: some models are served without regard to `format`.
    unwraps: bool,
    /// Time of the first line: makes ids that no other answer has.
    stamp: String,
    model: String,
    text: String,
    thinking: String,
    calls: Vec<Call>,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    bytes: usize,
}

/// The calls of a line, with their arguments byte for byte.
#[derive(Deserialize)]
struct CallLine<'a> {
    #[serde(borrow)]
    message: CallMessage<'a>,
}

#[derive(Deserialize)]
struct CallMessage<'a> {
    #[serde(borrow)]
    tool_calls: Vec<WireCall<'a>>,
}

#[derive(Deserialize)]
struct WireCall<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    function: WireFunction<'a>,
}

#[derive(Deserialize)]
struct WireFunction<'a> {
    name: String,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

fn incomplete(message: impl Into<String>) -> ModelError {
    error(ModelErrorKind::Incomplete, message)
}

impl Assembler {
    /// For one answer of a named server; `structured` when a schema was asked for.
    pub fn new(provider: &str, structured: bool) -> Self {
        Self {
            provider: provider.to_string(),
            unwraps: structured,
            stamp: String::new(),
            model: String::new(),
            text: String::new(),
            thinking: String::new(),
            calls: Vec::new(),
            stop: None,
            usage: None,
            bytes: 0,
        }
    }

    fn line(&mut self, line: &str, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        if self.stop.is_some() {
            return Ok(());
        }
        self.bytes += line.len();
        if self.bytes > CONTENT_BYTES_MAX {
            return Err(incomplete("the answer is larger than 16 MiB"));
        }
        let data: Value =
            serde_json::from_str(line).map_err(|_| incomplete("a line of the stream is not JSON"))?;
        if let Some(failed) = errors::of_line(&self.provider, &data) {
            return Err(failed);
        }
        let done = data
            .get("done")
            .and_then(Value::as_bool)
            .ok_or_else(|| incomplete("a line of the stream does not say whether it is the last"))?;
        for (field, kept) in [("created_at", &mut self.stamp), ("model", &mut self.model)] {
            if kept.is_empty() {
                let said = data.get(field).and_then(Value::as_str).unwrap_or("");
                *kept = said.chars().take(200).collect();
            }
        }
        self.message(line, &data, on_delta)?;
        if done {
            self.done(&data)?;
        }
        Ok(())
    }

    fn message(
        &mut self,
        line: &str,
        data: &Value,
        on_delta: &mut dyn FnMut(ModelDelta),
    ) -> Result<(), ModelError> {
        let Some(message) = data.get("message").and_then(Value::as_object) else { return Ok(()) };
        let piece = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or("");
        self.thinking.push_str(piece("thinking"));
        if !piece("content").is_empty() {
            self.text.push_str(piece("content"));
            on_delta(ModelDelta::Text(piece("content").to_string()));
        }
        let has_calls =
            message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
        if !has_calls {
            return Ok(());
        }
        let wire: CallLine<'_> = serde_json::from_str(line)
            .map_err(|_| incomplete("a tool call without a name, or in an unknown form"))?;
        for call in wire.message.tool_calls {
            self.call(call, on_delta)?;
        }
        Ok(())
    }

    fn call(&mut self, call: WireCall<'_>, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        if self.calls.len() >= CALLS_MAX {
            return Err(incomplete("too many tool calls"));
        }
        let name = call.function.name;
        let given = call.function.arguments.map_or("{}", RawValue::get);
        // Some proxies send arguments as text, as Chat Completions does.
        let input = serde_json::from_str::<String>(given).unwrap_or_else(|_| given.to_string());
        let is_object = serde_json::from_str::<Value>(&input).is_ok_and(|value| value.is_object());
        if name.is_empty() || !is_object {
            return Err(incomplete("a tool call without a name, or whose arguments are no object"));
        }
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.invented_id());
        if self.calls.iter().any(|other| other.id == id) {
            return Err(incomplete("two tool calls with one id"));
        }
        on_delta(ModelDelta::ToolStarted(name.clone()));
        self.calls.push(Call { id, name, input });
        Ok(())
    }

    /// An id for a server that gives none, in letters that every provider takes.
    fn invented_id(&self) -> String {
        let stamp: String = self.stamp.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        format!("call_{stamp}_{}", self.calls.len())
    }

    fn done(&mut self, data: &Value) -> Result<(), ModelError> {
        self.usage = usage(data);
        let fail = |message: &str| ModelError { usage: self.usage, ..incomplete(message) };
        self.stop = Some(match data.get("done_reason").and_then(Value::as_str) {
            Some("stop") => StopReason::EndTurn,
            Some("length") => StopReason::MaxTokens,
            Some("load" | "unload") => return Err(fail("the model was only loaded or unloaded")),
            Some(other) => StopReason::Other(other.chars().take(100).collect()),
            None => return Err(fail("the answer has no done_reason")),
        });
        Ok(())
    }

    fn whole(self, request_id: Option<String>) -> Result<ModelReply, ModelError> {
        let usage = self.usage;
        let Some(mut stop) = self.stop else {
            return Err(ModelError {
                usage,
                request_id,
                ..incomplete("the stream ended before its last line")
            });
        };
        // A call of an answer that was cut is never executed.
        let calls = if stop == StopReason::MaxTokens { Vec::new() } else { self.calls };
        if stop == StopReason::EndTurn && !calls.is_empty() {
            stop = StopReason::ToolUse;
        }
        let wire: Vec<String> =
            calls.iter().map(|call| request::call(&call.id, &call.name, &call.input)).collect();
        let said = if self.unwraps { fence::unwrapped(&self.text) } else { &self.text };
        // A blank text is no content, and other providers refuse it in a history.
        let text = (!said.trim().is_empty()).then(|| Block::Text { text: said.to_string() });
        let calls =
            calls.into_iter().map(|call| Block::ToolUse { id: call.id, name: call.name, input: call.input });
        let blocks: Vec<Block> = text.into_iter().chain(calls).collect();
        let message = request::message(said, &self.thinking, &wire);
        let raw = (!blocks.is_empty())
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

impl Collector<String> for Assembler {
    fn take(&mut self, line: &String, on_delta: &mut dyn FnMut(ModelDelta)) -> Result<(), ModelError> {
        self.line(line, on_delta)
    }

    fn is_finished(&self) -> bool {
        self.stop.is_some()
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn finish(self, request_id: Option<String>) -> Result<ModelReply, ModelError> {
        self.whole(request_id)
    }
}

/// The counts of a last line; `None` where one of them cannot be meant. A count of nothing is left out of the line: that
/// of a prompt which is wholly in the server's memory.
fn usage(last: &Value) -> Option<Usage> {
    let count = |name: &str| match last.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(number) => number.as_u64().map(|n| Some(n.min(TOKENS_MAX))),
    };
    let (prompt, answer) = (count("prompt_eval_count")?, count("eval_count")?);
    (prompt.is_some() || answer.is_some()).then(|| Usage {
        input_tokens: prompt.unwrap_or(0),
        output_tokens: answer.unwrap_or(0),
        ..Usage::default()
    })
}
