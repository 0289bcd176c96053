// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections that are few and end: somebody who sends a byte a second, or nothing, gives the place up in time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use blufio_core::BoxFuture;
use blufio_core::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pause after the system refused a connection, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts no more connections than there are places.
pub struct Bounded {
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
    time_max: Duration,
}

impl Bounded {
    pub fn new(listener: TcpListener, clock: Arc<dyn Clock>, places: usize, time_max: Duration) -> Self {
        Self { listener, clock, places: Arc::new(Semaphore::new(places)), time_max }
    }

    async fn next(&self) -> Option<(Connection, SocketAddr)> {
        // Only a closed semaphore has no place, and nobody closes it.
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                let deadline = self.clock.sleep(self.time_max);
                Some((Connection { stream, deadline, is_over: false, _place: place }, peer))
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                self.clock.sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            if let Some(accepted) = self.next().await {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its place and its end.
pub struct Connection {
    stream: TcpStream,
    deadline: BoxFuture<'static, ()>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// An error once the time is over. The deadline wakes whoever reads or writes.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.is_over = self.is_over || self.deadline.as_mut().poll(context).is_ready();
        if self.is_over { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
