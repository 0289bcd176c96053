// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of steps, sessions, timers, journals and transcripts.

use super::{address, attempt, batch, first_step, found, good, next_step, record, text, turn};
use crate::store::{NewOutbox, SessionStatus, Store, StoreError};

pub(super) async fn a_step_changes_everything_at_once(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("a"))])).await);
    let mut step = first_step("a");
    step.consumed = vec![good(store.mail("a", 1).await)[0].id];
    step.pending = true;
    step.address = Some(address("5"));
    step.journal = vec![record("event", "{}"), record("intent", "{\"n\":1}")];
    step.transcript = vec![(turn("hello"), 9)];
    step.outbox = vec![text("5", "one"), NewOutbox::stream(address("5"))];
    step.timers = vec![(3, 0, 5_000)];
    step.ledger = vec![attempt("ok").into()];
    let committed = good(store.commit(step.clone()).await);
    assert_eq!((committed.step, committed.outbox.len()), (1, 2));
    let row = found(store.session("a").await);
    assert_eq!(
        (row.id, row.key.as_str(), row.agent.as_str(), row.program),
        (committed.session, "a", "support", [7; 32])
    );
    assert_eq!((row.step, row.state.clone(), row.state_name.as_str()), (1, vec![0, 255, 1], "idle"));
    assert_eq!(
        (row.status, row.pending, row.address.clone()),
        (SessionStatus::Live, true, Some(address("5")))
    );
    assert_eq!((row.history_start, row.created_ms, row.updated_ms), (0, 2_000, 2_000));
    assert_eq!(found(store.session_key(row.id).await), "a");
    let ledger = good(store.ledger(Some(row.id), 10).await);
    assert_eq!((ledger.len(), ledger[0].session), (1, Some(row.id)));
    let mut next = next_step("a", &committed);
    next.state = vec![9; 5_000];
    next.state_name = "answering".into();
    next.program = [8; 32];
    next.history_start = 1;
    next.journal = vec![record("result", "[]")];
    good(store.commit(next).await);
    let row = found(store.session("a").await);
    assert_eq!(
        (row.step, row.state.len(), row.state_name.as_str(), row.program),
        (2, 5_000, "answering", [8; 32])
    );
    assert_eq!((row.pending, row.address, row.history_start), (false, None, 1));
    assert_eq!((row.created_ms, row.updated_ms), (2_000, 2_001));
    let journal = good(store.journal(row.id, 0, 10).await);
    let kinds: Vec<_> =
        journal.iter().map(|row| (row.sequence, row.record.kind.as_str(), row.at_ms)).collect();
    assert_eq!(kinds, [(0, "event", 2_000), (1, "intent", 2_000), (2, "result", 2_001)]);
    assert_eq!(journal[1].record.body, "{\"n\":1}");
    assert_eq!(good(store.journal(row.id, 1, 1).await), [journal[1].clone()]);
    assert_eq!(good(store.journal(row.id + 1, 0, 10).await), []);
}

pub(super) async fn an_old_step_conflicts(store: &dyn Store) {
    let first = good(store.commit(first_step("a")).await);
    let second = good(store.commit(next_step("a", &first)).await);
    let error = store.commit(next_step("a", &first)).await;
    let session = first.session;
    assert!(
        matches!(error, Err(StoreError::Conflict { session: s, expected: 1, actual: 2 }) if s == session)
    );
    good(store.commit(next_step("a", &second)).await);
    assert_eq!(found(store.session("a").await).step, 3);
    let mut unknown = next_step("a", &second);
    unknown.session = Some(session + 1_000);
    assert!(matches!(store.commit(unknown).await, Err(StoreError::Refused(_))));
    let mut late_birth = first_step("b");
    late_birth.expected_step = 4;
    assert!(matches!(store.commit(late_birth).await, Err(StoreError::Refused(_))));
    assert_eq!(good(store.session("b").await), None);
}

/// A commit that fails in its last part has changed nothing in its first.
pub(super) async fn a_refused_commit_leaves_no_trace(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("a"))])).await);
    let first = good(store.commit(first_step("a")).await);
    let before = (found(store.session("a").await), good(store.totals().await));
    let mut bad = next_step("a", &first);
    bad.consumed = vec![good(store.mail("a", 1).await)[0].id];
    bad.state = vec![1];
    bad.journal = vec![record("event", "{}")];
    bad.transcript = vec![(turn("x"), 1)];
    bad.outbox = vec![text("1", "never")];
    bad.timers = vec![(0, 0, 1)];
    bad.ledger = vec![attempt("ok").into()];
    bad.close_streams = vec![(77_777, "no such stream".into())];
    assert!(matches!(store.commit(bad).await, Err(StoreError::Refused(_))));
    assert_eq!((found(store.session("a").await), good(store.totals().await)), before);
    assert_eq!(good(store.journal(first.session, 0, 10).await), []);
    assert_eq!(good(store.transcript(first.session, 0).await), []);
    assert_eq!(good(store.mail("a", 10).await).len(), 1);
    let mut unborn = first_step("b");
    unborn.consumed = vec![99];
    assert!(matches!(store.commit(unborn).await, Err(StoreError::Refused(_))));
    assert_eq!(good(store.session("b").await), None);
}

pub(super) async fn one_live_session_per_key(store: &dyn Store) {
    let first = good(store.commit(first_step("a")).await);
    assert!(matches!(store.commit(first_step("a")).await, Err(StoreError::Refused(_))));
    let other = good(store.commit(first_step("b")).await);
    assert_ne!(first.session, other.session);
    assert_eq!(good(store.sessions(true, 10).await).len(), 2);
    assert_eq!(good(store.session("c").await), None);
}

pub(super) async fn done_frees_the_key_and_mail_stays(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("a")), ("2", Some("a"))])).await);
    let mail = good(store.mail("a", 10).await);
    let mut step = first_step("a");
    step.timers = vec![(0, 0, 9_000)];
    let first = good(store.commit(step).await);
    let mut done = next_step("a", &first);
    done.status = SessionStatus::Done;
    done.pending = true;
    done.timers = vec![(1, 0, 9_000)];
    done.consumed = vec![mail[0].id];
    done.journal = vec![record("done", "{}")];
    let last = good(store.commit(done).await);
    assert_eq!(good(store.session("a").await), None);
    assert_eq!(good(store.session_key(first.session).await), None);
    assert_eq!(good(store.next_timer_ms().await), None, "an ended session has no timers");
    assert_eq!(good(store.mail("a", 10).await).len(), 1, "held mail stays for the next");
    assert_eq!(good(store.keys_with_work().await), ["a"]);
    assert!(store.commit(next_step("a", &last)).await.is_err(), "an ended session does not move");
    let second = good(store.commit(first_step("a")).await);
    assert_ne!(second.session, first.session);
    assert_eq!(second.step, 1);
    let all = good(store.sessions(true, 10).await);
    assert_eq!((all.len(), good(store.sessions(false, 10).await).len()), (2, 1));
    assert!(
        all.iter().any(|row| row.id == first.session && row.status == SessionStatus::Done && !row.pending)
    );
    assert_eq!(good(store.journal(first.session, 0, 10).await).len(), 1, "its journal stays");
}

pub(super) async fn parked_keeps_the_key(store: &dyn Store) {
    let mut step = first_step("a");
    step.status = SessionStatus::Parked;
    let parked = good(store.commit(step).await);
    assert_eq!(found(store.session("a").await).status, SessionStatus::Parked);
    assert!(matches!(store.commit(first_step("a")).await, Err(StoreError::Refused(_))));
    let totals = good(store.totals().await);
    assert_eq!((totals.sessions_live, totals.sessions_parked), (0, 1));
    good(store.commit(next_step("a", &parked)).await);
    assert_eq!(found(store.session("a").await).status, SessionStatus::Live);
}

pub(super) async fn work_after_a_restart(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("mail"))])).await);
    good(store.commit(first_step("idle")).await);
    let mut step = first_step("pending");
    step.pending = true;
    let pending = good(store.commit(step).await);
    let mut keys = good(store.keys_with_work().await);
    keys.sort();
    assert_eq!(keys, ["mail", "pending"]);
    good(store.commit(next_step("pending", &pending)).await);
    assert_eq!(good(store.keys_with_work().await), ["mail"]);
}

pub(super) async fn timers_live_and_fire(store: &dyn Store) {
    let mut step = first_step("a");
    step.timers = vec![(1, 0, 300), (1, 1, 100), (1, 2, 300)];
    let a = good(store.commit(step).await);
    let mut step = first_step("b");
    step.timers = vec![(1, 0, 200)];
    let b = good(store.commit(step).await);
    assert_eq!(good(store.next_timer_ms().await), Some(100));
    let due = good(store.timers_due(300, 10).await);
    let order: Vec<_> = due.iter().map(|row| (row.session, row.visit, row.timer, row.due_ms)).collect();
    assert_eq!(
        order,
        [(a.session, 1, 1, 100), (b.session, 1, 0, 200), (a.session, 1, 0, 300), (a.session, 1, 2, 300)]
    );
    assert_eq!(good(store.timers_due(99, 10).await), []);
    assert_eq!(good(store.timers_due(300, 2).await), due[..2].to_vec());
    let of_a = good(store.session_timers_due(a.session, 299).await);
    assert_eq!(of_a, due[..1].to_vec());
    let mut fired = next_step("a", &a);
    fired.timers_fired = vec![due[0].id, due[1].id];
    let a = good(store.commit(fired).await);
    let left: Vec<_> = good(store.timers_due(300, 10).await).iter().map(|row| row.id).collect();
    assert_eq!(left, [due[1].id, due[2].id, due[3].id], "a session fires only its own timers");
    let mut moved = next_step("a", &a);
    moved.clear_timers = true;
    moved.timers = vec![(2, 0, 400)];
    good(store.commit(moved).await);
    let left = good(store.timers_due(1_000, 10).await);
    assert_eq!(left.iter().map(|row| row.due_ms).collect::<Vec<_>>(), [200, 400]);
    assert!(due.iter().all(|row| row.id != left[1].id), "ids are not used again");
    assert_eq!(good(store.totals().await).timers, 2);
}

pub(super) async fn dropping_discards(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("a")), ("2", Some("b"))])).await);
    let mut step = first_step("a");
    step.pending = true;
    step.timers = vec![(0, 0, 1)];
    step.journal = vec![record("event", "{}")];
    step.outbox = vec![NewOutbox::stream(address("1")), text("1", "said")];
    let a = good(store.commit(step).await);
    assert!(good(store.drop_session("a", 7_000).await));
    assert!(!good(store.drop_session("a", 7_001).await));
    assert_eq!(good(store.session("a").await), None);
    assert_eq!(good(store.mail("a", 10).await), []);
    assert_eq!(good(store.next_timer_ms().await), None);
    assert_eq!(good(store.keys_with_work().await), ["b"]);
    assert_eq!(good(store.journal(a.session, 0, 10).await).len(), 1);
    let open: Vec<_> = good(store.outbox_open(10).await).into_iter().map(|row| row.id).collect();
    assert_eq!(open, [a.outbox[1]], "a stream that will never end is withdrawn, what was said is sent");
    assert!(good(store.drop_session("b", 7_000).await), "mail alone can be dropped");
    assert_eq!(good(store.accept(batch(&[("2", Some("b"))])).await).keys, [""; 0]);
}

pub(super) async fn transcripts_are_byte_exact(store: &dyn Store) {
    let mut step = first_step("a");
    step.transcript = vec![(turn("one \u{7f}"), 1), (turn("two\n"), 2)];
    let a = good(store.commit(step).await);
    let mut next = next_step("a", &a);
    next.transcript = vec![(turn("three"), 3)];
    good(store.commit(next).await);
    let rows = good(store.transcript(a.session, 0).await);
    assert_eq!(
        rows.iter().map(|row| (row.sequence, row.tokens)).collect::<Vec<_>>(),
        [(0, 1), (1, 2), (2, 3)]
    );
    assert_eq!(rows[0].turn, turn("one \u{7f}"));
    assert_eq!(good(store.transcript(a.session, 1).await), rows[1..].to_vec());
    assert_eq!(good(store.transcript(a.session, 3).await), []);
}

pub(super) async fn newest_sessions_first(store: &dyn Store) {
    let a = good(store.commit(first_step("a")).await);
    good(store.commit(first_step("b")).await);
    good(store.commit(first_step("c")).await);
    good(store.commit(next_step("a", &a)).await);
    let keys = |rows: Vec<crate::store::SessionRow>| rows.into_iter().map(|row| row.key).collect::<Vec<_>>();
    assert_eq!(keys(good(store.sessions(false, 10).await)), ["a", "c", "b"]);
    assert_eq!(keys(good(store.sessions(false, 2).await)), ["a", "c"]);
}
