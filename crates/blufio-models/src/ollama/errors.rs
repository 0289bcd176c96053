// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors of Ollama: `{"error":"words"}`, with a status before the stream and as a line of it after status 200
//! (<https://docs.ollama.com/api/errors>). There is no code: only the status tells kinds apart.

use blufio_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

use crate::transport::{Refused, error, kind_of_status, outside_words};

/// An answer with a bad status, or an error behind a good one.
pub(super) fn explain(provider: &str, refused: &Refused) -> ModelError {
    let words = refused.body.as_ref().and_then(|body| words(body.get("error")?));
    make(provider, kind_of_status(refused.status), words.unwrap_or("no readable message"), refused.status)
}

/// The error of a line, where it has one. It says nothing of its kind, so that another attempt may help: a model that
/// ran out of memory, a tool call that could not be parsed.
pub(super) fn of_line(provider: &str, line: &Value) -> Option<ModelError> {
    let inner = line.get("error").filter(|inner| !inner.is_null())?;
    let words = words(inner).unwrap_or("no readable message");
    Some(make(provider, ModelErrorKind::Overloaded, words, 200))
}

/// Words of an error; proxies wrap them as Chat Completions does.
fn words(inner: &Value) -> Option<&str> {
    inner.as_str().or_else(|| inner.get("message").and_then(Value::as_str))
}

fn make(provider: &str, kind: ModelErrorKind, words: &str, status: u16) -> ModelError {
    error(kind, outside_words(provider, status, words))
}
