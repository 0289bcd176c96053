// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share: the scripted server, the recording sink, the clock, and waiting without sleeping.

mod server;
mod sink;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blufio_core::BoxFuture;
use blufio_core::channel::{Channel as _, InboundSink};
use blufio_core::clock::Clock;
use blufio_core::message::{Address, Attachment};
use blufio_core::secret::Secret;
use blufio_core::testing::ManualClock;
use blufio_gateway::telegram::{Options, RateLimits, Telegram};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use server::{Fault, Server, text_update};
pub use sink::RecordingSink;

pub const TOKEN: &str = "4242:AAE-secret_secret";
pub const START_MS: i64 = 1_700_000_000_000;

/// A manual clock that remembers what was slept for.
#[derive(Clone)]
pub struct TestClock {
    pub manual: ManualClock,
    slept: Arc<Mutex<Vec<Duration>>>,
}

impl TestClock {
    pub fn new() -> Self {
        Self { manual: ManualClock::new(START_MS), slept: Arc::default() }
    }

    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.manual.now_ms()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let sleep = self.manual.sleep(duration);
        self.slept.lock().unwrap().push(duration);
        sleep
    }
}

/// A server, a sink and a channel between them.
pub struct World {
    pub server: Server,
    pub sink: Arc<RecordingSink>,
    pub clock: TestClock,
    pub telegram: Arc<Telegram>,
    /// Sleeps that `pass` has looked at.
    passed: AtomicUsize,
}

/// The channel's `run`, until told to stop.
pub struct Running {
    stop: oneshot::Sender<()>,
    pub task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(self) {
        let _ = self.stop.send(());
        within("the channel stops", self.task).await.unwrap();
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(RecordingSink::default()).await
    }

    pub async fn with(sink: RecordingSink) -> Self {
        let server = Server::start().await;
        let clock = TestClock::new();
        let telegram = Arc::new(channel(&server.url(), &clock));
        Self { server, sink: Arc::new(sink), clock, telegram, passed: AtomicUsize::new(0) }
    }

    /// A new process: everything in memory is gone, server and sink remain.
    pub fn restart(&mut self) {
        self.telegram = Arc::new(channel(&self.server.url(), &self.clock));
    }

    /// Starts receiving; the sink outlives it like a database outlives a process.
    pub fn run(&self) -> Running {
        let (stop, stopped) = oneshot::channel();
        let (telegram, sink) = (self.telegram.clone(), self.sink.clone() as Arc<dyn InboundSink>);
        let task = tokio::spawn(async move {
            telegram.run(sink, Box::pin(async move { drop(stopped.await) })).await;
        });
        Running { stop, task }
    }

    /// Waits until something sleeps for exactly this time (sleeps that were passed before do not count), then lets it
    /// pass.
    pub async fn pass(&self, ms: u64) {
        let from = self.passed.load(Ordering::SeqCst);
        let place =
            || self.clock.slept().iter().skip(from).position(|slept| *slept == Duration::from_millis(ms));
        until(&format!("a sleep of {ms} ms"), || place().is_some()).await;
        self.passed.store(from + place().unwrap() + 1, Ordering::SeqCst);
        self.clock.manual.advance(ms);
    }

    pub fn elapsed_ms(&self) -> i64 {
        self.clock.now_ms() - START_MS
    }
}

pub fn channel(url: &str, clock: &TestClock) -> Telegram {
    let options = Options {
        api_url: url.to_string(),
        limits: RateLimits::default(),
        jitter: || 0.5,
        ..Options::new(Secret::new(TOKEN), Arc::new(clock.clone()))
    };
    Telegram::new(options).unwrap()
}

pub fn chat(chat: i64) -> Address {
    Address { channel: "telegram".into(), chat: chat.to_string(), thread: None }
}

/// A photo by the emulated server's handle of it.
pub fn file(handle: &str) -> Attachment {
    Attachment { media_type: "image/jpeg".into(), handle: handle.into(), bytes: None, name: None }
}

/// Waits for a condition that other tasks bring about. The limit only ends a test that has failed.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let spin = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    within(what, spin).await;
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(30), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}
