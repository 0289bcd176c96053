// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is posted: the session that gets it, the same delivery twice, what does not fit.

use std::sync::Arc;
use std::task::Poll;

use blufio_agent::events::EventError;
use blufio_agent::routes::Webhook;
use blufio_agent::{Handle, Runtime};
use blufio_core::testing::{CrashMode, CrashingStore, MemoryStore};
use blufio_core::webhook::{Delivery, PostError};
use blufio_persist::SqliteStore;
use serde_json::{Value, json};

use crate::requests::silent;
use crate::world::World;

const HOUR_MS: u64 = 3_600_000;

const COUNTER: &str = r#"agent counter v1
goal "Count."
models { fast = "fake/small" }
type Alert = { id: text max 400, level: int 1 to 5, note: text? }
keep { seen: int = 0 }
start state idle {
  on Alert a { seen = seen + 1  send owner "{a.id} {seen}" }
}
anywhere { on failed why -> idle }
"#;

fn counter() -> World {
    silent(COUNTER)
}

async fn start(world: &World, per: Option<&str>) -> Handle {
    let mut options = world.options();
    let hook = |path: &str, per: Option<&str>| Webhook {
        path: path.into(),
        key_name: format!("{}_key", &path[1..]),
        event: "Alert".into(),
        agent: "counter".into(),
        per: per.map(str::to_string),
    };
    options.routes.webhooks = vec![hook("/alerts", per), hook("/other", per)];
    Runtime::start(options).await.unwrap()
}

fn named(id: &str) -> Delivery {
    Delivery::Named(id.into())
}

async fn post(handle: &Handle, delivery: &Delivery, body: Value) -> Result<bool, PostError> {
    handle.events().post("/alerts", delivery, &body).await
}

#[tokio::test]
async fn sessions_are_kept_by_the_value_of_a_field_and_no_value_is_anybody_elses_key() {
    let world = counter();
    let handle = start(&world, Some("id")).await;
    let alert = |id: &str| json!({ "id": id, "level": 1, "nobody": { "declared": ["this"] } });
    assert_eq!(handle.events().key_name("/alerts").as_deref(), Some("alerts_key"));
    assert_eq!(handle.events().key_name("/alerts/"), None, "paths are equal or they are not");
    for (at, id) in ["a1", "a2", "a1", "owner", "x/ask:1.2.3"].into_iter().enumerate() {
        assert_eq!(post(&handle, &named(&at.to_string()), alert(id)).await, Ok(true), "{id}");
    }
    handle.quiet().await;
    let mut told = world.texts("1");
    told.sort();
    assert_eq!(told, ["a1 1", "a1 2", "a2 1", "owner 1", "x/ask:1.2.3 1"]);
    for key in ["counter/value:a1", "counter/value:owner", "counter/value:x%2fask:1.2.3"] {
        assert_eq!(world.state_of(key).await, "idle", "{key}");
    }
    let long = "y".repeat(201);
    for id in ["", "  ", &long] {
        let refused = post(&handle, &named("other"), alert(id)).await;
        assert!(matches!(&refused, Err(PostError::Unfit(why)) if why[0].starts_with("id: ")), "{refused:?}");
    }
}

#[tokio::test]
async fn the_same_delivery_is_one_event() {
    let world = counter();
    let handle = start(&world, None).await;
    let body = json!({ "id": "a", "level": 1 });
    let digest = Delivery::Digest("abc".into());
    assert_eq!(post(&handle, &named("1"), body.clone()).await, Ok(true));
    assert_eq!(post(&handle, &named("1"), body.clone()).await, Ok(false));
    assert_eq!(post(&handle, &digest, body.clone()).await, Ok(true));
    assert_eq!(handle.events().post("/other", &named("1"), &body).await, Ok(true), "ids belong to a path");
    // Midnight lies within these hours whatever hour it is now.
    for _ in 0..23 {
        world.clock.advance(HOUR_MS);
        assert_eq!(post(&handle, &digest, body.clone()).await, Ok(false));
    }
    world.clock.advance(HOUR_MS);
    assert_eq!(post(&handle, &digest, body.clone()).await, Ok(true), "a day later it is another one");
    assert_eq!(post(&handle, &named("1"), body.clone()).await, Ok(false), "an id is the sender's for ever");
    handle.quiet().await;
    assert_eq!(world.texts("1"), ["a 1", "a 2", "a 3", "a 4"]);
    handle.stop().await;
    assert_eq!(post(&handle, &named("2"), body).await, Err(PostError::Stopping));
}

#[tokio::test]
async fn what_does_not_fit_names_every_place_and_can_be_sent_again() {
    let world = counter();
    let handle = start(&world, Some("id")).await;
    let refused = post(&handle, &named("1"), json!({ "level": 9, "note": 5 })).await;
    let Err(PostError::Unfit(mut why)) = refused else { panic!("{refused:?}") };
    why.sort();
    assert_eq!(why, ["id: is missing", "level: must be from 1 to 5", "note: must be a text"]);
    for body in [json!(null), json!([]), json!("text"), json!(5)] {
        assert!(matches!(post(&handle, &named("1"), body).await, Err(PostError::Unfit(_))));
    }
    assert_eq!(post(&handle, &named("1"), json!({ "id": "a", "level": 5 })).await, Ok(true));
    let nowhere = handle.events().post("/nowhere", &named("1"), &json!({})).await;
    assert_eq!(nowhere, Err(PostError::NoSuchPath));
}

#[tokio::test]
async fn an_event_that_a_command_hands_over_finds_the_session_of_the_route() {
    let world = counter();
    let handle = start(&world, Some("id")).await;
    let alert = json!({ "id": "a1", "level": 1 });
    let taken = handle.event("counter", None, "Alert", alert.clone(), "1").await.unwrap();
    assert_eq!((taken.session.as_str(), taken.is_new), ("counter/value:a1", true));
    let nobody = handle.event("countr", None, "Alert", alert.clone(), "2").await;
    assert!(matches!(nobody, Err(EventError::UnknownAgent(_))));
    let unknown = handle.event("counter", None, "Alrt", alert.clone(), "2").await.unwrap_err();
    assert_eq!(unknown.to_string(), "agent `counter` does not wait for `Alrt`, but for Alert");
    let more = json!({ "id": "a1", "level": 1, "leval": 2 });
    let unfit = handle.event("counter", None, "Alert", more, "2").await;
    assert!(matches!(unfit, Err(EventError::Unfit { .. })), "what a person types is read strictly");
    handle.quiet().await;
    assert_eq!(world.texts("1"), ["a1 1"]);
}

#[tokio::test]
async fn a_sender_that_hangs_up_leaves_an_event_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = counter();
    // Its writer is a thread, so that a commit takes more than one look.
    let store = SqliteStore::open(folder.path(), &blufio_persist::Options::default()).unwrap();
    world.store = Arc::new(store);
    let handle = start(&world, Some("id")).await;
    let (events, delivery, body) = (handle.events(), named("1"), json!({ "id": "a", "level": 1 }));
    let mut request = events.post("/alerts", &delivery, &body);
    let begun =
        std::future::poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_pending())).await;
    assert!(begun, "it is under way");
    drop(request);
    world.until("told", |world| world.texts("1") == ["a 1"]).await;
}

/// What the sender does: it posts until it hears that it was stored, and it may post what was stored again.
async fn deliver(world: &World) -> Handle {
    let handle = start(world, Some("id")).await;
    let body = |id: &str| json!({ "id": id, "level": 1 });
    for (delivery, id) in [(named("1"), "a"), (named("2"), "a"), (Delivery::Digest("b".into()), "b")] {
        post(&handle, &delivery, body(id)).await.unwrap();
    }
    handle.quiet().await;
    handle
}

#[tokio::test]
async fn a_crash_at_every_store_call_loses_no_event_and_doubles_none() {
    for mode in [CrashMode::BeforeApply, CrashMode::AfterApply] {
        let mut crash_at = 1;
        loop {
            let memory = MemoryStore::default();
            let store = Arc::new(CrashingStore::new(memory.clone(), crash_at, mode));
            let mut world = counter();
            world.store = store.clone();
            let first = tokio::select! {
                () = store.died() => None,
                handle = deliver(&world) => Some(handle),
            };
            let survived = first.is_some() && !store.is_dead();
            drop(first);
            world.store = Arc::new(memory);
            let handle = deliver(&world).await;
            let mut told = world.texts("1");
            told.sort();
            assert_eq!(told, ["a 1", "a 2", "b 1"], "{mode:?} at call {crash_at}");
            assert_eq!(handle.status().await.unwrap().totals.inbox_waiting, 0);
            handle.stop().await;
            if survived {
                break;
            }
            crash_at += 1;
        }
        assert!(crash_at > 12, "{crash_at} crash points");
    }
}
