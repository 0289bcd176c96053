// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0608: a label that reaches a tool which a rule keeps it from.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0608`.
pub const PAGE: Page = Page {
    code: "E0608",
    title: "a label that reaches a tool which a rule keeps it from",
    text: r##"`never LABEL reaches TOOL` is proved over every way: no argument of a call of the tool carries the label, and nothing that
carries it decides whether the call is made.

Refused:

    never web reaches orders.refund, with a page of the web in an argument

Accepted:

    never web reaches orders.refund, with arguments from the message alone
"##,
};

/// Builds the diagnostic.
pub fn report(label: &str, tool: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("`{label}` may reach `{tool}`, which a rule forbids"),
        "reached here".to_string(),
    )
}
