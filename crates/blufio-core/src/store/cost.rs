// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sums over the ledger. They are made where the rows are, so that a report over a year of attempts reads none of them
//! into memory. Every sum saturates.

use serde::{Deserialize, Serialize};

use super::{LedgerRow, OPEN};
use crate::message::UnixMs;
use crate::model::Usage;

/// What the rows of the ledger are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostGroup {
    /// The agent.
    Agent,
    /// The model that was asked, with its provider.
    Model,
    /// The agent's state, `agent/state`.
    State,
    /// The day of UTC; its name is its first moment, milliseconds since 1970.
    Day,
    /// What the answer was for.
    Purpose,
    /// The session's key; nameless where no session caused the attempt.
    Session,
}

/// Which rows of the ledger, and how they are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostQuery {
    /// Groups.
    pub by: CostGroup,
    /// Only attempts that ended (of open ones: began) at this time or later.
    pub since_ms: Option<UnixMs>,
    /// Only attempts of this agent.
    pub agent: Option<String>,
    /// Most groups: the dearest, of days the newest. The total counts the others too.
    pub groups_max: u32,
}

/// The answer to a [`CostQuery`]; both parts are of the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    /// Everything together; nameless.
    pub total: CostRow,
    /// Groups, the dearest first, days the newest first; equal ones by name.
    pub groups: Vec<CostRow>,
}

/// Sums over some attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostRow {
    /// Which group.
    pub name: String,
    /// Attempts that ended.
    pub calls: i64,
    /// Those of them that may have cost something and whose tokens the provider did not report.
    pub unknown_calls: i64,
    /// Those of them whose price is not known: they count as nothing.
    pub unpriced_calls: i64,
    /// Attempts that are announced and not settled: under way, or lost with their process.
    pub open_calls: i64,
    /// Input that was not cached, tokens.
    pub input_tokens: i64,
    /// Output, tokens.
    pub output_tokens: i64,
    /// Input read from the cache, tokens.
    pub cache_read_tokens: i64,
    /// Input written to the cache, tokens.
    pub cache_write_tokens: i64,
    /// Cost, millionths of a US dollar.
    pub usd_micros: i64,
    /// The part of it that is charged as reserved, because the provider did not report the tokens.
    pub unknown_usd_micros: i64,
    /// What is reserved for open attempts, millionths of a US dollar.
    pub open_usd_micros: i64,
}

impl CostRow {
    /// The sums over one attempt.
    pub fn of(row: &LedgerRow) -> Self {
        let usd_micros = row.usd_micros.unwrap_or(0);
        if row.outcome == OPEN {
            return Self { open_calls: 1, open_usd_micros: usd_micros, ..Self::default() };
        }
        let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, .. } = row.usage;
        let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        // What nobody bills is known to be nothing.
        let is_unknown = !row.usage_known && row.usd_micros != Some(0);
        Self {
            name: String::new(),
            calls: 1,
            unknown_calls: i64::from(is_unknown),
            unpriced_calls: i64::from(row.usd_micros.is_none()),
            open_calls: 0,
            input_tokens: tokens(input_tokens),
            output_tokens: tokens(output_tokens),
            cache_read_tokens: tokens(cache_read_tokens),
            cache_write_tokens: tokens(cache_write_tokens),
            usd_micros,
            unknown_usd_micros: if is_unknown { usd_micros } else { 0 },
            open_usd_micros: 0,
        }
    }

    /// Adds the sums over other attempts.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.calls, other.calls),
            (&mut self.unknown_calls, other.unknown_calls),
            (&mut self.unpriced_calls, other.unpriced_calls),
            (&mut self.open_calls, other.open_calls),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.usd_micros, other.usd_micros),
            (&mut self.unknown_usd_micros, other.unknown_usd_micros),
            (&mut self.open_usd_micros, other.open_usd_micros),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
    }

    /// Share of the prompts' tokens that was read from the cache, in 0 to 1; `None` without any prompt.
    pub fn cache_read_share(&self) -> Option<f64> {
        let read = self.cache_read_tokens;
        let prompts = self.input_tokens.saturating_add(self.cache_write_tokens).saturating_add(read);
        (prompts > 0).then(|| read as f64 / prompts as f64)
    }

    /// Share of the ended attempts whose usage is unknown, in 0 to 1; `None` without any.
    pub fn unknown_share(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.unknown_calls as f64 / self.calls as f64)
    }
}
