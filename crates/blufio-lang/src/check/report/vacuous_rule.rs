// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0703: a rule that no program of this shape could break.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0703`.
pub const PAGE: Page = Page {
    code: "E0703",
    title: "a rule that says nothing",
    text: r##"The rule holds whatever the program does: what it forbids or counts can never happen, or what it asks for has
always happened. It looks like a safeguard and is none.

Warned about:

    rules { never reply unless idle }      // every session begins in idle

Accepted:

    rules { never reply unless greeted }
"##,
};

/// Builds the diagnostic.
pub fn report(rule: &str, why: &str, span: Span) -> Diagnostic {
    Diagnostic::warning(PAGE.code, span, format!("`{rule}` says nothing about this program"), why.to_string())
        .hint("name the step that matters, or take the rule out")
}
