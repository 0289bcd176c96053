// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server and the commands that ask it.

use std::time::Duration;

use blufio_testkit::{anthropic, telegram};
use serde_json::Value;

use crate::support::{ROUTES, Server, echo_agent, err, out, run, write};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn serve_answers_reloads_and_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "agents/echo.agent", &echo_agent());
    write(path, "agents/routes.agent", ROUTES);
    let runtime = runtime();
    let (telegram, model) = runtime.block_on(async {
        (telegram::Emulator::start().await.unwrap(), anthropic::Emulator::start().await.unwrap())
    });
    model.answer_with(|_| anthropic::Script::Answer(anthropic::Answer::text("hello yourself")));
    let mut server = Server::start(path, &telegram, &model);
    Server::wait_ready(path);
    telegram.say(77, "hello");
    let answered = runtime.block_on(telegram.wait_for(Duration::from_secs(20), |t| {
        t.texts(77).contains(&"hello yourself".to_string()).then_some(())
    }));
    assert!(answered.is_some(), "{:?}", telegram.texts(77));

    let status: Value =
        serde_json::from_str(&out(&run(path, &["status", "--data", "data", "--json"]))).unwrap();
    assert!(status.is_object(), "{status}");
    let sessions = out(&run(path, &["sessions", "--data", "data", "--json"]));
    assert!(sessions.contains("telegram:77"), "{sessions}");
    let second = run(path, &["serve", "agents", "--data", "data"]);
    assert_ne!(second.status.code(), Some(0), "a second server on the same data folder");

    write(path, "agents/echo.agent", "agent echo v2\nbroken");
    let refused = run(path, &["reload", "--data", "data"]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(format!("{}{}", out(&refused), err(&refused)).contains("old programs keep running"));
    write(path, "agents/echo.agent", &echo_agent().replace("echo v1", "echo v2"));
    let reloaded = run(path, &["reload", "--data", "data"]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", err(&reloaded));

    let stopped = run(path, &["stop", "--data", "data"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", err(&stopped));
    assert_eq!(server.wait_exit(), Some(0));
    assert!(
        !path.join("data/blufio.db-wal").exists(),
        "the database is one complete file after a clean stop"
    );
    assert_ne!(run(path, &["status", "--data", "data"]).status.code(), Some(0));
    assert_eq!(telegram.violations(), Vec::<String>::new());
    assert_eq!(model.violations(), Vec::<String>::new());
}

#[test]
fn ten_thousand_suspended_sessions_do_not_delay_the_start() {
    // The figure is measured in the benchmark; here only that start-up does not load what sleeps.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "agents/echo.agent", &echo_agent());
    write(path, "agents/routes.agent", ROUTES);
    let runtime = runtime();
    let (telegram, model) = runtime.block_on(async {
        (telegram::Emulator::start().await.unwrap(), anthropic::Emulator::start().await.unwrap())
    });
    model.answer_with(|_| anthropic::Script::Answer(anthropic::Answer::text("hello yourself")));
    let server = Server::start(path, &telegram, &model);
    telegram.say(77, "hello");
    let answered = runtime.block_on(telegram.wait_for(Duration::from_secs(20), |t| {
        t.texts(77).contains(&"hello yourself".to_string()).then_some(())
    }));
    assert!(answered.is_some());
    run(path, &["stop", "--data", "data"]);
    drop(server);
    let connection = rusqlite::Connection::open(path.join("data/blufio.db")).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
             INSERT INTO sessions (key, agent, program, step, state, state_name, status, pending, address, history_start, journal_next, transcript_next, created_ms, updated_ms)
             SELECT 'echo/telegram:' || (i + 1000000), agent, program, step, state, state_name, status, pending, address, history_start, journal_next, transcript_next, created_ms, updated_ms
             FROM n, (SELECT * FROM sessions LIMIT 1);",
        )
        .unwrap();
    drop(connection);
    let _server = Server::start(path, &telegram, &model);
    Server::wait_ready(path);
    let status = out(&run(path, &["status", "--data", "data", "--json"]));
    assert!(status.contains("10001"), "{status}");
}
