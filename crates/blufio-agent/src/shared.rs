// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all tasks of a runtime share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use blufio_core::channel::{Channel, ChannelHealth};
use blufio_core::clock::Clock;
use blufio_core::files::Files;
use blufio_core::message::Address;
use blufio_core::model::ModelProvider;
use blufio_core::store::{NewOutbox, Store, StoreError};
use blufio_core::tool::ToolHost;
use tokio::sync::{Notify, watch};

use crate::breaker::Breaker;
use crate::estimators::Estimators;
use crate::kill::Switch;
use crate::options::{Limits, Pairing, Price, Window};
use crate::outages::{self, News, Outages};
use crate::outbox::Outbox;
use crate::prefix::Prefixes;
use crate::questions::Questions;
use crate::reload::Programs;
use crate::routes::Routes;
use crate::supervise::Supervisor;

/// Notices kept for `status`.
const NOTICES_MAX: usize = 32;

/// What all tasks share.
pub(crate) struct Shared {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub channels: HashMap<&'static str, Arc<dyn Channel>>,
    pub providers: HashMap<String, Arc<dyn ModelProvider>>,
    pub tools: Arc<dyn ToolHost>,
    pub files: Option<Arc<dyn Files>>,
    /// When they were looked at last.
    pub files_looked_ms: Mutex<Option<i64>>,
    pub programs: Programs,
    pub routes: RwLock<Arc<Routes>>,
    /// The owner's id on Telegram.
    pub owner_telegram: RwLock<Option<String>>,
    pub owner_address: Option<Address>,
    pub pairing: Option<Pairing>,
    pub price: Option<Price>,
    pub window: Option<Window>,
    pub limits: Limits,
    pub supervisor: Supervisor,
    pub breaker: Breaker,
    /// How far estimates of tokens are off.
    pub estimators: Estimators,
    /// What prompts began with.
    pub prefixes: Prefixes,
    /// The operator's, for model calls.
    pub switch: Switch,
    /// What providers are asked for nothing at the moment.
    pub outages: Outages,
    /// Questions to people.
    pub questions: Questions,
    /// Where group chats are, by the setting that holds it.
    pub rooms: Mutex<HashMap<String, Address>>,
    /// What is known of a heartbeat changes one by one.
    pub beats: tokio::sync::Mutex<()>,
    /// The front door decides about one batch at a time.
    pub door: tokio::sync::Mutex<()>,
    pub outbox: Outbox,
    /// A deadline was armed.
    pub timer_armed: Notify,
    pub health: Mutex<BTreeMap<String, ChannelHealth>>,
    notices: Mutex<Vec<String>>,
    stop: watch::Sender<bool>,
    fatal: watch::Sender<Option<StoreError>>,
}

impl Shared {
    pub fn new(options: crate::Options) -> Self {
        let supervisor = Supervisor::new(&options.limits);
        Self {
            store: options.store,
            clock: options.clock,
            channels: options.channels.into_iter().map(|c| (c.name(), c)).collect(),
            providers: options.providers.into_iter().map(|p| (p.name().to_string(), p)).collect(),
            tools: options.tools,
            files: options.files,
            files_looked_ms: Mutex::default(),
            programs: Programs::default(),
            routes: RwLock::new(Arc::new(options.routes)),
            owner_telegram: RwLock::new(options.owner_telegram),
            owner_address: options.owner_address,
            pairing: options.pairing,
            price: options.price,
            window: options.window,
            limits: options.limits,
            supervisor,
            breaker: Breaker::default(),
            estimators: Estimators::default(),
            prefixes: Prefixes::default(),
            switch: Switch::default(),
            outages: Outages::default(),
            questions: Questions::default(),
            rooms: Mutex::default(),
            beats: tokio::sync::Mutex::default(),
            door: tokio::sync::Mutex::default(),
            outbox: Outbox::default(),
            timer_armed: Notify::new(),
            health: Mutex::default(),
            notices: Mutex::default(),
            stop: watch::Sender::new(false),
            fatal: watch::Sender::new(None),
        }
    }

    pub fn channel(&self, address: &Address) -> Option<Arc<dyn Channel>> {
        self.channels.get(address.channel.as_str()).cloned()
    }

    /// A text as the messages that its channel takes.
    pub fn split(&self, address: &Address, text: &str) -> Vec<String> {
        let parts = self.channel(address).map(|channel| channel.split(text)).unwrap_or_default();
        if parts.is_empty() { vec![text.to_string()] } else { parts }
    }

    pub fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn owner_id(&self) -> Option<String> {
        self.owner_telegram.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_owner_id(&self, id: &str) {
        *self.owner_telegram.write().unwrap_or_else(PoisonError::into_inner) = Some(id.to_string());
    }

    /// Where the owner is told things.
    pub fn owner(&self) -> Option<Address> {
        let paired =
            self.owner_id().map(|chat| Address { channel: "telegram".to_string(), chat, thread: None });
        paired.filter(|_| self.channels.contains_key("telegram")).or_else(|| self.owner_address.clone())
    }

    /// Tells the owner something outside of any session. The rows are only queued, so a lane may call this.
    pub async fn tell_owner(self: &Arc<Self>, text: &str) -> Result<(), StoreError> {
        self.note(text);
        self.post_to_owner(text).await
    }

    /// The same, for what `status` need not show.
    pub async fn post_to_owner(self: &Arc<Self>, text: &str) -> Result<(), StoreError> {
        let Some(address) = self.owner() else { return Ok(()) };
        let messages: Vec<NewOutbox> = self
            .split(&address, text)
            .into_iter()
            .map(|part| NewOutbox::now(address.clone(), part))
            .collect();
        for row in self.store.post(messages, self.clock.now_ms()).await? {
            Outbox::push(self, &address, row);
        }
        Ok(())
    }

    /// Keeps a notice for `status`; the same one is kept once.
    pub fn note(&self, text: &str) {
        let mut notices = lock(&self.notices);
        if notices.iter().any(|known| known == text) {
            return;
        }
        tracing::warn!(notice = text);
        if notices.len() >= NOTICES_MAX {
            notices.remove(0);
        }
        notices.push(text.to_string());
    }

    /// Tells the owner what became of a provider, and keeps it for the next start.
    pub async fn provider_news(self: &Arc<Self>, provider: &str, news: News) {
        let told = match news {
            News::Begins(text) => self.tell_owner(&text).await,
            News::Over(before, now) => {
                tracing::info!(provider, "answers again");
                // What was said of its outage holds no more.
                lock(&self.notices).retain(|notice| *notice != before);
                self.post_to_owner(&now).await
            }
        };
        if let Err(error) = told {
            self.store_failed(&error);
        }
        self.keep_outage(provider).await;
    }

    /// Keeps what is known of a provider for the next start.
    pub async fn keep_outage(&self, provider: &str) {
        let kept = self.outages.kept(provider);
        if let Err(error) = self.store.set_setting(&outages::setting(provider), &kept).await {
            self.store_failed(&error);
        }
    }

    /// What an earlier life knew of the providers.
    pub async fn restore_outages(&self) -> Result<(), StoreError> {
        for provider in self.providers.keys() {
            let Some(kept) = self.store.setting(&outages::setting(provider)).await? else { continue };
            if let Some(text) = self.outages.restore(provider, &kept, self.clock.now_ms()) {
                self.note(&text);
            }
        }
        Ok(())
    }

    /// Forgets notices that hold no more.
    pub fn forget_notices(&self, is_over: impl Fn(&str) -> bool) {
        lock(&self.notices).retain(|notice| !is_over(notice));
    }

    /// Whether a notice is already kept.
    pub fn is_noted(&self, text: &str) -> bool {
        lock(&self.notices).iter().any(|known| known == text)
    }

    pub fn notices(&self) -> Vec<String> {
        lock(&self.notices).clone()
    }

    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Turns true when the runtime stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub fn begin_stop(&self) {
        self.stop.send_replace(true);
    }

    /// The store failed. What it acknowledges may no longer be durable, so everything stops.
    pub fn store_failed(&self, error: &StoreError) {
        tracing::error!(%error, "the store failed");
        self.note(&format!("the store failed: {error}"));
        if matches!(error, StoreError::Fatal(_) | StoreError::Closed) {
            self.fatal.send_replace(Some(error.clone()));
            self.begin_stop();
        }
    }

    /// Why everything stopped, when the store did it.
    pub fn fatal(&self) -> watch::Receiver<Option<StoreError>> {
        self.fatal.subscribe()
    }
}

/// Locks; a panic of another holder leaves the value as it is, and every holder keeps it whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
