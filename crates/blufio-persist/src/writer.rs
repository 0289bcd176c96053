// SPDX-License-Identifier: MIT OR Apache-2.0
//! The writer: one thread, one connection, natural group commit. It blocks for the first request, takes whatever queued
//! meanwhile, runs all of it in one transaction with a savepoint for each request, commits, and then answers all.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use blufio_core::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

/// Most requests in one transaction: bounds the latency of the first of them.
const BATCH_MAX: usize = 512;
/// Requests that may queue; beyond it callers wait.
pub(crate) const QUEUE_MAX: usize = 4_096;
/// How often the write lock is asked for (each time for the busy timeout) while another program holds it, before the
/// process gives up: somebody left a transaction open in an SQLite shell.
const LOCK_ATTEMPTS_MAX: usize = 12;

type Work = Box<dyn FnOnce(&Connection) -> Result<Reply, StoreError> + Send>;
/// Told once the outcome is durable, or that it never will be.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Failed = Box<dyn FnOnce(StoreError) + Send>;

pub(crate) struct Write {
    work: Work,
    failed: Failed,
}

pub(crate) enum Request {
    /// Runs inside the shared transaction.
    Write(Write),
    /// Ends the thread after a clean close.
    Close { done: oneshot::Sender<Result<(), StoreError>> },
}

/// Wraps typed work: its value is delivered after the commit.
pub(crate) fn request<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> (Request, oneshot::Receiver<Result<T, StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    // Either the reply or the failure uses the sender, whichever happens.
    let sender = Arc::new(Mutex::new(Some(sender)));
    let on_failure = sender.clone();
    let tell = |slot: &Mutex<Option<oneshot::Sender<_>>>, outcome| {
        if let Some(sender) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A caller that no longer waits does not need the answer.
            let _ = sender.send(outcome);
        }
    };
    let work: Work = Box::new(move |connection| {
        let value = work(connection)?;
        Ok(Box::new(move |outcome: Result<(), StoreError>| tell(&sender, outcome.map(|()| value))))
    });
    let failed = Box::new(move |error| tell(&on_failure, Err(error)));
    (Request::Write(Write { work, failed }), receiver)
}

/// What the writing thread owns.
pub(crate) struct Writer {
    pub connection: Connection,
    pub path: PathBuf,
    /// Held until the connection is closed.
    pub lock: File,
}

impl Writer {
    /// The thread's whole life.
    pub(crate) fn run(self, mut queue: mpsc::Receiver<Request>) {
        let identity = file_identity(&self.path);
        let mut fatal: Option<StoreError> = None;
        while let Some(first) = queue.blocking_recv() {
            let mut close = None;
            let mut writes = Vec::new();
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Write(write) => writes.push(write),
                    Request::Close { done } => close = Some(done),
                }
                let is_full = writes.len() >= BATCH_MAX || close.is_some();
                next = if is_full { None } else { queue.try_recv().ok() };
            }
            if fatal.is_none() && file_identity(&self.path) != identity {
                fatal =
                    Some(StoreError::Fatal("the database file was moved or replaced while in use".into()));
            }
            match &fatal {
                Some(error) => fail(writes, error),
                None => fatal = commit_batch(&self.connection, writes),
            }
            if let Some(error) = &fatal {
                tracing::error!(%error, "the store stopped: what is not acknowledged may be lost");
            }
            if let Some(done) = close {
                let outcome = fatal.map_or_else(|| close_cleanly(self.connection), Err);
                drop(self.lock);
                let _ = done.send(outcome);
                return;
            }
        }
        // Every handle was dropped without a close: what was acknowledged is committed, so close all the same.
        if fatal.is_none()
            && let Err(error) = close_cleanly(self.connection)
        {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

/// Device and inode, which change when somebody renames the file or puts another in its place.
fn file_identity(path: &std::path::Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

fn fail(writes: impl IntoIterator<Item = Write>, error: &StoreError) {
    for write in writes {
        (write.failed)(error.clone());
    }
}

/// Runs and commits a batch. Returns the error after which nothing may be acknowledged any more.
fn commit_batch(connection: &Connection, writes: Vec<Write>) -> Option<StoreError> {
    if writes.is_empty() {
        return None;
    }
    if let Err(error) = begin(connection) {
        fail(writes, &error);
        return fatal_only(error);
    }
    let mut applied: Vec<(Reply, Failed)> = Vec::with_capacity(writes.len());
    let mut writes = writes.into_iter();
    while let Some(Write { work, failed }) = writes.next() {
        let error = match apply(connection, work) {
            Ok(reply) => {
                applied.push((reply, failed));
                continue;
            }
            Err(error) => error,
        };
        failed(error.clone());
        // Some errors (no room, I/O) make SQLite roll the whole transaction back: then nobody's work is left.
        if connection.is_autocommit() || matches!(error, StoreError::Fatal(_)) {
            let _ = connection.execute_batch("ROLLBACK");
            applied.into_iter().for_each(|(_, failed)| failed(error.clone()));
            fail(writes, &error);
            return fatal_only(error);
        }
    }
    match cached(connection, if applied.is_empty() { "ROLLBACK" } else { "COMMIT" }) {
        Ok(()) => {
            applied.into_iter().for_each(|(reply, _)| reply(Ok(())));
            None
        }
        Err(error) => {
            let _ = connection.execute_batch("ROLLBACK");
            applied.into_iter().for_each(|(_, failed)| failed(error.clone()));
            fatal_only(error)
        }
    }
}

fn fatal_only(error: StoreError) -> Option<StoreError> {
    matches!(error, StoreError::Fatal(_)).then_some(error)
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    for _ in 0..LOCK_ATTEMPTS_MAX {
        let begun = connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([]));
        match begun {
            Ok(_) => return Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                tracing::warn!("another program holds the database's write lock; close it");
            }
            Err(error) => return Err(store_error(&error)),
        }
    }
    Err(StoreError::Fatal("another program holds the database's write lock".into()))
}

/// One request within its own savepoint, so that its failure leaves the others of the batch alone.
fn apply(connection: &Connection, work: Work) -> Result<Reply, StoreError> {
    cached(connection, "SAVEPOINT request")?;
    match work(connection) {
        Ok(reply) => cached(connection, "RELEASE request").map(|()| reply),
        Err(error) => {
            if !connection.is_autocommit() {
                // If even this fails, half of the request would be committed with the others.
                let undone = cached(connection, "ROLLBACK TO request")
                    .and_then(|()| cached(connection, "RELEASE request"));
                undone.map_err(|error| StoreError::Fatal(error.to_string()))?;
            }
            Err(error)
        }
    }
}

fn cached(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map(|_| ()).map_err(|e| store_error(&e))
}

/// What an SQLite error means for the process. After a failed sync the kernel may have dropped the pages, so nothing
/// can be acknowledged any more.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
            StoreError::Refused(error.to_string())
        }
        Some(_) => StoreError::Fatal(error.to_string()),
        None => StoreError::Refused(error.to_string()),
    }
}

/// Brings everything into the main file, marks it as complete and removes the log: `cp` is a backup after this.
fn close_cleanly(connection: Connection) -> Result<(), StoreError> {
    let checkpoint = || -> rusqlite::Result<bool> {
        connection.execute("UPDATE life SET clean = 1", [])?;
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, busy != 0)?;
        Ok(busy == 0)
    };
    let is_complete = checkpoint().map_err(|e| store_error(&e))?;
    connection.close().map_err(|(_, e)| store_error(&e))?;
    if is_complete {
        Ok(())
    } else {
        Err(StoreError::Refused("another program is reading the database: copy its -wal file with it".into()))
    }
}
