// SPDX-License-Identifier: MIT OR Apache-2.0
//! The front door: a channel's messages are authorised, routed and stored with the channel's cursor in one
//! transaction; only then does the channel hear that they were taken.

use std::sync::Arc;

use blufio_core::BoxFuture;
use blufio_core::channel::{ChannelHealth, InboundSink, SinkError};
use blufio_core::message::{Address, ChatKind, Inbound, InboundKind};
use blufio_core::store::{
    Accepted, INTERNAL_CHANNEL, InboxBatch, NewInbox, NewOutbox, QuestionChange, StoreError,
};

use crate::breaker::Verdict;
use crate::outbox::Outbox;
use crate::questions::Heard;
use crate::routes::{Decision, LOCAL_CHANNEL, agent_of, is_owner};
use crate::session::edits::is_edit_of;
use crate::shared::{Shared, lock};
use crate::supervise::{Reason, Supervisor};

/// Setting that holds the owner's id on Telegram.
pub(crate) const OWNER_SETTING: &str = "owner/telegram";
/// The only channel where a code pairs the owner.
const PAIRING_CHANNEL: &str = "telegram";

/// The sink that channels write to.
pub(crate) struct Sink(pub Arc<Shared>);

fn refused(error: &StoreError) -> SinkError {
    match error {
        StoreError::Closed | StoreError::Fatal(_) => SinkError::Stopping,
        _ => SinkError::Store(error.to_string()),
    }
}

impl Sink {
    fn fail(&self, error: StoreError) -> SinkError {
        self.0.store_failed(&error);
        refused(&error)
    }

    async fn accept(
        &self,
        channel: &str,
        batch: Vec<Inbound>,
        cursor: Option<String>,
    ) -> Result<(), SinkError> {
        if self.0.is_stopping() {
            return Err(SinkError::Stopping);
        }
        // Two batches at once could both answer the same question.
        let _door = self.0.door.lock().await;
        let mut settings = Vec::new();
        let mut questions = Vec::new();
        let mut paired = None;
        let batch = self.unheard(channel, batch).await.map_err(|error| self.fail(error))?;
        let mut messages = Vec::with_capacity(batch.len());
        for message in batch {
            settings.extend(self.room(&message));
            let mut new = self.admit(message, &mut paired, &mut questions);
            if self.is_ignored(&new, &messages).await.map_err(|error| self.fail(error))? {
                new.key = None;
            }
            messages.push(new);
        }
        if let Some(id) = &paired {
            settings.push((OWNER_SETTING.to_string(), id.clone()));
        }
        let answered = messages.iter().any(|message| !message.answers.is_empty());
        let now_ms = self.0.clock.now_ms();
        let changes = questions.clone();
        let channel = channel.to_string();
        let stored = InboxBatch { channel, messages, cursor, settings, questions, now_ms };
        let Accepted { keys, released } =
            self.0.store.accept(stored).await.map_err(|error| self.fail(error))?;
        changes.iter().for_each(|change| self.0.questions.changed(change));
        if let Some(id) = &paired {
            self.0.set_owner_id(id);
        }
        // Ahead of what the sessions say to the message that released it.
        for (row, address) in released {
            Outbox::push(&self.0, &address, row);
        }
        for key in keys {
            Supervisor::wake(&self.0, &key, Reason::Mail);
        }
        if answered {
            Outbox::rescan(&self.0).await.map_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    /// The messages that may answer something: one that is delivered twice answered before, and is not to answer the
    /// next question too.
    async fn unheard(&self, channel: &str, mut batch: Vec<Inbound>) -> Result<Vec<Inbound>, StoreError> {
        if self.0.questions.is_empty() {
            return Ok(batch);
        }
        let ids = batch.iter().map(|message| message.source_id.clone()).collect();
        let stored = self.0.store.stored(channel, ids).await?;
        batch.retain(|message| !stored.contains(&message.source_id));
        Ok(batch)
    }

    /// Authorises and routes one message. Before an owner is paired nobody on Telegram gets anything but pairing.
    fn admit(
        &self,
        message: Inbound,
        paired: &mut Option<String>,
        questions: &mut Vec<QuestionChange>,
    ) -> NewInbox {
        let owner = if message.address.channel == PAIRING_CHANNEL {
            paired.clone().or_else(|| self.0.owner_id())
        } else {
            None
        };
        if message.address.channel == PAIRING_CHANNEL && owner.is_none() {
            let answers = if self.pairs(&message) {
                *paired = Some(message.sender.id.clone());
                vec![answer(&message, "Paired: you are my owner now.")]
            } else {
                Vec::new()
            };
            return NewInbox::new(message, None, answers);
        }
        match self.0.questions.hear(&message, questions) {
            Some(Heard::Answer { key, mail, change }) => {
                questions.push(change);
                let inbound = mail.to_inbound(message.source_id.clone(), message.sent_ms);
                let answer = NewInbox::new(inbound, Some(key), Vec::new());
                return NewInbox { spoke: Some(message.address), ..answer };
            }
            Some(Heard::Talk(key)) => return NewInbox::new(message, Some(key), Vec::new()),
            Some(Heard::Told { answer, change }) => {
                questions.extend(change);
                return NewInbox::new(message, None, vec![answer]);
            }
            None => {}
        }
        match self.0.routes().decide(&message, owner.as_deref()) {
            Decision::Session(_) if !self.is_heard(&message, owner.as_deref()) => {
                NewInbox::new(message, None, Vec::new())
            }
            Decision::Session(key) => NewInbox::new(message, Some(key), Vec::new()),
            Decision::Drop(text) => {
                // A group is not answered: every stranger's word would make the bot speak. Nor is what says nothing.
                let private = message.chat == ChatKind::Private && message.kind.is_message();
                let answers =
                    text.filter(|_| private).map(|text| answer(&message, &text)).into_iter().collect();
                NewInbox::new(message, None, answers)
            }
        }
    }

    /// Whether it happened to a chat whose program does not listen: no session begins or wakes for it. An edit of a
    /// message that waits, in the mailbox or earlier in the batch, changes that message.
    async fn is_ignored(&self, new: &NewInbox, earlier: &[NewInbox]) -> Result<bool, StoreError> {
        let (message, Some(key)) = (&new.message, &new.key) else { return Ok(false) };
        if message.kind.is_message() || message.address.channel == INTERNAL_CHANNEL {
            return Ok(false);
        }
        let (store, programs) = (&*self.0.store, &self.0.programs);
        let loaded = match store.session(key).await? {
            Some(row) => programs.by_hash(store, row.program).await?,
            None => programs.current(agent_of(key)),
        };
        // Without its program the session is held, and its mail with it.
        let Some(loaded) = loaded else { return Ok(false) };
        if programs.hears(&loaded.program, message.kind.word()) {
            return Ok(false);
        }
        if message.kind != InboundKind::Edited {
            return Ok(true);
        }
        let in_batch = |new: &NewInbox| new.key.as_ref() == Some(key) && is_edit_of(message, &new.message);
        // What was handed over may wait with whom it was handed to.
        if !loaded.program.asks.is_empty() || earlier.iter().any(in_batch) {
            return Ok(false);
        }
        let waiting = store.mail(key, self.0.limits.mail_window_max).await?;
        Ok(!waiting.iter().any(|row| is_edit_of(message, &row.message)))
    }

    /// False for whoever speaks in a group faster than people do.
    fn is_heard(&self, message: &Inbound, owner: Option<&str>) -> bool {
        if is_owner(message, owner) {
            return true;
        }
        let messages_max = self.0.limits.group_messages_per_minute_max;
        let verdict = self.0.breaker.hear(message, messages_max, self.0.clock.now_ms());
        if verdict == Verdict::MutedNow {
            self.0.note(&format!(
                "{} in chat {} of {} sends more than {messages_max} messages a minute, perhaps a program that answers us: not heard until quiet for a minute",
                message.sender.id, message.address.chat, message.address.channel
            ));
        }
        verdict == Verdict::Heard
    }

    /// What is to be kept of where a group chat is that programs write to.
    fn room(&self, message: &Inbound) -> Option<(String, String)> {
        let ChatKind::Group(title) = &message.chat else { return None };
        let setting = self.0.routes().room_setting(&message.address.channel, title)?;
        let address = Address { thread: None, ..message.address.clone() };
        let known = lock(&self.0.rooms).insert(setting.clone(), address.clone());
        let json = serde_json::to_string(&address).ok().filter(|_| known != Some(address))?;
        Some((setting, json))
    }

    fn pairs(&self, message: &Inbound) -> bool {
        let written = message.kind.is_message() && message.own_words && !message.sender.id.is_empty();
        let private = message.chat == ChatKind::Private && written;
        let code = message.text.trim().strip_prefix("/start").map(str::trim).filter(|code| !code.is_empty());
        let check = self.0.pairing.as_ref();
        private && code.zip(check).is_some_and(|(code, check)| check(code, self.0.clock.now_ms()))
    }
}

fn answer(message: &Inbound, text: &str) -> NewOutbox {
    NewOutbox::now(message.address.clone(), text)
}

impl InboundSink for Sink {
    fn deliver<'a>(
        &'a self,
        channel: &'a str,
        batch: Vec<Inbound>,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.accept(channel, batch, cursor))
    }

    fn cursor<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<Option<String>, SinkError>> {
        Box::pin(async move {
            self.0.store.setting(&format!("{channel}/cursor")).await.map_err(|error| self.fail(error))
        })
    }

    fn remember<'a>(
        &'a self,
        channel: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let key = format!("channel/{channel}/{key}");
            self.0.store.set_setting(&key, value).await.map_err(|error| self.fail(error))
        })
    }

    fn recall<'a>(
        &'a self,
        channel: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, SinkError>> {
        Box::pin(async move {
            let key = format!("channel/{channel}/{key}");
            self.0.store.setting(&key).await.map_err(|error| self.fail(error))
        })
    }

    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let now_ms = self.0.clock.now_ms();
            let put = self.0.store.dead_letter(channel, source_id, raw, reason, now_ms).await;
            self.0.note(&format!("{channel}: a record was put aside: {reason}"));
            put.map_err(|error| self.fail(error))
        })
    }

    fn report(&self, channel: &str, health: ChannelHealth) {
        let known = lock(&self.0.health).insert(channel.to_string(), health.clone());
        if known.as_ref() == Some(&health) || channel == LOCAL_CHANNEL {
            return;
        }
        match health {
            ChannelHealth::Healthy => tracing::info!(channel, "healthy"),
            ChannelHealth::Degraded(words) => tracing::warn!(channel, words),
            ChannelHealth::Failed(words) => tracing::error!(channel, words),
        }
    }
}
