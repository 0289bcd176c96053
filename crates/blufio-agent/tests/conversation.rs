// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversations: taking, holding, joining and dropping; stopping and streaming; asking again; routes and pairing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blufio_agent::Runtime;
use blufio_core::model::{ModelErrorKind, StopReason};
use blufio_core::store::{OutboxState, SessionStatus};

use crate::world::{Answer, START_MS, World, agent, lines, message, newest, program_with, reply, say, says};

/// An assistant that streams, joins what is added while it works, and stops when told.
pub const ASSISTANT: &str = r#"agent assistant v1
goal "Help."
models { fast = "fake/small" }
budget { message = 10 calls }
can use time.now, files.read in "notes/"
context { static "persona.md" max 500 tokens  dynamic history last 40 messages max 8000 tokens }
start state idle {
  on message m -> think
}
state think max 10 per event else give_up {
  turn stream using fast with history {
    says(answer) { reply answer -> idle }
    calls(tools) { run tools -> think }
    refuses(why) { reply "I can't: {why}" -> idle }
  }
}
state give_up { reply "Too long." -> idle }
anywhere {
  on message join
  on "/stop" { reply "Stopped." -> idle }
  on "/ping" { reply "pong" }
  on failed why { reply "Failed: {why.kind}" -> idle }
  on uncertain { reply "Please check." -> idle }
}
"#;

#[tokio::test]
async fn a_message_is_answered_and_everything_is_on_record() {
    let world = World::new(ASSISTANT, |request, _| says(&format!("You said {}", newest(request))));
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["You said hello"]);
    assert_eq!(world.state_of("assistant/telegram:7").await, "idle");
    let request = &world.requests()[0];
    assert_eq!(request.model, "small");
    assert!(request.system[0].starts_with("Help."));
    assert_eq!(request.system[1], "You are Kettle.");
    assert_eq!(request.tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["time_now", "files_read"]);
    let row = world.store.session("assistant/telegram:7").await.unwrap().unwrap();
    let kinds: Vec<String> =
        world.store.journal(row.id, 0, 100).await.unwrap().into_iter().map(|r| r.record.kind).collect();
    assert_eq!(kinds, ["event", "moved", "event", "moved", "intent", "attempt", "result", "moved"]);
    let ledger = world.store.ledger(Some(row.id), 10).await.unwrap();
    assert_eq!((ledger.len(), ledger[0].usd_micros, ledger[0].purpose.as_str()), (1, Some(10), "turn"));
    assert!(world.store.mail("assistant/telegram:7", 10).await.unwrap().is_empty());
    assert!(*world.channel.typing.lock().unwrap() > 0);
}

#[tokio::test]
async fn the_same_update_twice_is_answered_once() {
    let world = World::new(ASSISTANT, |_, _| says("hi"));
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["hi"]);
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn a_joined_message_is_read_by_the_next_step_and_never_lost() {
    let gate = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&gate);
    let world = World::new(ASSISTANT, move |request, number| match number {
        // The call during which the second message arrives; its answer comes only after that.
        0 if !open.load(Ordering::SeqCst) => Answer::Hang(vec![]),
        _ => says(&format!("answer to {}", lines(request).join(" / "))),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "one").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    say(&handle, 2, "7", "two").await;
    world.settle().await;
    assert_eq!(world.requests().len(), 1, "a joined message does not disturb the call");
    assert!(world.store.mail("assistant/telegram:7", 10).await.unwrap()[0].joined);
    // The process dies here: the call is made again, with what it was asked with, and `idle` takes the joined message.
    drop(handle);
    gate.store(true, Ordering::SeqCst);
    let again = World {
        store: world.store.clone(),
        clock: world.clock.clone(),
        channel: world.channel.clone(),
        ..World::new(ASSISTANT, |request, _| says(&lines(request).join("/")))
    };
    let handle = again.start().await;
    handle.quiet().await;
    assert_eq!(
        again.requests().iter().map(|r| lines(r).join("/")).collect::<Vec<_>>(),
        ["U:one", "U:one/A:U:one/U:two"]
    );
    assert_eq!(again.texts("7"), ["U:one", "U:one/A:U:one/U:two"]);
    // What the killed call cost nobody knows; that it was made is on record.
    let ledger = again.store.ledger(None, 10).await.unwrap();
    let interrupted: Vec<_> = ledger.iter().filter(|row| row.outcome == "interrupted").collect();
    assert_eq!(interrupted.len(), 1);
    assert!(!interrupted[0].usage_known && interrupted[0].model_asked == "fake/small");
    assert_eq!(ledger.iter().filter(|row| row.outcome == "ok").count(), 2);
}

const HOLDS: &str = r#"agent desk v1
goal "Answer."
models { fast = "fake/small" }
budget { message = 3 calls }
type Wish = question | nothing
keep { asked: message? }
start state idle { on message m { asked = m -> look } }
state look {
  pick Wish using fast from asked retry 1 "What is it?" {
    question -> answer
    nothing { reply "Nothing then." -> idle }
  }
}
state answer { write text using fast from asked "Answer it."  reply text -> idle }
anywhere { on message hold  on "/noise" drop  on failed why { reply "Failed: {why.kind}" -> idle } }
"#;

fn desk(request: &blufio_core::model::ModelRequest) -> Answer {
    let newest = newest(request);
    if request.output_schema.is_none() {
        let asked = newest.lines().nth(1).unwrap_or_default().to_string();
        return says(&format!("About {asked}"));
    }
    says(if newest.contains("bye") { r#"{"choice":"nothing"}"# } else { r#"{"choice":"question"}"# })
}

#[tokio::test]
async fn held_messages_are_answered_in_order_and_dropped_ones_are_not() {
    let world = World::new(HOLDS, |request, _| desk(request));
    let handle = world.start().await;
    let batch = ["tea", "/noise please", "milk", "bye"];
    let batch = batch.iter().enumerate().map(|(at, text)| message(at, "7", text)).collect();
    handle.sink().deliver("telegram", batch, None).await.unwrap();
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["About tea", "About milk", "Nothing then."]);
    assert!(world.store.mail("desk/telegram:7", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_pick_that_does_not_fit_is_asked_again_with_what_is_wrong() {
    let world = World::new(
        HOLDS,
        |request, number| if number == 0 { says(r#"{"choice":"poem"}"#) } else { desk(request) },
    );
    let handle = world.start().await;
    say(&handle, 1, "7", "tea").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["About tea"]);
    let asked = lines(&world.requests()[1]);
    assert_eq!(asked.len(), 3);
    assert!(asked[0].contains("<data name=\"asked\">\ntea\n</data>"), "{asked:?}");
    assert!(asked[1].contains("poem") && asked[2].contains("does not fit"), "{asked:?}");
}

#[tokio::test]
async fn a_pick_that_never_fits_fails_as_invalid() {
    let world = World::new(HOLDS, |_, _| says("no json"));
    let handle = world.start().await;
    say(&handle, 1, "7", "tea").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Failed: invalid"]);
    assert_eq!(world.requests().len(), 2, "retry 1 is one further attempt");
}

#[tokio::test]
async fn stop_cancels_a_running_call_and_what_was_shown_stays_with_a_mark() {
    let world = World::new(ASSISTANT, |request, number| match number {
        0 => Answer::Hang(vec!["Once upon", " a time"]),
        _ => says(&lines(request).join("/")),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "a story").await;
    world.until("streams", |w| w.texts("7") == ["Once upon a time"]).await;
    say(&handle, 2, "7", "/stop").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Once upon a time ⏹", "Stopped."]);
    assert_eq!(world.state_of("assistant/telegram:7").await, "idle");
    say(&handle, 3, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7")[2], "U:a story/A:Once upon a time ⏹/U:/stop/A:Stopped./U:go");
    let ledger = world.store.ledger(None, 10).await.unwrap();
    assert!(ledger.iter().any(|row| row.outcome == "cancelled"), "a cancelled call may have cost money");
}

#[tokio::test]
async fn a_quick_handler_answers_while_the_model_works() {
    let world = World::new(ASSISTANT, |_, _| Answer::Hang(vec![]));
    let handle = world.start().await;
    say(&handle, 1, "7", "think hard").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    say(&handle, 2, "7", "/ping").await;
    world.until("pong", |w| w.texts("7") == ["pong"]).await;
    assert_eq!(world.requests().len(), 1, "the call goes on");
    assert_eq!(world.state_of("assistant/telegram:7").await, "think");
}

#[tokio::test]
async fn a_stream_is_one_message_that_grows_into_the_reply() {
    let world = World::new(ASSISTANT, |_, _| match says("Hello there") {
        Answer::Reply(_, reply) => Answer::Reply(vec!["Hello"], reply),
        other => other,
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    let seen = world.channel.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].texts, ["…", "Hello", "Hello there"]);
}

#[tokio::test]
async fn a_long_streamed_reply_spills_into_further_messages_in_order() {
    let world = World::new(ASSISTANT, |_, _| says(&"x".repeat(450)));
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.texts("7").iter().map(String::len).collect::<Vec<_>>(), [200, 200, 50]);
}

#[tokio::test]
async fn the_chain_falls_back_and_every_attempt_is_in_the_ledger() {
    let mut world = World::new(ASSISTANT, |request, _| match request.model.as_str() {
        "small" => Answer::Fail(ModelErrorKind::InvalidRequest, None),
        _ => says("from the big one"),
    });
    let program = program_with(ASSISTANT, |typed| typed.models[0].chain.push("fake/big".into()));
    world.programs[0].program = program;
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["from the big one"]);
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let mut outcomes: Vec<&str> = ledger.iter().map(|row| row.outcome.as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["InvalidRequest", "ok"]);
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_exactly_and_then_the_same_request_is_made() {
    let world = World::new(ASSISTANT, |_, number| match number {
        0 => Answer::Fail(ModelErrorKind::RateLimited, Some(7_000)),
        _ => says("at last"),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    world.until("first attempt", |w| w.requests().len() == 1).await;
    world.settle().await;
    world.clock.advance(6_999);
    world.settle().await;
    assert_eq!(world.requests().len(), 1);
    world.clock.advance(1);
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["at last"]);
    let requests = world.requests();
    assert_eq!(requests[0], requests[1]);
}

#[tokio::test]
async fn a_refusal_discards_what_the_model_had_said() {
    let world = World::new(ASSISTANT, |request, number| match number {
        0 => reply(vec![blufio_core::model::Block::Text { text: "Half a".into() }], StopReason::Refusal),
        _ => says(&lines(request).join("/")),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "bad").await;
    handle.quiet().await;
    say(&handle, 2, "7", "good").await;
    handle.quiet().await;
    assert_eq!(
        world.texts("7"),
        ["I can't: the model declined", "U:bad/A:I can't: the model declined/U:good"]
    );
}

#[tokio::test]
async fn an_empty_answer_is_nudged_once_and_never_a_blank_message() {
    let world = World::new(ASSISTANT, |_, _| reply(Vec::new(), StopReason::EndTurn));
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.requests().len(), 2);
    assert!(world.texts("7").iter().all(|text| !text.trim().is_empty()), "{:?}", world.texts("7"));
    assert_eq!(world.state_of("assistant/telegram:7").await, "idle");
}

#[tokio::test]
async fn a_failure_while_handling_a_failure_parks_the_session_and_tells_the_owner() {
    let text = HOLDS.replace("{ reply \"Failed: {why.kind}\" -> idle }", "-> sorry");
    let text = text.replace("anywhere {", "state sorry max 1 per event else idle { write text using fast \"Apologise.\"  reply text -> idle }\nanywhere {");
    let world = World::new(&text.replace("3 calls", "9 calls"), |_, _| {
        Answer::Fail(ModelErrorKind::InvalidRequest, None)
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "tea").await;
    handle.quiet().await;
    let row = world.store.session("desk/telegram:7").await.unwrap().unwrap();
    assert_eq!(row.status, SessionStatus::Parked);
    assert!(world.texts("1")[0].contains("parked"), "{:?}", world.texts("1"));
    say(&handle, 2, "7", "more").await;
    handle.quiet().await;
    assert_eq!(
        world.store.mail("desk/telegram:7", 10).await.unwrap().len(),
        1,
        "mail of a parked session waits"
    );
    assert!(handle.drop_session("desk/telegram:7").await.unwrap());
    say(&handle, 3, "7", "/noise").await;
    handle.quiet().await;
    assert_eq!(world.state_of("desk/telegram:7").await, "idle");
}

#[tokio::test]
async fn a_reload_leaves_sessions_under_way_on_their_version() {
    let old = r#"agent echo v1
goal "Echo."
start state idle { on message m { reply "old {m}" -> talking } }
state talking { on message m { reply "old {m}" } }
"#;
    let mut world = World::new(old, |_, _| says("?"));
    let handle = world.start().await;
    say(&handle, 1, "7", "a").await;
    handle.quiet().await;
    world.programs = vec![agent(&old.replace("v1", "v2").replace("old", "new"))];
    handle.reload(world.programs.clone(), world.routes()).await.unwrap();
    say(&handle, 2, "7", "b").await;
    say(&handle, 3, "8", "c").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["old a", "old b"]);
    assert_eq!(world.texts("8"), ["new c"]);
    drop(handle);
    let handle = world.start().await;
    say(&handle, 4, "7", "d").await;
    handle.quiet().await;
    assert_eq!(world.texts("7")[2], "old d", "the stored program is found again after a restart");
}

#[tokio::test]
async fn done_ends_the_session_and_held_mail_opens_the_next() {
    let text = r#"agent form v1
goal "Ask."
keep { who: text = "nobody" }
start state opening { on message m { reply "first {who}: {m}"  who = "somebody" -> second } }
state second { on message m { reply "second: {m}"  done } }
"#;
    let world = World::new(text, |_, _| says("?"));
    let handle = world.start().await;
    let batch = ["a", "b", "c"].iter().enumerate().map(|(at, text)| message(at, "7", text)).collect();
    handle.sink().deliver("telegram", batch, None).await.unwrap();
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["first nobody: a", "second: b", "first nobody: c"]);
}

#[tokio::test]
async fn nobody_gets_anything_before_the_owner_is_paired_and_the_code_pairs_once() {
    let world = World::new(ASSISTANT, |_, _| says("hi"));
    let used = Arc::new(AtomicBool::new(false));
    let mut options = world.options();
    options.owner_telegram = None;
    options.pairing = Some(Arc::new(move |code, _| code == "K7" && !used.swap(true, Ordering::SeqCst)));
    let handle = Runtime::start(options.clone()).await.unwrap();
    say(&handle, 1, "8", "hello?").await;
    say(&handle, 2, "8", "/start WRONG").await;
    handle.quiet().await;
    assert!(world.texts("8").is_empty());
    say(&handle, 3, "9", "/start K7").await;
    say(&handle, 4, "9", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("9"), ["Paired: you are my owner now.", "hi"]);
    assert_eq!(world.store.setting("owner/telegram").await.unwrap().as_deref(), Some("9"));
    say(&handle, 5, "8", "/start K7").await;
    handle.quiet().await;
    assert_eq!(world.store.setting("owner/telegram").await.unwrap().as_deref(), Some("9"));
    drop(handle);
    let handle = Runtime::start(options).await.unwrap();
    assert!(handle.status().await.unwrap().owner_known);
}

#[tokio::test]
async fn stopping_sends_what_is_decided_and_leaves_the_rest_for_the_next_start() {
    let world = World::new(
        ASSISTANT,
        |_, number| if number == 0 { Answer::Hang(vec!["Half"]) } else { says("Whole") },
    );
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    world.until("streams", |w| w.texts("7") == ["Half"]).await;
    say(&handle, 2, "8", "/ping").await;
    handle.stop().await;
    assert!(handle.sink().deliver("telegram", vec![message(9, "7", "late")], None).await.is_err());
    assert_eq!(world.texts("8"), Vec::<String>::new());
    let handle = world.start().await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Whole"], "the same message grows on");
    assert_eq!(world.texts("8"), ["pong"]);
    assert!(world.store.outbox(Some(OutboxState::Ready), 10).await.unwrap().is_empty());
    assert!(world.clock_moved_by(0));
}

impl World {
    fn clock_moved_by(&self, ms: i64) -> bool {
        use blufio_core::clock::Clock;
        self.clock.now_ms() == START_MS + ms
    }
}

#[tokio::test]
async fn a_session_that_is_dropped_while_a_model_works_stays_dropped() {
    let world =
        World::new(ASSISTANT, |_, number| if number == 0 { Answer::Hang(vec![]) } else { says("fresh") });
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    assert!(handle.drop_session("assistant/telegram:7").await.unwrap());
    handle.quiet().await;
    assert!(world.store.session("assistant/telegram:7").await.unwrap().is_none());
    say(&handle, 2, "7", "hello").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["fresh"]);
    assert_eq!(lines(&world.requests()[1]), ["U:hello"], "a new session has no history");
}

#[tokio::test]
async fn many_chats_share_few_tasks_and_each_keeps_its_order() {
    let mut world = World::new(ASSISTANT, |request, _| says(&format!("re {}", newest(request))));
    world.limits.sessions_at_once_max = 3;
    world.limits.sessions_cached_max = 2;
    let handle = world.start().await;
    for round in 0..4 {
        let batch = (0..40)
            .map(|chat| message(round * 100 + chat, &format!("c{chat}"), &format!("m{round}")))
            .collect();
        handle.sink().deliver("telegram", batch, None).await.unwrap();
        handle.quiet().await;
    }
    for chat in 0..40 {
        assert_eq!(world.texts(&format!("c{chat}")), ["re m0", "re m1", "re m2", "re m3"]);
    }
    assert_eq!(handle.status().await.unwrap().totals.sessions_live, 40);
    assert_eq!(handle.status().await.unwrap().sessions_active, 0, "idle sessions have no task");
}
