// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bad files and folders: each a clear error that says what to do, and none of them changes the file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use blufio_core::store::Store;
use blufio_persist::{OpenError, Options, SqliteStore};
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

use crate::{runtime, step};

fn open(folder: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(folder, &Options::default())
}

fn error(folder: &Path) -> OpenError {
    open(folder).err().expect("it must be refused")
}

/// A closed database with some rows.
fn filled() -> TempDir {
    let data = tempdir().unwrap();
    let store = open(data.path()).unwrap();
    runtime().block_on(async {
        let mut last = None;
        for _ in 0..50 {
            last = Some(store.commit(step("s0", last.as_ref())).await.unwrap());
        }
        store.close().await.unwrap();
    });
    data
}

fn change(data: &TempDir, sql: &str) {
    Connection::open(data.path().join("blufio.db")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn files_are_private() {
    let parent = tempdir().unwrap();
    let data = parent.path().join("data");
    let store = open(&data).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["blufio.db", "blufio.db-wal", "blufio.db-shm", "blufio.lock"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    drop(store);
    fs::set_permissions(data.join("blufio.db"), fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&data).unwrap());
    assert_eq!(mode(&data.join("blufio.db")), 0o600);
}

#[test]
fn a_second_opener_is_told_what_to_do() {
    let data = tempdir().unwrap();
    let store = open(data.path()).unwrap();
    assert!(SqliteStore::is_held(data.path()));
    let second = error(data.path());
    assert!(matches!(second, OpenError::InUse { .. }));
    assert!(second.to_string().contains("blufio stop"), "{second}");
    runtime().block_on(store.close()).unwrap();
    drop(open(data.path()).unwrap());
}

#[test]
fn an_empty_file_is_a_new_database() {
    let data = tempdir().unwrap();
    fs::write(data.path().join("blufio.db"), "").unwrap();
    drop(open(data.path()).unwrap());
    drop(open(data.path()).unwrap());
}

#[test]
fn an_interrupted_creation_is_taken_up() {
    let data = tempdir().unwrap();
    change(&data, "PRAGMA journal_mode = WAL");
    assert!(fs::metadata(data.path().join("blufio.db")).unwrap().len() > 0);
    drop(open(data.path()).unwrap());
}

#[test]
fn what_is_not_a_database_of_ours_is_refused_untouched() {
    let text = "this is not SQLite, it is a letter to a friend ".repeat(100);
    let zeroed = {
        let mut bytes = fs::read(filled().path().join("blufio.db")).unwrap();
        bytes[..4096].fill(0);
        bytes
    };
    let other = {
        let data = tempdir().unwrap();
        change(&data, "PRAGMA application_id = 77; CREATE TABLE t (x)");
        fs::read(data.path().join("blufio.db")).unwrap()
    };
    let unnamed = {
        let data = tempdir().unwrap();
        change(&data, "CREATE TABLE t (x)");
        fs::read(data.path().join("blufio.db")).unwrap()
    };
    for bytes in [text.into_bytes(), zeroed, other, unnamed] {
        let data = tempdir().unwrap();
        fs::write(data.path().join("blufio.db"), &bytes).unwrap();
        let refused = error(data.path());
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
        assert!(refused.to_string().contains("move it away"), "{refused}");
        assert_eq!(fs::read(data.path().join("blufio.db")).unwrap(), bytes);
    }
}

#[test]
fn another_version_and_other_tables_are_refused() {
    let data = filled();
    change(&data, "PRAGMA user_version = 99");
    assert!(matches!(error(data.path()), OpenError::Version { found: 99, .. }));
    for sql in [
        "ALTER TABLE sessions ADD COLUMN more TEXT",
        "DROP INDEX timers_due",
        "CREATE TRIGGER steal AFTER INSERT ON inbox BEGIN DELETE FROM inbox; END",
        "CREATE VIEW settings_view AS SELECT * FROM settings",
    ] {
        let data = filled();
        change(&data, sql);
        let refused = error(data.path());
        assert!(matches!(refused, OpenError::Foreign { .. }), "{sql}: {refused}");
    }
}

#[test]
fn damage_is_found_after_a_crash() {
    let data = filled();
    let path = data.path().join("blufio.db");
    change(&data, "UPDATE life SET clean = 0");
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    for page in pages / 3..pages / 2 {
        bytes[page * 4096..page * 4096 + 64].fill(0xA5);
    }
    fs::write(&path, &bytes).unwrap();
    fs::write(data.path().join("blufio.db-wal"), "").unwrap();
    let refused = error(data.path());
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("restore a backup"), "{refused}");
}

#[test]
fn links_and_folders_are_refused() {
    let real = filled();
    let linked = tempdir().unwrap();
    symlink(real.path().join("blufio.db"), linked.path().join("blufio.db")).unwrap();
    assert!(matches!(error(linked.path()), OpenError::Foreign { .. }));
    let hard = tempdir().unwrap();
    fs::hard_link(real.path().join("blufio.db"), hard.path().join("blufio.db")).unwrap();
    assert!(matches!(error(hard.path()), OpenError::Foreign { .. }));
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("blufio.db")).unwrap();
    assert!(matches!(error(folder.path()), OpenError::Foreign { .. }));
    let file = tempdir().unwrap();
    fs::write(file.path().join("data"), "").unwrap();
    assert!(matches!(error(&file.path().join("data")), OpenError::Io { .. }));
}
