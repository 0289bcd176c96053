// SPDX-License-Identifier: MIT OR Apache-2.0
//! Costs and caps as bars.

use blufio_agent::caps::{CapUse, Counted};
use blufio_lang::program::civil::print_moment;

use super::{heading, money, shown};
use crate::control::protocol::CostReport;
use crate::output;

/// Characters of a whole bar.
const BAR_CHARACTERS: u64 = 30;
/// What a character is filled to, in eighths.
const EIGHTHS: [char; 8] = ['░', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A bar that is filled in a proportion; one that is not nothing shows a little.
fn bar(part: i64, whole: i64) -> String {
    let eighths = BAR_CHARACTERS * 8;
    let (part, whole) = (u128::from(part.max(0).unsigned_abs()), u128::from(whole.max(1).unsigned_abs()));
    let filled = (part.min(whole) * u128::from(eighths) / whole).max(u128::from(part > 0));
    let filled = u64::try_from(filled).unwrap_or(eighths);
    let character = |at: u64| match filled.saturating_sub(at * 8) {
        8.. => '█',
        rest => EIGHTHS.get(rest as usize).copied().unwrap_or('█'),
    };
    (0..BAR_CHARACTERS).map(character).collect()
}

/// Tenths of a percent, rounded down; all of nothing is used.
fn thousandths(part: i64, whole: i64) -> i128 {
    if whole <= 0 { 1_000 } else { i128::from(part) * 1_000 / i128::from(whole) }
}

fn percent(thousandths: i128) -> String {
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

/// Green, yellow from the warning on, red when nothing is left.
fn painted(bar: &str, thousandths: i128, colour: bool) -> String {
    let code = match thousandths {
        1_000.. => 31,
        750.. => 33,
        _ => 32,
    };
    if colour { format!("\u{1b}[{code}m{bar}\u{1b}[0m") } else { bar.to_string() }
}

/// The groups as bars, then the caps.
pub fn print(report: &CostReport, colour: bool) -> String {
    let mut out = String::new();
    let names: Vec<String> =
        report.groups.iter().map(|line| output::harmless(shown(&line.sums.name))).collect();
    let amounts: Vec<i64> = report.groups.iter().map(|line| line.sums.usd_micros).collect();
    let most = amounts.iter().copied().max().unwrap_or(0);
    let usd = money::column(&amounts);
    let first = heading(report.by).to_uppercase();
    let width = |texts: &[String], least: usize| {
        texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(least)
    };
    let (name_width, usd_width) = (width(&names, first.len()), width(&usd, 3));
    if !names.is_empty() {
        out.push_str(&format!("{first:<name_width$}  {:>usd_width$}\n", "USD"));
    }
    for ((name, usd), amount) in names.iter().zip(&usd).zip(&amounts) {
        let share = thousandths(*amount, report.total.sums.usd_micros.max(1));
        out.push_str(&format!(
            "{name:<name_width$}  {usd:>usd_width$}  {}  {:>6}\n",
            bar(*amount, most),
            percent(share)
        ));
    }
    if !report.caps.is_empty() {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&caps(&report.caps, colour));
    }
    out
}

/// The caps, each with a bar of what is used.
pub fn caps(caps: &[CapUse], colour: bool) -> String {
    let cells = |cap: &CapUse| {
        let amount = |number: i64| match cap.counted {
            Counted::UsdMicros => format!("{} usd", money::usd(number)),
            Counted::Calls => format!("{number} calls"),
        };
        let used = match cap.counted {
            Counted::UsdMicros => money::usd(cap.used),
            Counted::Calls => cap.used.to_string(),
        };
        let anew = print_moment(cap.until_ms);
        [
            format!("{} {}", cap.agent, cap.period.word()),
            used,
            amount(cap.most),
            anew.split('T').next().unwrap_or_default().to_string(),
        ]
    };
    let rows: Vec<[String; 4]> = caps.iter().map(cells).collect();
    let head = ["CAP", "USED", "OF", "ANEW"];
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|word| word.len())).max().unwrap_or(0)
    };
    let (name, used, of) = (width(0), width(1), width(2));
    let bar_width = BAR_CHARACTERS as usize;
    let [cap_word, used_word, of_word, anew_word] = head;
    let mut out = format!(
        "{cap_word:<name$}  {used_word:>used$}  {of_word:>of$}  {:<bar_width$}  {:>6}  {anew_word}\n",
        "", ""
    );
    for ([what, part, whole, anew], cap) in rows.iter().zip(caps) {
        let share = thousandths(cap.used, cap.most);
        out.push_str(&format!(
            "{what:<name$}  {part:>used$}  {whole:>of$}  {}  {:>6}  {anew}\n",
            painted(&bar(cap.used, cap.most), share, colour),
            percent(share)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_when_everything_is_used() {
        let filled = |part, whole| bar(part, whole).trim_end_matches('░').to_string();
        assert_eq!((filled(0, 10), bar(0, 10).chars().count()), (String::new(), 30));
        assert_eq!(filled(1, i64::MAX), "▏");
        assert_eq!(filled(1, 10), "███");
        assert_eq!(filled(1, 16), "█▉");
        assert_eq!(filled(999, 1_000), format!("{}▉", "█".repeat(29)));
        for (part, whole) in [(10, 10), (11, 10), (1, 0), (i64::MAX, i64::MAX)] {
            assert_eq!(bar(part, whole), "█".repeat(30), "{part} of {whole}");
        }
        assert_eq!(bar(-5, 10), "░".repeat(30));
    }

    #[test]
    fn colours_say_how_near_the_end_is() {
        let codes = [(0, "32"), (749, "32"), (750, "33"), (1_000, "31"), (1_060, "31")];
        for (share, code) in codes {
            assert_eq!(painted("x", share, true), format!("\u{1b}[{code}mx\u{1b}[0m"));
            assert_eq!(painted("x", share, false), "x");
        }
        assert_eq!((thousandths(1, 3), thousandths(0, 0)), (333, 1_000));
        assert_eq!((percent(333), percent(1_060)), ("33.3%".into(), "106.0%".into()));
    }
}
