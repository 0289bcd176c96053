// SPDX-License-Identifier: MIT OR Apache-2.0
//! From an update to a message: who spoke (only a numeric `from.id` is ever an identity), whether the words are the
//! sender's own, and what is none of our business.

mod happened;

use blufio_core::message::{Address, Attachment, ChatKind, Inbound, InboundKind, Sender};
use serde_json::Value;
use serde_json::value::RawValue;

use super::NAME;
use super::wire::{self, Chat, Me, Message, PhotoSize, Quoted, Update, UpdateId, User};

/// Longest text that is handed on, characters; Telegram's own limit is below.
const TEXT_CHARACTERS_MAX: usize = 16_384;
const CUT_MARK: &str = " […]";
const NAME_CHARACTERS_MAX: usize = 128;
/// Largest photo that models take, bytes: 5 MiB in base64.
pub(crate) const PHOTO_BYTES_MAX: u64 = 5 * 1024 * 1024 / 4 * 3;

/// What an update means.
#[derive(Debug, PartialEq)]
pub(crate) enum Meaning {
    /// For the runtime: a message, or what happened to the chat. One update may tell of several people.
    Taken(Vec<Inbound>),
    /// Nothing for us, and why.
    Ignored(&'static str),
    /// It cannot be read, and why: to be put aside.
    Poison(String),
}

/// The id of an update, when it has one that can be acknowledged.
pub(crate) fn update_id(raw: &RawValue) -> Option<i64> {
    let update: UpdateId = serde_json::from_str(raw.get()).ok()?;
    Some(update.update_id).filter(|id| (0..i64::MAX).contains(id))
}

/// Reads one update.
pub(crate) fn read(raw: &RawValue, update_id: i64, me: &Me) -> Meaning {
    let update: Update = match serde_json::from_str(&wire::repaired(raw.get())) {
        Ok(update) => update,
        Err(error) => return Meaning::Poison(format!("not an update as documented: {error}")),
    };
    let parts =
        (update.message.or(update.channel_post), update.edited_message.or(update.edited_channel_post));
    match (parts, update.message_reaction, update.chat_member) {
        ((Some(message), _), ..) => read_message(message, InboundKind::Message, update_id, me),
        ((None, Some(message)), ..) => read_message(message, InboundKind::Edited, update_id, me),
        (_, Some(reaction), _) => happened::reaction(&reaction, update_id),
        (.., Some(change)) => happened::membership(&change, update_id),
        _ => Meaning::Ignored("not a message"),
    }
}

fn read_message(message: Message, kind: InboundKind, update_id: i64, me: &Me) -> Meaning {
    if message.chat.id == 0 {
        return no_chat();
    }
    // Anonymous administrators speak through a bot of Telegram's and are told by `sender_chat`.
    let is_bot = message
        .from
        .as_ref()
        .is_some_and(|user| user.id == me.id || (user.is_bot && message.sender_chat.is_none()));
    if is_bot {
        return Meaning::Ignored("a bot's message");
    }
    if message.new_chat_members.is_some() || message.left_chat_member.is_some() {
        return happened::members(&message, update_id);
    }
    let is_forwarded =
        message.forward_origin.is_some() || message.forward_date.is_some() || message.is_automatic_forward;
    let own_words = !is_forwarded && message.via_bot.is_none();
    let attachments: Vec<Attachment> =
        photo(message.photo.as_deref().unwrap_or(&[])).into_iter().chain(media(&message)).collect();
    let text = message.text.as_deref().or(message.caption.as_deref()).unwrap_or("");
    if text.trim().is_empty() && attachments.is_empty() {
        return Meaning::Ignored("a message without words");
    }
    let addressed = if own_words { addressed(text, &me.username) } else { Some(text.to_string()) };
    let Some(text) = addressed else {
        return Meaning::Ignored("a command for another bot");
    };
    Meaning::Taken(vec![Inbound {
        kind,
        source_id: format!("update:{update_id}"),
        address: Address {
            channel: NAME.to_string(),
            chat: message.chat.id.to_string(),
            // Outside forums the field names a chain of replies, which is no place to answer to.
            thread: message.message_thread_id.filter(|_| message.is_topic_message).map(|id| id.to_string()),
        },
        chat: chat_kind(&message.chat),
        sender: sender(&message),
        text: cut(&harmless(&text)),
        own_words,
        quoted: quoted(&message).map(|text| cut(&harmless(&text))),
        quoted_id: quoted_id(&message),
        message_id: Some(message.message_id.to_string()),
        sent_ms: seconds(&message.date).saturating_mul(1000),
        attachments,
    }])
}

fn no_chat() -> Meaning {
    Meaning::Poison("chat 0 does not exist".to_string())
}

fn chat_kind(chat: &Chat) -> ChatKind {
    match chat.kind.as_str() {
        "private" => ChatKind::Private,
        _ => ChatKind::Group(display_name(chat.title.as_deref().unwrap_or(""))),
    }
}

fn sender(message: &Message) -> Sender {
    if let Some(chat) = &message.sender_chat {
        return Sender { id: String::new(), name: display_name(chat.title.as_deref().unwrap_or("")) };
    }
    let Some(user) = &message.from else {
        return Sender { id: String::new(), name: String::new() };
    };
    // What a bot wrote for somebody is not that person speaking.
    if message.via_bot.is_some() { Sender { id: String::new(), ..person(user) } } else { person(user) }
}

/// Somebody by their number; ids of persons are positive.
fn person(user: &User) -> Sender {
    let name = match &user.last_name {
        Some(last_name) => format!("{} {last_name}", user.first_name),
        None => user.first_name.clone(),
    };
    let id = if user.id > 0 { user.id.to_string() } else { String::new() };
    Sender { id, name: display_name(&name) }
}

/// The words that the message answers to: the marked part, else the whole message.
fn quoted(message: &Message) -> Option<String> {
    let words = |quoted: &Quoted| quoted.text.clone().or_else(|| quoted.caption.clone());
    let text = message
        .quote
        .as_ref()
        .and_then(words)
        .or_else(|| message.reply_to_message.as_ref().and_then(words))?;
    (!text.trim().is_empty()).then_some(text)
}

/// The message of this chat that it answers to.
fn quoted_id(message: &Message) -> Option<String> {
    message.reply_to_message.as_ref()?.message_id.map(|id| id.to_string())
}

/// A command without the bot's name, `None` when it names another bot. Other texts stay as they are.
fn addressed(text: &str, username: &str) -> Option<String> {
    let Some(command) = text.trim_start().strip_prefix('/') else { return Some(text.to_string()) };
    let end = command.find(char::is_whitespace).unwrap_or(command.len());
    let (word, rest) = command.split_at(end);
    match word.split_once('@') {
        Some((name, bot)) if bot.eq_ignore_ascii_case(username) => Some(format!("/{name}{rest}")),
        // Telegram's names are letters, digits and `_`; anything else after the `@` is no address.
        Some((_, bot)) if !bot.is_empty() && bot.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
            None
        }
        _ => Some(text.to_string()),
    }
}

/// The largest size that is not too large for a model.
fn photo(sizes: &[PhotoSize]) -> Option<Attachment> {
    let fits = |size: &&PhotoSize| size.file_size.is_none_or(|bytes| bytes <= PHOTO_BYTES_MAX);
    let area = |size: &&PhotoSize| size.width.saturating_mul(size.height);
    let size = sizes.iter().filter(fits).max_by_key(area)?;
    // Telegram stores photos as JPEG, whatever was uploaded.
    Some(Attachment {
        media_type: "image/jpeg".to_string(),
        handle: size.file_id.clone(),
        bytes: size.file_size,
        name: None,
    })
}

/// Everything else that Telegram gives as a file.
fn media(message: &Message) -> Option<Attachment> {
    let kinds = [
        (&message.document, "file", "application/octet-stream"),
        (&message.audio, "audio", "audio/mpeg"),
        (&message.voice, "voice message", "audio/ogg"),
        (&message.video, "video", "video/mp4"),
        (&message.video_note, "video message", "video/mp4"),
    ];
    kinds.into_iter().find_map(|(media, kind, media_type)| {
        let media = media.as_ref()?;
        let media_type =
            media.mime_type.as_deref().filter(|named| is_media_type(named)).unwrap_or(media_type);
        Some(Attachment {
            media_type: media_type.to_string(),
            handle: media.file_id.clone()?,
            bytes: media.file_size,
            name: Some(display_name(media.file_name.as_deref().unwrap_or(kind))),
        })
    })
}

/// The sender's program names the type, so it is anything until it looks like one.
fn is_media_type(named: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'+' | b'-' | b'_');
    named.len() <= 100 && named.bytes().all(plain) && named.matches('/').count() == 1
}

/// Any number as seconds; nonsense is the beginning of time. The date is only shown, nothing depends on it.
fn seconds(date: &Value) -> i64 {
    if let Some(seconds) = date.as_i64() {
        return seconds;
    }
    if date.is_u64() { i64::MAX } else { 0 }
}

/// Makes control characters visible that could steer a terminal or end a text early; line ends become `\n`.
fn harmless(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if matches!(c, '\n' | '\t') { c } else { visible(c) })
        .collect()
}

fn visible(c: char) -> char {
    match c {
        '\u{0}'..='\u{1F}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7F}' => '\u{2421}',
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// A name on one line, without characters that turn the reading direction of what stands beside it.
fn display_name(name: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    name.chars()
        .take(NAME_CHARACTERS_MAX)
        .map(|c| if turns(c) { char::REPLACEMENT_CHARACTER } else { visible(c) })
        .collect()
}

fn cut(text: &str) -> String {
    if text.len() <= TEXT_CHARACTERS_MAX || text.chars().count() <= TEXT_CHARACTERS_MAX {
        return text.to_string();
    }
    let kept = TEXT_CHARACTERS_MAX - CUT_MARK.chars().count();
    text.chars().take(kept).chain(CUT_MARK.chars()).collect()
}

#[cfg(test)]
mod tests;
