// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a chat besides messages: reactions, and who comes and goes. Telegram tells of the latter twice where
//! the bot is an administrator, in the chat and apart from it; both have the same source id.

use blufio_core::message::{Address, Inbound, InboundKind, Sender};
use serde_json::Value;

use super::super::NAME;
use super::super::wire::{Chat, ChatMember, ChatMemberChange, Message, MessageReaction, Reaction, User};
use super::{Meaning, chat_kind, cut, display_name, harmless, no_chat, person, seconds, sender};

/// Sign of a reaction that was paid for.
const STAR: &str = "⭐";

/// Somebody reacted. What was taken back tells nothing.
pub(super) fn reaction(update: &MessageReaction, update_id: i64) -> Meaning {
    if update.chat.id == 0 {
        return no_chat();
    }
    if update.user.as_ref().is_some_and(|user| user.is_bot) {
        return Meaning::Ignored("a bot's reaction");
    }
    let added = update.new_reaction.iter().filter(|reaction| !update.old_reaction.contains(reaction));
    let signs: Vec<String> = added.filter_map(sign).collect();
    if signs.is_empty() {
        return Meaning::Ignored("a reaction that was taken back");
    }
    let title = update.actor_chat.as_ref().and_then(|chat| chat.title.as_deref()).unwrap_or("");
    let nobody = || Sender { id: String::new(), name: display_name(title) };
    Meaning::Taken(vec![Inbound {
        text: cut(&harmless(&signs.join(" "))),
        own_words: true,
        quoted_id: Some(update.message_id.to_string()),
        ..event(
            InboundKind::Reaction,
            format!("update:{update_id}"),
            &update.chat,
            update.user.as_ref().map_or_else(nobody, person),
            &update.date,
        )
    }])
}

fn sign(reaction: &Reaction) -> Option<String> {
    let found = match reaction.kind.as_str() {
        "emoji" => reaction.emoji.clone(),
        "custom_emoji" => reaction.custom_emoji_id.as_ref().map(|id| format!(":{id}:")),
        "paid" => Some(STAR.to_string()),
        _ => None,
    };
    found.filter(|sign| !sign.trim().is_empty())
}

/// A message of the chat itself: who came, who left.
pub(super) fn members(message: &Message, update_id: i64) -> Meaning {
    let came = message.new_chat_members.iter().flatten().map(|user| (InboundKind::Joined, user));
    let left = message.left_chat_member.iter().map(|user| (InboundKind::Left, user));
    let people = came.chain(left).filter(|(_, user)| !user.is_bot);
    let told = people.map(|(kind, user)| Inbound {
        message_id: Some(message.message_id.to_string()),
        ..moved(kind, &message.chat, user, sender(message), &message.date, update_id)
    });
    or_bots(told.collect())
}

/// The same, told apart from the chat.
pub(super) fn membership(change: &ChatMemberChange, update_id: i64) -> Meaning {
    if change.chat.id == 0 {
        return no_chat();
    }
    let kind = match (is_in(&change.old_chat_member), is_in(&change.new_chat_member)) {
        (false, true) => InboundKind::Joined,
        (true, false) => InboundKind::Left,
        _ => return Meaning::Ignored("another standing in a chat"),
    };
    let user = &change.new_chat_member.user;
    if user.is_bot || change.from.is_bot {
        return or_bots(Vec::new());
    }
    let by = person(&change.from);
    Meaning::Taken(vec![moved(kind, &change.chat, user, by, &change.date, update_id)])
}

fn or_bots(told: Vec<Inbound>) -> Meaning {
    if told.is_empty() {
        Meaning::Ignored("a bot came or went, or moved somebody")
    } else {
        Meaning::Taken(told)
    }
}

fn is_in(member: &ChatMember) -> bool {
    match member.status.as_str() {
        "creator" | "administrator" | "member" => true,
        "restricted" => member.is_member,
        _ => false,
    }
}

/// Somebody came or left. Their name is what they call themselves, whoever moved them: never the sender's own words.
fn moved(kind: InboundKind, chat: &Chat, user: &User, by: Sender, date: &Value, update_id: i64) -> Inbound {
    let at = seconds(date);
    let source_id = if at > 0 {
        format!("{}:{}:{}:{at}", kind.word(), chat.id, user.id)
    } else {
        format!("update:{update_id}:{}", user.id)
    };
    Inbound { text: person(user).name, own_words: false, ..event(kind, source_id, chat, by, date) }
}

fn event(kind: InboundKind, source_id: String, chat: &Chat, sender: Sender, date: &Value) -> Inbound {
    Inbound {
        kind,
        source_id,
        // Telegram does not say in which topic it happened.
        address: Address { channel: NAME.to_string(), chat: chat.id.to_string(), thread: None },
        chat: chat_kind(chat),
        sender,
        text: String::new(),
        own_words: false,
        quoted: None,
        quoted_id: None,
        message_id: None,
        sent_ms: seconds(date).saturating_mul(1000),
        attachments: Vec::new(),
    }
}
