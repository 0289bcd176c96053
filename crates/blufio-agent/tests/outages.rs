// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers that are down, that refuse us, that want to be left alone: what is asked meanwhile, and what people hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use blufio_agent::{Handle, Runtime};
use blufio_core::clock::Clock;
use blufio_core::message::Attachment;
use blufio_core::model::{Block, ModelErrorKind, ModelRequest};

use crate::conversation::ASSISTANT;
use crate::world::{Answer, FakeModel, World, message, newest, say, says};

/// Moves time on in small steps, and lets everything run between them.
async fn pass(world: &World, seconds: u64) {
    for _ in 0..seconds {
        world.clock.advance(1_000);
        world.settle().await;
    }
}

/// Says something and lets the attempts of its step come to their end.
async fn say_and_wait(world: &World, handle: &Handle, number: usize) {
    say(handle, number, "7", "hi").await;
    pass(world, 12).await;
    handle.quiet().await;
}

fn asked(world: &World) -> usize {
    world.requests().len()
}

/// Another life of the same world.
fn again(world: &World, script: impl Fn(&ModelRequest, usize) -> Answer + Send + Sync + 'static) -> World {
    World {
        store: world.store.clone(),
        clock: world.clock.clone(),
        channel: world.channel.clone(),
        ..World::new(ASSISTANT, script)
    }
}

#[tokio::test]
async fn m01_a_refused_key_is_told_to_the_owner_once_and_is_over_when_it_answers() {
    let world = World::new(ASSISTANT, |_, number| match number {
        0..=1 => Answer::Fail(ModelErrorKind::Authentication, None),
        _ => says("back"),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    for number in 2..=3 {
        say(&handle, number, "7", "hi").await;
        handle.quiet().await;
    }
    assert_eq!(asked(&world), 1, "nobody asks again for a while");
    assert_eq!(world.texts("7"), ["Failed: denied"; 3]);
    let refusing =
        async || handle.status().await.unwrap().notices.iter().any(|n| n.contains("refuses the key"));
    assert!(refusing().await);
    pass(&world, 30).await;
    say(&handle, 4, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(asked(&world), 2, "one looks");
    // The pause is twice as long now.
    pass(&world, 59).await;
    say(&handle, 5, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(asked(&world), 2);
    pass(&world, 1).await;
    say(&handle, 6, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.texts("7").last().map(String::as_str), Some("back"));
    assert!(!refusing().await);
    let told = world.texts("1");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("fake refuses the key") && told[1] == "fake answers again.", "{told:?}");
}

#[tokio::test]
async fn m03_failures_in_a_row_open_the_breaker_for_a_growing_time() {
    let world = World::new(ASSISTANT, |_, _| Answer::Fail(ModelErrorKind::Overloaded, None));
    let handle = world.start().await;
    say_and_wait(&world, &handle, 1).await;
    assert_eq!((asked(&world), world.texts("1").len()), (4, 0), "the attempts of one step");
    say_and_wait(&world, &handle, 2).await;
    assert_eq!(asked(&world), 5, "the fifth failure in a row is the last");
    assert_eq!(world.texts("7"), ["Failed: broken"; 2]);
    let told = world.texts("1");
    assert!(told.len() == 1 && told[0].contains("5 attempts in a row failed"), "{told:?}");
    say_and_wait(&world, &handle, 3).await;
    assert_eq!((asked(&world), world.texts("7").last().map(String::as_str)), (5, Some("Failed: limited")));
    let status = handle.status().await.unwrap();
    let provider = &status.providers[0];
    assert_eq!((provider.name.as_str(), provider.health.as_str()), ("fake", "failed"));
    assert!(provider.detail.as_ref().unwrap().contains("does not answer; asked again in"), "{provider:?}");
    // However long it lasts: one look a pause, each twice as long up to ten minutes, and nothing more for the owner.
    let mut looks = Vec::new();
    let mut number = 10;
    for _ in 0..360 {
        let before = asked(&world);
        number += 1;
        say(&handle, number, "7", "hi").await;
        world.settle().await;
        if asked(&world) > before {
            looks.push(world.clock.now_ms() / 1_000);
        }
        world.clock.advance(10_000);
        world.settle().await;
    }
    let pauses: Vec<i64> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert!(pauses[0] == 60 && pauses.last() == Some(&600), "{pauses:?}");
    assert_eq!(world.texts("1").len(), 1);
}

#[tokio::test]
async fn one_answer_between_failures_keeps_the_breaker_closed() {
    let world = World::new(ASSISTANT, |_, number| match number % 4 {
        3 => says("fine"),
        _ => Answer::Fail(ModelErrorKind::Unreachable, None),
    });
    let handle = world.start().await;
    for number in 1..=4 {
        say_and_wait(&world, &handle, number).await;
    }
    assert_eq!((asked(&world), world.texts("7").len(), world.texts("1").len()), (16, 4, 0));
}

#[tokio::test]
async fn a_wrong_request_is_no_outage_and_ends_one() {
    let world = World::new(ASSISTANT, |_, number| match number {
        0 => Answer::Fail(ModelErrorKind::Billing, None),
        _ => Answer::Fail(ModelErrorKind::InvalidRequest, None),
    });
    let handle = world.start().await;
    say_and_wait(&world, &handle, 1).await;
    pass(&world, 30).await;
    for number in 2..=8 {
        say_and_wait(&world, &handle, number).await;
    }
    assert_eq!(asked(&world), 8);
    assert_eq!(world.texts("1").last().map(String::as_str), Some("fake answers again."));
}

#[tokio::test]
async fn while_a_provider_is_out_the_next_of_the_chain_answers() {
    let world =
        World::new(&ASSISTANT.replace("\"fake/small\"", "\"fake/small\" else \"spare/big\""), |_, _| {
            Answer::Fail(ModelErrorKind::Unreachable, None)
        });
    let spare = Arc::new(FakeModel::new("spare", |request, _| says(&format!("spare {}", newest(request)))));
    let mut options = world.options();
    options.providers.push(spare.clone());
    let handle = Runtime::start(options).await.unwrap();
    for number in 1..=3 {
        say_and_wait(&world, &handle, number).await;
    }
    assert_eq!(world.texts("7"), ["spare hi"; 3]);
    assert_eq!(asked(&world), 5, "the first one is asked no more");
    assert_eq!(spare.requests.lock().unwrap().len(), 3);
    let health: Vec<String> =
        handle.status().await.unwrap().providers.into_iter().map(|p| p.name + " " + &p.health).collect();
    assert_eq!(health, ["fake failed", "spare healthy"]);
    // At once, without the attempts and waits of the first one.
    say(&handle, 4, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.texts("7").len(), 4);
}

#[tokio::test]
async fn many_sessions_look_once_and_a_look_that_is_left_lets_another_look() {
    let world = World::new(ASSISTANT, |_, number| match number {
        0 => Answer::Fail(ModelErrorKind::Authentication, None),
        1 => Answer::Hang(vec![]),
        _ => says("back"),
    });
    let handle = world.start().await;
    say(&handle, 1, "100", "hi").await;
    handle.quiet().await;
    pass(&world, 30).await;
    for person in 101..133 {
        say(&handle, person, &person.to_string(), "hi").await;
    }
    world.until("one looks", |w| w.requests().len() == 2).await;
    world.settle().await;
    assert_eq!(asked(&world), 2, "one of many");
    let looking = (101..133).find(|person| world.texts(&person.to_string()).is_empty()).unwrap();
    say(&handle, 200, &looking.to_string(), "/stop").await;
    handle.quiet().await;
    say(&handle, 201, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.texts("7"), ["back"]);
}

#[tokio::test]
async fn m02_all_sessions_wait_for_the_time_that_one_was_told_and_a_restart_too() {
    let limited = |_: &ModelRequest, number: usize| match number {
        0 => Answer::Fail(ModelErrorKind::RateLimited, Some(120_000)),
        _ => says("at last"),
    };
    let world = World::new(ASSISTANT, limited);
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    world.until("asked", |w| w.requests().len() == 1).await;
    say(&handle, 2, "8", "hi").await;
    world.settle().await;
    assert_eq!(asked(&world), 1);
    let provider = handle.status().await.unwrap().providers.remove(0);
    assert_eq!(provider.health, "degraded");
    assert_eq!(provider.detail.as_deref(), Some("wants to be left alone for 120 s"));
    pass(&world, 60).await;
    drop(handle);
    let world = again(&world, |_, _| says("at last"));
    let handle = world.start().await;
    say(&handle, 3, "9", "hi").await;
    pass(&world, 59).await;
    assert_eq!(asked(&world), 0, "the new life knows of it");
    pass(&world, 3).await;
    handle.quiet().await;
    for person in ["7", "8", "9"] {
        assert_eq!(world.texts(person).last().map(String::as_str), Some("at last"), "{person}");
    }
    assert!(world.texts("1").is_empty(), "busy is no outage");
}

#[tokio::test]
async fn a_wait_that_outlasts_the_step_is_not_begun() {
    let world = World::new(ASSISTANT, |_, _| Answer::Fail(ModelErrorKind::RateLimited, Some(3_600_000)));
    let handle = world.start().await;
    for number in 1..=2 {
        say(&handle, number, "7", "hi").await;
        handle.quiet().await;
    }
    assert_eq!((asked(&world), world.texts("7")), (1, vec!["Failed: limited".to_string(); 2]));
}

#[tokio::test]
async fn a_clock_that_is_set_back_ends_a_pause() {
    let world = World::new(ASSISTANT, |_, number| match number {
        0 => Answer::Fail(ModelErrorKind::Authentication, None),
        _ => says("back"),
    });
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    world.clock.jump_wall(crate::world::START_MS - 86_400_000);
    say(&handle, 2, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(world.texts("7").last().map(String::as_str), Some("back"));
}

#[tokio::test]
async fn an_outage_is_told_once_over_restarts_and_the_new_life_looks_at_once() {
    let world = World::new(ASSISTANT, |_, _| Answer::Fail(ModelErrorKind::Authentication, None));
    let handle = world.start().await;
    say(&handle, 1, "7", "hi").await;
    handle.quiet().await;
    handle.stop().await;
    let still = again(&world, |_, _| Answer::Fail(ModelErrorKind::Authentication, None));
    let handle = still.start().await;
    assert!(handle.status().await.unwrap().notices.iter().any(|notice| notice.contains("refuses the key")));
    say(&handle, 2, "7", "hi").await;
    handle.quiet().await;
    assert_eq!((asked(&still), still.texts("1").len()), (1, 1));
    handle.stop().await;
    let right = again(&world, |_, _| says("back"));
    let handle = right.start().await;
    say(&handle, 3, "7", "hi").await;
    handle.quiet().await;
    assert_eq!(right.texts("7").last().map(String::as_str), Some("back"));
    assert_eq!(right.texts("1").last().map(String::as_str), Some("fake answers again."));
    handle.stop().await;
    let later = again(&world, |_, _| says("fine"));
    let handle = later.start().await;
    assert!(handle.status().await.unwrap().notices.is_empty());
}

#[tokio::test]
async fn a_picture_is_left_out_for_a_provider_that_takes_none() {
    let world = World::new(&ASSISTANT.replace("fake/small", "blind/small"), |_, _| says("unused"));
    world.channel.files.lock().unwrap().insert("photo".into(), vec![0xFF, 0xD8, 0xFF, 0xE0]);
    let images = Arc::new(AtomicUsize::new(0));
    let seen = images.clone();
    let blind = Arc::new(FakeModel::new("blind", move |request, _| {
        let blocks = request.turns.iter().flat_map(|turn| &turn.blocks);
        seen.fetch_add(blocks.filter(|b| matches!(b, Block::Image { .. })).count(), Ordering::SeqCst);
        says(&newest(request))
    }));
    let mut options = world.options();
    options.providers.push(blind);
    let handle = Runtime::start(options).await.unwrap();
    let mut photo = message(1, "7", "look");
    photo.attachments.push(Attachment {
        media_type: "image/jpeg".into(),
        handle: "photo".into(),
        bytes: Some(4),
        name: None,
    });
    handle.sink().deliver("telegram", vec![photo], Some("1".into())).await.unwrap();
    handle.quiet().await;
    assert_eq!(images.load(Ordering::SeqCst), 0);
    let text = world.texts("7").join("\n");
    assert!(text.contains("a picture, which this model cannot see"), "{text}");
}
