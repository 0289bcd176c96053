// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exhaustive crash test of what programs ask for: calls, approvals, questions, an asked agent, a loop, memory,
//! progress and wakes, run once undisturbed and once per changing store call and crash mode. Everything that people
//! see and every journal record must be the same.

use std::sync::Arc;

use blufio_agent::Envelope;
use blufio_agent::routes::Person;
use blufio_core::store::{JournalRecord, OutboxState, Store};
use blufio_core::testing::{CrashMode, CrashingStore, MemoryStore};

use crate::world::{World, agents, calls, message, newest, replayed, says};

const DESK: &str = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 9 calls }
can use orders.find max 9 per day, post.send
can ask finder with orders.find max 2 calls
context { dynamic history last 12 messages max 8000 tokens }
keep { asked: message? }
start state idle {
  on message m { asked = m -> work }
  on wake what { reply "now: {what}" }
}
state work {
  found = each n in ["1", "2"], 2 at once {
    o = call orders.find(order: n) retry 1
  }
  show "{length found} found"
  approve by owner "Shall I?" within 1h {
    yes {}
    no or late -> idle
  }
  remember "the owner agreed" for agent
  ask finder(question: "where?") within 10m {
    done(x) { reply "found {x}" }
    failed(w) -> idle
    late -> idle
  }
  ask ben "Is it true?" within 1h {
    says(t) { reply "Ben says {t}" }
    late -> idle
  }
  known = recall "agreed" from agent top 3
  reply "{length known} known"
  wake after 2h with "tea"
  -> talk
}
state talk max 4 per event else idle {
  turn using fast with history {
    says(t) { reply t -> idle }
    calls(c) { run c approved by owner within 10m -> talk }
    refuses(w) -> idle
  }
}
anywhere {
  on message hold
  on failed why { reply "failed" -> idle }
  on uncertain { reply "uncertain" -> idle }
  on over_budget -> idle
}
"#;

const FINDER: &str = r#"agent finder v1 (question: text) gives text
goal "Find."
models { fast = "fake/small" }
budget { message = 3 calls }
can use orders.find
start state look {
  call orders.find(order: question) { done(o) {} failed(w) -> nothing }
  write answer using fast from question "Find it."
  done answer
}
anywhere { on failed why -> nothing  on over_budget -> nothing }
state nothing { done "nothing" }
"#;

enum Outside {
    Say(&'static str, &'static str),
    Wait(u64),
}

const SCRIPT: &[Outside] = &[
    Outside::Say("7", "go"),
    Outside::Say("1", "hm"),
    Outside::Say("1", "yes"),
    Outside::Say("21", "yes it is"),
    Outside::Say("1", "no"),
    Outside::Wait(2 * 3_600_000 + 60_000),
    Outside::Say("7", "again"),
    Outside::Wait(3_600_000 + 60_000),
];

fn world(store: Arc<dyn Store>) -> World {
    let mut world = World::new(crate::crash::LONG, |request, _| {
        let newest = newest(request);
        match newest.as_str() {
            newest if newest.contains("Find it.") => says("behind the door"),
            newest if newest.contains("result: ") => says(newest),
            _ => calls("c1", "post_send", r#"{"text":"x"}"#),
        }
    });
    world.programs = agents(&[DESK, FINDER]);
    world.people =
        vec![Person { name: "ben".into(), identities: vec![("telegram".into(), "21".into())], tool: None }];
    world.store = store;
    world
}

#[derive(Debug, Clone, PartialEq)]
struct Trace {
    person: Vec<String>,
    owner: Vec<String>,
    ben: Vec<String>,
    sessions: Vec<(String, String, Vec<JournalRecord>)>,
    posts: usize,
    open: usize,
    questions: usize,
    work: Vec<String>,
    timers: i64,
}

struct Run {
    trace: Trace,
    calls: u64,
    died: bool,
}

fn life<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn run(crash_at: u64, mode: CrashMode) -> Run {
    let memory = MemoryStore::default();
    let crashing = Arc::new(CrashingStore::new(memory.clone(), crash_at, mode));
    let mut world = world(crashing.clone());
    let mut at = 0;
    let finished = life(async {
        tokio::select! {
            () = crashing.died() => false,
            () = drive(&world, &mut at) => true,
        }
    });
    let (calls, died) = (crashing.calls(), crashing.is_dead());
    world.store = Arc::new(memory.clone());
    if !finished {
        life(drive(&world, &mut at));
    }
    Run { trace: life(trace(&world, &memory)), calls, died }
}

async fn drive(world: &World, at: &mut usize) {
    let handle = world.start().await;
    quiet(&handle).await;
    while let Some(next) = SCRIPT.get(*at) {
        match next {
            Outside::Say(from, text) => {
                let batch = vec![message(*at, from, text)];
                handle.sink().deliver("telegram", batch, Some(at.to_string())).await.unwrap();
                *at += 1;
            }
            Outside::Wait(ms) => {
                *at += 1;
                world.clock.advance(*ms);
            }
        }
        quiet(&handle).await;
    }
}

async fn quiet(handle: &blufio_agent::Handle) {
    for _ in 0..4 {
        for _ in 0..80 {
            tokio::task::yield_now().await;
        }
        handle.quiet().await;
    }
}

async fn trace(world: &World, memory: &MemoryStore) -> Trace {
    let mut rows = memory.sessions(true, 100).await.unwrap();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let mut sessions = Vec::new();
    for row in rows {
        let journal = memory.journal(row.id, 0, 10_000).await.unwrap();
        let program = &world.programs.iter().find(|known| known.program.name == row.agent).unwrap().program;
        let rebuilt = replayed(program, &journal);
        let stored = Envelope::decode(&row.state).unwrap().machine;
        assert_eq!(rebuilt.encode(), stored, "{}: the journal rebuilds the state", row.key);
        let status = format!("{}:{:?}", row.state_name, row.status);
        sessions.push((row.key, status, journal.into_iter().map(|row| row.record).collect()));
    }
    let outbox = memory.outbox(None, 1_000).await.unwrap();
    let posts = world.tools.calls.lock().unwrap().iter().filter(|call| call.tool == "post.send").count();
    Trace {
        person: world.texts("7"),
        owner: world.texts("1"),
        ben: world.texts("21"),
        sessions,
        posts,
        open: outbox.iter().filter(|row| row.state != OutboxState::Sent).count(),
        questions: memory.questions().await.unwrap().len(),
        work: memory.keys_with_work().await.unwrap(),
        timers: memory.totals().await.unwrap().timers,
    }
}

#[test]
fn a_crash_anywhere_in_what_programs_ask_for_changes_nothing_that_anybody_sees() {
    let whole = run(u64::MAX, CrashMode::BeforeApply);
    assert_eq!(
        whole.trace.person,
        [
            "2 found",
            "found behind the door",
            "Ben says yes it is",
            "1 known",
            "error result: not approved",
            "now: tea",
            "2 found",
        ]
    );
    assert_eq!(
        whole.trace.owner,
        [
            "Shall I?\n(yes or no)",
            "Please answer yes or no.",
            "May I call post.send?\n{\"text\":\"x\"}\n(yes or no)",
            "Shall I?\n(yes or no)\n(too late)",
        ]
    );
    assert_eq!(
        (whole.trace.posts, whole.trace.open, whole.trace.questions, whole.trace.timers),
        (0, 0, 0, 0)
    );
    assert_eq!(whole.trace.work, [""; 0]);
    assert_eq!(whole.trace.ben, ["Is it true?"]);
    for at in 1..=whole.calls {
        for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
            let crashed = run(at, mode);
            assert!(crashed.died, "crash point {at} was reached");
            assert_eq!(crashed.trace.person, whole.trace.person, "crash point {at}, {mode:?}");
            assert_eq!(crashed.trace.owner, whole.trace.owner, "crash point {at}, {mode:?}");
            assert_eq!(crashed.trace, whole.trace, "crash point {at}, {mode:?}");
        }
    }
    println!("{} crash points", whole.calls * 2);
}
