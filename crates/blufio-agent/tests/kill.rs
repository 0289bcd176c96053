// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operator's switch stops every model call. The clock of these tests stands still: what happens, happens because the
//! switch was thrown and not because time passed.

use std::sync::Arc;

use blufio_agent::Handle;
use blufio_agent::kill;
use blufio_core::clock::Clock;
use blufio_core::store::LedgerRow;

use crate::world::{Answer, START_MS, TOMORROW_MS, World, say, says};

const DESK: &str = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 3 calls  day = 9 usd, 99 calls }
start state idle { on message m { asked = m -> answering } }
keep { asked: message? }
state answering {
  one = write using fast from asked "First."
  two = write using fast from asked "Second."
  reply "{one} {two}" -> idle
}
anywhere { on message hold  on failed why { reply "Failed: {why.kind}" -> idle }  on over_budget { reply "not now" -> idle } }
"#;

/// A world in which only the first so many calls are answered.
fn answers(text: &str, first: usize) -> World {
    let mut world =
        World::new(text, move |_, number| if number < first { says("a") } else { Answer::Hang(vec![]) });
    world.price = Arc::new(|_, _, usage| Some((usage.input_tokens + 10 * usage.output_tokens) as i64));
    world
}

/// The same outside with another life of the runtime.
fn again(world: &World, text: &str, first: usize) -> World {
    World {
        store: world.store.clone(),
        clock: world.clock.clone(),
        channel: world.channel.clone(),
        ..answers(text, first)
    }
}

fn hanging(world: &World) -> usize {
    Arc::strong_count(&world.model.hanging) - 1
}

async fn ledger(world: &World) -> Vec<LedgerRow> {
    let mut rows = world.store.ledger(None, 1_000).await.unwrap();
    rows.reverse();
    rows
}

async fn kill(handle: &Handle, reason: &str) {
    handle.kill(Some(reason.to_string())).await.unwrap();
}

#[tokio::test]
async fn every_call_under_way_ends_and_no_other_begins_though_no_time_passes() {
    let world = answers(DESK, 0);
    let handle = world.start().await;
    for person in 100..164 {
        say(&handle, person, &person.to_string(), "hello").await;
    }
    world.until("all are asked", |w| hanging(w) == 64).await;
    kill(&handle, "too many").await;
    world.until("all are cut", |w| hanging(w) == 0).await;
    handle.quiet().await;
    assert_eq!((hanging(&world), world.clock.now_ms()), (0, START_MS));
    for person in 100..164 {
        assert_eq!(world.texts(&person.to_string()), ["not now"]);
    }
    let rows = ledger(&world).await;
    assert!(rows.iter().all(|row| row.outcome == "cancelled" && row.usd_micros > Some(40_960)), "{rows:?}");
    let spent: i64 = rows.iter().filter_map(|row| row.usd_micros).sum();
    assert_eq!((rows.len(), world.store.spent("desk/usd/day", TOMORROW_MS).await.unwrap()), (64, spent));
    // A step that would begin ends the same way, and takes nothing.
    say(&handle, 1, "100", "and now?").await;
    handle.quiet().await;
    assert_eq!((world.texts("100").len(), world.requests().len()), (2, 64));
    let calls = world.store.used("desk/calls/day", TOMORROW_MS).await.unwrap();
    assert_eq!((ledger(&world).await.len(), calls), (64, 64));
}

#[tokio::test]
async fn it_holds_over_a_restart_until_it_is_released_and_the_owner_is_told_once() {
    let world = answers(DESK, 100);
    let handle = world.start().await;
    kill(&handle, "the bill").await;
    kill(&handle, "the bill of May").await;
    handle.quiet().await;
    handle.stop().await;
    drop(handle);
    let world = again(&world, DESK, 100);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert_eq!((world.texts("7"), world.requests().len()), (vec!["not now".to_string()], 0));
    let killed = handle.status().await.unwrap().models_killed.unwrap();
    assert_eq!((killed.since_ms, killed.reason.as_deref()), (START_MS, Some("the bill of May")));
    assert_eq!(handle.release().await.unwrap(), Some(killed));
    assert_eq!(handle.release().await.unwrap(), None);
    say(&handle, 2, "7", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["not now", "a a"]);
    assert_eq!(handle.status().await.unwrap().models_killed, None);
    assert_eq!(kill::stored(&*world.store).await.unwrap(), None);
    // The next time is another time.
    world.clock.advance(1);
    handle.kill(None).await.unwrap();
    handle.quiet().await;
    let told = "Model calls are stopped. `blufio kill --release` on the server lets them go on.";
    assert_eq!(world.texts("1"), [format!("{told} Why: the bill"), told.to_string()]);
}

#[tokio::test]
async fn thrown_while_nothing_runs_it_ends_what_a_crash_left_under_way() {
    let text = DESK.replace("  day = 9 usd, 99 calls", "");
    let world = answers(&text, 1);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    world.until("the second call hangs", |w| hanging(w) == 1).await;
    drop(handle);
    world.settle().await;
    let thrown = kill::kill(&*world.store, Some("stop".into()), 5).await.unwrap();
    assert_eq!(thrown.since_ms, 5);
    let world = again(&world, &text, 100);
    let handle = world.start().await;
    handle.quiet().await;
    assert_eq!((world.texts("7"), world.requests().len()), (vec!["not now".to_string()], 0));
    assert_eq!(world.texts("1").len(), 1, "the owner hears of it at the start");
    let outcomes: Vec<String> = ledger(&world).await.into_iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, ["ok", "interrupted"]);
    assert_eq!(kill::release(&*world.store).await.unwrap(), Some(thrown));
    assert_eq!(kill::release(&*world.store).await.unwrap(), None);
}

#[tokio::test]
async fn a_setting_that_nobody_understands_counts_as_thrown() {
    let world = answers(DESK, 100);
    world.store.set_setting("models/killed", "{").await.unwrap();
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert_eq!((world.texts("7"), world.requests().len()), (vec!["not now".to_string()], 0));
}

#[tokio::test]
async fn answers_before_the_one_that_is_cut_stay_in_the_ledger() {
    let text = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 3 calls }
type Wish = chat | poem
start state idle { on message m { asked = m -> answering } }
keep { asked: message? }
state answering { pick Wish using fast from asked retry 1 "Which?" { chat -> idle  poem -> idle } }
anywhere { on message hold  on failed -> idle  on over_budget { reply "not now" -> idle } }
"#;
    let world = answers(text, 1);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    // The first answer is no document, so that the same step asks again.
    world.until("asked again", |w| hanging(w) == 1).await;
    kill(&handle, "stop").await;
    world.until("it is cut", |w| hanging(w) == 0).await;
    handle.quiet().await;
    let outcomes: Vec<String> = ledger(&world).await.into_iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, ["ok", "cancelled"]);
    assert_eq!(world.texts("7"), ["not now"]);
}
