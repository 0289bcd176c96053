// SPDX-License-Identifier: MIT OR Apache-2.0
//! Agents that ask agents: results, deadlines, what is passed on, conversations that are handed over.

use blufio_core::model::ModelRequest;
use blufio_core::store::SessionStatus;

use crate::requests::{WAKES, journal_replays, person, silent};
use crate::world::{Answer, World, calls, newest, say, says};

const ASKER: &str = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 9 calls }
can use orders.find
can ask finder with orders.find max 2 calls
start state idle { on message m -> work }
state work {
  ask finder(question: "where?") within 10m {
    done(x) { reply "found {x}" -> idle }
    failed(w) { reply "no: {w.kind}" -> idle }
    late { reply "late" -> idle }
  }
}
anywhere { on "/stop" { reply "stopped" -> idle } on message hold on failed why -> idle on over_budget -> idle on uncertain -> idle }
"#;

const FINDER: &str = r#"agent finder v1 (question: text) gives text
goal "Find."
models { fast = "fake/small" }
budget { message = 3 calls }
can use orders.find
start state look {
  write answer using fast from question "Find it."
  done answer
}
anywhere { on failed why -> look_again on over_budget -> look_again on uncertain -> look_again }
state look_again { done "nothing" }
"#;

async fn asking(script: impl Fn(&ModelRequest, usize) -> Answer + Send + Sync + 'static) -> World {
    let mut world = World::new(WAKES, script);
    world.programs = crate::world::agents(&[ASKER, FINDER]);
    world
}

#[tokio::test]
async fn an_asked_agent_answers_once_and_its_session_is_over() {
    let world = asking(|request, _| says(&newest(request))).await;
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    let texts = world.texts("7");
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("where?"), "{texts:?}");
    let sessions = world.store.sessions(true, 10).await.unwrap();
    let child = sessions.iter().find(|row| row.key.starts_with("finder/ask:")).unwrap();
    assert_eq!(child.status, SessionStatus::Done);
    let ledger = world.store.ledger(None, 10).await.unwrap();
    let calls: Vec<_> = ledger.iter().map(|row| (row.agent.as_str(), row.purpose.as_str())).collect();
    assert_eq!(calls, [("finder", "delegate")]);
    assert_eq!(world.store.keys_with_work().await.unwrap(), [""; 0]);
    journal_replays(&world, "desk/telegram:7").await;
}

#[tokio::test]
async fn an_asked_agent_that_takes_too_long_is_ended() {
    let world = asking(|_, _| Answer::Hang(vec![])).await;
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    world.until("asked", |w| !w.requests().is_empty()).await;
    world.clock.advance(600_000);
    world.until("late", |w| !w.texts("7").is_empty()).await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["late"]);
    let live = world.store.sessions(false, 10).await.unwrap();
    assert_eq!(live.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["desk/telegram:7"]);
}

#[tokio::test]
async fn an_asked_agent_uses_what_it_was_given_and_no_more() {
    let asker = ASKER
        .replace("with orders.find max 2 calls", "with orders.find, time.now max 3 calls")
        .replace("can use orders.find", "can use orders.find, time.now");
    let finder = FINDER
        .replace("can use orders.find", "can use orders.find, time.now")
        .replace("budget { message = 3 calls }", "budget { message = 3 calls }\ncontext { dynamic history last 9 messages max 900 tokens }")
        .replace("  write answer using fast from question \"Find it.\"\n  done answer", "  turn using fast with history from question \"Find it.\" { says(t) { done t } calls(c) { run c -> more } refuses(w) { done w } }")
        + "state more max 2 per session else look_again { turn using fast with history { says(t) { done t } calls(c) { run c -> more } refuses(w) { done w } } }\n";
    let mut world = World::new(WAKES, |request, _| match newest(request).as_str() {
        newest if newest.contains("result: ") => says(newest),
        _ => calls("c1", "time_now", "{}"),
    });
    world.programs = crate::world::agents(&[&asker, &finder]);
    // The checker proves that nothing more is needed; here it is needed all the same.
    let ask = &mut world.programs[0].program.asks[0];
    (ask.with, ask.calls_max) = (vec!["orders.find".into()], Some(1));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert!(world.tools.calls.lock().unwrap().is_empty(), "time.now was not passed on");
    assert_eq!(world.requests().len(), 1, "one call and no more");
    assert!(world.requests()[0].tools.iter().all(|tool| tool.name == "orders_find"));
    assert_eq!(world.texts("7"), ["found nothing"]);
}

#[tokio::test]
async fn a_conversation_that_is_handed_over_comes_back() {
    let asker = ASKER.replace(
        "ask finder(question: \"where?\") within 10m {",
        "ask finder(question: \"where?\") here within 10m {",
    );
    let finder = r#"agent finder v1 (question: text) gives text
goal "Find."
models { fast = "fake/small" }
start state look {
  reply "I take over: {question}"
  on message m { reply "you said {m}" -> wait }
}
state wait { on message m { done "{m}" } }
"#;
    let mut world = silent(WAKES);
    world.programs = crate::world::agents(&[&asker, finder]);
    let mut handle = world.start().await;
    for (number, words) in [(1, "go"), (2, "one"), (3, "two"), (4, "/stop")] {
        say(&handle, number, "7", words).await;
        handle.quiet().await;
        handle.stop().await;
        handle = world.start().await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["I take over: where?", "you said one", "found two", "stopped"]);
    say(&handle, 5, "7", "again").await;
    handle.quiet().await;
    say(&handle, 6, "7", "/stop").await;
    handle.quiet().await;
    assert_eq!(
        world.texts("7")[4..],
        ["I take over: where?", "stopped"],
        "a command of the asker is its own"
    );
    let live = world.store.sessions(false, 10).await.unwrap();
    assert_eq!(live.len(), 1, "{live:?}");
}

#[tokio::test]
async fn an_asked_agent_talks_to_somebody_else() {
    let asker = ASKER.replace(
        "ask finder(question: \"where?\") within 10m {",
        "ask finder(question: \"where?\") with ben within 10m {",
    );
    let finder = r#"agent finder v1 (question: text) gives text
goal "Find."
models { fast = "fake/small" }
start state look {
  reply "Ben, {question}"
  on message m { done "{m}" }
}
"#;
    let mut world = silent(WAKES);
    world.programs = crate::world::agents(&[&asker, finder]);
    world.people = vec![person("ben", "21")];
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    say(&handle, 2, "21", "under the bed").await;
    handle.quiet().await;
    assert_eq!(world.texts("21"), ["Ben, where?"]);
    assert_eq!(world.texts("7"), ["found under the bed"]);
    assert_eq!(world.store.questions().await.unwrap(), []);
}
