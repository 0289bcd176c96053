// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends what steps decided. Every address has a lane: a task that works its rows off in order and ends when none is
//! left. What a lane does with one row is in `deliver`.

mod deliver;
pub(crate) mod hub;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blufio_core::channel::Channel;
use blufio_core::message::Address;
use blufio_core::store::StoreError;
use tokio::sync::Notify;

use crate::panics::caught;
use crate::shared::Shared;
use hub::Hub;

/// Rows that a start looks at; further ones follow when these are done.
pub(crate) const OPEN_ROWS_MAX: u32 = 10_000;

/// All lanes.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Streams being written.
    pub hub: Hub,
    lanes: Mutex<HashMap<Address, Queue>>,
    ended: Notify,
}

struct Queue {
    rows: VecDeque<i64>,
    wake: Arc<Notify>,
}

/// A stream whose placeholder stands.
pub(super) struct Placed {
    row: i64,
    provider_id: String,
    version: u64,
    next_edit_ms: i64,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Queue>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row was committed or changed: its lane must look at it.
    pub fn push(shared: &Arc<Shared>, address: &Address, row: i64) {
        let mut lanes = shared.outbox.lock();
        if let Some(queue) = lanes.get_mut(address) {
            queue.rows.push_back(row);
            queue.wake.notify_one();
            return;
        }
        let wake = Arc::new(Notify::new());
        lanes.insert(address.clone(), Queue { rows: VecDeque::from([row]), wake: Arc::clone(&wake) });
        drop(lanes);
        let (shared, address) = (Arc::clone(shared), address.clone());
        tokio::spawn(tend(Lane { shared, address, wake, streams: Vec::new(), current: None }));
    }

    /// Partial text of a stream changed.
    pub fn nudge(&self, address: &Address) {
        if let Some(queue) = self.lock().get(address) {
            queue.wake.notify_one();
        }
    }

    /// Looks for rows that no lane knows: after a start, and after answers that were stored with their message.
    pub async fn rescan(shared: &Arc<Shared>) -> Result<(), StoreError> {
        for row in shared.store.outbox_open(OPEN_ROWS_MAX).await? {
            if let (None, Some(session)) = (&row.text, row.session)
                && shared.outbox.hub.row_of(session).is_none()
            {
                shared.outbox.hub.open(
                    row.id,
                    session,
                    &row.address,
                    row.state != blufio_core::store::OutboxState::Ready,
                );
            }
            Self::push(shared, &row.address, row.id);
        }
        Ok(())
    }

    /// Completes when no lane works.
    pub async fn drained(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn pop(&self, address: &Address) -> Option<i64> {
        self.lock().get_mut(address)?.rows.pop_front()
    }

    /// Ends a lane unless something arrived meanwhile.
    fn retire(&self, address: &Address) -> bool {
        let mut lanes = self.lock();
        let empty = lanes.get(address).is_none_or(|queue| queue.rows.is_empty());
        if empty {
            lanes.remove(address);
        }
        drop(lanes);
        if empty {
            self.ended.notify_waiters();
        }
        empty
    }

    fn abandon(&self, address: &Address) {
        self.lock().remove(address);
        self.ended.notify_waiters();
    }
}

struct Lane {
    shared: Arc<Shared>,
    address: Address,
    wake: Arc<Notify>,
    streams: Vec<Placed>,
    /// The row being worked on.
    current: Option<i64>,
}

/// Works a lane off. A panic of its channel costs the row at which it happened, never the lane.
async fn tend(mut lane: Lane) {
    while let Err(panic) = caught(lane.run()).await {
        let address = &lane.address;
        tracing::error!(channel = %address.channel, chat = %address.chat, panic, "a lane panicked");
        // Streams get their final text when they close; showing less of them meanwhile harms nobody.
        lane.streams.clear();
        let Some(row) = lane.current.take() else { continue };
        let words = format!("a defect of this program: {panic}");
        match caught(lane.give_up(row, &words)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                lane.shared.store_failed(&error);
                lane.shared.outbox.abandon(&lane.address);
                return;
            }
            Err(again) => tracing::error!(row, again, "a panicked row could not be given up"),
        }
    }
}

impl Lane {
    async fn run(&mut self) {
        let Some(channel) = self.shared.channel(&self.address) else {
            tracing::warn!(channel = %self.address.channel, "messages wait for a channel that is not configured");
            self.shared.outbox.abandon(&self.address);
            return;
        };
        loop {
            while let Some(row) = self.shared.outbox.pop(&self.address) {
                self.current = Some(row);
                let delivered = self.deliver(&*channel, row).await;
                self.current = None;
                if let Err(error) = delivered {
                    self.shared.store_failed(&error);
                    self.shared.outbox.abandon(&self.address);
                    return;
                }
            }
            let stopping = self.shared.is_stopping();
            if (self.streams.is_empty() || stopping) && self.shared.outbox.retire(&self.address) {
                return;
            }
            let wait = self.show_partial(&*channel).await;
            let mut stop = self.shared.stopping();
            let sleep = async {
                match wait {
                    Some(duration) => self.shared.clock.sleep(duration).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep => {}
                _ = stop.wait_for(|stop| *stop), if !stopping => {}
            }
        }
    }

    /// Edits the partial text of streams whose turn has come; returns how long until the next one's.
    async fn show_partial(&mut self, channel: &dyn Channel) -> Option<Duration> {
        let least = i64::try_from(self.shared.limits.stream_edit_ms).unwrap_or(i64::MAX);
        let mut wait: Option<i64> = None;
        for stream in &mut self.streams {
            let Some((text, version)) = self.shared.outbox.hub.read(stream.row, stream.version) else {
                continue;
            };
            let now = self.shared.clock.now_ms();
            if now < stream.next_edit_ms {
                wait = Some(wait.unwrap_or(i64::MAX).min(stream.next_edit_ms - now));
                continue;
            }
            let text = channel.split(&text).into_iter().next().unwrap_or(text);
            // A failed partial edit does not matter: the final one is repeated until it succeeds.
            let _ = channel.edit(&self.address, &stream.provider_id, &text, true).await;
            stream.version = version;
            stream.next_edit_ms = self.shared.clock.now_ms().saturating_add(least);
        }
        wait.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis)
    }
}
