// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors of the Messages API: by the type in the body first, by the status otherwise, because an error may come after
//! a status of 200. <https://docs.anthropic.com/en/api/errors>

use blufio_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

/// Longest message that is kept from outside, characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// An error object: `{"type":"error","error":{"type":…,"message":…}}`.
pub(super) fn from_body(body: &Value, status: Option<u16>) -> ModelError {
    let error = body.get("error").unwrap_or(body);
    let kind = error.get("type").and_then(Value::as_str).unwrap_or("");
    let words = error.get("message").and_then(Value::as_str).unwrap_or("no message");
    let kind = match kind {
        "invalid_request_error" | "not_found_error" | "request_too_large" => ModelErrorKind::InvalidRequest,
        "authentication_error" | "permission_error" => ModelErrorKind::Authentication,
        "billing_error" => ModelErrorKind::Billing,
        "rate_limit_error" => ModelErrorKind::RateLimited,
        "overloaded_error" | "api_error" | "timeout_error" => ModelErrorKind::Overloaded,
        _ => from_status(status),
    };
    make(kind, words, status)
}

fn from_status(status: Option<u16>) -> ModelErrorKind {
    match status {
        Some(401 | 403) => ModelErrorKind::Authentication,
        Some(402) => ModelErrorKind::Billing,
        Some(429) => ModelErrorKind::RateLimited,
        Some(400..=499) => ModelErrorKind::InvalidRequest,
        _ => ModelErrorKind::Overloaded,
    }
}

/// An answer without a JSON body that could be read.
pub(super) fn from_status_alone(status: u16) -> ModelError {
    make(from_status(Some(status)), "no readable message", Some(status))
}

fn make(kind: ModelErrorKind, words: &str, status: Option<u16>) -> ModelError {
    let words: String =
        words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect();
    let message = match status {
        Some(status) => format!("anthropic answered {status}: {words}"),
        None => format!("anthropic: {words}"),
    };
    ModelError { kind, message, retry_after_ms: None, usage: None, request_id: None }
}

/// `retry-after` in milliseconds: whole or decimal seconds (RFC 9110 10.2.3; the date form is not used by this API).
pub(super) fn retry_after_ms(header: Option<&str>) -> Option<u64> {
    let seconds: f64 = header?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds.min(86_400.0) * 1_000.0).ceil() as u64)
}
