// SPDX-License-Identifier: MIT OR Apache-2.0
//! The durable store in one SQLite file: sessions, journal, transcripts, inbox, outbox, timers, ledger, programs.
//!
//! One thread owns the only writing connection and commits whatever queued while the last commit was syncing (natural
//! group commit); readers are `query_only` connections on their own threads. Nothing else in the process opens the
//! file: closing a foreign descriptor would drop SQLite's locks.

mod apply;
mod cost;
mod files;
mod folder;
mod held;
mod open;
mod reader;
mod rows;
mod schema;
mod spend;
mod store;
mod world;
mod writer;

pub use open::{OpenError, Options};
pub use store::SqliteStore;
