// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tool calls of one answer, from their pieces. The API numbers them by `index`; others leave the index out, begin at 1,
//! give every call the index 0, repeat the name in every piece, or send arguments as an object. Whatever the form, a
//! call leaves here only with a name, an id of its own, and one complete JSON object for arguments.

use blufio_core::model::{Block, ModelDelta};
use serde_json::{Value, json};

/// Most calls of one answer.
const CALLS_MAX: usize = 1_024;

#[derive(Debug, Clone, Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// Calls so far, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one element of `delta.tool_calls`.
    pub(super) fn piece(
        &mut self,
        piece: &Value,
        on_delta: &mut dyn FnMut(ModelDelta),
    ) -> Result<(), &'static str> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_string();
        let (id, name) = (text(piece.get("id")), text(piece.pointer("/function/name")));
        let index = match piece.get("index") {
            None | Some(Value::Null) => None,
            Some(index) => Some(
                index
                    .as_u64()
                    .filter(|i| *i < CALLS_MAX as u64)
                    .ok_or("a tool call's index is out of range")?,
            ),
        };
        let at = self.place(index, &id, &name)?;
        let call = self.0.get_mut(at).ok_or("a piece of a tool call that never began")?;
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() && !name.is_empty() {
            on_delta(ModelDelta::ToolStarted(name.clone()));
            call.name = name;
        } else if !name.is_empty() && name != call.name {
            return Err("a tool call changes its name");
        }
        match piece.pointer("/function/arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(object @ Value::Object(_)) if call.arguments.is_empty() => {
                call.arguments = object.to_string();
            }
            None | Some(Value::Null) => {}
            Some(_) => return Err("a tool call's arguments are neither text nor an object"),
        }
        Ok(())
    }

    /// The call that a piece belongs to; begins one where the piece is a first one.
    fn place(&mut self, index: Option<u64>, id: &str, name: &str) -> Result<usize, &'static str> {
        let same_id = |call: &Call| id.is_empty() || call.id.is_empty() || call.id == id;
        let found = match index {
            // The latest call with that index, unless the id says that this is another one.
            Some(_) => self.0.iter().rposition(|call| call.index == index).filter(|at| same_id(&self.0[*at])),
            None if !id.is_empty() => self.0.iter().position(|call| call.id == id),
            None if name.is_empty() => self.0.len().checked_sub(1),
            // Neither index nor id: a name begins a call, or is repeated within one that is not complete yet.
            None => self.0.iter().rposition(|call| call.name == name && object(&call.arguments).is_none()),
        };
        match found {
            Some(at) => Ok(at),
            None if index.is_none() && id.is_empty() && name.is_empty() => {
                Err("a piece of a tool call that never began")
            }
            None if self.0.len() >= CALLS_MAX => Err("too many tool calls"),
            None => {
                self.0.push(Call { index, ..Call::default() });
                Ok(self.0.len() - 1)
            }
        }
    }

    /// All calls as blocks and in the API's form; an error when one of them is not complete.
    pub(super) fn finish(self, answer_id: &str) -> Result<(Vec<Block>, Vec<Value>), &'static str> {
        let (mut blocks, mut raw) = (Vec::new(), Vec::new());
        let mut ids: Vec<String> = Vec::new();
        for (at, call) in self.0.into_iter().enumerate() {
            if call.name.is_empty() {
                return Err("a tool call without a name");
            }
            // No arguments at all are how some say `{}`.
            let input = if call.arguments.trim().is_empty() { "{}".to_string() } else { call.arguments };
            if object(&input).is_none() {
                return Err("the arguments of a tool call are not one complete JSON object");
            }
            let id = if call.id.is_empty() { invented_id(answer_id, at) } else { call.id };
            if ids.contains(&id) {
                return Err("two tool calls with one id");
            }
            ids.push(id.clone());
            raw.push(
                json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": input}}),
            );
            blocks.push(Block::ToolUse { id, name: call.name, input });
        }
        Ok((blocks, raw))
    }
}

fn object(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
}

/// An id for a server that gives none: unlike that of any other answer, in letters that every provider takes.
fn invented_id(answer_id: &str, at: usize) -> String {
    let part: String = answer_id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("call_{part}_{at}")
}
