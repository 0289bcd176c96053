// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of the outbox, and of what belongs to no session.

use super::{address, attempt, first_step, found, good, next_step, text};
use crate::store::{NewOutbox, OutboxRow, OutboxState, OutboxUpdate, Store, StoreError, StoreTotals};

fn to_state(id: i64, state: OutboxState) -> OutboxUpdate {
    OutboxUpdate { id, state, provider_id: None, not_before_ms: None, error: None, count_attempt: false }
}

fn ids(rows: Vec<OutboxRow>) -> Vec<i64> {
    rows.into_iter().map(|row| row.id).collect()
}

pub(super) async fn first_in_first_out(store: &dyn Store) {
    let mut step = first_step("a");
    step.outbox = vec![text("1", "one"), text("2", "two"), text("1", "three")];
    let a = good(store.commit(step).await);
    let notice = good(store.post(vec![text("1", "four")], 3_000).await);
    let all: Vec<_> = a.outbox.iter().chain(&notice).copied().collect();
    assert!(all.is_sorted_by(|a, b| a < b), "ids grow");
    assert_eq!(ids(good(store.outbox_open(10).await)), all);
    assert_eq!(ids(good(store.outbox_open(2).await)), all[..2].to_vec());
    good(store.outbox_update(to_state(all[0], OutboxState::Sent)).await);
    assert_eq!(ids(good(store.outbox_open(10).await)), all[1..].to_vec());
    let newest: Vec<_> = all.iter().rev().copied().collect();
    assert_eq!(ids(good(store.outbox(None, 10).await)), newest);
    assert_eq!(ids(good(store.outbox(Some(OutboxState::Sent), 10).await)), [all[0]]);
    assert_eq!(ids(good(store.outbox(Some(OutboxState::Ready), 2).await)), newest[..2].to_vec());
}

pub(super) async fn states_and_attempts(store: &dyn Store) {
    let id = good(store.post(vec![text("1", "hello")], 3_000).await)[0];
    let row = found(store.outbox_row(id).await);
    assert_eq!(
        (row.state, row.attempts, row.not_before_ms, row.created_ms),
        (OutboxState::Ready, 0, 0, 3_000)
    );
    assert_eq!((row.provider_id, row.error, row.address), (None, None, address("1")));
    let mut sending = to_state(id, OutboxState::Sending);
    sending.count_attempt = true;
    good(store.outbox_update(sending.clone()).await);
    let mut placed = to_state(id, OutboxState::Placed);
    placed.provider_id = Some("m5".into());
    good(store.outbox_update(placed).await);
    sending.not_before_ms = Some(8_000);
    sending.error = Some("429".into());
    good(store.outbox_update(sending).await);
    let row = found(store.outbox_row(id).await);
    assert_eq!((row.attempts, row.not_before_ms, row.error.as_deref()), (2, 8_000, Some("429")));
    assert_eq!(row.provider_id.as_deref(), Some("m5"), "an id once known is kept");
    good(store.outbox_update(to_state(id, OutboxState::Uncertain)).await);
    let row = found(store.outbox_row(id).await);
    assert_eq!((row.state, row.error, row.not_before_ms), (OutboxState::Uncertain, None, 8_000));
    assert_eq!(good(store.totals().await).outbox_uncertain, 1);
    for (state, is_open) in [
        (OutboxState::Ready, true),
        (OutboxState::Sending, true),
        (OutboxState::Placed, true),
        (OutboxState::Sent, false),
        (OutboxState::Failed, false),
        (OutboxState::Uncertain, false),
    ] {
        good(store.outbox_update(to_state(id, state)).await);
        assert_eq!(found(store.outbox_row(id).await).state, state);
        assert_eq!(!good(store.outbox_open(10).await).is_empty(), is_open, "{state:?}");
    }
    assert_eq!(good(store.outbox_row(id + 99).await), None);
    let unknown = store.outbox_update(to_state(id + 99, OutboxState::Sent)).await;
    assert!(matches!(unknown, Err(StoreError::Refused(_))));
}

pub(super) async fn streams_close_or_withdraw(store: &dyn Store) {
    let stream = NewOutbox::stream(address("1"));
    let mut step = first_step("a");
    step.outbox = vec![stream.clone(), stream.clone(), stream];
    let a = good(store.commit(step).await);
    let (kept, unseen, shown) = (a.outbox[0], a.outbox[1], a.outbox[2]);
    let mut placed = to_state(shown, OutboxState::Placed);
    placed.provider_id = Some("m1".into());
    good(store.outbox_update(placed).await);
    let mut close = next_step("a", &a);
    close.close_streams = vec![(kept, "final".into()), (unseen, String::new()), (shown, String::new())];
    let a = good(store.commit(close).await);
    let row = found(store.outbox_row(kept).await);
    assert_eq!((row.text.as_deref(), row.state), (Some("final"), OutboxState::Ready));
    let row = found(store.outbox_row(unseen).await);
    assert_eq!(
        (row.text.as_deref(), row.state),
        (Some(""), OutboxState::Sent),
        "nothing was shown, nothing is sent"
    );
    let row = found(store.outbox_row(shown).await);
    assert_eq!(
        (row.text.as_deref(), row.state),
        (Some(""), OutboxState::Placed),
        "what was shown must be ended"
    );
    let mut again = next_step("a", &a);
    again.close_streams = vec![(kept, "other".into())];
    assert!(matches!(store.commit(again).await, Err(StoreError::Refused(_))), "a stream closes once");
}

pub(super) async fn notices_belong_to_nobody(store: &dyn Store) {
    let ids = good(store.post(vec![text("9", "a"), text("9", "b")], 4_000).await);
    assert_eq!(ids.len(), 2);
    assert_eq!(found(store.outbox_row(ids[1]).await).session, None);
    assert_eq!(good(store.post(Vec::new(), 4_000).await), [0i64; 0]);
    good(store.dead_letter("test", "5", "{raw", "not JSON", 4_000).await);
}

pub(super) async fn ledger_and_totals(store: &dyn Store) {
    assert_eq!(good(store.totals().await), StoreTotals::default());
    good(store.record_attempt(attempt("overloaded").into()).await);
    let mut step = first_step("a");
    step.ledger = vec![attempt("ok").into(), attempt("incomplete").into()];
    step.outbox = vec![text("1", "x")];
    let a = good(store.commit(step).await);
    let all = good(store.ledger(None, 10).await);
    let outcomes: Vec<_> = all.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, ["incomplete", "ok", "overloaded"], "newest first");
    assert_eq!(all[2], attempt("overloaded"));
    assert_eq!(good(store.ledger(Some(a.session), 10).await), all[..2].to_vec());
    assert_eq!(good(store.ledger(None, 1).await), all[..1].to_vec());
    let totals = good(store.totals().await);
    let wanted =
        StoreTotals { sessions_live: 1, outbox_waiting: 1, model_calls: 3, ..StoreTotals::default() };
    assert_eq!(totals, wanted);
}

pub(super) async fn settings_and_programs(store: &dyn Store) {
    assert_eq!(good(store.setting("k").await), None);
    good(store.set_setting("k", "1").await);
    good(store.set_setting("k", "2").await);
    assert_eq!(found(store.setting("k").await), "2");
    assert_eq!(good(store.program([1; 32]).await), None);
    good(store.put_program([1; 32], "support", 1, vec![1, 0, 2], "agent support").await);
    good(store.put_program([1; 32], "support", 1, vec![9], "").await);
    assert_eq!(found(store.program([1; 32]).await), [1, 0, 2], "a program under its hash does not change");
}

pub(super) async fn closed_refuses(store: &dyn Store) {
    good(store.set_setting("k", "1").await);
    good(store.close().await);
    assert!(matches!(store.set_setting("k", "2").await, Err(StoreError::Closed)));
    assert!(matches!(store.commit(first_step("a")).await, Err(StoreError::Closed)));
    assert!(matches!(store.setting("k").await, Err(StoreError::Closed)));
}
