// SPDX-License-Identifier: MIT OR Apache-2.0
//! The caps of the current programs and what is used of each, for people. They are read from the store alone, so that the
//! answer is the same whether something runs on it or not.

use blufio_core::message::UnixMs;
use blufio_core::store::{Store, StoreError};
use blufio_lang::program::civil::{date_from_days, days_from_date};
use blufio_lang::program::{Limits, Program};
use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;
/// The setting that holds the identities of the programs that new sessions start on.
pub(crate) const CURRENT_SETTING: &str = "programs/current";

/// What a cap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Millionths of a US dollar.
    UsdMicros,
    /// Model calls.
    Calls,
}

/// For how long a cap counts. Days and months are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A day.
    Day,
    /// A month.
    Month,
}

/// A cap, and what is used of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapUse {
    /// Agent.
    pub agent: String,
    /// For how long it counts.
    pub period: Period,
    /// What it counts.
    pub counted: Counted,
    /// What is used, with what is reserved for attempts under way.
    pub used: i64,
    /// Most that may be used.
    pub most: i64,
    /// When it begins anew.
    pub until_ms: UnixMs,
}

impl Period {
    /// The word in a budget and in the names of what is counted.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// When the one that holds a moment ends: under this moment the store counts it, so that a wall clock that is set
    /// back goes on with the day it was, and one that is set ahead and back leaves nothing behind.
    pub fn end(self, now_ms: UnixMs) -> UnixMs {
        let days = now_ms.div_euclid(DAY_MS);
        if self == Self::Day {
            return (days + 1) * DAY_MS;
        }
        let (year, month, _) = date_from_days(days);
        let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        days_from_date(year, month, 1).map_or(days + 31, i64::from) * DAY_MS
    }
}

/// Under which name the store counts the money of an agent.
pub(crate) fn money_name(agent: &str, period: Period) -> String {
    format!("{agent}/usd/{}", period.word())
}

/// Under which name the store counts the calls of an agent.
pub(crate) fn calls_name(agent: &str, period: Period) -> String {
    format!("{agent}/calls/{}", period.word())
}

/// The caps of the programs that run on a store, or ran on it last: by agent, then as `budget` has them.
pub async fn caps(store: &dyn Store, now_ms: UnixMs) -> Result<Vec<CapUse>, StoreError> {
    let mut caps = Vec::new();
    for program in current(store).await? {
        let budget = &program.budget;
        for (period, limits) in [(Period::Day, &budget.day), (Period::Month, &budget.month)] {
            caps.extend(of(store, &program.name, period, limits, now_ms).await?);
        }
    }
    Ok(caps)
}

async fn of(
    store: &dyn Store,
    agent: &str,
    period: Period,
    limits: &Limits,
    now_ms: UnixMs,
) -> Result<Vec<CapUse>, StoreError> {
    let until_ms = period.end(now_ms);
    let cap =
        |counted, used, most| CapUse { agent: agent.to_string(), period, counted, used, most, until_ms };
    let mut caps = Vec::new();
    if let Some((most, ..)) = limits.money {
        let used = store.spent(&money_name(agent, period), until_ms).await?;
        caps.push(cap(Counted::UsdMicros, used, most));
    }
    if let Some((most, _)) = limits.calls {
        let used = store.used(&calls_name(agent, period), until_ms).await?;
        caps.push(cap(Counted::Calls, used, i64::from(most)));
    }
    Ok(caps)
}

/// What [`CURRENT_SETTING`] holds: hexadecimal, in order.
pub(crate) fn current_setting(mut programs: Vec<(String, [u8; 32])>) -> String {
    programs.sort();
    let hex = |(_, hash): &(String, [u8; 32])| hash.iter().map(|byte| format!("{byte:02x}")).collect();
    programs.iter().map(hex).collect::<Vec<String>>().join(" ")
}

async fn current(store: &dyn Store) -> Result<Vec<Program>, StoreError> {
    let setting = store.setting(CURRENT_SETTING).await?.unwrap_or_default();
    let mut programs = Vec::new();
    for hash in setting.split(' ').filter_map(hash) {
        // A program of another version of this format says nothing about its caps here.
        let bytes = store.program(hash).await?;
        programs.extend(bytes.and_then(|bytes| Program::from_bytes(&bytes).ok()));
    }
    Ok(programs)
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..32).map(byte).collect::<Option<_>>()?;
    bytes.try_into().ok()
}
