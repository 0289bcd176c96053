// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes over the socket.

use blufio_agent::status::Status;
use blufio_core::store::{OutboxRow, OutboxState, SessionRow, SessionStatus};
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
    /// What runs.
    #[serde(flatten)]
    pub status: Status,
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
