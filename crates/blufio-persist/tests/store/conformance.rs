// SPDX-License-Identifier: MIT OR Apache-2.0
//! The suite that the memory store passes too.

use std::sync::Mutex;

use blufio_core::store::Store;
use blufio_core::testing::store_conformance;
use blufio_persist::{Options, SqliteStore};

#[test]
fn sqlite_store_conforms() {
    let folders = Mutex::new(Vec::new());
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), &Options::default()).unwrap();
        folders.lock().unwrap().push(folder);
        Box::new(store) as Box<dyn Store>
    };
    crate::runtime().block_on(store_conformance(&make));
    assert!(folders.lock().unwrap().len() > 20);
}
