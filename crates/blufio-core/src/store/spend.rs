// SPDX-License-Identifier: MIT OR Apache-2.0
//! Money and its caps. An attempt of a model call is announced with its worst case, which is taken of every cap that it
//! counts against before anything is sent; afterwards it is settled with what it really cost. An announcement that
//! nobody settles (the process died) stays charged in full.
//!
//! What is used is kept by period, and no clock ends a period: which one counts is said with every question. A wall clock
//! that is set back finds the day again as it was left, and one that was set ahead by years holds up nothing when it is
//! right again. Old periods are forgotten by their number alone, see [`PERIODS_KEPT_MAX`].

use serde::{Deserialize, Serialize};

use crate::message::UnixMs;
use crate::model::Usage;

/// One attempt of a model call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Session, when one caused it.
    pub session: Option<i64>,
    /// Agent.
    pub agent: String,
    /// State.
    pub state: String,
    /// What it was for: `heartbeat` when a schedule caused it, `delegate` when another agent asked, else the step: `pick`,
    /// `write`, `turn`, `fill`, or `summary`.
    pub purpose: String,
    /// Model asked for, with its provider.
    pub model_asked: String,
    /// Model that answered.
    pub model_used: String,
    /// Why this model, where the program leaves the choice to the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Tokens of the prompt as they were estimated before it was sent.
    #[serde(default)]
    pub estimated_tokens: u64,
    /// Fingerprint of what every prompt of the program begins with: tools and static zone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub static_fingerprint: String,
    /// Tokens.
    pub usage: Usage,
    /// Whether the provider reported them.
    pub usage_known: bool,
    /// What it cost, millionths of a US dollar: by the tokens reported, else what was reserved; `None` where no price is
    /// known.
    pub usd_micros: Option<i64>,
    /// Time from request to end, milliseconds.
    pub latency_ms: i64,
    /// `ok`, the error's kind, `cancelled`, `interrupted`; [`OPEN`] while it is under way.
    pub outcome: String,
    /// When it ended; of an open one, when it began.
    pub at_ms: UnixMs,
}

/// Outcome of an announced attempt that is not settled.
pub const OPEN: &str = "open";

/// Of everything that is counted, the last begun so many periods are kept: two months of days. What a session alone counts
/// goes with the session.
pub const PERIODS_KEPT_MAX: usize = 64;

/// A cap on money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// What is counted (`support/usd/day`).
    pub what: String,
    /// Most that may be spent, millionths of a US dollar.
    pub most_usd_micros: i64,
    /// Which of the periods that follow each other: of a day or a month the moment of its end, of events their number.
    pub period: i64,
    /// Whether the owner is warned when three quarters are used.
    pub warns: bool,
    /// When it begins anew, milliseconds since 1970, where waiting helps: it is of a day or a month.
    pub frees_up_ms: Option<UnixMs>,
}

/// An attempt that is about to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// Its row, as far as it is known.
    pub row: LedgerRow,
    /// What it may cost at the worst, millionths of a US dollar.
    pub worst_usd_micros: i64,
    /// The caps that it counts against.
    pub caps: Vec<Cap>,
}

/// What came of an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// It may be made.
    Granted {
        /// Its ledger row, for the settlement.
        row: i64,
        /// Indices of the caps of which three quarters are used now, each told once.
        warnings: Vec<usize>,
    },
    /// Nothing was taken: one cap has not enough left.
    Refused {
        /// Index of the cap.
        cap: usize,
        /// What is left of it, millionths of a US dollar.
        left_usd_micros: i64,
    },
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    /// What is known now.
    pub row: LedgerRow,
    /// The announcement's row. An attempt is settled once; a second settlement changes nothing.
    pub announced: Option<i64>,
}

impl From<LedgerRow> for Attempted {
    fn from(row: LedgerRow) -> Self {
        Self { row, announced: None }
    }
}

/// Whether three quarters of a cap are used.
pub fn is_near(used_usd_micros: i64, most_usd_micros: i64) -> bool {
    i128::from(used_usd_micros) * 4 >= i128::from(most_usd_micros) * 3
}
