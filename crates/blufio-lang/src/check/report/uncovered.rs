// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0504: senders without an answer.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0504`.
pub const PAGE: Page = Page {
    code: "E0504",
    title: "senders without an answer",
    text: r##"Every sender on every channel gets exactly one answer, and dropping is one.

Refused:

    telegram from owner -> a

Accepted:

    telegram from owner -> a  otherwise drop
"##,
};

/// Builds the diagnostic.
pub fn report(channel: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("{channel} messages from strangers have no route"),
        "the routes end here".to_string(),
    );
    diagnostic.hint =
        Some("end the file with `otherwise drop` or `otherwise drop \"I do not know you.\"`".to_string());
    diagnostic
}
