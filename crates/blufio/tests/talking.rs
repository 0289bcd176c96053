// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shell` through a pipe: with a server and without one, over the same session.

use blufio_testkit::anthropic::{Answer, Script};
use serde_json::{Value, json};

use crate::world::{World, code, stderr, stdout};

#[test]
fn the_shell_runs_alone_and_with_a_server_in_one_session() {
    let world = World::new();
    let alone = world.shell("first\nsecond\n");
    assert_eq!(code(&alone), 0, "{}", stderr(&alone));
    assert_eq!(stdout(&alone), "echo: first\necho: second\n");
    let server = world.serve(|_| {});
    let served = world.shell("third\n");
    assert_eq!((code(&served), stdout(&served).as_str()), (0, "echo: third\n"), "{}", stderr(&served));
    drop(server);
    let last = world.anthropic.requests().pop().unwrap();
    let turns = last["messages"].as_array().unwrap();
    assert_eq!(turns.len(), 5, "the history goes on from one process to the next: {turns:?}");
    assert_eq!(world.anthropic.violations(), Vec::<String>::new());
}

#[test]
fn tools_close_the_loop() {
    let world = World::new();
    std::fs::write(world.path().join("agents/notes/todo.md"), "buy tea").unwrap();
    world.anthropic.push(Script::Answer(Answer::tools(&[
        ("toolu_1", "files_read", json!({ "path": "todo.md" })),
        ("toolu_2", "time_now", json!({ "zone": "Europe/Berlin" })),
    ])));
    let output = world.shell("what is left to do?\n");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let last = world.anthropic.requests().pop().unwrap();
    let newest = last["messages"].as_array().unwrap().last().unwrap()["content"].as_array().unwrap().clone();
    let results: Vec<&Value> = newest.iter().filter(|block| block["type"] == "tool_result").collect();
    assert!(results[0].to_string().contains("buy tea"), "{results:?}");
    assert!(results[1].to_string().contains("Europe/Berlin"), "{results:?}");
    assert_eq!(world.anthropic.violations(), Vec::<String>::new());
}

#[test]
fn lists_are_read_from_the_database_when_no_server_runs() {
    let world = World::new();
    let missing = world.run(&["sessions"]);
    assert_eq!(code(&missing), 2, "no database yet");
    assert_eq!(code(&world.shell("hello\n")), 0);
    let sessions: Value = serde_json::from_str(&stdout(&world.run(&["sessions", "--json"]))).unwrap();
    let key = sessions[0]["key"].as_str().unwrap();
    assert_eq!((key, &sessions[0]["state"]), ("assistant/owner", &json!("idle")));
    let journal: Value =
        serde_json::from_str(&stdout(&world.run(&["sessions", "show", key, "--json"]))).unwrap();
    assert!(journal.as_array().unwrap().iter().any(|record| record["kind"] == "result"), "{journal}");
    let outbox: Value =
        serde_json::from_str(&stdout(&world.run(&["outbox", "--state", "sent", "--format", "json"])))
            .unwrap();
    assert_eq!(outbox[0]["text"], "echo: hello");
    assert_eq!(code(&world.run(&["sessions", "drop", key])), 0);
    assert_eq!(stdout(&world.run(&["sessions", "--json"])).trim(), "[]");
    assert_eq!(code(&world.run(&["sessions", "drop", key])), 1);
    assert_eq!(code(&world.run(&["sessions", "show", "nobody"])), 2);
}

#[test]
fn what_waits_for_the_next_message_says_so_and_comes_ahead_of_its_answer() {
    let world = World::new();
    let agents = world.path().join("agents");
    std::fs::remove_dir_all(&agents).unwrap();
    std::fs::create_dir(&agents).unwrap();
    let desk = "agent desk v1\ngoal \"Note.\"\nstart state idle {\n  on message m { reply \"heard\"  send owner \"noted: {m}\" with next message }\n}\n";
    std::fs::write(agents.join("desk.agent"), desk).unwrap();
    let first = world.shell("first\n");
    assert_eq!((code(&first), stdout(&first).as_str()), (0, "heard\n"), "{}", stderr(&first));
    let table = stdout(&world.run(&["outbox", "--state", "held"]));
    assert!(table.contains("waits for the next message") && table.contains("noted: first"), "{table}");
    let second = world.shell("second\n");
    assert_eq!(stdout(&second), "noted: first\nheard\n", "{}", stderr(&second));
    let held: Value =
        serde_json::from_str(&stdout(&world.run(&["outbox", "--state", "held", "--json"]))).unwrap();
    assert_eq!((held.as_array().unwrap().len(), &held[0]["text"]), (1, &json!("noted: second")));
}
