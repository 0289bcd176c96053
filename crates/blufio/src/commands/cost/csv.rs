// SPDX-License-Identifier: MIT OR Apache-2.0
//! Costs as comma-separated values (RFC 4180): one record for each group, none for the total, so that a column may be
//! added up.

use super::heading;
use crate::control::protocol::{CostLine, CostReport};

const COLUMNS: &str = "calls,unknown_calls,unpriced_calls,open_calls,input_tokens,output_tokens,cache_read_tokens,\
                       cache_write_tokens,usd_micros,unknown_usd_micros,open_usd_micros,cache_read_share";

pub fn print(report: &CostReport) -> String {
    let mut out = format!("{},{COLUMNS}\n", heading(report.by));
    for line in &report.groups {
        out.push_str(&record(line));
        out.push('\n');
    }
    out
}

fn record(line: &CostLine) -> String {
    let sums = &line.sums;
    let numbers = [
        sums.calls,
        sums.unknown_calls,
        sums.unpriced_calls,
        sums.open_calls,
        sums.input_tokens,
        sums.output_tokens,
        sums.cache_read_tokens,
        sums.cache_write_tokens,
        sums.usd_micros,
        sums.unknown_usd_micros,
        sums.open_usd_micros,
    ];
    let mut cells = vec![quoted(&sums.name)];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(line.cache_read_share.map(|share| format!("{share:.4}")).unwrap_or_default());
    cells.join(",")
}

/// A cell; quoted where a reader would take it for something else than it is.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let pairs = [
            ("plain: text", "plain: text"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("\r", "\"\r\""),
            (" padded", "\" padded\""),
        ];
        for (text, cell) in pairs {
            assert_eq!(quoted(text), cell);
        }
    }
}
