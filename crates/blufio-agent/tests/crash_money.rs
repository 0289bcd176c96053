// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exhaustive crash test of what costs money: summaries, heartbeats and the ledger. A run undisturbed, then once per
//! changing store call and crash mode, with a restart on what was stored. People see the same, and each attempt is in
//! the ledger once: settled, or charged as it was reserved because its process died.

use std::sync::Arc;

use blufio_agent::Envelope;
use blufio_agent::caps::Period;
use blufio_core::clock::Clock as _;
use blufio_core::model::ModelRequest;
use blufio_core::store::{LedgerRow, OPEN, OutboxState, Store};
use blufio_core::testing::{CrashMode, CrashingStore, MemoryStore};

use crate::world::{Answer, TOMORROW_MS, World, lines, message, newest, replayed, says};

const KEEPER: &str = r#"agent keeper v1
goal "Keep the shop."
models { fast = "fake/small"  smart = "fake/large" }
budget { message = 3 calls, 0.2 usd  heartbeat = 1 calls, 0.1 usd  day = 2 usd  month = 20 usd }
can use orders.find
context { dynamic history last 4 messages max 8000 tokens then summarize using fast }
start state idle {
  on message m -> speak
  every 5m when changed [orders.find(order: "7")] -> sweep
}
state speak max 3 per event else idle {
  turn stream using smart with history { says(t) { reply t -> idle } refuses(w) -> idle calls(c) { run c -> speak } }
}
state sweep {
  told = write using fast with history "The orders changed. Say what matters."
  send owner told -> idle
}
anywhere {
  on message hold
  on failed why { reply "failed" -> idle }
  on uncertain { reply "uncertain" -> idle }
  on over_budget { reply "too dear" -> idle }
}
"#;
const MESSAGE_USD_MICROS: i64 = 200_000;
const HEARTBEAT_USD_MICROS: i64 = 100_000;
const DAY_USD_MICROS: i64 = 2_000_000;
const PERIOD_MS: u64 = 5 * 60_000;
const FINGERPRINT: &str = "schedule/keeper/0/fingerprint";

/// What happens from outside.
enum Outside {
    Say(&'static str),
    /// The orders look like this from now on.
    Orders(&'static str),
    /// The next slot comes. One that falls into a crash is not made up for; the next one sees the change.
    Slot,
}

const SCRIPT: &[Outside] = &[
    Outside::Orders("paid"),
    Outside::Say("one"),
    Outside::Slot,
    Outside::Say("two"),
    Outside::Slot,
    Outside::Say("three"),
    Outside::Say("four"),
    Outside::Orders("refunded"),
    Outside::Slot,
    Outside::Slot,
    Outside::Say("five"),
];

fn is_summary(request: &ModelRequest) -> bool {
    request.system[0].starts_with("You keep the notes")
}

/// Answers by what is asked alone, so that a repeated call gets the same answer.
fn model(request: &ModelRequest, _: usize) -> Answer {
    match newest(request).as_str() {
        _ if is_summary(request) => says("They counted."),
        asked if asked.contains("orders changed") => says("News."),
        asked => says(&format!("You said: {asked}")),
    }
}

/// What must be the same.
#[derive(Debug, Clone, PartialEq)]
struct Trace {
    person: Vec<String>,
    owner: Vec<String>,
    /// Key, state and status, and every record of the journal without numbers of rows and slots.
    sessions: Vec<(String, String, Vec<String>)>,
    requests: Vec<Vec<String>>,
    open: usize,
    work: Vec<String>,
}

struct Run {
    trace: Trace,
    calls: u64,
    died: bool,
    books: Books,
}

/// The ledger, balanced.
struct Books {
    /// Session, purpose and cost of the attempts that were settled, in order of these.
    settled: Vec<(Option<i64>, String, Option<i64>)>,
    /// Attempts that nobody settled: their process died.
    lost: usize,
}

/// How far the script got.
#[derive(Default)]
struct Progress {
    at: usize,
    /// The fingerprint from before the orders changed last.
    fingerprint: Option<String>,
}

/// One life of the process: dropping the executor ends every task where it stands.
fn life<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// `open` opens what is stored: once for the life that crashes, once for the one after it.
fn run_on<S: Store + 'static>(open: impl Fn() -> S, crash_at: u64, mode: CrashMode) -> Run {
    let crashing = Arc::new(CrashingStore::new(open(), crash_at, mode));
    let mut world = World::new(KEEPER, model);
    world.price = Arc::new(|_, _, usage| {
        Some((usage.input_tokens + usage.cache_write_tokens + 10 * usage.output_tokens) as i64)
    });
    world.store = crashing.clone();
    let mut progress = Progress::default();
    let finished = life(async {
        tokio::select! {
            () = crashing.died() => false,
            () = drive(&world, &mut progress) => true,
        }
    });
    let (calls, died) = (crashing.calls(), crashing.is_dead());
    // The process is gone: the store is dropped as it stands, without being closed, and opened again.
    world.store = Arc::new(MemoryStore::default());
    drop(crashing);
    world.store = Arc::new(open());
    if !finished {
        life(drive(&world, &mut progress));
    }
    life(async { Run { trace: trace(&world).await, calls, died, books: balanced(&world).await } })
}

async fn drive(world: &World, progress: &mut Progress) {
    let handle = world.start().await;
    quiet(world, &handle).await;
    while let Some(next) = SCRIPT.get(progress.at) {
        match next {
            // Not acknowledged, it is delivered again by the channel.
            Outside::Say(text) => {
                let batch = vec![message(progress.at, "7", text)];
                handle.sink().deliver("telegram", batch, Some(progress.at.to_string())).await.unwrap();
                progress.at += 1;
            }
            Outside::Orders(status) => {
                progress.fingerprint = world.store.setting(FINGERPRINT).await.unwrap();
                progress.at += 1;
                let mut orders = world.tools.orders.lock().unwrap();
                orders.clear();
                orders.extend(vec![Ok(format!(r#"{{"id":"7","status":"{status}"}}"#)); 20]);
            }
            Outside::Slot => {
                progress.at += 1;
                slot(world, progress).await;
            }
        }
        quiet(world, &handle).await;
    }
}

/// Goes to the next slot and until it was looked at, and what changed is in the mailbox.
async fn slot(world: &World, progress: &Progress) {
    let looks = world.tools.calls.lock().unwrap().len();
    world.clock.advance(PERIOD_MS);
    world.until("the slot is looked at", |w| w.tools.calls.lock().unwrap().len() > looks).await;
    for _ in 0..100_000 {
        if world.store.setting(FINGERPRINT).await.unwrap() != progress.fingerprint {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the change was not seen");
}

async fn quiet(world: &World, handle: &blufio_agent::Handle) {
    for _ in 0..3 {
        for _ in 0..60 {
            tokio::task::yield_now().await;
        }
        handle.quiet().await;
    }
    // A store with threads answers later than any number of yields.
    while !world.store.keys_with_work().await.unwrap().is_empty()
        || !world.store.outbox_open(1).await.unwrap().is_empty()
    {
        tokio::task::yield_now().await;
        handle.quiet().await;
    }
}

/// A record without numbers of rows, and without the moment of a slot: one that fell into a crash is not made up for.
fn without_numbers(kind: &str, body: &str) -> String {
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    if let Some(inbound) = body.get_mut("inbound").and_then(|inbound| inbound.as_object_mut()) {
        if inbound["source_id"].as_str().unwrap().starts_with("every/") {
            inbound.remove("source_id");
            inbound.remove("sent_ms");
        }
        body.as_object_mut().unwrap().remove("message");
    }
    format!("{kind} {body}")
}

async fn trace(world: &World) -> Trace {
    let store = &world.store;
    let mut rows = store.sessions(true, 100).await.unwrap();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let mut sessions = Vec::new();
    for row in rows {
        let journal = store.journal(row.id, 0, 10_000).await.unwrap();
        let rebuilt = replayed(&world.programs[0].program, &journal);
        let stored = Envelope::decode(&row.state).unwrap().machine;
        assert_eq!(rebuilt.encode(), stored, "{}: the journal rebuilds the state", row.key);
        let records = journal.iter().map(|row| without_numbers(&row.record.kind, &row.record.body)).collect();
        sessions.push((row.key, format!("{}:{:?}", row.state_name, row.status), records));
    }
    // A call that was interrupted is made again: the same request, byte for byte.
    let mut requests: Vec<ModelRequest> = Vec::new();
    for request in world.requests() {
        if !requests.contains(&request) {
            requests.push(request);
        }
    }
    // A slot that is missed comes later, so that only the order within each session is the same.
    requests.sort_by_key(|request| (request.model.clone(), is_summary(request)));
    let outbox = store.outbox(None, 1_000).await.unwrap();
    Trace {
        person: world.texts("7"),
        owner: world.texts("1"),
        sessions,
        requests: requests.iter().map(lines).collect(),
        open: outbox.iter().filter(|row| row.state != OutboxState::Sent).count(),
        work: store.keys_with_work().await.unwrap(),
    }
}

/// What is charged to all events together; each stays below its cap.
async fn charged_to_events(store: &dyn Store) -> i64 {
    let mut sum = 0;
    for (key, most_usd_micros) in
        [("keeper/telegram:7", MESSAGE_USD_MICROS), ("keeper/own", HEARTBEAT_USD_MICROS)]
    {
        // A session is told apart by the mail that opened it, an event by its number.
        for (mail, event) in (0..20).flat_map(|mail| (0..20).map(move |event| (mail, event))) {
            let spent = store.spent(&format!("{key}/{mail}/usd/event"), event).await.unwrap();
            assert!(spent <= most_usd_micros, "{key}, event {event}: {spent}");
            sum += spent;
        }
    }
    sum
}

/// The sums of the caps are those of the ledger, and each attempt is in it once.
async fn balanced(world: &World) -> Books {
    let ledger = world.store.ledger(None, 10_000).await.unwrap();
    let charged: i64 = ledger.iter().map(|row| row.usd_micros.unwrap()).sum();
    let (until_day, until_month) = (TOMORROW_MS, Period::Month.end(world.clock.now_ms()));
    let day = world.store.spent("keeper/usd/day", until_day).await.unwrap();
    let month = world.store.spent("keeper/usd/month", until_month).await.unwrap();
    let events = charged_to_events(&*world.store).await;
    assert_eq!([day, month, events], [charged; 3], "day, month and events are charged what the ledger has");
    assert!(0 < charged && charged <= DAY_USD_MICROS);
    let (lost, settled): (Vec<LedgerRow>, Vec<LedgerRow>) =
        ledger.into_iter().partition(|row| row.outcome == OPEN);
    assert!(settled.iter().all(|row| row.outcome == "ok" && row.usage_known), "{settled:?}");
    // What the provider was asked is settled, or lost; one may be announced and not sent.
    let (asked, rows) = (world.requests().len(), settled.len() + lost.len());
    assert!(asked == rows || (asked + 1 == rows && lost.len() == 1), "{asked} asked, {rows} rows");
    let mut settled: Vec<_> =
        settled.into_iter().map(|row| (row.session, row.purpose, row.usd_micros)).collect();
    settled.sort();
    Books { settled, lost: lost.len() }
}

/// Gives how many crash points were not reached, and how many there were.
fn crash_everywhere(every: usize, run: impl Fn(u64, CrashMode) -> Run) -> (u64, u64) {
    let whole = run(u64::MAX, CrashMode::BeforeApply);
    let said = ["one", "two", "three", "four", "five"].map(|text| format!("You said: {text}"));
    assert_eq!(whole.trace.person, said);
    assert_eq!(whole.trace.owner, ["News.", "News."]);
    assert_eq!((whole.trace.open, whole.trace.work.len(), whole.books.lost), (0, 0, 0));
    let summaries = whole.books.settled.iter().filter(|(_, purpose, _)| purpose == "summary").count();
    assert!(summaries >= 1 && whole.books.settled.len() == 7 + summaries, "{:?}", whole.books.settled);
    let (mut points, mut missed, mut lost, mut repeated) = (0, 0, 0, 0);
    for at in (1..=whole.calls).step_by(every) {
        for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
            let crashed = run(at, mode);
            points += 1;
            missed += u64::from(!crashed.died);
            assert_eq!(crashed.trace.person, whole.trace.person, "crash point {at}, {mode:?}");
            assert_eq!(crashed.trace.owner, whole.trace.owner, "crash point {at}, {mode:?}");
            assert_eq!(crashed.trace.requests, whole.trace.requests, "crash point {at}, {mode:?}");
            assert_eq!(crashed.trace, whole.trace, "crash point {at}, {mode:?}");
            // A summary that was paid before the call that it was for is made again with it; nothing else is.
            let mut again = crashed.books.settled.clone();
            for row in &whole.books.settled {
                let known = again.iter().position(|other| other == row);
                again.remove(known.unwrap_or_else(|| panic!("crash point {at}, {mode:?}: {row:?}")));
            }
            assert!(
                again.len() <= 1 && again.iter().all(|(_, purpose, _)| purpose == "summary"),
                "{again:?}"
            );
            assert!(crashed.books.lost <= usize::from(crashed.died), "crash point {at}, {mode:?}");
            lost += crashed.books.lost;
            repeated += again.len();
        }
    }
    assert!(lost > 0, "some crash points fall into an attempt");
    println!("{points} crash points, {lost} attempts lost, {repeated} summaries paid twice");
    (missed, points)
}

#[test]
fn a_crash_at_any_store_call_pays_for_each_attempt_once() {
    let (missed, _) = crash_everywhere(1, |at, mode| {
        let memory = MemoryStore::default();
        run_on(|| memory.clone(), at, mode)
    });
    assert_eq!(missed, 0, "every crash point was reached");
}

/// The same on files and threads. Commits are not synced, because a process that dies takes nothing from the file.
#[test]
fn a_crash_at_any_call_of_the_sqlite_store_pays_for_each_attempt_once() {
    let (missed, points) = crash_everywhere(1, |at, mode| {
        let folder = tempfile::tempdir().unwrap();
        let options = blufio_persist::Options { unsafe_normal_sync: true, ..Default::default() };
        run_on(|| blufio_persist::SqliteStore::open(folder.path(), &options).unwrap(), at, mode)
    });
    // Whether a placeholder is placed before its text is there depends on threads, and with it how many calls there
    // are; a run that ends before its crash point must be like the whole one.
    assert!(missed * 10 <= points, "{missed} of {points} crash points were not reached");
}
