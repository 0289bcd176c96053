// SPDX-License-Identifier: MIT OR Apache-2.0
//! One row of the outbox: `ready → sending → (placed →) sent | failed | uncertain`. Where messages can be edited, the
//! only request that may happen twice sends a "…"; the text arrives by edit, which may be repeated. Where they cannot,
//! a send without an answer is uncertain: the owner is told and nothing is repeated.

use std::time::Duration;

use blufio_core::channel::{Channel, SendError};
use blufio_core::store::{OutboxRow, OutboxState, OutboxUpdate, StoreError};

use super::{Lane, Placed};

/// What a reply looks like before its text arrives.
pub(super) const PLACEHOLDER: &str = "…";
/// Placeholders sent without an answer before the row is given up.
const AMBIGUOUS_PLACEHOLDERS_MAX: i64 = 10;
/// First wait between two tries, milliseconds.
const BACKOFF_MS: u64 = 500;
/// Longest wait for one message: a channel that wants more says so again.
const WAIT_MS_MAX: u64 = 3_600_000;

/// Whether the row needs another look.
enum Next {
    Again,
    Settled,
}

fn update(row: &OutboxRow, state: OutboxState) -> OutboxUpdate {
    OutboxUpdate {
        id: row.id,
        state,
        provider_id: None,
        // Whoever changes the row has waited for it.
        not_before_ms: Some(0),
        error: None,
        count_attempt: false,
    }
}

impl Lane {
    /// Works on one row until it is final, waits as a stream, or the runtime stops.
    pub(super) async fn deliver(&mut self, channel: &dyn Channel, id: i64) -> Result<(), StoreError> {
        loop {
            let Some(row) = self.shared.store.outbox_row(id).await? else {
                self.forget(id);
                return Ok(());
            };
            if matches!(row.state, OutboxState::Sent | OutboxState::Failed | OutboxState::Uncertain) {
                self.forget(id);
                return Ok(());
            }
            // Whoever writes in its chat releases it, and its lane hears of it then.
            if row.state == OutboxState::Held {
                return Ok(());
            }
            if !self.wait_until(row.not_before_ms).await {
                return Ok(());
            }
            let next = if channel.edits() {
                self.by_edit(channel, &row).await?
            } else {
                self.plain(channel, &row).await?
            };
            if matches!(next, Next::Settled) {
                return Ok(());
            }
        }
    }

    /// A panic happened at a row: nobody knows whether it was sent.
    pub(super) async fn give_up(&mut self, id: i64, words: &str) -> Result<(), StoreError> {
        let Some(row) = self.shared.store.outbox_row(id).await? else { return Ok(()) };
        if !matches!(row.state, OutboxState::Sent | OutboxState::Failed | OutboxState::Uncertain) {
            self.settle(&row, OutboxState::Uncertain, words).await?;
        }
        Ok(())
    }

    fn forget(&mut self, id: i64) {
        self.streams.retain(|stream| stream.row != id);
        self.shared.outbox.hub.forget(id);
    }

    /// Waits for a time; false when the runtime stops first. It waits once and not for longer than anybody asks for: the
    /// wall clock may have been years ahead when the time was written down.
    async fn wait_until(&self, not_before_ms: i64) -> bool {
        let wait = not_before_ms.saturating_sub(self.shared.clock.now_ms());
        let wait = u64::try_from(wait).unwrap_or(0).min(WAIT_MS_MAX);
        if wait == 0 {
            return true;
        }
        let mut stop = self.shared.stopping();
        tokio::select! {
            () = self.shared.clock.sleep(Duration::from_millis(wait)) => true,
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }

    async fn by_edit(&mut self, channel: &dyn Channel, row: &OutboxRow) -> Result<Next, StoreError> {
        match (row.state, &row.text, &row.provider_id) {
            (OutboxState::Placed, Some(text), Some(message_id)) => {
                let text = if text.trim().is_empty() { PLACEHOLDER } else { text };
                let sent = channel.edit(&row.address, message_id, text, false).await;
                let next = self.edited(row, sent).await?;
                // The text may have been replaced while it was on its way (a progress line).
                let now = self.shared.store.outbox_row(row.id).await?;
                let is_stale = |now: &OutboxRow| now.state == OutboxState::Sent && now.text != row.text;
                if let (Next::Settled, Some(now)) = (&next, now.filter(is_stale)) {
                    self.shared.store.outbox_update(update(&now, OutboxState::Placed)).await?;
                    return Ok(Next::Again);
                }
                Ok(next)
            }
            (OutboxState::Placed, None, Some(message_id)) => {
                if self.streams.iter().all(|stream| stream.row != row.id) {
                    let provider_id = message_id.clone();
                    self.streams.push(Placed { row: row.id, provider_id, version: 0, next_edit_ms: 0 });
                }
                Ok(Next::Settled)
            }
            _ => self.place(channel, row).await,
        }
    }

    async fn place(&mut self, channel: &dyn Channel, row: &OutboxRow) -> Result<Next, StoreError> {
        // A closed stream whose text is not committed yet comes again when it is.
        if row.text.is_none() && !self.shared.outbox.hub.claim(row.id) {
            return Ok(Next::Settled);
        }
        let store = &self.shared.store;
        store
            .outbox_update(OutboxUpdate { count_attempt: true, ..update(row, OutboxState::Sending) })
            .await?;
        match self.send(channel, row, PLACEHOLDER).await {
            Ok(message_id) => {
                self.shared.questions.shown(row.id, &message_id);
                let placed =
                    OutboxUpdate { provider_id: Some(message_id), ..update(row, OutboxState::Placed) };
                store.outbox_update(placed).await?;
                Ok(Next::Again)
            }
            Err(SendError::Ambiguous { .. }) if row.attempts >= AMBIGUOUS_PLACEHOLDERS_MAX => {
                self.settle(row, OutboxState::Failed, "the channel never answered").await
            }
            Err(error) => self.failed(row, OutboxState::Ready, &error).await,
        }
    }

    async fn send(&self, channel: &dyn Channel, row: &OutboxRow, text: &str) -> Result<String, SendError> {
        match self.shared.outbox.hub.quoted(row.id) {
            Some(message_id) => channel.reply(&row.address, text, &message_id).await,
            None => channel.send(&row.address, text).await,
        }
    }

    async fn edited(&mut self, row: &OutboxRow, sent: Result<(), SendError>) -> Result<Next, StoreError> {
        match sent {
            Ok(()) => {
                self.shared.store.outbox_update(update(row, OutboxState::Sent)).await?;
                self.forget(row.id);
                Ok(Next::Settled)
            }
            // The message is gone: a new one takes its place, under the same row.
            Err(SendError::CannotEdit { .. }) if row.attempts < AMBIGUOUS_PLACEHOLDERS_MAX => {
                self.shared.store.outbox_update(update(row, OutboxState::Ready)).await?;
                Ok(Next::Again)
            }
            Err(error @ SendError::CannotEdit { .. }) => {
                self.settle(row, OutboxState::Failed, &error.to_string()).await
            }
            Err(error) => self.failed(row, OutboxState::Placed, &error).await,
        }
    }

    async fn plain(&mut self, channel: &dyn Channel, row: &OutboxRow) -> Result<Next, StoreError> {
        if row.state == OutboxState::Sending {
            return self.settle(row, OutboxState::Uncertain, "interrupted while it was sent").await;
        }
        let Some(text) = &row.text else { return Ok(Next::Settled) };
        self.shared
            .store
            .outbox_update(OutboxUpdate { count_attempt: true, ..update(row, OutboxState::Sending) })
            .await?;
        match self.send(channel, row, text).await {
            Ok(message_id) => {
                self.shared.questions.shown(row.id, &message_id);
                let sent = OutboxUpdate { provider_id: Some(message_id), ..update(row, OutboxState::Sent) };
                self.shared.store.outbox_update(sent).await?;
                self.forget(row.id);
                Ok(Next::Settled)
            }
            Err(error @ SendError::Ambiguous { .. }) => {
                self.settle(row, OutboxState::Uncertain, &error.to_string()).await
            }
            Err(error) => self.failed(row, OutboxState::Ready, &error).await,
        }
    }

    /// A request that may be repeated failed: waits as long as asked, or longer each time.
    async fn failed(
        &mut self,
        row: &OutboxRow,
        back_to: OutboxState,
        error: &SendError,
    ) -> Result<Next, StoreError> {
        let wait_ms = match error {
            SendError::Permanent { .. } => {
                return self.settle(row, OutboxState::Failed, &error.to_string()).await;
            }
            SendError::RateLimited { retry_after_ms, .. } => *retry_after_ms,
            _ => {
                let doublings = u32::try_from(row.attempts.clamp(0, 16)).unwrap_or(16);
                BACKOFF_MS.saturating_mul(1 << doublings).min(self.shared.limits.send_backoff_ms_max)
            }
        };
        let not_before =
            self.shared.clock.now_ms().saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        let error = Some(error.to_string());
        let count_attempt = back_to == OutboxState::Placed;
        let change =
            OutboxUpdate { not_before_ms: Some(not_before), error, count_attempt, ..update(row, back_to) };
        self.shared.store.outbox_update(change).await?;
        Ok(Next::Again)
    }

    /// The row's fate is settled otherwise than hoped. The owner hears of uncertain ones first, so that a crash in
    /// between repeats the notice rather than losing it; notices about notices are not sent.
    async fn settle(&mut self, row: &OutboxRow, state: OutboxState, error: &str) -> Result<Next, StoreError> {
        tracing::warn!(row = row.id, ?state, error, "a message was not delivered");
        if row.session.is_some() {
            let fate = if state == OutboxState::Uncertain {
                "may not have arrived"
            } else {
                "could not be delivered"
            };
            let text = row.text.as_deref().unwrap_or_default();
            let start: String = text.chars().take(80).collect();
            let notice =
                format!("A message to {} {} {fate}: \"{start}\"", row.address.channel, row.address.chat);
            self.shared.tell_owner(&notice).await?;
        }
        let change = OutboxUpdate { error: Some(error.to_string()), ..update(row, state) };
        self.shared.store.outbox_update(change).await?;
        self.forget(row.id);
        Ok(Next::Settled)
    }
}
