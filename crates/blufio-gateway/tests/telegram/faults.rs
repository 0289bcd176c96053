// SPDX-License-Identifier: MIT OR Apache-2.0
//! The network under the poll: dead, broken and lying connections. Found within 45 s, healed within 60 s.

use blufio_core::channel::Channel as _;
use serde_json::{Value, json};

use crate::support::{Fault, TOKEN, World, chat, file, text_update, until};

const FOUND_MS_MAX: i64 = 45_000;
const HEALED_MS_MAX: i64 = 60_000;

#[tokio::test]
async fn t04_silent_dead_poll() {
    let world = World::new().await;
    world.server.fault("getUpdates", Fault::Silence);
    let running = world.run();
    let dead = world.server.nth("getUpdates", 1).await;
    // Traffic of another kind is no progress of the poll.
    world.telegram.send(&chat(7), "meanwhile").await.unwrap();
    world.pass(35_000).await;
    let fresh = world.server.nth("getUpdates", 2).await;
    assert!(world.elapsed_ms() <= FOUND_MS_MAX, "{}", world.elapsed_ms());
    assert_ne!(fresh.connection, dead.connection);
    assert!(world.sink.troubles()[0].contains("35 s"), "{:?}", world.sink.troubles());
    world.server.push(text_update(1, "after"));
    until("the message", || world.sink.texts() == ["after"]).await;
    assert!(world.elapsed_ms() <= HEALED_MS_MAX, "{}", world.elapsed_ms());
    assert!(world.sink.is_healthy());
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t04_a_poll_that_stays_dead_is_reported_once_and_tried_on() {
    let world = World::new().await;
    for _ in 0..5 {
        world.server.fault("getUpdates", Fault::Silence);
    }
    let running = world.run();
    for (n, pause_ms) in [(1, 0), (2, 1_100), (3, 2_200), (4, 4_400), (5, 8_800)] {
        world.server.nth("getUpdates", n).await;
        let before_ms = world.elapsed_ms();
        world.pass(35_000).await;
        if pause_ms > 0 {
            world.pass(pause_ms).await;
        }
        assert!(world.elapsed_ms() - before_ms <= FOUND_MS_MAX);
    }
    world.server.push(text_update(1, "after"));
    until("the message", || world.sink.texts() == ["after"]).await;
    assert_eq!(world.sink.troubles().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn t04_connections_that_break_are_replaced() {
    for fault in [Fault::Close, Fault::Reset, Fault::Truncated(r#"{"ok":true,"result":[{"update_id""#)] {
        let world = World::new().await;
        world.server.fault("getUpdates", fault);
        let running = world.run();
        world.pass(1_100).await;
        world.server.push(text_update(1, "after"));
        until("the message", || world.sink.texts() == ["after"]).await;
        assert!(world.elapsed_ms() <= HEALED_MS_MAX);
        assert_eq!(world.sink.troubles().len(), 1);
        running.stop().await;
        world.server.finish();
    }
}

#[tokio::test]
async fn t05_what_is_no_answer_never_advances() {
    let html = b"<html><body>502 Bad Gateway</body></html>".to_vec();
    let liars = [
        Fault::Body(502, "text/html", html.clone()),
        Fault::Body(503, "text/html", html.clone()),
        Fault::Body(504, "text/plain", b"".to_vec()),
        Fault::Body(200, "text/html", html),
        Fault::Body(200, "application/json", b"".to_vec()),
        Fault::Body(200, "application/json", br#"{"ok":true,"result":[{"update_id":9,"mess"#.to_vec()),
        Fault::Json(200, json!({"ok": true})),
        Fault::Json(200, json!({"ok": true, "result": {"update_id": 9}})),
        Fault::Json(200, json!([])),
        Fault::refusal(500, "Internal Server Error: restart"),
        Fault::refusal(502, "Bad Gateway"),
        Fault::Body(302, "text/html", b"moved".to_vec()),
    ];
    for fault in liars {
        let world = World::new().await;
        world.sink.state().cursor = Some("5".to_string());
        world.server.fault("getUpdates", fault);
        world.server.push(text_update(5, "kept"));
        let running = world.run();
        world.pass(1_100).await;
        until("the message", || world.sink.texts() == ["kept"]).await;
        let offsets: Vec<Option<i64>> = world
            .server
            .requests("getUpdates")
            .iter()
            .map(|request| request.parameters.get("offset").and_then(Value::as_i64))
            .collect();
        assert_eq!(offsets[..2], [Some(5), Some(5)]);
        running.stop().await;
        world.server.finish();
    }
}

#[tokio::test]
async fn t05_a_long_outage_is_waited_out_with_capped_delays() {
    let world = World::new().await;
    for _ in 0..8 {
        world.server.fault("getUpdates", Fault::Body(502, "text/html", b"<html>".to_vec()));
    }
    let running = world.run();
    for ms in [1_100, 2_200, 4_400, 8_800, 16_500, 16_500, 16_500, 16_500] {
        world.pass(ms).await;
    }
    world.server.push(text_update(1, "after"));
    until("the message", || world.sink.texts() == ["after"]).await;
    assert_eq!(world.sink.troubles().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn t24_the_token_is_in_no_word_that_leaves() {
    let world = World::new().await;
    let echo = format!("no handler for /bot{TOKEN}/x");
    world.server.fault("getUpdates", Fault::refusal(400, &echo));
    world.server.fault("getUpdates", Fault::Body(404, "text/html", echo.clone().into_bytes()));
    world.server.fault("getUpdates", Fault::Close);
    let running = world.run();
    for ms in [1_100, 2_200, 4_400] {
        world.pass(ms).await;
    }
    let mut words = format!("{:?}", world.sink.troubles());
    for fault in [Fault::refusal(400, &echo), Fault::Close, Fault::Body(502, "text/html", echo.into_bytes())]
    {
        world.server.fault("sendMessage", fault);
        let error = world.telegram.send(&chat(7), "x").await.unwrap_err();
        words.push_str(&format!("{error} {error:?}"));
        world.clock.manual.advance(1_000);
    }
    world.server.fault("getFile", Fault::Close);
    words.push_str(&format!("{:?}", world.telegram.fetch(&file("x"), 1).await));
    running.stop().await;
    let secret = TOKEN.split_once(':').unwrap().1;
    assert!(!words.contains(secret) && !words.contains("http://"), "{words}");
    assert!(words.contains("<token>") && words.contains("sendMessage"), "{words}");
}
