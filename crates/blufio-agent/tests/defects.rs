// SPDX-License-Identifier: MIT OR Apache-2.0
//! Panics cost the work at which they happen and nothing else; a dropped session stays dropped and harms no new one.

use blufio_core::model::StopReason;
use blufio_core::store::OutboxState;

use crate::conversation::ASSISTANT;
use crate::world::{Answer, World, calls, newest, reply, say, says};

#[tokio::test]
async fn a_panic_in_a_session_parks_it_with_a_record_and_others_go_on() {
    let world = World::new(ASSISTANT, |request, _| match newest(request).as_str() {
        "bad" => says("split panics"),
        _ => says("fine"),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "good").await;
    handle.quiet().await;
    say(&handle, 2, "7", "bad").await;
    handle.quiet().await;
    say(&handle, 3, "8", "good").await;
    say(&handle, 4, "7", "more").await;
    handle.quiet().await;
    assert_eq!(world.texts("8"), ["fine"]);
    let status = handle.status().await.unwrap();
    assert_eq!((status.sessions_active, status.totals.sessions_parked), (0, 1));
    assert!(
        status
            .notices
            .iter()
            .any(|n| n.contains("assistant/telegram:7 is parked") && n.contains("split panics"))
    );
    let row = world.store.session("assistant/telegram:7").await.unwrap().unwrap();
    let journal = world.store.journal(row.id, 0, 100).await.unwrap();
    let last = &journal.last().unwrap().record;
    assert!(last.kind == "fault" && last.body.contains("split panics"), "{last:?}");
    assert!(world.texts("1").iter().any(|text| text.contains("is parked")), "the owner is told");
    // The way out that `status` names.
    assert!(handle.drop_session("assistant/telegram:7").await.unwrap());
    say(&handle, 5, "7", "good").await;
    handle.quiet().await;
    assert_eq!(world.texts("7").last().unwrap(), "fine");
}

#[tokio::test]
async fn a_panic_of_the_channel_costs_one_message_and_neither_the_lane_nor_others() {
    for edits in [true, false] {
        let mut world = World::new(ASSISTANT, |_, _| says("fine"));
        if !edits {
            world = world.plain_channel();
        }
        let handle = world.start().await;
        for number in 1..=2 {
            say(&handle, number, "send panics", "good").await;
            handle.quiet().await;
        }
        say(&handle, 3, "8", "good").await;
        handle.quiet().await;
        assert_eq!(world.texts("8"), ["fine"]);
        let uncertain = world.store.outbox(Some(OutboxState::Uncertain), 10).await.unwrap();
        // Where a stream's placeholder was not placed, the reply is a row of its own.
        assert_eq!(uncertain.len(), if edits { 4 } else { 2 }, "every row was looked at");
        assert!(uncertain[0].error.as_ref().is_some_and(|error| error.contains("send panics")));
        assert!(world.texts("1").iter().any(|text| text.contains("may not have arrived")));
    }
}

#[tokio::test]
async fn a_panic_of_a_tool_is_an_error_that_the_model_reads() {
    let world = World::new(ASSISTANT, |request, _| match newest(request).as_str() {
        "time?" => calls("c1", "time_now", "{}"),
        told => reply(
            vec![blufio_core::model::Block::Text { text: format!("told: {told}") }],
            StopReason::EndTurn,
        ),
    });
    *world.tools.panic.lock().unwrap() = true;
    let handle = world.start().await;
    say(&handle, 1, "7", "time?").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["told: error result: failed: a defect of the tool"]);
}

#[tokio::test]
async fn a_panic_of_a_model_is_a_failure_of_its_step() {
    let world = World::new(ASSISTANT, |request, _| match newest(request).as_str() {
        "bad" => panic!("the model panics"),
        _ => says("fine"),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "bad").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["Failed: broken"]);
}

/// The word that a session was dropped comes after a new one of the same key began: nothing of the new one is lost,
/// and its model is asked once.
#[tokio::test]
async fn a_late_word_of_a_drop_does_not_disturb_the_session_that_followed() {
    let mut world = World::new(ASSISTANT, |_, number| match number {
        0 => says("first"),
        1 => Answer::Hang(vec!["half"]),
        _ => says("asked twice"),
    });
    let gate = std::sync::Arc::new(crate::gated::GatedStore::new(world.store.clone()));
    world.store = gate.clone();
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    let dropping = handle.drop_session("assistant/telegram:7");
    let meanwhile = async {
        gate.dropped().await;
        say(&handle, 2, "7", "hello").await;
        world.until("the new session asks", |w| w.requests().len() == 2).await;
        gate.open();
    };
    let (dropped, ()) = tokio::join!(dropping, meanwhile);
    assert!(dropped.unwrap());
    world.settle().await;
    assert_eq!(world.requests().len(), 2, "the model call under way goes on");
    let row = world.store.session("assistant/telegram:7").await.unwrap().unwrap();
    assert_eq!((row.state_name.as_str(), row.pending), ("think", true));
    say(&handle, 3, "7", "/stop").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["first", "half ⏹", "Stopped."]);
}
