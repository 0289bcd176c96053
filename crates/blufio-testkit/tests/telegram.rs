// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telegram: polls, offsets, conflicts, limits, edits, files.

use blufio_testkit::telegram::{Emulator, Fault, TOKEN};
use serde_json::{Value, json};

use crate::{client, post};

async fn call(emulator: &Emulator, method: &str, body: Value) -> (u16, Value) {
    let (status, text) = post(&format!("{}/bot{TOKEN}/{method}", emulator.url()), &body, &[]).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn a_poll_waits_for_a_message_and_an_offset_confirms_it() {
    let emulator = Emulator::start().await.unwrap();
    let poll = call(&emulator, "getUpdates", json!({"timeout": 50}));
    let say = async {
        emulator
            .wait_for(std::time::Duration::from_secs(20), |e| (!e.calls().is_empty()).then_some(()))
            .await;
        emulator.say(7, "hello")
    };
    let ((status, first), id) = tokio::join!(poll, say);
    assert_eq!((status, &first["result"][0]["update_id"]), (200, &json!(id)));
    assert_eq!(first["result"][0]["message"]["text"], "hello");
    let (_, again) = call(&emulator, "getUpdates", json!({"timeout": 0})).await;
    assert_eq!(again["result"], first["result"], "nothing was confirmed");
    let (_, rest) = call(&emulator, "getUpdates", json!({"timeout": 0, "offset": id + 1})).await;
    assert_eq!((rest["result"].as_array().unwrap().len(), emulator.unconfirmed()), (0, 0));
}

#[tokio::test]
async fn a_second_poll_ends_the_first_with_a_conflict() {
    let emulator = Emulator::start().await.unwrap();
    let first = call(&emulator, "getUpdates", json!({"timeout": 50}));
    let second = async {
        emulator
            .wait_for(std::time::Duration::from_secs(20), |e| (!e.calls().is_empty()).then_some(()))
            .await;
        call(&emulator, "getUpdates", json!({"timeout": 0})).await
    };
    let ((status, refused), (ok, _)) = tokio::join!(first, second);
    assert_eq!((status, refused["error_code"].as_i64(), ok), (409, Some(409), 200));
    assert!(refused["description"].as_str().unwrap().starts_with("Conflict: terminated by other getUpdates"));
}

#[tokio::test]
async fn limits_are_told_and_the_token_is_looked_at() {
    let emulator = Emulator::start().await.unwrap();
    emulator.fail_next("sendMessage", 1, Fault::RetryAfter(3));
    let message = || json!({"chat_id": 7, "text": "x"});
    let (status, limited) = call(&emulator, "sendMessage", message()).await;
    assert_eq!((status, &limited["parameters"]["retry_after"]), (429, &json!(3)));
    assert_eq!(call(&emulator, "sendMessage", message()).await.0, 200);
    let (status, _) = post(&format!("{}/bot1:wrong/getMe", emulator.url()), &json!({}), &[]).await;
    assert_eq!(status, 401);
    assert_eq!(call(&emulator, "sendMesage", message()).await.0, 404);
    let found = emulator.violations();
    assert_eq!(found, ["unknown method sendMesage"]);
}

#[tokio::test]
async fn texts_have_a_length_in_utf16_units_and_edits_must_change_them() {
    let emulator = Emulator::start().await.unwrap();
    let (status, sent) =
        call(&emulator, "sendMessage", json!({"chat_id": 7, "text": "🫖".repeat(2_048)})).await;
    assert_eq!(status, 200);
    let (status, refused) =
        call(&emulator, "sendMessage", json!({"chat_id": 7, "text": "🫖".repeat(2_049)})).await;
    assert_eq!((status, refused["description"].as_str()), (400, Some("Bad Request: message is too long")));
    let edit = |text: &str| json!({"chat_id": 7, "message_id": sent["result"]["message_id"], "text": text});
    assert_eq!(call(&emulator, "editMessageText", edit("new")).await.0, 200);
    let (status, same) = call(&emulator, "editMessageText", edit("new")).await;
    assert_eq!(status, 400);
    assert!(same["description"].as_str().unwrap().contains("message is not modified"));
    assert_eq!(emulator.texts(7), ["new"]);
    let (_, empty) = call(&emulator, "sendMessage", json!({"chat_id": 7, "text": "  "})).await;
    assert_eq!(empty["description"], "Bad Request: message text is empty");
}

#[tokio::test]
async fn files_are_found_and_downloaded() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put_file("f1", b"bytes");
    let (_, file) = call(&emulator, "getFile", json!({"file_id": "f1"})).await;
    let path = file["result"]["file_path"].as_str().unwrap();
    let url = format!("{}/file/bot{TOKEN}/{path}", emulator.url());
    assert_eq!(client().get(url).send().await.unwrap().bytes().await.unwrap(), "bytes");
    assert_eq!(call(&emulator, "getFile", json!({"file_id": "f2"})).await.0, 400);
}

#[tokio::test]
async fn parameters_come_from_forms_of_every_kind() {
    let emulator = Emulator::start().await.unwrap();
    let url = format!("{}/bot{TOKEN}/sendMessage", emulator.url());
    let form = client()
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("chat_id=7&text=a+%C3%A4%26");
    assert_eq!(form.send().await.unwrap().status(), 200);
    let body = "--B\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nline\r\nnext\r\n--B--\r\n";
    let parts = client().post(&url).header("content-type", "multipart/form-data; boundary=B").body(body);
    assert_eq!(parts.send().await.unwrap().status(), 200);
    assert_eq!(emulator.texts(7), ["a ä&", "line\r\nnext"]);
    assert_eq!(emulator.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_happens_to_a_chat_is_told_to_those_who_ask_for_it() {
    let emulator = Emulator::start().await.unwrap();
    let group = || json!({"id": -100, "type": "supergroup", "title": "Team"});
    emulator.say_in(7, group(), "hello");
    let message = emulator.newest_message();
    let poll = |kinds: Value| call(&emulator, "getUpdates", json!({"timeout": 0, "allowed_updates": kinds}));
    poll(json!(["message", "edited_message", "message_reaction"])).await;
    emulator.edit_in(7, group(), message, "hallo");
    emulator.react_in(8, group(), message, "👍");
    emulator.join_in(7, group(), 9);
    emulator.leave_in(9, group(), 9);
    // Also in a form, where the list is a text.
    let (_, told) = poll(json!("[\"message\"]")).await;
    let told = told["result"].as_array().unwrap().clone();
    assert_eq!(told.len(), 5);
    assert_eq!(told[1]["edited_message"]["message_id"], json!(message));
    assert_eq!(told[2]["message_reaction"]["new_reaction"][0]["emoji"], "👍");
    assert_eq!(told[3]["message"]["new_chat_members"][0]["id"], 9);
    assert_eq!(told[4]["message"]["left_chat_member"]["id"], 9);
    emulator.edit(7, message, "not asked for any more");
    assert_eq!(emulator.unconfirmed(), 5);
    assert_eq!(emulator.violations(), Vec::<String>::new());
}
