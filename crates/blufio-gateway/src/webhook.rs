// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes events in that others post over HTTP: `bind → run(options, stop)`. What is signed is stored before it is
//! acknowledged. It listens on loopback only: encryption and the public address are a reverse proxy's business until
//! this program speaks TLS itself.

mod connection;
mod rate;
mod receive;
mod signature;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use blufio_core::clock::Clock;
use blufio_core::secret::Secret;
use blufio_core::webhook::EventSink;
use thiserror::Error;
use tokio::net::TcpListener;

use connection::Bounded;
pub use rate::Rate;
use receive::Door;

/// Shortest key that is worth signing with, bytes.
pub const KEY_BYTES_MIN: usize = 16;

/// The secret of a key, by the key's name in the routes.
pub type Keys = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// What a listener is made of.
#[derive(Clone)]
pub struct Options {
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// Secrets of keys.
    pub keys: Keys,
    /// Time; every deadline waits for it.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds; what is beyond them waits or is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Connections at the same time; further ones wait in the system's queue.
    pub connections_max: usize,
    /// A connection carries one request and ends after this time, whatever it is doing.
    pub connection_time_max: Duration,
    /// Longest body, bytes; a longer one is refused unread (413).
    pub body_bytes_max: usize,
    /// Events that are signed; beyond it 429.
    pub events: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 64,
            connection_time_max: Duration::from_secs(10),
            body_bytes_max: 1 << 20,
            events: Rate { burst: 1_000, per_second: 50 },
        }
    }
}

/// Why nothing listens.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address is not loopback.
    #[error("{0} is no loopback address: this program speaks no TLS yet, so nobody else may connect to it")]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {address}: {problem}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        problem: io::Error,
    },
}

/// A bound listener. Connections wait in the system's queue until it runs.
pub struct Webhooks {
    listener: TcpListener,
    address: SocketAddr,
}

impl Webhooks {
    /// Binds a loopback address; with port 0 the system chooses a free one.
    ///
    /// # Errors
    /// When it is not loopback or not free.
    pub async fn bind(listen: SocketAddr) -> Result<Self, BindError> {
        if !listen.ip().is_loopback() {
            return Err(BindError::NotLoopback(listen));
        }
        let refused = |problem| BindError::Io { address: listen, problem };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes, then finishes what is under way.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn run(
        self,
        options: Options,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let Limits { connections_max, connection_time_max, .. } = options.limits;
        let clock = Arc::clone(&options.clock);
        let connections = Bounded::new(self.listener, clock, connections_max, connection_time_max);
        let door = Arc::new(Door::new(options));
        // Paths are compared by the routes, so the router knows none.
        let router = Router::new().fallback(receive::receive).with_state(door);
        axum::serve(connections, router).with_graceful_shutdown(stop).await
    }
}
