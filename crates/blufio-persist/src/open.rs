// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening: the lock of the data folder, and every reason not to trust a file, each with what to do.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::schema::{APPLICATION_ID, SCHEMA, SCHEMA_VERSION, SQLITE_VERSION_MIN};

/// How to open.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Accept a copy that may lack its last commits (a lone main file of a database that was not closed).
    pub accept_partial: bool,
    /// Weaken durability (`synchronous=NORMAL`); for the test that shows why that is never done.
    pub unsafe_normal_sync: bool,
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is in use by another blufio: stop it with `blufio stop --data {path}`, or use another --data")]
    InUse {
        /// Data folder.
        path: String,
    },
    /// Not a database of ours.
    #[error("{path} is not a Blufio database ({reason}): move it away or choose another --data")]
    Foreign {
        /// File.
        path: String,
        /// Why.
        reason: String,
    },
    /// Written by another version.
    #[error("{path} has schema version {found}, this blufio knows {known}: run the version that wrote it, or restore a backup")]
    Version {
        /// File.
        path: String,
        /// Version in the file.
        found: i32,
        /// Version of this program.
        known: i32,
    },
    /// A hot copy without its log.
    #[error("{path} was copied while it was in use, without its -wal file, and may lack the last commits: copy both files, use `blufio backup`, or accept the loss with --accept-partial")]
    Partial {
        /// File.
        path: String,
    },
    /// Damaged.
    #[error("{path} is damaged ({reason}): restore a backup")]
    Damaged {
        /// File.
        path: String,
        /// Why.
        reason: String,
    },
    /// The operating system refused.
    #[error("{path}: {reason}")]
    Io {
        /// File or folder.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// An opened file: the writing connection and the lock that must live as long as it.
pub(crate) struct Opened {
    pub writer: Connection,
    pub path: PathBuf,
    pub lock: Option<File>,
}

fn io(path: &Path, error: impl std::fmt::Display) -> OpenError {
    OpenError::Io { path: path.display().to_string(), reason: error.to_string() }
}

/// Creates the folder (0700) when it is missing and takes its lock.
fn lock_folder(folder: &Path) -> Result<File, OpenError> {
    if !folder.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| io(folder, e))?;
    }
    let path = folder.join("blufio.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(|e| io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path: folder.display().to_string() }),
        Err(std::fs::TryLockError::Error(error)) => Err(io(&path, error)),
    }
}

/// Whether a process holds the folder.
pub(crate) fn is_locked(folder: &Path) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(folder.join("blufio.lock")) else { return false };
    matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// Opens `folder/blufio.db` for writing, creating it when it is missing.
pub(crate) fn open(folder: &Path, options: &Options) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::Io { path: "SQLite".into(), reason: format!("version {} is too old", rusqlite::version()) });
    }
    let lock = lock_folder(folder)?;
    let path = folder.join("blufio.db");
    let is_new = prepare_file(&path)?;
    let wal = path.with_extension("db-wal");
    let had_wal = wal.metadata().is_ok_and(|m| m.len() > 0);
    let writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if is_new {
        create(&writer, &path)?;
    }
    check_identity(&writer, &path)?;
    let clean: i64 = writer.query_row("SELECT clean FROM life", [], |row| row.get(0)).map_err(|e| damaged(&path, e))?;
    if clean == 0 && !is_new {
        if !had_wal && !options.accept_partial {
            return Err(OpenError::Partial { path: path.display().to_string() });
        }
        let verdict: String = writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|e| damaged(&path, e))?;
        if verdict != "ok" {
            return Err(OpenError::Damaged { path: path.display().to_string(), reason: verdict });
        }
    }
    configure(&writer, options).map_err(|e| damaged(&path, e))?;
    writer.execute("UPDATE life SET clean = 0", []).map_err(|e| damaged(&path, e))?;
    Ok(Opened { writer, path, lock: Some(lock) })
}

/// Opens for reading only, where no daemon runs (the file is not changed).
pub(crate) fn open_read_only(folder: &Path) -> Result<Opened, OpenError> {
    let path = folder.join("blufio.db");
    if !path.exists() {
        return Err(io(&path, "no database here yet: start `blufio serve` first, or give the right --data"));
    }
    let writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    check_identity(&writer, &path)?;
    Ok(Opened { writer, path, lock: None })
}

/// Returns whether the file is new. Refuses what is not a plain file of ours and narrows its mode to 0600.
fn prepare_file(path: &Path) -> Result<bool, OpenError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let options = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
            options.map(|_| true).map_err(|e| io(path, e))
        }
        Err(error) => Err(io(path, error)),
        Ok(meta) if !meta.is_file() => Err(OpenError::Foreign { path: path.display().to_string(), reason: "not a plain file".into() }),
        Ok(meta) => {
            if meta.mode() & 0o077 != 0 {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|e| io(path, e))?;
            }
            Ok(meta.len() == 0)
        }
    }
}

pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|e| io(path, e))?;
    let setup = connection.busy_timeout(std::time::Duration::from_secs(5)).and_then(|()| connection.pragma_update(None, "trusted_schema", "OFF"));
    setup.map_err(|e| damaged(path, e))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn create(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let run = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "page_size", 4096)?;
        connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        connection.execute_batch(SCHEMA)?;
        let hash = schema_hash(connection)?;
        connection.execute("INSERT INTO life VALUES (0, 0, ?1)", [hash])?;
        connection.execute_batch("COMMIT")
    };
    run().map_err(|e| io(path, e))
}

/// Hash of what `sqlite_schema` says, so that a changed table under the same version is noticed.
fn schema_hash(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut hasher = DefaultHasher::new();
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            row.get::<_, String>(column)?.hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> OpenError {
    OpenError::Damaged { path: path.display().to_string(), reason: error.to_string() }
}

fn check_identity(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign = |reason: String| OpenError::Foreign { path: path.display().to_string(), reason };
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
    let id = pragma("application_id").map_err(|e| foreign(e.to_string()))?;
    if id != APPLICATION_ID {
        return Err(foreign(format!("application id {id:#x}")));
    }
    let found = pragma("user_version").map_err(|e| damaged(path, e))?;
    if found != SCHEMA_VERSION {
        return Err(OpenError::Version { path: path.display().to_string(), found, known: SCHEMA_VERSION });
    }
    let stored: String = connection.query_row("SELECT schema_hash FROM life", [], |row| row.get(0)).map_err(|e| damaged(path, e))?;
    let actual = schema_hash(connection).map_err(|e| damaged(path, e))?;
    if stored != actual {
        return Err(foreign("its tables were changed by something else".into()));
    }
    Ok(())
}

fn configure(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if options.unsafe_normal_sync { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.query_row("PRAGMA journal_size_limit=67108864", [], |_| Ok(()))?;
    connection.query_row("PRAGMA wal_autocheckpoint=2000", [], |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -4096)
}
