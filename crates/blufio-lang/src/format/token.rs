// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cuts a text that parses into tokens, with its comments. Texts in quotes are one token each, values inside included.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    Text,
    Sign,
    /// `// …`
    Comment,
    /// `/// …`
    Doc,
}

/// A piece of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// First byte.
    pub offset: usize,
    /// Line ends before it.
    pub newlines: usize,
}

impl Token<'_> {
    pub fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Comment | Kind::Doc)
    }

    pub fn is_opener(&self) -> bool {
        self.kind == Kind::Sign && matches!(self.text, "{" | "(" | "[")
    }

    pub fn is_closer(&self) -> bool {
        self.kind == Kind::Sign && matches!(self.text, "}" | ")" | "]")
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// Width in characters; `None` when it spans several lines.
    pub fn width(&self) -> Option<usize> {
        (!self.text.contains('\n')).then(|| self.text.chars().count())
    }
}

/// All tokens of a text, in order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let (mut at, mut newlines) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            newlines += usize::from(byte == b'\n');
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let (kind, length) = match byte {
            b'/' if rest.starts_with("///") => (Kind::Doc, line_length(rest)),
            b'/' if rest.starts_with("//") => (Kind::Comment, line_length(rest)),
            b'"' => (Kind::Text, text_length(rest)),
            b'0'..=b'9' => (Kind::Number, number_length(rest.as_bytes())),
            _ if is_word(byte) => (Kind::Word, word_length(rest.as_bytes())),
            _ => (Kind::Sign, sign_length(rest)),
        };
        let piece = rest[..length].trim_end();
        out.push(Token { kind, text: piece, offset: at, newlines });
        newlines = 0;
        at += length.max(1);
    }
    out
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn word_length(rest: &[u8]) -> usize {
    rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len())
}

fn sign_length(rest: &str) -> usize {
    let double = ["->", "+=", "-=", "<=", ">="].iter().any(|sign| rest.starts_with(sign));
    if double { 2 } else { rest.chars().next().map_or(1, char::len_utf8) }
}

/// Dates, times of day, and everything that begins with a digit.
fn number_length(rest: &[u8]) -> usize {
    let shape = |pattern: &[u8]| {
        let fits = rest.len() >= pattern.len()
            && rest.iter().zip(pattern).all(|(b, p)| if *p == b'0' { b.is_ascii_digit() } else { b == p });
        (fits && !rest.get(pattern.len()).is_some_and(|b| is_word(*b))).then_some(pattern.len())
    };
    if let Some(length) = shape(b"0000-00-00").or_else(|| shape(b"00:00")).or_else(|| shape(b"0:00")) {
        return length;
    }
    let mut length = 0;
    while let Some(byte) = rest.get(length) {
        let is_point = *byte == b'.' && rest.get(length + 1).is_some_and(u8::is_ascii_digit);
        if !is_word(*byte) && !is_point {
            break;
        }
        length += 1;
    }
    length
}

/// Length of a text in quotes. Values in braces are code, which may hold texts in quotes and comments again.
fn text_length(rest: &str) -> usize {
    #[derive(Clone, Copy, PartialEq)]
    enum Open {
        Text,
        LongText,
        Brace,
    }
    let bytes = rest.as_bytes();
    let mut stack: Vec<Open> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let here = &bytes[at..];
        let is_long = here.starts_with(b"\"\"\"");
        match (stack.last().copied(), here[0]) {
            (Some(Open::Text | Open::LongText), b'\\') => at += 2,
            (Some(Open::Text | Open::LongText), b'{') | (Some(Open::Brace), b'{') => {
                stack.push(Open::Brace);
                at += 1;
            }
            (Some(Open::Brace), b'}') => {
                stack.pop();
                at += 1;
            }
            (Some(Open::Brace), b'/') if here.starts_with(b"//") => {
                at += here.iter().position(|b| *b == b'\n').unwrap_or(here.len());
            }
            (Some(Open::Text), b'"') => {
                stack.pop();
                at += 1;
            }
            (Some(Open::LongText), b'"') if is_long => {
                stack.pop();
                at += 3;
            }
            (None | Some(Open::Brace), b'"') => {
                stack.push(if is_long { Open::LongText } else { Open::Text });
                at += if is_long { 3 } else { 1 };
            }
            _ => at += 1,
        }
        if stack.is_empty() {
            break;
        }
    }
    let mut length = at.min(bytes.len());
    while !rest.is_char_boundary(length) {
        length += 1;
    }
    length
}
