// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0204: an arm that can never be taken.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0204`.
pub const PAGE: Page = Page {
    code: "E0204",
    title: "an arm that can never be taken",
    text: r##"A label names an outcome of the step and stands once. The order of arms has no meaning.

Refused:

    approve by owner "?" within 1h { yes -> a  maybe -> b  no or late -> c }

Accepted:

    approve by owner "?" within 1h { yes -> a  no or late -> c }
"##,
};

/// Builds the diagnostic.
pub fn report(label: &str, what: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("`{label}` is not an outcome of {what}, or was already handled"),
        "never taken".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "delete the arm or correct its label");
    diagnostic
}
