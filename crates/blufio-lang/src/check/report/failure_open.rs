// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0305: a failure that nobody handles.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0305`.
pub const PAGE: Page = Page {
    code: "E0305",
    title: "a failure that nobody handles",
    text: r##"Models, tools and arithmetic fail. Every step that can fail has a `failed` arm, or the state or `anywhere` has
`on failed`.

Refused:

    no anywhere

Accepted:

    anywhere { on failed or uncertain -> idle }
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, state: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("`{state}` does not say what happens when {what} fails"),
        "can fail".to_string(),
    );
    diagnostic.hint =
        Some("add `on failed why -> STATE` to `anywhere { … }`, or a `failed(why)` arm".to_string());
    diagnostic
}
