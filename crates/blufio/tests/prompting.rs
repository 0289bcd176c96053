// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the next prompt of a session holds can be seen before it is sent.

use serde_json::Value;

use crate::world::{World, code, stderr, stdout};

const OWNER: i64 = 77;
const KEY: &str = "assistant/owner";

#[test]
fn the_next_prompt_is_shown_by_zones_and_as_it_will_be_sent() {
    let world = World::new();
    let _server = world.serve(|command| {
        command.env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string());
    });
    world.telegram.say(OWNER, "hello");
    world.seen(OWNER, |text| text == "echo: hello");

    let shown = world.run(&["context", KEY]);
    assert_eq!(code(&shown), 0, "{}", stderr(&shown));
    let words = stdout(&shown);
    for part in [
        "static",
        "dynamic",
        "counted by the provider",
        "about",
        "prefix       unchanged since the last call",
        "[S",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // The emulated service counts a token for four bytes of a request.
    let counted: Value = serde_json::from_str(&stdout(&world.run(&["context", KEY, "--json"]))).unwrap();
    let of = |zone: &str| counted["tokens"][zone].as_u64().unwrap();
    assert_eq!(of("total"), of("tools") + of("system") + of("summary") + of("history"));
    let bytes = serde_json::to_string(&prompt_of(&world)).unwrap().len() as u64;
    assert!(of("total").abs_diff(bytes / 4) <= 20, "{counted} {bytes}");

    let offline = world.run(&["context", KEY, "--offline", "--json"]);
    let data: Value = serde_json::from_str(&stdout(&offline)).unwrap();
    assert!(data["counted"].as_str().unwrap().starts_with("estimated"), "{data}");
    assert!(data["tokens"]["total"].as_u64().unwrap() > data["tokens"]["history"].as_u64().unwrap());
    // Greeting the shipped assistant costs less than 1,500 tokens of prompt; rivals send 6,848 to 13,331.
    assert!(data["tokens"]["total"].as_u64().unwrap() <= 1_500, "{}", data["tokens"]);
    assert!(data["next_usd_micros"]["most"].as_i64() >= data["next_usd_micros"]["likely"].as_i64());

    let prompt = prompt_of(&world);
    world.telegram.say(OWNER, "again");
    world.seen(OWNER, |text| text == "echo: again");
    let sent =
        world.anthropic.requests().into_iter().rfind(|request| request.get("messages").is_some()).unwrap();
    for part in ["model", "system", "tools", "max_tokens"] {
        assert_eq!(prompt[part], sent[part], "{part}");
    }
    let turns = |request: &Value| request["messages"].as_array().unwrap().clone();
    let (shown, sent) = (turns(&prompt), turns(&sent));
    assert_eq!(shown.len(), sent.len());
    assert_eq!(text_of(&shown[0]), text_of(&sent[0]));

    // The emulated service cached nothing of it.
    assert_eq!(counted["expected_cache_read_tokens"], 0, "{counted}");
    assert!(words.contains("next cache   nothing is read: nothing of the last call was cached"), "{words}");

    // What was read from the cache until now ends where the file begins that is another one.
    std::fs::write(world.path().join("agents/persona.md"), "You are short of words.").unwrap();
    assert_eq!(code(&world.run(&["reload"])), 0);
    let changed = stdout(&world.run(&["context", KEY]));
    assert!(changed.contains("CHANGED since the last call at `persona.md`: the "), "{changed}");
    assert!(changed.contains("next cache   nothing is read: its beginning changed"), "{changed}");

    let none = world.run(&["context", "nobody"]);
    assert!(code(&none) == 2 && stderr(&none).contains("no session `nobody`"), "{}", stderr(&none));
}

fn prompt_of(world: &World) -> Value {
    let prompt = world.run(&["prompt", KEY]);
    assert_eq!(code(&prompt), 0, "{}", stderr(&prompt));
    serde_json::from_str(&stdout(&prompt)).unwrap()
}

fn text_of(turn: &Value) -> &str {
    turn["content"][0]["text"].as_str().unwrap_or_default()
}
