// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the parser expected, in the operator's words.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::{Rule, report};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// A syntax error of a piece that begins at `base`.
pub(super) fn syntax_error(source: &str, error: &Error<Rule>, base: u32) -> Diagnostic {
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at.min(source.len()),
    };
    let rest = &source[at..];
    let word_length = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
    let length = if word_length > 0 { word_length } else { rest.chars().next().map_or(0, char::len_utf8) };
    let span = Span::new(base + at as u32, base + (at + length) as u32);
    let found = match &rest[..length] {
        "" => "the end".to_string(),
        "\n" => "the end of the line".to_string(),
        text => format!("`{text}`"),
    };
    if let Some(open) = open_text(&source[..at]) {
        let span = Span::new(base + open as u32, base + at as u32);
        if source[open..at].contains('{') {
            return report::unbalanced(span, "a value in braces is not closed, or is not a value");
        }
        return report::syntax(span, "this text is not closed".into(), "the closing quote is missing on this line".into())
            .hint("a text ends on its line; use \"\"\" for longer ones");
    }
    let positives: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut words: Vec<String> = positives.iter().filter_map(|rule| word(*rule)).collect();
    words.sort();
    words.dedup();
    let label = match words.as_slice() {
        [] => "not understood here".to_string(),
        [only] => format!("expected {only}"),
        many if many.len() <= 6 => format!("expected {} or {}", many[..many.len() - 1].join(", "), many[many.len() - 1]),
        many => format!("expected {} …", many[..5].join(", ")),
    };
    let after_label = words.iter().any(|w| w == "`->`") && words.iter().any(|w| w.contains('{'));
    let diagnostic = report::syntax(span, format!("unexpected {found}"), label);
    if after_label {
        return diagnostic.hint("what happens is written `-> STATE` or `{ steps }`");
    }
    diagnostic
}

/// Where the text in quotes begins that is still open at the end of a prefix (on its last line).
fn open_text(prefix: &str) -> Option<usize> {
    let line_start = prefix.rfind('\n').map_or(0, |at| at + 1);
    let (mut open, mut escaped) = (None, false);
    for (at, c) in prefix[line_start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if open.is_some() => open = None,
            '"' => open = Some(line_start + at),
            '/' if open.is_none() && prefix[line_start + at..].starts_with("//") => return None,
            _ => {}
        }
    }
    open
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
        Rule::arm_body => "`->`",
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
