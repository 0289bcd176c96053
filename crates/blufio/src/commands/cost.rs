// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio cost`: what the model calls cost, by whom, and what is used of the caps.

mod csv;
mod money;
mod picture;
mod text;

use anyhow::{Result, bail};
use blufio_core::clock::Clock;
use blufio_core::store::CostGroup;
use blufio_lang::program::civil::{parse_date, parse_duration, parse_moment, print_moment};
use clap::{Args, ValueEnum};

use crate::cli::Context;
use crate::clock::SystemClock;
use crate::control::client;
use crate::control::protocol::{Answer, Ask, CostReport};
use crate::output;

const DAY_MS: i64 = 86_400_000;

/// What the calls are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The agent.
    Agent,
    /// The model that was asked.
    Model,
    /// The state of the agent.
    State,
    /// The day (UTC).
    Day,
    /// What the answer was for: heartbeat, delegate (another agent asked), else pick, write, turn, fill, summary.
    Purpose,
    /// The session.
    Session,
}

impl From<By> for CostGroup {
    fn from(by: By) -> Self {
        match by {
            By::Agent => Self::Agent,
            By::Model => Self::Model,
            By::State => Self::State,
            By::Day => Self::Day,
            By::Purpose => Self::Purpose,
            By::Session => Self::Session,
        }
    }
}

/// From when on calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// A moment.
    At(i64),
    /// So long before now.
    Ago(i64),
}

/// `2026-11-21`, `2026-11-21T08:30:00Z`, `7d`, `1d 12h`.
fn since(text: &str) -> Result<Since, String> {
    let at = parse_date(text).map(|days| i64::from(days) * DAY_MS).or_else(|| parse_moment(text));
    let ago = || parse_duration(text).filter(|ms| *ms > 0).map(Since::Ago);
    let wrong = || "write a date (2026-11-21), a moment (2026-11-21T08:30:00Z) or how long ago (7d, 12h)";
    at.map(Since::At).or_else(ago).ok_or_else(|| wrong().to_string())
}

/// Arguments of `cost`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// One line for each.
    #[arg(long, value_enum, default_value = "agent")]
    by: By,
    /// Only calls since a date (UTC), a moment, or so long ago: 2026-11-21, 7d, 12h.
    #[arg(long, value_name = "DATE", value_parser = since, allow_hyphen_values = true)]
    since: Option<Since>,
    /// Only calls of this agent.
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Print JSON, with the caps.
    #[arg(long, group = "form")]
    json: bool,
    /// Print comma-separated values, without total and caps.
    #[arg(long, group = "form")]
    csv: bool,
    /// Draw bars.
    #[arg(long, group = "form")]
    chart: bool,
}

/// Prints the costs.
pub fn run(context: &Context, arguments: Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let since_ms = arguments.since.map(|since| match since {
        Since::At(at_ms) => at_ms,
        Since::Ago(ago_ms) => SystemClock.now_ms().saturating_sub(ago_ms),
    });
    let ask = Ask::Costs { by: arguments.by.into(), since_ms, agent: arguments.agent };
    let report = match client::runtime()?.block_on(client::ask_or_read(&data, ask))? {
        Answer::Costs(report) => report,
        other => bail!("unexpected answer {other:?}"),
    };
    if arguments.json {
        output::json(&report)?;
    } else if arguments.csv {
        output::data(&csv::print(&report))?;
    } else if !is_empty(&report) || !report.caps.is_empty() {
        let colour = output::colour(&std::io::stdout());
        let print = if arguments.chart { picture::print } else { text::print };
        output::data(&print(&report, colour))?;
    }
    if is_empty(&report) {
        output::talk(&output::harmless(&nothing(&report)));
    }
    Ok(0)
}

fn is_empty(report: &CostReport) -> bool {
    report.total.sums.calls == 0 && report.total.sums.open_calls == 0
}

/// Why there is nothing to see.
fn nothing(report: &CostReport) -> String {
    let agent = report.agent.as_ref().map(|agent| format!(" of `{agent}`")).unwrap_or_default();
    let since = report.since_ms.map(|at| format!(" since {}", print_moment(at))).unwrap_or_default();
    let hint = if agent.is_empty() && since.is_empty() {
        "every call is on record from the first message on"
    } else {
        "leave out --agent or --since to see all"
    };
    format!("no model call{agent} is on record{since}; {hint}")
}

/// The word over the first column.
fn heading(by: CostGroup) -> &'static str {
    match by {
        CostGroup::Agent => "agent",
        CostGroup::Model => "model",
        CostGroup::State => "state",
        CostGroup::Day => "day",
        CostGroup::Purpose => "purpose",
        CostGroup::Session => "session",
    }
}

/// What a group is called for people.
fn shown(name: &str) -> &str {
    if name.is_empty() { "(none)" } else { name }
}

/// A share for people.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_string(), |share| format!("{:.1}%", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_moments_and_lengths_of_time_are_understood() {
        assert_eq!(since("1970-01-02"), Ok(Since::At(DAY_MS)));
        assert_eq!(since("1970-01-02T00:00:01Z"), Ok(Since::At(DAY_MS + 1_000)));
        assert_eq!(since("7d"), Ok(Since::Ago(7 * DAY_MS)));
        assert_eq!(since("1d 12h"), Ok(Since::Ago(DAY_MS + 12 * 3_600_000)));
        for wrong in
            ["", "7", "d", "-7d", "0d", "1970-13-01", "2026-02-30", "yesterday", "99999999999999999d"]
        {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
