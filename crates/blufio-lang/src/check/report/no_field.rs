// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0202: a field that the type does not have.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0202`.
pub const PAGE: Page = Page {
    code: "E0202",
    title: "a field that the type does not have",
    text: r##"A record has the fields of its declaration; a message has `text` and `sender`; a failure has `kind`, `detail` and
`until`.

Refused:

    reply "{trip.dya}"

Accepted:

    reply "{trip.day}"
"##,
};

/// Builds the diagnostic.
pub fn report(field: &str, of: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("{of} has no field `{field}`"),
        "no such field".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "look at the declaration of the type");
    diagnostic
}
