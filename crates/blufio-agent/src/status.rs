// SPDX-License-Identifier: MIT OR Apache-2.0
//! A snapshot of a running runtime, for `status`.

use blufio_core::channel::ChannelHealth;
use blufio_core::store::{StoreError, StoreTotals};
use serde::{Deserialize, Serialize};

use crate::kill::Killed;
use crate::shared::{Shared, lock};

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether new messages are taken.
    pub running: bool,
    /// Programs that new sessions start on.
    pub programs: Vec<ProgramStatus>,
    /// Channels with their health.
    pub channels: Vec<ChannelStatus>,
    /// Providers of models with their health.
    #[serde(default)]
    pub providers: Vec<ProviderStatus>,
    /// Whether the owner is paired.
    pub owner_known: bool,
    /// Sessions that are being worked on now.
    pub sessions_active: usize,
    /// That model calls are stopped.
    #[serde(default)]
    pub models_killed: Option<Killed>,
    /// Totals of the store.
    pub totals: StoreTotals,
    /// What the operator should know, oldest first.
    pub notices: Vec<String>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStatus {
    /// Agent.
    pub agent: String,
    /// Version.
    pub version: u32,
    /// First bytes of its identity, hexadecimal.
    pub hash: String,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Name.
    pub name: String,
    /// `healthy`, `starting`, `degraded`, `failed`.
    pub health: String,
    /// Words for the operator.
    pub detail: Option<String>,
}

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// Name.
    pub name: String,
    /// `healthy`, `degraded` (it asked for a pause), `failed` (it is left out for a while).
    pub health: String,
    /// Words for the operator.
    pub detail: Option<String>,
}

pub(crate) async fn snapshot(shared: &Shared) -> Result<Status, StoreError> {
    let totals = shared.store.totals().await?;
    let programs = shared.programs.list().into_iter().map(|(agent, version, hash)| ProgramStatus {
        agent,
        version,
        hash: hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect(),
    });
    let health = lock(&shared.health).clone();
    let mut names: Vec<&str> = shared.channels.keys().copied().collect();
    names.sort_unstable();
    let channels = names.into_iter().map(|name| {
        let (word, detail) = match health.get(name) {
            None => ("starting", None),
            Some(ChannelHealth::Healthy) => ("healthy", None),
            Some(ChannelHealth::Degraded(words)) => ("degraded", Some(words.clone())),
            Some(ChannelHealth::Failed(words)) => ("failed", Some(words.clone())),
        };
        ChannelStatus { name: name.to_string(), health: word.to_string(), detail }
    });
    let mut names: Vec<&String> = shared.providers.keys().collect();
    names.sort_unstable();
    let providers = names.into_iter().map(|name| {
        let (health, detail) = shared.outages.health(name, shared.clock.now_ms());
        ProviderStatus { name: name.clone(), health: health.to_string(), detail }
    });
    Ok(Status {
        running: !shared.is_stopping(),
        programs: programs.collect(),
        channels: channels.collect(),
        providers: providers.collect(),
        owner_known: shared.owner().is_some(),
        sessions_active: shared.supervisor.running(),
        models_killed: shared.switch.killed(),
        totals,
        notices: shared.notices(),
    })
}
