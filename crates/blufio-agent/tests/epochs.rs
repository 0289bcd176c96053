// SPDX-License-Identifier: MIT OR Apache-2.0
//! `then summarize`: a full history begins anew with a summary of what fell out of it.

use std::sync::Arc;

use blufio_agent::inspect::Inspection;
use blufio_core::model::{Block, ModelErrorKind, ModelRequest, StopReason};

use crate::requests::journal_replays;
use crate::world::{Answer, World, calls, lines, newest, reply, say, says};

const TALK: &str = r#"agent talk v1
goal "Talk."
models { fast = "fake/small"  smart = "fake/large" }
budget { message = 4 calls }
can use time.now
context { dynamic history last 8 messages max 8000 tokens then summarize using fast }
start state idle { on message m -> speak }
state speak max 3 per event else idle {
  turn using smart with history { says(t) { reply t -> idle } calls(c) { run c -> speak } refuses(w) -> idle }
}
anywhere { on message hold  on "/new" { forget history reply "new" -> idle }  on failed why { reply "Failed" -> idle }  on uncertain -> idle }
"#;

fn is_summary(request: &ModelRequest) -> bool {
    request.system[0].starts_with("You keep the notes")
}

/// Answers with a number, and summarises with what it was given to summarise.
fn talks(request: &ModelRequest, number: usize) -> Answer {
    if is_summary(request) {
        says("They counted.")
    } else {
        says(&format!("answer {number} with some words"))
    }
}

async fn talk(world: &World, from: usize, to: usize) {
    let handle = world.start().await;
    for number in from..to {
        say(&handle, number, "7", &format!("message {number} with some more words")).await;
        handle.quiet().await;
    }
    handle.stop().await;
}

fn again(world: &World, script: impl Fn(&ModelRequest, usize) -> Answer + Send + Sync + 'static) -> World {
    World {
        store: world.store.clone(),
        clock: world.clock.clone(),
        channel: world.channel.clone(),
        ..World::new(TALK, script)
    }
}

#[tokio::test]
async fn what_falls_out_lives_on_as_a_summary_and_the_prefix_changes_only_there() {
    let world = World::new(TALK, talks);
    talk(&world, 0, 5).await;
    // The rest is said to another process.
    let world = {
        let next = again(&world, talks);
        talk(&next, 5, 12).await;
        next
    };
    let requests = world.requests();
    let summaries = requests.iter().filter(|request| is_summary(request)).count();
    assert!((1..=4).contains(&summaries), "{summaries}");
    let shown: Vec<Vec<String>> = requests.iter().filter(|request| !is_summary(request)).map(lines).collect();
    let head = "U:<data name=\"conversation so far\">\nThey counted.\n</data>";
    assert!(shown.last().is_some_and(|lines| lines[0] == head && lines.len() <= 9), "{shown:?}");
    let mutations =
        shown.windows(2).filter(|pair| pair[1][..pair[0].len().min(pair[1].len())] != pair[0][..]);
    assert!(mutations.count() <= summaries, "the prefix changes once an epoch");
    let asked = requests.iter().find(|request| is_summary(request)).map(newest).unwrap();
    assert!(asked.contains("user: message") && asked.contains("assistant: answer"), "{asked}");
    let ledger = world.store.ledger(None, 100).await.unwrap();
    let purposes = ledger.iter().filter(|row| row.purpose == "summary").map(|row| row.model_asked.as_str());
    assert!(purposes.clone().count() >= summaries && purposes.into_iter().all(|model| model == "fake/small"));
    journal_replays(&world, "talk/telegram:7").await;
}

/// What a script gives, for messages.
fn described(script: &Answer) -> String {
    match script {
        Answer::Reply(_, reply) => format!("{:?} {:?}", reply.stop, reply.turn.blocks.first()),
        _ => "fails".into(),
    }
}

#[tokio::test]
async fn a_summary_that_is_no_help_drops_the_oldest_as_without_one() {
    let text = || vec![Block::Text { text: "They counted.".into() }];
    let thinking = || vec![Block::Opaque { json: r#"{"type":"thinking","thinking":"hm"}"#.into() }];
    let scripts = [
        says("  "),
        says(&"far too long ".repeat(400)),
        Answer::Fail(ModelErrorKind::InvalidRequest, None),
        calls("x", "time_now", "{}"),
        reply(text(), StopReason::Refusal),
        reply(text(), StopReason::MaxTokens),
        reply(text(), StopReason::ContextWindowExceeded),
        reply(text(), StopReason::PauseTurn),
        reply(text(), StopReason::Other("brand_new".into())),
        reply(thinking(), StopReason::EndTurn),
        reply(Vec::new(), StopReason::EndTurn),
    ];
    for script in scripts {
        let (answer, what) = (script.clone(), format!("{:?}", described(&script)));
        let world =
            World::new(
                TALK,
                move |request, number| {
                    if is_summary(request) { answer.clone() } else { talks(request, number) }
                },
            );
        talk(&world, 0, 12).await;
        let requests = world.requests();
        let last = requests.iter().rev().find(|request| !is_summary(request)).map(lines).unwrap();
        assert!(last.len() <= 9 && last[0].starts_with("U:message"), "{what}: {last:?}");
        assert!(!requests.iter().filter(|r| !is_summary(r)).any(|r| lines(r).join("").contains("counted")));
        assert_eq!(world.texts("7").len(), 12, "{what}");
        let ledger = world.store.ledger(None, 100).await.unwrap();
        let summaries = ledger.iter().filter(|row| row.purpose == "summary");
        let asked = requests.iter().filter(|request| is_summary(request)).count();
        assert_eq!(summaries.count(), asked, "{what}: each is paid for");
        journal_replays(&world, "talk/telegram:7").await;
    }
}

#[tokio::test]
async fn a_crash_while_it_is_summarised_summarises_again() {
    let world =
        World::new(
            TALK,
            |request, number| {
                if is_summary(request) { Answer::Hang(vec![]) } else { talks(request, number) }
            },
        );
    let handle = world.start().await;
    for number in 0..5 {
        say(&handle, number, "7", &format!("message {number} with some more words")).await;
        if number < 4 {
            handle.quiet().await;
        }
    }
    world.until("summarised", |w| w.requests().iter().any(is_summary)).await;
    drop(handle);
    let next = again(&world, talks);
    let handle = next.start().await;
    handle.quiet().await;
    let requests = next.requests();
    assert_eq!(requests.iter().map(is_summary).collect::<Vec<_>>(), [true, false]);
    assert!(lines(&requests[1])[0].contains("They counted."));
    assert_eq!(world.texts("7").len(), 5);
    journal_replays(&next, "talk/telegram:7").await;
}

#[tokio::test]
async fn calls_stay_with_their_results_and_forgetting_forgets_the_summary() {
    let world = World::new(TALK, |request, number| {
        if is_summary(request) {
            says("They counted.")
        } else if newest(request).starts_with("message") {
            calls(&format!("c{number}"), "time_now", "{}")
        } else {
            says("noon")
        }
    });
    talk(&world, 0, 12).await;
    for request in world.requests().iter().filter(|request| !is_summary(request)) {
        let lines = lines(request);
        let first = usize::from(lines[0].contains("They counted."));
        assert!(lines[first].starts_with("U:message"), "{lines:?}");
    }
    let next = again(&world, talks);
    let handle = next.start().await;
    say(&handle, 100, "7", "/new").await;
    say(&handle, 101, "7", "message afresh").await;
    handle.quiet().await;
    let last = next.requests().last().map(lines).unwrap();
    assert_eq!(last, ["A:new", "U:message afresh"]);
}

#[tokio::test]
async fn the_choice_of_the_model_is_in_the_ledger_with_its_reason_and_steps_down() {
    let text = r#"agent desk v1
goal "Help."
models {
  fast = "fake/small"
  smart = "fake/large"
  auto = by complexity (simple: fast, standard: smart, complex: smart) when budget under 50% use fast
}
budget { message = 2 calls  day = 0.1 usd }
start state idle { on message m { asked = m -> work } }
keep { asked: message? }
state work { write t using auto from asked "Answer."  reply t -> idle }
anywhere { on message hold  on failed why { reply "Failed {why.detail}" -> idle }  on over_budget { reply "too dear" -> idle } }
"#;
    let mut world = World::new(text, |_, _| says("yes"));
    world.price = Arc::new(|_, _, usage| Some((usage.input_tokens * 300 + usage.output_tokens) as i64));
    let handle = world.start().await;
    for (number, words) in
        ["hello", "Compare both offers and explain which is better.", "Compare both offers and explain it."]
            .iter()
            .enumerate()
    {
        say(&handle, number, "7", words).await;
        handle.quiet().await;
        if number == 1 {
            let caps = vec![blufio_core::store::Cap {
                what: "desk/usd/day".into(),
                most_usd_micros: 100_000,
                period: crate::world::TOMORROW_MS,
                warns: false,
                frees_up_ms: Some(crate::world::TOMORROW_MS),
            }];
            let row = world.store.ledger(None, 1).await.unwrap().remove(0);
            let spends = blufio_core::store::Announcement { row, worst_usd_micros: 50_000, caps };
            world.store.announce_attempt(spends).await.unwrap();
        }
    }
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let chosen: Vec<(&str, &str)> = ledger
        .iter()
        .rev()
        .filter(|row| row.outcome == "ok")
        .map(|row| (row.model_asked.as_str(), row.reason.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(chosen[0], ("fake/small", "simple, score 0: nothing special"));
    assert_eq!(chosen[1], ("fake/large", "standard, score 2: asks for reasons"));
    let (model, reason) = chosen.last().unwrap();
    assert!(*model == "fake/small" && reason.ends_with("of the budget is left, under 50 %"), "{chosen:?}");
}

#[tokio::test]
async fn steps_side_by_side_let_the_history_begin_anew_once() {
    let text = r#"agent talk v1
goal "Talk."
models { fast = "fake/small" }
budget { message = 9 calls }
context { dynamic history last 8 messages max 8000 tokens then summarize using fast }
start state idle { on message m -> both }
state both {
  found = each n in ["one", "two"], 2 at once within 1m { write t using fast with history "Say {n}." }
  reply "{length found}" -> idle
}
anywhere { on message hold  on failed why { reply "Failed" -> idle }  on over_budget -> idle }
"#;
    let world =
        World::new(
            text,
            |request, _| {
                if is_summary(request) { says("They counted.") } else { says(&newest(request)) }
            },
        );
    talk(&world, 0, 12).await;
    let requests = world.requests();
    let asked = requests.iter().filter(|request| is_summary(request)).map(newest).collect::<String>();
    let shown = requests.iter().rev().find(|request| !is_summary(request)).map(lines).unwrap();
    assert!(shown[0].contains("They counted."), "{shown:?}");
    for number in 0..12 {
        let words = format!("message {number} with");
        let is_shown = shown.iter().any(|line| line.contains(&words));
        assert!(is_shown || asked.contains(&words), "{words} is neither shown nor summarised: {shown:?}");
    }
    journal_replays(&world, "talk/telegram:7").await;
}

/// The ledger calls everything that a schedule causes a heartbeat, a summary too: `blufio context` tells it from the step
/// that it was made for all the same.
#[tokio::test]
async fn a_summary_of_a_heartbeat_is_a_heartbeat_and_no_question() {
    let text = r#"agent beat v1
goal "Think."
models { fast = "fake/small" }
budget { message = 1 calls  heartbeat = 1 calls }
context { dynamic history last 4 messages max 8000 tokens then summarize using fast }
start state idle { every 5m -> think }
state think {
  turn using fast with history from now "What now?" { says(t) -> idle  refuses(w) -> idle }
}
anywhere { on failed -> idle }
"#;
    // The last step fails behind its summary.
    let world = World::new(text, |request, number| match is_summary(request) {
        true => says("It thought."),
        false if number >= 5 => Answer::Fail(ModelErrorKind::InvalidRequest, None),
        false => says(&format!("a thought of some words, the number {number}")),
    });
    let handle = world.start().await;
    world.settle().await;
    let mut beats = 0;
    while world.requests().len() < 6 {
        world.clock.advance(5 * 60_000);
        world.settle().await;
        handle.quiet().await;
        beats += 1;
        assert!(beats < 10, "{:?}", world.requests().len());
    }
    let ledger = world.store.ledger(None, 100).await.unwrap();
    assert!(ledger.iter().all(|row| row.purpose == "heartbeat"), "{ledger:?}");
    let requests = world.requests();
    assert!(is_summary(&requests[requests.len() - 2]), "the newest answer was a summary");
    assert_eq!((ledger[0].outcome.as_str(), ledger[1].outcome.as_str()), ("InvalidRequest", "ok"));
    let found = Inspection::read(&*world.store, "beat/own", |_| Box::new(|_| None)).await.unwrap().unwrap();
    assert_eq!(found.static_changed(), Some(false), "the summary's prompt is not the agent's");
    let last = found.last.unwrap();
    assert_eq!((last.outcome.as_str(), last == ledger[1]), ("ok", false));
}
