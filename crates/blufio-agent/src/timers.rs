// SPDX-License-Identifier: MIT OR Apache-2.0
//! One task for all deadlines: it sleeps until the next one, then has the sessions looked at whose time has come.
//! The rows stay until a step consumes them, so nothing is lost with this task.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use blufio_core::store::StoreError;

use crate::shared::Shared;
use crate::supervise::{Reason, Supervisor};

/// Deadlines looked at together.
const DUE_MAX: u32 = 1_000;
/// How often deadlines that are due but not taken yet (a busy session holds them) are looked at again.
const HELD_POLL: Duration = Duration::from_secs(1);
/// How often the wall clock is looked at: it may jump while this task sleeps.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);

/// Has every session looked at whose deadline passed while nothing ran.
pub(crate) async fn overdue(shared: &Arc<Shared>) -> Result<HashSet<i64>, StoreError> {
    let mut announced = HashSet::new();
    announce(shared, &mut announced).await?;
    Ok(announced)
}

/// Runs until the runtime stops.
pub(crate) async fn run(shared: Arc<Shared>, mut announced: HashSet<i64>) {
    let mut stop = shared.stopping();
    loop {
        let armed = shared.timer_armed.notified();
        let wait = match step(&shared, &mut announced).await {
            Ok(wait) => wait,
            Err(error) => {
                shared.store_failed(&error);
                Some(HELD_POLL)
            }
        };
        let sleep = async {
            match wait {
                Some(wait) => shared.clock.sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = armed => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

async fn step(shared: &Arc<Shared>, announced: &mut HashSet<i64>) -> Result<Option<Duration>, StoreError> {
    let Some(due) = shared.store.next_timer_ms().await? else { return Ok(None) };
    let wait = due.saturating_sub(shared.clock.now_ms());
    if let Ok(wait @ 1..) = u64::try_from(wait) {
        return Ok(Some(Duration::from_millis(wait).min(LOOK_AT_LEAST)));
    }
    announce(shared, announced).await?;
    Ok(Some(HELD_POLL))
}

/// Wakes the sessions of due timers, oldest first, each timer once.
async fn announce(shared: &Arc<Shared>, announced: &mut HashSet<i64>) -> Result<(), StoreError> {
    let rows = shared.store.timers_due(shared.clock.now_ms(), DUE_MAX).await?;
    announced.retain(|id| rows.iter().any(|row| row.id == *id));
    for row in rows {
        if announced.insert(row.id)
            && let Some(key) = shared.store.session_key(row.session).await?
        {
            Supervisor::wake(shared, &key, Reason::Timer);
        }
    }
    Ok(())
}
