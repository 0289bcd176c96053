// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running runtime with its programs, its shell channel and its store: what `serve` serves and what `shell` starts
//! in process when nobody serves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use blufio_agent::{Handle, Runtime};
use blufio_core::clock::Clock;
use blufio_core::store::Store;
use blufio_lang::diagnostic::render;
use blufio_persist::SqliteStore;
use tokio::sync::watch;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control::shell_channel::ShellChannel;
use crate::models::Models;
use crate::pairing::PairingDesk;
use crate::programs::{self, ProgramSet};
use crate::tools::Tools;
use crate::webhooks::{self, Posts};
use crate::wiring::{self, Doors, Places};

/// How often a pairing code is looked at while nobody is paired.
const PAIRING_CHECK: Duration = Duration::from_secs(10);

/// A running runtime.
pub struct Daemon {
    /// The runtime.
    pub handle: Handle,
    /// The store, for what only reads.
    pub store: Arc<dyn Store>,
    /// The terminal's channel.
    pub shell: Arc<ShellChannel>,
    /// The pairing code.
    pub desk: PairingDesk,
    tools: Arc<Tools>,
    /// What is posted, when the routes named it at the start.
    posts: Option<Posts>,
    /// Which doors are open, or were left closed on purpose; others need another start.
    settled: Doors,
    /// Providers and prices as they were at the start.
    models: Models,
    places: Places,
    stop: watch::Sender<bool>,
}

/// Programs that can run: an error prints what the checker found.
pub fn checked(places: &Places, models: &Models) -> Result<ProgramSet> {
    let set = programs::load(&places.agents, models)?;
    if set.diagnostics.has_errors() {
        let found = render(&set.diagnostics, &set.sources.map, false);
        return Err(anyhow!(
            "the programs in {} have errors\n\n{}",
            places.agents.display(),
            found.trim_end()
        ));
    }
    Ok(set)
}

impl Daemon {
    /// Locks the data folder, opens the store, starts the runtime.
    pub async fn start(
        config: &Config,
        places: Places,
        doors: Doors,
        models: Models,
        set: &ProgramSet,
    ) -> Result<Self> {
        // An address that is taken is told before anything begins to work.
        let listener = if doors.webhooks { Some(webhooks::bind(config).await?) } else { None };
        std::fs::create_dir_all(&places.data).with_context(|| places.data.display().to_string())?;
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&places.data, &blufio_persist::Options::default())?);
        let shell = Arc::new(ShellChannel::default());
        let desk = PairingDesk::open(SystemClock.now_ms())?;
        let tools = Arc::new(Tools::new(&set.sources.manifests));
        let options = wiring::options(
            config,
            Arc::clone(&store),
            Arc::clone(&shell),
            Arc::clone(&tools),
            (&doors, &models),
            set,
            &desk,
        )?;
        let settled = Doors {
            telegram: doors.telegram || set.uses_channel("telegram"),
            providers: doors.providers.union(&set.providers()).cloned().collect(),
            webhooks: doors.webhooks || !set.webhooks().is_empty(),
        };
        let handle = Runtime::start(options).await?;
        let posts = listener.map(|listener| Posts::start(listener, handle.events()));
        let stop = watch::Sender::new(false);
        Ok(Self { handle, store, shell, desk, tools, posts, settled, models, places, stop })
    }

    /// Checks the folder again and takes the programs over. On any error nothing changed and the error says why.
    pub async fn reload(&self) -> Result<String> {
        let set = checked(&self.places, &self.models)
            .map_err(|error| anyhow!("the old programs keep running: {error:#}"))?;
        let names: Vec<String> = set
            .programs
            .iter()
            .map(|agent| format!("{} v{}", agent.program.name, agent.program.version))
            .collect();
        if let Some(missing) = self.closed_door(&set) {
            return Err(anyhow!("the old programs keep running: {missing}"));
        }
        self.handle
            .reload(set.programs.clone(), set.routes())
            .await
            .context("the old programs keep running")?;
        self.tools.replace(&set.sources.manifests);
        tracing::info!(programs = names.join(", "), "reloaded");
        Ok(names.join(", "))
    }

    /// What these programs need that was not opened at the start.
    fn closed_door(&self, set: &ProgramSet) -> Option<String> {
        if set.uses_channel("telegram") && !self.settled.telegram {
            let variable = wiring::TOKEN_VARIABLE;
            return Some(format!(
                "the routes name telegram, which this start did not open: set {variable} and start again"
            ));
        }
        if let Some(provider) = set.providers().difference(&self.settled.providers).next() {
            let set_key =
                self.models.missing_key(provider).map(|missing| format!("set {} and ", missing.variable));
            return Some(format!(
                "a model of {provider} is named, which this start did not open: {}start again",
                set_key.unwrap_or_default()
            ));
        }
        let webhooks = set.webhooks();
        if !webhooks.is_empty() && !self.settled.webhooks {
            return Some("the routes name a webhook, which this start did not open: start again".to_string());
        }
        let missing = self.posts.as_ref().map(|_| webhooks::missing_keys(&webhooks)).unwrap_or_default();
        missing.first().map(|words| format!("{}; start again with it", words.trim()))
    }

    /// Where webhooks are listened for.
    pub fn listens_on(&self) -> Option<SocketAddr> {
        self.posts.as_ref().map(Posts::address)
    }

    /// Asks whoever runs this to stop.
    pub fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Completes when a stop was asked for.
    pub async fn stop_requested(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as self.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Shows the pairing code and renews it until somebody is paired.
    pub async fn keep_pairing(&self) {
        let mut shown = false;
        loop {
            match self.handle.status().await {
                Ok(status) if !status.channels.iter().any(|channel| channel.name == "telegram") => return,
                Ok(_) if self.is_paired().await => return,
                _ => {}
            }
            if !shown {
                self.desk.show();
                shown = true;
            }
            if let Err(error) = self.desk.renew(SystemClock.now_ms()) {
                tracing::error!("{error:#}");
            }
            tokio::time::sleep(PAIRING_CHECK).await;
        }
    }

    async fn is_paired(&self) -> bool {
        matches!(self.store.setting("owner/telegram").await, Ok(Some(_)))
    }

    /// Drains and closes. After this the data folder is free and its database one complete file.
    pub async fn stop(&self) -> Result<()> {
        if let Some(posts) = &self.posts {
            posts.stop().await;
        }
        self.handle.stop().await;
        self.store.close().await.context("closing the database")
    }
}
