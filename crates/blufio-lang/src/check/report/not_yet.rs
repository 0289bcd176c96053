// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0901: not supported yet.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0901`.
pub const PAGE: Page = Page {
    code: "E0901",
    title: "not supported yet",
    text: r##"The language is complete, this version of Blufio is not. What does not run yet is refused, never accepted and
ignored.

Refused:

    can use gramophone.play          // no manifest says what it takes and gives

Accepted:

    can use time.now
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("{what} is not supported yet"),
        "parses and is checked, does not run yet".to_string(),
    );
    diagnostic.hint =
        Some("this version refuses what it cannot run; see the manual for what runs now".to_string());
    diagnostic
}
