// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors of the Messages API: by the type in the body first, by the status otherwise, because an error may come after
//! a status of 200. <https://docs.anthropic.com/en/api/errors>

use blufio_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

use super::PROVIDER;
use crate::transport::{Refused, error, kind_of_status, outside_words};

/// An answer with a bad status, or an error behind a good one.
pub(super) fn explain(_: &str, refused: &Refused) -> ModelError {
    match &refused.body {
        Some(body) => from_body(body, refused.status),
        None => make(kind_of_status(refused.status), "no readable message", refused.status),
    }
}

/// An error event of a stream.
pub(super) fn from_event(data: &Value) -> ModelError {
    from_body(data, 200)
}

/// An error object: `{"type":"error","error":{"type":…,"message":…}}`.
fn from_body(body: &Value, status: u16) -> ModelError {
    let inner = body.get("error").unwrap_or(body);
    let words = inner.get("message").and_then(Value::as_str).unwrap_or("no message");
    let kind = match inner.get("type").and_then(Value::as_str).unwrap_or("") {
        "invalid_request_error" | "not_found_error" | "request_too_large" => ModelErrorKind::InvalidRequest,
        "authentication_error" | "permission_error" => ModelErrorKind::Authentication,
        "billing_error" => ModelErrorKind::Billing,
        "rate_limit_error" => ModelErrorKind::RateLimited,
        "overloaded_error" | "api_error" | "timeout_error" => ModelErrorKind::Overloaded,
        _ => kind_of_status(status),
    };
    make(kind, words, status)
}

fn make(kind: ModelErrorKind, words: &str, status: u16) -> ModelError {
    error(kind, outside_words(PROVIDER, status, words))
}
