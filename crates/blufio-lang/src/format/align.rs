// SPDX-License-Identifier: MIT OR Apache-2.0
//! Columns in lines that follow each other. Widths are characters, and depend on tokens only, never on the blanks that
//! the author wrote.

use super::layout::{Line, pairs};
use super::places::{Places, Row};
use super::token::{Kind, Token};

/// A brace that would stand behind this column is not aligned.
const BRACE_COLUMN_MAX: usize = 48;
/// An arrow that would stand behind this column is not aligned.
const ARROW_COLUMN_MAX: usize = 88;
/// A comment that would stand behind this column is not aligned.
const COMMENT_COLUMN_MAX: usize = 100;

/// A column this far behind the leftmost one of its lines is not aligned: it would tear the others apart.
const SPREAD_MAX: usize = 36;

/// Widens gaps.
pub(super) fn align(lines: &mut [Line], tokens: &[Token<'_>], places: &Places) {
    let pairs = pairs(tokens);
    let rows: Vec<Option<Row>> = lines.iter().map(|line| row(line, tokens, places, &pairs)).collect();
    for run in runs(lines, |at| rows[at].map(|row| (std::mem::discriminant(&row), lines[at].indent))) {
        let lines = &mut lines[run.clone()];
        match rows[run.start] {
            Some(Row::Equals) => pad(lines, tokens, ARROW_COLUMN_MAX, |line| equals(line, tokens)),
            Some(Row::Zone) => {
                pad(lines, tokens, ARROW_COLUMN_MAX, |line| {
                    (line.end > line.first + 1).then_some(line.first + 1)
                });
                pad(lines, tokens, ARROW_COLUMN_MAX, |line| max_of_zone(line, tokens));
            }
            Some(Row::Arm(_)) => {
                let action = |line: &Line| match places.rows.get(&line.first) {
                    Some(Row::Arm(action)) => *action,
                    _ => None,
                };
                pad(lines, tokens, BRACE_COLUMN_MAX, |line| {
                    action(line).filter(|at| tokens[*at].is_sign("{"))
                });
                pad(lines, tokens, ARROW_COLUMN_MAX, |line| {
                    let action = action(line)?;
                    if tokens[action].is_sign("->") {
                        return Some(action);
                    }
                    let arrow = pairs[action].checked_sub(2)?;
                    (tokens[arrow].is_sign("->") && places.starts[arrow]).then_some(arrow)
                });
            }
            None => {}
        }
    }
    let has_comment = |line: &Line| comment(line, tokens).is_some();
    for run in runs(lines, |at| has_comment(&lines[at]).then_some(())) {
        pad(&mut lines[run], tokens, COMMENT_COLUMN_MAX, |line| comment(line, tokens));
    }
}

/// What a line is a row of, when it holds all of it and nothing else.
fn row(line: &Line, tokens: &[Token<'_>], places: &Places, pairs: &[usize]) -> Option<Row> {
    let row = *places.rows.get(&line.first)?;
    let code_end = comment(line, tokens).unwrap_or(line.end);
    if (line.first..code_end).any(|at| tokens[at].width().is_none() || pairs[at] >= code_end) {
        return None;
    }
    let is_alone = match row {
        Row::Arm(Some(action)) if places.items[line.first] => action < code_end,
        Row::Arm(Some(action)) if tokens[action].is_sign("{") => pairs[action] + 1 == code_end,
        Row::Arm(Some(action)) => action + 2 == code_end,
        Row::Equals | Row::Zone | Row::Arm(None) => {
            (line.first + 1..code_end).all(|at| !places.rows.contains_key(&at))
        }
    };
    is_alone.then_some(row)
}

/// Lines that follow each other without a blank line and share a key.
fn runs<K: PartialEq>(lines: &[Line], key: impl Fn(usize) -> Option<K>) -> Vec<std::ops::Range<usize>> {
    let mut out: Vec<std::ops::Range<usize>> = Vec::new();
    let mut last: Option<K> = None;
    for (at, line) in lines.iter().enumerate() {
        let here = key(at);
        if here.is_some() {
            match out.last_mut() {
                Some(run) if here == last && !line.is_blank_before => run.end = at + 1,
                _ => out.push(at..at + 1),
            }
        }
        last = here;
    }
    out
}

/// Column of a token.
fn column(line: &Line, tokens: &[Token<'_>], token: usize) -> usize {
    let before = (line.first..token).map(|at| tokens[at].width().unwrap_or(0)).sum::<usize>();
    let gaps = line.gaps.iter().take(token + 1 - line.first).sum::<usize>();
    line.indent + before + gaps
}

/// Brings the tokens that `find` names to one column.
fn pad(lines: &mut [Line], tokens: &[Token<'_>], column_max: usize, find: impl Fn(&Line) -> Option<usize>) {
    let columns: Vec<Option<(usize, usize)>> = lines
        .iter()
        .map(|line| {
            let token = find(line)?;
            let column = column(line, tokens, token);
            (column <= column_max).then_some((token, column))
        })
        .collect();
    let all = || columns.iter().flatten().map(|(_, column)| *column);
    let column_max = all().min().unwrap_or(0) + SPREAD_MAX;
    let Some(widest) = all().filter(|column| *column <= column_max).max() else { return };
    for (line, found) in lines.iter_mut().zip(&columns) {
        if let Some((token, column)) = *found
            && column <= column_max
        {
            line.gaps[token - line.first] += widest - column;
        }
    }
}

/// The comment at the end of a line of code.
fn comment(line: &Line, tokens: &[Token<'_>]) -> Option<usize> {
    let last = line.end.checked_sub(1)?;
    let is_multiline = (line.first..last).any(|at| tokens[at].width().is_none());
    (last > line.first && tokens[last].kind == Kind::Comment && !is_multiline).then_some(last)
}

fn equals(line: &Line, tokens: &[Token<'_>]) -> Option<usize> {
    (line.first..line.end).find(|at| tokens[*at].is_sign("="))
}

fn max_of_zone(line: &Line, tokens: &[Token<'_>]) -> Option<usize> {
    (line.first + 1..line.end).find(|at| tokens[*at].kind == Kind::Word && tokens[*at].text == "max")
}
