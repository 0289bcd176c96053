// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Telegram channel: long polling in, plain text out (<https://core.telegram.org/bots/api>).

mod client;
mod files;
mod inbound;
mod limits;
mod outbound;
mod poll;
mod split;
mod wire;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blufio_core::BoxFuture;
use blufio_core::channel::{Channel, InboundSink, SendError};
use blufio_core::clock::Clock;
use blufio_core::message::{Address, Attachment};
use blufio_core::secret::Secret;
use thiserror::Error;

use client::Client;
use limits::Limiter;
pub use limits::{Rate, RateLimits};

/// The channel's name, as routes write it.
pub const NAME: &str = "telegram";

/// What a Telegram channel is made of.
#[derive(Clone)]
pub struct Options {
    /// Address of the Bot API without token, usually `https://api.telegram.org`. Plain http is for literal loopback.
    pub api_url: String,
    /// The bot's token from @BotFather.
    pub token: Secret,
    /// Time; everything that waits, waits for it.
    pub clock: Arc<dyn Clock>,
    /// Own limits, below which Telegram's flood control stays quiet.
    pub limits: RateLimits,
    /// Random numbers in 0..1 that spread retries.
    pub jitter: fn() -> f64,
}

impl Options {
    /// The usual channel for a token.
    pub fn new(token: Secret, clock: Arc<dyn Clock>) -> Self {
        let api_url = "https://api.telegram.org".to_string();
        Self { api_url, token, clock, limits: RateLimits::default(), jitter: random_fraction }
    }
}

/// A number in 0..1 from the randomness that the standard library seeds its hash maps with; good enough for jitter.
fn random_fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// Why a Telegram channel cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The address of the Bot API cannot be used.
    #[error("the address of the Bot API cannot be used: {0}")]
    ApiUrl(String),
    /// The token does not look like one; it is not shown.
    #[error(
        "this is no bot token: @BotFather gives tokens like 123456789:AAE…, letters, digits, `-` and `_`"
    )]
    Token,
    /// The client could not be made.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

/// A bot on Telegram.
pub struct Telegram {
    clock: Arc<dyn Clock>,
    jitter: fn() -> f64,
    limiter: Limiter,
    /// Polls have their own connections, so that nothing else can wedge them or look like their progress.
    polling: Client,
    sending: Client,
    /// The sink while `run` is running: sends persist waiting times through it.
    sink: Mutex<Option<Arc<dyn InboundSink>>>,
    ignored: AtomicU64,
}

impl Telegram {
    /// A channel; nothing is sent before `run`.
    ///
    /// # Errors
    /// When address or token cannot be right, or no TLS client can be made.
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        let Options { api_url, token, clock, limits, jitter } = options;
        let base = client::checked_base(&api_url)?;
        if !client::is_token(token.expose()) {
            return Err(ConfigError::Token);
        }
        Ok(Self {
            limiter: Limiter::new(clock.clone(), limits),
            polling: Client::new(base.clone(), token.clone(), clock.clone())?,
            sending: Client::new(base, token, clock.clone())?,
            clock,
            jitter,
            sink: Mutex::new(None),
            ignored: AtomicU64::new(0),
        })
    }

    /// How many updates were politely ignored since the start: other bots, reactions taken back, kinds that are no messages.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    fn sink(&self) -> MutexGuard<'_, Option<Arc<dyn InboundSink>>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the waiting times down, so that a restart keeps them. Failing to is no reason to fail a send.
    async fn persist_holds(&self) {
        let Some(sink) = self.sink().clone() else { return };
        let holds = self.limiter.holds();
        if let Err(error) = sink.remember(NAME, limits::HOLDS_KEY, &holds).await {
            tracing::warn!(%error, "the waiting time that Telegram asked for could not be stored");
        }
    }
}

impl Channel for Telegram {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run<'a>(&'a self, sink: Arc<dyn InboundSink>, stop: BoxFuture<'static, ()>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            *self.sink() = Some(sink.clone());
            // Dropping a delivery halfway is safe: what was not acknowledged comes again and is stored once.
            tokio::select! {
                () = stop => {}
                () = poll::receive(self, sink) => {}
            }
            *self.sink() = None;
        })
    }

    fn split(&self, text: &str) -> Vec<String> {
        split::split(text, split::MESSAGE_UNITS_MAX)
    }

    fn edits(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, to: &'a Address, text: &'a str) -> BoxFuture<'a, Result<String, SendError>> {
        Box::pin(self.send_message(to, text, None))
    }

    fn reply<'a>(
        &'a self,
        to: &'a Address,
        text: &'a str,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<String, SendError>> {
        Box::pin(self.send_message(to, text, message_id.parse().ok()))
    }

    fn fetch<'a>(
        &'a self,
        attachment: &'a Attachment,
        bytes_max: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        Box::pin(self.fetch_file(&attachment.handle, bytes_max))
    }

    fn edit<'a>(
        &'a self,
        to: &'a Address,
        message_id: &'a str,
        text: &'a str,
        partial: bool,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.edit_message(to, message_id, text, partial))
    }

    fn typing<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, ()> {
        Box::pin(self.send_typing(to))
    }
}
