// SPDX-License-Identifier: MIT OR Apache-2.0
//! Schedules: when each one fires next, and firing it into the agent's own session. A slot fires at most once, because
//! its mail carries the slot in its source id; slots that passed while nothing ran are not made up for. Local times
//! follow the rule of Vixie cron: what falls into a gap fires behind it, what occurs twice fires the first time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use blufio_core::store::{INTERNAL_CHANNEL, InboxBatch, NewInbox, StoreError};
use blufio_core::tool::ToolRequest;
use blufio_lang::program::{Days, Program, Schedule, ScheduleWhen};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::heartbeats::{self, Hindrance, Which};
use crate::internal::Internal;
use crate::reload::Loaded;
use crate::shared::Shared;
use crate::supervise::{Reason, Supervisor};
use crate::transcript::fingerprint;

/// How often the wall clock and the programs are looked at: both may change while this task sleeps.
const LOOK_AT_LEAST_MS: i64 = 30_000;
/// A slot that is longer ago was missed.
const MISSED_MS: i64 = 2 * 60_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Days that are looked at for the next slot: more than a week.
const DAYS_MAX: i32 = 9;

/// A schedule of a program.
type Planned = ([u8; 32], usize);

/// Runs until the runtime stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stopping();
    let mut plan: HashMap<Planned, i64> = HashMap::new();
    let mut looked_ms = i64::MIN;
    loop {
        let now_ms = shared.clock.now_ms();
        if now_ms < looked_ms {
            // The wall clock was set back: what was planned by the wrong time may be years away.
            plan.clear();
        }
        looked_ms = now_ms;
        let wait_ms = look(&shared, &mut plan, now_ms);
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0).max(1));
        tokio::select! {
            () = shared.clock.sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Fires what is due; milliseconds until the next look.
fn look(shared: &Arc<Shared>, plan: &mut HashMap<Planned, i64>, now_ms: i64) -> i64 {
    let mut wait_ms = LOOK_AT_LEAST_MS;
    let mut current = Vec::new();
    for loaded in shared.programs.all() {
        for at in 0..loaded.program.schedules.len() {
            let which = (loaded.hash, at);
            current.push(which);
            let Some(schedule) = loaded.program.schedules.get(at) else { continue };
            let next = plan.get(&which).copied();
            let due = match next.or_else(|| next_slot(&loaded.program, schedule, now_ms)) {
                Some(slot_ms) if slot_ms <= now_ms => {
                    if now_ms - slot_ms <= MISSED_MS {
                        tokio::spawn(fire(Arc::clone(shared), Arc::clone(&loaded), at, slot_ms));
                    }
                    next_slot(&loaded.program, schedule, now_ms)
                }
                due => due,
            };
            let Some(due) = due else { continue };
            plan.insert(which, due);
            wait_ms = wait_ms.min(due - now_ms);
        }
    }
    plan.retain(|which, _| current.contains(which));
    wait_ms
}

/// The first slot after a moment, milliseconds since 1970.
fn next_slot(program: &Program, schedule: &Schedule, after_ms: i64) -> Option<i64> {
    let zone = schedule.zone.as_deref().or(program.zone.as_deref()).unwrap_or("UTC");
    let zone = TimeZone::get(zone).ok()?;
    let today = Timestamp::from_millisecond(after_ms).ok()?.to_zoned(zone.clone()).date();
    // A window may have begun the day before.
    let slots = (-1..DAYS_MAX).filter_map(|days| {
        let date = today.checked_add(days.days()).ok()?;
        slot_of_day(&zone, schedule.when, date, after_ms)
    });
    // A day's slots lie before those of the day after the next, however clocks change in between.
    slots.take(2).min()
}

/// The first slot of a day after a moment.
fn slot_of_day(zone: &TimeZone, when: ScheduleWhen, date: Date, after_ms: i64) -> Option<i64> {
    match when {
        ScheduleWhen::At { days, minutes } => {
            let weekday = date.weekday().to_monday_zero_offset();
            let fits = match days {
                Days::All => true,
                Days::Weekdays => weekday < 5,
                Days::One(day) => i8::try_from(day) == Ok(weekday),
            };
            moment(zone, date, minutes).filter(|slot| fits && *slot > after_ms)
        }
        ScheduleWhen::Period { period_ms, window } => {
            let period_ms = period_ms.max(1);
            let (from, to) = window.unwrap_or((0, 24 * 60));
            let since_1970 = i64::from(date.since(Date::constant(1970, 1, 1)).ok()?.get_days());
            if since_1970.rem_euclid((period_ms / DAY_MS).max(1)) != 0 {
                return None;
            }
            let end_date = if to <= from { date.tomorrow().ok()? } else { date };
            let (begin, end) = (moment(zone, date, from)?, moment(zone, end_date, to)?);
            let passed = if after_ms < begin { 0 } else { (after_ms - begin) / period_ms + 1 };
            let slot = begin + passed * period_ms;
            (slot < end).then_some(slot)
        }
    }
}

/// The moment of a local time of day; 24:00 is the next day's beginning.
fn moment(zone: &TimeZone, date: Date, minutes: u32) -> Option<i64> {
    let (date, minutes) = if minutes >= 24 * 60 { (date.tomorrow().ok()?, 0) } else { (date, minutes) };
    let time = Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok()?;
    let zoned = zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Puts the event of a slot into the mailbox of the agent's own session, unless nothing changed or it cannot run.
async fn fire(shared: Arc<Shared>, loaded: Arc<Loaded>, at: usize, slot_ms: i64) {
    let which = Which { program: &loaded.program, at };
    if let Err(error) = try_fire(&shared, &loaded, which, slot_ms).await {
        shared.store_failed(&error);
    }
}

async fn try_fire(
    shared: &Arc<Shared>,
    loaded: &Loaded,
    which: Which<'_>,
    slot_ms: i64,
) -> Result<(), StoreError> {
    let Some(schedule) = which.program.schedules.get(which.at) else { return Ok(()) };
    // A clock that was set back reaches its slots again. What changed since is for the next one that is new: noted down
    // with a slot that fires no more, it would be lost.
    let fired = shared.store.stored(INTERNAL_CHANNEL, vec![slot_id(which, slot_ms)]).await?;
    if !fired.is_empty() {
        return Ok(());
    }
    match heartbeats::hindrance(shared, which, loaded).await? {
        Some(Hindrance::NotHere) => return Ok(()),
        Some(Hindrance::Missed(why)) => return heartbeats::missed(shared, which, why).await,
        None => {}
    }
    let mut settings = Vec::new();
    if !schedule.when_changed.is_empty() {
        let setting = which.fingerprint_setting();
        match look_at(shared, loaded, schedule, slot_ms).await {
            Err(why) => {
                shared.note(&format!("a schedule of {} did not fire: {why}", which.program.name));
                return heartbeats::missed(shared, which, &why).await;
            }
            Ok(seen) if shared.store.setting(&setting).await?.as_ref() == Some(&seen) => {
                return heartbeats::alive(shared, which).await;
            }
            Ok(seen) => settings.push((setting, seen)),
        }
    }
    settings.push(heartbeats::queued(shared, which).await?);
    deliver(shared, which, slot_ms, settings).await
}

/// Names the event of a slot for ever. The moment tells the two 02:30 of a night apart, which the local time does not.
fn slot_id(which: Which<'_>, slot_ms: i64) -> String {
    let Program { name, version, .. } = which.program;
    format!("every/{name}/v{version}/{}/{slot_ms}", which.at)
}

async fn deliver(
    shared: &Arc<Shared>,
    which: Which<'_>,
    slot_ms: i64,
    settings: Vec<(String, String)>,
) -> Result<(), StoreError> {
    let Which { program, at } = which;
    let every = Internal::Every { schedule: u32::try_from(at).unwrap_or(u32::MAX), version: program.version };
    let message = every.to_inbound(slot_id(which, slot_ms), slot_ms);
    let batch = InboxBatch {
        channel: INTERNAL_CHANNEL.to_string(),
        messages: vec![NewInbox::new(message, Some(which.session()), Vec::new())],
        cursor: None,
        settings,
        questions: Vec::new(),
        now_ms: shared.clock.now_ms(),
    };
    for key in shared.store.accept(batch).await?.keys {
        Supervisor::wake(shared, &key, Reason::Mail);
    }
    Ok(())
}

/// What the fingerprint calls give now.
async fn look_at(
    shared: &Shared,
    loaded: &Loaded,
    schedule: &Schedule,
    slot_ms: i64,
) -> Result<String, String> {
    let mut seen = String::new();
    for (call, (grant, arguments)) in schedule.when_changed.iter().enumerate() {
        let grant = loaded.program.tools.get(usize::from(*grant)).ok_or("no such grant")?;
        let effect = shared.tools.manifest(&grant.tool).map(|manifest| manifest.effect);
        let folder = loaded.granted_folder(grant, effect).map_err(|error| error.to_string())?;
        let request = ToolRequest {
            tool: grant.tool.clone(),
            arguments: arguments.clone(),
            idempotency_key: format!("{}/every/{slot_ms}.{call}", loaded.program.name),
            folder,
            hosts: grant.to.clone(),
            commands: grant.only.clone(),
            now_ms: shared.clock.now_ms(),
        };
        let deadline = shared.clock.sleep(Duration::from_millis(shared.limits.tool_timeout_ms));
        let text = tokio::select! {
            result = shared.tools.call(&request) => result.map_err(|error| format!("{}: {error}", grant.tool))?,
            () = deadline => return Err(format!("{}: no answer in time", grant.tool)),
        };
        seen.push_str(&format!("{}:{:016x};", text.len(), fingerprint(&text)));
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(when: ScheduleWhen, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule { when, zone: Some(zone.into()), when_changed: Vec::new(), state: None };
        let mut at = after.parse::<Timestamp>().unwrap().as_millisecond();
        let mut slots = Vec::new();
        for _ in 0..count {
            at = next_slot(&Program::default(), &schedule, at).unwrap();
            slots.push(Timestamp::from_millisecond(at).unwrap().to_string());
        }
        slots
    }

    #[test]
    fn local_times_follow_the_rule_of_vixie_cron() {
        let at = |days, minutes| ScheduleWhen::At { days, minutes };
        // The night to 2026-03-29 has no 02:30 in Berlin; the night to 2026-10-25 has two.
        let gap = slots(at(Days::All, 150), "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
        assert_eq!(gap, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        let fold = slots(at(Days::All, 150), "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(fold, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let monday = slots(at(Days::One(0), 9 * 60), "UTC", "2026-11-23T09:00:00Z", 1);
        assert_eq!(monday, ["2026-11-30T09:00:00Z"]);
        let weekdays = slots(at(Days::Weekdays, 0), "UTC", "2026-11-20T00:00:00Z", 2);
        assert_eq!(weekdays, ["2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"]);
    }

    #[test]
    fn periods_count_from_the_beginning_of_their_window() {
        let within = |period_ms, window| ScheduleWhen::Period { period_ms, window };
        let half_hours = within(30 * MINUTE_MS, Some((8 * 60, 9 * 60)));
        let found = slots(half_hours, "UTC", "2026-11-20T08:10:00Z", 3);
        assert_eq!(found, ["2026-11-20T08:30:00Z", "2026-11-21T08:00:00Z", "2026-11-21T08:30:00Z"]);
        let night = slots(within(60 * MINUTE_MS, Some((23 * 60, 60))), "UTC", "2026-11-20T23:30:00Z", 2);
        assert_eq!(night, ["2026-11-21T00:00:00Z", "2026-11-21T23:00:00Z"]);
        let every_other_day = slots(within(2 * DAY_MS, None), "UTC", "2026-11-20T08:10:00Z", 2);
        assert_eq!(every_other_day.len(), 2);
        let days: Vec<i64> = every_other_day
            .iter()
            .map(|slot| slot.parse::<Timestamp>().unwrap().as_millisecond() / DAY_MS)
            .collect();
        assert_eq!(days[1] - days[0], 2);
    }

    /// Twelve zones with other changes of clocks: an hour, half an hour, two hours, at midnight, in the other half of the
    /// year, by Ramadan, not at all.
    const ZONES: [&str; 12] = [
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "America/St_Johns",
        "America/Santiago",
        "America/Asuncion",
        "Africa/Casablanca",
        "Africa/Cairo",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Chatham",
        "Antarctica/Troll",
    ];
    const DAYS: i32 = 400;

    /// All slots of a schedule from the first of March 2024 on, each found from the one before it.
    fn all_slots(when: ScheduleWhen, zone: &TimeZone, days: i32) -> Vec<i64> {
        let name = zone.iana_name().map(str::to_string);
        let schedule = Schedule { when, zone: name, when_changed: Vec::new(), state: None };
        let first = Date::constant(2024, 3, 1);
        let begin = moment(zone, first, 0).unwrap() - 1;
        let end = moment(zone, first.checked_add(days.days()).unwrap(), 0).unwrap();
        let next = |at: &i64| next_slot(&Program::default(), &schedule, *at);
        std::iter::successors(next(&begin), next).take_while(|slot| *slot < end).collect()
    }

    #[test]
    fn in_twelve_zones_over_400_days_each_local_time_occurs_exactly_once_a_day() {
        let (mut gaps, mut folds) = (0, 0);
        for zone in ZONES.map(|zone| TimeZone::get(zone).unwrap()) {
            for minutes in [0, 15, 30, 60, 90, 119, 120, 150, 179, 180, 720, 1_439] {
                let slots = all_slots(ScheduleWhen::At { days: Days::All, minutes }, &zone, DAYS);
                assert_eq!(slots.len(), DAYS as usize, "{zone:?} {minutes}");
                for (day, slot) in slots.iter().enumerate() {
                    let date = Date::constant(2024, 3, 1).checked_add((day as i64).days()).unwrap();
                    let wanted = date.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
                    let zoned = Timestamp::from_millisecond(*slot).unwrap().to_zoned(zone.clone());
                    let ambiguous = zone.to_ambiguous_zoned(wanted).is_ambiguous();
                    if zoned.datetime() == wanted {
                        let before = zone.to_ambiguous_zoned(wanted).earlier().unwrap();
                        assert!(!ambiguous || before == zoned, "the first of two: {zoned}");
                        folds += usize::from(ambiguous);
                    } else {
                        assert!(ambiguous && zoned.datetime() > wanted, "{zoned} for {wanted}");
                        assert_eq!(zoned.date(), date, "behind the gap, on the same day");
                        gaps += 1;
                    }
                }
            }
        }
        assert!(gaps >= 20 && folds >= 20, "the clocks changed: {gaps} gaps, {folds} folds");
    }

    #[test]
    fn in_twelve_zones_over_400_days_periods_neither_repeat_nor_skip() {
        for zone in ZONES.map(|zone| TimeZone::get(zone).unwrap()) {
            let every = |period_ms, window| ScheduleWhen::Period { period_ms, window };
            // Without a window the period goes on through every change of clocks: a day has a whole number of half
            // hours wherever they change.
            let all = all_slots(every(30 * MINUTE_MS, None), &zone, DAYS);
            assert!(all.windows(2).all(|two| two[1] - two[0] == 30 * MINUTE_MS), "{zone:?}");
            // With one it begins anew each day, and no slot lies outside of it.
            let working = all_slots(every(60 * MINUTE_MS, Some((8 * 60, 20 * 60))), &zone, DAYS);
            assert_eq!(working.len(), DAYS as usize * 12, "{zone:?}");
            let night = all_slots(every(30 * MINUTE_MS, Some((22 * 60, 6 * 60))), &zone, DAYS);
            assert!(night.windows(2).all(|two| two[1] > two[0]), "{zone:?}");
            let usual = DAYS as usize * 16;
            assert!(night.len().abs_diff(usual) <= 24, "{zone:?} {}", night.len());
            for slot in night {
                let hour = Timestamp::from_millisecond(slot).unwrap().to_zoned(zone.clone()).hour();
                assert!(
                    !(6..22).contains(&hour) || zone.iana_name() == Some("Antarctica/Troll"),
                    "{zone:?} {hour}"
                );
            }
        }
    }

    /// A restart at any moment plans the same slots: none is skipped and none comes again.
    #[test]
    fn wherever_the_planning_begins_the_next_slot_is_the_same() {
        let zone = TimeZone::get("America/New_York").unwrap();
        for when in [
            ScheduleWhen::At { days: Days::All, minutes: 150 },
            ScheduleWhen::At { days: Days::Weekdays, minutes: 90 },
            ScheduleWhen::Period { period_ms: 35 * MINUTE_MS, window: Some((60, 240)) },
        ] {
            let slots = all_slots(when, &zone, 280);
            let name = zone.iana_name().map(str::to_string);
            let schedule = Schedule { when, zone: name, when_changed: Vec::new(), state: None };
            let mut after = slots[0];
            // A step that shares no factor with a day visits every minute of it.
            while after < slots[slots.len() - 1] {
                let at = slots.partition_point(|slot| *slot <= after);
                assert_eq!(next_slot(&Program::default(), &schedule, after), slots.get(at).copied());
                after += 97 * MINUTE_MS + 1;
            }
        }
    }
}
