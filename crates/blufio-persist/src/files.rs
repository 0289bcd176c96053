// SPDX-License-Identifier: MIT OR Apache-2.0
//! Versions of the files that programs name. A row is added only when the newest one differs, so that loading the same
//! folder a thousand times adds nothing.

use std::path::PathBuf;

use blufio_core::files::{FILE_VERSIONS_MAX, FileVersion};
use blufio_core::store::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::apply::run;
use crate::writer::store_error;

pub(crate) fn keep(connection: &Connection, version: &FileVersion) -> Result<bool, StoreError> {
    let FileVersion { agent, name, folder, hash, text, at_ms } = version;
    // A path that is no text cannot be a row; the program's folder was given as an argument, so this is rare.
    let folder = folder.to_str().ok_or_else(|| {
        StoreError::Refused(format!("the path {} is not UTF-8: rename the folder", folder.display()))
    })?;
    let sql =
        "SELECT hash = ?3 AND folder = ?4 FROM files WHERE agent = ?1 AND name = ?2 ORDER BY id DESC LIMIT 1";
    let newest = connection
        .prepare_cached(sql)
        .and_then(|mut s| {
            s.query_row(params![agent, name, hash, folder], |row| row.get::<_, bool>(0)).optional()
        })
        .map_err(|e| store_error(&e))?;
    if newest == Some(true) {
        return Ok(false);
    }
    let sql = "INSERT INTO files (agent, name, folder, hash, text, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    run(connection, sql, params![agent, name, folder, hash, text, at_ms])?;
    let sql = "DELETE FROM files WHERE agent = ?1 AND name = ?2 AND id NOT IN
               (SELECT id FROM files WHERE agent = ?1 AND name = ?2 ORDER BY id DESC LIMIT ?3)";
    run(connection, sql, params![agent, name, i64::try_from(FILE_VERSIONS_MAX).unwrap_or(i64::MAX)])?;
    Ok(true)
}

/// Newest first; of one agent or all, of one file or all.
pub(crate) const SELECT: &str = "SELECT agent, name, folder, hash, text, at_ms FROM files
    WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR name = ?2) ORDER BY id DESC LIMIT ?3";

pub(crate) fn version(row: &Row<'_>) -> rusqlite::Result<FileVersion> {
    Ok(FileVersion {
        agent: row.get(0)?,
        name: row.get(1)?,
        folder: PathBuf::from(row.get::<_, String>(2)?),
        hash: row.get(3)?,
        text: row.get(4)?,
        at_ms: row.get(5)?,
    })
}
