// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is posted over HTTP, request by request: bytes as a sender could write them, a sink in memory, a clock that is
//! moved by hand.

mod bounds;
mod requests;

use std::net::SocketAddr;
use std::sync::Arc;

use blufio_core::secret::Secret;
use blufio_core::testing::MemoryEvents;
use blufio_gateway::webhook::{Limits, Options, Webhooks};
use ring::hmac;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{TestClock, within};

pub const SECRET: &str = "0123456789abcdef";

/// A listener, what it stores, and its time.
pub struct World {
    pub address: SocketAddr,
    pub events: Arc<MemoryEvents>,
    pub clock: TestClock,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let listener = Webhooks::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address();
        let events = Arc::new(MemoryEvents::new(&[
            ("/alerts", "alerts_key"),
            ("/weak", "weak_key"),
            ("/none", "none"),
        ]));
        let clock = TestClock::new();
        let keys = Arc::new(|name: &str| match name {
            "alerts_key" => Some(Secret::new(SECRET)),
            "weak_key" => Some(Secret::new("short")),
            _ => None,
        });
        let options = Options { sink: events.clone(), keys, clock: Arc::new(clock.clone()), limits };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(listener.run(options, async move { drop(stopped.await) }));
        Self { address, events, clock, stop: Some(stop), task }
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub async fn stopped(self) {
        within("the listener stops", self.task).await.unwrap().unwrap();
    }

    pub async fn connect(&self) -> TcpStream {
        within("a connection", TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends bytes as they are and reads to the end of the connection.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // Whoever is refused early may find the connection closed while it still writes.
        drop(stream.write_all(bytes).await);
        answer(&mut stream).await
    }

    /// Posts with more headers.
    pub async fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{headers}\r\n");
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    /// Posts what is signed.
    pub async fn signed(&self, body: &[u8]) -> Answer {
        self.post("/alerts", &signature(body), body).await
    }

    pub fn count(&self) -> usize {
        self.events.posted().len()
    }
}

pub fn signature(body: &[u8]) -> String {
    format!("X-Hub-Signature-256: sha256={}\r\n", code(body))
}

pub fn code(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::sign(&key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// 0 when the connection was closed without a word.
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Answer {
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

pub async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer leaves what was read.
    drop(within("an answer", stream.read_to_end(&mut bytes)).await);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0),
        head: head.to_lowercase(),
        body: serde_json::from_str(body).unwrap_or_default(),
    }
}
