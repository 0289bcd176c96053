// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts the parts together: store, clock, channels, providers, tools. The only place that knows all of them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use blufio_agent::{Limits, Options};
use blufio_core::channel::Channel;
use blufio_core::clock::Clock;
use blufio_core::message::Address;
use blufio_core::model::ModelProvider;
use blufio_core::secret::Secret;
use blufio_core::store::Store;
use blufio_gateway::telegram::{self, Telegram};
use blufio_models::anthropic::{self, Anthropic};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control::shell_channel::{self, ShellChannel};
use crate::pairing::PairingDesk;
use crate::programs::ProgramSet;
use crate::tools::Tools;

/// Environment variable of the bot's token.
pub const TOKEN_VARIABLE: &str = "TELEGRAM_BOT_TOKEN";
/// Environment variable of the provider's key.
pub const KEY_VARIABLE: &str = "ANTHROPIC_API_KEY";

/// Address of the Anthropic API.
const ANTHROPIC_URL: &str = "https://api.anthropic.com";

/// A secret of the environment. Empty counts as absent.
pub fn secret(variable: &str) -> Option<Secret> {
    std::env::var(variable).ok().map(|value| Secret::new(&value)).filter(|secret| !secret.is_empty())
}

/// Which doors to the outside are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// Telegram.
    pub telegram: bool,
    /// Anthropic.
    pub anthropic: bool,
}

/// Options of a runtime.
pub fn options(
    config: &Config,
    store: Arc<dyn Store>,
    shell: Arc<ShellChannel>,
    tools: Arc<Tools>,
    doors: Doors,
    set: &ProgramSet,
    desk: &PairingDesk,
) -> Result<Options> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut channels: Vec<Arc<dyn Channel>> = vec![shell];
    if doors.telegram {
        channels.push(Arc::new(telegram_channel(config, Arc::clone(&clock))?));
    }
    let mut providers: Vec<Arc<dyn ModelProvider>> = Vec::new();
    if doors.anthropic {
        providers.push(Arc::new(anthropic_provider(config)?));
    }
    Ok(Options {
        store,
        clock,
        channels,
        providers,
        tools,
        files: Some(Arc::new(blufio_skills::Disk)),
        programs: set.programs.clone(),
        routes: set.routes(),
        owner_telegram: config.telegram_owner.clone(),
        owner_address: Some(Address {
            channel: shell_channel::NAME.to_string(),
            chat: shell_channel::CHAT.to_string(),
            thread: None,
        }),
        pairing: Some(desk.check()),
        price: Some(Arc::new(blufio_models::prices::usd_micros)),
        limits: Limits::default(),
    })
}

fn telegram_channel(config: &Config, clock: Arc<dyn Clock>) -> Result<Telegram> {
    let token = secret(TOKEN_VARIABLE).with_context(|| format!("{TOKEN_VARIABLE} is not set"))?;
    let mut options = telegram::Options::new(token, clock);
    if let Some(url) = &config.telegram_api_url {
        options.api_url.clone_from(url);
    }
    let limits = &mut options.limits;
    if let Some(rate) = config.telegram_messages_per_second {
        limits.overall = rate_of(rate, 1_000.0);
    }
    if let Some(rate) = config.telegram_chat_messages_per_second {
        limits.private = rate_of(rate, 1_000.0);
    }
    if let Some(rate) = config.telegram_group_messages_per_minute {
        limits.group = rate_of(rate, 60_000.0);
    }
    Telegram::new(options).context("telegram")
}

/// So many messages in a period of milliseconds: a third of them may go at once.
fn rate_of(messages: f64, period_ms: f64) -> telegram::Rate {
    // Both casts saturate; the configuration allows finite numbers above zero only.
    let (burst, interval_ms) = ((messages / 3.0).ceil(), (period_ms / messages).ceil());
    telegram::Rate { burst: (burst as u32).max(1), interval_ms: (interval_ms as u64).max(1) }
}

fn anthropic_provider(config: &Config) -> Result<Anthropic> {
    let key = secret(KEY_VARIABLE).with_context(|| format!("{KEY_VARIABLE} is not set"))?;
    let url = config.anthropic_base_url.as_deref().unwrap_or(ANTHROPIC_URL);
    Anthropic::new(anthropic::Options::new(url, key)).context("anthropic")
}

/// What a server needs besides its programs.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the database and of the socket.
    pub data: PathBuf,
    /// Folder of the agents.
    pub agents: PathBuf,
}
