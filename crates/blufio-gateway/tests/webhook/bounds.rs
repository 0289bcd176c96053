// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sizes, times, places and rates: what a stranger can take up, and that it ends.

use std::time::Duration;

use blufio_gateway::webhook::{BindError, Limits, Rate, Webhooks};
use tokio::io::AsyncWriteExt;

use super::{World, answer, signature};
use crate::support::{until, within};

const BODY: &[u8] = b"{\"id\":\"a\"}";
const MIB: usize = 1 << 20;

#[tokio::test]
async fn g8_a_body_is_at_most_a_mebibyte_however_it_comes() {
    let world = World::new().await;
    let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes();
    let largest = body(MIB);
    assert_eq!(world.signed(&largest).await.status, 202);
    let larger = body(MIB + 1);
    let refused = world.signed(&larger).await;
    assert_eq!((refused.status, refused.error()), (413, "too_large"));
    // Said at once: nobody waits for the body.
    let head =
        format!("POST /alerts HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n{}\r\n", signature(BODY));
    assert_eq!(world.raw(head.as_bytes()).await.status, 413);
    // No end and no length.
    let head =
        format!("POST /alerts HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{}\r\n", signature(BODY));
    let mut stream = world.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let endless = async { while stream.write_all(&chunk).await.is_ok() {} };
    within("an endless body is refused", endless).await;
    // An unsigned one is not read at all.
    let unsigned = "POST /alerts HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n";
    assert_eq!(world.raw(unsigned.as_bytes()).await.status, 401);
    assert_eq!(world.count(), 1);
}

#[tokio::test]
async fn g5_g6_heads_are_bounded_and_a_request_has_one_length() {
    let world = World::new().await;
    let with =
        |headers: String| format!("POST /alerts HTTP/1.1\r\nHost: h\r\n{headers}\r\n{{}}").into_bytes();
    let signed = signature(b"{}");
    for (name, bytes) in [
        ("many headers", with(format!("{signed}{}", "X-A: b\r\n".repeat(10_000)))),
        ("a long header", with(format!("{signed}X-A: {}\r\n", "b".repeat(MIB)))),
        ("a long path", format!("POST /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(MIB)).into_bytes()),
        ("two lengths", with(format!("{signed}Content-Length: 2\r\nContent-Length: 3\r\n"))),
        ("a negative length", with(format!("{signed}Content-Length: -2\r\n"))),
        ("a folded line", with(format!("{signed}Content-Length: 2\r\nX-A: b\r\n c\r\n"))),
        ("no HTTP", b"hello\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ] {
        let mut stream = world.connect().await;
        drop(stream.write_all(&bytes).await);
        drop(stream.shutdown().await);
        let refused = answer(&mut stream).await;
        assert!(refused.status == 0 || (400..500).contains(&refused.status), "{name}: {refused:?}");
    }
    // Both a length and chunks: one request is read, and nothing behind it.
    let both = format!(
        "POST /alerts HTTP/1.1\r\nHost: h\r\n{signed}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n\
         POST /alerts HTTP/1.1\r\nHost: h\r\n{}Content-Length: 10\r\n\r\n{{\"id\":\"a\"}}",
        signature(BODY)
    );
    world.raw(both.as_bytes()).await;
    assert!(world.count() <= 1, "a connection carries one request");
    assert_eq!(world.signed(b"[]").await.status, 202, "it still listens");
}

#[tokio::test]
async fn g7_a_connection_that_dawdles_gives_its_place_up() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let world = World::with(limits).await;
    let mut idle = world.connect().await;
    let mut slow = world.connect().await;
    slow.write_all(b"POST /alerts HTTP/1.1\r\nHost: h\r\nX-A").await.unwrap();
    until("both have a place", || world.clock.slept().len() == 2).await;
    assert_eq!(world.clock.slept()[0], Duration::from_secs(10));
    // The third waits outside until a place is free.
    let mut third = world.connect().await;
    let request = format!(
        "POST /alerts HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n",
        BODY.len(),
        signature(BODY)
    );
    third.write_all(&[request.as_bytes(), BODY].concat()).await.unwrap();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((world.count(), world.clock.slept().len()), (0, 2));
    world.clock.manual.advance(10_000);
    assert_eq!(answer(&mut idle).await.status, 0);
    assert!([0, 408].contains(&answer(&mut slow).await.status));
    assert_eq!(answer(&mut third).await.status, 202);
    // A body that never ends comes to its end, too.
    let mut trickle = world.connect().await;
    trickle.write_all(request.as_bytes()).await.unwrap();
    trickle.write_all(b"{").await.unwrap();
    until("it has a place", || world.clock.slept().len() == 4).await;
    world.clock.manual.advance(10_000);
    let ended = answer(&mut trickle).await;
    assert!([0, 400].contains(&ended.status), "{ended:?}");
    assert_eq!(world.count(), 1);
}

#[tokio::test]
async fn signed_events_have_a_rate_and_strangers_do_not_use_it_up() {
    let limits = Limits { events: Rate { burst: 2, per_second: 1 }, ..Limits::default() };
    let world = World::with(limits).await;
    for _ in 0..5 {
        assert_eq!(world.post("/alerts", &signature(b"x"), BODY).await.status, 401);
    }
    assert_eq!(world.signed(b"1").await.status, 202);
    assert_eq!(world.signed(b"2").await.status, 202);
    let refused = world.signed(b"3").await;
    assert_eq!((refused.status, refused.error()), (429, "rate"));
    assert!(refused.head.contains("retry-after: 1"));
    world.clock.manual.advance(1_000);
    assert_eq!(world.signed(b"3").await.status, 202);
}

#[tokio::test]
async fn it_stops_and_frees_its_address() {
    let mut world = World::new().await;
    assert_eq!(world.signed(BODY).await.status, 202);
    let address = world.address;
    world.stop();
    world.stopped().await;
    Webhooks::bind(address).await.unwrap();
}

#[tokio::test]
async fn c9_only_loopback_is_bound() {
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = Webhooks::bind(open.parse().unwrap()).await;
        assert!(matches!(refused, Err(BindError::NotLoopback(_))), "{open}");
    }
    let taken = Webhooks::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    assert!(matches!(Webhooks::bind(taken.address()).await, Err(BindError::Io { .. })));
}
