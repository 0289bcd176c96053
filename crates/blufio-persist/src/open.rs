// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening: the lock of the data folder, and every reason not to trust a file, each with what to do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::folder;
use crate::schema::{APPLICATION_ID, PAGE_BYTES, SCHEMA, SCHEMA_VERSION, SQLITE_VERSION_MIN};

/// How long a statement waits for another program that holds a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared on each connection: more than there are.
const STATEMENTS: usize = 64;
/// Pages of the log after which a commit also copies them into the main file (16 MiB): bounds what a restart reads.
const CHECKPOINT_PAGES: u32 = 4_096;
/// Size to which the log is cut after a checkpoint, bytes.
const LOG_BYTES_MAX: i64 = 64 << 20;
/// Page cache of the writer.
const CACHE_KIB: i64 = 2_048;

/// How to open.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Accept a copy that may lack its last commits (a lone main file of a database that was not closed).
    pub accept_partial: bool,
    /// Most bytes that the main file may grow to; beyond it writes fail with `Full`. No limit by default.
    pub bytes_max: Option<u64>,
    /// Pages of the log (4 KiB each) after which a commit also copies them into the main file; 4,096 by default.
    pub checkpoint_pages: Option<u32>,
    /// Weakens durability (`synchronous=NORMAL`). It exists for the test that shows what would be lost.
    #[doc(hidden)]
    pub unsafe_normal_sync: bool,
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{path} is in use by another blufio: stop it with `blufio stop --data {path}`, or use another --data"
    )]
    InUse {
        /// Data folder.
        path: String,
    },
    /// Not a database of ours.
    #[error("{path} is not a Blufio database ({reason}): restore a backup, or move it away and start anew")]
    Foreign {
        /// File.
        path: String,
        /// Why.
        reason: String,
    },
    /// Written by another version.
    #[error(
        "{path} has schema version {found}, this blufio knows {known}: run the version that wrote it, or restore a backup"
    )]
    Version {
        /// File.
        path: String,
        /// Version in the file.
        found: i32,
        /// Version of this program.
        known: i32,
    },
    /// A hot copy without its log.
    #[error(
        "{path} was copied while it was in use, without its -wal file, and may lack the last commits: copy both \
         files, or accept the loss with --accept-partial"
    )]
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
    pub connection: Connection,
    pub path: PathBuf,
    pub lock: File,
}

pub(crate) fn io(path: &Path, error: impl std::fmt::Display) -> OpenError {
    OpenError::Io { path: path.display().to_string(), reason: error.to_string() }
}

pub(crate) fn foreign(path: &Path, reason: impl std::fmt::Display) -> OpenError {
    OpenError::Foreign { path: path.display().to_string(), reason: reason.to_string() }
}

/// What an error while looking at a file says about the file.
fn verdict(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => foreign(path, error),
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, error),
        Some(ErrorCode::DatabaseBusy) => io(path, "another program holds it locked: close that program"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            io(path, format!("{error}: make the file and its folder writable for this user"))
        }
        Some(_) => io(path, error),
        None => damaged(path, error),
    }
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> OpenError {
    OpenError::Damaged { path: path.display().to_string(), reason: reason.to_string() }
}

/// Opens `folder/blufio.db` for writing, creating it when it is missing.
pub(crate) fn open(data: &Path, options: &Options) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        let reason =
            format!("version {} can corrupt databases: build with 3.51.3 or later", rusqlite::version());
        return Err(OpenError::Io { path: "SQLite".into(), reason });
    }
    let lock = folder::lock(data)?;
    let path = folder::database(data);
    folder::prepare(data, &path)?;
    if !options.accept_partial {
        refuse_lone_copy(&path)?;
    }
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let is_blank = is_blank(&connection).map_err(|e| verdict(&path, &e))?;
    if is_blank {
        connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(|e| verdict(&path, &e))?;
    } else {
        check_identity(&connection, &path)?;
    }
    configure(&connection, options).map_err(|e| verdict(&path, &e))?;
    if is_blank {
        create(&connection).map_err(|e| verdict(&path, &e))?;
    } else if !is_clean(&connection).map_err(|e| verdict(&path, &e))? {
        quick_check(&connection, &path)?;
    }
    mark_running(&connection).map_err(|e| verdict(&path, &e))?;
    Ok(Opened { connection, path, lock })
}

/// Checks a database that is to be read only, where no daemon runs.
pub(crate) fn check_read_only(data: &Path) -> Result<PathBuf, OpenError> {
    let path = folder::database(data);
    if !path.exists() {
        return Err(io(&path, "no database here yet: start `blufio serve` first, or give the right --data"));
    }
    folder::refuse_strange(&path)?;
    refuse_lone_copy(&path)?;
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check_identity(&connection, &path)?;
    Ok(path)
}

/// A setting of a database that nobody runs on, without leaving a trace beside it.
pub(crate) fn setting_at_rest(data: &Path, key: &str) -> Result<Option<String>, OpenError> {
    let path = folder::database(data);
    folder::refuse_strange(&path)?;
    refuse_lone_copy(&path)?;
    let connection = if folder::log(&path).exists() {
        connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
    } else {
        immutable(&path)?
    };
    check_identity(&connection, &path)?;
    let setting = connection.query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0));
    setting.optional().map_err(|e| verdict(&path, &e))
}

/// A main file that says "in use" without a log beside it is a copy of a running database. SQLite would open it
/// without a word, and the commits of the log would be gone.
fn refuse_lone_copy(path: &Path) -> Result<(), OpenError> {
    let is_empty = path.metadata().map_err(|e| io(path, e))?.len() == 0;
    if is_empty || folder::log(path).exists() {
        return Ok(());
    }
    // Anything that cannot be read here is named by the checks that follow.
    match is_clean(&immutable(path)?) {
        Ok(false) => Err(OpenError::Partial { path: path.display().to_string() }),
        _ => Ok(()),
    }
}

/// Opens a file as one that nobody changes, because an ordinary connection creates the missing log.
fn immutable(path: &Path) -> Result<Connection, OpenError> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'_' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    connect(Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|e| verdict(path, &e))?;
    let harden = || -> rusqlite::Result<()> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // The log disappears only by a clean close, so that its absence tells a lone copy.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(())
    };
    harden().map_err(|e| verdict(path, &e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn configure(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    connection.pragma_update(
        None,
        "synchronous",
        if options.unsafe_normal_sync { "NORMAL" } else { "FULL" },
    )?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.query_row(&format!("PRAGMA journal_size_limit={LOG_BYTES_MAX}"), [], |_| Ok(()))?;
    let pages = options.checkpoint_pages.unwrap_or(CHECKPOINT_PAGES);
    connection.query_row(&format!("PRAGMA wal_autocheckpoint={pages}"), [], |_| Ok(()))?;
    if let Some(bytes) = options.bytes_max {
        let pages = bytes / u64::from(PAGE_BYTES);
        connection.query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()))?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}

fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i32> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// Whether nothing was ever stored: a new file, or one whose creation was interrupted.
fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema")?;
    Ok(tables == 0 && number(connection, "PRAGMA application_id")? == 0)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    connection.execute_batch(SCHEMA)?;
    let hash = schema_hash(connection)?;
    connection.execute("INSERT INTO life (only, clean, schema_hash) VALUES (0, 1, ?1)", [hash])?;
    connection.execute_batch("COMMIT")
}

/// Hash of what the file says its tables are, so that a changed table under the same version is noticed.
fn schema_hash(connection: &Connection) -> rusqlite::Result<String> {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut hasher = Sha256::new();
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            hasher.update(row.get_ref(column)?.as_bytes()?);
            hasher.update([0]);
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn check_identity(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let id = number(connection, "PRAGMA application_id").map_err(|e| verdict(path, &e))?;
    if id != APPLICATION_ID {
        return Err(foreign(path, format!("application id {id:#010x}")));
    }
    let found = number(connection, "PRAGMA user_version").map_err(|e| verdict(path, &e))?;
    if found != SCHEMA_VERSION {
        return Err(OpenError::Version { path: path.display().to_string(), found, known: SCHEMA_VERSION });
    }
    let stored = connection.query_row("SELECT schema_hash FROM life", [], |row| row.get::<_, String>(0));
    let stored = stored.map_err(|e| verdict(path, &e))?;
    if stored != schema_hash(connection).map_err(|e| verdict(path, &e))? {
        return Err(foreign(path, "its tables were changed by something else"));
    }
    Ok(())
}

/// Whether the last owner closed the file.
fn is_clean(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT clean FROM life", [], |row| row.get(0))
}

fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let answer = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match answer.map_err(|e| verdict(path, &e))?.as_str() {
        "ok" => Ok(()),
        reason => Err(damaged(path, reason)),
    }
}

/// INVARIANT: the main file itself says "in use" before the first commit is acknowledged; if only the log said so, a
/// lone copy of the main file would look complete.
fn mark_running(connection: &Connection) -> rusqlite::Result<()> {
    if connection.execute("UPDATE life SET clean = 0 WHERE clean = 1", [])? > 0 {
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(())
}
