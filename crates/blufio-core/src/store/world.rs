// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a step changes beyond its own session: questions to people, mail to other sessions, memory, the progress line,
//! wakes and deadlines of effects. All of it lands in the step's transaction.

use serde::{Deserialize, Serialize};

use super::NewOutbox;
use crate::message::{Address, Inbound, UnixMs};
use crate::model::Turn;

/// Channel of mail that sessions write to each other. No channel of the world has this name.
pub const INTERNAL_CHANNEL: &str = "blufio:internal";

/// What a timer is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimerKind {
    /// A deadline of a state or of a loop: visit and number.
    #[default]
    State,
    /// A wake of the session: its number; the visit is 0.
    Wake,
    /// A deadline of an effect: its coordinate.
    Effect,
}

/// A timer other than a state's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTimer {
    /// What it is for.
    pub kind: TimerKind,
    /// Visit.
    pub visit: i64,
    /// Number.
    pub number: i64,
    /// When, milliseconds since 1970.
    pub due_ms: UnixMs,
}

/// What an answer may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuestionKind {
    /// Any words.
    Words,
    /// Yes or no.
    Approval {
        /// Whether other words correct the text that is approved.
        editing: bool,
    },
    /// Everything that the person says in the chat goes to this session until it ends.
    Conversation {
        /// Key of the session.
        key: String,
    },
}

/// A question to one person in one chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Where it was asked.
    pub address: Address,
    /// The channel's id of who may answer; empty where the channel's only user is meant.
    pub person: String,
    /// What an answer may be.
    pub kind: QuestionKind,
    /// As it was shown.
    pub text: String,
    /// Short number among the open ones of the chat.
    pub label: u32,
    /// What the text was corrected to.
    pub correction: Option<String>,
    /// Whether they were told once what an answer is.
    pub reminded: bool,
    /// The message that shows it.
    pub outbox: Option<i64>,
}

/// Which effect asks: its coordinate, and the call for a `run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asking {
    /// Visit.
    pub visit: u64,
    /// Number of the effect.
    pub number: u32,
    /// Number of the call within a `run`; 0 otherwise.
    pub call: u32,
}

/// A question to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct NewQuestion {
    /// Who asks.
    pub asking: Asking,
    /// The question; `outbox` is filled by the store.
    pub question: Question,
    /// The message that shows it; none for a conversation.
    pub message: Option<NewOutbox>,
}

/// Questions of an effect that need no answer any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseQuestions {
    /// Visit.
    pub visit: u64,
    /// Number of the effect.
    pub number: u32,
    /// What is put behind the message that showed it.
    pub mark: Option<String>,
    /// Channels whose messages can be edited; elsewhere the message stays as it is.
    pub channels: Vec<String>,
}

/// New questions: row, and the message that shows it.
pub type AskedRows = Vec<(i64, Option<i64>)>;

/// An open question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionRow {
    /// Row id.
    pub id: i64,
    /// Session that asks.
    pub session: i64,
    /// Its key.
    pub key: String,
    /// Its effect.
    pub asking: Asking,
    /// The question.
    pub question: Question,
    /// The channel's id of the message that shows it, once it has one.
    pub message_id: Option<String>,
}

/// A change to a question by somebody's words, in the transaction that stores the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionChange {
    /// Row.
    pub id: i64,
    /// The question as it is now; `None` closes it.
    pub question: Option<Question>,
}

/// Mail to another session. What has the same source id is stored once, for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMail {
    /// Session key.
    pub key: String,
    /// What it says.
    pub message: Inbound,
}

/// A change to the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryChange {
    /// Keeps a text; the same text in the same scope is kept once.
    Remember {
        /// Whose.
        scope: String,
        /// What.
        text: String,
    },
    /// Gives up everything in a scope.
    Forget {
        /// Whose.
        scope: String,
    },
}

/// What happens to the progress line of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It reads so now: the message that shows it is edited where it can be, else a new one follows.
    Show {
        /// Where.
        address: Address,
        /// Text.
        text: String,
        /// Whether the channel can edit.
        edits: bool,
    },
    /// The next one is a new message.
    End,
}

/// Everything of a step that is not its session's own row, mail or transcript.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepExtra {
    /// Mail to other sessions.
    pub mail: Vec<NewMail>,
    /// Questions that end; before new ones are asked.
    pub close_questions: Vec<CloseQuestions>,
    /// Questions to ask.
    pub questions: Vec<NewQuestion>,
    /// Changes to the memory, in order.
    pub memories: Vec<MemoryChange>,
    /// Changes to the progress line, in order.
    pub progress: Vec<Progress>,
    /// Whether every wake is disarmed first.
    pub clear_wakes: bool,
    /// Effects whose deadline is disarmed: visit and number.
    pub clear_deadlines: Vec<(i64, i64)>,
    /// Wakes and deadlines armed.
    pub timers: Vec<NewTimer>,
    /// What stands in prompts for the turns before the new start of the history.
    pub epoch: Option<Epoch>,
    /// Uses and money that are counted under names that begin so, with a slash at their end, count no more: the session ended.
    pub forget_counts: Vec<String>,
}

/// A new beginning of the history that prompts hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// First turn of the transcript that prompts hold.
    pub start: i64,
    /// What stands for the turns before it.
    pub summary: Turn,
    /// Its estimated tokens.
    pub tokens: i64,
}

impl StepExtra {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Text of a message behind which a mark was put.
pub fn marked(text: &str, mark: &str) -> String {
    format!("{text}\n{mark}")
}
