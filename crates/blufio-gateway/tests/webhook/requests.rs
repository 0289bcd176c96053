// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which requests are taken and what the others are told.

use blufio_core::webhook::{Delivery, PostError};
use serde_json::json;

use super::{SECRET, World, code, signature};
use crate::support::START_MS;

const BODY: &[u8] = b"{\"id\":\"a\"}";

#[tokio::test]
async fn what_is_signed_is_stored_before_it_is_acknowledged() {
    let world = World::new().await;
    let taken = world.post("/alerts", &format!("{}X-GitHub-Delivery: d-1\r\n", signature(BODY)), BODY).await;
    assert_eq!((taken.status, &taken.body), (202, &json!({ "id": "d-1", "new": true })));
    assert!(taken.head.contains("connection: close"), "{}", taken.head);
    let stored = ("/alerts".to_string(), Delivery::Named("d-1".into()), json!({ "id": "a" }));
    assert_eq!(world.events.posted(), [stored]);
    let again = world.post("/alerts", &format!("{}Idempotency-Key: d-1\r\n", signature(BODY)), BODY).await;
    assert_eq!((again.status, &again.body["new"]), (202, &json!(false)));
    let unnamed = world.signed(BODY).await;
    let id = unnamed.body["id"].as_str().unwrap().to_string();
    assert!(unnamed.status == 202 && id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(world.signed(BODY).await.body, json!({ "id": id, "new": false }));
    world.events.fail(Some(PostError::Store("disk on fire".into())));
    let failed = world.signed(b"{}").await;
    assert_eq!((failed.status, failed.error()), (503, "store"));
    assert!(failed.head.contains("retry-after: 1") && !failed.body.to_string().contains("fire"));
    world.events.fail(Some(PostError::Stopping));
    assert_eq!(world.signed(b"{}").await.error(), "stopping");
    world.events.fail(Some(PostError::Unfit(vec!["id: is missing".into()])));
    let unfit = world.signed(b"{}").await;
    assert_eq!((unfit.status, &unfit.body["violations"]), (422, &json!(["id: is missing"])));
}

#[tokio::test]
async fn every_form_of_a_signature_is_taken_and_everything_else_is_unsigned() {
    let world = World::new().await;
    let seconds = START_MS / 1_000;
    let timed = format!("t={seconds},v1={}", code(&[format!("{seconds}.").as_bytes(), BODY].concat()));
    for good in [
        signature(BODY),
        format!("X-Blufio-Signature: sha256={}\r\n", code(BODY).to_uppercase()),
        format!("X-Blufio-Signature: {timed}\r\n"),
        format!("Stripe-Signature: {timed},v0=x\r\n"),
    ] {
        assert_eq!(world.post("/alerts", &good, BODY).await.status, 202, "{good}");
    }
    let old = seconds - 301;
    let late = format!("t={old},v1={}", code(&[format!("{old}.").as_bytes(), BODY].concat()));
    for bad in [
        String::new(),
        "X-Hub-Signature: sha1=0123456789012345678901234567890123456789\r\n".to_string(),
        "X-Hub-Signature-256: \r\n".to_string(),
        "X-Hub-Signature-256: sha256=\r\n".to_string(),
        format!("X-Hub-Signature-256: {}\r\n", code(BODY)),
        signature(b"{}"),
        format!("{0}{0}", signature(BODY)),
        format!("X-Blufio-Signature: {late}\r\n"),
        format!("Authorization: Bearer {SECRET}\r\n"),
    ] {
        let refused = world.post("/alerts", &bad, BODY).await;
        assert_eq!((refused.status, refused.error()), (401, "signature"), "{bad}");
        assert!(!refused.body.to_string().contains(SECRET));
    }
    for keyless in ["/weak", "/none"] {
        let refused = world.post(keyless, &signature(BODY), BODY).await;
        assert_eq!((refused.status, refused.error()), (503, "key"), "{keyless}");
    }
    assert_eq!(world.count(), 1, "one body without an id of its own");
}

#[tokio::test]
async fn g4_a_path_is_the_one_of_the_routes_byte_for_byte() {
    let world = World::new().await;
    for path in [
        "/",
        "/alert",
        "/alerts/",
        "//alerts",
        "/ALERTS",
        "/%61lerts",
        "/alerts%00",
        "/alerts;x",
        "/x/../alerts",
        "/./alerts",
        "/alerts%2f",
        "/%2e%2e/alerts",
    ] {
        let refused = world.post(path, &signature(BODY), BODY).await;
        assert_eq!((refused.status, refused.error()), (404, "no_such_path"), "{path}");
    }
    assert_eq!(world.post("/alerts?x=/..", &signature(BODY), BODY).await.status, 202, "a query says nothing");
}

#[tokio::test]
async fn g2_g3_g10_other_methods_browsers_and_media_are_refused() {
    let world = World::new().await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let refused = world.raw(format!("{method} /alerts HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await;
        assert_eq!(refused.status, 405, "{method}");
        assert!(refused.head.contains("allow: post") && !refused.head.contains("access-control"));
    }
    let head = world.raw(b"HEAD /alerts HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(head.status, 405);
    for origin in ["null", "http://127.0.0.1", "http://127.0.0.1.evil"] {
        let headers = format!("{}Origin: {origin}\r\n", signature(BODY));
        assert_eq!(world.post("/alerts", &headers, BODY).await.status, 403, "{origin}");
    }
    for media in [
        "Content-Type: text/plain",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Encoding: gzip",
    ] {
        let headers = format!("{}{media}\r\n", signature(BODY));
        let refused = world.post("/alerts", &headers, BODY).await;
        assert_eq!((refused.status, refused.error()), (415, "media_type"), "{media}");
    }
    for media in ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"] {
        let headers = format!("{}Content-Type: {media}\r\n", signature(BODY));
        assert_eq!(world.post("/alerts", &headers, BODY).await.status, 202, "{media}");
    }
    for id in ["".to_string(), " ".to_string(), "x".repeat(201), "\u{7f}é".to_string()] {
        let headers = format!("{}Webhook-Id: {id}\r\n", signature(BODY));
        assert_eq!(world.post("/alerts", &headers, BODY).await.status, 400, "{id}");
    }
    assert_eq!(world.count(), 1);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_after_the_signature() {
    let world = World::new().await;
    let deep = format!("{}1{}", "[".repeat(500_000), "]".repeat(500_000));
    let objects = "{\"a\":".repeat(100_000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"\xff\xfe{\x00}\x00",
        b"{\"id\":\"\xff\"}",
        b"{\"id\":\"\x00\"}",
        b"\xef\xbb\xbf{}",
        b"{\"id\":\"\\ud800\"}",
        b"{} {}",
        b"NaN",
        deep.as_bytes(),
        objects.as_bytes(),
    ];
    for body in bodies {
        let refused = world.signed(body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        assert_eq!((refused.status, refused.error()), (400, "not_json"), "{shown}");
        let unsigned = world.post("/alerts", &signature(b"x"), body).await;
        assert_eq!(unsigned.status, 401, "nothing is parsed for strangers: {shown}");
    }
    assert_eq!(world.count(), 0);
}
