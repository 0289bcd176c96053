// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers: a few threads, each with a connection that cannot write.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use blufio_core::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use crate::open::{OpenError, connect, io};
use crate::writer::store_error;

/// Reading threads: queries are short, and two keep a slow listing from delaying a session.
const THREADS: usize = 2;
/// Queries that may queue; beyond it callers wait.
const QUEUE_MAX: usize = 4_096;
/// Page cache of each reader.
const CACHE_KIB: i64 = 1_024;

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// The pool.
pub(crate) struct Readers {
    queue: Mutex<Option<mpsc::Sender<Query>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(crate) fn start(path: &Path) -> Result<Self, OpenError> {
        let (queue, receiver) = mpsc::channel::<Query>(QUEUE_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::with_capacity(THREADS);
        for _ in 0..THREADS {
            let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let set = |name, value: &dyn rusqlite::ToSql| connection.pragma_update(None, name, value);
            set("query_only", &"ON")
                .and_then(|()| set("cache_size", &-CACHE_KIB))
                .map_err(|e| io(path, e))?;
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new().name("blufio-read".into());
            threads.push(thread.spawn(move || serve(&connection, &receiver)).map_err(|e| io(path, e))?);
        }
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    pub(crate) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let job: Query = Box::new(move |connection| {
            // A caller that no longer waits does not need the answer.
            let _ = sender.send(query(connection).map_err(|e| store_error(&e)));
        });
        let queue =
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)?;
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
        drop(queue);
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Ends the threads after the queries that queued, and closes their connections.
    pub(crate) fn stop(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)) {
            // A reader that panicked has closed its connection too.
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, receiver: &Mutex<mpsc::Receiver<Query>>) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match next {
            Some(query) => query(connection),
            None => return,
        }
    }
}
