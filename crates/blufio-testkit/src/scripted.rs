// SPDX-License-Identifier: MIT OR Apache-2.0
//! An emulated model server, apart from what its protocol says: scripted answers, streams cut at any byte, errors before
//! and behind the head, requests and refusals kept. A protocol is one implementation of [`Wire`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Extract;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Notify;

use crate::server::Server;

/// Largest request.
const BODY_BYTES_MAX: usize = 32 << 20;

/// What an answer of a protocol looks like on the wire.
pub trait Wire: Clone + Send + Sync + 'static {
    /// Path of the endpoint that is scripted.
    const CHAT_PATH: &'static str;
    /// Content type of its streams.
    const STREAM_TYPE: &'static str;
    /// Whether a request without a key is refused.
    const NEEDS_KEY: bool;

    /// The pieces of a stream, one string each.
    fn pieces(&self, asked: &Value, number: u64) -> Vec<String>;
    /// The body of an answer that is not streamed.
    fn whole(&self, asked: &Value, number: u64) -> Value;
    /// Whether a request wants a stream.
    fn wants_stream(asked: &Value) -> bool;
    /// The answer without a script.
    fn echo(asked: &Value) -> Self;
    /// The body of an error.
    fn error(status: u16, kind: &str, message: &str) -> Value;
    /// An error within a stream.
    fn error_piece(kind: &str, message: &str) -> String;
    /// What the real server refuses: status, type, words.
    fn check(asked: &Value) -> Result<(), (u16, String)>;
    /// Other endpoints.
    fn other(path: &str, body: &Value) -> Option<(u16, Value)>;
}

/// What a request gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Script<A> {
    /// A whole answer.
    Answer(A),
    /// The beginning of an answer's bytes, then the connection closes.
    CutAfter(A, usize),
    /// Status, error type, message, and `retry-after` in seconds.
    Error(u16, String, String, Option<u64>),
    /// So many pieces of an answer, then an error: type and message. Status 200.
    ErrorInStream(A, usize, String, String),
    /// Status, content type and body as they are.
    Raw(u16, String, String),
    /// Nothing, for ever.
    Stall,
    /// The beginning of an answer's bytes, then nothing, for ever.
    StallAfter(A, usize),
}

type Scripter<A> = Box<dyn FnMut(&Value) -> Script<A> + Send>;
type Check = fn(&Value) -> Result<(), String>;

struct State<A> {
    queue: VecDeque<Script<A>>,
    scripter: Option<Scripter<A>>,
    checks: Vec<Check>,
    requests: Vec<Value>,
    violations: Vec<String>,
    answered: u64,
    chunk_bytes: usize,
}

struct Shared<A> {
    state: Mutex<State<A>>,
    changed: Notify,
}

impl<A> Shared<A> {
    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running emulator.
pub struct Emulator<A> {
    shared: Arc<Shared<A>>,
    server: Server,
}

impl<A: Wire> Emulator<A> {
    /// Starts on a free port of 127.0.0.1. Without a script every text request is answered by an echo, and every
    /// structured one by the first value of its schema.
    pub async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                scripter: None,
                checks: Vec::new(),
                requests: Vec::new(),
                violations: Vec::new(),
                answered: 0,
                chunk_bytes: 0,
            }),
            changed: Notify::new(),
        });
        let router = Router::new().fallback(handle::<A>).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, 0).await?, shared })
    }

    /// Address without a path.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Adds an answer for the next request that has none yet.
    pub fn push(&self, script: Script<A>) {
        self.shared.lock().queue.push_back(script);
    }

    /// Answers every request that finds the queue empty.
    pub fn answer_with(&self, scripter: impl FnMut(&Value) -> Script<A> + Send + 'static) {
        self.shared.lock().scripter = Some(Box::new(scripter));
    }

    /// Refuses more than every server of this protocol does.
    pub fn also_check(&self, check: Check) {
        self.shared.lock().checks.push(check);
    }

    /// Sends streams in chunks of this many bytes (0: a piece at a time).
    pub fn chunk_bytes(&self, bytes: usize) {
        self.shared.lock().chunk_bytes = bytes;
    }

    /// Requests to the scripted endpoint so far.
    pub fn requests(&self) -> Vec<Value> {
        self.shared.lock().requests.clone()
    }

    /// Number of requests that were answered with a script.
    pub fn answered(&self) -> u64 {
        self.shared.lock().answered
    }

    /// What the real server would have refused.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }

    /// Waits until this many requests came. False when the time runs out.
    pub async fn wait_for_requests(&self, count: usize, limit: Duration) -> bool {
        let search = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.shared.lock().requests.len() >= count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, search).await.is_ok()
    }
}

async fn handle<A: Wire>(Extract(shared): Extract<Arc<Shared<A>>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let key = head.headers.get("authorization").and_then(|v| v.to_str().ok());
    let has_key = key.is_some_and(|k| k.strip_prefix("Bearer ").is_some_and(|k| !k.is_empty()));
    if A::NEEDS_KEY && !has_key {
        return error::<A>(401, "invalid_api_key", "no key was given", None);
    }
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return error::<A>(413, "invalid_request_error", "the request is too large", None);
    };
    let path = head.uri.path();
    let parsed = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice::<Value>(&bytes) };
    let Ok(asked) = parsed else {
        return error::<A>(400, "invalid_request_error", "the body is not JSON", None);
    };
    if path != A::CHAT_PATH {
        return match A::other(path, &asked) {
            Some((status, body)) => respond(status, "application/json", body.to_string()),
            None => error::<A>(404, "invalid_request_error", "no such endpoint", None),
        };
    }
    let taken = note(&shared, &asked);
    shared.changed.notify_waiters();
    match taken {
        Err((status, message)) => error::<A>(status, "invalid_request_error", &message, None),
        Ok((script, number, chunk)) => play(script, &asked, number, chunk).await,
    }
}

/// Keeps a request and finds its script, or why it is refused.
fn note<A: Wire>(shared: &Shared<A>, asked: &Value) -> Result<(Script<A>, u64, usize), (u16, String)> {
    let mut state = shared.lock();
    state.requests.push(asked.clone());
    let more = || state.checks.iter().try_for_each(|check| check(asked)).map_err(|words| (400, words));
    if let Err(refused) = A::check(asked).and_then(|()| more()) {
        state.violations.push(refused.1.clone());
        return Err(refused);
    }
    let script = match (state.queue.pop_front(), state.scripter.as_mut()) {
        (Some(script), _) => script,
        (None, Some(scripter)) => scripter(asked),
        (None, None) => Script::Answer(A::echo(asked)),
    };
    state.answered += 1;
    Ok((script, state.answered, state.chunk_bytes))
}

fn error<A: Wire>(status: u16, kind: &str, message: &str, retry_after: Option<u64>) -> Response {
    let mut response = respond(status, "application/json", A::error(status, kind, message).to_string());
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
    response.headers_mut().insert("x-request-id", HeaderValue::from_static("req_emulated"));
    response
}

async fn play<A: Wire>(script: Script<A>, asked: &Value, number: u64, chunk: usize) -> Response {
    let cut = |answer: A, bytes: usize| {
        let mut all = answer.pieces(asked, number).concat().into_bytes();
        all.truncate(bytes);
        Bytes::from(all)
    };
    match script {
        Script::Answer(answer) if !A::wants_stream(asked) => {
            respond(200, "application/json", answer.whole(asked, number).to_string())
        }
        Script::Answer(answer) => {
            let pieces = answer.pieces(asked, number);
            let chunks: Vec<Bytes> = match chunk {
                0 => pieces.into_iter().map(Bytes::from).collect(),
                size => pieces.concat().into_bytes().chunks(size).map(Bytes::copy_from_slice).collect(),
            };
            let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
            respond(200, A::STREAM_TYPE, Body::from_stream(stream))
        }
        Script::CutAfter(answer, bytes) => {
            let parts = [Ok(cut(answer, bytes)), Err(std::io::Error::other("cut"))];
            respond(200, A::STREAM_TYPE, Body::from_stream(futures_util::stream::iter(parts)))
        }
        Script::StallAfter(answer, bytes) => {
            use futures_util::StreamExt;
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>(cut(answer, bytes))]);
            respond(200, A::STREAM_TYPE, Body::from_stream(first.chain(futures_util::stream::pending())))
        }
        Script::Error(status, kind, message, retry_after) => error::<A>(status, &kind, &message, retry_after),
        Script::ErrorInStream(answer, pieces, kind, message) => {
            let start: String = answer.pieces(asked, number).into_iter().take(pieces).collect();
            respond(200, A::STREAM_TYPE, format!("{start}{}", A::error_piece(&kind, &message)))
        }
        Script::Raw(status, content_type, body) => respond(status, &content_type, body),
        Script::Stall => futures_util::future::pending().await,
    }
}
