// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of the inbox.

use super::{batch, first_step, found, good, next_step, text};
use crate::store::{NewInbox, Store, StoreError};

async fn source_ids(store: &dyn Store, key: &str) -> Vec<String> {
    good(store.mail(key, 100).await).into_iter().map(|row| row.message.source_id).collect()
}

pub(super) async fn accepting_is_idempotent(store: &dyn Store) {
    let keys = good(store.accept(batch(&[("1", Some("a")), ("2", Some("b")), ("1", Some("a"))])).await).keys;
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(good(store.accept(batch(&[("1", Some("a")), ("2", Some("b"))])).await).keys, [""; 0]);
    let keys = good(store.accept(batch(&[("2", Some("b")), ("3", Some("b"))])).await).keys;
    assert_eq!(keys, ["b"]);
    assert_eq!(source_ids(store, "a").await, ["1"]);
    assert_eq!(source_ids(store, "b").await, ["2", "3"]);
    assert_eq!(good(store.received_ms("test", "1").await), Some(1_000));
    assert_eq!(good(store.received_ms("test", "4").await), None);
    assert_eq!(good(store.received_ms("shell", "1").await), None);
    // The same id of another channel is another message.
    let mut other = batch(&[("1", Some("a"))]);
    other.channel = "shell".into();
    assert_eq!(good(store.accept(other).await).keys, ["a"]);
    let rows = good(store.mail("a", 100).await);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].message, super::inbound("1", "text of 1"));
    assert_eq!((rows[0].received_ms, rows[0].joined, rows[0].key.as_str()), (1_000, false, "a"));
}

pub(super) async fn cursor_lands_with_rows(store: &dyn Store) {
    let mut new = batch(&[("1", Some("a"))]);
    new.cursor = Some("17".into());
    new.settings = vec![("owner/test".into(), "42".into()), ("owner/test".into(), "43".into())];
    good(store.accept(new).await);
    assert_eq!(found(store.setting("test/cursor").await), "17");
    assert_eq!(found(store.setting("owner/test").await), "43");
    let mut empty = batch(&[]);
    empty.cursor = Some("18".into());
    assert_eq!(good(store.accept(empty).await).keys, [""; 0]);
    assert_eq!(found(store.setting("test/cursor").await), "18");
    good(store.accept(batch(&[("2", Some("a"))])).await);
    assert_eq!(found(store.setting("test/cursor").await), "18", "no cursor given, none changed");
}

pub(super) async fn order_per_key(store: &dyn Store) {
    good(store.accept(batch(&[("9", Some("a")), ("5", Some("b")), ("7", Some("a"))])).await);
    good(store.accept(batch(&[("1", Some("a")), ("2", Some("b"))])).await);
    assert_eq!(source_ids(store, "a").await, ["9", "7", "1"]);
    assert_eq!(source_ids(store, "b").await, ["5", "2"]);
    assert_eq!(good(store.mail("a", 2).await).len(), 2);
    assert_eq!(good(store.mail("nobody", 2).await), []);
}

pub(super) async fn consumed_once(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("a")), ("2", Some("a")), ("3", Some("b"))])).await);
    let mail = good(store.mail("a", 10).await);
    let mut step = first_step("a");
    step.consumed = vec![mail[0].id];
    let committed = good(store.commit(step.clone()).await);
    assert_eq!(source_ids(store, "a").await, ["2"]);
    let mut again = next_step("a", &committed);
    again.consumed = vec![mail[0].id];
    assert!(matches!(store.commit(again).await, Err(StoreError::Refused(_))), "a message is consumed once");
    let mut foreign = next_step("a", &committed);
    foreign.consumed = vec![good(store.mail("b", 10).await)[0].id];
    assert!(matches!(store.commit(foreign).await, Err(StoreError::Refused(_))), "mail of another key");
    assert_eq!(source_ids(store, "b").await, ["3"]);
    assert_eq!(
        good(store.accept(batch(&[("1", Some("a"))])).await).keys,
        [""; 0],
        "consumed mail stays seen"
    );
}

pub(super) async fn joined_is_sticky(store: &dyn Store) {
    good(store.accept(batch(&[("1", Some("a")), ("2", Some("a"))])).await);
    let mail = good(store.mail("a", 10).await);
    let mut step = first_step("a");
    step.joined = vec![mail[1].id];
    let committed = good(store.commit(step).await);
    let committed = good(store.commit(next_step("a", &committed)).await);
    let after = good(store.mail("a", 10).await);
    assert_eq!((after[0].joined, after[1].joined), (false, true));
    let mut taken = next_step("a", &committed);
    taken.consumed = vec![mail[0].id, mail[1].id];
    good(store.commit(taken).await);
    assert_eq!(source_ids(store, "a").await, [""; 0]);
}

pub(super) async fn dropped_messages_answer_and_stay_seen(store: &dyn Store) {
    let mut new = batch(&[]);
    let message = super::inbound("1", "hello");
    new.messages = vec![NewInbox::new(message, None, vec![text("1", "not for you")])];
    assert_eq!(good(store.accept(new.clone()).await).keys, [""; 0]);
    assert_eq!(good(store.accept(new).await).keys, [""; 0]);
    let open = good(store.outbox_open(10).await);
    assert_eq!(open.len(), 1, "answered once");
    assert_eq!(
        (open[0].session, open[0].text.as_deref(), open[0].created_ms),
        (None, Some("not for you"), 1_000)
    );
    assert_eq!(good(store.keys_with_work().await), [""; 0]);
    assert_eq!(good(store.totals().await).inbox_waiting, 0);
}
