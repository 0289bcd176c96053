// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deadlines: they fire, are cleared by leaving, and overdue ones fire after a restart before new messages.

use crate::world::{Answer, World, say, says};

const WAITS: &str = r#"agent waits v1
goal "Wait."
models { fast = "fake/small" }
budget { message = 1 calls }
start state idle { on message m { reply "waiting" -> armed } }
state armed {
  after 10m { reply "ten minutes" -> idle }
  after 1h { reply "never" -> idle }
  on message m { reply "early: {m}" -> idle }
}
"#;

#[tokio::test]
async fn a_deadline_fires_once_and_leaving_disarms_the_others() {
    let world = World::new(WAITS, |_, _| says("?"));
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    world.clock.advance(10 * 60_000 - 1);
    world.settle().await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["waiting"]);
    world.clock.advance(30_000);
    world.until("fired", |w| w.texts("7").len() == 2).await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["waiting", "ten minutes"]);
    for _ in 0..4 {
        world.clock.advance(3_600_000);
        world.settle().await;
    }
    assert_eq!(world.texts("7").len(), 2);
    assert_eq!(handle.status().await.unwrap().totals.timers, 0);
}

#[tokio::test]
async fn an_overdue_deadline_fires_after_a_restart_before_new_messages() {
    let world = World::new(WAITS, |_, _| says("?"));
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    handle.stop().await;
    world.clock.advance(20 * 60_000);
    // Mail that was stored while nothing ran stands beside the overdue deadline.
    let mail = crate::world::message(2, "7", "b");
    let batch = blufio_core::store::InboxBatch {
        channel: "telegram".into(),
        messages: vec![blufio_core::store::NewInbox::new(mail, Some("waits/telegram:7".into()), vec![])],
        cursor: None,
        settings: vec![],
        questions: vec![],
        now_ms: 0,
    };
    world.store.accept(batch).await.unwrap();
    let handle = world.start().await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["waiting", "ten minutes", "waiting"]);
}

const CANCELS: &str = r#"agent cancels v1
goal "Wait."
models { fast = "fake/small" }
budget { message = 1 calls }
start state idle { on message m { asked = m -> asking } }
keep { asked: message? }
state asking {
  write text using fast from asked "Answer."
  reply text -> idle
  after 2m { reply "too slow" -> idle }
}
anywhere { on message hold  on failed why { reply "Failed: {why.kind}" -> idle } }
"#;

#[tokio::test]
async fn a_deadline_of_the_state_cancels_its_pending_step() {
    let cancels = CANCELS.replace("  write text using fast from asked \"Answer.\"\n  reply text -> idle\n  after 2m { reply \"too slow\" -> idle }", "  after 2m { reply \"too slow\" -> idle }\n  write text using fast from asked \"Answer.\"\n  reply text -> idle");
    let world =
        World::new(&cancels, |_, number| if number == 0 { Answer::Hang(vec![]) } else { says("quick") });
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    say(&handle, 2, "7", "b").await;
    for _ in 0..5 {
        world.clock.advance(30_000);
        world.settle().await;
    }
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["too slow", "quick"], "the held message is answered after it");
}

#[tokio::test]
async fn a_model_that_never_answers_times_out() {
    let mut world = World::new(CANCELS, |_, _| Answer::Hang(vec![]));
    world.programs =
        vec![crate::world::agent(&CANCELS.replace("  after 2m { reply \"too slow\" -> idle }\n", ""))];
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    for _ in 0..21 {
        world.clock.advance(30_000);
        world.settle().await;
    }
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Failed: timeout"]);
}
