// SPDX-License-Identifier: MIT OR Apache-2.0
//! What programs remember and forget, and what of it enters prompts.

use crate::requests::does;
use crate::world::{World, lines, newest, say, says};

#[tokio::test]
async fn memory_belongs_to_people_and_enters_prompts_behind_the_newest_turn() {
    let text = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 2 calls }
context { dynamic history last 40 messages max 8000 tokens }
keep { asked: message? }
start state idle {
  on "/keep" m { remember "{m}" for person  reply "kept" }
  on "/drop" m { forget person reply "dropped" }
  on "/look" m { found = recall "{m}" from person top 3  reply "{length found}" }
  on message m { asked = m -> work }
}
state work { turn using fast with history, memory { says(t) { reply t -> idle } refuses(w) -> idle } }
anywhere { on message hold  on failed why -> idle  on over_budget -> idle }
"#;
    let world = World::new(text, |request, _| says(&lines(request).join("/")));
    let handle = world.start().await;
    say(&handle, 1, "7", "/keep likes green tea").await;
    say(&handle, 2, "8", "/look green tea").await;
    say(&handle, 3, "7", "/look green tea").await;
    handle.quiet().await;
    say(&handle, 4, "7", "which tea?").await;
    handle.quiet().await;
    assert_eq!(world.texts("8"), ["0"]);
    let texts = world.texts("7");
    assert_eq!(texts[..2], ["kept", "1"]);
    assert!(texts[2].contains("U:which tea?/U:<data name=\"memory\">\n"), "{texts:?}");
    assert!(texts[2].ends_with("likes green tea\n</data>"));
    // What was sent stays as it was sent, and what stands there is not told again.
    say(&handle, 9, "7", "and which cup for that tea?").await;
    handle.quiet().await;
    let requests = world.requests();
    assert_eq!(requests[1].turns[..requests[0].turns.len()], requests[0].turns[..]);
    assert_eq!(newest(&requests[1]), "and which cup for that tea?");
    say(&handle, 5, "7", "/drop").await;
    say(&handle, 6, "7", "/look green tea").await;
    handle.quiet().await;
    let texts = world.texts("7");
    assert_eq!(texts[texts.len() - 2..], ["dropped", "0"]);
}

#[tokio::test]
async fn forgotten_history_is_not_sent_again() {
    let head = "context { dynamic history last 40 messages max 8000 tokens }";
    let body = "  turn using fast with history { says(t) { reply t -> idle } refuses(w) -> idle }";
    let text = does(head, body)
        .replace("  on \"/stop\"", "  on \"/new\" { forget history reply \"new\" -> idle }\n  on \"/stop\"");
    let world = World::new(&text, |request, _| says(&lines(request).join("/")));
    let handle = world.start().await;
    for (number, words) in [(1, "one"), (2, "/new"), (3, "two")] {
        say(&handle, number, "7", words).await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["U:one", "new", "A:new/U:two"]);
}

#[tokio::test]
async fn the_conditional_zone_names_scope_count_and_size() {
    let text = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 2 calls }
context { conditional recall agent top 1 max 20 tokens  dynamic history last 40 messages max 8000 tokens }
keep { asked: message? }
start state idle {
  on "/keep" m { remember "{m}" for agent  reply "kept" }
  on "/mine" m { remember "{m}" for person  reply "kept" }
  on message m { asked = m -> work }
}
state work { turn using fast with history, memory { says(t) { reply t -> idle } refuses(w) -> idle } }
anywhere { on message hold  on failed why -> idle  on over_budget -> idle }
"#;
    let world = World::new(text, |request, _| says(&newest(request)));
    let handle = world.start().await;
    let long = format!("/keep tea tea {}", "and so on ".repeat(30));
    for (number, words) in [(1, "/mine tea of mine"), (2, "/keep tea"), (3, &long), (4, "which tea?")] {
        say(&handle, number, "7", words).await;
        handle.quiet().await;
    }
    let answer = world.texts("7")[3].clone();
    assert!(answer.contains("/keep tea") && !answer.contains("mine"), "{answer}");
    assert_eq!(answer.matches("/keep").count(), 1, "{answer}");
    assert!(answer.len() < 200, "{answer}");
}

#[tokio::test]
async fn what_is_not_like_the_question_stays_out() {
    let text = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 2 calls }
context { conditional recall agent top 5 above 0.5 max 200 tokens }
keep { asked: message? }
start state idle {
  on "/keep" m { remember "{m}" for agent  reply "kept" }
  on message m { asked = m -> work }
}
state work { write t using fast from asked with memory "Answer."  reply t -> idle }
anywhere { on message hold  on failed why -> idle  on over_budget -> idle }
"#;
    let world = World::new(text, |request, _| says(&newest(request)));
    let handle = world.start().await;
    say(&handle, 1, "7", "/keep ada drinks green tea every day").await;
    say(&handle, 2, "7", "/keep tea").await;
    handle.quiet().await;
    say(&handle, 3, "7", "shall we buy coffee or tea today?").await;
    handle.quiet().await;
    let told = &world.texts("7")[2];
    assert!(told.contains("/keep tea"), "one word of two: {told}");
    assert!(!told.contains("every day"), "one word of seven: {told}");
}
