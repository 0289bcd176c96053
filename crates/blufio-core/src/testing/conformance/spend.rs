// SPDX-License-Identifier: MIT OR Apache-2.0
//! Caps on money hold, and each announced attempt is settled once.

use super::{attempt, first_step, good};
use crate::store::{Announced, Announcement, Attempted, Cap, LedgerRow, OPEN, PERIODS_KEPT_MAX, Store};

fn cap(what: &str, most_usd_micros: i64, period: i64) -> Cap {
    Cap { what: what.into(), most_usd_micros, period, warns: true, frees_up_ms: Some(period) }
}

fn announcement(worst_usd_micros: i64, caps: Vec<Cap>) -> Announcement {
    Announcement { row: attempt(OPEN), worst_usd_micros, caps }
}

fn settled(announced: i64, usd_micros: Option<i64>) -> Attempted {
    Attempted { row: LedgerRow { usd_micros, ..attempt("ok") }, announced: Some(announced) }
}

#[track_caller]
fn granted(announced: Announced) -> (i64, Vec<usize>) {
    match announced {
        Announced::Granted { row, warnings } => (row, warnings),
        #[expect(clippy::panic, reason = "a panic is how a test suite reports")]
        Announced::Refused { .. } => panic!("the store refused: {announced:?}"),
    }
}

pub(super) async fn caps_hold_and_are_all_or_nothing(store: &dyn Store) {
    let caps = || vec![cap("day", 100, 1_000), cap("month", 150, 9_000)];
    let (first, warnings) = granted(good(store.announce_attempt(announcement(60, caps())).await));
    assert_eq!(warnings, [0usize; 0]);
    let refused = good(store.announce_attempt(announcement(60, caps())).await);
    assert_eq!(refused, Announced::Refused { cap: 0, left_usd_micros: 40 });
    assert_eq!((good(store.spent("day", 1_000).await), good(store.spent("month", 9_000).await)), (60, 60));
    // What was not used is free again; a second settlement changes nothing.
    good(store.record_attempt(settled(first, Some(10))).await);
    good(store.record_attempt(settled(first, Some(0))).await);
    assert_eq!((good(store.spent("day", 1_000).await), good(store.spent("month", 9_000).await)), (10, 10));
    let (second, warnings) = granted(good(store.announce_attempt(announcement(70, caps())).await));
    assert_eq!(warnings, [0], "three quarters of the day are used");
    assert_eq!(granted(good(store.announce_attempt(announcement(1, caps())).await)).1, [0usize; 0]);
    // An attempt of unknown price costs what was reserved; one that cost more is charged what it cost.
    good(store.record_attempt(settled(second, Some(95))).await);
    assert_eq!(good(store.spent("day", 1_000).await), 106);
    let refused = good(store.announce_attempt(announcement(0, caps())).await);
    assert_eq!(refused, Announced::Refused { cap: 0, left_usd_micros: -6 });
    // The day is over: it begins anew, the month goes on.
    assert_eq!((good(store.spent("day", 2_000).await), good(store.spent("month", 9_000).await)), (0, 106));
    let later = vec![cap("day", 100, 2_000), cap("month", 150, 9_000)];
    let (third, warnings) = granted(good(store.announce_attempt(announcement(40, later)).await));
    assert_eq!(warnings, [1]);
    good(store.record_attempt(settled(third, None)).await);
    assert_eq!(good(store.spent("day", 2_000).await), 40, "of unknown price: as reserved");
}

pub(super) async fn settling_late_charges_no_later_period(store: &dyn Store) {
    let day = |until_ms| vec![cap("day", 100, until_ms)];
    let (old, _) = granted(good(store.announce_attempt(announcement(80, day(1_000))).await));
    granted(good(store.announce_attempt(announcement(50, day(2_000))).await));
    good(store.record_attempt(settled(old, Some(1))).await);
    assert_eq!((good(store.spent("day", 1_000).await), good(store.spent("day", 2_000).await)), (1, 50));
}

/// Whichever period the wall clock names, and in whichever order: each has its own sum.
pub(super) async fn periods_are_apart_until_there_are_too_many(store: &dyn Store) {
    let day = |period| vec![cap("day", 100, period)];
    for period in [1_000, 9_000_000, 2_000] {
        granted(good(store.announce_attempt(announcement(80, day(period))).await));
    }
    for period in [1_000, 9_000_000, 2_000] {
        let refused = good(store.announce_attempt(announcement(30, day(period))).await);
        assert_eq!(refused, Announced::Refused { cap: 0, left_usd_micros: 20 }, "{period}");
    }
    granted(good(store.announce_attempt(announcement(1, vec![cap("other", 100, 7)])).await));
    let kept_max = i64::try_from(PERIODS_KEPT_MAX).unwrap_or_default();
    for number in 0..kept_max {
        // Each is before the last one: what counts is when it was begun.
        granted(good(store.announce_attempt(announcement(10, day(-number))).await));
        assert!(good(store.reserve("calls", -number, "a", 1).await));
    }
    let mut known = Vec::new();
    for period in [1_000, 9_000_000, 2_000, 0, 1 - kept_max] {
        known.push(good(store.spent("day", period).await));
    }
    assert_eq!((known, good(store.spent("other", 7).await)), (vec![0, 0, 0, 10, 10], 1));
    assert!(good(store.reserve("calls", 5, "a", 1).await));
    let mut known = Vec::new();
    for period in [0, -1, 5] {
        known.push(good(store.used("calls", period).await));
    }
    assert_eq!(known, [0, 1, 1]);
}

pub(super) async fn a_step_settles_what_was_announced(store: &dyn Store) {
    let caps = vec![cap("day", 100, 1_000)];
    let (row, _) = granted(good(store.announce_attempt(announcement(80, caps)).await));
    let open = good(store.ledger(None, 10).await);
    assert_eq!(open.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(), [OPEN]);
    let mut step = first_step("a");
    step.ledger = vec![settled(row, Some(30))];
    let committed = good(store.commit(step).await);
    let ledger = good(store.ledger(None, 10).await);
    assert_eq!(ledger.len(), 1, "the announced row is the attempt's");
    assert_eq!((ledger[0].outcome.as_str(), ledger[0].session), ("ok", Some(committed.session)));
    assert_eq!(good(store.spent("day", 1_000).await), 30);
}

pub(super) async fn what_an_ended_session_counted_is_forgotten(store: &dyn Store) {
    let names = ["desk/telegram:7/5/usd/event", "desk/telegram:7/51/usd/event", "desk/usd/day"];
    for name in names {
        granted(good(store.announce_attempt(announcement(10, vec![cap(name, 100, 1)])).await));
        assert!(good(store.reserve(name, 1, "a", 1).await));
    }
    let mut step = first_step("a");
    step.extra.forget_counts = vec!["desk/telegram:7/5/".to_string()];
    good(store.commit(step).await);
    let mut left = Vec::new();
    for name in names {
        left.push((good(store.spent(name, 1).await), good(store.used(name, 1).await)));
    }
    assert_eq!(left, [(0, 0), (10, 1), (10, 1)]);
}
