// SPDX-License-Identifier: MIT OR Apache-2.0
//! What both emulators share: a server on a free loopback port that ends with its handle.

use std::net::SocketAddr;

use axum::Router;
use tokio::task::JoinHandle;

/// A running server. Dropping it stops the server and closes its connections.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds 127.0.0.1 and serves until dropped. Port 0 takes a free one.
    pub(crate) async fn start(router: Router, port: u16) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Serving ends only with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
