// SPDX-License-Identifier: MIT OR Apache-2.0
//! The channel of the terminal. Messages reach whoever is connected; with nobody connected they wait in the outbox.
//! Its user is the operator at the machine itself (the socket is theirs alone), so whoever writes here is the owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blufio_core::BoxFuture;
use blufio_core::channel::{Channel, ChannelHealth, InboundSink, SendError};
use blufio_core::message::{Address, ChatKind, Inbound, InboundKind, Sender};
use tokio::sync::broadcast;

use super::protocol::Heard;

/// Name of the channel, as routes write it.
pub const NAME: &str = "shell";
/// Its only chat.
pub const CHAT: &str = "terminal";
/// Lines that a slow terminal may lag behind; older partial texts are skipped.
const LAG_MAX: usize = 256;
/// Longest message that a person may type, characters.
pub const MESSAGE_CHARACTERS_MAX: usize = 100_000;

/// The channel.
pub struct ShellChannel {
    heard: broadcast::Sender<Heard>,
    messages: AtomicU64,
}

impl Default for ShellChannel {
    fn default() -> Self {
        Self { heard: broadcast::Sender::new(LAG_MAX), messages: AtomicU64::new(0) }
    }
}

impl ShellChannel {
    /// Connects a terminal.
    pub fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// An id that no message had, in this process or an earlier one.
    pub fn new_source_id(&self, now_ms: i64) -> String {
        format!("shell:{now_ms}:{}:{}", std::process::id(), self.messages.fetch_add(1, Ordering::Relaxed))
    }

    /// A message that somebody typed; `source_id` must be new.
    pub fn message(source_id: String, text: &str, now_ms: i64) -> Inbound {
        Inbound {
            kind: InboundKind::Message,
            source_id,
            address: Address { channel: NAME.to_string(), chat: CHAT.to_string(), thread: None },
            chat: ChatKind::Private,
            sender: Sender { id: "owner".to_string(), name: "owner".to_string() },
            text: text.chars().take(MESSAGE_CHARACTERS_MAX).collect(),
            own_words: true,
            quoted: None,
            quoted_id: None,
            message_id: None,
            sent_ms: now_ms,
            attachments: Vec::new(),
        }
    }

    fn tell(&self, heard: Heard) -> Result<(), SendError> {
        let nobody =
            |_| SendError::NotSent { method: "shell", reason: "no terminal is connected".to_string() };
        self.heard.send(heard).map(|_| ()).map_err(nobody)
    }
}

impl Channel for ShellChannel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run<'a>(&'a self, sink: Arc<dyn InboundSink>, stop: BoxFuture<'static, ()>) -> BoxFuture<'a, ()> {
        sink.report(NAME, ChannelHealth::Healthy);
        stop
    }

    fn split(&self, text: &str) -> Vec<String> {
        vec![text.to_string()]
    }

    fn edits(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, _to: &'a Address, text: &'a str) -> BoxFuture<'a, Result<String, SendError>> {
        Box::pin(async move {
            let id = self.messages.fetch_add(1, Ordering::Relaxed);
            self.tell(Heard::Partial { id, text: text.to_string() })?;
            Ok(id.to_string())
        })
    }

    fn edit<'a>(
        &'a self,
        _to: &'a Address,
        message_id: &'a str,
        text: &'a str,
        partial: bool,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            // After a restart an old number may come back; the terminal prints such a message whole.
            let id = message_id.parse().unwrap_or(u64::MAX);
            let text = text.to_string();
            self.tell(if partial { Heard::Partial { id, text } } else { Heard::Final { id, text } })
        })
    }

    fn typing<'a>(&'a self, _to: &'a Address) -> BoxFuture<'a, ()> {
        // Nobody there to see it is fine.
        let _ = self.heard.send(Heard::Typing);
        Box::pin(async {})
    }
}
