// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0210: steps that can never run.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0210`.
pub const PAGE: Page = Page {
    code: "E0210",
    title: "steps that can never run",
    text: r##"`-> S` and `done` end the path.

Refused:

    { -> idle  reply "hi" }

Accepted:

    { reply "hi" -> idle }
"##,
};

/// Builds the diagnostic.
pub fn report(span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        "nothing after an arrow or `done` can run".to_string(),
        "never reached".to_string(),
    );
    diagnostic.hint = Some("delete these steps or move them before the arrow".to_string());
    diagnostic
}

/// An arrow or `done` inside of `each`.
pub fn leaves_each(span: Span) -> Diagnostic {
    let title = "the steps of `each` run to their end for every item".to_string();
    Diagnostic::error(PAGE.code, span, title, "this would leave".to_string())
        .hint("decide behind the `each`, from its results")
}
