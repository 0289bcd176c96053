// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dead man's switch: a heartbeat that should run and does not is told to the owner after two periods, once until
//! it runs again. What nobody would notice otherwise: its session is busy or parked, its budget is used up, its
//! fingerprint fails. A slot at which nothing changed is a heartbeat that lives.
//!
//! Kept in a setting per schedule, so that a restart tells nothing twice; slots that passed while nothing ran count for
//! nothing.

use std::sync::Arc;

use blufio_core::store::{SessionStatus, StoreError};
use blufio_lang::program::{Program, Schedule, ScheduleWhen};
use serde::{Deserialize, Serialize};

use crate::internal::Internal;
use crate::reload::Loaded;
use crate::shared::Shared;

/// Slots in a row that may be missed before somebody is told.
const MISSED_MAX: u32 = 2;
const MINUTE_MS: i64 = 60_000;

/// Why a slot is not for its schedule.
pub(crate) enum Hindrance {
    /// The state in which the session is has no such schedule.
    NotHere,
    /// It should run and cannot.
    Missed(&'static str),
}

/// One schedule of one version of an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Which<'a> {
    pub program: &'a Program,
    pub at: usize,
}

/// What is known of a heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    /// Version of the program: the next one's schedules are others.
    version: u32,
    /// The last slot put an event into the mailbox of which the end was not looked at.
    queued: bool,
    /// That event was not taken, or ran out of its budget.
    failed: bool,
    /// Slots missed in a row.
    missed: u32,
    /// The owner was told.
    told: bool,
}

impl Which<'_> {
    /// Key of the agent's own session.
    pub fn session(self) -> String {
        format!("{}/own", self.program.name)
    }

    /// Setting that holds what the fingerprint calls gave last.
    pub fn fingerprint_setting(self) -> String {
        format!("schedule/{}/{}/fingerprint", self.program.name, self.at)
    }

    fn setting(self) -> String {
        format!("schedule/{}/{}/beat", self.program.name, self.at)
    }

    /// How its notice begins.
    fn subject(self) -> String {
        let words = self.program.schedules.get(self.at).map(words).unwrap_or_default();
        format!("a heartbeat of {} ({words}) has not run for two periods: ", self.program.name)
    }

    fn schedule(self) -> Option<u32> {
        u32::try_from(self.at).ok()
    }
}

/// A schedule for people.
fn words(schedule: &Schedule) -> String {
    match schedule.when {
        ScheduleWhen::Period { period_ms, .. } if period_ms % (60 * MINUTE_MS) == 0 => {
            format!("every {} h", period_ms / (60 * MINUTE_MS))
        }
        ScheduleWhen::Period { period_ms, .. } => format!("every {} min", period_ms / MINUTE_MS),
        ScheduleWhen::At { minutes, .. } => format!("at {:02}:{:02}", minutes / 60, minutes % 60),
    }
}

/// What keeps a slot from running: looked at before anything is called or stored for it, so that mail does not pile up
/// before a session that takes none.
pub(crate) async fn hindrance(
    shared: &Shared,
    which: Which<'_>,
    loaded: &Loaded,
) -> Result<Option<Hindrance>, StoreError> {
    let key = which.session();
    let mail = shared.store.mail(&key, shared.limits.mail_window_max).await?;
    let is_last = |event: Option<Result<Internal, String>>| matches!(event, Some(Ok(Internal::Every { schedule, .. })) if Some(schedule) == which.schedule());
    let waits = mail.iter().any(|row| is_last(Internal::of(&row.message)));
    let row = shared.store.session(&key).await?;
    let is_busy = row.as_ref().is_some_and(|row| row.pending);
    if !waits && !is_busy {
        settle(shared, which).await?;
    }
    if row.as_ref().is_some_and(|row| row.status == SessionStatus::Parked) {
        return Ok(Some(Hindrance::Missed("its session is parked")));
    }
    if is_busy {
        return Ok(Some(Hindrance::Missed("its session is busy")));
    }
    if waits {
        return Ok(Some(Hindrance::Missed("the last one still waits for its session")));
    }
    let schedule = which.program.schedules.get(which.at);
    let state = schedule.and_then(|schedule| which.program.states.get(usize::from(schedule.state?)));
    let is_elsewhere = state.zip(row).is_some_and(|(state, row)| {
        row.status == SessionStatus::Live && row.program == loaded.hash && row.state_name != state.name
    });
    Ok(is_elsewhere.then_some(Hindrance::NotHere))
}

/// Looks at how the event of an earlier slot ended.
async fn settle(shared: &Shared, which: Which<'_>) -> Result<(), StoreError> {
    change(shared, which, |beat| {
        if beat.queued && !beat.failed {
            (beat.missed, beat.told) = (0, false);
        }
        (beat.queued, beat.failed) = (false, false);
    })
    .await
    .map(|_| ())
}

/// Nothing changed, which is all that there was to do.
pub(crate) async fn alive(shared: &Shared, which: Which<'_>) -> Result<(), StoreError> {
    change(shared, which, |beat| (beat.missed, beat.told) = (0, false)).await.map(|_| ())
}

/// The setting that goes into the mailbox together with the event of a slot.
pub(crate) async fn queued(shared: &Shared, which: Which<'_>) -> Result<(String, String), StoreError> {
    let _one = shared.beats.lock().await;
    let beat = Beat { queued: true, failed: false, ..read(shared, which).await? };
    Ok((which.setting(), stored(&beat)))
}

/// A slot that should have run did not.
pub(crate) async fn missed(shared: &Arc<Shared>, which: Which<'_>, why: &str) -> Result<(), StoreError> {
    let beat = change(shared, which, |beat| beat.missed = beat.missed.saturating_add(1)).await?;
    tell(shared, which, beat, why).await
}

/// The event of a slot was not taken, or ran out of its budget. It is missed once, whatever happens to it.
pub(crate) async fn failed(shared: &Arc<Shared>, which: Which<'_>, why: &str) -> Result<(), StoreError> {
    let beat = change(shared, which, |beat| {
        if beat.queued && !beat.failed {
            (beat.failed, beat.missed) = (true, beat.missed.saturating_add(1));
        }
    })
    .await?;
    tell(shared, which, beat, why).await
}

/// What had changed was not seen to: it is looked at again.
pub(crate) async fn forget(shared: &Shared, which: Which<'_>) -> Result<(), StoreError> {
    let fingerprint = which.fingerprint_setting();
    if shared.store.setting(&fingerprint).await?.is_some_and(|known| !known.is_empty()) {
        shared.store.set_setting(&fingerprint, "").await?;
    }
    Ok(())
}

async fn tell(shared: &Arc<Shared>, which: Which<'_>, beat: Beat, why: &str) -> Result<(), StoreError> {
    if beat.missed < MISSED_MAX {
        return Ok(());
    }
    let subject = which.subject();
    let text = format!("{subject}{why}");
    // `status` says it as long as it holds, also after a restart; the owner hears it once.
    shared.forget_notices(|known| known.starts_with(&subject) && known != text);
    if beat.told {
        shared.note(&text);
        return Ok(());
    }
    shared.tell_owner(&text).await?;
    change(shared, which, |beat| beat.told = true).await.map(|_| ())
}

async fn read(shared: &Shared, which: Which<'_>) -> Result<Beat, StoreError> {
    let version = which.program.version;
    let known = shared.store.setting(&which.setting()).await?;
    let beat = known.and_then(|known| serde_json::from_str::<Beat>(&known).ok());
    Ok(beat.filter(|beat| beat.version == version).unwrap_or(Beat { version, ..Beat::default() }))
}

fn stored(beat: &Beat) -> String {
    serde_json::to_string(beat).unwrap_or_default()
}

/// Changes what is known; writes only what is new, so that an idle heartbeat costs no commit.
async fn change(
    shared: &Shared,
    which: Which<'_>,
    change: impl FnOnce(&mut Beat),
) -> Result<Beat, StoreError> {
    let _one = shared.beats.lock().await;
    let before = read(shared, which).await?;
    let mut beat = before.clone();
    change(&mut beat);
    if beat != before {
        shared.store.set_setting(&which.setting(), &stored(&beat)).await?;
    }
    if before.told && !beat.told {
        let subject = which.subject();
        shared.forget_notices(|notice| notice.starts_with(&subject));
    }
    Ok(beat)
}
