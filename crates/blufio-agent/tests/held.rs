// SPDX-License-Identifier: MIT OR Apache-2.0
//! `send … with next message`: nobody is woken, and whoever writes finds it ahead of the answer, once.

use std::sync::Arc;

use blufio_agent::Envelope;
use blufio_agent::routes::Person;
use blufio_core::store::{OutboxState, Store};
use blufio_core::testing::{CrashMode, CrashingStore, MemoryStore};

use crate::requests::journal_replays;
use crate::world::{World, agent, message, newest, replayed, say, says};

const PERIOD_MS: u64 = 5 * 60_000;
const DAY_MS: u64 = 24 * 3_600_000;
const NOTE: &str = "Order 7 was paid.";

/// Looks after orders at night and says so in the morning.
const WATCH: &str = r#"agent watch v1
goal "Watch the orders."
models { fast = "fake/small" }
budget { message = 1 calls  heartbeat = 1 calls }
can use orders.find
start state idle {
  on message m { write said using fast from m "Answer."  reply said }
  every 5m when changed [orders.find(order: "7")] -> sweep
}
state sweep {
  write told using fast "The orders changed. Say what matters."
  send owner told with next message
  -> idle
}
anywhere { on message hold  on failed or over_budget -> idle }
"#;

fn watched() -> World {
    World::new(WATCH, |request, _| {
        let asked = newest(request);
        if asked.contains("Answer.") { says("Good morning to you.") } else { says(NOTE) }
    })
}

async fn quiet(handle: &blufio_agent::Handle) {
    for _ in 0..4 {
        for _ in 0..80 {
            tokio::task::yield_now().await;
        }
        handle.quiet().await;
    }
}

async fn slots(world: &World, handle: &blufio_agent::Handle, count: u64) {
    for _ in 0..count {
        world.clock.advance(PERIOD_MS);
        quiet(handle).await;
    }
}

#[tokio::test]
async fn a_note_of_the_night_comes_with_the_next_message_ahead_of_its_answer() {
    let world = watched();
    let handle = world.start().await;
    quiet(&handle).await;
    slots(&world, &handle, DAY_MS / PERIOD_MS).await;
    assert_eq!(world.requests().len(), 1, "the change was seen to");
    assert_eq!(world.texts("1"), [""; 0], "nobody was woken");
    let held = world.store.outbox(Some(OutboxState::Held), 10).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].text.as_deref(), held[0].attempts), (Some(NOTE), 0));
    // Somebody else's words are none of the owner's chat.
    say(&handle, 1, "7", "hello").await;
    quiet(&handle).await;
    assert_eq!((world.texts("7").len(), world.texts("1")), (1, vec![]));
    // A restart in between changes nothing.
    handle.stop().await;
    let handle = world.start().await;
    quiet(&handle).await;
    assert_eq!(world.texts("1"), [""; 0]);
    say(&handle, 2, "1", "good morning").await;
    quiet(&handle).await;
    assert_eq!(world.texts("1"), [NOTE, "Good morning to you."]);
    say(&handle, 3, "1", "and again").await;
    say(&handle, 2, "1", "good morning").await;
    quiet(&handle).await;
    assert_eq!(world.texts("1"), [NOTE, "Good morning to you.", "Good morning to you."]);
    journal_replays(&world, "watch/own").await;
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let purposes: Vec<&str> = ledger.iter().rev().map(|row| row.purpose.as_str()).collect();
    assert_eq!(purposes, ["heartbeat", "write", "write", "write"]);
}

enum Outside {
    Slot,
    Day,
    Say(&'static str),
}

/// The slots behind the first are there for a crash that cost one: missed slots are not replayed.
const SCRIPT: &[Outside] = &[
    Outside::Slot,
    Outside::Slot,
    Outside::Slot,
    Outside::Day,
    Outside::Say("good morning"),
    Outside::Say("and again"),
];

async fn drive(world: &World, at: &mut usize) {
    let handle = world.start().await;
    quiet(&handle).await;
    while let Some(next) = SCRIPT.get(*at) {
        match next {
            Outside::Slot | Outside::Day => {
                *at += 1;
                world.clock.advance(if matches!(next, Outside::Slot) { PERIOD_MS } else { DAY_MS });
                quiet(&handle).await;
                assert_eq!(world.texts("1"), [""; 0], "nobody is woken");
            }
            Outside::Say(text) => {
                let batch = vec![message(*at, "1", text)];
                handle.sink().deliver("telegram", batch, Some(at.to_string())).await.unwrap();
                *at += 1;
            }
        }
        quiet(&handle).await;
    }
}

fn life<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What the owner has read, how often the store was called, and whether it died.
fn run(crash_at: u64, mode: CrashMode) -> (Vec<String>, u64, bool) {
    let memory = MemoryStore::default();
    let crashing = Arc::new(CrashingStore::new(memory.clone(), crash_at, mode));
    let mut world = World { store: crashing.clone(), ..watched() };
    let mut at = 0;
    let finished = life(async {
        tokio::select! {
            () = crashing.died() => false,
            () = drive(&world, &mut at) => true,
        }
    });
    let (calls, died) = (crashing.calls(), crashing.is_dead());
    world.store = Arc::new(memory.clone());
    life(async {
        if !finished {
            drive(&world, &mut at).await;
        }
        for row in memory.sessions(true, 10).await.unwrap() {
            let journal = memory.journal(row.id, 0, 10_000).await.unwrap();
            let rebuilt = replayed(&world.programs[0].program, &journal);
            assert_eq!(rebuilt.encode(), Envelope::decode(&row.state).unwrap().machine, "{}", row.key);
        }
        let rows = memory.outbox(None, 100).await.unwrap();
        assert!(rows.iter().all(|row| row.state == OutboxState::Sent), "{rows:?}");
    });
    (world.texts("1"), calls, died)
}

#[test]
fn a_crash_anywhere_loses_no_note_and_tells_none_twice() {
    let told = [NOTE, "Good morning to you.", "Good morning to you."];
    let (whole, calls, _) = run(u64::MAX, CrashMode::BeforeApply);
    assert_eq!(whole, told);
    for at in 1..=calls {
        for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
            let (crashed, _, died) = run(at, mode);
            assert!(died, "crash point {at} was reached");
            assert_eq!(crashed, told, "crash point {at}, {mode:?}");
        }
    }
    assert!(calls > 20, "{calls}");
}

fn people() -> Vec<Person> {
    let person = |(name, id): (&str, &str)| Person {
        name: name.into(),
        identities: vec![("telegram".into(), id.into())],
        tool: None,
    };
    [("ada", "20"), ("ben", "21"), ("eve", "22")].map(person).to_vec()
}

#[tokio::test]
async fn everybody_meant_gets_it_with_their_own_next_message() {
    let text = r#"agent desk v1
goal "Pass on."
start state idle {
  on message m {
    send sender "You said {m}." with next message
    send ben "They said {m}." with next message
    reply "Passed on."
  }
}
"#;
    let world = World { people: people(), ..World::new(text, |_, _| says("?")) };
    let handle = world.start().await;
    say(&handle, 1, "7", "one").await;
    handle.quiet().await;
    assert_eq!((world.texts("7"), world.texts("21")), (vec!["Passed on.".to_string()], vec![]));
    say(&handle, 2, "7", "two").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Passed on.", "You said one.", "Passed on."]);
    assert_eq!(world.texts("21"), [""; 0]);
    say(&handle, 3, "21", "three").await;
    handle.quiet().await;
    assert_eq!(world.texts("21"), ["They said one.", "They said two.", "Passed on."]);
    assert_eq!(world.texts("7").len(), 3, "his words are not theirs");
}

#[tokio::test]
async fn an_answer_to_a_question_is_a_word_too() {
    let text = r#"agent desk v1
goal "Ask."
start state idle { on message m -> asks }
state asks {
  send sender "By the way." with next message
  ask sender "Which one?" within 1h { says(t) { reply "So {t}." -> idle }  late -> idle }
}
anywhere { on message hold  on failed -> idle }
"#;
    let world = World::new(text, |_, _| says("?"));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    quiet(&handle).await;
    assert_eq!(world.texts("7"), ["Which one?"]);
    say(&handle, 2, "7", "the blue one").await;
    quiet(&handle).await;
    assert_eq!(world.texts("7"), ["Which one?", "By the way.", "So the blue one."]);
}

#[tokio::test]
async fn the_oldest_of_too_many_notes_is_dropped_and_the_operator_hears_of_it() {
    let text = "agent desk v1\ngoal \"Pass on.\"\nstart state idle { on message m { send owner \"{m}\" with next message } }\n";
    let world = World { programs: vec![agent(text)], ..watched() };
    let handle = world.start().await;
    for number in 1..=20 {
        say(&handle, number, "7", &number.to_string()).await;
        handle.quiet().await;
    }
    assert_eq!(handle.status().await.unwrap().notices, [""; 0]);
    for number in 21..=23 {
        say(&handle, number, "7", &number.to_string()).await;
        handle.quiet().await;
    }
    assert_eq!(
        handle.status().await.unwrap().notices,
        [
            "the oldest message that waited for the next one in chat 1 of telegram was dropped: 20 newer ones wait there"
        ]
    );
    say(&handle, 24, "1", "hello").await;
    quiet(&handle).await;
    let expected: Vec<String> = (4..=23).map(|number| number.to_string()).collect();
    assert_eq!(world.texts("1"), expected);
}
