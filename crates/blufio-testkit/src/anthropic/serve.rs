// SPDX-License-Identifier: MIT OR Apache-2.0
//! The endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Extract;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Answer, Script, Shared, Usage, check, is_structured, last_user_text};
use crate::schema::first_value;

/// Largest request, as the real API documents it.
const BODY_BYTES_MAX: usize = 32 << 20;

pub(super) async fn handle(Extract(shared): Extract<Arc<Shared>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_string);
    let path = head.uri.path().to_string();
    let has_key = header("x-api-key").is_some_and(|k| !k.is_empty())
        || header("authorization").is_some_and(|a| a.starts_with("Bearer "));
    if !has_key {
        return error(401, "authentication_error", "x-api-key header is required", None);
    }
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return error(413, "request_too_large", "Request exceeds the maximum size", None);
    };
    let Ok(body) = serde_json::from_slice::<Value>(&bytes) else {
        return error(400, "invalid_request_error", "the body is not JSON", None);
    };
    let is_count = match path.as_str() {
        "/v1/messages" => false,
        "/v1/messages/count_tokens" => true,
        _ => return error(404, "not_found_error", "no such endpoint", None),
    };
    let version = header("anthropic-version");
    let mut checked = check::request(version.as_deref(), &body);
    if !is_count && body.get("max_tokens").and_then(Value::as_u64).is_none_or(|n| n == 0) {
        checked = checked.and(Err("max_tokens: field required".into()));
    }
    let refused = checked.err();
    let taken = note(&shared, &body, refused.as_deref(), is_count);
    shared.changed.notify_waiters();
    match (refused, taken) {
        (Some(message), _) => error(400, "invalid_request_error", &message, None),
        (None, None) => {
            respond(200, "application/json", json!({"input_tokens": bytes.len() / 4}).to_string())
        }
        (None, Some((script, number, chunk))) => play(shared, script, &body, number, chunk).await,
    }
}

fn note(
    shared: &Shared,
    body: &Value,
    refused: Option<&str>,
    is_count: bool,
) -> Option<(Script, u64, usize)> {
    let mut state = shared.lock();
    if state.keep_requests && !is_count {
        state.requests.push(body.clone());
    }
    if let Some(message) = refused {
        state.violations.push(message.to_string());
        return None;
    }
    if is_count {
        return None;
    }
    let queued = state.queue.pop_front();
    let mut script = match queued {
        Some(script) => script,
        None => match state.scripter.as_mut() {
            Some(scripter) => scripter(body),
            None => Script::Answer(echo(body)),
        },
    };
    if let (Some(cache), Script::Answer(answer)) = (&mut state.cache, &mut script) {
        let output = cache.output_tokens(&answer.words());
        answer.usage = Some(Usage { output, ..cache.take(body) });
    }
    state.answered += 1;
    Some((script, state.answered, state.chunk_bytes))
}

/// The answer without a script: an echo, or the first choice of a schema.
fn echo(body: &Value) -> Answer {
    if !is_structured(body) {
        return Answer::text(&format!("echo: {}", last_user_text(body)));
    }
    let schema = body.pointer("/output_config/format/schema").unwrap_or(&Value::Null);
    Answer::json(&first_value(schema))
}

fn error(status: u16, kind: &str, message: &str, retry_after: Option<u64>) -> Response {
    let body =
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_emulated"});
    let mut response = respond(status, "application/json", body.to_string());
    if let Some(value) = retry_after.and_then(|s| HeaderValue::from_str(&s.to_string()).ok()) {
        response.headers_mut().insert("retry-after", value);
    }
    response
}

fn respond(status: u16, content_type: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert("content-type", value);
    }
    response.headers_mut().insert("request-id", HeaderValue::from_static("req_emulated"));
    response
}

async fn play(shared: Arc<Shared>, script: Script, body: &Value, number: u64, chunk: usize) -> Response {
    let asked = body.get("model").and_then(Value::as_str).unwrap_or("").to_string();
    let streams = body.get("stream") == Some(&Value::Bool(true));
    match script {
        Script::Answer(answer) if !streams => {
            respond(200, "application/json", answer.message(&asked, number).to_string())
        }
        Script::Answer(answer) => {
            let events = answer.events(&asked, number);
            let chunks: Vec<Bytes> = match chunk {
                0 => events.into_iter().map(Bytes::from).collect(),
                size => events.concat().into_bytes().chunks(size).map(Bytes::copy_from_slice).collect(),
            };
            let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
            respond(200, "text/event-stream; charset=utf-8", Body::from_stream(stream))
        }
        Script::CutAfter(answer, bytes) => {
            let mut all = answer.events(&asked, number).concat().into_bytes();
            all.truncate(bytes);
            let parts = [Ok(Bytes::from(all)), Err(std::io::Error::other("cut"))];
            respond(200, "text/event-stream", Body::from_stream(futures_util::stream::iter(parts)))
        }
        Script::PauseAfter(answer, bytes) => paused(shared, &answer, &asked, number, bytes),
        Script::Error(status, kind, message, retry_after) => error(status, &kind, &message, retry_after),
        Script::ErrorInStream(kind, message) => {
            let start = Answer::text("half").events(&asked, number).into_iter().take(4).collect::<String>();
            let data = json!({"type": "error", "error": {"type": kind, "message": message}});
            respond(200, "text/event-stream", format!("{start}event: error\ndata: {data}\n\n"))
        }
        Script::Raw(status, content_type, body) => respond(status, &content_type, body),
        Script::Stall => loop {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        },
    }
}

/// Sends the beginning, tells that it paused, and waits to be resumed.
fn paused(shared: Arc<Shared>, answer: &Answer, asked: &str, number: u64, bytes: usize) -> Response {
    let all = answer.events(asked, number).concat().into_bytes();
    let (first, rest) = all.split_at(bytes.min(all.len()));
    let parts = [Bytes::copy_from_slice(first), Bytes::copy_from_slice(rest)];
    let stream = futures_util::stream::unfold((0, parts, shared), |(at, parts, shared)| async move {
        if at == 1 {
            let resumed = shared.resumed.notified();
            tokio::pin!(resumed);
            resumed.as_mut().enable();
            shared.paused.notify_one();
            resumed.await;
        }
        let part = parts.get(at).cloned()?;
        Some((Ok::<_, std::io::Error>(part), (at + 1, parts, shared)))
    });
    respond(200, "text/event-stream", Body::from_stream(stream))
}
