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
        return wrong(
            "E0008",
            0,
            "this is a ZIP archive (a dot-agent bundle), not a Blufio program".into(),
            "move it out of the folder",
        );
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return wrong("E0002", 0, "the file is UTF-16, not UTF-8".into(), "save it as UTF-8");
    }
    let all = bytes.len();
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    let skipped = all - bytes.len();
    if let Some(at) = bytes.iter().position(|b| *b == 0).map(|at| at + skipped) {
        return wrong("E0002", at, format!("NUL byte at offset {at}: not a text"), "save it as UTF-8 text");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Err(error) => {
            let at = error.valid_up_to() + skipped;
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
    /// Where lines begin that belong to no text in quotes and start with a letter.
    pub lines: Vec<usize>,
}

/// One pass over the characters with a small stack, so that nothing recursive ever sees bottomless input.
pub(super) fn scan(text: &str, base: u32) -> Scan {
    let mut out = Scan::default();
    let span = |range: Range<usize>| Span::new(base + range.start as u32, base + range.end as u32);
    let mut walk = Walk::new(text);
    let (mut has_restarted, mut foreign_end) = (false, 0);
    loop {
        if walk.at_line_start() {
            out.lines.push(walk.at);
        }
        match walk.advance() {
            Event::Nothing => {}
            Event::TooDeep(at) => {
                out.fatal =
                    Some(report::too_deep(span(at..at + 1), "brackets and types nest too deeply", DEPTH_MAX));
                return out;
            }
            Event::Closed(text) if text.len() > STRING_BYTES_MAX => {
                out.findings.push(report::too_long(
                    "text",
                    STRING_BYTES_MAX,
                    span(text.start..text.start + 1),
                ));
            }
            Event::Closed(_) => {}
            // A quote behind an open brace was meant to close the text: one mistake, told as the brace at the line's end.
            Event::OpenText(_) if walk.stack.iter().any(|open| open.kind == Kind::Text) => {}
            Event::OpenText(at) => out.findings.push(report::open_text(span(at..walk.at))),
            Event::OpenBrace(at) => out
                .findings
                .push(report::unbalanced(span(at..at + 1), "this brace is not closed on its line")),
            // A whole word of another script is one finding.
            Event::Foreign(_, at) if foreign_end == at && at > 0 => foreign_end = walk.at,
            Event::Foreign(c, at) => {
                foreign_end = walk.at;
                out.findings.push(report::foreign_character(c, span(at..at + c.len_utf8())));
            }
            Event::End => match walk.open_long_text() {
                Some(at) if !has_restarted => {
                    out.findings.push(report::open_text(span(at..at + 3)));
                    // What follows is read as if the quotes were not there, once, so that it is not lost.
                    walk.stack.clear();
                    walk.at = at + 3;
                    has_restarted = true;
                }
                _ => return out,
            },
        }
    }
}

/// Where the braces of a value in a text begin, when a place lies inside of them.
pub(super) fn value_around(text: &str, place: usize) -> Option<usize> {
    let mut walk = Walk::new(text);
    while walk.at < place {
        if matches!(walk.advance(), Event::End) {
            break;
        }
    }
    let in_text = walk.stack.iter().rposition(|open| open.kind.is_text())?;
    walk.stack.get(in_text + 1).map(|open| open.at)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Curly,
    Round,
    Square,
    Text,
    LongText,
}

impl Kind {
    fn is_text(self) -> bool {
        matches!(self, Kind::Text | Kind::LongText)
    }
}

/// Something opened and not yet closed.
#[derive(Debug, Clone, Copy)]
struct Open {
    kind: Kind,
    at: usize,
    /// Words that nest without brackets (`list of list of`) and stood directly before it.
    words: usize,
}

enum Event {
    Nothing,
    /// A text in quotes ended.
    Closed(Range<usize>),
    /// A text that does not end on its line began here.
    OpenText(usize),
    /// A value in a text whose brace does not close on the line began here.
    OpenBrace(usize),
    Foreign(char, usize),
    TooDeep(usize),
    End,
}

/// Follows quotes, braces and comments through a text, one token at a time.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    stack: Vec<Open>,
    /// Nesting words directly before this place.
    words: usize,
    /// Nesting words before all open brackets.
    words_below: usize,
}

impl<'t> Walk<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, stack: Vec::new(), words: 0, words_below: 0 }
    }

    fn at_line_start(&self) -> bool {
        let bytes = self.text.as_bytes();
        let is_start = self.at == 0 || bytes.get(self.at - 1) == Some(&b'\n');
        is_start && bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) && self.open_long_text().is_none()
    }

    fn open_long_text(&self) -> Option<usize> {
        self.stack.iter().find(|open| open.kind == Kind::LongText).map(|open| open.at)
    }

    fn advance(&mut self) -> Event {
        let rest = &self.text.as_bytes()[self.at..];
        let Some(&byte) = rest.first() else { return Event::End };
        match self.stack.last().map(|open| open.kind) {
            Some(kind) if kind.is_text() => self.advance_in_text(kind, byte),
            _ => self.advance_in_code(byte),
        }
    }

    fn advance_in_text(&mut self, kind: Kind, byte: u8) -> Event {
        let rest = &self.text.as_bytes()[self.at..];
        let is_long = kind == Kind::LongText;
        match byte {
            b'\\' => {
                self.at += if rest.get(1).is_some_and(|b| *b != b'\n') { 2 } else { 1 };
                while !self.text.is_char_boundary(self.at) {
                    self.at += 1;
                }
            }
            b'"' if !is_long || rest.starts_with(b"\"\"\"") => {
                self.at += if is_long { 3 } else { 1 };
                let start = self.pop().map_or(self.at, |open| open.at);
                return Event::Closed(start..self.at);
            }
            b'\n' if !is_long => {
                let start = self.pop().map_or(self.at, |open| open.at);
                return Event::OpenText(start);
            }
            b'{' => return self.open(Kind::Curly, 1),
            _ => {
                let length =
                    rest.iter().position(|b| matches!(b, b'\\' | b'"' | b'\n' | b'{')).unwrap_or(rest.len());
                self.at += length.max(1);
                if self.at == self.text.len() && !is_long {
                    let start = self.pop().map_or(self.at, |open| open.at);
                    return Event::OpenText(start);
                }
            }
        }
        Event::Nothing
    }

    fn advance_in_code(&mut self, byte: u8) -> Event {
        let rest = &self.text.as_bytes()[self.at..];
        match byte {
            b'/' if rest.starts_with(b"//") => {
                self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
            }
            b'\n' => {
                self.at += 1;
                return self.line_end();
            }
            b' ' | b'\t' | b'\r' => self.at += 1,
            b'"' if rest.starts_with(b"\"\"\"") => return self.open(Kind::LongText, 3),
            b'"' => return self.open(Kind::Text, 1),
            b'{' => return self.open(Kind::Curly, 1),
            b'(' => return self.open(Kind::Round, 1),
            b'[' => return self.open(Kind::Square, 1),
            b'}' => self.close(Kind::Curly),
            b')' => self.close(Kind::Round),
            b']' => self.close(Kind::Square),
            b'?' => return self.nesting_word(1),
            _ if byte.is_ascii_alphanumeric() || byte == b'_' => {
                let length = rest
                    .iter()
                    .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
                    .unwrap_or(rest.len());
                match &rest[..length] {
                    b"of" | b"so" | b"length" | b"first" => return self.nesting_word(length),
                    b"list" | b"map" | b"max" | b"far" => {}
                    word if word.iter().all(u8::is_ascii_digit) => {}
                    _ => self.words = 0,
                }
                self.at += length;
            }
            _ if byte.is_ascii_graphic() => {
                self.words = 0;
                self.at += 1;
            }
            _ => {
                let (c, at) = (self.text[self.at..].chars().next().unwrap_or(' '), self.at);
                self.at += c.len_utf8();
                return Event::Foreign(c, at);
            }
        }
        Event::Nothing
    }

    fn open(&mut self, kind: Kind, length: usize) -> Event {
        let at = self.at;
        self.at += length;
        self.stack.push(Open { kind, at, words: self.words });
        self.words_below += self.words;
        self.words = 0;
        self.event_of_depth(at)
    }

    fn nesting_word(&mut self, length: usize) -> Event {
        let at = self.at;
        self.at += length;
        self.words += 1;
        self.event_of_depth(at)
    }

    fn event_of_depth(&self, at: usize) -> Event {
        if self.stack.len() + self.words_below + self.words > DEPTH_MAX {
            Event::TooDeep(at)
        } else {
            Event::Nothing
        }
    }

    fn pop(&mut self) -> Option<Open> {
        let open = self.stack.pop()?;
        self.words_below -= open.words;
        self.words = 0;
        Some(open)
    }

    /// A round or square bracket closes only its own kind; a curly one also closes what was forgotten inside of it.
    fn close(&mut self, kind: Kind) {
        self.at += 1;
        let inner = self.stack.iter().rposition(|open| open.kind.is_text()).map_or(0, |at| at + 1);
        let opened = self.stack.iter().skip(inner).rposition(|open| open.kind == kind);
        match opened {
            Some(opened) if kind == Kind::Curly || inner + opened + 1 == self.stack.len() => {
                while self.stack.len() > inner + opened {
                    self.pop();
                }
            }
            _ => self.words = 0,
        }
    }

    fn line_end(&mut self) -> Event {
        // A value in a text on one line cannot go on in the next one.
        if let Some(in_text) = self.stack.iter().position(|open| open.kind == Kind::Text) {
            let brace = self.stack.get(in_text + 1).map_or(self.at - 1, |open| open.at);
            while self.stack.len() > in_text {
                self.pop();
            }
            return Event::OpenBrace(brace);
        }
        // A declaration begins from nothing, whatever the one above forgot to close.
        if self.open_long_text().is_none() && is_declaration(&self.text[self.at..]) {
            while self.pop().is_some() {}
        }
        Event::Nothing
    }
}

const DECLARATIONS: &[&str] = &[
    "agent", "routes", "shared", "goal", "language", "zone", "models", "budget", "can", "context", "type",
    "keep", "rules", "start", "state", "anywhere", "migrate", "test", "people",
];

/// Kinds of files, by their first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileWord {
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
pub(super) fn file_kind(piece: &str) -> Option<FileWord> {
    match first_word(first_code_line(piece)?) {
        "agent" => Some(FileWord::Agent),
        "shared" => Some(FileWord::Shared),
        "routes" => Some(FileWord::Routes),
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

/// Whether a line begins with a word that opens a declaration. Such a word may also name a field or an argument.
fn is_declaration(line: &str) -> bool {
    let word = first_word(line);
    let follows = line[word.len()..].trim_start_matches([' ', '\t']).bytes().next();
    DECLARATIONS.contains(&word) && !matches!(follows, Some(b':' | b'.' | b'(' | b',' | b'-'))
}

/// Cuts a file at declaration words at the start of a line (and, in a routes file, at every such line). `///` lines
/// directly above belong to the piece below them.
pub(super) fn pieces(text: &str, lines: &[usize]) -> Vec<Range<usize>> {
    if first_code_line(text).is_none() {
        return Vec::new();
    }
    let is_routes = file_kind(text) == Some(FileWord::Routes);
    // The first line of code is the head of the file, whatever it says.
    let head = text.find(first_code_line(text).unwrap_or("")).unwrap_or(0);
    let cuts = lines.iter().copied().filter(|at| *at > head && (is_routes || is_declaration(&text[*at..])));
    let mut starts = vec![0];
    for cut in cuts {
        let above = &text[starts.last().copied().unwrap_or(0)..cut];
        starts.push(cut - doc_length(above));
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]).collect::<Vec<_>>();
    starts.into_iter().zip(ends).map(|(start, end)| start..end).collect()
}

/// Bytes of the `///` lines at the end of a text.
fn doc_length(above: &str) -> usize {
    above.split_inclusive('\n').rev().take_while(|line| line.starts_with("///")).map(str::len).sum()
}
