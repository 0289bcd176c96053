// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine costs: the dispatch loop and a transition against Lua 5.4 and Rhai in the same run, and putting a
//! session away and taking it back. Medians of five. Peers need `--features bench-peers`:
//!
//! ```text
//! cargo bench -p blufio-lang --bench machine --features bench-peers
//! ```
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use blufio_lang::check::{Environment, check};
use blufio_lang::compile::compile;
use blufio_lang::effect::{Event, Outcome, Stop};
use blufio_lang::machine::Machine;
use blufio_lang::program::{Program, assemble};
use blufio_lang::source::SourceMap;
use blufio_lang::value::{Message, Value};

const ITERATIONS: u32 = 1_000_000;
const TRANSITIONS: u32 = 200_000;
const SUSPENSIONS: u32 = 200_000;

/// `while i < 1000000 { if i % 3 == 0 { s += i } i += 1 }`; `s0` is `i`, `s1` is `s`.
const LOOP: &str = "
.scalar 1000000
    load.scalar s2 k0
    remainder.k s3 s0 3
    jump.ne.k s3 0 @4
    add s1 s1 s0
    add.k s0 s0 1
    jump.lt s0 s2 @1
    end
";

const SUPPORT: &str = r#"agent support v1

goal "Answer customers."
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 8 calls }

type Wish = question | refund(order: text max 20, amount: money eur) | other

keep { asked: message?, order: text = "", amount: money eur = 0 eur, notes: text = "" }

start state idle { on message m { asked = m -> triage } }

state triage {
  pick Wish using fast from asked, notes "What does the customer want?" {
    question              { reply "Let me see."                  -> idle }
    refund(order, amount) { reply "{amount} for {order}, noted." -> idle }
    other                 { reply "I can help with orders."      -> idle }
  }
}

anywhere { on "/stop" -> idle  on message hold  on failed or uncertain -> idle }
"#;

const COUNTER: &str = r#"agent counter v1

goal "Count."
keep { n: int = 0, passed: int = 0 }

start state even { on message m { when n < 10 { yes { n = n + 1 passed = 1 -> odd } no { n = 0 passed = 2 -> even } } } }
state odd { on message m { when n < 10 { yes { n = n + 1 passed = 1 -> even } no { n = 0 passed = 2 -> even } } } }
anywhere { on failed -> even }
"#;

fn main() {
    dispatch();
    transition();
    rules();
    suspension();
    idle();
    loading();
}

/// Median over five runs of nanoseconds per iteration.
fn median(iterations: u32, mut run: impl FnMut()) -> f64 {
    let mut runs: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / f64::from(iterations)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[2]
}

fn at_most(what: &str, ours: f64, theirs: f64, goal: f64) {
    let ratio = ours / theirs;
    let met = if ratio <= goal { "met" } else { "MISSED" };
    println!("{what}: {ours:.1} ns against {theirs:.1} ns, ratio {ratio:.2} (goal at most {goal}): {met}");
}

fn at_least(what: &str, ours: f64, theirs: f64, goal: f64) {
    let ratio = theirs / ours;
    let met = if ratio >= goal { "met" } else { "MISSED" };
    println!(
        "{what}: {ours:.1} ns against {theirs:.1} ns, {ratio:.1} times as fast (goal at least {goal}): {met}"
    );
}

fn below(what: &str, ours: f64, unit: &str, goal: f64) {
    let met = if ours <= goal { "met" } else { "MISSED" };
    println!("{what}: {ours:.1} {unit} (goal at most {goal}): {met}");
}

fn compiled(text: &str) -> Program {
    let mut sources = SourceMap::default();
    sources.add("bench.agent", text).expect("small enough");
    let environment = Environment {
        tools: Vec::new(),
        providers: vec!["anthropic".into()],
        channels: vec!["shell".into()],
        zone_exists: |_| true,
        performs: |_| true,
        prices: blufio_lang::check::Prices::any(),
    };
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{}", blufio_lang::diagnostic::render(&diagnostics, &sources, false));
    let (program, diagnostics) = compile(&checked.agents[0].program);
    assert!(!diagnostics.has_errors());
    program
}

fn message() -> Event {
    let text = "My order A7 has not arrived, I want my money back.".into();
    Event::Message(Arc::new(Message { inbox_id: 1, text, sender: "Ada".into(), own_words: true }))
}

fn dispatch() {
    let program = assemble::program(LOOP, 2).expect("assembles");
    let ours = median(ITERATIONS, || {
        let mut machine = Machine::new(&program);
        assert_eq!(machine.start(&program, 0).stop, Stop::Idle);
        assert_eq!(machine.slot(&program, "s1"), Some(Value::Int(166_666_833_333)));
    });
    let lua = peers::lua_loop(ITERATIONS);
    let rhai = peers::rhai_loop(ITERATIONS);
    report("loop, per iteration", ours, lua, rhai, 25.0);
}

fn transition() {
    let program = compiled(COUNTER);
    let mut machine = Machine::new(&program);
    machine.start(&program, 0);
    let event = message();
    let ours = median(TRANSITIONS, || {
        for _ in 0..TRANSITIONS {
            black_box(machine.step(&program, event.clone(), 0));
        }
    });
    println!("transition_ns {ours:.1}");
    report(
        "transition from the host",
        ours,
        peers::lua_transition(TRANSITIONS),
        peers::rhai_transition(TRANSITIONS),
        10.0,
    );
}

/// Five rules that all look at the steps of a conversation, against none: a message, the model's answer, the reply.
fn rules() {
    const RULES: &str = "rules {
  every message leads to reply
  never triage unless message
  at most 1 reply per event
  at most 1 triage per event
  at most 2 idle per event
}
";
    let without = compiled(SUPPORT);
    let with = compiled(
        &SUPPORT
            .replace("type Wish", &format!("{RULES}type Wish"))
            .replace("on failed or uncertain -> idle", "on failed or uncertain { reply \"Sorry.\" -> idle }")
            .replace("on \"/stop\" -> idle", "on \"/stop\" { reply \"Stopped.\" -> idle }"),
    );
    assert_eq!((without.monitors.len(), with.monitors.len()), (0, 5));
    let talk = |program: &Program| {
        let mut machine = Machine::new(program);
        machine.start(program, 0);
        let (event, outcome) = (message(), Outcome::Picked(Value::Variant(2, [].into())));
        let run = || {
            for _ in 0..SUSPENSIONS {
                machine.step(program, event.clone(), 1_000);
                let (effect, _) = machine.pending(program).remove(0);
                let done = black_box(machine.step(
                    program,
                    Event::Resolved { effect, outcome: outcome.clone() },
                    2_000,
                ));
                assert_eq!(done.stop, Stop::Idle);
            }
        };
        median(SUSPENSIONS, run) / 2.0
    };
    // Taken turns: what else the computer does meets both alike.
    let mut rounds: Vec<(f64, f64)> = (0..5).map(|_| (talk(&without), talk(&with))).collect();
    rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (none, five) = rounds[2];
    println!("step without rules: {none:.1} ns, with five: {five:.1} ns");
    below("five rules, share of a step", (five / none - 1.0) * 100.0, "%", 5.0);
}

fn report(what: &str, ours: f64, lua: Option<f64>, rhai: Option<f64>, times: f64) {
    match (lua, rhai) {
        (Some(lua), Some(rhai)) => {
            at_most(&format!("{what}, Lua 5.4"), ours, lua, 1.0);
            at_least(&format!("{what}, Rhai"), ours, rhai, times);
        }
        _ => println!("{what}: {ours:.1} ns (no peers: use --features bench-peers)"),
    }
}

/// A session waits for a model: put away, taken back, its effect rebuilt; then one that goes on as well.
fn suspension() {
    let program = compiled(SUPPORT);
    let mut machine = Machine::new(&program);
    machine.start(&program, 0);
    machine.step(&program, message(), 1_000);
    let (effect, _) = machine.pending(&program).remove(0);
    below("encoded session", machine.encode().len() as f64, "bytes", 1_024.0);
    let encode = median(SUSPENSIONS, || (0..SUSPENSIONS).for_each(|_| drop(black_box(machine.encode()))));
    println!("encode: {encode:.1} ns");
    let bytes = machine.encode();
    let decode = median(SUSPENSIONS, || {
        (0..SUSPENSIONS).for_each(|_| drop(black_box(Machine::decode(&program, &bytes).expect("decodes"))));
    });
    println!("decode: {decode:.1} ns");
    let outcome = Outcome::Picked(Value::Variant(2, [].into()));
    let whole = median(SUSPENSIONS, || {
        for _ in 0..SUSPENSIONS {
            let bytes = machine.encode();
            let mut again = Machine::decode(&program, &bytes).expect("decodes");
            let event = Event::Resolved { effect, outcome: outcome.clone() };
            black_box(again.step(&program, event, 2_000));
        }
    });
    below("suspend, encode, decode, resume", whole, "ns", 1_000.0);
    println!("suspend_resume_ns {whole:.1}");
}

/// Resident memory of this process, bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1_024.0
}

/// Memory of sessions that wait for a message, kept whole in memory (a server keeps only their encoded form).
fn idle() {
    const SESSIONS: usize = 200_000;
    let program = compiled(SUPPORT);
    let before = resident();
    let sessions: Vec<Machine> = (0..SESSIONS)
        .map(|_| {
            let mut machine = Machine::new(&program);
            machine.start(&program, 0);
            machine
        })
        .collect();
    let each = (resident() - before) / SESSIONS as f64;
    black_box(&sessions);
    println!("idle_session_bytes {each:.0}");
}

fn loading() {
    let bytes = compiled(SUPPORT).to_bytes();
    let per_program = median(1_000, || (0..1_000).for_each(|_| drop(black_box(Program::from_bytes(&bytes)))));
    below(
        &format!("program of {} bytes read and verified", bytes.len()),
        per_program / 1_000.0,
        "µs",
        1_000.0,
    );
}

#[cfg(feature = "bench-peers")]
mod peers {
    use super::median;

    pub fn lua_loop(iterations: u32) -> Option<f64> {
        let lua = mlua::Lua::new();
        let text = "return function() local i,s=0,0 while i<1000000 do if i%3==0 then s=s+i end i=i+1 end return s end";
        let function: mlua::Function = lua.load(text).eval().expect("loads");
        Some(median(iterations, || assert_eq!(function.call::<i64>(()).expect("runs"), 166_666_833_333)))
    }

    pub fn rhai_loop(iterations: u32) -> Option<f64> {
        let mut engine = rhai::Engine::new();
        engine.set_max_operations(0);
        let text = "let i=0; let s=0; while i<1000000 { if i % 3 == 0 { s += i; } i += 1; } s";
        let tree = engine.compile(text).expect("compiles");
        Some(median(iterations, || assert_eq!(engine.eval_ast::<i64>(&tree).expect("runs"), 166_666_833_333)))
    }

    pub fn lua_transition(times: u32) -> Option<f64> {
        let lua = mlua::Lua::new();
        let text =
            "return function(st,n,ok) if ok and n<10 then st=1 n=n+1 else st=2 n=0 end return st*100+n end";
        let function: mlua::Function = lua.load(text).eval().expect("loads");
        Some(median(times, || {
            for i in 0..times {
                let _: i64 = function.call((0i64, i64::from(i % 12), i % 2 == 0)).expect("runs");
            }
        }))
    }

    pub fn rhai_transition(times: u32) -> Option<f64> {
        let engine = rhai::Engine::new();
        let text = "fn tr(st,n,ok){ if ok && n < 10 { st = 1; n += 1; } else { st = 2; n = 0; } st*100+n }";
        let tree = engine.compile(text).expect("compiles");
        Some(median(times, || {
            let mut scope = rhai::Scope::new();
            for i in 0..times {
                let arguments = (0i64, i64::from(i % 12), i % 2 == 0);
                let _: i64 = engine.call_fn(&mut scope, &tree, "tr", arguments).expect("runs");
            }
        }))
    }
}

#[cfg(not(feature = "bench-peers"))]
mod peers {
    pub fn lua_loop(_: u32) -> Option<f64> {
        None
    }
    pub fn rhai_loop(_: u32) -> Option<f64> {
        None
    }
    pub fn lua_transition(_: u32) -> Option<f64> {
        None
    }
    pub fn rhai_transition(_: u32) -> Option<f64> {
        None
    }
}
