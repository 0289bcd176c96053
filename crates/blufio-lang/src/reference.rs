// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reference of the language as Markdown, made from the tables that the parser and the checker use, so that it
//! cannot say anything else than they do. `docs/reference.md` is this text; a test compares them.

use std::fmt::Write;

use crate::check::report;
use crate::check::{BUILT_IN_TYPES, Construct};
use crate::effect::{FUEL_PER_STEP, TRANSITIONS_PER_STEP_MAX};
use crate::parse::report as syntax;
use crate::program::{INSTRUCTIONS_MAX, TIMERS_PER_STATE_MAX};
use crate::typed::{COLLECTION_DEFAULT_MAX, Label, MemoryScope, OutcomeKind};
use crate::value::{CURRENCIES, FailureKind};

/// Outcomes with what an arm of them means.
const OUTCOMES: [(OutcomeKind, &str); 10] = [
    (OutcomeKind::Done, "a tool or an agent gave its result"),
    (OutcomeKind::Says, "a person answered in words"),
    (OutcomeKind::Yes, "approved"),
    (OutcomeKind::No, "refused"),
    (OutcomeKind::Late, "nobody answered within the time"),
    (OutcomeKind::Failed, "it failed; the binder holds why"),
    (OutcomeKind::Uncertain, "it may or may not have happened"),
    (OutcomeKind::Complete, "every field of the form is there"),
    (OutcomeKind::Missing, "the binder holds the question of the first missing field"),
    (OutcomeKind::Nothing, "the words held nothing for the form"),
];

/// The whole reference.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Reference\n\nMade from the tables of the parser and the checker; a test fails when it differs from them. The \
         [tour](tour.md) explains, the [rulings](rulings.md) decide.\n\n",
    );
    // Writing to a `String` cannot fail.
    let _ = list(&mut out, "Types", BUILT_IN_TYPES.iter().copied());
    out.push_str(
        "Besides: `text max N`, `int A to B`, `money eur`, `list max N of T`, `map max N of T`, `T?`, `R so far`, records, \
         unions, and the result of a tool by the tool's name.\n\n",
    );
    let _ = list(&mut out, "Currencies", CURRENCIES.iter().map(|(code, _)| *code));
    let _ = list(&mut out, "Words that name neither slots nor locals", syntax::RESERVED.iter().copied());
    out.push_str("## Outcomes\n\n| arm | when |\n|---|---|\n");
    for (kind, meaning) in OUTCOMES {
        let _ = writeln!(out, "| `{}` | {meaning} |", kind.word());
    }
    out.push('\n');
    let _ = list(&mut out, "Kinds of failure", FailureKind::ALL.iter().map(|kind| kind.word()));
    let _ = list(&mut out, "Labels of information", Label::ALL.iter().map(|label| label.word()));
    let _ = list(&mut out, "Scopes of memory", MemoryScope::ALL.iter().map(|scope| scope.word()));
    let _ = limits(&mut out);
    let _ = constructs(&mut out);
    let _ = diagnostics(&mut out);
    out
}

fn list<'a>(out: &mut String, title: &str, words: impl Iterator<Item = &'a str>) -> std::fmt::Result {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    writeln!(out, "## {title}\n\n{}\n", words.join(", "))
}

fn limits(out: &mut String) -> std::fmt::Result {
    writeln!(out, "## Limits\n\n| what | most |\n|---|---|")?;
    let rows = [
        ("items of a list or map without `max`", u64::from(COLLECTION_DEFAULT_MAX)),
        ("deadlines of one state", TIMERS_PER_STATE_MAX as u64),
        ("instructions of one agent", INSTRUCTIONS_MAX as u64),
        ("instructions of one step", FUEL_PER_STEP),
        ("arrows of one step", u64::from(TRANSITIONS_PER_STEP_MAX)),
    ];
    for (what, most) in rows {
        writeln!(out, "| {what} | {most} |")?;
    }
    writeln!(out)
}

fn constructs(out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "## What a host must perform\n\nA host that does not perform one of these refuses it with `E0901`.\n"
    )?;
    let names: Vec<String> = Construct::ALL.iter().map(|construct| construct.words().to_string()).collect();
    writeln!(out, "{}\n", names.join("; "))
}

fn diagnostics(out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "## Diagnostics\n\n`blufio explain CODE` shows each with an example.\n\n| code | what |\n|---|---|"
    )?;
    let mut pages: Vec<(&str, &str)> = syntax::PAGES
        .iter()
        .map(|page| (page.code, page.title))
        .chain(report::PAGES.iter().map(|page| (page.code, page.title)))
        .collect();
    pages.sort_unstable();
    for (code, title) in pages {
        writeln!(out, "| [{code}](diagnostics.md#{}) | {title} |", code.to_lowercase())?;
    }
    Ok(())
}

/// One page per diagnostic, as Markdown.
pub fn diagnostics_markdown() -> String {
    let mut out = String::from("# Diagnostics\n\nMade from the pages of `blufio explain`.\n");
    let mut pages: Vec<(&str, &str, &str)> = syntax::PAGES
        .iter()
        .map(|page| (page.code, page.title, page.text))
        .chain(report::PAGES.iter().map(|page| (page.code, page.title, page.text)))
        .collect();
    pages.sort_unstable();
    for (code, title, text) in pages {
        let _ = write!(out, "\n## {code}\n\n**{title}**\n\n{}\n", text.trim_end());
    }
    out
}
