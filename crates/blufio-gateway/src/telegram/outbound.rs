// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending: plain text, so that nothing a model writes can fail as markup, and errors sorted by what may have happened.

use std::time::Duration;

use blufio_core::channel::SendError;
use blufio_core::message::Address;
use serde::Serialize;

use super::Telegram;
use super::client::CallError;
use super::wire::Sent;

/// A send that has no answer after this time is uncertain. Longer than the time allowed for connecting, so that a
/// connection that never came up counts as not sent.
const SEND_DEADLINE: Duration = Duration::from_secs(30);

const SEND: &str = "sendMessage";
const EDIT: &str = "editMessageText";

#[derive(Serialize)]
struct SendMessage<'a> {
    chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<i64>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_parameters: Option<ReplyParameters>,
}

#[derive(Clone, Copy, Serialize)]
struct ReplyParameters {
    message_id: i64,
    /// The message may be deleted before the answer comes.
    allow_sending_without_reply: bool,
}

#[derive(Serialize)]
struct EditMessageText<'a> {
    chat_id: i64,
    message_id: i64,
    text: &'a str,
}

#[derive(Serialize)]
struct SendChatAction {
    chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<i64>,
    action: &'static str,
}

impl Telegram {
    pub(crate) async fn send_message(
        &self,
        to: &Address,
        text: &str,
        reply_to: Option<i64>,
    ) -> Result<String, SendError> {
        let chat_id = chat_id(SEND, to)?;
        self.turn(SEND, chat_id).await?;
        let reply_parameters =
            reply_to.map(|message_id| ReplyParameters { message_id, allow_sending_without_reply: true });
        let mut message = SendMessage { chat_id, message_thread_id: thread_id(to), text, reply_parameters };
        let mut answer = self.sending.call(SEND, &message, SEND_DEADLINE).await;
        if message.message_thread_id.is_some() && matches!(&answer, Err(error) if is_thread_gone(error)) {
            // The general topic may carry an id that sending refuses.
            message.message_thread_id = None;
            answer = self.sending.call(SEND, &message, SEND_DEADLINE).await;
        }
        let result = match answer {
            Ok(result) => result,
            Err(error) => return Err(self.refused(SEND, chat_id, error).await),
        };
        match serde_json::from_str::<Sent>(result.get()) {
            Ok(sent) => Ok(sent.message_id.to_string()),
            Err(_) => {
                let reason = "the answer names no message".to_string();
                Err(SendError::Ambiguous { method: SEND, reason })
            }
        }
    }

    pub(crate) async fn edit_message(
        &self,
        to: &Address,
        message_id: &str,
        text: &str,
        is_partial: bool,
    ) -> Result<(), SendError> {
        let chat_id = chat_id(EDIT, to)?;
        let Ok(message_id) = message_id.parse() else {
            let reason = format!("`{message_id}` is no message of Telegram's");
            return Err(SendError::CannotEdit { method: EDIT, reason });
        };
        if is_partial {
            if self.limiter.take(chat_id).is_err() {
                return Ok(());
            }
        } else {
            self.turn(EDIT, chat_id).await?;
        }
        match self.sending.call(EDIT, &EditMessageText { chat_id, message_id, text }, SEND_DEADLINE).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused { description, .. })
                if says(&description, &["message is not modified"]) =>
            {
                Ok(())
            }
            Err(CallError::Refused { description, .. }) if says(&description, &CANNOT_EDIT) => {
                Err(SendError::CannotEdit { method: EDIT, reason: description })
            }
            Err(error) => Err(self.refused(EDIT, chat_id, error).await),
        }
    }

    pub(crate) async fn send_typing(&self, to: &Address) {
        let Ok(chat_id) = chat_id("sendChatAction", to) else { return };
        if !self.limiter.is_open(chat_id) {
            return;
        }
        let action = SendChatAction { chat_id, message_thread_id: thread_id(to), action: "typing" };
        let answer = self.sending.call("sendChatAction", &action, Duration::from_secs(10)).await;
        if let Err(CallError::RateLimited { retry_after_ms }) = answer {
            self.limiter.hold(Some(chat_id), retry_after_ms);
            self.persist_holds().await;
        }
    }

    async fn turn(&self, method: &'static str, chat_id: i64) -> Result<(), SendError> {
        self.limiter
            .turn(chat_id)
            .await
            .map_err(|retry_after_ms| SendError::RateLimited { method, retry_after_ms })
    }

    async fn refused(&self, method: &'static str, chat_id: i64, error: CallError) -> SendError {
        match error {
            CallError::NotSent(reason) => SendError::NotSent { method, reason },
            CallError::NoAnswer { reason, .. } => {
                // Whatever is wrong with that connection, the next send gets another one.
                self.sending.renew();
                SendError::Ambiguous { method, reason }
            }
            CallError::RateLimited { retry_after_ms } => {
                self.limiter.hold(Some(chat_id), retry_after_ms);
                self.persist_holds().await;
                SendError::RateLimited { method, retry_after_ms }
            }
            // A wrong token says nothing about the message: it can go when the operator has set the right one.
            CallError::Refused { code: 401, .. } => SendError::NotSent { method, reason: error.words() },
            CallError::Refused { code: 404, ref description, .. }
                if !says(description, &["chat", "user", "message"]) =>
            {
                SendError::NotSent { method, reason: error.words() }
            }
            CallError::Refused { migrate_to_chat: Some(new), .. } => {
                let reason = format!("the group became the supergroup {new}; write to that one");
                SendError::Permanent { method, reason }
            }
            CallError::Refused { .. } => SendError::Permanent { method, reason: error.words() },
        }
    }
}

const CANNOT_EDIT: [&str; 4] = [
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "there is no text in the message to edit",
];

fn says(description: &str, words: &[&str]) -> bool {
    let description = description.to_ascii_lowercase();
    words.iter().any(|words| description.contains(words))
}

fn is_thread_gone(error: &CallError) -> bool {
    matches!(error, CallError::Refused { description, .. } if says(description, &["message thread not found"]))
}

fn chat_id(method: &'static str, to: &Address) -> Result<i64, SendError> {
    to.chat.parse().map_err(|_| SendError::Permanent {
        method,
        reason: format!("`{}` is no chat of Telegram's", to.chat),
    })
}

fn thread_id(to: &Address) -> Option<i64> {
    to.thread.as_deref()?.parse().ok()
}
