// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers: a few threads, each with a connection that cannot write.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use blufio_core::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::open::{OpenError, connect};
use crate::writer::store_error;

/// Reading threads: queries are short, and two keep a slow listing from delaying a session.
const THREADS: usize = 2;
/// Queries that may queue.
const QUEUE_MAX: usize = 4_096;

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// The pool. Dropping it ends its threads.
#[derive(Clone)]
pub(crate) struct Readers {
    queue: SyncSender<Query>,
}

impl Readers {
    pub(crate) fn start(path: &Path) -> Result<Self, OpenError> {
        let (queue, receiver) = sync_channel::<Query>(QUEUE_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..THREADS {
            let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            let query_only = connection.pragma_update(None, "query_only", "ON").and_then(|()| connection.pragma_update(None, "cache_size", -1024));
            query_only.map_err(|e| OpenError::Io { path: path.display().to_string(), reason: e.to_string() })?;
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new().name("blufio-read".into()).spawn(move || serve(&connection, &receiver));
            thread.map_err(|e| OpenError::Io { path: path.display().to_string(), reason: e.to_string() })?;
        }
        Ok(Self { queue })
    }

    pub(crate) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let mut job: Query = Box::new(move |connection| {
            let _ = sender.send(query(connection).map_err(|e| store_error(&e)));
        });
        loop {
            match self.queue.try_send(job) {
                Ok(()) => break,
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
                Err(std::sync::mpsc::TrySendError::Full(back)) => {
                    job = back;
                    tokio::task::yield_now().await;
                }
            }
        }
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn serve(connection: &Connection, receiver: &Mutex<Receiver<Query>>) {
    loop {
        let next = match receiver.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return,
        };
        match next {
            Ok(query) => query(connection),
            Err(_) => return,
        }
    }
}
