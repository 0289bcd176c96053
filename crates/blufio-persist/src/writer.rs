// SPDX-License-Identifier: MIT OR Apache-2.0
//! The writer: one thread, one connection, natural group commit. It blocks for the first request, takes whatever queued
//! meanwhile, runs all of it in one transaction with a savepoint for each request, commits, and then answers all.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use blufio_core::store::StoreError;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

/// Most requests in one transaction: bounds the latency of the first of them.
const BATCH_MAX: usize = 512;
/// Requests that may queue; beyond it callers wait.
pub(crate) const QUEUE_MAX: usize = 4_096;

type Work = Box<dyn FnOnce(&Connection) -> Result<Reply, StoreError> + Send>;
/// Told once the outcome is durable.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

pub(crate) enum Request {
    /// Runs inside the shared transaction.
    Write { work: Work, failed: Box<dyn FnOnce(StoreError) + Send> },
    /// Ends the thread after a clean close.
    Close { done: oneshot::Sender<Result<(), StoreError>> },
}

/// Wraps typed work: its value is delivered after the commit.
pub(crate) fn request<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> (Request, oneshot::Receiver<Result<T, StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    let sender = std::sync::Arc::new(std::sync::Mutex::new(Some(sender)));
    let on_failure = sender.clone();
    let take = |slot: &std::sync::Mutex<Option<oneshot::Sender<Result<T, StoreError>>>>| slot.lock().ok().and_then(|mut s| s.take());
    let work: Work = Box::new(move |connection| {
        let value = work(connection)?;
        let reply: Reply = Box::new(move |outcome| {
            if let Some(sender) = take(&sender) {
                // A caller that no longer waits does not need the answer.
                let _ = sender.send(outcome.map(|()| value));
            }
        });
        Ok(reply)
    });
    let failed = Box::new(move |error| {
        if let Some(sender) = take(&on_failure) {
            let _ = sender.send(Err(error));
        }
    });
    (Request::Write { work, failed }, receiver)
}

/// Hands a request to the writer; waits without blocking the runtime while the queue is full.
pub(crate) async fn send(queue: &SyncSender<Request>, mut request: Request) -> Result<(), StoreError> {
    loop {
        match queue.try_send(request) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
            Err(TrySendError::Full(back)) => {
                request = back;
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The thread's whole life.
pub(crate) fn run(connection: Connection, queue: &Receiver<Request>) {
    let mut fatal: Option<StoreError> = None;
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            match queue.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        let mut close = None;
        let writes: Vec<_> = batch
            .into_iter()
            .filter_map(|request| match request {
                Request::Write { work, failed } => Some((work, failed)),
                Request::Close { done } => {
                    close = Some(done);
                    None
                }
            })
            .collect();
        if let Some(error) = &fatal {
            for (_, failed) in writes {
                failed(error.clone());
            }
        } else if !writes.is_empty() {
            fatal = commit_batch(&connection, writes);
        }
        if let Some(done) = close {
            let outcome = match &fatal {
                Some(error) => Err(error.clone()),
                None => close_cleanly(connection),
            };
            let _ = done.send(outcome);
            return;
        }
    }
}

type Writes = Vec<(Work, Box<dyn FnOnce(StoreError) + Send>)>;

/// Runs and commits a batch. Returns the error after which nothing may be acknowledged any more.
fn commit_batch(connection: &Connection, writes: Writes) -> Option<StoreError> {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        return fail_all(writes.into_iter().map(|(_, failed)| failed), &error);
    }
    let mut replies: Vec<(Reply, Box<dyn FnOnce(StoreError) + Send>)> = Vec::with_capacity(writes.len());
    let is_single = writes.len() == 1;
    for (work, failed) in writes {
        // A single request needs no savepoint: the transaction is its savepoint.
        if !is_single && let Err(error) = savepoint(connection, "SAVEPOINT request") {
            failed(error);
            continue;
        }
        match work(connection) {
            Ok(reply) => {
                if !is_single && let Err(error) = savepoint(connection, "RELEASE request") {
                    failed(error);
                    continue;
                }
                replies.push((reply, failed));
            }
            Err(error) => {
                if is_single {
                    let _ = connection.execute_batch("ROLLBACK");
                    let is_fatal = matches!(error, StoreError::Fatal(_));
                    failed(error.clone());
                    return is_fatal.then_some(error);
                }
                let _ = savepoint(connection, "ROLLBACK TO request");
                let _ = savepoint(connection, "RELEASE request");
                failed(error);
            }
        }
    }
    match connection.execute_batch("COMMIT") {
        Ok(()) => {
            for (reply, _) in replies {
                reply(Ok(()));
            }
            None
        }
        Err(error) => {
            let _ = connection.execute_batch("ROLLBACK");
            fail_all(replies.into_iter().map(|(_, failed)| failed), &error)
        }
    }
}

fn savepoint(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map(|_| ()).map_err(|e| store_error(&e))
}

fn fail_all(failed: impl Iterator<Item = Box<dyn FnOnce(StoreError) + Send>>, error: &rusqlite::Error) -> Option<StoreError> {
    let error = store_error(error);
    for tell in failed {
        tell(error.clone());
    }
    matches!(error, StoreError::Fatal(_)).then_some(error)
}

/// What an SQLite error means for the process. After a failed sync the kernel may have dropped the pages, so nothing
/// can be acknowledged any more.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => StoreError::Refused(error.to_string()),
        Some(_) => StoreError::Fatal(error.to_string()),
        None => StoreError::Refused(error.to_string()),
    }
}

fn close_cleanly(connection: Connection) -> Result<(), StoreError> {
    let close = || -> rusqlite::Result<()> {
        connection.execute("UPDATE life SET clean = 1", [])?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    };
    close().map_err(|e| store_error(&e))?;
    connection.close().map_err(|(_, e)| store_error(&e))
}
