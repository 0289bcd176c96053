// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ledger and the caps on money. An announced attempt keeps its worst case and its caps beside its row until it is
//! settled; `spent` holds the sum of each cap and period, so that no announcement adds up a month. Uses of what is
//! limited by number are counted beside it. Neither looks at a clock.

use blufio_core::store::{Announced, Announcement, Attempted, Cap, PERIODS_KEPT_MAX, StoreError, is_near};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::apply::run;
use crate::rows::to_json;
use crate::writer::store_error;

/// What is used of a cap in a period, and whether its warning was told; `None` before anything is.
fn used(connection: &Connection, what: &str, period: i64) -> rusqlite::Result<Option<(i64, bool)>> {
    let sql = "SELECT usd_micros, is_told FROM spent WHERE what = ?1 AND period = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![what, period], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

pub(crate) fn spent(connection: &Connection, what: &str, period: i64) -> rusqlite::Result<i64> {
    used(connection, what, period).map(|used| used.unwrap_or_default().0)
}

pub(crate) fn announce(connection: &Connection, attempt: &Announcement) -> Result<Announced, StoreError> {
    let Announcement { row, worst_usd_micros, caps } = attempt;
    let mut sums = Vec::with_capacity(caps.len());
    for (cap, limit) in caps.iter().enumerate() {
        let known = used(connection, &limit.what, limit.period).map_err(|e| store_error(&e))?;
        let (used, is_told) = known.unwrap_or_default();
        let left_usd_micros = limit.most_usd_micros.saturating_sub(used);
        if *worst_usd_micros > left_usd_micros {
            return Ok(Announced::Refused { cap, left_usd_micros });
        }
        sums.push((used.saturating_add(*worst_usd_micros), is_told, known.is_none()));
    }
    let mut warnings = Vec::new();
    for (at, (cap, (sum, was_told, is_new))) in caps.iter().zip(sums).enumerate() {
        let is_told = was_told || (cap.warns && is_near(sum, cap.most_usd_micros));
        if is_told && !was_told {
            warnings.push(at);
        }
        let sql = "INSERT INTO spent (what, period, usd_micros, is_told) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (what, period) DO UPDATE SET usd_micros = ?3, is_told = ?4";
        run(connection, sql, params![cap.what, cap.period, sum, is_told])?;
        if is_new {
            let sql = "DELETE FROM spent WHERE what = ?1 AND id NOT IN
                       (SELECT id FROM spent WHERE what = ?1 ORDER BY id DESC LIMIT ?2)";
            run(connection, sql, params![cap.what, kept_max()])?;
        }
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
        // Its own period is charged, also when another one counts by now.
        let sql = "UPDATE spent SET usd_micros = usd_micros + ?2 WHERE what = ?1 AND period = ?3";
        run(connection, sql, params![cap.what, difference, cap.period])?;
    }
    let sql = "UPDATE ledger SET at_ms = ?2, row = ?3, worst_usd_micros = NULL, caps = NULL WHERE id = ?1";
    run(connection, sql, params![id, row.at_ms, to_json(row)?]).map(|_| ())
}

/// Forgets what is counted under names that begin so.
pub(crate) fn forget(connection: &Connection, prefix: &str) -> Result<(), StoreError> {
    // The sign behind the slash is the nought: what lies between begins with the slash.
    let Some(end) = prefix.strip_suffix('/').map(|name| format!("{name}0")) else { return Ok(()) };
    for table in ["spent", "uses"] {
        run(
            connection,
            &format!("DELETE FROM {table} WHERE what >= ?1 AND what < ?2"),
            params![prefix, end],
        )?;
    }
    Ok(())
}

/// How many periods of one thing stay.
fn kept_max() -> i64 {
    i64::try_from(PERIODS_KEPT_MAX).unwrap_or(i64::MAX)
}

pub(crate) fn reserve(
    connection: &Connection,
    what: &str,
    period: i64,
    token: &str,
    most: u32,
) -> Result<bool, StoreError> {
    let sql = "SELECT count(*), coalesce(max(token = ?3), 0) FROM uses WHERE what = ?1 AND period = ?2";
    let read = connection.prepare_cached(sql).and_then(|mut s| {
        s.query_row(params![what, period, token], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
    });
    let (taken, is_known) = read.map_err(|e| store_error(&e))?;
    if is_known || taken >= i64::from(most) {
        return Ok(is_known);
    }
    let sql = "INSERT INTO uses (what, period, token) VALUES (?1, ?2, ?3)";
    run(connection, sql, params![what, period, token])?;
    if taken == 0 {
        let sql = "DELETE FROM uses WHERE what = ?1 AND period NOT IN
                   (SELECT period FROM uses WHERE what = ?1 GROUP BY period ORDER BY max(id) DESC LIMIT ?2)";
        run(connection, sql, params![what, kept_max()])?;
    }
    Ok(true)
}
