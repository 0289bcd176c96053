// SPDX-License-Identifier: MIT OR Apache-2.0
//! One task per session that has something to do, none for the others. A small cache keeps the latest idle sessions
//! decoded; a store conflict shows when a cached one is stale.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore};

use crate::options::Limits;
use crate::panics::caught;
use crate::session::{Driver, Session, defect};
use crate::shared::{Shared, lock};

/// Why a session is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Mail arrived, or an effect is pending.
    Mail,
    /// A deadline came due.
    Timer,
    /// The session was discarded: what is in memory must not be committed any more.
    Dropped,
}

/// What a session's task is told while it runs.
#[derive(Default)]
pub(crate) struct Wake {
    pub notify: Notify,
    mail: AtomicBool,
    timer: AtomicBool,
    dropped: AtomicBool,
}

impl Wake {
    fn set(&self, reason: Reason) {
        match reason {
            Reason::Mail => self.mail.store(true, Ordering::Release),
            Reason::Timer => self.timer.store(true, Ordering::Release),
            Reason::Dropped => self.dropped.store(true, Ordering::Release),
        }
        self.notify.notify_one();
    }

    /// Takes a reason, once.
    pub fn take(&self, reason: Reason) -> bool {
        match reason {
            Reason::Mail => self.mail.swap(false, Ordering::AcqRel),
            Reason::Timer => self.timer.swap(false, Ordering::AcqRel),
            Reason::Dropped => self.dropped.swap(false, Ordering::AcqRel),
        }
    }

    /// Whether there is a reason.
    pub fn is_set(&self) -> bool {
        [&self.mail, &self.timer, &self.dropped].into_iter().any(|reason| reason.load(Ordering::Acquire))
    }
}

/// The tasks.
pub(crate) struct Supervisor {
    tasks: Mutex<HashMap<String, Arc<Wake>>>,
    permits: Arc<Semaphore>,
    cache: Mutex<VecDeque<Session>>,
    cached_max: usize,
    ended: Notify,
}

impl Supervisor {
    pub fn new(limits: &Limits) -> Self {
        Self {
            tasks: Mutex::default(),
            permits: Arc::new(Semaphore::new(limits.sessions_at_once_max)),
            cache: Mutex::default(),
            cached_max: limits.sessions_cached_max,
            ended: Notify::new(),
        }
    }

    /// Has a session looked at, now or after what it is doing.
    pub fn wake(shared: &Arc<Shared>, key: &str, reason: Reason) {
        let mut tasks = lock(&shared.supervisor.tasks);
        if let Some(wake) = tasks.get(key) {
            wake.set(reason);
            return;
        }
        if shared.is_stopping() {
            return;
        }
        let wake = Arc::new(Wake::default());
        wake.set(reason);
        tasks.insert(key.to_string(), Arc::clone(&wake));
        drop(tasks);
        tokio::spawn(work(Arc::clone(shared), key.to_string(), wake));
    }

    /// Keys of sessions that are being worked on.
    pub fn running(&self) -> usize {
        lock(&self.tasks).len()
    }

    /// Completes when no session is being worked on.
    pub async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if lock(&self.tasks).is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Forgets the decoded form of a session.
    pub fn uncache(&self, key: &str) -> Option<Session> {
        let mut cache = lock(&self.cache);
        let at = cache.iter().position(|session| session.key == key)?;
        cache.remove(at)
    }

    /// Forgets the decoded form of all sessions: the next look at each meets the programs of today.
    pub fn uncache_all(&self) {
        lock(&self.cache).clear();
    }

    fn cache(&self, session: Session) {
        let mut cache = lock(&self.cache);
        cache.push_back(session);
        while cache.len() > self.cached_max {
            cache.pop_front();
        }
    }

    /// Ends a task unless it was woken meanwhile.
    fn retire(&self, key: &str, wake: &Wake, stopping: bool) -> bool {
        let mut tasks = lock(&self.tasks);
        if wake.is_set() && !stopping {
            return false;
        }
        tasks.remove(key);
        drop(tasks);
        self.ended.notify_waiters();
        true
    }
}

async fn work(shared: Arc<Shared>, key: String, wake: Arc<Wake>) {
    let permits = Arc::clone(&shared.supervisor.permits);
    let mut stop = shared.stopping();
    let permit = tokio::select! {
        permit = permits.acquire_owned() => permit.ok(),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    loop {
        if permit.is_some() {
            let session = shared.supervisor.uncache(&key);
            let driver = Driver::new(Arc::clone(&shared), key.clone(), Arc::clone(&wake), session);
            match caught(driver.run()).await {
                Ok(Some(session)) => shared.supervisor.cache(session),
                Ok(None) => {}
                Err(panic) => parked(&shared, &key, &panic).await,
            }
        }
        if shared.supervisor.retire(&key, &wake, shared.is_stopping()) {
            return;
        }
    }
}

/// A panic ends the work on its session, not this task: the key must not stay taken.
async fn parked(shared: &Arc<Shared>, key: &str, panic: &str) {
    match caught(defect::park(shared, key, panic)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.store_failed(&error),
        Err(again) => tracing::error!(session = key, again, "a panicked session could not be parked"),
    }
}
