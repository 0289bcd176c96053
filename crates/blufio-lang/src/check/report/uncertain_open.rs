// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0306: an uncertain outcome that nobody handles.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0306`.
pub const PAGE: Page = Page {
    code: "E0306",
    title: "an uncertain outcome that nobody handles",
    text: r##"A step that must not be repeated may be cut off by a crash after it was started. Blufio does not guess: the program
says what happens then.

Refused:

    no `on uncertain`

Accepted:

    anywhere { on failed or uncertain -> idle }
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, state: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("`{state}` does not say what happens when the outcome of {what} is unknown"),
        "may be interrupted".to_string(),
    );
    diagnostic.hint =
        Some("add `on uncertain -> STATE` to `anywhere { … }`, or an `uncertain` arm".to_string());
    diagnostic
}
