// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ledger and the caps on money. An announced attempt keeps its worst case and its caps beside its row until it is
//! settled; `spent` holds the sum of each cap, so that no announcement adds up a month.

use blufio_core::message::UnixMs;
use blufio_core::store::{Announced, Announcement, Attempted, Cap, StoreError, is_near};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::apply::run;
use crate::rows::to_json;
use crate::writer::store_error;

/// What is used of a cap, and whether its warning was told.
fn used(connection: &Connection, what: &str, now_ms: UnixMs) -> rusqlite::Result<(i64, bool)> {
    let sql = "SELECT usd_micros, is_told FROM spent WHERE what = ?1 AND until_ms > ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found =
        statement.query_row(params![what, now_ms], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or_default())
}

pub(crate) fn spent(connection: &Connection, what: &str, now_ms: UnixMs) -> rusqlite::Result<i64> {
    used(connection, what, now_ms).map(|(used, _)| used)
}

pub(crate) fn announce(connection: &Connection, attempt: &Announcement) -> Result<Announced, StoreError> {
    let Announcement { row, worst_usd_micros, caps, now_ms } = attempt;
    run(connection, "DELETE FROM spent WHERE until_ms <= ?1", [now_ms])?;
    let mut sums = Vec::with_capacity(caps.len());
    for (cap, limit) in caps.iter().enumerate() {
        let (used, is_told) = used(connection, &limit.what, *now_ms).map_err(|e| store_error(&e))?;
        let left_usd_micros = limit.most_usd_micros.saturating_sub(used);
        if *worst_usd_micros > left_usd_micros {
            return Ok(Announced::Refused { cap, left_usd_micros });
        }
        sums.push((used.saturating_add(*worst_usd_micros), is_told));
    }
    let mut warnings = Vec::new();
    for (at, (cap, (sum, was_told))) in caps.iter().zip(sums).enumerate() {
        let is_told = was_told || (cap.warns && is_near(sum, cap.most_usd_micros));
        if is_told && !was_told {
            warnings.push(at);
        }
        let sql = "INSERT INTO spent VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (what) DO UPDATE SET usd_micros = ?2, until_ms = ?3, is_told = ?4";
        run(connection, sql, params![cap.what, sum, cap.until_ms, is_told])?;
    }
    let sql = "INSERT INTO ledger (session, at_ms, row, worst_usd_micros, caps) VALUES (?1, ?2, ?3, ?4, ?5)";
    run(connection, sql, params![row.session, row.at_ms, to_json(row)?, worst_usd_micros, to_json(caps)?])?;
    Ok(Announced::Granted { row: connection.last_insert_rowid(), warnings })
}

pub(crate) fn record(connection: &Connection, attempt: &Attempted) -> Result<(), StoreError> {
    let row = &attempt.row;
    let Some(id) = attempt.announced else {
        let sql = "INSERT INTO ledger (session, at_ms, row) VALUES (?1, ?2, ?3)";
        return run(connection, sql, params![row.session, row.at_ms, to_json(row)?]).map(|_| ());
    };
    let sql = "SELECT worst_usd_micros, caps FROM ledger WHERE id = ?1 AND caps IS NOT NULL";
    let open: Option<(i64, String)> = connection
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(|e| store_error(&e))?;
    let Some((worst, caps)) = open else { return Ok(()) };
    let caps: Vec<Cap> = serde_json::from_str(&caps).map_err(|e| StoreError::Refused(e.to_string()))?;
    let difference = row.usd_micros.unwrap_or(worst).saturating_sub(worst);
    for cap in caps {
        // A period that is over is not charged any more.
        let sql = "UPDATE spent SET usd_micros = usd_micros + ?2 WHERE what = ?1 AND until_ms = ?3";
        run(connection, sql, params![cap.what, difference, cap.until_ms])?;
    }
    let sql = "UPDATE ledger SET at_ms = ?2, row = ?3, worst_usd_micros = NULL, caps = NULL WHERE id = ?1";
    run(connection, sql, params![id, row.at_ms, to_json(row)?]).map(|_| ())
}
