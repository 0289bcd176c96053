// SPDX-License-Identifier: MIT OR Apache-2.0
//! The port of the durable store. Embedded SQLite implements it; a server database will. Nothing here assumes that
//! this process is the only one: sessions carry a step counter, and a commit on an old counter is refused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::BoxFuture;
use crate::files::FileVersion;
use crate::message::{Address, Inbound, UnixMs};
use crate::model::Turn;

mod cost;
mod spend;
mod world;

pub use cost::{CostGroup, CostQuery, CostRow, Costs};
pub use spend::{Announced, Announcement, Attempted, Cap, LedgerRow, OPEN, PERIODS_KEPT_MAX, is_near};
pub use world::{
    AskedRows, Asking, CloseQuestions, Epoch, INTERNAL_CHANNEL, MemoryChange, NewMail, NewQuestion, NewTimer,
    Progress, Question, QuestionChange, QuestionKind, QuestionRow, StepExtra, TimerKind, marked,
};

/// Why the store refused.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The session moved on since it was loaded: load it again.
    #[error("session {session} is at step {actual}, not {expected}")]
    Conflict {
        /// Session row.
        session: i64,
        /// What the caller thought.
        expected: i64,
        /// What is stored.
        actual: i64,
    },
    /// This request broke a rule of the store; others of the same batch are not affected.
    #[error("refused: {0}")]
    Refused(String),
    /// The file or disk failed. The process must stop: what is acknowledged may no longer be durable.
    #[error("the database failed: {0}")]
    Fatal(String),
    /// No room on the disk; try again later.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// A session's row.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Row id.
    pub id: i64,
    /// Who and what it is for: `support/telegram:2222`. At most one session of a key is not ended.
    pub key: String,
    /// Agent name.
    pub agent: String,
    /// Identity of its program.
    pub program: [u8; 32],
    /// Number of commits so far.
    pub step: i64,
    /// Encoded machine.
    pub state: Vec<u8>,
    /// Name of the state it is in, for people.
    pub state_name: String,
    /// Life.
    pub status: SessionStatus,
    /// Whether an effect is pending, so that a restart must look at it.
    pub pending: bool,
    /// Conversation of the last taken message; where replies go.
    pub address: Option<Address>,
    /// First turn of the transcript that prompts still hold (history cap).
    pub history_start: i64,
    /// When it began.
    pub created_ms: UnixMs,
    /// When it last moved.
    pub updated_ms: UnixMs,
}

/// Life of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Runs.
    Live,
    /// Ended by `done`.
    Done,
    /// Stopped by a fault; the owner was told.
    Parked,
}

/// A stored message that no step has consumed yet.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxRow {
    /// Row id: the order of arrival.
    pub id: i64,
    /// Session key.
    pub key: String,
    /// The message.
    pub message: Inbound,
    /// When it was stored.
    pub received_ms: UnixMs,
    /// Whether a state has joined it.
    pub joined: bool,
}

/// A message to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInbox {
    /// The message.
    pub message: Inbound,
    /// Where it goes; `None` when the routes drop it (it is stored as consumed, so that it is not seen again).
    pub key: Option<String>,
    /// What the sender gets at once (the route's `drop "…"`, pairing answers).
    pub answers: Vec<NewOutbox>,
    /// Where somebody wrote it: what is held for that chat, in any thread of it, is sent now. Nothing is released by a
    /// message that was stored before.
    pub spoke: Option<Address>,
}

impl NewInbox {
    /// A message as it came; when it is one and comes from outside, its chat has spoken.
    pub fn new(message: Inbound, key: Option<String>, answers: Vec<NewOutbox>) -> Self {
        let is_written = message.kind.is_message() && message.address.channel != INTERNAL_CHANNEL;
        let spoke = is_written.then(|| message.address.clone());
        Self { message, key, answers, spoke }
    }
}

/// What accepting a batch changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Session keys that have new mail, in order.
    pub keys: Vec<String>,
    /// Held messages that are to be sent now, oldest first.
    pub released: Vec<(i64, Address)>,
}

/// What a channel delivers in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxBatch {
    /// Channel.
    pub channel: String,
    /// Messages.
    pub messages: Vec<NewInbox>,
    /// New cursor.
    pub cursor: Option<String>,
    /// Settings written in the same transaction (pairing).
    pub settings: Vec<(String, String)>,
    /// Questions that these messages answer. Not applied when every message of the batch was stored before.
    pub questions: Vec<QuestionChange>,
    /// When.
    pub now_ms: UnixMs,
}

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// `event`, `intent`, `attempt`, `result`, `late`, `moved`, `fault`, `done`.
    pub kind: String,
    /// JSON.
    pub body: String,
}

/// A journal record as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalRow {
    /// Order within the session, from 0.
    pub sequence: i64,
    /// When it was committed.
    pub at_ms: UnixMs,
    /// What.
    pub record: JournalRecord,
}

/// Most messages that are held for a chat; a further one takes the place of the oldest.
pub const HELD_MAX: usize = 20;

/// The error of a held message that was given up for newer ones.
pub const GIVEN_UP: &str = "given up: 20 newer messages wait for the next message of this chat";

/// State of an outgoing message: `(held →) ready → sending → (placed →) sent | failed | uncertain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// To be sent. A stream that is still being written has no text yet.
    Ready,
    /// A request for it may be under way.
    Sending,
    /// A placeholder stands in the chat; the text arrives by edit, which may be repeated.
    Placed,
    /// The channel said so.
    Sent,
    /// It will never be delivered.
    Failed,
    /// It may have been delivered; the owner is told, nothing is repeated.
    Uncertain,
    /// Not before somebody writes in its chat.
    Held,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOutbox {
    /// Where to.
    pub address: Address,
    /// The text as the channel takes it; `None` opens a stream.
    pub text: Option<String>,
    /// Whether it waits until somebody writes in its chat. Only what a step sends does.
    pub held: bool,
}

impl NewOutbox {
    /// A message that is sent at once.
    pub fn now(address: Address, text: impl Into<String>) -> Self {
        Self { address, text: Some(text.into()), held: false }
    }

    /// A message whose text is still being written.
    pub fn stream(address: Address) -> Self {
        Self { address, text: None, held: false }
    }
}

/// An outgoing message.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Row id: the order of sending within an address.
    pub id: i64,
    /// Session, when one sent it.
    pub session: Option<i64>,
    /// Where to.
    pub address: Address,
    /// Text.
    pub text: Option<String>,
    /// State.
    pub state: OutboxState,
    /// The channel's id of the placeholder or of the message.
    pub provider_id: Option<String>,
    /// Requests made.
    pub attempts: i64,
    /// Not to be tried before this time.
    pub not_before_ms: UnixMs,
    /// Last error.
    pub error: Option<String>,
    /// When it was created.
    pub created_ms: UnixMs,
}

/// A change to an outgoing message.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxUpdate {
    /// Row.
    pub id: i64,
    /// New state.
    pub state: OutboxState,
    /// New provider id, where known.
    pub provider_id: Option<String>,
    /// New not-before time.
    pub not_before_ms: Option<UnixMs>,
    /// Error.
    pub error: Option<String>,
    /// Adds one to `attempts`.
    pub count_attempt: bool,
}

/// A deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRow {
    /// Row id.
    pub id: i64,
    /// Session.
    pub session: i64,
    /// What it is for.
    pub kind: TimerKind,
    /// Visit in which it was set.
    pub visit: i64,
    /// Which one of its kind.
    pub timer: i64,
    /// When, milliseconds since 1970.
    pub due_ms: UnixMs,
}

/// A stored turn of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptRow {
    /// Order within the session, from 0.
    pub sequence: i64,
    /// The turn.
    pub turn: Turn,
    /// Its estimated tokens.
    pub tokens: i64,
}

/// Everything that one step changes, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCommit {
    /// Session: existing row, or `None` to create one for `key`.
    pub session: Option<i64>,
    /// Key (for a new session).
    pub key: String,
    /// Agent.
    pub agent: String,
    /// Step counter the caller loaded; 0 for a new session.
    pub expected_step: i64,
    /// Program.
    pub program: [u8; 32],
    /// Encoded machine.
    pub state: Vec<u8>,
    /// State name.
    pub state_name: String,
    /// Life.
    pub status: SessionStatus,
    /// Whether an effect is pending.
    pub pending: bool,
    /// Conversation.
    pub address: Option<Address>,
    /// First turn that prompts still hold.
    pub history_start: i64,
    /// Inbox rows consumed.
    pub consumed: Vec<i64>,
    /// Inbox rows marked as joined.
    pub joined: Vec<i64>,
    /// Journal records, in order.
    pub journal: Vec<JournalRecord>,
    /// Turns appended to the transcript.
    pub transcript: Vec<(Turn, i64)>,
    /// Messages to send; ids come back in this order.
    pub outbox: Vec<NewOutbox>,
    /// Streams to close: row and final text (an empty text withdraws a stream of which nothing was shown).
    pub close_streams: Vec<(i64, String)>,
    /// Whether every timer of a state is cleared first; wakes and deadlines of effects stay.
    pub clear_timers: bool,
    /// Timers armed: (visit, timer, due).
    pub timers: Vec<(i64, i64, UnixMs)>,
    /// Timers that fired and are consumed.
    pub timers_fired: Vec<i64>,
    /// Attempts that ended.
    pub ledger: Vec<Attempted>,
    /// What concerns others.
    pub extra: StepExtra,
    /// When.
    pub now_ms: UnixMs,
}

/// What a commit gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Session row.
    pub session: i64,
    /// New step counter.
    pub step: i64,
    /// Ids of the new outbox rows.
    pub outbox: Vec<i64>,
    /// The new questions: row, and the message that shows it.
    pub questions: AskedRows,
    /// Outgoing messages that were changed or added besides: questions, the progress line.
    pub touched: Vec<(i64, Address)>,
    /// Chats of held messages that were given up, because [`HELD_MAX`] newer ones wait there.
    pub given_up: Vec<Address>,
}

/// Totals for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTotals {
    /// Sessions that run.
    pub sessions_live: i64,
    /// Sessions parked.
    pub sessions_parked: i64,
    /// Messages not consumed.
    pub inbox_waiting: i64,
    /// Messages not sent yet.
    pub outbox_waiting: i64,
    /// Messages of unknown fate.
    pub outbox_uncertain: i64,
    /// Timers armed.
    pub timers: i64,
    /// Model attempts.
    pub model_calls: i64,
}

/// The durable store. Every method that changes something returns when the change is durable.
pub trait Store: Send + Sync {
    /// Stores inbound messages, and releases what was held for the chats in which somebody wrote.
    fn accept(&self, batch: InboxBatch) -> BoxFuture<'_, Result<Accepted, StoreError>>;
    /// Those of a channel's source ids that are stored.
    fn stored<'a>(
        &'a self,
        channel: &'a str,
        source_ids: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;
    /// When a message of a channel was stored, consumed or not.
    fn received_ms<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<UnixMs>, StoreError>>;
    /// Applies one step.
    fn commit(&self, commit: StepCommit) -> BoxFuture<'_, Result<Committed, StoreError>>;
    /// The session of a key that has not ended.
    fn session<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<SessionRow>, StoreError>>;
    /// The key of a session row that has not ended.
    fn session_key(&self, id: i64) -> BoxFuture<'_, Result<Option<String>, StoreError>>;
    /// Newest sessions first; ended ones only when asked for.
    fn sessions(&self, ended_too: bool, limit: u32) -> BoxFuture<'_, Result<Vec<SessionRow>, StoreError>>;
    /// Discards a session with its mail and timers (`sessions drop`); it ends as done, its journal stays.
    fn drop_session<'a>(&'a self, key: &'a str, now_ms: UnixMs) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Keys that a restart must look at: an effect is pending, or mail waits.
    fn keys_with_work(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
    /// Mail of a session that no step has consumed, oldest first.
    fn mail<'a>(&'a self, key: &'a str, limit: u32) -> BoxFuture<'a, Result<Vec<InboxRow>, StoreError>>;
    /// Consumes mail that no session waits for.
    fn discard_mail(&self, ids: Vec<i64>) -> BoxFuture<'_, Result<(), StoreError>>;
    /// Transcript from a turn on, oldest first.
    fn transcript(&self, session: i64, from: i64) -> BoxFuture<'_, Result<Vec<TranscriptRow>, StoreError>>;
    /// What stands in prompts for the turns of a transcript before this one, if anything does.
    fn epoch(&self, session: i64, start: i64) -> BoxFuture<'_, Result<Option<Epoch>, StoreError>>;
    /// Journal of a session.
    fn journal(
        &self,
        session: i64,
        from: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, StoreError>>;
    /// Timers due at a time, oldest first.
    fn timers_due(&self, now_ms: UnixMs, limit: u32) -> BoxFuture<'_, Result<Vec<TimerRow>, StoreError>>;
    /// When the next timer is due.
    fn next_timer_ms(&self) -> BoxFuture<'_, Result<Option<UnixMs>, StoreError>>;
    /// Timers of a session that are due, oldest first.
    fn session_timers_due(
        &self,
        session: i64,
        now_ms: UnixMs,
    ) -> BoxFuture<'_, Result<Vec<TimerRow>, StoreError>>;
    /// Stores outgoing messages that belong to no session (notices to the owner).
    fn post(&self, messages: Vec<NewOutbox>, now_ms: UnixMs) -> BoxFuture<'_, Result<Vec<i64>, StoreError>>;
    /// Outgoing messages that are not final, oldest first.
    fn outbox_open(&self, limit: u32) -> BoxFuture<'_, Result<Vec<OutboxRow>, StoreError>>;
    /// One outgoing message.
    fn outbox_row(&self, id: i64) -> BoxFuture<'_, Result<Option<OutboxRow>, StoreError>>;
    /// Newest outgoing messages, for people; `None` lists every state.
    fn outbox(
        &self,
        state: Option<OutboxState>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<OutboxRow>, StoreError>>;
    /// Changes an outgoing message.
    fn outbox_update(&self, update: OutboxUpdate) -> BoxFuture<'_, Result<(), StoreError>>;
    /// Stores a compiled program under its hash, and its source for people.
    fn put_program<'a>(
        &'a self,
        hash: [u8; 32],
        agent: &'a str,
        version: u32,
        bytes: Vec<u8>,
        source: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// A compiled program.
    fn program(&self, hash: [u8; 32]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;
    /// Keeps a version of a file that a program names, unless it is the newest one known; whether it was kept. Of each
    /// file the newest [`FILE_VERSIONS_MAX`](crate::files::FILE_VERSIONS_MAX) versions stay.
    fn keep_file(&self, version: FileVersion) -> BoxFuture<'_, Result<bool, StoreError>>;
    /// Kept versions, newest first: of one agent or all, of one file or all.
    fn file_versions<'a>(
        &'a self,
        agent: Option<&'a str>,
        name: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<FileVersion>, StoreError>>;
    /// A setting (`telegram/cursor`, `owner/telegram`).
    fn setting<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>>;
    /// Writes a setting.
    fn set_setting<'a>(&'a self, key: &'a str, value: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Puts a record aside.
    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Takes the worst case of an attempt of every cap that it counts against, or of none.
    fn announce_attempt(&self, attempt: Announcement) -> BoxFuture<'_, Result<Announced, StoreError>>;
    /// Records the end of an attempt outside of a step (one that failed and will be retried).
    fn record_attempt(&self, attempt: Attempted) -> BoxFuture<'_, Result<(), StoreError>>;
    /// What is used of a cap in a period, millionths of a US dollar.
    fn spent<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>>;
    /// How many uses of something are taken in a period (see [`Store::reserve`]).
    fn used<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>>;
    /// Sums over the ledger.
    fn costs(&self, query: CostQuery) -> BoxFuture<'_, Result<Costs, StoreError>>;
    /// Ledger rows, newest first; of one session or of all.
    fn ledger(&self, session: Option<i64>, limit: u32) -> BoxFuture<'_, Result<Vec<LedgerRow>, StoreError>>;
    /// Questions without an answer, oldest first.
    fn questions(&self) -> BoxFuture<'_, Result<Vec<QuestionRow>, StoreError>>;
    /// Texts kept in these scopes that fit a query best, best first.
    fn recall<'a>(
        &'a self,
        scopes: &'a [String],
        query: &'a str,
        top: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;
    /// Takes one use of something of which there are so many in a period; false when none is left. The same token
    /// counts once, so that a repeated step takes nothing more.
    fn reserve<'a>(
        &'a self,
        what: &'a str,
        period: i64,
        token: &'a str,
        most: u32,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Totals.
    fn totals(&self) -> BoxFuture<'_, Result<StoreTotals, StoreError>>;
    /// Finishes what was accepted, writes a checkpoint and closes; `cp` of the file is a backup after this.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
