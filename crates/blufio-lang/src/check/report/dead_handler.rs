// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0308: a handler for something that never happens.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0308`.
pub const PAGE: Page = Page {
    code: "E0308",
    title: "a handler for something that never happens",
    text: r##"`on uncertain` needs a tool whose calls must not be repeated, `on failed` a step that can fail.

Refused:

    anywhere { on failed -> idle } in a program that cannot fail

Accepted:

    delete it
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::warning(
        PAGE.code,
        span,
        format!("`on {what}` never happens here"),
        "nothing raises it".to_string(),
    );
    diagnostic.hint = Some("delete the handler".to_string());
    diagnostic
}
