// SPDX-License-Identifier: MIT OR Apache-2.0
//! An emulated Telegram Bot API: real long polling, message limits, edits, conflicts and rate limits, and faults on
//! demand. Behaviour follows <https://core.telegram.org/bots/api> (Bot API 9.2); every call is checked against its
//! table of methods and parameters.

mod api;
mod faults;
mod happenings;
mod parameters;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::server::Server;
pub use faults::Fault;

/// Token that the emulator accepts.
pub const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
/// The bot's own id.
pub const BOT_ID: i64 = 110_201_543;
/// The bot's user name.
pub const BOT_NAME: &str = "blufio_test_bot";

/// A message that the bot sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// Chat.
    pub chat: i64,
    /// Thread, when one was named.
    pub thread: Option<i64>,
    /// Message id.
    pub id: i64,
    /// Text now.
    pub text: String,
    /// Earlier texts, oldest first.
    pub history: Vec<String>,
}

/// A call as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Parameters.
    pub parameters: Value,
}

#[derive(Debug, Default)]
struct State {
    next_update: i64,
    next_message: i64,
    updates: VecDeque<(i64, Value)>,
    sent: Vec<SentMessage>,
    calls: Vec<Call>,
    violations: Vec<String>,
    faults: Vec<(String, u32, Fault)>,
    /// Files by their id.
    files: BTreeMap<String, Vec<u8>>,
    /// Chats that refuse the bot, with the description of the refusal.
    refusing: BTreeMap<i64, String>,
    /// Number of the poll that is waiting now; a newer one ends it with a conflict.
    poll: u64,
    /// Kinds of updates that the last poll asked for; `None` while none said.
    allowed: Option<Vec<String>>,
    keep_calls: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_asked_for(allowed: &Option<Vec<String>>, update: &Value) -> bool {
    let Some(allowed) = allowed else { return true };
    update.as_object().is_some_and(|fields| fields.keys().any(|kind| allowed.contains(kind)))
}

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    server: Server,
}

impl Emulator {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        {
            let mut state = shared.lock();
            state.next_update = 1_000;
            state.next_message = 1;
            state.keep_calls = true;
        }
        let router = Router::new().fallback(api::handle).with_state(shared.clone());
        Ok(Self { shared, server: Server::start(router, 0).await? })
    }

    /// Base URL: calls go to `{url}/bot{token}/{method}`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The accepted token.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Stops keeping the journal of calls, for long runs.
    pub fn forget_calls(&self) {
        let mut state = self.shared.lock();
        state.keep_calls = false;
        state.calls.clear();
    }

    /// A person writes to the bot in private. Returns the id of the update.
    pub fn say(&self, user: i64, text: &str) -> i64 {
        self.say_in(user, happenings::private(user), text)
    }

    /// A person writes in a chat given as a Telegram `Chat` object.
    pub fn say_in(&self, user: i64, chat: Value, text: &str) -> i64 {
        let message = json!({
            "from": happenings::user(user),
            "chat": chat,
            "date": 1_760_000_000,
            "text": text,
        });
        self.push_message(message)
    }

    /// A `Message` object without its id arrives.
    pub fn push_message(&self, mut message: Value) -> i64 {
        let id = {
            let mut state = self.shared.lock();
            state.next_message += 1;
            state.next_message
        };
        if let Value::Object(fields) = &mut message {
            fields.insert("message_id".into(), id.into());
        }
        self.push_update(json!({ "message": message }))
    }

    /// An `Update` object arrives; its id is added when it has none. A kind that the last poll did not ask for is never
    /// told.
    pub fn push_update(&self, mut update: Value) -> i64 {
        let id = {
            let mut state = self.shared.lock();
            let id = update.get("update_id").and_then(Value::as_i64).unwrap_or(state.next_update);
            state.next_update = state.next_update.max(id) + 1;
            if let Value::Object(fields) = &mut update {
                fields.insert("update_id".into(), id.into());
            }
            if is_asked_for(&state.allowed, &update) {
                state.updates.push_back((id, update));
            }
            id
        };
        self.shared.changed.notify_waiters();
        id
    }

    /// A file that messages may name; `getFile` and the download give it.
    pub fn put_file(&self, id: &str, bytes: &[u8]) {
        self.shared.lock().files.insert(id.to_string(), bytes.to_vec());
    }

    /// The next `count` calls of a method fail in this way.
    pub fn fail_next(&self, method: &str, count: u32, fault: Fault) {
        self.shared.lock().faults.push((method.to_string(), count, fault));
    }

    /// A chat refuses the bot from now on (`None` lets it in again).
    pub fn refuse(&self, chat: i64, description: Option<&str>) {
        let mut state = self.shared.lock();
        match description {
            Some(description) => state.refusing.insert(chat, description.to_string()),
            None => state.refusing.remove(&chat),
        };
    }

    /// Messages in a chat, in the order they were sent.
    pub fn messages(&self, chat: i64) -> Vec<SentMessage> {
        self.shared.lock().sent.iter().filter(|m| m.chat == chat).cloned().collect()
    }

    /// Texts in a chat as they stand now.
    pub fn texts(&self, chat: i64) -> Vec<String> {
        self.messages(chat).into_iter().map(|m| m.text).collect()
    }

    /// All messages.
    pub fn all_messages(&self) -> Vec<SentMessage> {
        self.shared.lock().sent.clone()
    }

    /// The journal of calls.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// Calls that the real server would not understand: unknown methods or parameters, missing ones.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }

    /// Updates that no poll has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.shared.lock().updates.len()
    }

    /// Waits until something holds; looks again at every change. `None` when the time runs out.
    pub async fn wait_for<T>(&self, limit: Duration, mut look: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        let search = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                // Registered before looking, so that no change in between is missed.
                changed.as_mut().enable();
                if let Some(found) = look(self) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, search).await.ok()
    }
}
