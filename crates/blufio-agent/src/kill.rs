// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operator's switch: from the moment it is thrown no model is asked, until it is released. It is kept as a setting,
//! so that a restart finds it as it was left. A step that runs into it ends as `over_budget`: programs say already what
//! is to happen when nothing may be spent, and people get an answer instead of silence.

use blufio_core::message::UnixMs;
use blufio_core::store::{INTERNAL_CHANNEL, InboxBatch, NewInbox, NewOutbox, Store, StoreError};
use blufio_lang::effect::Outcome;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use crate::internal::Internal;
use crate::outbox::Outbox;
use crate::shared::Shared;

/// The setting that keeps it; empty when it is released.
pub const SETTING: &str = "models/killed";

/// That model calls are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// Since when.
    pub since_ms: UnixMs,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

impl Killed {
    /// Later words of the operator replace earlier ones; the moment stays.
    fn again(before: Option<Self>, reason: Option<String>, now_ms: UnixMs) -> Self {
        match before {
            Some(before) => Self { reason: reason.or(before.reason), ..before },
            None => Self { since_ms: now_ms, reason },
        }
    }

    fn to_setting(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Refused(error.to_string()))
    }
}

/// What the setting says of the switch. One that nobody understands counts as thrown: that costs nothing.
pub fn read(setting: Option<String>) -> Option<Killed> {
    let setting = setting.filter(|setting| !setting.is_empty())?;
    let unreadable = |_| Killed { since_ms: 0, reason: Some("the setting cannot be read".to_string()) };
    Some(serde_json::from_str(&setting).unwrap_or_else(unreadable))
}

/// What a store says of the switch.
pub async fn stored(store: &dyn Store) -> Result<Option<Killed>, StoreError> {
    Ok(read(store.setting(SETTING).await?))
}

/// Throws the switch in a store that nothing runs on; the next start tells the owner.
pub async fn kill(store: &dyn Store, reason: Option<String>, now_ms: UnixMs) -> Result<Killed, StoreError> {
    let killed = Killed::again(stored(store).await?, reason, now_ms);
    store.set_setting(SETTING, &killed.to_setting()?).await?;
    Ok(killed)
}

/// Releases the switch in a store that nothing runs on; what it was.
pub async fn release(store: &dyn Store) -> Result<Option<Killed>, StoreError> {
    let before = stored(store).await?;
    if before.is_some() {
        store.set_setting(SETTING, "").await?;
    }
    Ok(before)
}

/// The switch of a runtime.
pub(crate) struct Switch {
    thrown: watch::Sender<Option<Killed>>,
    /// Held by whoever moves it, so that memory and store end up alike.
    hand: Mutex<()>,
}

impl Default for Switch {
    fn default() -> Self {
        Self { thrown: watch::Sender::new(None), hand: Mutex::default() }
    }
}

impl Switch {
    pub fn killed(&self) -> Option<Killed> {
        self.thrown.borrow().clone()
    }

    /// How a model step ends that may not begin.
    pub fn over(&self) -> Option<Outcome> {
        self.thrown.borrow().is_some().then_some(Outcome::OverBudget(None))
    }

    /// Completes when it is thrown; at once when it is already.
    pub async fn thrown(&self) {
        let mut thrown = self.thrown.subscribe();
        // The sender lives as long as self.
        let _ = thrown.wait_for(Option::is_some).await;
    }
}

impl Shared {
    /// Takes over what the store says, at the start. Who was not told yet is told.
    pub async fn load_switch(&self) -> Result<(), StoreError> {
        let Some(killed) = stored(&*self.store).await? else { return Ok(()) };
        self.switch.thrown.send_replace(Some(killed.clone()));
        self.keep(&killed).await
    }

    /// Throws the switch.
    pub async fn kill(self: &std::sync::Arc<Self>, reason: Option<String>) -> Result<Killed, StoreError> {
        let throw = || {
            let killed = Killed::again(self.switch.killed(), reason.clone(), self.clock.now_ms());
            self.switch.thrown.send_replace(Some(killed.clone()));
            killed
        };
        // First in memory, before anything is waited for: calls end now, however long the disk takes, and should it
        // fail, they stay stopped all the same. Again behind a release that was under way.
        throw();
        let _hand = self.switch.hand.lock().await;
        let killed = throw();
        tracing::warn!(reason = killed.reason, "model calls are stopped");
        self.keep(&killed).await?;
        Outbox::rescan(self).await?;
        Ok(killed)
    }

    /// Releases the switch; what it was.
    pub async fn release(&self) -> Result<Option<Killed>, StoreError> {
        let _hand = self.switch.hand.lock().await;
        // First in the store: who hears that calls go on can rely on it.
        self.store.set_setting(SETTING, "").await?;
        let before = self.switch.thrown.send_replace(None);
        if before.is_some() {
            tracing::warn!("model calls go on");
        }
        Ok(before)
    }

    /// Writes the switch, and in the same transaction a word to the owner, which the store takes once for one throw.
    async fn keep(&self, killed: &Killed) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let mut batch = InboxBatch {
            channel: INTERNAL_CHANNEL.to_string(),
            messages: Vec::new(),
            cursor: None,
            settings: vec![(SETTING.to_string(), killed.to_setting()?)],
            questions: Vec::new(),
            now_ms,
        };
        if let Some(address) = self.owner() {
            let reason = killed.reason.as_ref().map(|reason| format!(" Why: {reason}")).unwrap_or_default();
            let text = format!(
                "Model calls are stopped. `blufio kill --release` on the server lets them go on.{reason}"
            );
            let told = |text: String| NewOutbox::now(address.clone(), text);
            let answers = self.split(&address, &text).into_iter().map(told).collect();
            // Mail for nobody: it only carries the answers, and its id keeps them from being sent twice.
            let message = Internal::End.to_inbound(format!("kill/{}", killed.since_ms), now_ms);
            batch.messages.push(NewInbox::new(message, None, answers));
        }
        self.store.accept(batch).await.map(|_| ())
    }
}
