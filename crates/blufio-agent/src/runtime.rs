// SPDX-License-Identifier: MIT OR Apache-2.0
//! The service: `Options → start → Handle`. Starting installs the programs, resumes what was interrupted and opens the
//! channels, in that order; stopping closes in the reverse one.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use blufio_core::channel::{Channel, ChannelHealth, InboundSink};
use blufio_core::store::StoreError;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::deliver::{OWNER_SETTING, Sink};
use crate::kill::Killed;
use crate::options::{AgentProgram, Options};
use crate::outbox::Outbox;
use crate::panics::caught;
use crate::routes::Routes;
use crate::shared::Shared;
use crate::status::{self, Status};
use crate::supervise::{Reason, Supervisor};
use crate::{statics, timers};

/// Why a runtime did not start, or stopped by itself.
#[derive(Debug, Clone, Error)]
pub enum RuntimeError {
    /// The store refused.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A route leads to an agent that is not among the programs.
    #[error("a route leads to agent `{0}`, which is not among the programs")]
    UnknownAgent(String),
}

/// The durable runtime.
pub struct Runtime;

/// A running runtime. Dropping it ends its channels without draining; sessions resume at the next start.
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    tasks: Mutex<JoinSet<()>>,
}

impl Runtime {
    /// Starts: sessions with a pending effect resume, overdue deadlines fire before new messages are taken.
    pub async fn start(mut options: Options) -> Result<Handle, RuntimeError> {
        let programs = std::mem::take(&mut options.programs);
        known_agents(&options.routes, &programs)?;
        let shared = Arc::new(Shared::new(options));
        shared.programs.install(&*shared.store, programs, shared.clock.now_ms()).await?;
        if shared.owner_id().is_none()
            && let Some(id) = shared.store.setting(OWNER_SETTING).await?
        {
            shared.set_owner_id(&id);
        }
        shared.load_rooms().await?;
        shared.load_switch().await?;
        shared.restore_outages().await?;
        shared.questions.load(shared.store.questions().await?);
        Outbox::rescan(&shared).await?;
        let announced = timers::overdue(&shared).await?;
        for key in shared.store.keys_with_work().await? {
            Supervisor::wake(&shared, &key, Reason::Mail);
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(timers::run(Arc::clone(&shared), announced));
        tasks.spawn(crate::schedules::run(Arc::clone(&shared)));
        tasks.spawn(statics::run(Arc::clone(&shared)));
        for channel in shared.channels.values() {
            tasks.spawn(receive(Arc::clone(&shared), Arc::clone(channel)));
        }
        Ok(Handle { shared, tasks: Mutex::new(tasks) })
    }
}

async fn receive(shared: Arc<Shared>, channel: Arc<dyn Channel>) {
    let mut stop = shared.stopping();
    let sink: Arc<dyn InboundSink> = Arc::new(Sink(Arc::clone(&shared)));
    let door = Arc::clone(&sink);
    let stopped = Box::pin(async move {
        // A closed channel is a runtime that is gone: stop as well.
        let _ = stop.wait_for(|stop| *stop).await;
    });
    if let Err(panic) = caught(channel.run(sink, stopped)).await {
        let words = format!("a defect of this program stopped it, restart to receive again: {panic}");
        door.report(channel.name(), ChannelHealth::Failed(words));
    }
}

fn known_agents(routes: &Routes, programs: &[AgentProgram]) -> Result<(), RuntimeError> {
    let in_rules = routes.rules.iter().filter_map(|rule| match &rule.to {
        crate::routes::Target::Agent { agent, .. } => Some(agent),
        crate::routes::Target::Drop(_) => None,
    });
    let mut named = in_rules.chain(routes.webhooks.iter().map(|webhook| &webhook.agent));
    let unknown = named.find(|agent| !programs.iter().any(|known| known.program.name == **agent));
    unknown.map_or(Ok(()), |agent| Err(RuntimeError::UnknownAgent(agent.clone())))
}

impl Handle {
    /// Where a channel that the runtime does not run itself delivers (a gateway, a test).
    pub fn sink(&self) -> Arc<dyn InboundSink> {
        Arc::new(Sink(Arc::clone(&self.shared)))
    }

    /// Swaps programs and routes: new sessions start on the new ones, running ones finish on theirs. On an error
    /// nothing changed.
    pub async fn reload(&self, programs: Vec<AgentProgram>, routes: Routes) -> Result<(), RuntimeError> {
        known_agents(&routes, &programs)?;
        let now_ms = self.shared.clock.now_ms();
        self.shared.programs.install(&*self.shared.store, programs, now_ms).await?;
        *self.shared.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
        self.shared.load_rooms().await?;
        self.shared.supervisor.uncache_all();
        // Mail that waited for an agent may run now.
        for key in self.shared.store.keys_with_work().await? {
            Supervisor::wake(&self.shared, &key, Reason::Mail);
        }
        Ok(())
    }

    /// Snapshot.
    pub async fn status(&self) -> Result<Status, RuntimeError> {
        statics::look(&self.shared).await;
        Ok(status::snapshot(&self.shared).await?)
    }

    /// Stops every model call, now and until [`Self::release`], also over a restart. Attempts under way are cut short
    /// and charged as reserved; their steps and new ones end as `over_budget`. The owner is told once.
    pub async fn kill(&self, reason: Option<String>) -> Result<Killed, RuntimeError> {
        Ok(self.shared.kill(reason).await?)
    }

    /// Lets model calls go on; tells what stopped them.
    pub async fn release(&self) -> Result<Option<Killed>, RuntimeError> {
        Ok(self.shared.release().await?)
    }

    /// Discards a session with its mail and deadlines.
    pub async fn drop_session(&self, key: &str) -> Result<bool, RuntimeError> {
        self.shared.supervisor.uncache(key);
        let dropped = self.shared.store.drop_session(key, self.shared.clock.now_ms()).await?;
        self.shared.questions.ended(key);
        Supervisor::wake(&self.shared, key, Reason::Dropped);
        Ok(dropped)
    }

    /// Completes when no session works and no message is on its way: everything waits for the world.
    pub async fn quiet(&self) {
        loop {
            self.shared.supervisor.idle().await;
            self.shared.outbox.drained().await;
            if self.shared.supervisor.running() == 0 {
                return;
            }
        }
    }

    /// Completes when the store failed for good; the process must end.
    pub async fn failed(&self) -> StoreError {
        let mut fatal = self.shared.fatal();
        match fatal.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(StoreError::Closed),
            Err(_) => StoreError::Closed,
        }
    }

    /// Stops: no new messages, steps finish, pending model calls are left for the next start, replies that are
    /// decided are sent as far as the drain's time allows. The store stays open; its owner closes it.
    pub async fn stop(&self) {
        self.shared.begin_stop();
        let drain = Duration::from_millis(self.shared.limits.drain_ms);
        let drained = async {
            self.shared.supervisor.idle().await;
            self.shared.outbox.drained().await;
        };
        tokio::select! {
            () = drained => {}
            () = self.shared.clock.sleep(drain) => tracing::warn!("stopped before everything was sent; the rest follows at the next start"),
        }
        self.tasks.lock().await.shutdown().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.begin_stop();
    }
}
