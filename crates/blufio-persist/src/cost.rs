// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sums over the ledger, made by SQLite. Its `sum()` fails where whole numbers overflow, so each is summed in two
//! halves, which no table can overflow, and put together here.

use blufio_core::message::UnixMs;
use blufio_core::store::{CostGroup, CostQuery, CostRow, Costs, OPEN};
use rusqlite::{Connection, Row, params};

/// Whether an attempt may have cost something nobody reported; the rules of [`CostRow::of`].
const IS_UNKNOWN: &str = "(NOT is_open AND NOT is_known AND usd_micros IS NOT 0)";

/// The name of an attempt's group.
fn name(by: CostGroup) -> &'static str {
    match by {
        CostGroup::Agent => "agent",
        CostGroup::Model => "model",
        CostGroup::State => "agent || '/' || state",
        // The remainder of SQLite has the sign of the number.
        CostGroup::Day => "at_ms - (at_ms % 86400000 + 86400000) % 86400000",
        CostGroup::Purpose => "purpose",
        CostGroup::Session => "coalesce((SELECT key FROM sessions WHERE id = session), '')",
    }
}

/// The attempts that a query is about, as columns. JSON holds counts that are no `i64` as floating-point numbers. The
/// limit keeps SQLite from putting these expressions in the place of every column's name, which would read the JSON
/// thirty times; the rows are still taken one by one.
fn attempts() -> String {
    let tokens = |kind: &str| format!("min(row ->> '$.usage.{kind}', {}) AS {kind}", i64::MAX);
    let kinds = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"].map(tokens);
    format!(
        "SELECT session, at_ms, row ->> '$.agent' AS agent, row ->> '$.model_asked' AS model,
           row ->> '$.state' AS state, row ->> '$.purpose' AS purpose, row ->> '$.outcome' = '{OPEN}' AS is_open,
           row ->> '$.usage_known' AS is_known, row ->> '$.usd_micros' AS usd_micros, {}
         FROM ledger WHERE (?1 IS NULL OR at_ms >= ?1) AND (?2 IS NULL OR row ->> '$.agent' = ?2) LIMIT -1",
        kinds.join(", ")
    )
}

/// The sums, in the order in which `read` takes them.
fn sums() -> String {
    let counts = ["NOT is_open", IS_UNKNOWN, "NOT is_open AND usd_micros IS NULL", "is_open"]
        .map(|what| format!("count(*) FILTER (WHERE {what})"));
    let amounts = [
        ("input_tokens", "NOT is_open"),
        ("output_tokens", "NOT is_open"),
        ("cache_read_tokens", "NOT is_open"),
        ("cache_write_tokens", "NOT is_open"),
        ("usd_micros", "NOT is_open"),
        ("usd_micros", IS_UNKNOWN),
        ("usd_micros", "is_open"),
    ]
    .map(|(amount, what)| {
        format!(
            "coalesce(sum({amount} >> 32) FILTER (WHERE {what}), 0),
             coalesce(sum({amount} & 4294967295) FILTER (WHERE {what}), 0)"
        )
    });
    [counts.join(", "), amounts.join(", ")].join(", ")
}

fn read(row: &Row<'_>) -> rusqlite::Result<CostRow> {
    let amount = |at: usize| {
        let (high, low): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
        let whole = (i128::from(high) << 32) + i128::from(low);
        let end = if whole < 0 { i64::MIN } else { i64::MAX };
        Ok::<i64, rusqlite::Error>(i64::try_from(whole).unwrap_or(end))
    };
    Ok(CostRow {
        name: row.get(0)?,
        calls: row.get(1)?,
        unknown_calls: row.get(2)?,
        unpriced_calls: row.get(3)?,
        open_calls: row.get(4)?,
        input_tokens: amount(5)?,
        output_tokens: amount(7)?,
        cache_read_tokens: amount(9)?,
        cache_write_tokens: amount(11)?,
        usd_micros: amount(13)?,
        unknown_usd_micros: amount(15)?,
        open_usd_micros: amount(17)?,
    })
}

pub(crate) fn costs(connection: &Connection, query: &CostQuery) -> rusqlite::Result<Costs> {
    // Total and groups are of one moment.
    let moment = connection.unchecked_transaction()?;
    let (since_ms, agent): (Option<UnixMs>, _) = (query.since_ms, &query.agent);
    let (attempts, sums) = (attempts(), sums());
    let total = format!("SELECT '', {sums} FROM ({attempts})");
    let total = moment.prepare_cached(&total)?.query_row(params![since_ms, agent], read)?;
    // Where whole numbers overflow here, SQLite goes on with floating-point ones.
    let usd = "(coalesce(sum(usd_micros >> 32) FILTER (WHERE NOT is_open), 0) * 4294967296
                + coalesce(sum(usd_micros & 4294967295) FILTER (WHERE NOT is_open), 0))";
    let order = if query.by == CostGroup::Day { "name" } else { usd };
    let name = name(query.by);
    let groups = format!(
        "SELECT CAST(name AS TEXT), {sums} FROM (SELECT {name} AS name, * FROM ({attempts}))
         GROUP BY name ORDER BY {order} DESC, name LIMIT ?3"
    );
    let mut groups = moment.prepare_cached(&groups)?;
    let groups =
        groups.query_map(params![since_ms, agent, query.groups_max], read)?.collect::<Result<_, _>>()?;
    Ok(Costs { total, groups })
}
