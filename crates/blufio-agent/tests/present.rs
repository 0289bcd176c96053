// SPDX-License-Identifier: MIT OR Apache-2.0
//! People whom a tool names.

use blufio_agent::routes::Person;
use blufio_core::tool::ToolError;

use crate::requests::{does, journal_replays, person, silent};
use crate::world::{World, say};

const ON_CALL: &str = r#"  ask oncall "Will you take it?" within 10m {
    says(t) { send oncall "thanks"  reply "taken: {t}" -> idle }
    late { reply "late" -> idle }
  }"#;

fn on_call() -> World {
    let mut world = silent(&does("", ON_CALL));
    let oncall = Person { name: "oncall".into(), tool: Some("rota.current".into()), ..Person::default() };
    world.people = vec![person("ben", "21"), person("eve", "22"), oncall];
    world
}

#[tokio::test]
async fn a_tool_says_who_is_asked_and_who_is_told() {
    let world = on_call();
    world.tools.orders.lock().unwrap().extend([Ok("eve".to_string()), Ok("\"ben\"".to_string())]);
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!((world.texts("22"), world.texts("21")), (vec!["Will you take it?".to_string()], vec![]));
    say(&handle, 2, "21", "me").await;
    say(&handle, 3, "22", "I do").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["taken: I do"]);
    assert_eq!(world.texts("21").last().map(String::as_str), Some("thanks"), "who it is now");
    journal_replays(&world, "desk/telegram:7").await;
}

#[tokio::test]
async fn a_tool_that_names_nobody_asks_nobody_and_the_owner_hears_of_it() {
    let answers = [
        Ok("mallory".to_string()),
        Ok("oncall".to_string()),
        Ok(String::new()),
        Err(ToolError::Broken("down".to_string())),
    ];
    for answer in answers {
        let world = on_call();
        world.tools.orders.lock().unwrap().push_back(answer);
        let handle = world.start().await;
        say(&handle, 1, "7", "go").await;
        handle.quiet().await;
        assert_eq!(world.texts("7"), ["failed: denied"]);
        assert!(world.texts("1")[0].starts_with("nobody knows who `oncall` is"), "{:?}", world.texts("1"));
        assert_eq!((world.texts("21"), world.texts("22")), (vec![], vec![]));
    }
}
