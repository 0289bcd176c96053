// SPDX-License-Identifier: MIT OR Apache-2.0
//! `run`: the loop through tools, refusals that the model reads, and calls that must not be repeated.

use blufio_core::model::ModelRequest;

use crate::conversation::ASSISTANT;
use crate::world::{Answer, World, calls, lines, newest, say, says};

fn poster() -> String {
    ASSISTANT.replace("can use time.now,", "can use time.now, post.send,")
}

fn after_result(first: Answer) -> impl Fn(&ModelRequest, usize) -> Answer + Send + Sync {
    move |request, _| {
        if newest(request).contains("result: ") { says(&newest(request)) } else { first.clone() }
    }
}

#[tokio::test]
async fn the_loop_closes_through_calls_and_run() {
    let world = World::new(ASSISTANT, after_result(calls("c1", "files_read", r#"{"path":"todo.md"}"#)));
    let handle = world.start().await;
    say(&handle, 1, "7", "what is to do?").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["result: from /agents/notes/"]);
    let seen = world.channel.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "one message for the whole answer: {seen:?}");
    assert_eq!(lines(&world.requests()[1])[1..], ["A:Let me see.|!files_read", "U:=from /agents/notes/"]);
    let call = &world.tools.calls.lock().unwrap()[0];
    assert!(call.idempotency_key.starts_with("assistant/v1/"), "{}", call.idempotency_key);
}

#[tokio::test]
async fn unknown_tools_and_wrong_arguments_are_told_to_the_model_and_nothing_runs() {
    for (name, input, expected) in [
        ("shell_run", "{}", "error result: there is no tool `shell_run`"),
        ("files_read", r#"{"file":"x"}"#, "error result: the arguments do not fit"),
        ("post_send", r#"{"text":"x"}"#, "error result: there is no tool `post_send`"),
    ] {
        let world = World::new(ASSISTANT, after_result(calls("c1", name, input)));
        let handle = world.start().await;
        say(&handle, 1, "7", "go").await;
        handle.quiet().await;
        assert!(world.texts("7")[0].starts_with(expected), "{:?}", world.texts("7"));
        assert!(world.tools.calls.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_model_that_only_calls_tools_is_stopped_by_the_cap() {
    let world =
        World::new(ASSISTANT, |request, _| calls(&format!("c{}", request.turns.len()), "time_now", "{}"));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Too long."]);
    assert_eq!(world.requests().len(), 10);
}

#[tokio::test]
async fn a_call_that_a_crash_interrupted_is_uncertain_and_never_repeated() {
    let world = World::new(&poster(), after_result(calls("c1", "post_send", r#"{"text":"x"}"#)));
    *world.tools.hang.lock().unwrap() = true;
    let handle = world.start().await;
    say(&handle, 1, "7", "post it").await;
    world.until("posting", |w| w.tools.calls.lock().unwrap().len() == 1).await;
    kill(handle);
    *world.tools.hang.lock().unwrap() = false;
    let next = World {
        store: world.store.clone(),
        channel: world.channel.clone(),
        ..World::new(&poster(), |request, _| says(&lines(request).join("/")))
    };
    let handle = next.start().await;
    handle.quiet().await;
    assert_eq!(next.texts("7"), ["Please check."]);
    assert!(next.tools.calls.lock().unwrap().is_empty(), "not repeated");
    say(&handle, 2, "7", "and?").await;
    handle.quiet().await;
    let history = &next.texts("7")[1];
    assert!(history.contains("!post_send/U:=the outcome is unknown"), "{history}");
}

/// Forgets a runtime without stopping it, as a crash does: its tasks never run again once the test's executor only
/// polls the new ones, because what they wait for never comes.
fn kill(handle: blufio_agent::Handle) {
    std::mem::forget(handle);
}

#[tokio::test]
async fn leaving_while_a_call_runs_journals_its_result_as_late() {
    let world = World::new(&poster(), |request, number| match number {
        0 => calls("c1", "post_send", r#"{"text":"x"}"#),
        _ => says(&lines(request).join("/")),
    });
    *world.tools.hang.lock().unwrap() = true;
    let handle = world.start().await;
    say(&handle, 1, "7", "post it").await;
    world.until("posting", |w| w.tools.calls.lock().unwrap().len() == 1).await;
    say(&handle, 2, "7", "/stop").await;
    world.until("stopped", |w| w.texts("7").iter().any(|t| t == "Stopped.")).await;
    world.clock.advance(60_000);
    handle.quiet().await;
    let row = world.store.session("assistant/telegram:7").await.unwrap().unwrap();
    let journal = world.store.journal(row.id, 0, 100).await.unwrap();
    let late: Vec<&str> =
        journal.iter().filter(|r| r.record.kind == "late").map(|r| r.record.body.as_str()).collect();
    assert_eq!(late.len(), 2, "{late:?}");
    assert!(late[0].contains("cancelled") && late[1].contains("result"), "{late:?}");
    say(&handle, 3, "7", "so?").await;
    handle.quiet().await;
    let history = world.texts("7").pop().unwrap();
    assert!(
        history.contains("!post_send/U:=not run/U:/stop/"),
        "no orphaned call, and order kept: {history}"
    );
}
