// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exhaustive crash test: a conversation of more than 40 journal records is run once undisturbed and then once per
//! changing store call and crash mode, with a restart on what was stored. What people and tools saw must be the same,
//! and so must every journal record.

use std::sync::Arc;

use blufio_agent::Envelope;
use blufio_core::clock::Clock as _;
use blufio_core::model::ModelRequest;
use blufio_core::store::{JournalRecord, OutboxState, Store};
use blufio_core::testing::{CrashMode, CrashingStore, MemoryStore};

use crate::world::{Answer, World, calls, lines, message, newest, replayed, says};

pub const LONG: &str = r#"agent long v1
goal "Help."
models { fast = "fake/small" }
budget { message = 20 calls }
can use time.now, post.send
context { dynamic history last 12 messages max 8000 tokens }
type Wish = chat | poem | later | quit
keep { asked: message?, count: int = 0 }
start state idle { on message m { asked = m  count = count + 1 -> route } }
state route {
  pick Wish using fast from asked retry 1 "Which?" {
    chat -> think
    poem -> compose
    later { reply "Later then." -> waiting }
    quit { reply "Bye after {count}."  done }
  }
}
state think max 10 per event else idle {
  turn stream using fast with history {
    says(text) { reply text -> idle }
    calls(tools) { run tools -> think }
    refuses(why) { reply "No: {why}" -> idle }
  }
  on message join
}
state compose {
  write text using fast from asked "Write."
  send owner "A poem was written."
  reply text -> idle
}
state waiting { after 10m { reply "It is later." -> idle } }
anywhere {
  on message hold
  on failed why { reply "Failed: {why.kind}" -> idle }
  on uncertain { reply "Please check." -> idle }
}
"#;

/// What happens from outside.
enum Outside {
    Say(&'static [&'static str]),
    Wait(u64),
}

const SCRIPT: &[Outside] = &[
    Outside::Say(&["hello"]),
    Outside::Say(&["what time is it", "and what day"]),
    Outside::Say(&["a poem"]),
    Outside::Say(&["post it"]),
    Outside::Say(&["later", "held meanwhile"]),
    Outside::Wait(11 * 60_000),
    Outside::Say(&["oddly put"]),
    Outside::Say(&["quit", "again from the start"]),
];

/// Answers by what is asked alone, so that a repeated call gets the same answer.
fn model(request: &ModelRequest, _: usize) -> Answer {
    let asked = lines(request).remove(0);
    let newest = newest(request);
    if request.output_schema.is_some() {
        let wish = match asked.as_str() {
            asked if asked.contains("oddly") && request.turns.len() == 1 => "???",
            asked if asked.contains("poem") => "poem",
            asked if asked.contains("later") => "later",
            asked if asked.contains("quit") => "quit",
            _ => "chat",
        };
        return says(&format!(r#"{{"choice":"{wish}"}}"#));
    }
    match newest.as_str() {
        newest if newest.contains("Write.") => says("Roses are red"),
        newest if newest.contains("what time") => {
            calls(&format!("t{}", request.turns.len()), "time_now", "{}")
        }
        newest if newest.contains("post it") => calls("p1", "post_send", r#"{"text":"x"}"#),
        newest => says(&format!("You said: {newest}")),
    }
}

/// Everything that must be the same.
#[derive(Debug, Clone, PartialEq)]
struct Trace {
    person: Vec<String>,
    owner: Vec<String>,
    posts: usize,
    requests: Vec<Vec<String>>,
    journal: Vec<Vec<JournalRecord>>,
    states: Vec<String>,
    mail: usize,
    open: usize,
    uncertain: usize,
}

struct Run {
    trace: Trace,
    calls: u64,
    died: bool,
    /// When it died, a call that must not be repeated had begun as far as anybody can know.
    in_doubt: bool,
}

fn run(crash_at: u64, mode: CrashMode, edits: bool) -> Run {
    let memory = MemoryStore::default();
    run_on(|| memory.clone(), crash_at, mode, edits)
}

/// `open` opens what is stored: once for the life that crashes, once for the one after it.
fn run_on<S: Store + 'static>(open: impl Fn() -> S, crash_at: u64, mode: CrashMode, edits: bool) -> Run {
    let crashing = Arc::new(CrashingStore::new(open(), crash_at, mode));
    let mut world = World::new(LONG, model);
    if !edits {
        world = world.plain_channel();
    }
    let (mut at, mut in_doubt) = (0, false);
    world.store = crashing.clone();
    let finished = life(async {
        tokio::select! {
            () = crashing.died() => false,
            () = drive(&world, &mut at) => true,
        }
    });
    let (calls, died) = (crashing.calls(), crashing.is_dead());
    // The process is gone: the store is dropped as it stands, without being closed, and opened again.
    world.store = Arc::new(MemoryStore::default());
    drop(crashing);
    let store: Arc<dyn Store> = Arc::new(open());
    world.store = Arc::clone(&store);
    if !finished {
        in_doubt = life(is_in_doubt(&*store));
        life(drive(&world, &mut at));
    }
    life(journals_rebuild_the_states(&*store, &world));
    Run { trace: life(trace(&world, &*store)), calls, died, in_doubt }
}

/// The stored state and the journal are the same truth: the one is rebuilt from the other.
async fn journals_rebuild_the_states(store: &dyn Store, world: &World) {
    for session in store.sessions(true, 100).await.unwrap() {
        let journal = store.journal(session.id, 0, 10_000).await.unwrap();
        let rebuilt = replayed(&world.programs[0].program, &journal);
        assert_eq!(
            rebuilt.encode(),
            Envelope::decode(&session.state).unwrap().machine,
            "session {}",
            session.id
        );
    }
}

/// One life of the process: dropping the executor ends every task where it stands.
fn life<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn drive(world: &World, at: &mut usize) {
    let handle = world.start().await;
    quiet(world, &handle).await;
    while let Some(next) = SCRIPT.get(*at) {
        match next {
            // Not acknowledged, it is delivered again by the channel.
            Outside::Say(texts) => {
                let batch =
                    texts.iter().enumerate().map(|(n, text)| message(*at * 10 + n, "7", text)).collect();
                handle.sink().deliver("telegram", batch, Some(at.to_string())).await.unwrap();
                *at += 1;
            }
            Outside::Wait(ms) => {
                *at += 1;
                world.clock.advance(*ms);
            }
        }
        quiet(world, &handle).await;
    }
}

async fn quiet(world: &World, handle: &blufio_agent::Handle) {
    for _ in 0..3 {
        for _ in 0..60 {
            tokio::task::yield_now().await;
        }
        handle.quiet().await;
    }
    // A store with threads answers later than any number of yields: a deadline that is due is still to be taken.
    while world.store.next_timer_ms().await.unwrap().is_some_and(|due| due <= world.clock.now_ms()) {
        tokio::task::yield_now().await;
        handle.quiet().await;
    }
}

/// The newest record about effects is the intent of a `run` with a call that must not be repeated.
async fn is_in_doubt(store: &dyn Store) -> bool {
    for session in store.sessions(true, 100).await.unwrap() {
        let journal = store.journal(session.id, 0, 10_000).await.unwrap();
        let last =
            journal.iter().rev().find(|row| row.record.kind == "intent" || row.record.kind == "result");
        if last.is_some_and(|row| row.record.kind == "intent" && row.record.body.contains("post.send")) {
            return true;
        }
    }
    false
}

/// A record without the row of its message: a message that is delivered twice may use up a number. Which message it is
/// stands in its `source_id`.
fn without_row(record: JournalRecord) -> JournalRecord {
    let mut body: serde_json::Value = serde_json::from_str(&record.body).unwrap();
    if body.get("inbound").is_some() {
        body.as_object_mut().unwrap().remove("message");
    }
    JournalRecord { body: body.to_string(), ..record }
}

async fn trace(world: &World, store: &dyn Store) -> Trace {
    let mut sessions = store.sessions(true, 100).await.unwrap();
    sessions.sort_by_key(|session| session.id);
    let mut journal = Vec::new();
    for session in &sessions {
        let rows = store.journal(session.id, 0, 10_000).await.unwrap();
        journal.push(rows.into_iter().map(|row| without_row(row.record)).collect());
    }
    // A call that was interrupted is made again: the same request, byte for byte.
    let mut requests: Vec<ModelRequest> = Vec::new();
    for request in world.requests() {
        if !requests.contains(&request) {
            requests.push(request);
        }
    }
    let posts = world.tools.calls.lock().unwrap().iter().filter(|call| call.tool == "post.send").count();
    let open = store.outbox(None, 1_000).await.unwrap();
    Trace {
        person: world.texts("7"),
        owner: world.texts("1"),
        posts,
        requests: requests.iter().map(lines).collect(),
        journal,
        states: sessions.into_iter().map(|s| format!("{}:{}:{:?}", s.key, s.state_name, s.status)).collect(),
        mail: store.mail("long/telegram:7", 100).await.unwrap().len(),
        open: open
            .iter()
            .filter(|row| !matches!(row.state, OutboxState::Sent | OutboxState::Uncertain))
            .count(),
        uncertain: open.iter().filter(|row| row.state == OutboxState::Uncertain).count(),
    }
}

#[test]
fn a_crash_at_any_store_call_changes_nothing_that_anybody_sees() {
    let (missed, doubtful, _) = crash_everywhere(|at, mode| run(at, mode, true));
    assert_eq!(missed, 0, "every crash point was reached");
    assert!(doubtful > 0, "some crash points fall into the call");
}

/// The same on the real store: files, threads, and a database that is opened again after each crash. Commits are not
/// synced, because a process that dies takes nothing from the file; power cuts are the store's own tests.
#[test]
fn a_crash_at_any_call_of_the_sqlite_store_changes_nothing_that_anybody_sees() {
    let (missed, _, points) = crash_everywhere(|at, mode| {
        let folder = tempfile::tempdir().unwrap();
        let options = blufio_persist::Options { unsafe_normal_sync: true, ..Default::default() };
        run_on(|| blufio_persist::SqliteStore::open(folder.path(), &options).unwrap(), at, mode, true)
    });
    // Whether a placeholder is placed before its text is there depends on threads, and with it how many calls there
    // are, and whether one of them falls into the call that must not be repeated; a run that ends before its crash point must be like the whole one.
    assert!(missed * 10 <= points, "{missed} of {points} crash points were not reached");
}

/// Gives how many crash points were not reached, how many fell into the call, and how many there were.
fn crash_everywhere(run: impl Fn(u64, CrashMode) -> Run) -> (u64, u64, u64) {
    let whole = run(u64::MAX, CrashMode::BeforeApply);
    let records: usize = whole.trace.journal.iter().map(Vec::len).sum();
    assert!(records >= 40, "{records} records");
    assert_eq!(whole.trace.posts, 1);
    assert_eq!(whole.trace.mail + whole.trace.open, 0);
    assert_eq!(
        whole.trace.person,
        [
            "You said: hello",
            "You said: and what day",
            "Roses are red",
            "You said: result: posted",
            "Later then.",
            "It is later.",
            "You said: held meanwhile",
            "You said: oddly put",
            "Bye after 8.",
            "You said: again from the start",
        ]
    );
    let (mut doubtful, mut missed) = (0, 0);
    for at in 1..=whole.calls {
        for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
            let crashed = run(at, mode);
            missed += u64::from(!crashed.died);
            if !crashed.in_doubt {
                assert_eq!(crashed.trace.person, whole.trace.person, "crash point {at}, {mode:?}");
                assert_eq!(crashed.trace.requests, whole.trace.requests, "crash point {at}, {mode:?}");
                assert_eq!(crashed.trace.journal, whole.trace.journal, "crash point {at}, {mode:?}");
                assert_eq!(crashed.trace, whole.trace, "crash point {at}, {mode:?}");
                continue;
            }
            // The call may have happened or not; it is not repeated, and the program is told.
            doubtful += 1;
            assert!(crashed.trace.posts <= 1, "crash point {at}, {mode:?}: never twice");
            let mut expected = whole.trace.person.clone();
            expected[3] = "Please check.".into();
            assert_eq!(crashed.trace.person, expected, "crash point {at}, {mode:?}");
            assert_eq!(crashed.trace.states, whole.trace.states);
            assert_eq!(crashed.trace.mail + crashed.trace.open, 0);
        }
    }
    println!("{} crash points, {records} journal records, {doubtful} in doubt", whole.calls * 2);
    (missed, doubtful, whole.calls * 2)
}

/// Where messages cannot be edited, a crash between a send and its record leaves it open whether it arrived. Nothing
/// is sent twice, what may be missing is marked as uncertain, and the owner is told.
#[test]
fn without_edits_nothing_is_sent_twice_and_what_may_be_missing_is_said() {
    let whole = run(u64::MAX, CrashMode::BeforeApply, false);
    assert_eq!(whole.trace.uncertain, 0);
    let mut doubtful = 0;
    for at in 1..=whole.calls {
        for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
            let crashed = run(at, mode, false);
            if crashed.in_doubt {
                continue;
            }
            let seen = &crashed.trace.person;
            let expected = &whole.trace.person;
            let missing = expected.iter().filter(|text| !seen.contains(text)).count();
            let told =
                crashed.trace.owner.iter().filter(|text| text.contains("may not have arrived")).count();
            let mut kept = expected.clone();
            kept.retain(|text| seen.contains(text));
            assert_eq!(*seen, kept, "crash point {at}, {mode:?}: in order, nothing twice");
            let poems = whole.trace.owner.iter().filter(|text| !crashed.trace.owner.contains(text)).count();
            assert!(
                missing + poems <= crashed.trace.uncertain,
                "crash point {at}, {mode:?}: {:?}",
                crashed.trace
            );
            assert_eq!(told, crashed.trace.uncertain, "crash point {at}, {mode:?}: the owner is told once");
            assert!(crashed.trace.uncertain <= 1 && crashed.trace.open == 0, "crash point {at}, {mode:?}");
            doubtful += crashed.trace.uncertain;
        }
    }
    assert!(doubtful > 0, "some crash points fall into a send");
}
