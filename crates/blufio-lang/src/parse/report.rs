// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the parser says, and the pages of its codes.

use crate::check::report::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Words that begin a step or a handler and therefore name nothing else.
pub const RESERVED: &[&str] = &[
    "add", "after", "approve", "ask", "call", "done", "each", "every", "fill", "forget", "on", "pick",
    "recall", "remember", "reply", "run", "send", "show", "together", "turn", "wake", "when", "write", "and",
    "or", "not", "is", "contains", "between", "length", "first", "now", "wakes", "yes", "no", "none", "else",
];

const fn page(code: &'static str, title: &'static str, text: &'static str) -> Page {
    Page { code, title, text }
}

/// Pages of the parser, by code.
pub const PAGES: &[Page] = &[
    page(
        "E0001",
        "nothing is declared",
        "The file is empty or holds only comments. An .agent file begins with its kind:\n\n    agent assistant v1\n\nor `routes`, or `shared NAME`.\n",
    ),
    page(
        "E0002",
        "not readable as text",
        "Files are UTF-8 without NUL bytes. A byte order mark is accepted, `\\r\\n` and `\\n` mean the same. Save the file as\nUTF-8 in your editor.\n",
    ),
    page(
        "E0003",
        "a declaration that cannot be read",
        "The text does not follow the grammar at this place. The other declarations of the file are checked all the same.\nAn arm is `label -> STATE` or `label { steps }`.\n\nRefused:\n\n    pick Wish using fast from m \"?\" { question }\n\nAccepted:\n\n    pick Wish using fast from m \"?\" { question -> answer }\n",
    ),
    page(
        "E0004",
        "nested too deeply",
        "Brackets may stand 64 deep, an expression may have 64 operators. Give parts of it a name:\n\n    sum = a + b\n",
    ),
    page(
        "E0005",
        "too long",
        "A name has at most 64 bytes, a text at most 65,536. Long instructions belong into a file of the static zone.\n",
    ),
    page(
        "E0006",
        "a malformed number",
        "Whole numbers fit 64 bits and are written in decimal; decimals are `0.5`; there is no `0x`, no exponent, no NaN.\nDurations are `30s`, `10m`, `4h`, `1d`, `2w`; times `08:00`; dates `2026-11-21`; money `20 eur`.\n",
    ),
    page(
        "E0007",
        "unbalanced braces in a text",
        "In a text, `{name}` inserts a value. A brace that is meant as a brace is written `\\{`.\n\nRefused:\n\n    reply \"Hello {name\"\n\nAccepted:\n\n    reply \"Hello {name}\"\n",
    ),
    page(
        "E0008",
        "not a Blufio program",
        "The extension .agent is used by others too: Salesforce Agent Script (text that begins with `system:`, `config:` or\n`# @dialect:`) and dot-agent bundles (ZIP archives). Blufio programs begin with `agent NAME v1`, `routes` or `shared\nNAME`.\n",
    ),
    page(
        "E0009",
        "a character that looks like another",
        "Names are made of a-z, A-Z, 0-9 and _. Letters of other scripts and invisible characters are refused outside of texts\nand comments, because two names that look the same would not be the same.\n",
    ),
    page(
        "E0010",
        "an unknown kind of file",
        "The first line says what a file is: `agent NAME v1`, `agent NAME v1 (question: text) gives text`, `routes`, or\n`shared NAME`. A file for a newer version of Blufio may begin with something else.\n",
    ),
    page(
        "E0011",
        "a reserved word as a name",
        "Words that begin a step (`reply`, `call`, `when` …) and operators (`is`, `or` …) cannot name states, slots, types or\nlocals. After a dot and as a field's or argument's name any word is legal.\n",
    ),
    page(
        "E0012",
        "an unknown unit",
        "Durations end in ms, s, m, h, d or w. Currencies are a closed list of ISO codes in lower case.\n",
    ),
];

fn error(code: &'static str, span: Span, title: impl Into<String>, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, span, title, label)
}

pub(super) fn nothing_declared(path: &str, span: Span) -> Diagnostic {
    error(
        "E0001",
        Span::new(span.start, span.start),
        format!("no agent declared in `{path}`"),
        "the file is empty or holds only comments",
    )
    .hint("begin it with `agent NAME v1`, `routes` or `shared NAME`")
}

pub(super) fn syntax(span: Span, title: String, label: String) -> Diagnostic {
    error("E0003", span, title, label)
}

pub(super) fn too_deep(span: Span, what: &str, max: usize) -> Diagnostic {
    error("E0004", span, format!("{what} (at most {max})"), "too deep")
        .hint("give parts of it a name, or split the state")
}

pub(super) fn too_long(what: &str, max: usize, span: Span) -> Diagnostic {
    error("E0005", span, format!("this {what} is longer than {max} bytes"), "too long")
        .hint("shorten it; long texts belong into a file of the static zone")
}

pub(super) fn bad_number(text: &str, why: &str, span: Span) -> Diagnostic {
    let short: String = text.chars().take(40).collect();
    error("E0006", span, format!("`{short}` is not a number that can be used: {why}"), "malformed")
        .hint("whole numbers like 42, decimals like 0.5, durations like 30m, times like 08:00, dates like 2026-11-21, money like 20 eur")
}

pub(super) fn unknown_unit(text: &str, span: Span) -> Diagnostic {
    let short: String = text.chars().take(40).collect();
    error("E0012", span, format!("`{short}` has a unit that does not exist"), "unknown unit")
        .hint("durations end in ms, s, m, h, d or w")
}

pub(super) fn open_text(span: Span) -> Diagnostic {
    error("E0003", span, "this text is not closed", "the closing quote is missing")
        .hint("a text ends on its line; use \"\"\" for longer ones")
}

pub(super) fn unknown_currency(word: &str, span: Span) -> Diagnostic {
    error("E0012", span, format!("`{word}` is not a currency"), "unknown currency")
        .hint("currencies are ISO codes in lower case, like eur or usd")
}

pub(super) fn unbalanced(span: Span, label: &str) -> Diagnostic {
    error("E0007", span, "unbalanced braces in a text", label)
        .hint("`{name}` inserts a value; write `\\{` for a brace")
}

pub(super) fn foreign_file(what: &str, span: Span) -> Diagnostic {
    error("E0008", span, format!("this is {what}, not a Blufio program"), "another product's file")
        .hint("move it out of the folder, or write a program that begins with `agent NAME v1`")
}

pub(super) fn foreign_character(c: char, span: Span) -> Diagnostic {
    error("E0009", span, format!("the character U+{:04X} cannot stand here", u32::from(c)), "not a-z, A-Z, 0-9 or _")
        .hint("it may look like another letter or be invisible: type the word again; texts in quotes may hold any character")
}

pub(super) fn unknown_kind(word: &str, span: Span) -> Diagnostic {
    let short: String = word.chars().take(40).collect();
    error("E0010", span, format!("`{short}` is not a kind of file"), "unknown kind")
        .hint("the first line is `agent NAME v1`, `routes` or `shared NAME`")
}

pub(super) fn reserved(name: &str, span: Span) -> Diagnostic {
    error("E0011", span, format!("`{name}` is a reserved word"), "cannot be a name")
        .hint("choose another name")
}
