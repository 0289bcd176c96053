// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the parser share: parsed files as comparable text, and tokens to damage.

use blufio_lang::ast::{File, Item};
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::parse::parse;

/// Time that this thread has spent on a processor: other load on the machine does not count.
pub fn processor_time() -> std::time::Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    std::time::Duration::from_nanos(spent.split(' ').next().unwrap().parse().unwrap())
}

/// Parses a text that lies at the beginning of the address space.
pub fn parsed(text: &str) -> (File, Diagnostics) {
    parse("test.agent", text, 0)
}

/// Codes in the order they were found.
pub fn codes(diagnostics: &Diagnostics) -> Vec<&'static str> {
    diagnostics.iter().map(|d| d.code).collect()
}

/// A tree as text without places, so that trees of differently spaced files compare equal.
pub fn without_places(tree: &impl std::fmt::Debug) -> String {
    let text = format!("{tree:?}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Span { start") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find('}').unwrap();
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// The declarations of a file as comparable text.
pub fn shapes(items: &[Item]) -> Vec<String> {
    items.iter().map(without_places).collect()
}

/// Byte ranges of the words, numbers, quoted texts and signs of a program, without comments and blanks.
pub fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += 1;
                }
                at += 1;
            }
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b if is_word(b) => {
                while at < bytes.len() && is_word(bytes[at]) {
                    at += 1;
                }
            }
            b'-' if bytes[at..].starts_with(b"->") => at += 2,
            _ => at += 1,
        }
        out.push(start..at);
    }
    out
}
