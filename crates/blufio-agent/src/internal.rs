// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sessions and the runtime itself put into a session's mailbox besides messages: answers to questions, results
//! of asked agents, events of declared types, schedules. It lies in the same mailbox as messages, so that order,
//! exactly-once delivery and crashes are the mailbox's business alone.

use blufio_core::message::{Address, ChatKind, Inbound, InboundKind, Sender};
use blufio_core::store::{Asking, Cap, INTERNAL_CHANNEL};
use serde::{Deserialize, Serialize};

use crate::session::envelope::SenderNote;

/// One such piece of mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Internal {
    /// Somebody answered a question.
    Answer {
        /// The effect that asked.
        asking: Asking,
        /// Question row.
        question: i64,
        /// What they answered.
        answer: Answer,
        /// Their words.
        inbound: Box<Inbound>,
    },
    /// An asked agent ended.
    Result {
        /// The effect that asked.
        asking: Asking,
        /// Outcome, in the form of `outcome`.
        outcome: serde_json::Value,
    },
    /// Opens a session for an agent that asks.
    Start(Box<Start>),
    /// Nobody waits for this session's result any more.
    End,
    /// A message that the asking session handed over.
    Forward(Box<Inbound>),
    /// An event of a declared type.
    Declared {
        /// Name of the type.
        event: String,
        /// What it carries.
        value: serde_json::Value,
    },
    /// A schedule fires.
    Every {
        /// Index into the program's schedules.
        schedule: u32,
        /// Version of the program that it was computed for.
        version: u32,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Words.
    Says(String),
    /// Yes, with the text that was corrected.
    Yes(Option<String>),
    /// No.
    No,
}

/// What an asked agent begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub parent: Parent,
    /// Values of the parameters, in order.
    pub arguments: Vec<serde_json::Value>,
    /// The conversation that it holds, if any.
    pub address: Option<Address>,
    /// Who wrote to the asking session last.
    pub sender: Option<SenderNote>,
}

/// Who waits for a session's result, and what the session may do for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parent {
    /// Key of the asking session.
    pub key: String,
    /// Its effect.
    pub asking: Asking,
    /// How many sessions wait above this one.
    pub depth: u32,
    /// Tools that may be used; nothing else runs.
    pub tools: Vec<String>,
    /// Most model calls.
    pub calls_max: Option<u32>,
    /// Model calls so far.
    pub calls: u32,
    /// Caps on money that its model steps count against besides its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
}

impl Internal {
    /// As a message for a mailbox.
    pub fn to_inbound(&self, source_id: String, sent_ms: i64) -> Inbound {
        let text = serde_json::to_string(self).unwrap_or_default();
        self.wrapped(source_id, text, sent_ms)
    }

    fn wrapped(&self, source_id: String, text: String, sent_ms: i64) -> Inbound {
        Inbound {
            kind: InboundKind::Message,
            source_id,
            address: Address { channel: INTERNAL_CHANNEL.into(), chat: String::new(), thread: None },
            chat: ChatKind::Private,
            sender: Sender { id: String::new(), name: String::new() },
            text,
            own_words: false,
            quoted: None,
            quoted_id: None,
            message_id: None,
            sent_ms,
            attachments: Vec::new(),
        }
    }

    /// What a stored message holds; `None` for a message of the world.
    pub fn of(message: &Inbound) -> Option<Result<Self, String>> {
        if message.address.channel != INTERNAL_CHANNEL {
            return None;
        }
        Some(serde_json::from_str(&message.text).map_err(|error| error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_the_mailbox_and_no_message_is_taken_for_it() {
        let every = Internal::Every { schedule: 3, version: 1 };
        let mail = every.to_inbound("every/a/3/0".into(), 5);
        assert_eq!(Internal::of(&mail), Some(Ok(every)));
        let mut forged = mail.clone();
        forged.address.channel = "telegram".into();
        assert_eq!(Internal::of(&forged), None);
    }
}
