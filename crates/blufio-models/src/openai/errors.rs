// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors of Chat Completions: `{"error":{"message":…,"type":…,"code":…}}` before and within streams. `code` is a word
//! (OpenAI, Groq), a number that is a status (OpenRouter, vLLM), or nothing; `type` of DeepSeek says
//! `invalid_request_error` of an empty account. So: exact words first, then the status, then the rest.
//! <https://platform.openai.com/docs/guides/error-codes>, <https://openrouter.ai/docs/api/reference/errors-and-debugging>,
//! <https://api-docs.deepseek.com/quick_start/error_codes>

use blufio_core::model::{ModelError, ModelErrorKind};
use serde_json::Value;

use crate::transport::{Refused, error, kind_of_status, outside_words};

/// An answer with a bad status, or an error behind a good one.
pub(super) fn explain(provider: &str, refused: &Refused) -> ModelError {
    match &refused.body {
        Some(body) => from_body(provider, body, refused.status),
        None => make(provider, kind_of_status(refused.status), "no readable message", refused.status),
    }
}

/// The error of a chunk, where there is one. vLLM has sent it without the envelope, as `{"object":"error",…}`; Groq
/// names the reason of a stream that stopped early in `x_groq.error`.
pub(super) fn of_chunk(provider: &str, event: &str, chunk: &Value) -> Option<ModelError> {
    let has_error = chunk.get("error").is_some_and(|inner| !inner.is_null())
        || event == "error"
        || chunk.get("object").and_then(Value::as_str) == Some("error");
    if has_error {
        return Some(from_body(provider, chunk, 200));
    }
    let groq = chunk.pointer("/x_groq/error").filter(|inner| !inner.is_null())?;
    let words = groq.as_str().unwrap_or("the stream stopped early");
    Some(make(provider, ModelErrorKind::Overloaded, words, 200))
}

/// A stop of the provider's own, told as a reason to finish.
pub(super) fn of_finish_reason(provider: &str, reason: &str) -> ModelError {
    make(provider, ModelErrorKind::Overloaded, &format!("the answer was broken off: {reason}"), 200)
}

fn from_body(provider: &str, body: &Value, status: u16) -> ModelError {
    let inner = body.get("error").filter(|inner| !inner.is_null()).unwrap_or(body);
    let words = match inner {
        Value::String(words) => words.as_str(),
        inner => inner.get("message").and_then(Value::as_str).unwrap_or("no message"),
    };
    make(provider, kind(inner, status), words, status)
}

fn kind(inner: &Value, status: u16) -> ModelErrorKind {
    let word = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or("");
    let metadata = |name: &str| inner.pointer("/metadata").and_then(|m| m.get(name));
    if metadata("limit_source").and_then(Value::as_str) == Some("openrouter_in_flight_budget") {
        // A 402 that goes away when requests under way have ended.
        return ModelErrorKind::RateLimited;
    }
    if metadata("flagged_input").is_some() || metadata("reasons").is_some() {
        // A 403 of moderation is about one request, not about the key: it must not open the breaker.
        return ModelErrorKind::InvalidRequest;
    }
    for said in [word("code"), word("type")] {
        if let Some(kind) = kind_of_word(said) {
            return kind;
        }
    }
    let number = |name: &str| inner.get(name).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let inner_status = number("code").or_else(|| number("status_code")).filter(|n| (400..600).contains(n));
    match (status, inner_status) {
        (200, Some(inner)) => kind_of_status(inner),
        (200, None) if matches!(word("type"), "invalid_request_error" | "BadRequestError") => {
            ModelErrorKind::InvalidRequest
        }
        (status, _) => kind_of_status(status),
    }
}

/// Words that are clear whatever the status: an exhausted quota comes as 429 and must not be retried.
fn kind_of_word(word: &str) -> Option<ModelErrorKind> {
    Some(match word {
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "insufficient_balance" => ModelErrorKind::Billing,
        "invalid_api_key" | "authentication_error" | "permission_error" | "invalid_authentication" => {
            ModelErrorKind::Authentication
        }
        "rate_limit_exceeded" | "rate_limit_error" | "requests" | "tokens" => ModelErrorKind::RateLimited,
        "context_length_exceeded" | "model_not_found" | "content_policy_violation" | "invalid_prompt" => {
            ModelErrorKind::InvalidRequest
        }
        "server_error"
        | "internal_server_error"
        | "overloaded_error"
        | "server_is_overloaded"
        | "engine_overloaded"
        | "service_unavailable"
        | "api_error"
        | "timeout" => ModelErrorKind::Overloaded,
        _ => return None,
    })
}

fn make(provider: &str, kind: ModelErrorKind, words: &str, status: u16) -> ModelError {
    error(kind, outside_words(provider, status, words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn m01_to_m04_words_come_before_the_status_and_the_status_before_the_type() {
        use ModelErrorKind::{Authentication, Billing, InvalidRequest, Overloaded, RateLimited};
        let flagged =
            json!({"code": 403, "message": "m", "metadata": {"reasons": ["x"], "flagged_input": "y"}});
        let in_flight = json!({"code": 402, "metadata": {"limit_source": "openrouter_in_flight_budget"}});
        let cases = [
            (429, json!({"type": "insufficient_quota", "code": "insufficient_quota"}), Billing),
            (429, json!({"type": "tokens", "code": "rate_limit_exceeded"}), RateLimited),
            (401, json!({"type": "invalid_request_error", "code": "invalid_api_key"}), Authentication),
            (402, json!({"type": "unknown_error", "code": "invalid_request_error"}), Billing),
            (
                400,
                json!({"type": "invalid_request_error", "code": "context_length_exceeded"}),
                InvalidRequest,
            ),
            (404, json!({"type": "NotFoundError", "code": 404}), InvalidRequest),
            (403, flagged, InvalidRequest),
            (402, in_flight, RateLimited),
            (503, json!({"type": "server_error"}), Overloaded),
            (200, json!({"code": 502, "message": "upstream"}), Overloaded),
            (200, json!({"code": 429, "message": "slow"}), RateLimited),
            (200, json!({"type": "invalid_request_error", "status_code": 400}), InvalidRequest),
            (200, json!({"type": "BadRequestError", "code": null}), InvalidRequest),
            (200, json!("words only"), Overloaded),
        ];
        for (status, inner, expected) in cases {
            assert_eq!(kind(&inner, status), expected, "{status} {inner}");
        }
    }
}
