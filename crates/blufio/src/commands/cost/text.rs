// SPDX-License-Identifier: MIT OR Apache-2.0
//! Costs as a table, and the caps below it.

use super::{heading, money, percent, picture, shown};
use crate::control::protocol::{CostLine, CostReport, GROUPS_MAX};
use crate::output;

pub fn print(report: &CostReport, colour: bool) -> String {
    let mut out = String::new();
    if report.total.sums.calls > 0 || report.total.sums.open_calls > 0 {
        out.push_str(&table(report));
        out.push_str(&notes(report));
    }
    if !report.caps.is_empty() {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&picture::caps(&report.caps, colour));
    }
    out
}

fn table(report: &CostReport) -> String {
    let lines: Vec<&CostLine> = report.groups.iter().chain([&report.total]).collect();
    let amounts = |of: fn(&CostLine) -> i64| money::column(&lines.iter().map(|l| of(l)).collect::<Vec<_>>());
    let usd = amounts(|line| line.sums.usd_micros);
    let open_usd = amounts(|line| line.sums.open_usd_micros);
    let last = lines.len() - 1;
    let row = |(at, ((line, usd), open_usd)): (usize, ((&&CostLine, &String), &String))| {
        let sums = &line.sums;
        let name = if at == last { "TOTAL" } else { shown(&sums.name) };
        vec![
            name.to_string(),
            sums.calls.to_string(),
            sums.input_tokens.to_string(),
            sums.output_tokens.to_string(),
            sums.cache_read_tokens.to_string(),
            sums.cache_write_tokens.to_string(),
            percent(line.cache_read_share),
            usd.clone(),
            percent(line.unknown_share),
            sums.open_calls.to_string(),
            open_usd.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = lines.iter().zip(&usd).zip(&open_usd).enumerate().map(row).collect();
    let first = heading(report.by).to_uppercase();
    let head = [
        first.as_str(),
        "CALLS",
        "INPUT",
        "OUTPUT",
        "CACHE READ",
        "CACHE WRITE",
        "READ SHARE",
        "USD",
        "UNKNOWN",
        "OPEN",
        "OPEN USD",
    ];
    output::numbers(&head, &rows)
}

/// What the numbers do not say by themselves.
fn notes(report: &CostReport) -> String {
    let sums = &report.total.sums;
    let mut out = String::new();
    if sums.unknown_calls > 0 {
        out.push_str(&format!(
            "unknown   the provider did not report the tokens of {}; {} usd are charged as reserved\n",
            calls(sums.unknown_calls),
            money::usd(sums.unknown_usd_micros)
        ));
    }
    if sums.unpriced_calls > 0 {
        out.push_str(&format!("no price  nothing is counted for {}\n", calls(sums.unpriced_calls)));
    }
    if sums.open_calls > 0 {
        out.push_str(&format!(
            "open      {} under way, or lost with their process: {} usd are reserved\n",
            calls(sums.open_calls),
            money::usd(sums.open_usd_micros)
        ));
    }
    if report.groups.len() >= GROUPS_MAX as usize {
        out.push_str(&format!("the first {GROUPS_MAX} lines are shown; the total counts all\n"));
    }
    out
}

fn calls(count: i64) -> String {
    if count == 1 { "1 call".to_string() } else { format!("{count} calls") }
}
