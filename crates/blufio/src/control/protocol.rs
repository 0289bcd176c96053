// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes over the socket.

use blufio_agent::caps::CapUse;
use blufio_agent::events::EventError;
use blufio_agent::kill::Killed;
use blufio_agent::status::Status;
use blufio_core::store::{CostGroup, CostRow, OutboxRow, OutboxState, SessionRow, SessionStatus};
use serde::{Deserialize, Serialize};

/// Version of this protocol; both sides must speak the same.
pub const VERSION: u32 = 1;

/// A request: one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// A snapshot.
    Status,
    /// Sessions, newest first.
    Sessions {
        /// Also those that ended.
        ended_too: bool,
    },
    /// The journal of a session.
    Journal {
        /// Its key.
        key: String,
    },
    /// Discard a session.
    DropSession {
        /// Its key.
        key: String,
    },
    /// Messages on their way out, newest first.
    Outbox {
        /// Only those in this state.
        state: Option<OutboxState>,
    },
    /// Hand an event of a declared type over.
    Event(EventPost),
    /// What model calls cost.
    Costs {
        /// Groups.
        by: CostGroup,
        /// From when on, Unix milliseconds.
        since_ms: Option<i64>,
        /// Only calls of this agent.
        agent: Option<String>,
    },
    /// Stop every model call.
    Kill {
        /// Why.
        reason: Option<String>,
    },
    /// Let model calls go on.
    Release,
    /// Kept versions of the files that programs name, newest first.
    History {
        /// Only of this agent.
        agent: Option<String>,
        /// Only of this file.
        file: Option<String>,
    },
    /// One of them, whole.
    FileVersion {
        /// Agent.
        agent: String,
        /// File.
        file: String,
        /// How its hash begins.
        hash: String,
    },
    /// Keep a text as a version of a file.
    KeepFile(Box<VersionText>),
    /// Check the programs and take them over.
    Reload,
    /// Stop.
    Stop,
    /// Turn this connection into a conversation.
    Chat,
}

/// An answer: one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `status`.
    Status(Box<StatusReport>),
    /// To `sessions`.
    Sessions(Vec<SessionLine>),
    /// To `journal`.
    Journal(Vec<JournalLine>),
    /// To `drop_session`: whether there was one.
    Dropped(bool),
    /// To `outbox`.
    Outbox(Vec<OutboxLine>),
    /// To `event`: it is stored.
    Event(EventLine),
    /// To `event`: it is not.
    EventRefused(EventRefusal),
    /// To `costs`.
    Costs(Box<CostReport>),
    /// To `kill`: what holds now.
    Killed(Killed),
    /// To `release`: what held, if anything did.
    Released(Option<Killed>),
    /// To `history`.
    History(Vec<VersionLine>),
    /// To `file_version`.
    FileVersion(Box<VersionText>),
    /// To `keep_file`: whether it was not the newest one already.
    Kept(bool),
    /// To `reload`, `stop`, `chat`: words.
    Done(String),
    /// It did not work, and why.
    Failed(String),
}

/// A snapshot of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Its process.
    pub process: u32,
    /// Its version.
    pub version: String,
    /// Where webhooks are listened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<String>,
    /// What runs.
    #[serde(flatten)]
    pub status: Status,
}

/// An event to hand over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPost {
    /// Agent that gets it.
    pub agent: String,
    /// Its declared type.
    pub event: String,
    /// What it carries.
    pub value: serde_json::Value,
    /// The same id is the same event.
    pub id: String,
    /// Key of the session; without one the routes decide.
    pub session: Option<String>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// Its id.
    pub id: String,
    /// Key of the session that gets it.
    pub session: String,
    /// Whether it is new.
    pub new: bool,
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRefusal {
    /// A word that programs can compare.
    pub error: EventProblem,
    /// Words.
    pub message: String,
    /// What does not fit, place by place.
    pub violations: Vec<String>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventProblem {
    /// No such agent.
    UnknownAgent,
    /// The agent does not wait for the type.
    NotAwaited,
    /// It does not fit its type.
    Unfit,
    /// No event may be for this session.
    Session,
    /// The server stops.
    Stopping,
    /// It could not be stored.
    Store,
}

impl From<EventError> for EventRefusal {
    fn from(error: EventError) -> Self {
        let message = error.to_string();
        let (error, violations) = match error {
            EventError::UnknownAgent(_) => (EventProblem::UnknownAgent, Vec::new()),
            EventError::NotAwaited { .. } => (EventProblem::NotAwaited, Vec::new()),
            EventError::Unfit { violations, .. } => (EventProblem::Unfit, violations),
            EventError::Session(_) => (EventProblem::Session, Vec::new()),
            EventError::Stopping => (EventProblem::Stopping, Vec::new()),
            EventError::Store(_) => (EventProblem::Store, Vec::new()),
        };
        Self { error, message, violations }
    }
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// Key.
    pub key: String,
    /// Agent.
    pub agent: String,
    /// State it stands in.
    pub state: String,
    /// Live, done or parked.
    pub status: SessionStatus,
    /// Steps taken.
    pub step: i64,
    /// Whether an effect is under way.
    pub pending: bool,
    /// Last change, Unix milliseconds.
    pub updated_ms: i64,
}

impl From<SessionRow> for SessionLine {
    fn from(row: SessionRow) -> Self {
        Self {
            key: row.key,
            agent: row.agent,
            state: row.state_name,
            status: row.status,
            step: row.step,
            pending: row.pending,
            updated_ms: row.updated_ms,
        }
    }
}

/// A record of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Number.
    pub sequence: i64,
    /// Time, Unix milliseconds.
    pub at_ms: i64,
    /// Kind.
    pub kind: String,
    /// What happened.
    pub body: serde_json::Value,
}

/// Most groups of a [`CostReport`].
pub const GROUPS_MAX: u32 = 10_000;

/// What model calls cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostReport {
    /// Groups.
    pub by: CostGroup,
    /// From when on, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Only calls of this agent.
    pub agent: Option<String>,
    /// All together.
    pub total: CostLine,
    /// The dearest first; days in their order.
    pub groups: Vec<CostLine>,
    /// Caps of the current programs.
    pub caps: Vec<CapUse>,
}

/// A group of model calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostLine {
    /// Sums.
    #[serde(flatten)]
    pub sums: CostRow,
    /// Share of the prompts' tokens that was read from the cache.
    pub cache_read_share: Option<f64>,
    /// Share of the calls whose tokens the provider did not report.
    pub unknown_share: Option<f64>,
}

impl From<CostRow> for CostLine {
    fn from(sums: CostRow) -> Self {
        Self { cache_read_share: sums.cache_read_share(), unknown_share: sums.unknown_share(), sums }
    }
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxLine {
    /// Number.
    pub id: i64,
    /// Channel.
    pub channel: String,
    /// Chat.
    pub chat: String,
    /// How far it is.
    pub state: OutboxState,
    /// Attempts so far.
    pub attempts: i64,
    /// Text; absent while it is being written.
    pub text: Option<String>,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was decided, Unix milliseconds.
    pub created_ms: i64,
}

impl From<OutboxRow> for OutboxLine {
    fn from(row: OutboxRow) -> Self {
        Self {
            id: row.id,
            channel: row.address.channel,
            chat: row.address.chat,
            state: row.state,
            attempts: row.attempts,
            text: row.text,
            error: row.error,
            created_ms: row.created_ms,
        }
    }
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionLine {
    /// Agent that names it.
    pub agent: String,
    /// Its name.
    pub file: String,
    /// SHA-256 of its text, hexadecimal.
    pub hash: String,
    /// When it was kept, Unix milliseconds.
    pub at_ms: i64,
    /// Size of its text.
    pub bytes: usize,
    /// Lines that the version before it has not.
    pub lines_added: usize,
    /// Lines that only the version before it has.
    pub lines_removed: usize,
}

/// A version of a file, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionText {
    /// Agent that names it.
    pub agent: String,
    /// Its name.
    pub file: String,
    /// Folder of the program.
    pub folder: String,
    /// SHA-256 of its text, hexadecimal.
    pub hash: String,
    /// Its text.
    pub text: String,
}

/// What a conversation's client says: one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// Words of the person.
    pub say: String,
}

/// What a conversation's client hears: one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// The text of a message so far; more may come.
    Partial {
        /// The message.
        id: u64,
        /// Its text.
        text: String,
    },
    /// The text of a message.
    Final {
        /// The message.
        id: u64,
        /// Its text.
        text: String,
    },
    /// Somebody is writing.
    Typing,
    /// Everything said so far is dealt with.
    Quiet,
    /// It did not work.
    Failed {
        /// Why.
        reason: String,
    },
}
