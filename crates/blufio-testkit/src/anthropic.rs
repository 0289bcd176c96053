// SPDX-License-Identifier: MIT OR Apache-2.0
//! An emulated Anthropic Messages API: scripted answers as faithful event streams, strict requests, faults at any byte.
//! Behaviour follows <https://docs.anthropic.com/en/api/messages>.

mod cache;
mod check;
mod serve;
mod stream;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::sync::Notify;

use crate::server::Server;
pub use cache::{Count, Marks, PrefixCache};
pub use stream::{Answer, Piece, Usage};

/// What a request gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Script {
    /// A whole answer.
    Answer(Answer),
    /// The beginning of an answer's bytes, then the connection closes.
    CutAfter(Answer, usize),
    /// The beginning of an answer's bytes; the rest comes when `resume` is called.
    PauseAfter(Answer, usize),
    /// Status, error type, message, and `retry-after` in seconds.
    Error(u16, String, String, Option<u64>),
    /// An error event within a stream of status 200.
    ErrorInStream(String, String),
    /// Status, content type and body as they are.
    Raw(u16, String, String),
    /// Nothing, for ever.
    Stall,
}

type Scripter = Box<dyn FnMut(&Value) -> Script + Send>;

#[derive(Default)]
struct State {
    queue: VecDeque<Script>,
    scripter: Option<Scripter>,
    requests: Vec<Value>,
    violations: Vec<String>,
    answered: u64,
    chunk_bytes: usize,
    keep_requests: bool,
    cache: Option<PrefixCache>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    resumed: Notify,
    paused: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running emulator.
pub struct Emulator {
    shared: Arc<Shared>,
    server: Server,
}

impl Emulator {
    /// Starts on a free port of 127.0.0.1. Without a script every text request is answered by an echo, and every
    /// structured one by the first choice of its schema.
    pub async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.lock().keep_requests = true;
        let router = Router::new().fallback(serve::handle).with_state(shared.clone());
        Ok(Self { server: Server::start(router, 0).await?, shared })
    }

    /// Base URL: calls go to `{url}/v1/messages`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Adds an answer for the next request that has none yet.
    pub fn push(&self, script: Script) {
        self.shared.lock().queue.push_back(script);
    }

    /// Answers every request that finds the queue empty.
    pub fn answer_with(&self, scripter: impl FnMut(&Value) -> Script + Send + 'static) {
        self.shared.lock().scripter = Some(Box::new(scripter));
    }

    /// Sends streams in chunks of this many bytes (0: an event at a time).
    pub fn chunk_bytes(&self, bytes: usize) {
        self.shared.lock().chunk_bytes = bytes;
    }

    /// Answers report what this cache makes of their requests.
    pub fn cache(&self, cache: PrefixCache) {
        self.shared.lock().cache = Some(cache);
    }

    /// Lets time pass for the cache.
    pub fn advance_cache(&self, ms: i64) {
        if let Some(cache) = &mut self.shared.lock().cache {
            cache.advance(ms);
        }
    }

    /// Lets every paused stream go on.
    pub fn resume(&self) {
        self.shared.resumed.notify_waiters();
    }

    /// Waits until a stream has paused. False when the time runs out.
    pub async fn wait_paused(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.shared.paused.notified()).await.is_ok()
    }

    /// Requests so far.
    pub fn requests(&self) -> Vec<Value> {
        self.shared.lock().requests.clone()
    }

    /// Number of requests that were answered with a script.
    pub fn answered(&self) -> u64 {
        self.shared.lock().answered
    }

    /// Stops keeping requests, for long runs.
    pub fn forget_requests(&self) {
        let mut state = self.shared.lock();
        state.keep_requests = false;
        state.requests.clear();
    }

    /// What the real API would have refused.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }

    /// Waits until this many requests came.
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

/// Text of the last user turn of a request.
pub fn last_user_text(request: &Value) -> String {
    let turns = request.get("messages").and_then(Value::as_array);
    let last = turns
        .and_then(|turns| turns.iter().rev().find(|t| t.get("role").and_then(Value::as_str) == Some("user")));
    match last.and_then(|t| t.get("content")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let texts: Vec<&str> =
                blocks.iter().filter_map(|b| b.get("text").and_then(Value::as_str)).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// Whether a request asks for structured output.
pub fn is_structured(request: &Value) -> bool {
    request.pointer("/output_config/format/schema").is_some()
}
