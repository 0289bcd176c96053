// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending: what goes over the wire, and what each failure means for a repetition.

use std::net::TcpListener;

use blufio_core::channel::{Channel as _, SendError};
use blufio_core::message::Address;
use blufio_core::secret::Secret;
use blufio_gateway::telegram::{ConfigError, Options, Telegram};
use serde_json::{Value, json};

use crate::support::{Fault, World, channel, chat, file, text_update, until, within};

fn kind(error: &SendError) -> &'static str {
    match error {
        SendError::NotSent { .. } => "not sent",
        SendError::Ambiguous { .. } => "ambiguous",
        SendError::RateLimited { .. } => "rate limited",
        SendError::Permanent { .. } => "permanent",
        SendError::CannotEdit { .. } => "cannot edit",
    }
}

async fn send_with(fault: Fault) -> SendError {
    let world = World::new().await;
    world.server.fault("sendMessage", fault);
    let error = world.telegram.send(&chat(7), "x").await.unwrap_err();
    assert_eq!(world.server.requests("sendMessage").len(), 1);
    world.server.finish();
    error
}

async fn edit_with(fault: Fault) -> Result<(), SendError> {
    let world = World::new().await;
    world.server.fault("editMessageText", fault);
    let answer = world.telegram.edit(&chat(7), "3", "x", false).await;
    world.server.finish();
    answer
}

#[tokio::test]
async fn t10_text_goes_out_as_typed() {
    let world = World::new().await;
    let text = "**bold** `code` [x](y) _a_ <b>*unbalanced";
    assert_eq!(world.telegram.send(&chat(-100), text).await.unwrap(), "1");
    let request = world.server.nth("sendMessage", 1).await;
    assert_eq!(request.parameters, json!({"chat_id": -100, "text": text}));
    world.telegram.edit(&chat(-100), "1", "new", false).await.unwrap();
    let request = world.server.nth("editMessageText", 1).await;
    assert_eq!(request.parameters, json!({"chat_id": -100, "message_id": 1, "text": "new"}));
    world.server.finish();
}

#[tokio::test]
async fn t09_every_part_of_a_long_reply_is_taken() {
    let world = World::new().await;
    let reply = format!("```\n{}```\n{}", "let x = \"😀\";\n".repeat(500), "word ".repeat(1_000));
    let parts = world.telegram.split(&reply);
    assert!(parts.len() >= 3);
    for (n, part) in parts.iter().enumerate() {
        world.telegram.send(&chat(7), part).await.unwrap();
        assert_eq!(world.server.nth("sendMessage", n + 1).await.parameters["text"], part.as_str());
        world.clock.manual.advance(1_000);
    }
    world.server.finish();
}

#[tokio::test]
async fn t14_a_thread_that_is_gone_falls_back_to_the_chat() {
    let world = World::new().await;
    let topic = Address { thread: Some("9".into()), ..chat(-100) };
    world.telegram.send(&topic, "in the topic").await.unwrap();
    assert_eq!(world.server.nth("sendMessage", 1).await.parameters["message_thread_id"], 9);
    world.server.fault("sendMessage", Fault::refusal(400, "Bad Request: message thread not found"));
    world.telegram.send(&topic, "to the chat").await.unwrap();
    assert_eq!(world.server.nth("sendMessage", 3).await.parameters.get("message_thread_id"), None);
    world.telegram.typing(&topic).await;
    let expected = json!({"chat_id": -100, "message_thread_id": 9, "action": "typing"});
    assert_eq!(world.server.nth("sendChatAction", 1).await.parameters, expected);
    world.server.finish();
}

#[tokio::test]
async fn t15_a_group_that_moved_is_named() {
    let moved = json!({"ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": -1_001_234_567_890_i64}});
    let error = send_with(Fault::Json(400, moved)).await;
    assert!(kind(&error) == "permanent" && error.to_string().contains("-1001234567890"), "{error}");
}

#[tokio::test]
async fn t16_who_is_gone_is_gone_for_good() {
    for (code, words) in [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: bot was kicked from the group chat"),
        (403, "Forbidden: user is deactivated"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: PEER_ID_INVALID"),
    ] {
        let error = send_with(Fault::refusal(code, words)).await;
        assert!(kind(&error) == "permanent" && error.to_string().contains(words), "{error}");
    }
    let world = World::new().await;
    let shell = Address { chat: "console".into(), ..chat(7) };
    assert_eq!(kind(&world.telegram.send(&shell, "x").await.unwrap_err()), "permanent");
}

#[tokio::test]
async fn t28_edits_that_need_or_allow_no_editing() {
    assert!(
        edit_with(Fault::refusal(
            400,
            "Bad Request: message is not modified: specified new message content is the same"
        ))
        .await
        .is_ok()
    );
    for words in [
        "Bad Request: message to edit not found",
        "Bad Request: message can't be edited",
        "Bad Request: MESSAGE_ID_INVALID",
    ] {
        assert_eq!(kind(&edit_with(Fault::refusal(400, words)).await.unwrap_err()), "cannot edit");
    }
    assert_eq!(
        kind(&edit_with(Fault::refusal(403, "Forbidden: bot was blocked by the user")).await.unwrap_err()),
        "permanent"
    );
    let world = World::new().await;
    assert_eq!(
        kind(&world.telegram.edit(&chat(7), "no number", "x", false).await.unwrap_err()),
        "cannot edit"
    );
}

#[tokio::test]
async fn t29_a_reply_survives_the_deletion_of_its_target() {
    let world = World::new().await;
    world.telegram.reply(&chat(7), "x", "55").await.unwrap();
    let expected = json!({"message_id": 55, "allow_sending_without_reply": true});
    assert_eq!(world.server.nth("sendMessage", 1).await.parameters["reply_parameters"], expected);
    world.server.finish();
}

#[tokio::test]
async fn what_got_no_answer_may_have_happened() {
    for fault in [
        Fault::Close,
        Fault::Reset,
        Fault::Truncated(r#"{"ok":true,"result":{"message_"#),
        Fault::Body(502, "text/html", b"<html>Bad Gateway</html>".to_vec()),
        Fault::Body(200, "text/html", b"<html>log in here</html>".to_vec()),
        Fault::Body(200, "application/json", Vec::new()),
        Fault::Json(200, json!({"ok": true})),
        Fault::Json(200, json!({"ok": true, "result": {"unexpected": 1}})),
        Fault::refusal(500, "Internal Server Error"),
    ] {
        let error = send_with(fault).await;
        assert_eq!(kind(&error), "ambiguous", "{error}");
    }
    let world = World::new().await;
    world.server.fault("sendMessage", Fault::Silence);
    let telegram = world.telegram.clone();
    let sending = tokio::spawn(async move { telegram.send(&chat(7), "x").await });
    world.server.nth("sendMessage", 1).await;
    world.pass(30_000).await;
    let error = within("the deadline", sending).await.unwrap().unwrap_err();
    assert_eq!(kind(&error), "ambiguous", "{error}");
}

#[tokio::test]
async fn what_never_left_can_be_repeated() {
    let world = World::new().await;
    // A port that was just given back: nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = channel(&format!("http://127.0.0.1:{port}"), &world.clock);
    let error = unreachable.send(&chat(7), "x").await.unwrap_err();
    assert_eq!(kind(&error), "not sent", "{error}");
    // Telegram says that it did not even look at the message.
    assert_eq!(kind(&send_with(Fault::refusal(401, "Unauthorized")).await), "not sent");
    assert_eq!(kind(&send_with(Fault::refusal(404, "Not Found")).await), "not sent");
}

#[tokio::test]
async fn t32_a_refusal_without_a_reason_is_still_a_refusal() {
    let error = send_with(Fault::Json(400, json!({"ok": false}))).await;
    assert!(kind(&error) == "permanent" && error.to_string().contains("400"), "{error}");
}

#[tokio::test]
async fn t03_a_chats_waiting_time_is_that_chats() {
    let mut world = World::new().await;
    let running = world.run();
    world.server.nth("getUpdates", 1).await;
    world.server.fault("sendMessage", Fault::retry_after(json!(3_600)));
    let limited = |error: SendError| match error {
        SendError::RateLimited { retry_after_ms, .. } => retry_after_ms,
        other => panic!("{other}"),
    };
    assert_eq!(limited(world.telegram.send(&chat(7), "x").await.unwrap_err()), 3_600_000);
    // No further request for that chat, other chats go on, and a restart forgets nothing.
    assert_eq!(limited(world.telegram.send(&chat(7), "x").await.unwrap_err()), 3_600_000);
    world.telegram.typing(&chat(7)).await;
    world.telegram.edit(&chat(7), "1", "partial", true).await.unwrap();
    world.telegram.send(&chat(8), "y").await.unwrap();
    let counts = |world: &World| {
        ["sendMessage", "sendChatAction", "editMessageText"].map(|method| world.server.requests(method).len())
    };
    assert_eq!(counts(&world), [2, 0, 0]);
    running.stop().await;
    world.restart();
    world.clock.manual.advance(1_800_000);
    let running = world.run();
    world.server.nth("getUpdates", 2).await;
    assert_eq!(limited(world.telegram.send(&chat(7), "x").await.unwrap_err()), 1_800_000);
    world.clock.manual.advance(1_800_000);
    world.telegram.send(&chat(7), "x").await.unwrap();
    running.stop().await;
    world.server.finish();
}

#[tokio::test]
async fn t03_the_bots_waiting_time_is_everybodys() {
    let world = World::new().await;
    world.server.fault("getUpdates", Fault::retry_after(json!(600)));
    let running = world.run();
    until("the wait", || world.clock.slept().last().is_some_and(|slept| slept.as_secs() == 600)).await;
    assert_eq!(kind(&world.telegram.send(&chat(7), "x").await.unwrap_err()), "rate limited");
    assert_eq!(world.server.requests("sendMessage").len(), 0);
    running.stop().await;
}

#[tokio::test]
async fn partial_edits_give_way_and_final_ones_wait() {
    let world = World::new().await;
    for _ in 0..3 {
        world.telegram.edit(&chat(7), "1", "streaming", true).await.unwrap();
    }
    world.telegram.edit(&chat(7), "1", "skipped", true).await.unwrap();
    assert_eq!(world.server.requests("editMessageText").len(), 3);
    let telegram = world.telegram.clone();
    let last = tokio::spawn(async move { telegram.edit(&chat(7), "1", "final", false).await });
    world.pass(1_000).await;
    within("the final edit", last).await.unwrap().unwrap();
    assert_eq!(world.server.nth("editMessageText", 4).await.parameters["text"], "final");
    world.server.finish();
}

#[tokio::test]
async fn t13_t42_files_are_fetched_with_care() {
    const FIVE_MB: u64 = 5 * 1024 * 1024;
    let world = World::new().await;
    let jpeg = [b"\xFF\xD8\xFF\xE0".to_vec(), vec![7; 100_000]].concat();
    world.server.add_file("photos/good.jpg", &jpeg);
    world.server.add_file("photos/liar.jpg", &[b"\xFF\xD8\xFF".to_vec(), vec![0; 5 * 1024 * 1024]].concat());
    assert_eq!(world.telegram.fetch(&file("photos/good.jpg"), FIVE_MB).await.unwrap(), jpeg);
    assert_eq!(
        kind(&world.telegram.fetch(&file("photos/good.jpg"), 100_000).await.unwrap_err()),
        "permanent"
    );
    for bad in ["photos/liar.jpg", "photos/none.jpg", "../../etc/passwd", "https://evil/x.jpg"] {
        let answer = world.telegram.fetch(&file(bad), FIVE_MB).await;
        assert!(matches!(answer, Err(SendError::Permanent { .. })), "{bad}: {answer:?}");
    }
    let result = |file: Value| Fault::Json(200, json!({"ok": true, "result": file}));
    for refused in [json!({"file_id": "x", "file_size": 6_000_000}), json!({"file_id": "x"})] {
        world.server.fault("getFile", result(refused));
        let answer = world.telegram.fetch(&file("x"), FIVE_MB).await;
        assert!(matches!(answer, Err(SendError::Permanent { .. })), "{answer:?}");
    }
    world.server.fault("getFile", Fault::refusal(400, "Bad Request: file is too big"));
    let error = world.telegram.fetch(&file("x"), u64::MAX).await.unwrap_err();
    assert!(error.to_string().contains("file is too big"), "{error}");
    // What may work later is told apart from what never will.
    world.server.fault("getFile", Fault::Close);
    assert_eq!(kind(&world.telegram.fetch(&file("photos/good.jpg"), FIVE_MB).await.unwrap_err()), "not sent");
    world.server.fault("getFile", Fault::retry_after(json!(7)));
    assert_eq!(
        kind(&world.telegram.fetch(&file("photos/good.jpg"), FIVE_MB).await.unwrap_err()),
        "rate limited"
    );
    assert_eq!(world.telegram.fetch(&file("photos/good.jpg"), FIVE_MB).await.unwrap(), jpeg);
    world.server.finish();
}

#[tokio::test]
async fn t29_a_reply_names_its_message_which_may_be_gone() {
    let world = World::new().await;
    world.telegram.reply(&chat(-100), "yes", "17").await.unwrap();
    let expected = json!({"chat_id": -100, "text": "yes",
        "reply_parameters": {"message_id": 17, "allow_sending_without_reply": true}});
    assert_eq!(world.server.nth("sendMessage", 1).await.parameters, expected);
    world.server.finish();
}

#[tokio::test]
async fn the_channel_is_what_routes_expect() {
    let world = World::new().await;
    assert_eq!((world.telegram.name(), world.telegram.edits()), ("telegram", true));
    let with = |url: &str, token: &str| {
        let options = Options::new(Secret::new(token), std::sync::Arc::new(world.clock.clone()));
        Telegram::new(Options { api_url: url.into(), ..options }).err()
    };
    assert_eq!(with("https://api.telegram.org", "1:a"), None);
    assert_eq!(with("https://api.telegram.org", "paste me"), Some(ConfigError::Token));
    assert!(matches!(with("http://api.telegram.org", "1:a"), Some(ConfigError::ApiUrl(_))));
    world.server.push(text_update(1, "unread"));
    assert_eq!(world.server.pending(), 1);
}
