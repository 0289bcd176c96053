// SPDX-License-Identifier: MIT OR Apache-2.0
//! What context costs: tokens and cache reads of the recorded mix, putting a prompt of 200 turns together, streaming an
//! answer, memory of a session at work. Prints one line per figure: name, value, unit, goal, verdict.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/recorded.rs"]
mod recorded;
#[path = "context/streaming.rs"]
mod streaming;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use blufio_agent::{AgentProgram, Handle, Runtime};
use blufio_core::BoxFuture;
use blufio_core::model::{
    Block, ModelDelta, ModelError, ModelProvider, ModelReply, ModelRequest, RawContent, Role, StopReason,
    Turn, Usage,
};
use blufio_core::testing::{ManualClock, MemoryStore};
use blufio_models::anthropic::request;
use blufio_persist::SqliteStore;
use blufio_skills::Builtin;
use recorded::{Call, Player, Recorded, agent, assistant, options, say, sessions};

const TURNS: usize = 200;
const ROUNDS: usize = 41;
const ACTIVE_SESSIONS: usize = 1_000;

/// A history that is never cut.
const LONG: &str = r#"agent long v1
goal "Help."
models { fast = "anthropic/claude-sonnet-5-5" }
budget { message = 1 calls }
context { dynamic history last 1000 messages max 150000 tokens }
start state idle { on message m -> think }
state think max 1 per event else idle {
  turn using fast with history { says(answer) { reply answer -> idle } calls(tools) { run tools -> think } refuses(why) -> idle }
}
anywhere { on message hold  on failed { reply "failed" -> idle } }
"#;

fn figure(name: &str, value: f64, unit: &str, goal: &str, holds: bool) {
    println!("{name:<62} {value:>10.3} {unit:<7} {goal:<10} {}", if holds { "ok" } else { "MISSED" });
}

fn info(name: &str, value: f64, unit: &str) {
    println!("{name:<62} {value:>10.3} {unit}");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(mix());
    runtime.block_on(mix_with_one_model());
    assembly(&runtime);
    streaming::measure(&runtime);
    memory();
}

async fn played(program: AgentProgram, sessions: &[Recorded]) -> Vec<Call> {
    let mut player = Player::start(program).await;
    let mut calls: Vec<Call> = Vec::new();
    for (number, session) in sessions.iter().enumerate() {
        calls.extend(player.play(number, session).await);
    }
    calls
}

/// What other frameworks do: whoever asks, the same model answers. `contrib/peers/bench_cache.sh` is their side.
async fn mix_with_one_model() {
    let sessions = sessions();
    let mut program = agent(&assistant().source.replace("using auto", "using smart"));
    program.static_files = assistant().static_files;
    let calls = played(program, &sessions).await;
    let total = |of: &dyn Fn(&Call) -> u64| calls.iter().map(of).sum::<u64>() as f64;
    let (prompt, read) = (total(&|call| call.prompt_tokens), total(&|call| call.row.usage.cache_read_tokens));
    info("with one model: tokens a call", prompt / calls.len() as f64, "");
    info("with one model: read from the cache / all tokens of prompts", read / prompt, "");
    let readable = total(&|call| call.readable_tokens);
    info("with one model: read / what could be read", read / readable, "");
    let usd = calls.iter().filter_map(|call| call.row.usd_micros).sum::<i64>() as f64 / 1e6;
    info("with one model: the whole mix", usd, "usd");
}

async fn mix() {
    let sessions = sessions();
    let calls = played(assistant(), &sessions).await;
    let messages: usize = sessions.iter().map(|session| session.messages.len()).sum();
    println!("{} sessions, {messages} messages, {} calls of models", sessions.len(), calls.len());
    figure(
        "hello, tokens by o200k",
        calls[0].prompt_tokens as f64,
        "",
        "<= 1500",
        calls[0].prompt_tokens <= 1_500,
    );
    for class in ["simple", "standard", "complex"] {
        let of: Vec<&Call> = calls.iter().filter(|call| sessions[call.session].class == class).collect();
        let mean = of.iter().map(|call| call.prompt_tokens).sum::<u64>() as f64 / of.len() as f64;
        match class {
            "simple" => figure("a call of a simple session, tokens", mean, "", "<= 3000", mean <= 3_000.0),
            _ => info(&format!("a call of a {class} session, tokens"), mean, ""),
        }
    }
    let total = |of: &dyn Fn(&Call) -> u64| calls.iter().map(of).sum::<u64>() as f64;
    let prompt = total(&|call| call.prompt_tokens);
    let mean = prompt / calls.len() as f64;
    figure("a call of the whole mix, tokens", mean, "", "<= 5000", mean <= 5_000.0);
    info("all calls for one message of the mix, tokens", prompt / messages as f64, "");
    let read = total(&|call| call.row.usage.cache_read_tokens);
    let share = read / total(&|call| call.readable_tokens);
    figure("read from the cache / what could be read of these requests", share, "", ">= 0.97", share >= 0.97);
    info("read from the cache / all tokens of prompts", read / prompt, "");
    let usd = calls.iter().filter_map(|call| call.row.usd_micros).sum::<i64>() as f64 / 1e6;
    info("the whole mix", usd, "usd");
    let summaries = calls.iter().filter(|call| call.row.purpose == "summary").count();
    info("epochs begun with a summary", summaries as f64, "");
}

/// A model that is asked as Anthropic is, down to the bytes, and answers at once.
#[derive(Default)]
struct Instantly {
    bytes: AtomicU64,
}

impl ModelProvider for Instantly {
    fn name(&self) -> &str {
        "anthropic"
    }

    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        _: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        self.bytes.store(request::body(request, true).len() as u64, Ordering::Relaxed);
        Box::pin(async {
            let text = "The second offer is cheaper over three years, because its service is included; the first one is better if you sell the machine before. ".repeat(4);
            let json = serde_json::json!([{"type": "text", "text": text}]).to_string();
            let raw = Some(RawContent { provider: "anthropic".into(), json });
            Ok(ModelReply {
                turn: Turn { role: Role::Assistant, blocks: vec![Block::Text { text }], raw },
                stop: StopReason::EndTurn,
                usage: Some(Usage { input_tokens: 100, output_tokens: 10, ..Usage::default() }),
                model: "claude-sonnet-5-5".into(),
                request_id: None,
            })
        })
    }

    fn count_tokens<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async { Ok(1) })
    }
}

const QUESTION: &str = "Which of the two offers is cheaper if we keep the machine for three years, and what changes when we sell it after two? Please count the service, too.";

/// One message of somebody with so many turns of history: milliseconds and allocations.
fn one_message(
    runtime: &tokio::runtime::Runtime,
    handle: &Handle,
    number: usize,
    person: &str,
) -> (f64, u64) {
    let mut ms = 0.0;
    let counted = allocation_counter::measure(|| {
        let begun = Instant::now();
        runtime.block_on(async {
            say(handle, number, person, QUESTION).await;
            handle.quiet().await;
        });
        ms = begun.elapsed().as_secs_f64() * 1e3;
    });
    (ms, counted.count_total)
}

fn assembly(runtime: &tokio::runtime::Runtime) {
    let provider = Arc::new(Instantly::default());
    let clock = Arc::new(ManualClock::new(1_795_255_200_000));
    let store = Arc::new(MemoryStore::default());
    let options = options(agent(LONG), provider.clone(), Arc::new(Builtin), store, clock);
    let handle = runtime.block_on(Runtime::start(options)).unwrap();
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    for _ in 0..TURNS / 2 {
        one_message(runtime, &handle, next(), "long");
    }
    let (mut long, mut short) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        long.push(one_message(runtime, &handle, next(), "long"));
        let fresh = format!("short {round}");
        one_message(runtime, &handle, next(), &fresh);
        short.push(one_message(runtime, &handle, next(), &fresh));
    }
    let bytes = provider.bytes.load(Ordering::Relaxed);
    // The long history grows by two turns a round: the median stands for the middle of them.
    let turns = (TURNS + ROUNDS) as f64;
    let ms = median(long.iter().map(|m| m.0)) - median(short.iter().map(|m| m.0));
    let allocations = median(long.iter().map(|m| m.1 as f64)) - median(short.iter().map(|m| m.1 as f64));
    figure(&format!("{turns:.0} turns more in a message's prompt"), ms, "ms", "<= 2", ms <= 2.0);
    let each = allocations / turns;
    figure("allocations for each block that is kept", each, "", "<= 1", each <= 1.0);
    info("a whole message with them, milliseconds", median(long.iter().map(|m| m.0)), "ms");
    info("last request of a short session, bytes", bytes as f64, "");
    runtime.block_on(handle.stop());
}

/// A model that never answers.
#[derive(Default)]
struct Never {
    asked: AtomicU64,
}

impl ModelProvider for Never {
    fn name(&self) -> &str {
        "anthropic"
    }

    fn stream<'a>(
        &'a self,
        _: &'a ModelRequest,
        _: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }

    fn count_tokens<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async { Ok(1) })
    }
}

/// Resident memory of sessions that wait for their model, on the real store.
fn memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &blufio_persist::Options::default()).unwrap();
    let clock = Arc::new(ManualClock::new(1_795_255_200_000));
    let model = Arc::new(Never::default());
    let options = options(agent(LONG), model.clone(), Arc::new(Builtin), Arc::new(store), clock);
    runtime.block_on(async {
        let handle = Runtime::start(options).await.unwrap();
        let at_work = async |number: usize| {
            while model.asked.load(Ordering::Relaxed) < number as u64 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        say(&handle, 1, "first", QUESTION).await;
        at_work(1).await;
        let before = resident_kib();
        for number in 0..ACTIVE_SESSIONS {
            say(&handle, number + 2, &format!("person {number}"), QUESTION).await;
        }
        at_work(ACTIVE_SESSIONS + 1).await;
        let each = (resident_kib() - before) / ACTIVE_SESSIONS as f64;
        figure("memory of a session at work", each, "KiB", "<= 64", each <= 64.0);
    });
    runtime.shutdown_background();
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
