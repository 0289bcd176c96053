// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backups by `cp`: complete after a stop, recognised as partial when taken from a running store.

use std::fs::copy;

use blufio_core::store::Store;
use blufio_persist::{OpenError, Options, SqliteStore};
use tempfile::tempdir;

use crate::child::verify;
use crate::{runtime, step};

async fn fill(store: &SqliteStore, steps: i64) {
    let mut last = None;
    for _ in 0..steps {
        last = Some(store.commit(step("s0", last.as_ref())).await.unwrap());
    }
}

#[test]
fn a_copy_after_close_is_complete() {
    let (data, backup) = (tempdir().unwrap(), tempdir().unwrap());
    for round in 1..=20 {
        let data = data.path().join(round.to_string());
        let store = SqliteStore::open(&data, &Options::default()).unwrap();
        runtime().block_on(async {
            fill(&store, round).await;
            store.close().await.unwrap();
        });
        assert!(!data.join("blufio.db-wal").exists(), "the log is gone while the handle still lives");
        let target = backup.path().join(round.to_string());
        std::fs::create_dir(&target).unwrap();
        copy(data.join("blufio.db"), target.join("blufio.db")).unwrap();
        assert_eq!(verify(&target), [round]);
    }
}

#[test]
fn dropping_the_last_handle_closes_too() {
    let data = tempdir().unwrap();
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    let clone = store.clone();
    runtime().block_on(fill(&store, 3));
    drop(store);
    assert!(SqliteStore::is_held(data.path()));
    drop(clone);
    assert!(!SqliteStore::is_held(data.path()));
    assert!(!data.path().join("blufio.db-wal").exists());
    assert_eq!(verify(data.path()), [3]);
}

/// At every moment after opening, a lone main file says that it may lack commits.
#[test]
fn a_lone_hot_copy_is_recognised() {
    let data = tempdir().unwrap();
    for steps in [0, 1, 30] {
        let store =
            SqliteStore::open(data.path(), &Options { checkpoint_pages: Some(50), ..Options::default() })
                .unwrap();
        runtime().block_on(async {
            store.drop_session("s0", 1).await.unwrap();
            fill(&store, steps).await;
        });
        let lone = tempdir().unwrap();
        copy(data.path().join("blufio.db"), lone.path().join("blufio.db")).unwrap();
        for _ in 0..2 {
            let error = SqliteStore::open(lone.path(), &Options::default()).err().unwrap();
            assert!(matches!(error, OpenError::Partial { .. }), "{error}");
            assert!(error.to_string().contains("--accept-partial"));
            let error = SqliteStore::open_read_only(lone.path()).err().unwrap();
            assert!(matches!(error, OpenError::Partial { .. }), "{error}");
        }
        let accepted = Options { accept_partial: true, ..Options::default() };
        drop(SqliteStore::open(lone.path(), &accepted).unwrap());
        drop(SqliteStore::open(lone.path(), &Options::default()).unwrap());
        drop(store);
    }
}

#[test]
fn reading_only_reads_and_refuses_to_write() {
    let data = tempdir().unwrap();
    assert!(matches!(SqliteStore::open_read_only(data.path()), Err(OpenError::Io { .. })));
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    runtime().block_on(async {
        fill(&store, 3).await;
        store.close().await.unwrap();
        let reader = SqliteStore::open_read_only(data.path()).unwrap();
        assert_eq!(reader.session("s0").await.unwrap().unwrap().step, 3);
        assert!(reader.set_setting("k", "v").await.is_err());
        reader.close().await.unwrap();
    });
    assert_eq!(verify(data.path()), [3]);
}

#[test]
fn a_setting_is_read_at_rest_without_a_trace() {
    let data = tempdir().unwrap();
    let read = || SqliteStore::setting_at_rest(data.path(), "k");
    assert!(read().is_err(), "there is no database");
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    runtime().block_on(async {
        store.set_setting("k", "1").await.unwrap();
        assert_eq!(read().unwrap().as_deref(), Some("1"), "with a log, through the log");
        store.close().await.unwrap();
    });
    drop(store);
    assert_eq!(read().unwrap().as_deref(), Some("1"));
    assert_eq!(SqliteStore::setting_at_rest(data.path(), "other").unwrap(), None);
    assert!(!data.path().join("blufio.db-wal").exists());
}
