// SPDX-License-Identifier: MIT OR Apache-2.0
//! The port of a channel. A new channel implements this and touches no other crate.

use std::sync::Arc;

use thiserror::Error;

use crate::BoxFuture;
use crate::message::{Address, Attachment, Inbound};

/// How a channel gives messages to the runtime.
pub trait InboundSink: Send + Sync {
    /// Stores a batch and the channel's new cursor in one transaction; returns when both are durable. Messages
    /// that are stored already are skipped, so a batch may be delivered again after a crash.
    fn deliver<'a>(
        &'a self,
        channel: &'a str,
        batch: Vec<Inbound>,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<(), SinkError>>;
    /// The cursor of the last delivered batch.
    fn cursor<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<Option<String>, SinkError>>;
    /// A small durable value of the channel itself (a not-before time, the last poll time).
    fn remember<'a>(
        &'a self,
        channel: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> BoxFuture<'a, Result<(), SinkError>>;
    /// What `remember` stored.
    fn recall<'a>(
        &'a self,
        channel: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, SinkError>>;
    /// Puts a record aside that could not be understood, so that a person can look at it.
    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), SinkError>>;
    /// Something the operator must know (shown by `status`, logged once): a conflict, a gap, a stall.
    fn report(&self, channel: &str, health: ChannelHealth);
}

/// How a channel is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelHealth {
    /// Progress: a completed poll.
    Healthy,
    /// Working on it: words for the operator, with what to do.
    Degraded(String),
    /// Stopped for good (wrong token): words for the operator, with what to do.
    Failed(String),
}

/// Why delivery failed. The channel must not advance its cursor.
#[derive(Debug, Clone, Error)]
pub enum SinkError {
    /// The store refused; try again later.
    #[error("the message could not be stored: {0}")]
    Store(String),
    /// The runtime is stopping; do not try again.
    #[error("the runtime is stopping")]
    Stopping,
}

/// Why a request to a channel did not succeed. Carries the method's name, never an address with a token.
#[derive(Debug, Clone, Error)]
pub enum SendError {
    /// Nothing left this process: safe to repeat.
    #[error("{method}: not sent: {reason}")]
    NotSent {
        /// Method of the channel's interface.
        method: &'static str,
        /// Words.
        reason: String,
    },
    /// Bytes were sent and no answer was understood: it may have happened.
    #[error("{method}: sent without an answer: {reason}")]
    Ambiguous {
        /// Method of the channel's interface.
        method: &'static str,
        /// Words.
        reason: String,
    },
    /// The channel asks to wait; safe to repeat after that time.
    #[error("{method}: rate limited for {retry_after_ms} ms")]
    RateLimited {
        /// Method of the channel's interface.
        method: &'static str,
        /// How long to wait, milliseconds.
        retry_after_ms: u64,
    },
    /// It will never succeed (blocked, chat gone).
    #[error("{method}: refused for good: {reason}")]
    Permanent {
        /// Method of the channel's interface.
        method: &'static str,
        /// Words.
        reason: String,
    },
    /// The message to edit is gone or can no longer be edited: send a new one.
    #[error("{method}: cannot edit: {reason}")]
    CannotEdit {
        /// Method of the channel's interface.
        method: &'static str,
        /// Words.
        reason: String,
    },
}

/// A channel. Sending honours the channel's own rate limits: a call waits for its turn.
pub trait Channel: Send + Sync {
    /// Its name as routes write it.
    fn name(&self) -> &'static str;
    /// Receives until `stop` completes. Returns early only when it can never work (wrong token).
    fn run<'a>(&'a self, sink: Arc<dyn InboundSink>, stop: BoxFuture<'static, ()>) -> BoxFuture<'a, ()>;
    /// Splits a text into messages that the channel takes; never empty, never loses a character that prints.
    fn split(&self, text: &str) -> Vec<String>;
    /// Whether sent messages can be edited (then replies are placed first and filled by edits).
    fn edits(&self) -> bool;
    /// Sends one message (as `split` gives it) and returns the channel's id of it.
    fn send<'a>(&'a self, to: &'a Address, text: &'a str) -> BoxFuture<'a, Result<String, SendError>>;
    /// As `send`, shown as the answer to a message of the chat where the channel can; that message may be gone by then.
    fn reply<'a>(
        &'a self,
        to: &'a Address,
        text: &'a str,
        _message_id: &'a str,
    ) -> BoxFuture<'a, Result<String, SendError>> {
        self.send(to, text)
    }
    /// The bytes of an attachment, at most `bytes_max`: a larger one is refused for good, never cut. Asked only for
    /// messages whose sender is authorised.
    fn fetch<'a>(
        &'a self,
        _attachment: &'a Attachment,
        _bytes_max: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        let reason = "this channel has no attachments".to_string();
        Box::pin(async move { Err(SendError::Permanent { method: "fetch", reason }) })
    }
    /// Replaces a message's text; setting the same text twice succeeds. `partial` marks an edit of a stream that
    /// may be skipped when the channel's rate limit leaves no room.
    fn edit<'a>(
        &'a self,
        to: &'a Address,
        message_id: &'a str,
        text: &'a str,
        partial: bool,
    ) -> BoxFuture<'a, Result<(), SendError>>;
    /// Shows that an answer is on its way; failures do not matter.
    fn typing<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, ()>;
}
