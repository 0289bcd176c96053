// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as every channel gives and takes them.

use serde::{Deserialize, Serialize};

/// A place where a conversation happens and where answers go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Name of the channel: `telegram`, `shell`.
    pub channel: String,
    /// The channel's id of the chat (for Telegram the numeric chat id as text).
    pub chat: String,
    /// Thread or topic in the chat.
    pub thread: Option<String>,
}

/// Whether a chat is between two or among many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChatKind {
    /// One person and the bot.
    Private,
    /// A group with its title.
    Group(String),
}

/// Who wrote. Only `id` authorises; names are for display.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The channel's stable id (for Telegram the numeric `from.id` as text). Empty for anonymous senders, who are
    /// never anybody's identity.
    pub id: String,
    /// Name for display; control characters are already made visible.
    pub name: String,
}

/// An image or file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// MIME type.
    pub media_type: String,
    /// The channel's handle from which the bytes can be had.
    pub handle: String,
    /// Bytes, as the channel says.
    pub bytes: Option<u64>,
    /// Name for display; control characters are already made visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an inbound record tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundKind {
    /// Somebody wrote.
    #[default]
    Message,
    /// Somebody changed what they wrote: `message_id` names the message, the rest is as it reads now.
    Edited,
    /// Somebody reacted to the message `quoted_id`: the text holds the signs that were added.
    Reaction,
    /// Somebody came into the chat: the text is the name of who came, the sender is whoever let them in.
    Joined,
    /// Somebody left the chat: the text is the name of who left, the sender is whoever did it.
    Left,
}

impl InboundKind {
    /// Whether it is a message, not something that happened to the chat.
    pub fn is_message(&self) -> bool {
        *self == Self::Message
    }

    /// The word behind `on`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edited => "edited",
            Self::Reaction => "reaction",
            Self::Joined => "joined",
            Self::Left => "left",
        }
    }
}

/// One inbound message, or something that happened to the chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// What it tells.
    #[serde(default, skip_serializing_if = "InboundKind::is_message")]
    pub kind: InboundKind,
    /// Unique within the channel for ever: `update:123`. Delivering the same id twice stores it once.
    pub source_id: String,
    /// Where it was said, and where the answer goes.
    pub address: Address,
    /// What kind of chat that is.
    pub chat: ChatKind,
    /// Who said it.
    pub sender: Sender,
    /// Text (or caption), at most 16,384 characters; longer ones are cut by the channel with a mark.
    pub text: String,
    /// Whether the words are the sender's own: `false` for forwarded ones.
    pub own_words: bool,
    /// Text of the message it quotes, which is never the sender's own words.
    pub quoted: Option<String>,
    /// The channel's id of the message that it quotes or reacts to, where it is one of this chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted_id: Option<String>,
    /// The channel's id of this message, for replies that point to it.
    pub message_id: Option<String>,
    /// When it was sent, milliseconds since 1970, as the channel says; only for display.
    pub sent_ms: i64,
    /// What came with it.
    pub attachments: Vec<Attachment>,
}

/// Milliseconds since 1970 UTC.
pub type UnixMs = i64;
