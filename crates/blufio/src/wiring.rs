// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts the parts together: store, clock, channels, providers, tools. The only place that knows all of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use blufio_agent::{Limits, Options};
use blufio_core::channel::Channel;
use blufio_core::clock::Clock;
use blufio_core::message::Address;
use blufio_core::model::Usage;
use blufio_core::store::Store;
use blufio_gateway::telegram::{self, Telegram};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control::shell_channel::{self, ShellChannel};
use crate::models::{Models, secret};
use crate::pairing::PairingDesk;
use crate::programs::ProgramSet;
use crate::tools::Tools;

/// Environment variable of the bot's token.
pub const TOKEN_VARIABLE: &str = "TELEGRAM_BOT_TOKEN";

/// Which doors to the outside are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doors {
    /// Telegram.
    pub telegram: bool,
    /// Providers of models, by name.
    pub providers: BTreeSet<String>,
    /// Webhooks.
    pub webhooks: bool,
}

/// Options of a runtime.
pub fn options(
    config: &Config,
    store: Arc<dyn Store>,
    shell: Arc<ShellChannel>,
    tools: Arc<Tools>,
    (doors, models): (&Doors, &Models),
    set: &ProgramSet,
    desk: &PairingDesk,
) -> Result<Options> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut channels: Vec<Arc<dyn Channel>> = vec![shell];
    if doors.telegram {
        channels.push(Arc::new(telegram_channel(config, Arc::clone(&clock))?));
    }
    let providers = doors.providers.iter().map(|name| models.open(name)).collect::<Result<Vec<_>>>()?;
    let (prices, windows) = (Arc::clone(&models.prices), Arc::clone(&models.prices));
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
        price: Some(Arc::new(move |asked: &str, answered: &str, usage: &Usage| {
            prices.charge(asked, answered, usage)
        })),
        window: Some(Arc::new(move |model: &str| Some(windows.window(model)?.context_tokens.into()))),
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

/// What a server needs besides its programs.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the database and of the socket.
    pub data: PathBuf,
    /// Folder of the agents.
    pub agents: PathBuf,
}
