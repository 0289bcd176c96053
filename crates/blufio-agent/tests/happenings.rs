// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a chat: edits, reactions, comings and goings reach the programs that say so and nobody else; an
//! edit of a message that nobody has read changes the message; a crash anywhere in between changes nothing.

use std::sync::Arc;

use blufio_agent::Envelope;
use blufio_core::message::{ChatKind, Inbound, InboundKind, Sender};
use blufio_core::store::{JournalRecord, OutboxState, Store};
use blufio_core::testing::{CrashMode, CrashingStore, MemoryStore};

use crate::requests::{journal_replays, silent};
use crate::world::{World, agents, lines, message, newest, replayed, say, says};

const KEY: &str = "desk/telegram:7";

const DESK: &str = r#"agent desk v1
goal "Help."
keep { t: text = "" }
start state idle {
  on message m { t = m.text -> sure }
  on "/later" { reply "Yes?" }
  on joined m { reply "Welcome, {m}." }
  on left m { reply "{m.sender} saw {m} go." }
}
state sure {
  approve by owner "Shall I?" within 1h {
    yes { reply "Done: {t}" -> idle }
    no or late -> idle
  }
}
anywhere {
  on message hold
  on edited m { reply "You mean {m}." }
  on reaction m { reply "{m.sender}: {m}" }
}
"#;

/// Something that happens in the chat of person 7.
fn happens(kind: InboundKind, number: usize, text: &str) -> Inbound {
    Inbound { kind, message_id: None, ..message(number, "7", text) }
}

/// Person 7 changes message `of`.
fn edit(number: usize, of: usize, text: &str) -> Inbound {
    Inbound { message_id: Some(of.to_string()), ..happens(InboundKind::Edited, number, text) }
}

async fn deliver(handle: &blufio_agent::Handle, batch: Vec<Inbound>) {
    handle.sink().deliver("telegram", batch, None).await.unwrap();
    handle.quiet().await;
}

#[tokio::test]
async fn each_reaches_its_handler_with_its_words_and_its_sender() {
    let world = silent(DESK);
    let handle = world.start().await;
    deliver(&handle, vec![edit(1, 900, "tea")]).await;
    deliver(&handle, vec![happens(InboundKind::Reaction, 2, "👍")]).await;
    deliver(&handle, vec![happens(InboundKind::Joined, 3, "Ben")]).await;
    deliver(&handle, vec![happens(InboundKind::Left, 4, "Ben")]).await;
    deliver(&handle, vec![happens(InboundKind::Left, 4, "Ben")]).await;
    assert_eq!(
        world.texts("7"),
        ["You mean tea.", "Person 7: 👍", "Welcome, Ben.", "Person 7 saw Ben go."],
        "the same event twice is one"
    );
    // A slash in an edit is no command, and an edit is no message.
    deliver(&handle, vec![edit(5, 900, "/later")]).await;
    assert_eq!(world.texts("7")[4..], ["You mean /later."]);
    assert_eq!(world.state_of(KEY).await, "idle");
    journal_replays(&world, KEY).await;
}

#[tokio::test]
async fn what_the_program_does_not_listen_to_begins_and_wakes_nothing() {
    let deaf = DESK
        .replace("  on edited m { reply \"You mean {m}.\" }\n", "")
        .replace("  on reaction m { reply \"{m.sender}: {m}\" }\n", "");
    let world = silent(&deaf);
    let handle = world.start().await;
    let both = |at| vec![edit(at, 900, "tea"), happens(InboundKind::Reaction, at + 1, "👍")];
    deliver(&handle, both(1)).await;
    assert_eq!(world.store.sessions(true, 10).await.unwrap().len(), 0);
    say(&handle, 10, "7", "/later").await;
    handle.quiet().await;
    let row = world.store.session(KEY).await.unwrap().unwrap();
    let before = world.store.journal(row.id, 0, 1_000).await.unwrap();
    deliver(&handle, both(20)).await;
    assert_eq!(world.store.journal(row.id, 0, 1_000).await.unwrap(), before);
    assert!(world.store.mail(KEY, 10).await.unwrap().is_empty());
    deliver(&handle, vec![happens(InboundKind::Joined, 30, "Ben")]).await;
    assert_eq!(world.texts("7"), ["Yes?", "Welcome, Ben."]);
}

#[tokio::test]
async fn t11_an_edit_of_an_unread_message_changes_it_whether_or_not_the_program_listens() {
    for text in [DESK.to_string(), DESK.replace("  on edited m { reply \"You mean {m}.\" }\n", "")] {
        let world = silent(&text);
        let handle = world.start().await;
        // In one batch with its message.
        deliver(&handle, vec![message(1, "7", "one"), edit(2, 1, "uno")]).await;
        say(&handle, 3, "7", "two").await;
        handle.quiet().await;
        // Of somebody else: not of this message.
        let other = Inbound { sender: Sender { id: "8".into(), name: "Eve".into() }, ..edit(4, 3, "mine") };
        let group = Inbound { chat: ChatKind::Group("Other".into()), ..other };
        deliver(&handle, vec![group, edit(5, 3, "due"), edit(6, 3, "zwei")]).await;
        assert_eq!(world.store.mail(KEY, 10).await.unwrap().len(), 3, "it waits beside its message");
        for at in [7, 8] {
            say(&handle, at, "1", "yes").await;
            handle.quiet().await;
        }
        assert_eq!(world.texts("7"), ["Done: uno", "Done: zwei"]);
        assert!(world.store.mail(KEY, 10).await.unwrap().is_empty());
        journal_replays(&world, KEY).await;
    }
}

#[tokio::test]
async fn a_model_reads_what_it_is() {
    let text = r#"agent desk v1
goal "Help."
models { fast = "fake/small" }
budget { message = 2 calls }
context { dynamic history last 9 messages max 900 tokens }
start state idle { on message or edited or reaction -> answer }
state answer { turn using fast with history { says(t) { reply t -> idle } calls(c) -> idle refuses(w) -> idle } }
anywhere { on message hold  on failed -> idle }
"#;
    let world = World::new(text, |request, _| says(&format!("read {}", newest(request))));
    let handle = world.start().await;
    say(&handle, 1, "7", "hello").await;
    handle.quiet().await;
    deliver(&handle, vec![edit(2, 1, "hallo")]).await;
    deliver(&handle, vec![happens(InboundKind::Reaction, 3, "❤")]).await;
    assert_eq!(world.texts("7"), ["read hello", "read (edited)\nhallo", "read (reaction)\n❤"]);
    // What was sent to a model is never changed.
    assert_eq!(lines(world.requests().last().unwrap())[0], "U:hello");
}

#[tokio::test]
async fn a_conversation_that_was_handed_over_hears_what_its_agent_listens_to() {
    let desk = "agent desk v1\ngoal \"Help.\"\nbudget { message = 1 calls }\ncan ask other\nstart state idle { on message m -> away }\nstate away { ask other() here within 1h { done(x) { reply x -> idle } failed(w) -> idle late -> idle } }\nanywhere { on message hold  on reaction m { reply \"desk {m}\" }  on failed -> idle  on over_budget -> idle }\n";
    let other = "agent other v1 () gives text\ngoal \"Help.\"\nstart state idle { on message m { done \"got {m}\" }  on edited m { reply \"other {m}\" } }\n";
    let mut world = silent(DESK);
    world.programs = agents(&[desk, other]);
    let handle = world.start().await;
    say(&handle, 1, "7", "go").await;
    handle.quiet().await;
    deliver(&handle, vec![edit(2, 900, "tea")]).await;
    deliver(&handle, vec![happens(InboundKind::Reaction, 3, "👍")]).await;
    say(&handle, 4, "7", "that is all").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["other tea", "desk 👍", "got that is all"]);
}

/// What happens outside, in order.
fn script() -> Vec<(&'static str, Vec<Inbound>)> {
    vec![
        ("a message and its edit at once", vec![message(1, "7", "one"), edit(2, 1, "uno")]),
        ("a message that is held", vec![message(3, "7", "two")]),
        ("its edit", vec![edit(4, 3, "due")]),
        ("the edit of one that is read", vec![edit(5, 1, "ein")]),
        ("the owner's yes", vec![message(6, "1", "yes")]),
        ("a reaction", vec![happens(InboundKind::Reaction, 7, "👍")]),
        ("the owner's second yes", vec![message(8, "1", "yes")]),
        ("somebody comes", vec![happens(InboundKind::Joined, 9, "Ben")]),
    ]
}

#[derive(Debug, PartialEq)]
struct Trace {
    person: Vec<String>,
    owner: Vec<String>,
    journal: Vec<JournalRecord>,
    mail: usize,
    open: usize,
    questions: usize,
}

fn life<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn drive(world: &World, at: &mut usize) {
    let handle = world.start().await;
    quiet(&handle).await;
    while let Some((_, batch)) = script().get(*at) {
        // Not acknowledged, it is delivered again by the channel.
        handle.sink().deliver("telegram", batch.clone(), Some(at.to_string())).await.unwrap();
        *at += 1;
        quiet(&handle).await;
    }
}

async fn quiet(handle: &blufio_agent::Handle) {
    for _ in 0..4 {
        for _ in 0..80 {
            tokio::task::yield_now().await;
        }
        handle.quiet().await;
    }
}

async fn trace(world: &World, memory: &MemoryStore) -> Trace {
    let row = memory.session(KEY).await.unwrap().unwrap();
    let journal = memory.journal(row.id, 0, 10_000).await.unwrap();
    let rebuilt = replayed(&world.programs[0].program, &journal);
    assert_eq!(
        rebuilt.encode(),
        Envelope::decode(&row.state).unwrap().machine,
        "the journal rebuilds the state"
    );
    let outbox = memory.outbox(None, 1_000).await.unwrap();
    Trace {
        person: world.texts("7"),
        owner: world.texts("1"),
        journal: journal.into_iter().map(|row| row.record).collect(),
        mail: memory.mail(KEY, 100).await.unwrap().len(),
        open: outbox.iter().filter(|row| row.state != OutboxState::Sent).count(),
        questions: memory.questions().await.unwrap().len(),
    }
}

fn run(crash_at: u64, mode: CrashMode) -> (Trace, u64, bool) {
    let memory = MemoryStore::default();
    let crashing = Arc::new(CrashingStore::new(memory.clone(), crash_at, mode));
    let mut world = silent(DESK);
    world.store = crashing.clone();
    let mut at = 0;
    let finished = life(async {
        tokio::select! {
            () = crashing.died() => false,
            () = drive(&world, &mut at) => true,
        }
    });
    let (calls, died) = (crashing.calls(), crashing.is_dead());
    world.store = Arc::new(memory.clone());
    if !finished {
        life(drive(&world, &mut at));
    }
    (life(trace(&world, &memory)), calls, died)
}

#[test]
fn a_crash_around_an_edit_changes_nothing_that_anybody_sees() {
    let (whole, calls, _) = run(u64::MAX, CrashMode::BeforeApply);
    assert_eq!(whole.person, ["You mean ein.", "Done: uno", "Person 7: 👍", "Done: due", "Welcome, Ben."]);
    assert_eq!((whole.owner.len(), whole.mail, whole.open, whole.questions), (2, 0, 0, 0));
    for at in 1..=calls {
        for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
            let (crashed, _, died) = run(at, mode);
            assert!(died, "crash point {at} was reached");
            assert_eq!(crashed, whole, "crash point {at}, {mode:?}");
        }
    }
    println!("{} crash points", calls * 2);
}
