// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heartbeats over months of a clock that is moved by hand: what they cost, and who is told when one stops.

use std::sync::Arc;

use blufio_core::message::UnixMs;
use blufio_core::model::Usage;
use blufio_core::store::INTERNAL_CHANNEL;
use blufio_core::tool::ToolError;

use crate::world::{Answer, START_MS, World, message, say, says, tokens_of};

const PERIOD_MS: u64 = 5 * 60_000;
const SLOTS_OF_A_DAY: usize = 288;
/// The model whose shipped price is counted.
const PRICED: &str = "anthropic/claude-sonnet-5-5";

/// Looks after orders every five minutes; what it may spend stands in its budget.
const WATCH: &str = r#"agent watch v1
goal "Watch the orders."
models { fast = "fake/small" }
budget { message = 1 calls  heartbeat = 1 calls, 0.1 usd  month = 10 usd }
can use orders.find
context { static "persona.md" max 2000 tokens  dynamic history last 40 messages max 8000 tokens }
start state idle {
  every 5m when changed [orders.find(order: "7")] -> sweep
}
state sweep {
  told = write using fast with history "The orders changed. Say what matters."
  send owner told -> idle
}
anywhere { on failed why { send owner "failed {why.kind}" -> idle }  on over_budget -> idle }
"#;

/// A model whose answers and usage are as large as the zone caps of [`WATCH`] allow, at shipped prices.
fn watched() -> World {
    let mut world = World::new(WATCH, |request, _| match says("Order 7 was refunded.") {
        Answer::Reply(pieces, mut reply) => {
            // The whole history zone each time, without any cache, is more than what is sent.
            let input_tokens = tokens_of(request).max(10_000);
            reply.usage = Some(Usage { input_tokens, output_tokens: 300, ..Usage::default() });
            Answer::Reply(pieces, reply)
        }
        other => other,
    });
    world.price = Arc::new(|_, _, usage| blufio_models::prices::usd_micros(PRICED, usage));
    world
}

/// What the orders look like from now on.
fn orders(world: &World, status: &str) {
    // More answers than slots are asked for in a test; each slot takes one.
    let mut orders = world.tools.orders.lock().unwrap();
    orders.clear();
    orders.extend(vec![Ok(format!(r#"{{"id":"7","status":"{status}"}}"#)); 20_000]);
}

fn looks(world: &World) -> usize {
    world.tools.calls.lock().unwrap().len()
}

/// Goes to the next slot and until everything that it causes is done.
async fn slot(world: &World, handle: &blufio_agent::Handle) {
    let before = looks(world);
    world.clock.advance(PERIOD_MS);
    world.until("the slot is looked at", |world| looks(world) > before).await;
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
    handle.quiet().await;
}

async fn begun(world: &World) -> blufio_agent::Handle {
    let handle = world.start().await;
    world.settle().await;
    handle
}

#[tokio::test]
async fn an_idle_heartbeat_costs_no_token_and_no_call_in_30_days() {
    let world = watched();
    orders(&world, "paid");
    let handle = begun(&world).await;
    slot(&world, &handle).await;
    assert_eq!(world.requests().len(), 1, "what is seen first is news");
    for _ in 0..30 * SLOTS_OF_A_DAY {
        slot(&world, &handle).await;
    }
    assert_eq!(world.requests().len(), 1);
    assert_eq!(looks(&world), 30 * SLOTS_OF_A_DAY + 1, "every slot was looked at, once");
    let ledger = world.store.ledger(None, 10_000).await.unwrap();
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].purpose.as_str(), ledger[0].state.as_str()), ("heartbeat", "sweep"));
    assert_eq!(handle.status().await.unwrap().notices, Vec::<String>::new());
}

#[tokio::test]
async fn a_change_every_second_hour_for_30_days_costs_less_than_ten_dollars_a_month() {
    let world = watched();
    let handle = begun(&world).await;
    let (mut calls, mut changes) = (0, 0);
    for at in 0..30 * SLOTS_OF_A_DAY {
        let is_changed = at % 24 == 0;
        if is_changed {
            changes += 1;
            orders(&world, if changes % 2 == 0 { "paid" } else { "refunded" });
        }
        slot(&world, &handle).await;
        calls += usize::from(is_changed);
        assert_eq!(world.requests().len(), calls, "a call at a change and at no other slot, slot {at}");
    }
    assert_eq!(changes, 360);
    let ledger = world.store.ledger(None, 10_000).await.unwrap();
    assert_eq!(ledger.len(), changes);
    let spent: i64 = ledger.iter().filter_map(|row| row.usd_micros).sum();
    println!(
        "30 days at five minutes, a change every second hour: {:.2} usd at {PRICED}",
        spent as f64 / 1e6
    );
    assert!(ledger.iter().all(|row| row.usd_micros.is_some_and(|usd| usd > 0)));
    assert!((1_000_000..=10_000_000).contains(&spent), "{spent}");
    assert_eq!(world.texts("1").iter().filter(|text| text.contains("refunded")).count(), changes);
}

fn told(world: &World) -> Vec<String> {
    world.texts("1").into_iter().filter(|text| text.contains("heartbeat of")).collect()
}

async fn noticed(handle: &blufio_agent::Handle) -> usize {
    let notices = handle.status().await.unwrap().notices;
    notices.iter().filter(|notice| notice.contains("has not run for two periods")).count()
}

/// A slot that may look at nothing.
async fn blind_slot(world: &World, handle: &blufio_agent::Handle) {
    world.clock.advance(PERIOD_MS);
    world.settle().await;
    if !matches!(handle.status().await, Ok(status) if status.sessions_active > 0) {
        handle.quiet().await;
    }
}

#[tokio::test]
async fn a_heartbeat_whose_session_is_busy_is_told_once_until_it_runs_again() {
    let text = WATCH.replace(
        "  told = write using fast with history \"The orders changed. Say what matters.\"\n  send owner told -> idle",
        "  ask owner \"May I?\" within 40m { says(t) { send owner \"Good: {t}\" -> idle }  late { send owner \"late\" -> idle } }",
    );
    let world = World::new(
        &text.replace("budget { message = 1 calls  heartbeat = 1 calls, 0.1 usd  month = 10 usd }\n", ""),
        |_, _| says("?"),
    );
    orders(&world, "paid");
    let handle = begun(&world).await;
    slot(&world, &handle).await;
    assert_eq!(world.texts("1").len(), 1, "the question: {:?}", world.texts("1"));
    for slots in 1..=7 {
        blind_slot(&world, &handle).await;
        assert_eq!(told(&world).len(), usize::from(slots >= 2), "after {slots} missed slots");
    }
    assert_eq!(
        told(&world),
        ["a heartbeat of watch (every 5 min) has not run for two periods: its session is busy"]
    );
    assert_eq!(looks(&world), 1, "nothing is looked at for a slot that cannot run");
    assert_eq!(noticed(&handle).await, 1);
    // A restart tells nothing again.
    handle.stop().await;
    let handle = begun(&world).await;
    blind_slot(&world, &handle).await;
    assert_eq!(told(&world).len(), 1, "{:?}", world.texts("1"));
    for _ in 0..3 {
        slot(&world, &handle).await;
    }
    assert_eq!(told(&world).len(), 1, "it runs again: {:?}", world.texts("1"));
    assert_eq!(noticed(&handle).await, 0);
    // The next time is told anew.
    orders(&world, "refunded");
    slot(&world, &handle).await;
    for _ in 0..3 {
        blind_slot(&world, &handle).await;
    }
    assert_eq!(told(&world).len(), 2);
}

#[tokio::test]
async fn a_heartbeat_of_a_parked_session_is_told_and_its_mail_does_not_pile_up() {
    let text = WATCH
        .replace("on failed why { send owner \"failed {why.kind}\" -> idle }", "on failed why -> fails")
        .replace(
            "anywhere {",
            "state fails {\n  x = write using fast \"Go.\"\n  send owner x -> idle\n}\nanywhere {",
        );
    let world = World::new(
        &text.replace(
            "message = 1 calls  heartbeat = 1 calls, 0.1 usd",
            "message = 4 calls  heartbeat = 4 calls",
        ),
        |_, _| Answer::Fail(blufio_core::model::ModelErrorKind::InvalidRequest, None),
    );
    orders(&world, "paid");
    let handle = begun(&world).await;
    slot(&world, &handle).await;
    assert_eq!(handle.status().await.unwrap().totals.sessions_parked, 1);
    for _ in 0..100 {
        blind_slot(&world, &handle).await;
    }
    let words = told(&world);
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].ends_with("its session is parked"), "{words:?}");
    assert_eq!(handle.status().await.unwrap().totals.inbox_waiting, 0);
    assert!(handle.drop_session("watch/own").await.unwrap());
    orders(&world, "refunded");
    slot(&world, &handle).await;
    blind_slot(&world, &handle).await;
    assert_eq!(told(&world).len(), 1, "it ran once more before it parked again");
}

#[tokio::test]
async fn a_heartbeat_over_its_budget_is_told_and_its_change_is_seen_to_when_there_is_money() {
    let mut world = watched();
    world.price = Arc::new(|_, _, usage| {
        Some((usage.input_tokens + usage.cache_write_tokens + usage.output_tokens) as i64)
    });
    // A day has money for one of them: 90 hundredths of it are for heartbeats.
    let text = WATCH.replace("heartbeat = 1 calls, 0.1 usd  month = 10 usd", "day = 0.0115 usd");
    world.programs = vec![crate::world::agent(&text)];
    orders(&world, "paid");
    let handle = begun(&world).await;
    slot(&world, &handle).await;
    assert_eq!(world.requests().len(), 1);
    orders(&world, "refunded");
    for slots in 1..=5 {
        slot(&world, &handle).await;
        assert_eq!(
            told(&world).len(),
            usize::from(slots >= 2),
            "after {slots} slots: {:?}",
            world.texts("1")
        );
    }
    assert_eq!(world.requests().len(), 1, "nothing is asked for what cannot be paid");
    assert!(told(&world)[0].ends_with("its budget is used up"));
    let rest_of_day = 86_400_000 - (blufio_core::clock::Clock::now_ms(&*world.clock) - START_MS);
    for _ in 0..=rest_of_day / PERIOD_MS as i64 {
        slot(&world, &handle).await;
    }
    assert_eq!(world.requests().len(), 2, "the change of yesterday was not lost");
    slot(&world, &handle).await;
    assert_eq!((told(&world).len(), noticed(&handle).await), (1, 0));
}

#[tokio::test]
async fn a_fingerprint_that_fails_is_told_too() {
    let world = watched();
    world.tools.orders.lock().unwrap().extend(vec![Err(ToolError::Broken("down".into())); 3]);
    let handle = begun(&world).await;
    for _ in 0..3 {
        slot(&world, &handle).await;
    }
    assert_eq!(told(&world).len(), 1, "{:?}", world.texts("1"));
    assert!(told(&world)[0].contains("down"), "{:?}", told(&world));
    slot(&world, &handle).await;
    slot(&world, &handle).await;
    assert_eq!((told(&world).len(), noticed(&handle).await, world.requests().len()), (1, 0, 1));
}

/// What changed while the session was in a state that has no such schedule is seen to when it is back.
#[tokio::test]
async fn a_change_at_a_slot_that_nothing_took_is_not_lost() {
    let text = r#"agent watch v1
goal "Watch."
models { fast = "fake/small" }
can use orders.find
type Go = { to: text }
start state idle {
  every 5m when changed [orders.find(order: "7")] { send owner "changed" }
  on Go g -> away
}
state away { on Go g -> idle }
anywhere { on message drop }
"#;
    let world = World::new(text, |_, _| says("?"));
    orders(&world, "paid");
    let handle = begun(&world).await;
    slot(&world, &handle).await;
    assert_eq!(world.texts("1"), ["changed"]);
    let go = serde_json::json!({ "to": "x" });
    assert!(handle.event("watch", None, "Go", go.clone(), "1").await.unwrap().is_new);
    handle.quiet().await;
    orders(&world, "refunded");
    let before = looks(&world);
    for _ in 0..4 {
        blind_slot(&world, &handle).await;
    }
    assert_eq!(looks(&world), before, "nothing is called for a schedule that does not count here");
    assert_eq!(told(&world), Vec::<String>::new(), "and nobody is told: the program wants it so");
    assert!(handle.event("watch", None, "Go", go, "2").await.unwrap().is_new);
    handle.quiet().await;
    slot(&world, &handle).await;
    assert_eq!(world.texts("1"), ["changed", "changed"]);
}

/// A slot is told apart from every other by its moment, so that a second runtime, or a clock that is set back over a
/// slot, does not fire it again.
#[tokio::test]
async fn the_same_slot_fires_once_however_often_it_is_reached() {
    let text = r#"agent watch v1
goal "Watch."
models { fast = "fake/small" }
start state idle {
  every 5m { send owner "tick" }
  every 10m { send owner "tock" }
}
"#;
    let world = World::new(text, |_, _| says("?"));
    for _ in 0..3 {
        world.clock.jump_wall(START_MS);
        let handle = begun(&world).await;
        for _ in 0..2 {
            world.clock.advance(PERIOD_MS);
            world.settle().await;
            handle.quiet().await;
        }
        handle.stop().await;
    }
    let mut texts = world.texts("1");
    texts.sort();
    assert_eq!(texts, ["tick", "tick", "tock"]);
    let slot = |ms: UnixMs, at: usize| format!("every/watch/v1/{at}/{}", START_MS + ms);
    let ids = [slot(300_000, 0), slot(600_000, 0), slot(600_000, 1)].to_vec();
    assert_eq!(world.store.stored(INTERNAL_CHANNEL, ids.clone()).await.unwrap().len(), ids.len());
    // Messages of people do not take the place of a slot.
    let handle = begun(&world).await;
    say(&handle, 1, "7", "hello").await;
    assert_ne!(message(1, "7", "x").source_id, ids[0]);
    handle.quiet().await;
}
