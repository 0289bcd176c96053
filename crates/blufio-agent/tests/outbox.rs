// SPDX-License-Identifier: MIT OR Apache-2.0
//! The outbox: what is repeated, what is not, what the owner hears, and order within an address.

use blufio_core::channel::SendError;
use blufio_core::message::Address;
use blufio_core::store::{NewOutbox, OutboxState, OutboxUpdate};

use crate::world::{World, say, says};

const ECHO: &str = r#"agent echo v1
goal "Echo."
start state idle {
  on message m { reply "re: {m}" }
  on "/owner" { send owner "look" }
  on "/twice" { reply "one" reply "two" }
}
"#;

fn not_sent() -> SendError {
    SendError::NotSent { method: "sendMessage", reason: "refused".into() }
}

fn ambiguous() -> SendError {
    SendError::Ambiguous { method: "sendMessage", reason: "reset".into() }
}

async fn states(world: &World) -> Vec<OutboxState> {
    let mut rows = world.store.outbox(None, 100).await.unwrap();
    rows.sort_by_key(|row| row.id);
    rows.into_iter().map(|row| row.state).collect()
}

#[tokio::test]
async fn a_reply_is_placed_first_and_filled_by_an_edit() {
    let world = World::new(ECHO, |_, _| says("?"));
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    assert_eq!(world.channel.seen.lock().unwrap()[0].texts, ["…", "re: a"]);
    assert_eq!(states(&world).await, [OutboxState::Sent]);
}

#[tokio::test]
async fn an_ambiguous_placeholder_leaves_at_worst_a_stray_mark_and_an_ambiguous_edit_is_repeated() {
    let world = World::new(ECHO, |_, _| says("?"));
    world.channel.send_errors.lock().unwrap().push_back(ambiguous());
    world.channel.edit_errors.lock().unwrap().extend([ambiguous(), not_sent()]);
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    for _ in 0..3 {
        world.settle().await;
        world.clock.advance(60_000);
    }
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["re: a"]);
    assert_eq!(world.channel.seen.lock().unwrap().iter().filter(|s| s.text == "…").count(), 1);
    assert_eq!(states(&world).await, [OutboxState::Sent]);
}

#[tokio::test]
async fn a_message_that_cannot_be_edited_any_more_is_sent_anew() {
    let world = World::new(ECHO, |_, _| says("?"));
    world
        .channel
        .edit_errors
        .lock()
        .unwrap()
        .push_back(SendError::CannotEdit { method: "edit", reason: "deleted".into() });
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["re: a"]);
}

#[tokio::test]
async fn without_edits_an_ambiguous_send_is_uncertain_and_the_owner_is_told_once() {
    let world = World::new(ECHO, |_, _| says("?")).plain_channel();
    world.channel.send_errors.lock().unwrap().push_back(ambiguous());
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    say(&handle, 2, "7", "b").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["re: a", "re: b"], "sent once, although nobody said so");
    assert_eq!(states(&world).await.iter().filter(|s| **s == OutboxState::Uncertain).count(), 1);
    assert_eq!(world.texts("1").len(), 1);
    assert!(world.texts("1")[0].contains("may not have arrived"), "{:?}", world.texts("1"));
    drop(handle);
    let handle = world.start().await;
    handle.quiet().await;
    assert_eq!((world.texts("7").len(), world.texts("1").len()), (2, 1));
}

#[tokio::test]
async fn without_edits_a_send_that_a_crash_interrupted_is_never_repeated() {
    let world = World::new(ECHO, |_, _| says("?")).plain_channel();
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    drop(handle);
    let row = world.store.outbox(None, 1).await.unwrap().remove(0);
    let sending = OutboxUpdate {
        id: row.id,
        state: OutboxState::Sending,
        provider_id: None,
        not_before_ms: None,
        error: None,
        count_attempt: false,
    };
    world.store.outbox_update(sending).await.unwrap();
    let handle = world.start().await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["re: a"]);
    assert_eq!(states(&world).await[0], OutboxState::Uncertain);
    assert_eq!(world.texts("1").len(), 1);
}

#[tokio::test]
async fn a_send_that_did_not_leave_is_repeated_and_order_is_kept() {
    let world = World::new(ECHO, |_, _| says("?")).plain_channel();
    world.channel.send_errors.lock().unwrap().push_back(not_sent());
    let handle = world.start().await;
    say(&handle, 1, "7", "/twice").await;
    world.settle().await;
    say(&handle, 2, "8", "x").await;
    world.until("another chat is not held up", |w| w.texts("8") == ["re: x"]).await;
    world.settle().await;
    assert!(world.texts("7").is_empty());
    let limited = SendError::RateLimited { method: "sendMessage", retry_after_ms: 90_000 };
    world.channel.send_errors.lock().unwrap().push_back(limited);
    world.clock.advance(60_000);
    world.settle().await;
    world.clock.advance(89_999);
    world.settle().await;
    assert!(world.texts("7").is_empty());
    world.clock.advance(1);
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["one", "two"]);
}

#[tokio::test]
async fn a_not_before_time_survives_a_restart() {
    let world = World::new(ECHO, |_, _| says("?"));
    world
        .channel
        .send_errors
        .lock()
        .unwrap()
        .push_back(SendError::RateLimited { method: "sendMessage", retry_after_ms: 30_000 });
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    world.settle().await;
    drop(handle);
    world.settle().await;
    let handle = world.start().await;
    world.settle().await;
    assert!(world.channel.seen.lock().unwrap().is_empty(), "the ban is honoured");
    world.clock.advance(30_000);
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["re: a"]);
}

#[tokio::test]
async fn a_refused_send_fails_and_the_next_one_goes_on() {
    let world = World::new(ECHO, |_, _| says("?"));
    world
        .channel
        .send_errors
        .lock()
        .unwrap()
        .push_back(SendError::Permanent { method: "sendMessage", reason: "blocked".into() });
    let handle = world.start().await;
    say(&handle, 1, "7", "/twice").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["two"]);
    assert_eq!(states(&world).await[..2], [OutboxState::Failed, OutboxState::Sent]);
}

#[tokio::test]
async fn the_owner_is_reached_and_notices_about_notices_are_not_sent() {
    let world = World::new(ECHO, |_, _| says("?")).plain_channel();
    let handle = world.start().await;
    say(&handle, 1, "7", "/owner").await;
    handle.quiet().await;
    assert_eq!(world.texts("1"), ["look"]);
    let address = Address { channel: "telegram".into(), chat: "1".into(), thread: None };
    world.channel.send_errors.lock().unwrap().push_back(ambiguous());
    drop(handle);
    world.store.post(vec![NewOutbox::now(address, "notice")], 0).await.unwrap();
    let handle = world.start().await;
    handle.quiet().await;
    assert_eq!(world.texts("1"), ["look", "notice"]);
}
