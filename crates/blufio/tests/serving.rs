// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server from outside: pairing, routes, status, reload, stop, signals, crashes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use blufio_testkit::anthropic::{Answer, Script};
use rustix::process::Signal;
use serde_json::Value;

use crate::world::{PATIENCE, World, code, stderr, stdout, until};

const OWNER: i64 = 77;
const STRANGER: i64 = 88;

fn owned(world: &World) -> crate::world::Server {
    world.serve(|command| {
        command.env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string());
    })
}

#[test]
fn the_code_of_the_terminal_pairs_the_owner_and_nobody_else() {
    let world = World::new();
    let server = world.serve(|_| {});
    let line = server.line(|line| line.contains("/start "));
    let code = line.rsplit(' ').next().unwrap().to_string();
    world.telegram.say(STRANGER, "/start WRONG123");
    world.telegram.say(STRANGER, "hello");
    world.telegram.say(OWNER, &format!("/start {code}"));
    world.seen(OWNER, |text| text.contains("Paired"));
    world.telegram.say(OWNER, "hello");
    world.seen(OWNER, |text| text == "echo: hello");
    assert!(world.telegram.texts(STRANGER).is_empty(), "before pairing strangers hear nothing");
    world.telegram.say(STRANGER, &format!("/start {code}"));
    world.seen(STRANGER, |text| text.contains("I do not know you"));
    assert_eq!(world.telegram.violations(), Vec::<String>::new());
}

#[test]
fn a_photo_reaches_the_model_with_its_caption() {
    // The smallest JPEG that names itself one.
    const PHOTO: &str = "\u{0}JFIF";
    let bytes = [&[0xFF, 0xD8, 0xFF, 0xE0], PHOTO.as_bytes()].concat();
    let world = World::new();
    world.telegram.put_file("photo-1", &bytes);
    let _server = owned(&world);
    world.telegram.push_message(serde_json::json!({
        "from": {"id": OWNER, "is_bot": false, "first_name": "Ada"},
        "chat": {"id": OWNER, "type": "private", "first_name": "Ada"},
        "date": 1_760_000_000,
        "caption": "what is this?",
        "photo": [{"file_id": "photo-1", "file_unique_id": "u", "width": 90, "height": 90, "file_size": bytes.len()}],
    }));
    world.seen(OWNER, |text| text.contains("what is this?"));
    let request = world.anthropic.requests().pop().unwrap();
    let content = request["messages"][0]["content"].as_array().unwrap().clone();
    let image = content.iter().find(|block| block["type"] == "image").unwrap();
    assert_eq!(image["source"]["media_type"], "image/jpeg");
    assert_eq!(image["source"]["data"], "/9j/4ABKRklG", "{content:?}");
    assert!(content.iter().any(|block| block["text"].as_str().is_some_and(|t| t.contains("what is this?"))));
    assert_eq!((world.telegram.violations(), world.anthropic.violations()), (Vec::new(), Vec::new()));
}

/// Answers everything that happens to a chat.
const DOORKEEPER: &str = r#"agent doorkeeper v1
goal "Know who is there."
start state idle {
  on message m  { reply "Heard {m}." }
  on edited m   { reply "So it is {m}." }
  on reaction m { reply "{m.sender} finds {m}" }
  on joined m   { reply "Welcome, {m}." }
  on left m     { reply "{m.sender} saw {m} go." }
}
"#;

#[test]
fn edits_reactions_comings_and_goings_reach_the_agent_of_the_chat() {
    const GUEST: i64 = 99;
    let world = World::new();
    let agents = world.path().join("agents");
    std::fs::write(agents.join("doorkeeper.agent"), DOORKEEPER).unwrap();
    let routes = "routes\n\ntelegram from anyone in group \"Team\" -> doorkeeper per chat\ntelegram from owner -> assistant\nshell -> assistant\notherwise drop\n";
    std::fs::write(agents.join("routes.agent"), routes).unwrap();
    let _server = world.serve(|command| {
        command
            .env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string())
            .env("BLUFIO_TELEGRAM__GROUP_MESSAGES_PER_MINUTE", "1000");
    });
    let group = || serde_json::json!({"id": -100, "type": "supergroup", "title": "Team"});
    world.telegram.say_in(STRANGER, group(), "tee");
    let message = world.telegram.newest_message();
    world.seen(-100, |text| text == "Heard tee.");
    world.telegram.edit_in(STRANGER, group(), message, "tea");
    world.seen(-100, |text| text == "So it is tea.");
    world.telegram.react_in(GUEST, group(), message, "👍");
    world.seen(-100, |text| text == "User99 finds 👍");
    world.telegram.join_in(STRANGER, group(), GUEST);
    world.seen(-100, |text| text == "Welcome, User99.");
    // The chat tells it, and the list of members too: it is one event.
    let user = serde_json::json!({"id": GUEST, "is_bot": false, "first_name": "User99"});
    world.telegram.push_update(serde_json::json!({"chat_member": {
        "chat": group(), "from": user, "date": 1_760_000_000,
        "old_chat_member": {"status": "left", "user": user}, "new_chat_member": {"status": "member", "user": user},
    }}));
    world.telegram.leave_in(STRANGER, group(), GUEST);
    world.seen(-100, |text| text == "User88 saw User99 go.");
    // The assistant of the owner listens to nothing of it.
    world.telegram.edit(OWNER, 1, "nothing");
    world.telegram.react_in(OWNER, serde_json::json!({"id": OWNER, "type": "private"}), 1, "👍");
    until("everything is taken", || (world.telegram.unconfirmed() == 0).then_some(()));
    let sessions: Value = serde_json::from_str(&stdout(&world.run(&["sessions", "--json"]))).unwrap();
    let keys: Vec<&Value> = sessions.as_array().unwrap().iter().map(|session| &session["key"]).collect();
    assert_eq!(keys, ["doorkeeper/telegram:chat:-100"]);
    assert_eq!(world.telegram.texts(-100).len(), 5, "{:?}", world.telegram.texts(-100));
    assert_eq!(world.telegram.violations(), Vec::<String>::new());
}

#[test]
fn status_says_ready_only_while_a_server_runs() {
    let world = World::new();
    assert_eq!(code(&world.run(&["status"])), 1);
    let mut server = owned(&world);
    let report: Value = serde_json::from_str(&stdout(&world.run(&["status", "--json"]))).unwrap();
    assert_eq!((&report["running"], &report["owner_known"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(report["programs"][0]["agent"], "assistant");
    let mode = world.data().join("blufio.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the socket is the operator's alone");
    let second = world.run(&["serve"]);
    assert_eq!(code(&second), 2, "L8");
    assert!(stderr(&second).contains("blufio stop"), "{}", stderr(&second));
    assert_eq!(code(&world.run(&["stop"])), 0);
    assert_eq!(server.exit_code(), Some(0));
    assert_eq!(code(&world.run(&["status"])), 1);
    assert_eq!(code(&world.run(&["stop"])), 1);
    assert!(!world.data().join("blufio.db-wal").exists(), "a clean stop leaves one complete file");
}

#[test]
fn c20_a_reload_with_errors_keeps_the_old_programs() {
    let world = World::new();
    let server = owned(&world);
    let file = world.path().join("agents/assistant.agent");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("-> think", "-> thunk")).unwrap();
    let refused = world.run(&["reload"]);
    assert_eq!(code(&refused), 1);
    assert!(
        stderr(&refused).contains("old programs keep running") && stderr(&refused).contains("thunk"),
        "{}",
        stderr(&refused)
    );
    server.signal(Signal::HUP);
    server.line(|line| line.contains("old programs keep running"));
    world.telegram.say(OWNER, "hello");
    world.seen(OWNER, |text| text == "echo: hello");
    std::fs::write(&file, good.replace("assistant v1", "assistant v2")).unwrap();
    assert_eq!(code(&world.run(&["reload"])), 0);
    let report: Value = serde_json::from_str(&stdout(&world.run(&["status", "--json"]))).unwrap();
    assert_eq!(report["programs"][0]["version"], 2);
}

#[test]
fn a_reload_that_needs_a_closed_door_asks_for_a_restart() {
    let world = World::new();
    let routes = world.path().join("agents/routes.agent");
    let good = std::fs::read_to_string(&routes).unwrap();
    std::fs::write(&routes, "routes\n\nshell -> assistant\notherwise drop\n").unwrap();
    let _server = owned(&world);
    std::fs::write(&routes, &good).unwrap();
    let refused = world.run(&["reload"]);
    assert_eq!(code(&refused), 1);
    assert!(
        stderr(&refused).contains("old programs keep running") && stderr(&refused).contains("start again"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_signal_drains_and_a_killed_server_goes_on_where_it_stood() {
    let world = World::new();
    let mut server = owned(&world);
    world.anthropic.push(Script::PauseAfter(Answer::text("never seen whole"), 700));
    world.telegram.say(OWNER, "hello");
    assert!(world.runtime.block_on(world.anthropic.wait_paused(PATIENCE)));
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), None);
    let mut server = owned(&world);
    world.seen(OWNER, |text| text == "echo: hello");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let answers = world.telegram.texts(OWNER).into_iter().filter(|text| text == "echo: hello").count();
    assert_eq!(answers, 1);
}

#[test]
fn a_second_signal_stops_at_once() {
    let world = World::new();
    let mut server = owned(&world);
    // A send that hangs keeps the drain busy.
    world.telegram.fail_next("sendMessage", 1_000, blufio_testkit::telegram::Fault::RetryAfter(1));
    world.telegram.say(OWNER, "hello");
    until("the model was asked", || (!world.anthropic.requests().is_empty()).then_some(()));
    server.signal(Signal::TERM);
    server.line(|line| line.contains("a second signal"));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(2));
    assert_eq!(code(&world.run(&["status"])), 1);
}

#[test]
fn l09_another_protocol_and_garbage_are_answered_with_words() {
    let world = World::new();
    let _server = owned(&world);
    for (request, words) in [
        ("{\"version\":99,\"ask\":\"status\"}\n", "protocol"),
        ("hello\n", "does not understand"),
        ("{\"version\":1,\"ask\":\"fly\"}\n", "does not understand"),
    ] {
        let mut stream = UnixStream::connect(world.data().join("blufio.sock")).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("failed") && answer.contains(words), "{answer}");
    }
    assert_eq!(code(&world.run(&["status"])), 0);
}
