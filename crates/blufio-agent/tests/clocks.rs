// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wall clocks that are wrong for a while: heartbeats, deadlines and budgets go on when they are right again, and
//! nothing happens twice.

use std::collections::HashSet;
use std::sync::Arc;

use blufio_core::channel::SendError;
use blufio_core::clock::Clock as _;

use crate::money::{priced, used};
use crate::world::{START_MS, TOMORROW_MS, World, message, say, says};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;

/// A time passes, of which the wall clock may know nothing else.
async fn pass(world: &World, handle: &blufio_agent::Handle, ms: i64) {
    for _ in 0..ms / 30_000 {
        world.clock.advance(30_000);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        handle.quiet().await;
    }
}

const TICKS: &str = r#"agent watch v1
goal "Watch."
models { fast = "fake/small" }
can use orders.find
start state idle { every 5m when changed [orders.find(order: "7")] { send owner "tick" } }
"#;

/// Ticks within an hour at which the orders change all the time.
async fn ticks_of_an_hour(world: &World, handle: &blufio_agent::Handle) -> usize {
    let before = world.texts("1").len();
    let orders = (0..20).map(|at| Ok(format!(r#"{{"id":"{before}.{at}","status":"paid"}}"#)));
    *world.tools.orders.lock().unwrap() = orders.collect();
    pass(world, handle, HOUR_MS).await;
    world.texts("1").len() - before
}

#[tokio::test]
async fn s01_s02_heartbeats_go_on_after_a_jump_of_the_wall_clock_and_when_it_is_undone() {
    // By how much, and ticks of the hours that follow: what was passed over is not made up for.
    for (jump_ms, ticks) in [
        (HOUR_MS, [12, 12]),
        // The slots of the last hour have fired already.
        (-HOUR_MS, [0, 12]),
        (8 * HOUR_MS, [12, 12]),
        (10 * YEAR_MS, [12, 12]),
        (-START_MS - HOUR_MS, [12, 12]),
    ] {
        let world = World::new(TICKS, |_, _| says("?"));
        let handle = world.start().await;
        world.settle().await;
        assert_eq!(ticks_of_an_hour(&world, &handle).await, 12);
        world.clock.jump_wall(world.clock.now_ms() + jump_ms);
        for wanted in ticks {
            assert_eq!(ticks_of_an_hour(&world, &handle).await, wanted, "jump by {jump_ms} ms");
        }
        // Three hours have passed in truth.
        world.clock.jump_wall(START_MS + 3 * HOUR_MS);
        let expected = if jump_ms == HOUR_MS { 0 } else { 12 };
        assert_eq!(ticks_of_an_hour(&world, &handle).await, expected, "after a jump by {jump_ms} ms");
        assert_eq!(handle.status().await.unwrap().notices, [""; 0]);
        handle.stop().await;
    }
}

const WAITS: &str = r#"agent waits v1
goal "Wait."
models { fast = "fake/small" }
start state idle { on message m { reply "waiting" -> armed } }
state armed { after 10m { reply "ten minutes" -> idle } }
anywhere { on message hold }
"#;

#[tokio::test]
async fn s01_s02_a_deadline_fires_once_by_the_wall_clock() {
    // After the jump five minutes pass, then the clock is right again, and ten more pass.
    for (jump_ms, fired_early) in
        [(-HOUR_MS, false), (HOUR_MS, true), (8 * HOUR_MS, true), (10 * YEAR_MS, true), (-START_MS, false)]
    {
        let world = World::new(WAITS, |_, _| says("?"));
        let handle = world.start().await;
        say(&handle, 1, "7", "a").await;
        handle.quiet().await;
        world.clock.jump_wall(START_MS + jump_ms);
        pass(&world, &handle, 5 * MINUTE_MS).await;
        assert_eq!(world.texts("7").len(), 1 + usize::from(fired_early), "jump by {jump_ms} ms");
        world.clock.jump_wall(START_MS + 5 * MINUTE_MS);
        pass(&world, &handle, 10 * MINUTE_MS).await;
        assert_eq!(world.texts("7"), ["waiting", "ten minutes"], "jump by {jump_ms} ms");
        assert_eq!(handle.status().await.unwrap().totals.timers, 0);
        handle.stop().await;
    }
}

#[tokio::test]
async fn s05_ten_thousand_deadlines_of_one_instant_fire_once_each() {
    const SESSIONS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let options = blufio_persist::Options { unsafe_normal_sync: true, ..Default::default() };
    let mut world = World::new(WAITS, |_, _| says("?"));
    world.store = Arc::new(blufio_persist::SqliteStore::open(folder.path(), &options).unwrap());
    let handle = world.start().await;
    let batch = (0..SESSIONS).map(|person| message(person, &(100 + person).to_string(), "a")).collect();
    handle.sink().deliver("telegram", batch, None).await.unwrap();
    handle.quiet().await;
    let seen = |world: &World| world.channel.seen.lock().unwrap().len();
    assert_eq!((seen(&world), world.store.totals().await.unwrap().timers), (SESSIONS, SESSIONS as i64));
    world.clock.advance(10 * 60_000 - 1);
    handle.quiet().await;
    assert_eq!(seen(&world), SESSIONS, "not before their time");
    // They are taken a thousand at a time, a second apart; the wall clock passes over the instant once.
    let mut looks = 0;
    while world.store.totals().await.unwrap().timers > 0 {
        looks += 1;
        assert!(looks < 10_000, "{} of them fired", seen(&world) - SESSIONS);
        world.clock.advance(100);
        tokio::task::yield_now().await;
        handle.quiet().await;
    }
    handle.quiet().await;
    let texts = world.channel.seen.lock().unwrap().clone();
    let fired: HashSet<&str> =
        texts.iter().filter(|seen| seen.text == "ten minutes").map(|seen| seen.chat.as_str()).collect();
    assert_eq!((fired.len(), texts.len()), (SESSIONS, 2 * SESSIONS), "each once");
}

/// A message that a channel wants later is not kept for years by a clock that was years ahead.
#[tokio::test]
async fn s01_a_message_that_waits_is_sent_when_the_clock_is_right_again() {
    for restarts in [false, true] {
        let world = World::new(WAITS, |_, _| says("?"));
        let mut handle = world.start().await;
        world.clock.jump_wall(START_MS + 10 * YEAR_MS);
        let later = SendError::RateLimited { method: "send", retry_after_ms: 30_000 };
        world.channel.send_errors.lock().unwrap().push_back(later);
        say(&handle, 1, "7", "a").await;
        world.settle().await;
        assert_eq!(world.texts("7"), [""; 0]);
        world.clock.jump_wall(START_MS);
        if restarts {
            drop(handle);
            handle = world.start().await;
            world.settle().await;
        }
        let wait_ms = if restarts { HOUR_MS } else { MINUTE_MS };
        world.clock.advance(wait_ms as u64);
        world.until("sent", |world| !world.texts("7").is_empty()).await;
        handle.quiet().await;
        assert_eq!(world.texts("7"), ["waiting"], "restarted: {restarts}");
    }
}

fn desk(budget: &str) -> String {
    format!(
        r#"agent desk v1
goal "Help."
models {{ fast = "fake/small" }}
budget {{ message = 1 calls  {budget} }}
start state idle {{ on message m {{ asked = m -> answering }} }}
keep {{ asked: message? }}
state answering {{ one = write using fast from asked "First."  reply one -> idle }}
anywhere {{ on message hold  on failed why -> idle  on over_budget {{ reply "too dear" -> idle }} }}
"#
    )
}

/// How many of five messages are answered when the wall clock shows a time.
async fn answered_at(
    world: &World,
    handle: &blufio_agent::Handle,
    number: &mut usize,
    wall_ms: i64,
) -> usize {
    world.clock.jump_wall(wall_ms);
    let before = world.requests().len();
    for _ in 0..5 {
        *number += 1;
        say(handle, *number, "7", "hello").await;
        handle.quiet().await;
    }
    world.requests().len() - before
}

/// Whether a budget is kept by day or by month.
async fn budget_under_jumps(budget: &str, period_ms: i64) {
    let mut world = World::new(&desk(budget), |_, _| used(says("a"), None));
    priced(&mut world);
    let handle = world.start().await;
    let mut number = 0;
    let next_ms = START_MS + period_ms;
    // Each period has its budget, whenever the clock shows it, and once.
    let mut known = Vec::new();
    for (what, wall_ms) in [
        ("now", START_MS),
        ("an hour on", START_MS + HOUR_MS),
        ("ten years on", START_MS + 10 * YEAR_MS),
        ("back", START_MS + HOUR_MS),
        ("1970", 1_000),
        ("and back", START_MS + 2 * HOUR_MS),
        ("the next one", next_ms),
        ("set back over its beginning", START_MS + 3 * HOUR_MS),
        ("the next one again", next_ms + 1_000),
        ("ten years on again", START_MS + 10 * YEAR_MS),
    ] {
        known.push((what, answered_at(&world, &handle, &mut number, wall_ms).await));
    }
    assert_eq!(
        known,
        [
            ("now", 3),
            ("an hour on", 0),
            ("ten years on", 3),
            ("back", 0),
            ("1970", 3),
            ("and back", 0),
            ("the next one", 3),
            ("set back over its beginning", 0),
            ("the next one again", 0),
            ("ten years on again", 0),
        ],
        "{budget}"
    );
    handle.stop().await;
}

#[tokio::test]
async fn s01_a_wall_clock_that_jumps_neither_renews_a_budget_nor_locks_it_up() {
    // Three attempts of the worst case, and not enough for the shortest fourth.
    budget_under_jumps("day = 0.129 usd", DAY_MS).await;
    budget_under_jumps("month = 0.129 usd", 31 * DAY_MS).await;
    budget_under_jumps("day = 3 calls", DAY_MS).await;
    budget_under_jumps("month = 3 calls", 31 * DAY_MS).await;
}

/// An attempt that is under way at midnight is charged to the day at which it was announced.
#[tokio::test]
async fn s01_an_attempt_over_midnight_is_settled_in_its_own_day() {
    let mut world = World::new(&desk("day = 1 usd"), |_, _| says("a"));
    let clock = world.clock.clone();
    let priced_clock = Arc::clone(&clock);
    world.price = Arc::new(move |_, used, usage| {
        // The answer is priced when it is there: a day later.
        if used.is_empty() {
            priced_clock.jump_wall(TOMORROW_MS + 1);
        }
        Some((usage.input_tokens + usage.cache_write_tokens + 10 * usage.output_tokens) as i64)
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert_eq!((world.texts("7"), clock.now_ms()), (vec!["a".to_string()], TOMORROW_MS + 1));
    let day = |until_ms| world.store.spent("desk/usd/day", until_ms);
    assert_eq!((day(TOMORROW_MS).await.unwrap(), day(TOMORROW_MS + DAY_MS).await.unwrap()), (60, 0));
}
