// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the parser expected, in the operator's words.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::{Rule, report, scan};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// A syntax error of a piece that begins at `base`.
pub(super) fn syntax_error(source: &str, error: &Error<Rule>, base: u32) -> Diagnostic {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at.min(source.len()),
    };
    let rest = &source[at..];
    let word_length =
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
    let length = if word_length > 0 { word_length } else { rest.chars().next().map_or(0, char::len_utf8) };
    let span = Span::new(base + at as u32, base + (at + length) as u32);
    if let Some(open) = scan::value_around(source, at) {
        let place = Span::new(base + open as u32, base + (at + length) as u32);
        return report::unbalanced(place, "what stands in these braces is not a value");
    }
    if let Some(word) = unknown_currency(source, at) {
        let place = Span::new(base + word.start as u32, base + word.end as u32);
        return report::unknown_currency(&source[word], place);
    }
    let found = match &rest[..length] {
        "" => "the end".to_string(),
        "\n" => "the end of the line".to_string(),
        text => format!("`{}`", text.chars().take(40).collect::<String>()),
    };
    let positives: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut words: Vec<String> = positives.iter().filter_map(|rule| word(*rule)).collect();
    words.sort();
    words.dedup();
    let label = match words.as_slice() {
        [] => "not understood here".to_string(),
        _ if positives.contains(&Rule::arm_body) => {
            "expected `->` or `{`".to_string() + place_of_arm(positives)
        }
        [only] => format!("expected {only}"),
        many if many.len() <= 6 => {
            format!("expected {} or {}", many[..many.len() - 1].join(", "), many[many.len() - 1])
        }
        many => format!("expected {} …", many[..5].join(", ")),
    };
    let diagnostic = report::syntax(span, format!("unexpected {found}"), label);
    if positives.contains(&Rule::arm_body) {
        return diagnostic.hint("what happens is written `-> STATE` or `{ steps }`");
    }
    if source.trim_start().starts_with("budget") {
        return diagnostic
            .hint("a budget is written like `day = 2 usd`, `message = 20 calls` or `message = 5m`");
    }
    diagnostic
}

/// After what an arrow or a block is missing.
fn place_of_arm(positives: &[Rule]) -> &'static str {
    if positives.contains(&Rule::waiting) || positives.contains(&Rule::binder) {
        " after the event"
    } else if positives.contains(&Rule::kw_or) || positives.contains(&Rule::binders) {
        " after the label"
    } else {
        ""
    }
}

/// Where a word of three letters stands behind a number on its line and no grammar goes on: meant as a currency. The
/// error is at the word, or behind it when it was read as the place of an assignment.
fn unknown_currency(source: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let is_letter = |b: u8| b.is_ascii_alphabetic();
    let length = source.as_bytes().get(at..)?.iter().take_while(|b| is_letter(**b)).count();
    let end = if length > 0 { at + length } else { source.get(..at)?.trim_end().len() };
    let start = end.checked_sub(3)?;
    let before = source.get(..start)?;
    let is_word = source.as_bytes()[start..end].iter().all(|b| is_letter(*b));
    let is_behind_number =
        before.ends_with(' ') && before.trim_end_matches(' ').ends_with(|c: char| c.is_ascii_digit());
    (is_word && is_behind_number && !report::RESERVED.contains(&&source[start..end])).then_some(start..end)
}

fn word(rule: Rule) -> Option<String> {
    let name = format!("{rule:?}");
    if let Some(keyword) = name.strip_prefix("kw_") {
        return Some(format!("`{keyword}`"));
    }
    let word = match rule {
        Rule::ident | Rule::name | Rule::dotted => "a name",
        Rule::string | Rule::long_string => "a text in quotes",
        Rule::int | Rule::signed => "a whole number",
        Rule::number => "a decimal number",
        Rule::duration => "a duration (like 30m)",
        Rule::time_of_day => "a time (like 08:00)",
        Rule::expr | Rule::sum => "a value",
        Rule::go => "`->`",
        Rule::arm_body => "`->` or `{`",
        Rule::block | Rule::arms | Rule::state_body => "`{`",
        Rule::binders | Rule::parameters | Rule::ask_arguments => "`(`",
        Rule::step => "a step",
        Rule::handler => "`on`",
        Rule::arm | Rule::label => "an arm",
        Rule::type_expr | Rule::type_base => "a type",
        Rule::field | Rule::slot => "a field",
        Rule::variant => "a case",
        Rule::version => "a version (like v1)",
        Rule::item => "a declaration",
        Rule::invocation => "a tool with its arguments",
        Rule::trigger => "an event",
        Rule::money => "money (like 20 eur)",
        Rule::EOI => "the end of the declaration",
        _ => return None,
    };
    Some(word.to_string())
}
