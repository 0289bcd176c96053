// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to chats besides messages, as the real server tells it: edits, reactions, comings and goings.

use serde_json::{Value, json};

use super::Emulator;

/// When it happens, seconds since 1970.
const DATE: i64 = 1_760_000_000;

/// A person as a Telegram `User` object.
pub(super) fn user(id: i64) -> Value {
    json!({"id": id, "is_bot": false, "first_name": format!("User{id}")})
}

/// The private chat of a person as a Telegram `Chat` object.
pub(super) fn private(id: i64) -> Value {
    json!({"id": id, "type": "private", "first_name": format!("User{id}")})
}

impl Emulator {
    /// Id of the newest message of any chat.
    pub fn newest_message(&self) -> i64 {
        self.shared.lock().next_message
    }

    /// A person changes a message in their private chat.
    pub fn edit(&self, by: i64, message: i64, text: &str) -> i64 {
        self.edit_in(by, private(by), message, text)
    }

    /// A person changes a message in a chat given as a Telegram `Chat` object.
    pub fn edit_in(&self, by: i64, chat: Value, message: i64, text: &str) -> i64 {
        let edited = json!({
            "message_id": message, "from": user(by), "chat": chat, "date": DATE, "edit_date": DATE + 1, "text": text,
        });
        self.push_update(json!({ "edited_message": edited }))
    }

    /// A person puts an emoji to a message, which had none of theirs.
    pub fn react_in(&self, by: i64, chat: Value, message: i64, emoji: &str) -> i64 {
        let reaction = json!({
            "chat": chat, "message_id": message, "user": user(by), "date": DATE,
            "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": emoji}],
        });
        self.push_update(json!({ "message_reaction": reaction }))
    }

    /// A person lets another one into a chat; both may be the same.
    pub fn join_in(&self, by: i64, chat: Value, who: i64) -> i64 {
        self.push_message(
            json!({"from": user(by), "chat": chat, "date": DATE, "new_chat_members": [user(who)]}),
        )
    }

    /// A person leaves a chat, or is put out by another one.
    pub fn leave_in(&self, by: i64, chat: Value, who: i64) -> i64 {
        self.push_message(
            json!({"from": user(by), "chat": chat, "date": DATE, "left_chat_member": user(who)}),
        )
    }
}
