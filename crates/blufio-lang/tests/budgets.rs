// SPDX-License-Identifier: MIT OR Apache-2.0
//! Budgets that nobody can mean: each is refused where it stands, with what to write.

use blufio_lang::check::check;
use blufio_lang::diagnostic::render;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;

/// What is said of a budget: the code, the words at the column, the help.
fn said(budget: &str, over: &str) -> Vec<(String, usize, String)> {
    let text = format!(
        "agent a v1\ngoal \"Help.\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\n\
         budget {{ message = 9 calls  {budget} }}\nkeep {{ asked: message? }}\n\
         start state s {{ on message m {{ asked = m -> t }} }}\n\
         state t {{ write w using fast from asked \"Go.\"  reply w -> s }}\n\
         anywhere {{ on message hold  on failed or uncertain{over} -> s }}\n"
    );
    let mut sources = SourceMap::default();
    sources.add("a.agent", &text).unwrap();
    let (_, diagnostics) = check(&sources, &environment());
    let line = "budget { message = 9 calls  ".len();
    let shown = render(&diagnostics, &sources, false);
    let place = |span: blufio_lang::source::Span| {
        let before = &text[..span.start as usize];
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        assert_eq!(before.lines().count(), 4, "{shown}");
        column - line
    };
    let found = diagnostics.iter().filter(|d| d.code != "E0402");
    found.map(|d| (d.code.to_string(), place(d.label.span), d.hint.clone().unwrap_or_default())).collect()
}

#[test]
fn a_budget_that_cannot_be_meant_is_refused_with_its_place_and_with_what_to_write() {
    let cases = [
        // Negative, nothing, no number.
        ("day = -1 usd", "E0003", 6),
        ("day = 0 usd", "E0208", 6),
        ("day = 0.000000 usd", "E0208", 6),
        ("heartbeat = 0 usd", "E0208", 12),
        ("month = 0 usd", "E0208", 8),
        ("day = 0/0", "E0003", 7),
        ("day = 0/0 usd", "E0003", 7),
        ("day = nan usd", "E0003", 6),
        ("day = NaN", "E0003", 6),
        ("day = inf usd", "E0003", 6),
        ("day = 1e400 usd", "E0003", 6),
        ("day = 1e3 usd", "E0003", 6),
        ("day = 1,5 usd", "E0003", 7),
        ("day = 99999999999999999999 usd", "E0201", 6),
        ("day = 0.0000001 usd", "E0201", 6),
        ("day =", "E0003", 6),
        ("day = 5", "E0003", 8),
        // In another currency, whatever it is a budget of.
        ("day = 5 eur", "E0507", 6),
        ("month = 5 eur", "E0507", 8),
        ("heartbeat = 5 eur", "E0507", 12),
        ("day = 5 EUR", "E0012", 8),
        ("day = 5 dollars", "E0003", 8),
        ("day = $5", "E0003", 6),
    ];
    let mut wrong = Vec::new();
    for (budget, code, column) in cases {
        let found = said(budget, " or over_budget");
        let fits = matches!(found.as_slice(), [(c, at, help)]
            if *c == code && *at == column && help.contains("usd"));
        if !fits {
            wrong.push(format!("{budget}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn calls_and_time_are_at_least_what_a_step_needs() {
    for (budget, help) in [("heartbeat = 0s", "like `5m`"), ("heartbeat = -3 calls", "20 calls")] {
        let found = said(budget, " or over_budget");
        assert!(found.len() == 1 && found[0].2.contains(help), "{budget}: {found:?}");
    }
    assert_eq!(said("heartbeat = 0 calls", " or over_budget"), [], "what asks no model may say so");
}

#[test]
fn money_that_may_be_spent_is_taken() {
    for budget in
        ["day = 0.000001 usd", "month = 2 usd", "heartbeat = 0.5 usd, 3 calls, 5m", "day = 9223372036854 usd"]
    {
        assert_eq!(said(budget, " or over_budget"), [], "{budget}");
    }
    let too_little = said("day = 0.000001 usd", "");
    assert!(too_little.iter().any(|(code, ..)| code == "E0505"), "nobody takes over_budget: {too_little:?}");
}
