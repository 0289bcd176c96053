// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0402: a model is used without a budget.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0402`.
pub const PAGE: Page = Page {
    code: "E0402",
    title: "a model is used without a budget",
    text: r##"Every agent that asks a model says how many calls one message may cause.

Refused:

    no budget line

Accepted:

    budget { message = 8 calls }
"##,
};

/// Builds the diagnostic.
pub fn report(span: Span, calls: u32) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        "this agent asks a model and has no budget".to_string(),
        "asked here".to_string(),
    );
    diagnostic.hint = Some(format!(
        "write `budget {{ message = {calls} calls }}`: that is what the program needs at the most"
    ));
    diagnostic
}
