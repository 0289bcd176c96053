// SPDX-License-Identifier: MIT OR Apache-2.0
//! Money is never spent above a cap: the worst case is reserved before each attempt and settled after it.

use std::sync::Arc;

use blufio_core::model::{ModelErrorKind, Usage};
use blufio_core::store::OPEN;

use crate::world::{Answer, TOMORROW_MS, World, agents, say, says};

/// A micro-dollar for each token of the prompt, ten for each of the answer.
pub fn priced(world: &mut World) {
    world.price = Arc::new(|_, _, usage| Some(cost(usage)));
}

pub fn cost(usage: &Usage) -> i64 {
    (usage.input_tokens + usage.cache_write_tokens + 10 * usage.output_tokens) as i64
}

/// An answer with this usage.
pub fn used(answer: Answer, usage: Option<Usage>) -> Answer {
    match answer {
        Answer::Reply(pieces, mut reply) => {
            reply.usage = usage;
            Answer::Reply(pieces, reply)
        }
        other => other,
    }
}

fn desk(budget: &str) -> String {
    format!(
        r#"agent desk v1
goal "Help."
models {{ fast = "fake/small" }}
budget {{ {budget} }}
start state idle {{ on message m {{ asked = m -> answering }} }}
keep {{ asked: message? }}
state answering {{
  one = write using fast from asked "First."
  two = write using fast from asked "Second."
  three = write using fast from asked "Third."
  reply "{{one}} {{two}} {{three}}" -> idle
}}
anywhere {{ on "/now" -> idle  on message hold  on failed why {{ reply "Failed: {{why.kind}}" -> idle }}  on over_budget {{ reply "too dear" -> idle }} }}
"#
    )
}

#[tokio::test]
async fn what_is_left_of_an_event_makes_answers_shorter_then_stops_them() {
    // A provider that does not say what it used is charged as reserved.
    let mut world = World::new(&desk("message = 3 calls, 0.05 usd"), |_, _| used(says("a"), None));
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["too dear"]);
    let longest: Vec<u32> = world.requests().iter().map(|request| request.output_tokens_max).collect();
    assert_eq!(longest.len(), 2, "{longest:?}");
    assert!(longest[0] == 4_096 && (256..1_000).contains(&longest[1]), "{longest:?}");
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let spent: i64 = ledger.iter().filter_map(|row| row.usd_micros).sum();
    assert!(ledger.iter().all(|row| !row.usage_known && row.outcome == "ok"));
    assert!((48_000..=50_000).contains(&spent), "{spent}");
    // The next event has its own.
    say(&handle, 2, "7", "again").await;
    handle.quiet().await;
    assert_eq!((world.texts("7").len(), world.requests().len()), (2, 4));
}

#[tokio::test]
async fn what_was_not_used_is_free_again_and_what_nobody_bills_costs_nothing() {
    let mut world = World::new(&desk("message = 9 calls, 0.05 usd"), |_, number| match number {
        0 => Answer::Fail(ModelErrorKind::Overloaded, None),
        1 => Answer::Fail(ModelErrorKind::RateLimited, Some(10)),
        _ => says("a"),
    });
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    for _ in 0..20 {
        world.clock.advance(10_000);
        world.settle().await;
    }
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["a a a"]);
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let costs: Vec<_> = ledger.iter().rev().map(|row| row.usd_micros).collect();
    assert_eq!(costs, [Some(0), Some(0), Some(60), Some(60), Some(60)]);
}

#[tokio::test]
async fn an_answer_that_broke_off_is_charged_as_reserved() {
    let mut world = World::new(&desk("message = 9 calls, 0.05 usd"), |_, number| match number {
        0 => Answer::Fail(ModelErrorKind::Incomplete, None),
        _ => says("a"),
    });
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    for _ in 0..5 {
        world.clock.advance(10_000);
        world.settle().await;
    }
    handle.quiet().await;
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let costs: Vec<_> = ledger.iter().rev().filter_map(|row| row.usd_micros).collect();
    assert!(costs[0] > 40_960 && costs[1] == 60, "{costs:?}");
}

#[tokio::test]
async fn the_owner_is_warned_once_a_day_and_the_next_day_begins_anew() {
    let budget = "message = 3 calls  day = 0.14 usd";
    let mut world = World::new(&desk(budget), |_, _| used(says("a"), None));
    priced(&mut world);
    let handle = world.start().await;
    for number in 1..=3 {
        say(&handle, number, "7", "hello").await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["a a a", "too dear", "too dear"]);
    let told = world.texts("1");
    assert_eq!(told, ["desk/usd/day: three quarters of 0.14 usd are used"]);
    assert!(world.store.spent("desk/usd/day", TOMORROW_MS).await.unwrap() <= 140_000);
    world.clock.advance(86_400_000);
    say(&handle, 4, "7", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("7").last().map(String::as_str), Some("a a a"));
}

#[tokio::test]
async fn a_kill_leaves_the_reservation_and_the_second_attempt_takes_its_own() {
    let mut world = World::new(&desk("message = 3 calls, 0.1 usd"), |_, _| Answer::Hang(vec![]));
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    drop(handle);
    let mut again = World {
        store: world.store.clone(),
        clock: world.clock.clone(),
        channel: world.channel.clone(),
        ..World::new(&desk("message = 3 calls, 0.1 usd"), |_, _| used(says("a"), None))
    };
    priced(&mut again);
    let handle = again.start().await;
    handle.quiet().await;
    assert_eq!(again.texts("7"), ["too dear"], "two of three fit beside the one that was lost");
    let ledger = again.store.ledger(None, 10).await.unwrap();
    let outcomes: Vec<&str> = ledger.iter().rev().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, [OPEN, "ok", "ok"]);
    let spent: i64 = ledger.iter().filter_map(|row| row.usd_micros).sum();
    assert!((90_000..=100_000).contains(&spent), "{spent}");
}

#[tokio::test]
async fn a_step_that_is_left_is_charged_as_reserved() {
    let mut world = World::new(&desk("message = 3 calls, 0.1 usd"), |_, _| Answer::Hang(vec![]));
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    say(&handle, 2, "7", "/now").await;
    handle.quiet().await;
    let ledger = world.store.ledger(None, 10).await.unwrap();
    assert_eq!((ledger.len(), ledger[0].outcome.as_str()), (1, "cancelled"));
    assert!(ledger[0].usd_micros.unwrap() > 40_960);
}

#[tokio::test]
async fn an_asked_agent_spends_of_what_its_asker_may() {
    let asker = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 9 calls, 0.043 usd }
can ask finder max 2 calls
start state idle { on message m -> work }
state work {
  ask finder(question: "where?") within 10m {
    done(x) { reply "found {x}" -> more }
    failed(w) { reply "no: {w.kind}" -> idle }
    late -> idle
  }
}
state more { write x using fast "More."  reply x -> idle }
anywhere { on message hold on failed why -> idle on over_budget { reply "too dear" -> idle } }
"#;
    let finder = r#"agent finder v1 (question: text) gives text
goal "Find."
models { fast = "fake/small" }
budget { message = 3 calls }
start state look {
  write answer using fast from question "Find it."
  done answer
}
anywhere { on failed why -> look_again on over_budget -> look_again }
state look_again { done "nothing" }
"#;
    let mut world = World::new(&desk("message = 3 calls"), |_, _| used(says("there"), None));
    world.programs = agents(&[asker, finder]);
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["found there", "too dear"]);
}

#[tokio::test]
async fn the_time_of_an_event_ends_its_model_steps() {
    let mut world = World::new(&desk("message = 3 calls, 40s"), |_, number| match number {
        0 => says("a"),
        _ => Answer::Hang(vec![]),
    });
    priced(&mut world);
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    world.until("asked", |w| w.requests().len() == 2).await;
    world.clock.advance(39_999);
    world.settle().await;
    assert_eq!(world.texts("7"), [""; 0]);
    world.clock.advance(1);
    world.until("over", |w| !w.texts("7").is_empty()).await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["too dear"]);
    assert_eq!(world.store.ledger(None, 10).await.unwrap()[0].outcome, "cancelled");
}

/// A conversation that begins anew under the same key has money of its own for its first event.
#[tokio::test]
async fn a_session_does_not_pay_for_the_one_that_had_its_key_before() {
    let text = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 1 calls, 0.05 usd }
start state idle { on message m -> work }
state work { one = write using fast "First."  reply one  done }
anywhere { on message hold  on failed why -> idle  on over_budget { reply "too dear" done } }
"#;
    let mut world = World::new(text, |_, _| used(says("a"), None));
    priced(&mut world);
    let handle = world.start().await;
    for number in 1..=3 {
        say(&handle, number, "7", "hello").await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["a", "a", "a"]);
    let longest: Vec<u32> = world.requests().iter().map(|request| request.output_tokens_max).collect();
    assert_eq!(longest, [4_096; 3]);
}
