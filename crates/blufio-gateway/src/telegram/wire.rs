// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shapes of the Bot API that the channel reads, as tolerant as a reader may be: unknown fields are skipped,
//! identifiers are 64 bits wide, and an update is read on its own so that a broken one spoils no other.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// An answer that succeeded.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub ok: bool,
    pub result: Option<Box<RawValue>>,
}

/// An answer that did not. Its parts are values because servers and proxies fill them with anything.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub ok: bool,
    pub error_code: Option<Value>,
    pub description: Option<Value>,
    pub parameters: Option<Value>,
}

/// The bot itself, from `getMe`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Me {
    pub id: i64,
    #[serde(default)]
    pub username: String,
}

/// Only the id of an update, for updates that cannot be read further.
#[derive(Debug, Deserialize)]
pub(crate) struct UpdateId {
    pub update_id: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    pub message: Option<Message>,
    pub channel_post: Option<Message>,
    pub edited_message: Option<Message>,
    pub edited_channel_post: Option<Message>,
    pub message_reaction: Option<MessageReaction>,
    pub chat_member: Option<ChatMemberChange>,
}

/// Somebody changed the reactions to a message.
#[derive(Debug, Deserialize)]
pub(crate) struct MessageReaction {
    pub chat: Chat,
    pub message_id: i64,
    pub user: Option<User>,
    /// Who reacted in place of an anonymous user.
    pub actor_chat: Option<Chat>,
    #[serde(default)]
    pub date: Value,
    #[serde(default)]
    pub old_reaction: Vec<Reaction>,
    #[serde(default)]
    pub new_reaction: Vec<Reaction>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Reaction {
    #[serde(rename = "type")]
    pub kind: String,
    pub emoji: Option<String>,
    pub custom_emoji_id: Option<String>,
}

/// Somebody's standing in a chat changed.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatMemberChange {
    pub chat: Chat,
    /// Who did it.
    pub from: User,
    #[serde(default)]
    pub date: Value,
    pub old_chat_member: ChatMember,
    pub new_chat_member: ChatMember,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatMember {
    pub status: String,
    pub user: User,
    /// Of somebody restricted: whether they are in the chat.
    #[serde(default)]
    pub is_member: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub message_id: i64,
    pub message_thread_id: Option<i64>,
    #[serde(default)]
    pub is_topic_message: bool,
    pub from: Option<User>,
    pub sender_chat: Option<Chat>,
    /// Seconds since 1970; any number, because a wrong clock is no reason to drop a message.
    #[serde(default)]
    pub date: Value,
    pub chat: Chat,
    pub forward_origin: Option<IgnoredAny>,
    /// How forwarded messages were marked before Bot API 7.0.
    pub forward_date: Option<IgnoredAny>,
    #[serde(default)]
    pub is_automatic_forward: bool,
    pub reply_to_message: Option<Quoted>,
    pub quote: Option<Quoted>,
    pub via_bot: Option<IgnoredAny>,
    pub text: Option<String>,
    pub caption: Option<String>,
    pub photo: Option<Vec<PhotoSize>>,
    /// An animation comes as a document too, for programs that do not know it.
    pub document: Option<Media>,
    pub audio: Option<Media>,
    pub voice: Option<Media>,
    pub video: Option<Media>,
    pub video_note: Option<Media>,
    pub new_chat_members: Option<Vec<User>>,
    pub left_chat_member: Option<User>,
}

/// A file of any kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Media {
    pub file_id: Option<String>,
    pub file_name: Option<String>,
    pub mime_type: Option<String>,
    pub file_size: Option<u64>,
}

/// A message that is quoted, or the part of one.
#[derive(Debug, Deserialize)]
pub(crate) struct Quoted {
    pub message_id: Option<i64>,
    pub text: Option<String>,
    pub caption: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub id: i64,
    #[serde(default)]
    pub is_bot: bool,
    #[serde(default)]
    pub first_name: String,
    pub last_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chat {
    pub id: i64,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PhotoSize {
    pub file_id: String,
    #[serde(default)]
    pub width: i64,
    #[serde(default)]
    pub height: i64,
    pub file_size: Option<u64>,
}

/// From `getFile`.
#[derive(Debug, Deserialize)]
pub(crate) struct File {
    pub file_size: Option<u64>,
    pub file_path: Option<String>,
}

/// From `sendMessage`.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub message_id: i64,
}

/// Replaces escapes of lone surrogates, which are valid JSON but no text, by U+FFFD.
pub(crate) fn repaired(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let bytes = json.as_bytes();
    let mut repaired = String::with_capacity(json.len());
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let length = match escaped_unit(bytes, at) {
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(bytes, at + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(&json[copied..at]);
                repaired.push_str("\\uFFFD");
                copied = at + 6;
                6
            }
            Some(_) => 6,
            None => 2,
        };
        at += length;
    }
    repaired.push_str(json.get(copied..).unwrap_or(""));
    Cow::Owned(repaired)
}

/// The UTF-16 unit of a `\uXXXX` escape that begins there.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t35_lone_surrogate_escapes_become_readable() {
        let read = |json: &str| serde_json::from_str::<String>(&repaired(json)).unwrap();
        assert_eq!(read(r#""a\uD800b""#), "a\u{FFFD}b");
        assert_eq!(read(r#""\uDC00\uD83D\uDE00\uD83D""#), "\u{FFFD}😀\u{FFFD}");
        assert_eq!(read(r#""\uD83Dx\uDE00""#), "\u{FFFD}x\u{FFFD}");
        // An escaped backslash before a `u` is text, not an escape.
        assert_eq!(read(r#""\\uD800 ä""#), "\\uD800 ä");
        assert_eq!(repaired("\"\\uD8").as_ref(), "\"\\uD8");
        assert_eq!(repaired("\"ä\\").as_ref(), "\"ä\\");
    }
}
