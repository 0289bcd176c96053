// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines: where they break, how far they are indented, how wide the gaps between tokens are.

use super::places::Places;
use super::token::{Kind, Token};

/// Blanks per level.
const INDENT: usize = 2;

/// One line of the result.
#[derive(Debug)]
pub(super) struct Line {
    pub indent: usize,
    /// First token.
    pub first: usize,
    /// One past the last token.
    pub end: usize,
    pub is_blank_before: bool,
    /// Blanks before each token; that of the first one is 0.
    pub gaps: Vec<usize>,
}

/// Cuts the tokens into lines.
pub(super) fn lines(tokens: &[Token<'_>], places: &Places) -> Vec<Line> {
    let pairs = pairs(tokens);
    let (breaks, is_multiline) = breaks(tokens, places, &pairs);
    let mut out: Vec<Line> = Vec::new();
    // Brackets over several lines: sign and indentation of its line.
    let mut open: Vec<(&str, usize)> = Vec::new();
    let mut first = 0;
    while first < tokens.len() {
        let end = (first + 1..tokens.len()).find(|at| breaks[*at]).unwrap_or(tokens.len());
        let indent = match open.last() {
            Some((_, indent)) if tokens[first].is_closer() => *indent,
            _ => indent(tokens, places, first, open.last().copied()),
        };
        let gaps = (first..end).map(|at| if at == first { 0 } else { gap(tokens, places, at) }).collect();
        let is_blank_before = is_blank_before(tokens, &out, first);
        out.push(Line { indent, first, end, is_blank_before, gaps });
        for at in first..end {
            if is_multiline[at] && tokens[at].is_opener() {
                open.push((tokens[at].text, indent));
            } else if is_multiline[at] {
                open.pop();
            }
        }
        first = end;
    }
    separate_declarations(&mut out, tokens, places);
    out
}

/// The lines as text.
pub(super) fn print(lines: &[Line], tokens: &[Token<'_>]) -> String {
    let mut out = String::new();
    for line in lines {
        if line.is_blank_before {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n(' ', line.indent));
        for (token, gap) in tokens[line.first..line.end].iter().zip(&line.gaps) {
            out.extend(std::iter::repeat_n(' ', *gap));
            out.push_str(token.text);
        }
        out.push('\n');
    }
    out
}

/// For each bracket the index of its other half; for other tokens their own index.
pub(super) fn pairs(tokens: &[Token<'_>]) -> Vec<usize> {
    let mut pairs: Vec<usize> = (0..tokens.len()).collect();
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.is_opener() {
            open.push(at);
        } else if token.is_closer()
            && let Some(opener) = open.pop()
        {
            pairs[opener] = at;
            pairs[at] = opener;
        }
    }
    pairs
}

/// Before which tokens a line begins, and which brackets span several lines.
fn breaks(tokens: &[Token<'_>], places: &Places, pairs: &[usize]) -> (Vec<bool>, Vec<bool>) {
    let mut breaks: Vec<bool> = (0..tokens.len()).map(|at| at > 0 && is_break(tokens, places, at)).collect();
    let before: Vec<usize> = std::iter::once(0)
        .chain(breaks.iter().scan(0, |sum, is_break| {
            *sum += usize::from(*is_break);
            Some(*sum)
        }))
        .collect();
    let mut is_multiline = vec![false; tokens.len()];
    for (opener, &closer) in pairs.iter().enumerate().filter(|(opener, closer)| *closer > opener) {
        if closer == opener + 1 {
            breaks[closer] = false;
        } else if before[closer + 1] > before[opener + 1] {
            is_multiline[opener] = true;
            is_multiline[closer] = true;
            breaks[closer] = true;
            let is_trailing = tokens[opener + 1].kind == Kind::Comment && tokens[opener + 1].newlines == 0;
            breaks[opener + 1] = !is_trailing;
        }
    }
    for at in 1..tokens.len() {
        let is_behind_block = tokens[at - 1].is_closer() && is_multiline[at - 1];
        breaks[at] |= places.starts[at] && is_behind_block;
    }
    (breaks, is_multiline)
}

fn is_break(tokens: &[Token<'_>], places: &Places, at: usize) -> bool {
    let (before, token) = (&tokens[at - 1], &tokens[at]);
    if before.is_comment() || token.kind == Kind::Doc || places.items[at] {
        return true;
    }
    // On one line `5 eur` would be money.
    if places.starts[at] && before.kind == Kind::Number && token.kind == Kind::Word && token.newlines > 0 {
        return true;
    }
    let is_glued =
        token.is_sign("{") || (gap(tokens, places, at) == 0 && !before.is_opener() && !token.is_closer());
    token.newlines > 0 && !is_glued
}

/// Blanks between a token and the one before it on the same line.
fn gap(tokens: &[Token<'_>], places: &Places, at: usize) -> usize {
    let (before, token) = (&tokens[at - 1], &tokens[at]);
    let sign =
        |token: &Token<'_>| if token.kind == Kind::Sign { token.text.to_string() } else { String::new() };
    let (left, right) = (sign(before), sign(token));
    if token.is_comment() {
        return 2;
    }
    match (left.as_str(), right.as_str()) {
        ("(" | "[", _) | (_, ")" | "]") | ("{", "}") => return 0,
        ("{", _) | (_, "}") => return 1,
        (_, "," | ":" | "?" | ".") | (".", _) => return 0,
        _ => {}
    }
    if places.starts[at] {
        return if left == "," { 1 } else { 2 };
    }
    let is_under = || at > 1 && tokens[at - 2].text == "under";
    let is_tight = match right.as_str() {
        _ if left == "-" => is_prefix(tokens, places, at - 1),
        "(" => before.kind == Kind::Word && takes_arguments(tokens, at - 1),
        "[" => is_operand(tokens, at - 1) && before.kind != Kind::Number,
        "%" => before.kind == Kind::Number && is_under(),
        _ => false,
    };
    usize::from(!is_tight)
}

/// Words before a value: what follows them is no argument list, index or right side of an operator.
const BEFORE_VALUE: &[&str] = &[
    "add",
    "after",
    "and",
    "at",
    "between",
    "by",
    "call",
    "changed",
    "complexity",
    "contains",
    "done",
    "each",
    "else",
    "every",
    "first",
    "from",
    "gives",
    "in",
    "int",
    "is",
    "length",
    "not",
    "of",
    "only",
    "or",
    "per",
    "pick",
    "picks",
    "recall",
    "remember",
    "reply",
    "retry",
    "run",
    "show",
    "to",
    "using",
    "wait",
    "when",
    "with",
    "within",
];

/// Whether the word before `(` is a name. The labels `done(…)` and `first(…)` are.
fn takes_arguments(tokens: &[Token<'_>], at: usize) -> bool {
    let word = tokens[at].text;
    let is_version = at >= 2 && tokens[at - 2].text == "agent";
    word == "done" || (is_operand(tokens, at) && !is_version)
}

/// Whether a value can end with this token.
fn is_operand(tokens: &[Token<'_>], at: usize) -> bool {
    let token = &tokens[at];
    match token.kind {
        Kind::Number | Kind::Text => true,
        Kind::Word => (at > 0 && tokens[at - 1].is_sign(".")) || !BEFORE_VALUE.contains(&token.text),
        Kind::Sign => matches!(token.text, ")" | "]" | "?"),
        Kind::Comment | Kind::Doc => at > 0 && is_operand(tokens, at - 1),
    }
}

/// Whether a minus belongs to the value behind it.
fn is_prefix(tokens: &[Token<'_>], places: &Places, at: usize) -> bool {
    places.is_routes || places.starts[at] || at == 0 || !is_operand(tokens, at - 1)
}

/// Indentation of a line that does not begin with a closing sign.
fn indent(tokens: &[Token<'_>], places: &Places, first: usize, open: Option<(&str, usize)>) -> usize {
    let level = open.map_or(0, |(_, indent)| indent + INDENT);
    let Some(code) = (first..tokens.len()).find(|at| !tokens[*at].is_comment()) else { return level };
    let is_list = matches!(open, Some(("(" | "[", _)));
    let continues = !places.starts[code] && !tokens[code].is_closer() && !is_list;
    level + if continues { INDENT } else { 0 }
}

fn is_blank_before(tokens: &[Token<'_>], above: &[Line], first: usize) -> bool {
    let Some(line) = above.last() else { return false };
    let above = &tokens[line.first..line.end];
    let is_opened = match above {
        [.., code, comment] if comment.is_comment() => code.is_opener(),
        [.., code] => code.is_opener(),
        [] => false,
    };
    let is_doc = above.iter().any(|token| token.kind == Kind::Doc);
    tokens[first].newlines > 1 && !tokens[first].is_closer() && !is_opened && !is_doc
}

/// One blank line below the head and between declarations that both span several lines; comments directly above a
/// declaration belong to it.
fn separate_declarations(lines: &mut [Line], tokens: &[Token<'_>], places: &Places) {
    let items: Vec<usize> = (0..lines.len()).filter(|at| places.items[lines[*at].first]).collect();
    let tops: Vec<usize> = items
        .iter()
        .map(|item| {
            let mut top = *item;
            while top > 0 && tokens[lines[top - 1].first].is_comment() && !lines[top].is_blank_before {
                top -= 1;
            }
            top
        })
        .collect();
    let is_long = |number: usize| {
        let next = tops.get(number + 1).copied().unwrap_or(lines.len());
        let mut code = lines[items[number]..next].iter().filter(|line| !tokens[line.first].is_comment());
        let is_text_long =
            |line: &Line| tokens[line.first..line.end].iter().any(|token| token.width().is_none());
        code.next().is_some_and(is_text_long) || code.next().is_some()
    };
    let apart: Vec<usize> = (1..items.len())
        .filter(|number| *number == 1 || (is_long(number - 1) && is_long(*number)))
        .map(|number| tops[number])
        .collect();
    for top in apart {
        lines[top].is_blank_before = top > 0;
    }
}
