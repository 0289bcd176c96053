// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of messages that wait until somebody writes in their chat.

use super::{address, first_step, found, good, inbound, next_step, text};
use crate::message::{Address, InboundKind};
use crate::store::{
    Accepted, GIVEN_UP, HELD_MAX, INTERNAL_CHANNEL, InboxBatch, NewInbox, NewOutbox, OutboxState, Store,
};

fn held(chat: &str, words: &str) -> NewOutbox {
    NewOutbox { held: true, ..text(chat, words) }
}

/// Something that happens in a thread of a chat.
fn happens(source_id: &str, chat: &str, kind: InboundKind) -> InboxBatch {
    let mut message = inbound(source_id, "hello");
    (message.address.chat, message.kind) = (chat.into(), kind);
    InboxBatch {
        channel: "test".into(),
        messages: vec![NewInbox::new(message, Some("a".into()), Vec::new())],
        cursor: None,
        settings: Vec::new(),
        questions: Vec::new(),
        now_ms: 3_000,
    }
}

async fn released(store: &dyn Store, batch: InboxBatch) -> Vec<(i64, Address)> {
    good(store.accept(batch).await).released
}

async fn open(store: &dyn Store) -> Vec<i64> {
    good(store.outbox_open(100).await).into_iter().map(|row| row.id).collect()
}

pub(super) async fn it_waits_and_is_released_once(store: &dyn Store) {
    let mut step = first_step("a");
    let in_thread = Address { thread: Some("9".into()), ..address("1") };
    step.outbox = vec![
        held("1", "one"),
        text("1", "now"),
        held("2", "elsewhere"),
        NewOutbox { address: in_thread.clone(), ..held("1", "two") },
    ];
    let first = good(store.commit(step).await);
    let (one, now, elsewhere, two) = (first.outbox[0], first.outbox[1], first.outbox[2], first.outbox[3]);
    assert_eq!(first.given_up, []);
    assert_eq!(open(store).await, [now], "what is held is not sent");
    assert_eq!(found(store.outbox_row(one).await).state, OutboxState::Held);
    let waiting = good(store.outbox(Some(OutboxState::Held), 10).await);
    assert_eq!(waiting.iter().map(|row| row.id).collect::<Vec<_>>(), [two, elsewhere, one]);
    assert_eq!(good(store.totals().await).outbox_waiting, 1);
    // What happens to a chat is no word in it, and neither is mail between sessions.
    for (id, kind) in [("1", InboundKind::Edited), ("2", InboundKind::Reaction), ("3", InboundKind::Joined)] {
        assert_eq!(released(store, happens(id, "1", kind)).await, []);
    }
    let mut internal = happens("4", "1", InboundKind::Message);
    internal.channel = INTERNAL_CHANNEL.into();
    let mut message = internal.messages.remove(0).message;
    message.address.channel = INTERNAL_CHANNEL.into();
    internal.messages = vec![NewInbox::new(message, Some("a".into()), Vec::new())];
    assert_eq!(released(store, internal).await, []);
    assert_eq!(released(store, happens("5", "3", InboundKind::Message)).await, [], "another chat");
    assert_eq!(open(store).await, [now]);
    // A word in the chat, in any thread of it.
    let spoken = happens("6", "1", InboundKind::Message);
    let accepted = good(store.accept(spoken.clone()).await);
    assert_eq!(
        accepted,
        Accepted { keys: vec!["a".into()], released: vec![(one, address("1")), (two, in_thread)] }
    );
    assert_eq!(open(store).await, [one, now, two], "ahead of what is decided later");
    assert_eq!(found(store.outbox_row(one).await).state, OutboxState::Ready);
    // The same message again, and the next one, find nothing; a later one is held anew.
    assert_eq!(good(store.accept(spoken.clone()).await), Accepted::default());
    let mut more = next_step("a", &first);
    more.outbox = vec![held("1", "three")];
    let more = good(store.commit(more).await);
    assert_eq!(good(store.accept(spoken).await), Accepted::default(), "it was stored before");
    let next = released(store, happens("7", "1", InboundKind::Message)).await;
    assert_eq!(next, [(more.outbox[0], address("1"))]);
    assert_eq!(released(store, happens("8", "1", InboundKind::Message)).await, []);
    assert_eq!(found(store.outbox_row(elsewhere).await).state, OutboxState::Held);
}

/// Words that answer a question are stored as mail of the session; the chat has spoken all the same.
pub(super) async fn an_answer_releases_too(store: &dyn Store) {
    let mut step = first_step("a");
    step.outbox = vec![held("1", "one")];
    let first = good(store.commit(step).await);
    let mut batch = happens("1", "1", InboundKind::Message);
    let mut mail = batch.messages[0].message.clone();
    mail.address = Address { channel: INTERNAL_CHANNEL.into(), chat: String::new(), thread: None };
    batch.messages =
        vec![NewInbox { spoke: Some(address("1")), ..NewInbox::new(mail, Some("a".into()), Vec::new()) }];
    assert_eq!(released(store, batch).await, [(first.outbox[0], address("1"))]);
}

pub(super) async fn the_oldest_of_too_many_is_given_up(store: &dyn Store) {
    let mut step = first_step("a");
    step.outbox = (0..HELD_MAX).map(|number| held("1", &number.to_string())).collect();
    step.outbox.push(held("2", "other"));
    let first = good(store.commit(step).await);
    assert_eq!(first.given_up, []);
    let mut step = next_step("a", &first);
    step.outbox = vec![held("1", "more"), text("1", "now"), held("1", "and more")];
    let second = good(store.commit(step).await);
    assert_eq!(second.given_up, [address("1")], "told once");
    for (at, id) in first.outbox.iter().take(HELD_MAX).enumerate() {
        let row = found(store.outbox_row(*id).await);
        let expected = if at < 2 { (OutboxState::Failed, Some(GIVEN_UP)) } else { (OutboxState::Held, None) };
        assert_eq!((row.state, row.error.as_deref()), expected, "row {at}");
    }
    let ids: Vec<i64> = released(store, happens("1", "1", InboundKind::Message))
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let kept = first.outbox[2..HELD_MAX].iter().chain([&second.outbox[0], &second.outbox[2]]);
    assert_eq!(ids, kept.copied().collect::<Vec<_>>());
    assert!(GIVEN_UP.contains(&HELD_MAX.to_string()));
}
