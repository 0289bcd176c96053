// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server as an operator meets it: time from `exec` to ready with 10,000 suspended sessions, memory when idle, and
//! memory over 20,000 messages. Prints one line per figure: name, value, unit, goal, verdict.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use blufio_testkit::{anthropic, telegram};

const RUNS: usize = 5;
const SESSIONS: u32 = 10_000;
/// Messages on their way at the same time.
const BATCH: usize = 200;
const PATIENCE: Duration = Duration::from_secs(120);

const AGENT: &str = r#"agent echo v1
goal "Answer."
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 1 calls }
keep { asked: message? }
start state idle { on message m { asked = m -> work } }
state work { write t using fast from asked "Answer it." reply t -> idle }
anywhere { on message hold  on failed { reply "failed" -> idle } }
"#;
const ROUTES: &str = "routes\n\ntelegram from anyone -> echo per person\nshell -> echo\notherwise drop\n";

struct Server(Child);

impl Server {
    /// Starts it and returns the time until `blufio status` says ready, in milliseconds.
    fn start(folder: &Path, telegram: &telegram::Emulator, model: &anthropic::Emulator) -> (Self, f64) {
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_blufio"))
            .current_dir(folder)
            .env_clear()
            .args(["serve", "agents", "--data", "data"])
            .env("BLUFIO_TELEGRAM__API_URL", telegram.url())
            .env("BLUFIO_TELEGRAM__OWNER", "1")
            .env("BLUFIO_TELEGRAM__MESSAGES_PER_SECOND", "100000")
            .env("BLUFIO_TELEGRAM__CHAT_MESSAGES_PER_SECOND", "100000")
            .env("BLUFIO_MODELS__ANTHROPIC__BASE_URL", model.url())
            .env("BLUFIO_LOG__LEVEL", "error")
            .env("TELEGRAM_BOT_TOKEN", telegram::TOKEN)
            .env("ANTHROPIC_API_KEY", "key")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        while !command(folder, "status") {
            assert!(begun.elapsed() < PATIENCE, "the server does not become ready");
        }
        (Self(child), begun.elapsed().as_secs_f64() * 1e3)
    }

    /// Resident memory, MiB.
    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    fn stop(mut self, folder: &Path) {
        assert!(command(folder, "stop"));
        self.0.wait().unwrap();
    }
}

fn command(folder: &Path, word: &str) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blufio"));
    command.current_dir(folder).env_clear().args([word, "--data", "data"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

fn print(name: &str, value: f64, unit: &str, goal: f64) {
    let verdict = if value <= goal { "ok" } else { "missed" };
    println!("{name:<44} {value:>9.1} {unit:<4} goal ≤ {goal:>6.1}  {verdict}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Copies the one session that exists until there are enough.
fn suspend_sessions(folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join("data/blufio.db")).unwrap();
    let columns = "agent, program, step, state, state_name, status, pending, address, history_start, journal_next, transcript_next, created_ms, updated_ms";
    connection
        .execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {SESSIONS})
             INSERT INTO sessions (key, {columns}) SELECT 'echo/telegram:' || (i + 1000000), {columns} FROM n, (SELECT * FROM sessions LIMIT 1);"
        ))
        .unwrap();
}

fn main() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    std::fs::create_dir(folder.join("agents")).unwrap();
    std::fs::write(folder.join("agents/echo.agent"), AGENT).unwrap();
    std::fs::write(folder.join("agents/routes.agent"), ROUTES).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (telegram, model) = runtime.block_on(async {
        (telegram::Emulator::start().await.unwrap(), anthropic::Emulator::start().await.unwrap())
    });
    telegram.forget_calls();
    model.forget_requests();
    model.answer_with(|_| anthropic::Script::Answer(anthropic::Answer::text("an answer of a few words")));

    let mut sent = 0;
    // Ten messages for each of 20 people at a time, as a busy day would bring them.
    let mut talk = |messages: usize| {
        for batch in 0..messages / BATCH {
            for at in 0..BATCH {
                telegram.say(100 + (batch + at) as i64 % 20, "a message of a few words");
            }
            sent += BATCH;
            let answered = |t: &telegram::Emulator| {
                (t.all_messages().iter().filter(|m| m.text.starts_with("an answer")).count() >= sent)
                    .then_some(())
            };
            runtime.block_on(telegram.wait_for(PATIENCE, answered)).unwrap();
        }
    };

    let (server, _) = Server::start(folder, &telegram, &model);
    print("idle memory, no sessions", server.resident(), "MiB", 20.0);
    let mut memory = |messages: usize| {
        talk(messages);
        server.resident()
    };
    // The caches (SQLite's pages, 20 sessions) fill first; what grows after that would grow for ever.
    let figures = [memory(1_000), memory(4_000), memory(5_000), memory(5_000), memory(5_000)];
    let [one, five, ten, fifteen, twenty] = figures;
    println!(
        "memory after 1, 5, 10, 15, 20 thousand messages: {one:.1} {five:.1} {ten:.1} {fifteen:.1} {twenty:.1} MiB"
    );
    print("memory after 5,000 messages ÷ after 1,000", five / one * 100.0, "%", 105.0);
    print("memory after 20,000 messages ÷ after 5,000", twenty / five * 100.0, "%", 102.0);
    print("memory after 20,000 messages", twenty, "MiB", 40.0);
    server.stop(folder);

    suspend_sessions(folder);
    let mut ready = Vec::new();
    for _ in 0..RUNS {
        let (server, milliseconds) = Server::start(folder, &telegram, &model);
        ready.push(milliseconds);
        print("idle memory, 10,000 suspended sessions", server.resident(), "MiB", 20.0);
        server.stop(folder);
    }
    print("exec to ready, 10,000 suspended sessions", median(ready), "ms", 100.0);
    let mut after_kill = Vec::new();
    for _ in 0..RUNS {
        let (mut server, _) = Server::start(folder, &telegram, &model);
        server.0.kill().unwrap();
        server.0.wait().unwrap();
        let (server, milliseconds) = Server::start(folder, &telegram, &model);
        after_kill.push(milliseconds);
        server.stop(folder);
    }
    print("back after kill -9, 10,000 suspended sessions", median(after_kill), "ms", 2_000.0);
}
