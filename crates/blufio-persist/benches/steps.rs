// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a durable step costs: against a bare `fdatasync` of the same disk, with many sessions, late in a long session,
//! in bytes, and after a crash. Prints `name value unit goal verdict` lines; a folder on the disk to be measured may
//! be given as `BLUFIO_BENCH_DIR`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use blufio_core::message::Address;
use blufio_core::model::{Block, Role, Turn};
use blufio_core::store::{Committed, JournalRecord, SessionStatus, StepCommit, StepExtra, Store};
use blufio_persist::{Options, SqliteStore};
use tempfile::TempDir;

/// Rounds of each comparison; the median counts.
const ROUNDS: usize = 5;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    println!("# sqlite {}, folder {}", rusqlite::version(), folder().path().display());
    // Names of parts on the command line run those alone; cargo itself passes `--bench`.
    let wanted: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    runtime.block_on(async {
        if runs("one_session") {
            one_session().await;
        }
        if runs("many_sessions") {
            many_sessions(256).await;
        }
        if runs("late_steps") {
            late_steps().await;
        }
        if runs("stored_bytes") {
            stored_bytes(1).await;
            stored_bytes(50).await;
        }
        if runs("restart") {
            restart(10_000).await;
        }
    });
}

fn folder() -> TempDir {
    match std::env::var_os("BLUFIO_BENCH_DIR") {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, &Options::default()).unwrap()
}

enum Goal {
    None,
    AtMost(f64),
}

fn report(name: &str, value: f64, unit: &str, goal: &Goal) {
    match goal {
        Goal::None => println!("{name} {value:.3} {unit} - -"),
        Goal::AtMost(most) => {
            println!("{name} {value:.3} {unit} <={most} {}", if value <= *most { "ok" } else { "missed" });
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

const STATE_BYTES: usize = 400;
const RECORD_BYTES: usize = 150;
const TURN_BYTES: usize = 300;
/// What a step is asked to keep: the state (in place of the last one), two records, one turn.
const PAYLOAD_BYTES: usize = STATE_BYTES + 2 * RECORD_BYTES + TURN_BYTES;

/// The step of an agent that took one result and asks for the next effect.
fn step(key: &str, last: Option<&Committed>) -> StepCommit {
    let number = last.map_or(0, |last| last.step);
    let record =
        |kind: &str| JournalRecord { kind: kind.into(), body: "j".repeat(RECORD_BYTES - kind.len()) };
    let blocks = vec![Block::Text { text: "t".repeat(TURN_BYTES) }];
    StepCommit {
        session: last.map(|last| last.session),
        key: key.into(),
        agent: "support".into(),
        expected_step: number,
        program: [7; 32],
        state: vec![number as u8; STATE_BYTES],
        state_name: "answering".into(),
        status: SessionStatus::Live,
        pending: true,
        address: Some(Address { channel: "telegram".into(), chat: "2222".into(), thread: None }),
        history_start: 0,
        consumed: Vec::new(),
        joined: Vec::new(),
        journal: vec![record("result"), record("intent")],
        transcript: vec![(Turn { role: Role::User, blocks, raw: None }, 75)],
        outbox: Vec::new(),
        close_streams: Vec::new(),
        clear_timers: false,
        timers: Vec::new(),
        timers_fired: Vec::new(),
        ledger: Vec::new(),
        extra: StepExtra::default(),
        now_ms: number,
    }
}

async fn steps(
    store: &SqliteStore,
    key: &str,
    mut last: Option<Committed>,
    count: usize,
) -> (Committed, Vec<f64>) {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let commit = step(key, last.as_ref());
        let start = Instant::now();
        last = Some(store.commit(commit).await.unwrap());
        times.push(ms(start.elapsed()));
    }
    (last.unwrap(), times)
}

fn bare_syncs(file: &mut File, count: usize) -> Vec<f64> {
    let append = || {
        let start = Instant::now();
        file.write_all(&[7; 4_096]).unwrap();
        file.sync_data().unwrap();
        ms(start.elapsed())
    };
    std::iter::repeat_with(append).take(count).collect()
}

/// Sessions that a person talks to alone: nothing shares their commits.
async fn one_session() {
    let data = folder();
    let store = open(data.path());
    let mut file = File::create(data.path().join("bare")).unwrap();
    let (mut last, _) = steps(&store, "warm", None, 200).await;
    bare_syncs(&mut file, 200);
    let (mut bare, mut step, mut slow, mut ratio) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let bare_ms = median(&mut bare_syncs(&mut file, 600));
        let (next, mut times) = steps(&store, "warm", Some(last), 600).await;
        last = next;
        let step_ms = median(&mut times);
        bare.push(bare_ms);
        step.push(step_ms);
        slow.push(percentile(&mut times, 99));
        ratio.push(step_ms / bare_ms);
    }
    report("bare_fdatasync_p50", median(&mut bare), "ms", &Goal::None);
    report("step_p50", median(&mut step), "ms", &Goal::None);
    report("step_p99", median(&mut slow), "ms", &Goal::None);
    report("steps_per_second_1_session", 1_000.0 / median(&mut step), "steps/s", &Goal::None);
    report("step_against_fdatasync", median(&mut ratio), "x", &Goal::AtMost(1.25));
}

async fn many_sessions(sessions: usize) {
    let (mut rates, mut slow) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let data = folder();
        let store = open(data.path());
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..sessions {
            let store = store.clone();
            tasks.spawn(async move { steps(&store, &format!("s{at}"), None, 100).await.1 });
        }
        let mut times = tasks.join_all().await.concat();
        rates.push(times.len() as f64 / start.elapsed().as_secs_f64());
        slow.push(percentile(&mut times, 99));
    }
    report(&format!("steps_per_second_{sessions}_sessions"), median(&mut rates), "steps/s", &Goal::None);
    report(&format!("step_p99_{sessions}_sessions"), median(&mut slow), "ms", &Goal::None);
}

/// Step 10 of fresh sessions and a step beyond 5,000 of an old one, by turns.
async fn late_steps() {
    let data = folder();
    let store = open(data.path());
    let (mut old, _) = steps(&store, "old", None, 5_000).await;
    let (mut early, mut late) = (vec![], vec![]);
    for at in 0..300 {
        let key = format!("young{at}");
        let (ninth, _) = steps(&store, &key, None, 9).await;
        early.extend(steps(&store, &key, Some(ninth), 1).await.1);
        let (next, times) = steps(&store, "old", Some(old), 1).await;
        old = next;
        late.extend(times);
    }
    let (early_ms, late_ms) = (median(&mut early), median(&mut late));
    report("step_10_p50", early_ms, "ms", &Goal::None);
    report("step_5000_p50", late_ms, "ms", &Goal::None);
    report("step_5000_against_step_10", late_ms / early_ms, "x", &Goal::AtMost(1.1));
}

/// Growth of the closed file per step, against what the steps were asked to store. The log is apart: SQLite writes it
/// in whole pages and uses its space again, so its size says nothing about what is kept; its bytes are printed too.
async fn stored_bytes(sessions: usize) {
    const STEPS: usize = 4_000;
    let data = folder();
    let file = data.path().join("blufio.db");
    open(data.path()).close().await.unwrap();
    let before = file.metadata().unwrap().len();
    // No checkpoint within the run, so that the log holds every byte that was written.
    let whole_log = Options { checkpoint_pages: Some(1_000_000), ..Options::default() };
    let store = SqliteStore::open(data.path(), &whole_log).unwrap();
    let mut last = vec![None; sessions];
    for at in 0..STEPS {
        // Mixed, so that neighbours in the file belong to different sessions.
        let session = (at * 7_919) % sessions;
        let (next, _) = steps(&store, &format!("s{session}"), last[session].take(), 1).await;
        last[session] = Some(next);
    }
    let written = data.path().join("blufio.db-wal").metadata().unwrap().len() as f64 / STEPS as f64;
    store.close().await.unwrap();
    let stored = (file.metadata().unwrap().len() - before) as f64 / STEPS as f64;
    let kept = PAYLOAD_BYTES - STATE_BYTES;
    report(&format!("payload_per_step_{sessions}_sessions"), PAYLOAD_BYTES as f64, "bytes", &Goal::None);
    report(&format!("stored_per_step_{sessions}_sessions"), stored, "bytes", &Goal::None);
    report(&format!("written_to_log_per_step_{sessions}_sessions"), written, "bytes", &Goal::None);
    report(
        &format!("stored_against_payload_{sessions}_sessions"),
        stored / PAYLOAD_BYTES as f64,
        "x",
        &Goal::AtMost(1.3),
    );
    let name = format!("stored_against_payload_without_state_{sessions}_sessions");
    report(&name, stored / kept as f64, "x", &Goal::None);
}

/// A database with many suspended sessions, copied with its log as a `kill -9` leaves it, opened and all loaded.
async fn restart(sessions: usize) {
    let data = folder();
    let store = open(data.path());
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..sessions {
        let store = store.clone();
        tasks.spawn(async move { steps(&store, &format!("s{at}"), None, 2).await.1.len() });
    }
    assert_eq!(tasks.join_all().await.len(), sessions);
    let (mut opens, mut loads) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let crashed = folder();
        // Another process copies: closing a descriptor of the file here would drop SQLite's locks.
        let mut copy = Command::new("cp");
        copy.arg(data.path().join("blufio.db")).arg(data.path().join("blufio.db-wal")).arg(crashed.path());
        assert!(copy.status().unwrap().success());
        let start = Instant::now();
        let store = open(crashed.path());
        opens.push(ms(start.elapsed()));
        let keys = store.keys_with_work().await.unwrap();
        assert_eq!(keys.len(), sessions);
        for key in &keys {
            let row = store.session(key).await.unwrap().unwrap();
            assert_eq!((row.step, store.transcript(row.id, 0).await.unwrap().len()), (2, 2));
        }
        loads.push(ms(start.elapsed()));
    }
    report(&format!("open_after_kill_{sessions}_sessions"), median(&mut opens), "ms", &Goal::AtMost(100.0));
    report(
        &format!("load_all_after_kill_{sessions}_sessions"),
        median(&mut loads),
        "ms",
        &Goal::AtMost(2_000.0),
    );
    store.close().await.unwrap();
    let start = Instant::now();
    let store = open(data.path());
    report(&format!("open_after_stop_{sessions}_sessions"), ms(start.elapsed()), "ms", &Goal::AtMost(100.0));
    drop(store);
}
