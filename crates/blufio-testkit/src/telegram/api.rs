// SPDX-License-Identifier: MIT OR Apache-2.0
//! The methods.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Extract;
use axum::http::Request;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::faults::{self, Fault, respond};
use super::{BOT_ID, BOT_NAME, Call, SentMessage, Shared, TOKEN, parameters};

/// Longest message, UTF-16 units.
const TEXT_UNITS_MAX: usize = 4_096;
/// Longest body of a call.
const BODY_BYTES_MAX: usize = 1 << 20;

type Answer = Result<Value, (u16, String)>;

pub(super) async fn handle(Extract(shared): Extract<Arc<Shared>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    // Some clients write the colon of the token as %3A.
    let path = head.uri.path().replace("%3A", ":");
    if let Some((token, file)) = path.strip_prefix("/file/bot").and_then(|rest| rest.split_once('/')) {
        return download(&shared, token, file);
    }
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return failure(404, "Not Found");
    };
    if token != TOKEN {
        return failure(401, "Unauthorized");
    }
    let content_type =
        head.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("").to_string();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return failure(413, "Request Entity Too Large");
    };
    let given = parameters::collect(head.uri.query(), &content_type, &body);
    let fault = note(&shared, method, &given);
    match fault {
        Some(Fault::DoneButSilent) => {
            let _ = call(&shared, method, &given).await;
            shared.changed.notify_waiters();
            faults::answer(&Fault::DoneButSilent).await
        }
        Some(fault) => faults::answer(&fault).await,
        None => {
            let answer = call(&shared, method, &given).await;
            shared.changed.notify_waiters();
            match answer {
                Ok(result) => {
                    respond(200, "application/json", json!({"ok": true, "result": result}).to_string())
                }
                Err((code, description)) => failure(code, &description),
            }
        }
    }
}

/// The bytes of a file, at the path that `getFile` gave.
fn download(shared: &Shared, token: &str, path: &str) -> Response {
    let file = path.strip_prefix("files/").filter(|_| token == TOKEN);
    match file.and_then(|id| shared.lock().files.get(id).cloned()) {
        Some(bytes) => Response::new(Body::from(bytes)),
        None => failure(404, "Not Found"),
    }
}

fn get_file(shared: &Shared, given: &Map<String, Value>) -> Answer {
    let id = given.get("file_id").and_then(Value::as_str).unwrap_or("");
    match shared.lock().files.get(id) {
        Some(bytes) => {
            Ok(json!({"file_id": id, "file_unique_id": format!("u-{id}"), "file_size": bytes.len(),
            "file_path": format!("files/{id}")}))
        }
        None => Err((400, "Bad Request: invalid file_id".into())),
    }
}

fn failure(code: u16, description: &str) -> Response {
    respond(
        code,
        "application/json",
        json!({"ok": false, "error_code": code, "description": description}).to_string(),
    )
}

/// Writes the call down and takes the fault that is due for it.
fn note(shared: &Shared, method: &str, given: &Map<String, Value>) -> Option<Fault> {
    let mut state = shared.lock();
    let found = parameters::violations(method, given);
    state.violations.extend(found);
    if state.keep_calls {
        state.calls.push(Call { method: method.to_string(), parameters: Value::Object(given.clone()) });
    }
    let at = state.faults.iter().position(|(m, count, _)| m == method && *count > 0)?;
    state.faults[at].1 -= 1;
    Some(state.faults[at].2.clone())
}

async fn call(shared: &Arc<Shared>, method: &str, given: &Map<String, Value>) -> Answer {
    match method {
        "getMe" => Ok(json!({"id": BOT_ID, "is_bot": true, "first_name": "Blufio", "username": BOT_NAME,
            "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false})),
        "getUpdates" => get_updates(shared, given).await,
        "sendMessage" => send_message(shared, given),
        "editMessageText" => edit_message_text(shared, given),
        "sendChatAction" | "deleteWebhook" | "setMyCommands" | "answerCallbackQuery" | "deleteMyCommands" => {
            Ok(Value::Bool(true))
        }
        "getWebhookInfo" => {
            Ok(json!({"url": "", "has_custom_certificate": false, "pending_update_count": 0}))
        }
        "getFile" => get_file(shared, given),
        "deleteMessage" => Ok(Value::Bool(true)),
        _ => Err((404, "Not Found".into())),
    }
}

fn integer(given: &Map<String, Value>, name: &str) -> Option<i64> {
    match given.get(name) {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    }
}

/// Names in a list, or in the text of one, as forms give it. An empty list asks for the usual kinds.
fn names(given: &Value) -> Option<Vec<String>> {
    let list: Vec<String> = match given {
        Value::String(text) => serde_json::from_str(text).ok()?,
        list => serde_json::from_value(list.clone()).ok()?,
    };
    (!list.is_empty()).then_some(list)
}

async fn get_updates(shared: &Arc<Shared>, given: &Map<String, Value>) -> Answer {
    let limit = integer(given, "limit").unwrap_or(100).clamp(1, 100) as usize;
    let wait = Duration::from_secs(integer(given, "timeout").unwrap_or(0).clamp(0, 50) as u64);
    let mine = {
        let mut state = shared.lock();
        if let Some(offset) = integer(given, "offset") {
            if offset < 0 {
                state.violations.push("getUpdates: a negative offset forgets updates".into());
            }
            state.updates.retain(|(id, _)| *id >= offset);
        }
        if let Some(kinds) = given.get("allowed_updates") {
            state.allowed = names(kinds);
        }
        state.poll += 1;
        state.poll
    };
    // A newer poll ends this one, as the real server does.
    shared.changed.notify_waiters();
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let state = shared.lock();
            if state.poll != mine {
                return Err((409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running".into()));
            }
            if !state.updates.is_empty() {
                return Ok(state.updates.iter().take(limit).map(|(_, update)| update.clone()).collect());
            }
        }
        if tokio::time::timeout_at(deadline, changed).await.is_err() {
            return Ok(Value::Array(Vec::new()));
        }
    }
}

fn checked_text(given: &Map<String, Value>) -> Result<String, (u16, String)> {
    let text = given.get("text").and_then(Value::as_str).unwrap_or("").trim().to_string();
    if text.is_empty() {
        return Err((400, "Bad Request: message text is empty".into()));
    }
    if text.encode_utf16().count() > TEXT_UNITS_MAX {
        return Err((400, "Bad Request: message is too long".into()));
    }
    Ok(text)
}

fn message_json(message: &SentMessage) -> Value {
    let kind = if message.chat < 0 {
        json!({"id": message.chat, "type": "supergroup", "title": "Group"})
    } else {
        json!({"id": message.chat, "type": "private", "first_name": "User"})
    };
    json!({"message_id": message.id, "date": 1_760_000_000, "chat": kind, "text": message.text,
        "from": {"id": BOT_ID, "is_bot": true, "first_name": "Blufio", "username": BOT_NAME}})
}

fn send_message(shared: &Shared, given: &Map<String, Value>) -> Answer {
    let text = checked_text(given)?;
    let Some(chat) = integer(given, "chat_id").filter(|id| *id != 0) else {
        return Err((400, "Bad Request: chat not found".into()));
    };
    let mut state = shared.lock();
    if let Some(description) = state.refusing.get(&chat) {
        let code = if description.starts_with("Forbidden") { 403 } else { 400 };
        return Err((code, description.clone()));
    }
    state.next_message += 1;
    let message = SentMessage {
        chat,
        thread: integer(given, "message_thread_id"),
        id: state.next_message,
        text,
        history: Vec::new(),
    };
    let answer = message_json(&message);
    state.sent.push(message);
    Ok(answer)
}

fn edit_message_text(shared: &Shared, given: &Map<String, Value>) -> Answer {
    let text = checked_text(given)?;
    let (chat, id) = (integer(given, "chat_id"), integer(given, "message_id"));
    let mut state = shared.lock();
    let Some(message) = state.sent.iter_mut().find(|m| Some(m.chat) == chat && Some(m.id) == id) else {
        return Err((400, "Bad Request: message to edit not found".into()));
    };
    if message.text == text {
        return Err((400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same".into()));
    }
    let before = std::mem::replace(&mut message.text, text);
    message.history.push(before);
    Ok(message_json(message))
}
