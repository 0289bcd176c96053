// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is decided before the grammar: encoding, foreign files, depth, characters, and where declarations begin.

use std::ops::Range;

use super::report;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Longest name, bytes.
pub(super) const IDENTIFIER_BYTES_MAX: usize = 64;
/// Longest text in quotes, bytes.
const STRING_BYTES_MAX: usize = 65_536;
/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 64;

/// Why bytes are not a program's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Stable code.
    pub code: &'static str,
    /// Byte offset.
    pub offset: usize,
    /// What is wrong.
    pub title: String,
    /// What to do.
    pub hint: &'static str,
}

/// Bytes of a file as text: UTF-8, a byte order mark removed, line ends unified.
pub fn decode(bytes: &[u8]) -> Result<String, DecodeError> {
    let wrong = |code, offset, title: String, hint| Err(DecodeError { code, offset, title, hint });
    if bytes.starts_with(b"PK\x03\x04") {
        return wrong("E0008", 0, "this is a ZIP archive (a dot-agent bundle), not a Blufio program".into(), "move it out of the folder");
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return wrong("E0002", 0, "the file is UTF-16, not UTF-8".into(), "save it as UTF-8");
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return wrong("E0002", at, format!("NUL byte at offset {at}: not a text"), "save it as UTF-8 text");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Err(error) => {
            let at = error.valid_up_to();
            wrong("E0002", at, format!("the byte at offset {at} is not UTF-8"), "save it as UTF-8")
        }
    }
}

/// What the scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Makes parsing pointless or dangerous.
    pub fatal: Option<Diagnostic>,
    pub findings: Vec<Diagnostic>,
    /// Ranges of `"""` texts, in which a line start means nothing.
    pub long_strings: Vec<Range<usize>>,
    pub has_foreign_characters: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Code,
    Text,
    LongText,
}

/// One pass over the characters with a small stack, so that nothing recursive ever sees bottomless input.
pub(super) fn scan(text: &str, base: u32) -> Scan {
    let mut out = Scan::default();
    let bytes = text.as_bytes();
    let span = |from: usize, to: usize| Span::new(base + from as u32, base + to as u32);
    // Each entry: what we were in before an opening, and where it opened.
    let mut stack: Vec<(Mode, usize)> = Vec::new();
    let (mut mode, mut opened, mut at) = (Mode::Code, 0usize, 0usize);
    while at < bytes.len() {
        let rest = &bytes[at..];
        match (mode, rest[0]) {
            (Mode::Code, b'/') if rest.starts_with(b"//") => {
                at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                continue;
            }
            (Mode::Code, b'"') => {
                let long = rest.starts_with(b"\"\"\"");
                stack.push((mode, opened));
                (mode, opened) = (if long { Mode::LongText } else { Mode::Text }, at);
                at += if long { 3 } else { 1 };
                continue;
            }
            (Mode::Text | Mode::LongText, b'\\') => {
                at += 2;
                continue;
            }
            (Mode::Text | Mode::LongText, b'"') if mode == Mode::Text || rest.starts_with(b"\"\"\"") => {
                at += if mode == Mode::LongText { 3 } else { 1 };
                if at - opened > STRING_BYTES_MAX {
                    out.findings.push(report::too_long("text", STRING_BYTES_MAX, span(opened, opened + 1)));
                }
                if mode == Mode::LongText {
                    out.long_strings.push(opened..at);
                }
                (mode, opened) = stack.pop().unwrap_or((Mode::Code, at));
                continue;
            }
            (Mode::Text, b'\n') => {
                // The text is not closed on its line; the grammar says so. What was around it goes on.
                (mode, opened) = stack.pop().unwrap_or((Mode::Code, at));
            }
            (Mode::Text | Mode::LongText, b'{') | (Mode::Code, b'{' | b'(' | b'[') => {
                stack.push((mode, opened));
                (mode, opened) = (Mode::Code, at);
                if stack.len() > DEPTH_MAX {
                    out.fatal = Some(report::too_deep(span(at, at + 1), "brackets nest too deeply", DEPTH_MAX));
                    return out;
                }
            }
            (Mode::Code, b'}' | b')' | b']') => {
                (mode, opened) = stack.pop().unwrap_or((Mode::Code, at));
            }
            (Mode::Code, byte) if !byte.is_ascii() || (byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')) => {
                let c = text[at..].chars().next().unwrap_or(' ');
                if !out.has_foreign_characters {
                    out.findings.push(report::foreign_character(c, span(at, at + c.len_utf8())));
                }
                out.has_foreign_characters = true;
                at += c.len_utf8();
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    out
}

const DECLARATIONS: &[&str] = &[
    "agent", "routes", "shared", "goal", "language", "zone", "models", "budget", "can", "context", "type", "keep", "rules", "start", "state",
    "anywhere", "migrate", "test", "people",
];

/// Kinds of files, by their first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    Shared,
    Routes,
}

fn first_word(line: &str) -> &str {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
    &line[..end]
}

/// First line that is neither blank nor a comment.
fn first_code_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with("//"))
}

/// Kind of the file that begins with this piece.
pub(super) fn file_kind(piece: &str) -> Option<Kind> {
    match first_word(first_code_line(piece)?) {
        "agent" => Some(Kind::Agent),
        "shared" => Some(Kind::Shared),
        "routes" => Some(Kind::Routes),
        _ => None,
    }
}

/// What to say about a file that begins with none of our words.
pub(super) fn foreign_file(piece: &str, offset: u32) -> Diagnostic {
    let line = first_code_line(piece).unwrap_or("");
    let start = offset + piece.find(line).unwrap_or(0) as u32;
    let span = Span::new(start, start + line.len() as u32);
    let is_salesforce = ["system:", "config:", "# @dialect:"].iter().any(|mark| line.starts_with(mark));
    if is_salesforce {
        return report::foreign_file("a Salesforce Agent Script", span);
    }
    report::unknown_kind(first_word(line), span)
}

/// Cuts a file at declaration words at the start of a line (and, in a routes file, at every such line). `///` lines
/// directly above belong to the piece below them.
pub(super) fn pieces(text: &str, long_strings: &[Range<usize>]) -> Vec<Range<usize>> {
    if first_code_line(text).is_none() {
        return Vec::new();
    }
    let is_routes = file_kind(text) == Some(Kind::Routes);
    let (mut starts, mut at, mut doc_start, mut long) = (vec![0], 0, None, long_strings.iter().peekable());
    let mut seen_head = false;
    for line in text.split_inclusive('\n') {
        while long.next_if(|range| range.end <= at).is_some() {}
        let in_text = long.peek().is_some_and(|range| range.start < at);
        let is_code = !in_text && line.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_code && (DECLARATIONS.contains(&first_word(line)) || is_routes) {
            if seen_head {
                starts.push(doc_start.unwrap_or(at));
            }
            seen_head = true;
        } else if is_code && !seen_head {
            seen_head = true;
        }
        let is_doc = !in_text && line.starts_with("///");
        doc_start = if is_doc { doc_start.or(Some(at)) } else { None };
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]).collect::<Vec<_>>();
    starts.into_iter().zip(ends).map(|(start, end)| start..end).collect()
}
