// SPDX-License-Identifier: MIT OR Apache-2.0
//! The writer: batches, failures within them, a full file, a replaced file.

use blufio_core::store::{Store, StoreError};
use blufio_persist::{Options, SqliteStore};
use tempfile::tempdir;

use crate::child::verify;
use crate::{runtime, step};

/// Many requests at once share commits; those that fail fail alone.
#[test]
fn a_failing_request_leaves_its_batch_alone() {
    let data = tempdir().unwrap();
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..300 {
            let store = store.clone();
            // Every third is a second session for a key that has one.
            let key = if at % 3 == 2 { format!("s{}", at - 1) } else { format!("s{at}") };
            tasks.spawn(async move { (at, store.commit(step(&key, None)).await) });
        }
        let mut refused = 0;
        while let Some(outcome) = tasks.join_next().await {
            match outcome.unwrap() {
                (_, Ok(committed)) => assert_eq!(committed.step, 1),
                (at, Err(StoreError::Refused(_))) => {
                    assert_ne!(at % 3, 0, "its key was free");
                    refused += 1;
                }
                (_, Err(error)) => panic!("{error}"),
            }
        }
        assert_eq!(refused, 100);
        assert_eq!(store.totals().await.unwrap().sessions_live, 200);
    });
    drop(store);
    assert_eq!(verify(data.path()), vec![1; 200]);
}

#[test]
fn a_full_file_refuses_whole_steps_and_frees_by_itself() {
    let data = tempdir().unwrap();
    let small = Options { bytes_max: Some(400 << 10), ..Options::default() };
    let store = SqliteStore::open(data.path(), &small).unwrap();
    let committed = runtime().block_on(async {
        let mut last = None;
        let error = loop {
            match store.commit(step("s0", last.as_ref())).await {
                Ok(committed) => last = Some(committed),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        let last = last.unwrap();
        assert_eq!(store.session("s0").await.unwrap().unwrap().step, last.step);
        let again = store.commit(step("s0", Some(&last))).await;
        assert!(matches!(again, Err(StoreError::Full(_))));
        store.close().await.unwrap();
        last
    });
    drop(store);
    assert_eq!(verify(data.path()), [committed.step]);
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    runtime().block_on(store.commit(step("s0", Some(&committed)))).unwrap();
    drop(store);
    assert_eq!(verify(data.path()), [committed.step + 1]);
}

#[test]
fn a_replaced_file_stops_the_store() {
    let data = tempdir().unwrap();
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    runtime().block_on(async {
        store.set_setting("k", "1").await.unwrap();
        let path = data.path().join("blufio.db");
        std::fs::rename(&path, data.path().join("moved.db")).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(matches!(store.set_setting("k", "2").await, Err(StoreError::Fatal(_))));
        assert!(matches!(store.set_setting("k", "3").await, Err(StoreError::Fatal(_))));
        assert!(store.close().await.is_err());
    });
}
