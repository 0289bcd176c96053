// SPDX-License-Identifier: MIT OR Apache-2.0
//! What programs ask for by themselves: tools, people, other agents, memory; wakes, schedules, events and progress.

use blufio_agent::events::EventError;
use blufio_agent::routes::{Group, Person, Room};
use blufio_core::message::ChatKind;
use blufio_core::tool::ToolError;
use serde_json::json;

use crate::world::{Answer, START_MS, World, calls, message, newest, replayed, say, says};

/// A program whose one state does this with each message `m`.
pub fn does(head: &str, body: &str) -> String {
    format!(
        r#"agent desk v1
goal "Help."
models {{ fast = "fake/small" }}
budget {{ message = 9 calls }}
{head}
keep {{ asked: message? }}
start state idle {{ on message m {{ asked = m -> work }} }}
state work {{
{body}
}}
anywhere {{
  on "/stop" {{ reply "stopped" -> idle }}
  on message hold
  on failed why {{ reply "failed: {{why.kind}}" -> idle }}
  on uncertain {{ reply "uncertain" -> idle }}
  on over_budget {{ reply "too much" -> idle }}
}}
"#
    )
}

pub fn silent(text: &str) -> World {
    World::new(text, |_, _| says("?"))
}

pub fn person(name: &str, id: &str) -> Person {
    Person { name: name.into(), identities: vec![("telegram".into(), id.into())], tool: None }
}

pub async fn journal_replays(world: &World, key: &str) {
    let row = world.store.session(key).await.unwrap().unwrap();
    let journal = world.store.journal(row.id, 0, 10_000).await.unwrap();
    let rebuilt = replayed(&world.programs[0].program, &journal);
    assert_eq!(rebuilt.encode(), blufio_agent::Envelope::decode(&row.state).unwrap().machine);
}

const FIND: &str = r#"  call orders.find(order: "7") retry 2 {
    done(o) { reply "{o.id} is {o.status}" -> idle }
    failed(w) { reply "no: {w.kind}" -> idle }
  }"#;

#[tokio::test]
async fn a_call_gives_a_value_of_its_type() {
    let world = silent(&does("can use orders.find", FIND));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["7 is paid"]);
    let request = world.tools.calls.lock().unwrap()[0].clone();
    assert_eq!(request.arguments, r#"{"order":"7"}"#);
    assert!(request.idempotency_key.starts_with("desk/v1/"), "{}", request.idempotency_key);
    journal_replays(&world, "desk/telegram:7").await;
}

#[tokio::test]
async fn a_call_that_reads_is_tried_again_and_a_lie_about_its_type_is_a_failure() {
    let broken = || Err(ToolError::Broken("down".into()));
    let lie = || Ok(r#"{"id":"7","status":"payed"}"#.to_string());
    for (answers, expected, count) in [
        (vec![broken(), broken()], "7 is paid", 3),
        (vec![broken(), broken(), broken()], "no: broken", 3),
        (vec![lie(), lie(), lie()], "no: invalid", 3),
        (vec![Ok("no JSON".to_string())], "7 is paid", 2),
    ] {
        let world = silent(&does("can use orders.find", FIND));
        world.tools.orders.lock().unwrap().extend(answers);
        let handle = world.start().await;
        say(&handle, 1, "7", "go").await;
        for _ in 0..20 {
            world.settle().await;
            world.clock.advance(10_000);
        }
        handle.quiet().await;
        assert_eq!(world.texts("7"), [expected]);
        assert_eq!(world.tools.calls.lock().unwrap().len(), count, "{expected}");
    }
}

#[tokio::test]
async fn a_rate_is_kept_over_restarts_and_says_when_it_ends() {
    let head = "can use orders.find max 2 per day";
    let body = r#"  call orders.find(order: "7") {
    done(o) { reply "found" -> idle }
    failed(w) { reply "no: {w.kind} until {w.until}" -> idle }
  }"#;
    let world = silent(&does(head, body));
    for number in 1..=3 {
        let handle = world.start().await;
        say(&handle, number, "7", "go").await;
        handle.quiet().await;
        handle.stop().await;
    }
    let texts = world.texts("7");
    assert_eq!(texts[..2], ["found", "found"]);
    assert!(texts[2].starts_with("no: limited until 2027-01-16"), "{texts:?}");
    world.clock.advance(24 * 3_600_000);
    let handle = world.start().await;
    say(&handle, 4, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7")[3], "found");
}

#[tokio::test]
async fn a_call_that_must_not_be_repeated_is_uncertain_after_a_crash() {
    let body = r#"  approve by owner "Post hi?" within 1h { yes {} no or late -> idle }
  call post.send(text: "hi") { done(x) { reply "posted" -> idle } uncertain { reply "who knows" -> idle } }"#;
    let text = does("can use post.send", body);
    let world = silent(&text);
    *world.tools.hang.lock().unwrap() = true;
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    say(&handle, 2, "1", "yes").await;
    world.until("posting", |w| w.tools.calls.lock().unwrap().len() == 1).await;
    std::mem::forget(handle);
    let next = World { store: world.store.clone(), channel: world.channel.clone(), ..silent(&text) };
    let handle = next.start().await;
    handle.quiet().await;
    assert_eq!(next.texts("7"), ["who knows"]);
    assert!(next.tools.calls.lock().unwrap().is_empty());
}

const APPROVE: &str = r#"  approve by owner "Shall I?" within 1h {
    yes { reply "done" -> idle }
    no { reply "not done" -> idle }
    late { reply "too late" -> idle }
  }"#;

#[tokio::test]
async fn the_owner_decides_in_their_own_chat_also_after_a_restart() {
    for (word, expected) in [("Yes!", "done"), ("nein", "not done")] {
        let world = silent(&does("", APPROVE));
        let handle = world.start().await;
        say(&handle, 1, "7", "go").await;
        handle.quiet().await;
        assert_eq!(world.texts("1"), ["Shall I?\n(yes or no)"]);
        say(&handle, 2, "7", "yes").await;
        say(&handle, 3, "1", "what is this?").await;
        handle.quiet().await;
        assert_eq!(world.texts("1")[1], "Please answer yes or no.");
        assert_eq!(world.texts("7"), [""; 0], "nobody but the owner decides");
        handle.stop().await;
        let handle = world.start().await;
        say(&handle, 4, "1", word).await;
        handle.quiet().await;
        assert_eq!(world.texts("7")[0], expected);
        assert_eq!(world.store.questions().await.unwrap().len(), 1, "the held message asked again");
        assert!(world.store.session("desk/owner").await.unwrap().is_none(), "answers open no session");
        journal_replays(&world, "desk/telegram:7").await;
    }
}

#[tokio::test]
async fn nobody_answers_in_time_also_while_nothing_runs() {
    let world = silent(&does("", APPROVE));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    handle.stop().await;
    world.clock.advance(3_600_000);
    let handle = world.start().await;
    world.until("late", |w| !w.texts("7").is_empty()).await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["too late"]);
    assert_eq!(world.texts("1"), ["Shall I?\n(yes or no)\n(too late)"]);
    assert_eq!(world.store.questions().await.unwrap(), []);
    assert_eq!(handle.status().await.unwrap().totals.timers, 0);
    // The owner's words are ordinary again.
    say(&handle, 2, "1", "yes").await;
    handle.quiet().await;
    assert!(world.store.session("desk/owner").await.unwrap().is_some());
}

#[tokio::test]
async fn a_question_that_is_left_is_closed() {
    let world = silent(&does("", APPROVE));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    say(&handle, 2, "7", "/stop").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["stopped"]);
    assert_eq!(world.texts("1"), ["Shall I?\n(yes or no)\n(no longer needed)"]);
    assert_eq!(world.store.questions().await.unwrap(), []);
    assert_eq!(handle.status().await.unwrap().totals.timers, 0);
}

#[tokio::test]
async fn several_of_a_group_must_agree() {
    let body = r#"  approve by 2 of partners "Shall we?" within 1h {
    yes { reply "we do" -> idle }
    no or late { reply "we do not" -> idle }
  }"#;
    for (words, expected) in
        [(&["yes", "no", "yes"][..], "we do"), (&["no", "no"][..], "we do not"), (&["yes"][..], "")]
    {
        let mut world = silent(&does("", body));
        world.people = vec![person("ada", "20"), person("ben", "21"), person("eve", "22")];
        let members = vec!["ada".into(), "ben".into(), "eve".into()];
        world.groups = vec![Group { name: "partners".into(), members }];
        let handle = world.start().await;
        say(&handle, 1, "7", "go").await;
        handle.quiet().await;
        for (at, word) in words.iter().enumerate() {
            say(&handle, 2 + at, &(20 + at).to_string(), word).await;
            handle.quiet().await;
        }
        assert_eq!(world.texts("7").join("|"), expected);
        if expected == "we do not" {
            assert_eq!(world.texts("22"), ["Shall we?\n(yes or no)\n(decided)"]);
        }
        journal_replays(&world, "desk/telegram:7").await;
    }
}

#[tokio::test]
async fn people_are_asked_and_written_to_and_a_text_is_corrected() {
    let head = "";
    let body = r#"  ask ben "Who is there?" within 1h {
    says(t) { send ben "thanks" send sender "hello you" reply "Ben says {t}" -> idle }
    late { reply "late" -> idle }
  }"#;
    let mut world = silent(&does(head, body));
    world.people = vec![person("ben", "21")];
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    say(&handle, 2, "21", "me, as always").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["hello you", "Ben says me, as always"]);
    assert_eq!(world.texts("21"), ["Who is there?", "thanks"]);
    let body = r#"  draft = "Dear all"
  approve by owner editing draft "Send {draft}?" within 1h {
    yes { reply draft -> idle }
    no or late -> idle
  }"#;
    let text = does("", body).replace("asked: message?", "asked: message?, draft: text = \"\"");
    let world = silent(&text);
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    say(&handle, 2, "1", "Dear friends").await;
    handle.quiet().await;
    say(&handle, 3, "1", "yes").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Dear friends"]);
}

#[tokio::test]
async fn who_cannot_be_reached_is_a_failure() {
    let body = r#"  ask ben "Who?" within 1h { says(t) { reply t -> idle } failed(w) { reply "no: {w.kind}" -> idle } late -> idle }"#;
    let world = silent(&does("", body));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["no: denied"]);
}

#[tokio::test]
async fn dangerous_calls_of_a_run_are_asked_for_and_refusals_are_read_by_the_model() {
    let head = "can use time.now, post.send\ncontext { dynamic history last 40 messages max 8000 tokens }";
    let body = r#"  turn using fast with history {
    says(t) { reply t -> idle }
    calls(c) { run c approved by owner within 10m -> work }
    refuses(w) -> idle
  }"#;
    let text = does(head, body).replace("state work {", "state work max 5 per event else idle {");
    for (word, expected) in [
        (Some("yes"), "result: posted"),
        (Some("no"), "error result: not approved"),
        (None, "error result: not approved"),
    ] {
        let world = World::new(&text, |request, _| {
            let newest = newest(request);
            if newest.contains("result: ") {
                says(&newest)
            } else {
                calls("c1", "post_send", r#"{"text":"x"}"#)
            }
        });
        let handle = world.start().await;
        say(&handle, 1, "7", "post it").await;
        handle.quiet().await;
        assert_eq!(world.texts("1").len(), 1);
        assert!(world.texts("1")[0].starts_with("May I call post.send?\n{\"text\":\"x\"}"));
        assert!(world.tools.calls.lock().unwrap().is_empty());
        match word {
            Some(word) => say(&handle, 2, "1", word).await,
            None => world.clock.advance(600_000),
        }
        world.until("answer", |w| !w.texts("7").is_empty()).await;
        handle.quiet().await;
        assert_eq!(world.texts("7"), [expected]);
        assert_eq!(world.tools.calls.lock().unwrap().len(), usize::from(word == Some("yes")));
        journal_replays(&world, "desk/telegram:7").await;
    }
}

#[tokio::test]
async fn an_answer_that_is_delivered_twice_answers_one_question() {
    let body = r#"  approve by owner "First?" within 1h { yes {} no or late -> idle }
  approve by owner "Second?" within 1h { yes {} no or late { reply "refused" -> idle } }
  reply "both" -> idle"#;
    let world = silent(&does("", body));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    let yes = || message(2, "1", "yes");
    // Alone, and in a batch with something new.
    for batch in [vec![yes()], vec![yes()], vec![yes(), message(3, "7", "meanwhile")]] {
        handle.sink().deliver("telegram", batch, None).await.unwrap();
        handle.quiet().await;
    }
    assert_eq!((world.texts("1").len(), world.texts("7").len()), (2, 0), "the second is still open");
    say(&handle, 4, "1", "no").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["refused"]);
}

#[tokio::test]
async fn progress_is_one_message_that_is_edited() {
    let body = r#"  found = each n in ["1", "2", "3"], 1 at once {
    show "{length found} of 3"
    o = call orders.find(order: n)
  }
  show "all {length found}"
  reply "ready" -> idle"#;
    let world = silent(&does("can use orders.find", body));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["all 3", "ready"]);
    say(&handle, 2, "7", "again").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["all 3", "ready", "all 3", "ready"]);
    let plain = silent(&does("can use orders.find", body)).plain_channel();
    let handle = plain.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(plain.texts("7").len(), 5, "{:?}", plain.texts("7"));
}

#[tokio::test]
async fn branches_run_side_by_side() {
    let body = r#"  together { a = call orders.find(order: "1")  b = call orders.find(order: "2") }
  reply "{a.id} and {b.id}" -> idle"#;
    let world = silent(&does("can use orders.find", body));
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["1 and 2"]);
    journal_replays(&world, "desk/telegram:7").await;
}

pub const WAKES: &str = r#"agent remind v1
goal "Remind."
models { fast = "fake/small" }
start state idle {
  on message m { wake after 1h with "tea"  wake after 2h with "cake"  reply "yes" }
  on "/forget" { forget wakes  reply "forgotten" }
  on wake what { reply "now: {what}" }
}
"#;

#[tokio::test]
async fn wakes_come_at_their_time_in_order_and_can_be_forgotten() {
    let world = silent(WAKES);
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    world.clock.advance(3_600_000);
    world.until("first", |w| w.texts("7").len() == 2).await;
    handle.quiet().await;
    handle.stop().await;
    world.clock.advance(7_200_000);
    let handle = world.start().await;
    world.until("second", |w| w.texts("7").len() == 3).await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["yes", "now: tea", "now: cake"]);
    say(&handle, 2, "7", "again").await;
    say(&handle, 3, "7", "/forget").await;
    handle.quiet().await;
    assert_eq!(handle.status().await.unwrap().totals.timers, 0);
    journal_replays(&world, "remind/telegram:7").await;
}

#[tokio::test]
async fn an_event_of_a_declared_type_is_taken_once() {
    let text = r#"agent orders v1
goal "Watch."
models { fast = "fake/small" }
type NewOrder = { id: text, total: int }
keep { sum: int = 0 }
start state idle {
  on NewOrder o { sum = sum + o.total  send owner "{o.id}: {sum}" }
}
anywhere { on failed why -> idle }
"#;
    let world = silent(text);
    let handle = world.start().await;
    let order = |total: i64| json!({ "id": "a", "total": total });
    let shop = Some("orders/shop");
    assert!(handle.event("orders", shop, "NewOrder", order(5), "1").await.unwrap().is_new);
    assert!(!handle.event("orders", shop, "NewOrder", order(5), "1").await.unwrap().is_new);
    assert!(handle.event("orders", shop, "NewOrder", order(7), "2").await.unwrap().is_new);
    assert!(handle.event("orders", shop, "NewOrder", json!({ "id": 3 }), "3").await.is_err());
    assert!(handle.event("orders", shop, "Other", order(7), "4").await.is_err());
    for foreign in ["orders", "other/shop", "orders/ask:7.1.0", ""] {
        let refused = handle.event("orders", Some(foreign), "NewOrder", order(7), "5").await;
        assert!(matches!(refused, Err(EventError::Session(_))), "{foreign}");
    }
    handle.quiet().await;
    assert_eq!(world.texts("1"), ["a: 5", "a: 12"]);
    journal_replays(&world, "orders/shop").await;
}

#[tokio::test]
async fn schedules_fire_once_per_slot_and_only_when_something_changed() {
    let text = r#"agent watch v1
goal "Watch."
models { fast = "fake/small" }
can use orders.find
start state idle {
  every 30m when changed [orders.find(order: "7")] { send owner "changed" }
  every 1h { send owner "hour" }
}
"#;
    let world = silent(text);
    assert_eq!(START_MS % 3_600_000, 0, "the test begins at a full hour");
    let handle = world.start().await;
    world.settle().await;
    world.clock.advance(1_800_000);
    world.until("first", |w| w.texts("1").len() == 1).await;
    for _ in 0..60 {
        world.clock.advance(30_000);
        world.settle().await;
    }
    handle.quiet().await;
    assert_eq!(world.texts("1"), ["changed", "hour"], "what did not change does not fire");
    world.tools.orders.lock().unwrap().push_back(Ok(r#"{"id":"7","status":"refunded"}"#.into()));
    handle.stop().await;
    world.clock.advance(5 * 3_600_000);
    let handle = world.start().await;
    world.settle().await;
    handle.quiet().await;
    assert_eq!(world.texts("1").len(), 2, "missed slots are not made up for");
    world.clock.advance(1_800_000);
    world.until("changed", |w| w.texts("1").len() == 3).await;
    assert_eq!(world.texts("1")[2], "changed");
    handle.quiet().await;
    journal_replays(&world, "watch/own").await;
}

#[tokio::test]
async fn a_budget_of_calls_by_day_holds_for_all_sessions() {
    let text = does("", "  write t using fast \"Go.\"\n  reply t -> idle")
        .replace("message = 9 calls", "message = 9 calls  day = 2 calls");
    let world = World::new(&text, |_, _| says("ok"));
    let handle = world.start().await;
    for (number, chat) in [(1, "7"), (2, "8"), (3, "9")] {
        say(&handle, number, chat, "go").await;
        handle.quiet().await;
    }
    assert_eq!([world.texts("7"), world.texts("8"), world.texts("9")].concat(), ["ok", "ok", "too much"]);
    assert_eq!(world.requests().len(), 2);
}

#[tokio::test]
async fn a_group_chat_is_written_to_once_it_was_heard() {
    let mut world = silent(&does("", "  send ops \"hello all\"\n  reply \"sent\" -> idle"));
    world.rooms = vec![Room { name: "ops".into(), channel: "telegram".into(), title: "Tea".into() }];
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    assert!(handle.status().await.unwrap().notices.iter().any(|n| n.contains("ops was dropped")));
    let mut heard = message(2, "7", "/stop");
    heard.chat = ChatKind::Group("Tea".into());
    heard.address.chat = "-100".into();
    handle.sink().deliver("telegram", vec![heard], None).await.unwrap();
    handle.quiet().await;
    handle.stop().await;
    let handle = world.start().await;
    say(&handle, 3, "7", "go").await;
    handle.quiet().await;
    assert_eq!(world.texts("-100").last().map(String::as_str), Some("hello all"));
}

#[tokio::test]
async fn a_record_is_filled_in_several_messages() {
    let text = r#"agent book v1
goal "Book."
models { fast = "fake/small" }
budget { message = 2 calls }
type Table = {
  /// Which day?
  day: text
  /// How many people?
  people: int
}
keep { want: Table so far  asked: message? }
start state idle { on message m { asked = m -> asking } }
state asking {
  fill want using fast from asked "Read the wish." {
    complete { reply "{want.day} for {want.people}" -> idle }
    missing(q) { reply q -> idle }
    nothing { reply "what?" -> idle }
  }
}
anywhere { on message hold  on failed why { reply "failed {why.detail}" -> idle }  on over_budget -> idle }
"#;
    let world = World::new(text, |request, number| {
        let known = newest(request).contains("Monday\"");
        assert_eq!(known, number == 1, "what is known is told: {}", newest(request));
        match number {
            0 => says(r#"{"day":"Monday","people":null}"#),
            _ => says(r#"{"day":null,"people":4}"#),
        }
    });
    let handle = world.start().await;
    for (number, words) in [(1, "on Monday"), (2, "four of us")] {
        say(&handle, number, "7", words).await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["How many people?", "Monday for 4"]);
    journal_replays(&world, "book/telegram:7").await;
}

#[tokio::test]
async fn a_loop_that_runs_out_of_time_keeps_what_came_back() {
    let body = r#"  found = each n in ["one", "two"], 2 at once within 1m {
    write t using fast from n "Go."
  }
  reply "{length found}" -> idle"#;
    let world = World::new(&does("", body), |request, _| {
        if newest(request).contains("one") { says("ok") } else { Answer::Hang(vec![]) }
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    world.until("both asked", |w| w.requests().len() == 2).await;
    world.settle().await;
    world.clock.advance(60_000);
    world.until("late", |w| !w.texts("7").is_empty()).await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["1"]);
    assert_eq!(handle.status().await.unwrap().totals.timers, 0);
    journal_replays(&world, "desk/telegram:7").await;
}

#[tokio::test]
async fn a_rate_holds_for_what_a_model_wants_and_for_each_event() {
    let head =
        "can use orders.find max 1 per event\ncontext { dynamic history last 40 messages max 8000 tokens }";
    let body = r#"  turn using fast with history {
    says(t) { reply t -> idle }
    calls(c) { run c -> work }
    refuses(w) -> idle
  }"#;
    let text = does(head, body).replace("state work {", "state work max 3 per event else idle {");
    let world = World::new(&text, |request, _| {
        let newest = newest(request);
        if newest.starts_with("error") {
            says(&newest)
        } else {
            calls(&format!("c{}", request.turns.len()), "orders_find", r#"{"order":"7"}"#)
        }
    });
    let handle = world.start().await;
    for number in 1..=2 {
        say(&handle, number, "7", "go").await;
        handle.quiet().await;
    }
    assert_eq!(world.texts("7"), ["error result: `orders.find` was used 1 times already"; 2]);
    assert_eq!(world.tools.calls.lock().unwrap().len(), 2, "once for each message");
}
