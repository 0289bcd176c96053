// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `check` with all its proofs costs: each example, a generated program of 1 MB, one of 10,000 states, and a
//! folder of 100 agents. Medians of five; one line per figure: name, value, unit, goal, verdict.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use blufio_lang::check::{Environment, check};
use blufio_lang::source::SourceMap;

const RUNS: usize = 5;

fn environment() -> Environment {
    Environment {
        tools: Vec::new(),
        providers: vec!["anthropic".into(), "openai".into()],
        channels: vec!["telegram".into(), "shell".into()],
        zone_exists: |_| true,
        performs: |_| true,
        prices: blufio_lang::check::Prices::any(),
    }
}

/// Median time of a check, milliseconds.
fn milliseconds(sources: &SourceMap) -> f64 {
    let environment = environment();
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            black_box(check(sources, &environment));
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn print(name: &str, value: f64, goal: f64) {
    let verdict = if value <= goal { "ok" } else { "missed" };
    println!("{name:<44} {value:>9.2} ms   goal ≤ {goal:>7.1}  {verdict}");
}

/// An agent of this many states, each with a model call, arms, a cap and texts of this many bytes.
fn generated(name: &str, states: usize, text_bytes: usize) -> String {
    let words = "word ".repeat(text_bytes / 5 + 1);
    let mut out = format!(
        "agent {name} v1\ngoal \"Generated.\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\n\
         budget {{ message = {} calls }}\ntype Kind = first | second(note: text max 20) | other\n\
         keep {{ asked: message?, note: text max 20 = \"\", count: int = 0 }}\n\
         start state idle {{ on message m {{ asked = m -> s0 }} }}\n",
        states * 4 + 4
    );
    for at in 0..states {
        let next = if at + 1 == states { "idle".to_string() } else { format!("s{}", at + 1) };
        let _ = write!(
            out,
            "state s{at} max 2 per event else idle {{\n  pick Kind using fast from asked, note \"{words}\" {{\n    \
             first {{ reply \"{{count}} {words}\" -> {next} }}\n    second(note) {{ count = count % 7 + 1  -> {next} }}\n    \
             other -> idle\n  }}\n}}\n"
        );
    }
    out.push_str("anywhere { on message hold  on failed or uncertain -> idle }\n");
    out
}

fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/examples");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut all = SourceMap::default();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "agent")) {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut sources = SourceMap::default();
        sources.add(&name, &text).unwrap();
        all.add(&name, &text).unwrap();
        print(&format!("check {name}"), milliseconds(&sources), 20.0);
    }
    print("check all examples as one folder", milliseconds(&all), 30.0);

    let large = generated("large", 2_250, 120);
    let mut sources = SourceMap::default();
    sources.add("large.agent", &large).unwrap();
    print(&format!("check a program of {:.2} MB", large.len() as f64 / 1e6), milliseconds(&sources), 1_000.0);

    let mut sources = SourceMap::default();
    sources.add("wide.agent", &generated("wide", 10_000, 5)).unwrap();
    print("check a program of 10,000 states", milliseconds(&sources), 5_000.0);

    let mut sources = SourceMap::default();
    for at in 0..100 {
        sources.add(&format!("a{at}.agent"), &generated(&format!("a{at}"), 30, 40)).unwrap();
    }
    let folder = milliseconds(&sources);
    print("check a folder of 100 agents", folder, 1_000.0);
    // Nothing is kept between two checks: after an edit of one file the whole folder is checked again.
    print("check it again after an edit of one file", folder, 100.0);
    if let Some(peak_kib) = peak_memory_kib() {
        let verdict = if peak_kib <= 500 * 1_024 { "ok" } else { "missed" };
        println!(
            "{:<44} {:>9.1} MiB  goal ≤ 500 MB  {verdict}",
            "peak memory of all of these",
            peak_kib as f64 / 1_024.0
        );
    }
}

/// The most memory that this process ever held, where the system tells.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
