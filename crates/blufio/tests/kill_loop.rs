// SPDX-License-Identifier: MIT OR Apache-2.0
//! 300 `kill -9` at random moments over 3,000 numbered messages from 20 chats: none lost, none answered twice, order
//! kept in every chat, the database sound.

use std::time::Duration;

use blufio_testkit::{anthropic, telegram};

use crate::support::{ROUTES, Server, echo_agent, run, write};

const KILLS: u64 = 300;
const MESSAGES_PER_LIFE: u64 = 10;
const CHATS: u64 = 20;

/// Deterministic scatter (SplitMix64).
fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 27)
}

/// The number in the prompt: `message 42 end`.
fn answer(request: &serde_json::Value) -> anthropic::Script {
    let text = request["messages"].to_string();
    let number =
        text.rsplit("message ").next().and_then(|rest| rest.split(" end").next()).unwrap_or("?").to_string();
    anthropic::Script::Answer(anthropic::Answer::text(&format!("answer {number}")))
}

#[test]
fn three_hundred_kills_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "agents/echo.agent", &echo_agent());
    write(path, "agents/routes.agent", ROUTES);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (telegram, model) = runtime.block_on(async {
        (telegram::Emulator::start().await.unwrap(), anthropic::Emulator::start().await.unwrap())
    });
    telegram.forget_calls();
    model.forget_requests();
    model.answer_with(answer);
    for life in 0..KILLS {
        let server = Server::start(path, &telegram, &model);
        for at in 0..MESSAGES_PER_LIFE {
            let number = life * MESSAGES_PER_LIFE + at;
            let chat = 100 + (scatter(number) % CHATS) as i64;
            telegram.say(chat, &format!("message {number} end"));
        }
        // The moment of death is the point of this test; nothing waits for it to be any particular one.
        std::thread::sleep(Duration::from_millis(60 + scatter(life ^ 0xABCD) % 240));
        drop(server);
    }
    let _server = Server::start(path, &telegram, &model);
    let total = KILLS * MESSAGES_PER_LIFE;
    let answers = |t: &telegram::Emulator| {
        t.all_messages().into_iter().filter(|m| m.text.starts_with("answer ")).count() as u64
    };
    let complete = runtime
        .block_on(telegram.wait_for(Duration::from_secs(120), |t| (answers(t) >= total).then_some(())));
    assert!(complete.is_some(), "{} of {total} answered", answers(&telegram));
    let mut last = std::collections::BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for message in telegram.all_messages() {
        let Some(number) = message.text.strip_prefix("answer ") else {
            assert_eq!(message.text, "…", "at worst a stray placeholder");
            continue;
        };
        let number: u64 = number.parse().unwrap();
        assert!(seen.insert(number), "message {number} was answered twice");
        assert_eq!(message.chat, 100 + (scatter(number) % CHATS) as i64, "answered in its own chat");
        let before = last.insert(message.chat, number);
        assert!(before.is_none_or(|before| before < number), "order in chat {}", message.chat);
    }
    assert_eq!(seen.len() as u64, total);
    run(path, &["stop", "--data", "data"]);
    let connection = rusqlite::Connection::open(path.join("data/blufio.db")).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    assert_eq!(telegram.violations(), Vec::<String>::new());
}
