// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving by `getUpdates` (<https://core.telegram.org/bots/api#getupdates>).
//!
//! INVARIANT: an offset is sent only after everything below it is durable, because sending it makes Telegram forget.
//! INVARIANT: progress is a completed poll and nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use blufio_core::BoxFuture;
use blufio_core::channel::{ChannelHealth, InboundSink, SinkError};
use blufio_core::message::UnixMs;
use serde::Serialize;
use serde_json::value::RawValue;

use super::client::CallError;
use super::inbound::{self, Meaning};
use super::wire::Me;
use super::{NAME, Telegram, limits};

/// How long Telegram holds a poll open, seconds.
const POLL_SECONDS: u64 = 25;
/// A poll without an answer after this time is dead.
const POLL_DEADLINE: Duration = Duration::from_secs(POLL_SECONDS + 10);
const GET_ME_DEADLINE: Duration = Duration::from_secs(15);
const BATCH_MAX: u32 = 100;
/// Telegram keeps updates this long, milliseconds.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// How often the time of the last poll is written down, milliseconds.
const LAST_POLL_EVERY_MS: i64 = 5 * 60 * 1000;
const LAST_POLL_KEY: &str = "last_poll_ms";
/// Another poller: first and last waiting time before jitter, which adds up to a fifth (5 → 60 s).
const CONFLICT_DELAYS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(50));
/// Other trouble. Together with a dead poll the longest wait stays below a minute.
const TROUBLE_DELAYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Least time between polls that bring nothing new, against servers that answer at once for ever.
const IDLE_POLL_MIN: Duration = Duration::from_secs(1);
/// Updates without an id that are put aside; further ones are dropped.
const NAMELESS_MAX: usize = 100;

/// Kinds of updates are asked for by name, so that nothing else wakes us. Reactions, and comings and goings that the
/// chat itself does not tell, arrive only where the bot is an administrator.
const ALLOWED_UPDATES: [&str; 6] =
    ["message", "edited_message", "channel_post", "edited_channel_post", "message_reaction", "chat_member"];

#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    limit: u32,
    timeout: u64,
    allowed_updates: [&'static str; 6],
}

#[derive(Serialize)]
struct Nothing {}

/// What is wrong; each is reported once until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Conflict,
    Webhook,
    RateLimited,
    Stalled,
    Unreachable,
    Refused,
    Store,
    Unreadable,
}

/// There is nothing left to do: the runtime stops, or the channel can never work.
struct Over;

struct Poller<'a> {
    telegram: &'a Telegram,
    sink: Arc<dyn InboundSink>,
    /// The next update that is not stored yet.
    offset: Option<i64>,
    last_poll_ms: Option<UnixMs>,
    last_poll_written_ms: Option<UnixMs>,
    trouble: Option<Trouble>,
    /// Failures in a row.
    failures: u32,
    /// Updates without an id that were put aside.
    nameless: HashSet<String>,
}

/// Receives until the runtime stops or the token turns out to be wrong.
pub(crate) async fn receive(telegram: &Telegram, sink: Arc<dyn InboundSink>) {
    let (offset, last_poll_ms, trouble) = (None, None, None);
    let (last_poll_written_ms, failures, nameless) = (None, 0, HashSet::new());
    let mut poller =
        Poller { telegram, sink, offset, last_poll_ms, last_poll_written_ms, trouble, failures, nameless };
    // The only way out is `Over`, which has said why.
    let _ = poller.run().await;
}

impl Poller<'_> {
    async fn run(&mut self) -> Result<(), Over> {
        self.restore().await?;
        let me = self.identify().await?;
        loop {
            self.wait_for_hold().await;
            let started_ms = self.telegram.clock.now_ms();
            let updates = match self.poll().await {
                Ok(updates) => updates,
                Err(error) => {
                    self.failed(error).await?;
                    continue;
                }
            };
            self.completed().await?;
            let before = self.offset;
            self.take(&updates, &me).await?;
            let took_ms = self.telegram.clock.now_ms().saturating_sub(started_ms);
            if self.offset == before && (0..1_000).contains(&took_ms) {
                self.telegram.clock.sleep(IDLE_POLL_MIN).await;
            }
        }
    }

    /// Takes up where an earlier process stopped.
    async fn restore(&mut self) -> Result<(), Over> {
        let sink = self.sink.clone();
        let cursor = self.insist(|| sink.cursor(NAME)).await?;
        self.offset = cursor.and_then(|cursor| cursor.parse().ok()).filter(|offset| *offset >= 0);
        if let Some(holds) = self.insist(|| sink.recall(NAME, limits::HOLDS_KEY)).await? {
            self.telegram.limiter.restore(&holds);
        }
        let last_poll = self.insist(|| sink.recall(NAME, LAST_POLL_KEY)).await?;
        self.last_poll_ms = last_poll.and_then(|ms| ms.parse().ok());
        self.warn_of_gap();
        Ok(())
    }

    fn warn_of_gap(&self) {
        let Some(last_poll_ms) = self.last_poll_ms else { return };
        let gap_ms = self.telegram.clock.now_ms().saturating_sub(last_poll_ms);
        if gap_ms > KEPT_MS {
            let hours = gap_ms / 3_600_000;
            self.report(ChannelHealth::Degraded(format!(
                "nothing was received for {hours} h; Telegram keeps messages for 24 h only, so older ones are lost: ask people to write again"
            )));
        }
    }

    async fn identify(&mut self) -> Result<Me, Over> {
        loop {
            self.wait_for_hold().await;
            let error = match self.telegram.polling.call("getMe", &Nothing {}, GET_ME_DEADLINE).await {
                Ok(result) => match serde_json::from_str(result.get()) {
                    Ok(me) => return Ok(me),
                    Err(_) => unreadable("getMe gave something that is no bot"),
                },
                Err(error) => error,
            };
            self.failed(error).await?;
        }
    }

    async fn wait_for_hold(&self) {
        loop {
            match self.telegram.limiter.held_all_ms() {
                0 => return,
                ms => self.telegram.clock.sleep(Duration::from_millis(ms)).await,
            }
        }
    }

    async fn poll(&self) -> Result<Vec<Box<RawValue>>, CallError> {
        let (limit, timeout, allowed_updates) = (BATCH_MAX, POLL_SECONDS, ALLOWED_UPDATES);
        let parameters = GetUpdates { offset: self.offset, limit, timeout, allowed_updates };
        let result = self.telegram.polling.call("getUpdates", &parameters, POLL_DEADLINE).await?;
        serde_json::from_str(result.get())
            .map_err(|_| unreadable("getUpdates gave something that is no list"))
    }

    async fn completed(&mut self) -> Result<(), Over> {
        self.warn_of_gap();
        let now_ms = self.telegram.clock.now_ms();
        self.last_poll_ms = Some(now_ms);
        self.failures = 0;
        self.trouble = None;
        self.report(ChannelHealth::Healthy);
        let is_due = self
            .last_poll_written_ms
            .is_none_or(|at| !(0..LAST_POLL_EVERY_MS).contains(&now_ms.saturating_sub(at)));
        if is_due {
            let sink = self.sink.clone();
            let value = now_ms.to_string();
            self.insist(|| sink.remember(NAME, LAST_POLL_KEY, &value)).await?;
            self.last_poll_written_ms = Some(now_ms);
        }
        Ok(())
    }

    /// Hands a batch over. What cannot be read is put aside first, then messages and cursor become durable together.
    async fn take(&mut self, updates: &[Box<RawValue>], me: &Me) -> Result<(), Over> {
        let sink = self.sink.clone();
        let mut messages = Vec::new();
        let mut last: Option<i64> = None;
        for raw in updates {
            let Some(id) = inbound::update_id(raw) else {
                // It cannot be acknowledged and comes again with every poll.
                if self.nameless.len() < NAMELESS_MAX && self.nameless.insert(raw.get().to_string()) {
                    self.insist(|| {
                        sink.dead_letter(
                            NAME,
                            "update:without-id",
                            raw.get(),
                            "an update without a usable id",
                        )
                    })
                    .await?;
                }
                continue;
            };
            last = last.max(Some(id));
            match inbound::read(raw, id, me) {
                Meaning::Taken(told) => messages.extend(told),
                Meaning::Ignored(why) => {
                    self.telegram.ignored.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(update = id, why, "ignored");
                }
                Meaning::Poison(why) => {
                    let source_id = format!("update:{id}");
                    self.insist(|| sink.dead_letter(NAME, &source_id, raw.get(), &why)).await?;
                }
            }
        }
        // Ids may jump and even fall (after a week of silence they start anywhere): the batch decides, not history.
        let Some(offset) = last.map(|id| id + 1) else { return Ok(()) };
        let cursor = Some(offset.to_string());
        self.insist(|| sink.deliver(NAME, messages.clone(), cursor.clone())).await?;
        self.offset = Some(offset);
        Ok(())
    }

    /// Asks the sink until it succeeds; the poll waits meanwhile, so nothing is acknowledged and nothing piles up.
    async fn insist<'f, T>(
        &mut self,
        ask: impl Fn() -> BoxFuture<'f, Result<T, SinkError>> + Send,
    ) -> Result<T, Over> {
        let mut attempt = 0;
        loop {
            match ask().await {
                Ok(value) => return Ok(value),
                Err(SinkError::Stopping) => return Err(Over),
                Err(SinkError::Store(reason)) => {
                    self.degraded(Trouble::Store, || {
                        format!("messages cannot be stored and wait at Telegram: {reason}")
                    });
                    self.telegram.clock.sleep(self.delay(TROUBLE_DELAYS, attempt)).await;
                    attempt += 1;
                }
            }
        }
    }

    /// Waits as the failure demands.
    async fn failed(&mut self, error: CallError) -> Result<(), Over> {
        let attempt = self.failures;
        self.failures = self.failures.saturating_add(1);
        let delay = match &error {
            CallError::RateLimited { retry_after_ms } => {
                self.telegram.limiter.hold(None, *retry_after_ms);
                self.telegram.persist_holds().await;
                self.degraded(Trouble::RateLimited, || format!("{}; Blufio waits", error.words()));
                // The hold itself is the wait.
                return Ok(());
            }
            CallError::Refused { code: 401 | 404, .. } => {
                self.report(ChannelHealth::Failed(format!(
                    "Telegram does not know this bot token ({}): take the current one from @BotFather (/mybots → API Token), set it and start again",
                    error.words()
                )));
                return Err(Over);
            }
            CallError::Refused { code: 409, description, .. }
                if description.to_ascii_lowercase().contains("webhook") =>
            {
                self.degraded(Trouble::Webhook, || {
                    "a webhook is set for this bot, so it cannot be polled; if no other service needs it, call deleteWebhook (keep pending updates)".to_string()
                });
                self.delay(CONFLICT_DELAYS, attempt)
            }
            CallError::Refused { code: 409, .. } => {
                self.degraded(Trouble::Conflict, || {
                    "another program polls this bot with the same token; stop it or take a new token from @BotFather (after a restart this passes by itself)".to_string()
                });
                self.delay(CONFLICT_DELAYS, attempt)
            }
            CallError::Refused { .. } => {
                self.degraded(Trouble::Refused, || {
                    format!("Telegram refuses the poll and is asked again: {}", error.words())
                });
                self.delay(TROUBLE_DELAYS, attempt)
            }
            CallError::NoAnswer { is_stall: true, .. } => {
                self.telegram.polling.renew();
                self.degraded(Trouble::Stalled, || {
                    format!("the poll was dead ({}); a new connection is opened", error.words())
                });
                // The deadline was wait enough.
                if attempt == 0 { Duration::ZERO } else { self.delay(TROUBLE_DELAYS, attempt - 1) }
            }
            CallError::NoAnswer { .. } | CallError::NotSent(_) => {
                self.telegram.polling.renew();
                let is_network = matches!(error, CallError::NotSent(_));
                let trouble = if is_network { Trouble::Unreachable } else { Trouble::Unreadable };
                self.degraded(trouble, || {
                    format!("Telegram cannot be reached and is asked again: {}", error.words())
                });
                self.delay(TROUBLE_DELAYS, attempt)
            }
        };
        if !delay.is_zero() {
            self.telegram.clock.sleep(delay).await;
        }
        Ok(())
    }

    /// Doubles from the first delay to the last; jitter adds up to a fifth.
    fn delay(&self, (first, last): (Duration, Duration), attempt: u32) -> Duration {
        let doubled = first.saturating_mul(1 << attempt.min(16)).min(last);
        doubled + doubled.mul_f64((self.telegram.jitter)().clamp(0.0, 1.0) / 5.0)
    }

    fn degraded(&mut self, trouble: Trouble, words: impl FnOnce() -> String) {
        if self.trouble.replace(trouble) != Some(trouble) {
            self.report(ChannelHealth::Degraded(words()));
        }
    }

    fn report(&self, health: ChannelHealth) {
        self.sink.report(NAME, health);
    }
}

fn unreadable(reason: &str) -> CallError {
    CallError::NoAnswer { reason: reason.to_string(), is_stall: false }
}
