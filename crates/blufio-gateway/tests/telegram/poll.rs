// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving: what is stored, what is acknowledged, and what the operator hears. Names are those of the catalogue.

use blufio_core::channel::{ChannelHealth, SinkError};
use serde_json::{Value, json};

use crate::support::{Fault, RecordingSink, START_MS, World, text_update, until, within};

const HOUR_MS: i64 = 3_600_000;

fn offset(parameters: &Value) -> Option<i64> {
    parameters.get("offset").and_then(Value::as_i64)
}

#[tokio::test]
async fn messages_arrive_with_their_cursor() {
    let world = World::new().await;
    world.server.push(text_update(10, "one"));
    world.server.push(text_update(11, "two"));
    let running = world.run();
    let second = world.server.nth("getUpdates", 2).await;
    assert_eq!(
        (world.sink.texts(), offset(&second.parameters)),
        (vec!["one".to_string(), "two".into()], Some(12))
    );
    assert_eq!(world.sink.state().cursor.as_deref(), Some("12"));
    let first = &world.server.requests("getUpdates")[0].parameters;
    assert_eq!((offset(first), first["timeout"].as_i64()), (None, Some(25)));
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t01_another_poller_is_waited_out_and_reported_once() {
    let world = World::new().await;
    for _ in 0..6 {
        world
            .server
            .fault("getUpdates", Fault::refusal(409, "Conflict: terminated by other getUpdates request"));
    }
    let running = world.run();
    // 5 → 60 s: doubled up to 50 s, and half of a fifth on top from the jitter of the test.
    for ms in [5_500, 11_000, 22_000, 44_000, 55_000, 55_000] {
        world.pass(ms).await;
    }
    world.server.push(text_update(1, "after all"));
    until("the message", || world.sink.texts() == ["after all"]).await;
    let troubles = world.sink.troubles();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(troubles[0].contains("another program polls this bot"), "{troubles:?}");
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t02_a_webhook_is_the_operators_decision() {
    let world = World::new().await;
    let words = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    world.server.fault("getUpdates", Fault::refusal(409, words));
    let running = world.run();
    world.pass(5_500).await;
    world.server.nth("getUpdates", 2).await;
    let troubles = world.sink.troubles();
    assert!(troubles.len() == 1 && troubles[0].contains("deleteWebhook"), "{troubles:?}");
    assert_eq!(world.server.requests("deleteWebhook").len(), 0);
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t03_hours_of_retry_after_are_honoured_across_a_restart() {
    let mut world = World::new().await;
    world.server.fault("getUpdates", Fault::retry_after(json!(7_200)));
    let running = world.run();
    until("the wait", || world.clock.slept().last().is_some_and(|slept| slept.as_secs() == 7_200)).await;
    running.stop().await;
    world.clock.manual.advance(3_600_000);
    world.restart();
    let running = world.run();
    until("the rest of the wait", || {
        world.clock.slept().last().is_some_and(|slept| slept.as_secs() == 3_600)
    })
    .await;
    world.clock.manual.advance(3_599_999);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((world.server.requests("getMe").len(), world.server.requests("getUpdates").len()), (1, 1));
    world.clock.manual.advance(1);
    world.server.nth("getUpdates", 2).await;
    assert!(world.sink.troubles()[0].contains("7200 s"));
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t03_get_me_may_be_limited_too() {
    let world = World::new().await;
    world.server.fault("getMe", Fault::retry_after(json!(17)));
    let running = world.run();
    world.pass(17_000).await;
    world.server.nth("getUpdates", 1).await;
    assert_eq!(world.elapsed_ms(), 17_000);
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t50_strange_retry_after() {
    for (strange, ms) in
        [(json!(null), 5_000), (json!(2.5), 3_000), (json!(1e9), 24 * 3_600_000), (json!(-1), 5_000)]
    {
        let world = World::new().await;
        world.server.fault("getUpdates", Fault::retry_after(strange));
        let running = world.run();
        world.pass(ms).await;
        world.server.nth("getUpdates", 2).await;
        running.stop().await;
    }
    let world = World::new().await;
    world.server.fault("getUpdates", Fault::Body(429, "text/html", b"<html>slow down</html>".to_vec()));
    let running = world.run();
    world.pass(5_000).await;
    world.server.nth("getUpdates", 2).await;
    running.stop().await;
}

#[tokio::test]
async fn t06_nothing_is_acknowledged_before_it_is_stored() {
    let world = World::new().await;
    world.server.push(text_update(1, "one"));
    let full = || SinkError::Store("disk full".to_string());
    world.sink.state().deliveries.extend([full(), full(), full()]);
    let running = world.run();
    for ms in [1_100, 2_200] {
        world.pass(ms).await;
        assert_eq!((world.server.pending(), world.server.requests("getUpdates").len()), (1, 1));
    }
    world.pass(4_400).await;
    let second = world.server.nth("getUpdates", 2).await;
    assert_eq!((world.sink.texts(), offset(&second.parameters)), (vec!["one".to_string()], Some(2)));
    until("the acknowledgement", || world.server.pending() == 0).await;
    let troubles = world.sink.troubles();
    assert!(troubles.len() == 1 && troubles[0].contains("disk full"), "{troubles:?}");
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t06_t07_a_process_killed_anywhere_loses_and_doubles_nothing() {
    let mut world = World::new().await;
    let mut expected = Vec::new();
    for round in 0..60_i64 {
        for n in 0..4 {
            let id = 100 + round * 4 + n;
            expected.push(format!("message {id}"));
            world.server.push(text_update(id, &format!("message {id}")));
        }
        let polls = world.server.requests("getUpdates").len();
        let stored = world.sink.texts().len();
        let running = world.run();
        match round % 3 {
            0 => until("a poll", || world.server.requests("getUpdates").len() > polls).await,
            1 => until("storing", || world.sink.texts().len() > stored).await,
            _ => until("an acknowledgement", || world.server.pending() == 0).await,
        }
        running.task.abort();
        let _ = running.task.await;
        world.restart();
    }
    let running = world.run();
    until("the rest", || world.server.pending() == 0).await;
    assert_eq!(world.sink.texts(), expected);
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t08_ids_may_jump_and_fall() {
    let world = World::new().await;
    world.sink.state().cursor = Some("5000000".to_string());
    let running = world.run();
    assert_eq!(offset(&world.server.nth("getUpdates", 1).await.parameters), Some(5_000_000));
    world.server.push(text_update(9_000_000_000, "far ahead"));
    assert_eq!(offset(&world.server.nth("getUpdates", 2).await.parameters), Some(9_000_000_001));
    // After a week of silence Telegram starts anywhere, here below the offset that it was given.
    let low = json!({"ok": true, "result": [text_update(17, "starts again")]});
    running.stop().await;
    world.server.fault("getUpdates", Fault::Json(200, low));
    let running = world.run();
    until("the low one", || world.sink.texts().len() == 2).await;
    assert_eq!(offset(&world.server.nth("getUpdates", 4).await.parameters), Some(18));
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t17_t18_one_poison_update_does_not_spoil_the_batch() {
    let world = World::new().await;
    world.server.push(text_update(1, "before"));
    world.server.push(r#"{"update_id":2,"message":{"message_id":"poison"}}"#);
    world.server.push(r#"{"update_id":3,"brand_new_kind":{"x":9007199254740993}}"#);
    world.server.push(r#"{"update_id":4,"message":{"message_id":4,"date":1,"text":"lone \ud800","from":{"id":7},"chat":{"id":7,"type":"private"}}}"#);
    world.server.push(text_update(5, "after"));
    let running = world.run();
    let second = world.server.nth("getUpdates", 2).await;
    assert_eq!(world.sink.texts(), ["before", "lone \u{FFFD}", "after"]);
    assert_eq!((offset(&second.parameters), world.telegram.ignored()), (Some(6), 1));
    let letters = world.sink.state().dead_letters.clone();
    assert_eq!((letters.len(), letters[0].0.as_str()), (1, "update:2"));
    assert!(letters[0].1.contains("poison") && !letters[0].2.is_empty());
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t18_updates_without_an_id_are_put_aside_once_and_do_not_spin() {
    let world = World::new().await;
    let batch = json!({"ok": true, "result": [{"message": {}}, 7, text_update(1, "fine")]});
    world.server.fault("getUpdates", Fault::Json(200, batch.clone()));
    world.server.fault("getUpdates", Fault::Json(200, batch));
    let running = world.run();
    world.server.nth("getUpdates", 2).await;
    world.pass(1_000).await;
    world.server.nth("getUpdates", 3).await;
    assert_eq!((world.sink.texts(), world.sink.state().dead_letters.len()), (vec!["fine".to_string()], 2));
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t19_kinds_that_were_not_asked_for_are_ignored() {
    let world = World::new().await;
    world.server.push(json!({"update_id": 1, "callback_query": {"id": "1", "data": "x"}}));
    world.server.push(json!({"update_id": 2, "my_chat_member": {"chat": {"id": 1, "type": "private"}}}));
    let running = world.run();
    assert_eq!(offset(&world.server.nth("getUpdates", 2).await.parameters), Some(3));
    assert_eq!((world.sink.texts().len(), world.telegram.ignored()), (0, 2));
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t25_a_gap_beyond_a_day_is_told() {
    for (hours, is_told) in [(25, true), (23, false)] {
        let sink = RecordingSink::default();
        sink.state().remembered.insert("last_poll_ms".into(), (START_MS - hours * HOUR_MS).to_string());
        let world = World::with(sink).await;
        let running = world.run();
        world.server.push(text_update(1, "x"));
        until("a poll", || world.sink.is_healthy()).await;
        let told = world.sink.troubles().iter().any(|words| words.contains("25 h") && words.contains("lost"));
        assert_eq!(told, is_told, "{hours} h");
        assert_eq!(world.sink.state().remembered["last_poll_ms"], START_MS.to_string());
        running.stop().await;
    }
}

#[tokio::test]
async fn t27_a_broken_cursor_never_becomes_a_negative_offset() {
    for broken in ["-5", "x", "", "99999999999999999999"] {
        let sink = RecordingSink::default();
        sink.state().cursor = Some(broken.to_string());
        let world = World::with(sink).await;
        let running = world.run();
        assert_eq!(offset(&world.server.nth("getUpdates", 1).await.parameters), None, "{broken}");
        running.stop().await;
        world.server.finish();
    }
}

#[tokio::test]
async fn t32_a_refusal_without_a_reason() {
    let world = World::new().await;
    world.server.fault("getUpdates", Fault::Json(200, json!({"ok": false})));
    world.server.fault(
        "getUpdates",
        Fault::Json(400, json!({"ok": false, "error_code": "x", "description": 5, "parameters": []})),
    );
    let running = world.run();
    world.pass(1_100).await;
    world.pass(2_200).await;
    world.server.push(text_update(1, "fine"));
    until("the message", || world.sink.texts() == ["fine"]).await;
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn a_wrong_token_ends_the_channel_with_the_fix() {
    for refusal in [Fault::refusal(401, "Unauthorized"), Fault::refusal(404, "Not Found")] {
        let world = World::new().await;
        world.server.fault("getMe", refusal);
        let running = world.run();
        within("the end", running.task).await.unwrap();
        let reports = world.sink.state().reports.clone();
        let [ChannelHealth::Failed(words)] = reports.as_slice() else { panic!("{reports:?}") };
        assert!(words.contains("@BotFather"), "{words}");
        assert_eq!(world.server.requests("getUpdates").len(), 0);
    }
}

#[tokio::test]
async fn a_stopping_runtime_ends_the_channel() {
    let world = World::new().await;
    world.sink.state().deliveries.push_back(SinkError::Stopping);
    world.server.push(text_update(1, "kept at Telegram"));
    let running = world.run();
    within("the end", running.task).await.unwrap();
    assert_eq!((world.sink.texts().len(), world.server.pending()), (0, 1));
}
