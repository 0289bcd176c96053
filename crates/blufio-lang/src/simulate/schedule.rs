// SPDX-License-Identifier: MIT OR Apache-2.0
//! When schedules come due. Local times follow the Vixie rule: in a gap the first moment behind it, in a fold the first
//! of the two (ruling 9).

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::program::{Days, Program, Schedule, ScheduleWhen};

/// Days that are looked ahead: every schedule comes at least once a week.
const DAYS_AHEAD_MAX: u32 = 9;

/// The next time after a moment at which a schedule is due; milliseconds since 1970. `None` for a zone that does not
/// exist.
pub(super) fn next_due(program: &Program, schedule: &Schedule, after_ms: i64) -> Option<i64> {
    let zone = schedule.zone.as_deref().or(program.zone.as_deref()).unwrap_or("UTC");
    let now: Zoned = Timestamp::from_millisecond(after_ms).ok()?.in_tz(zone).ok()?;
    let mut date = now.date();
    for _ in 0..DAYS_AHEAD_MAX {
        if let Some(due_ms) = on_day(schedule.when, now.time_zone(), date, after_ms) {
            return Some(due_ms);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

/// The first slot of a day behind a moment.
fn on_day(when: ScheduleWhen, zone: &TimeZone, date: Date, after_ms: i64) -> Option<i64> {
    match when {
        ScheduleWhen::At { days, minutes } => {
            let due_ms = moment(zone, date, minutes)?;
            (falls_on(days, date.weekday()) && due_ms > after_ms).then_some(due_ms)
        }
        ScheduleWhen::Period { period_ms, window } => {
            let (from, to) = window.unwrap_or((0, 24 * 60));
            let (first_ms, end_ms) = (moment(zone, date, from)?, moment(zone, date, to)?);
            let period_ms = period_ms.max(1);
            let slots = if after_ms < first_ms { 0 } else { (after_ms - first_ms) / period_ms + 1 };
            let due_ms = first_ms.checked_add(slots.checked_mul(period_ms)?)?;
            (due_ms < end_ms).then_some(due_ms)
        }
    }
}

/// A local time of a day, minutes after midnight; 24:00 is the beginning of the next day.
fn moment(zone: &TimeZone, date: Date, minutes: u32) -> Option<i64> {
    let (date, minutes) = if minutes >= 24 * 60 { (date.tomorrow().ok()?, 0) } else { (date, minutes) };
    let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
    let zoned = zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn falls_on(days: Days, weekday: Weekday) -> bool {
    let number = weekday.to_monday_zero_offset();
    match days {
        Days::All => true,
        Days::Weekdays => number < 5,
        Days::One(day) => i16::from(number) == i16::from(day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::civil::{parse_moment, print_moment};

    fn next(when: ScheduleWhen, zone: &str, after: &str) -> String {
        let schedule = Schedule { when, zone: Some(zone.into()), when_changed: Vec::new(), state: None };
        print_moment(next_due(&Program::default(), &schedule, parse_moment(after).unwrap()).unwrap())
    }

    #[test]
    fn periods_count_from_the_beginning_of_their_window() {
        let half_hours = ScheduleWhen::Period { period_ms: 1_800_000, window: Some((480, 1_200)) };
        assert_eq!(next(half_hours, "Europe/Berlin", "2026-01-05T06:10:00Z"), "2026-01-05T07:00:00Z");
        assert_eq!(next(half_hours, "Europe/Berlin", "2026-01-05T07:00:00Z"), "2026-01-05T07:30:00Z");
        assert_eq!(next(half_hours, "Europe/Berlin", "2026-01-05T18:30:00Z"), "2026-01-06T07:00:00Z");
    }

    #[test]
    fn days_are_local_and_gaps_are_jumped() {
        let monday = ScheduleWhen::At { days: Days::One(0), minutes: 540 };
        assert_eq!(next(monday, "UTC", "2026-01-05T09:00:00Z"), "2026-01-12T09:00:00Z");
        let workday = ScheduleWhen::At { days: Days::Weekdays, minutes: 450 };
        assert_eq!(next(workday, "Europe/Berlin", "2026-01-09T12:00:00Z"), "2026-01-12T06:30:00Z");
        let gap = ScheduleWhen::At { days: Days::All, minutes: 150 };
        assert_eq!(next(gap, "Europe/Berlin", "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
    }
}
