// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0201: a value of the wrong type.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0201`.
pub const PAGE: Page = Page {
    code: "E0201",
    title: "a value of the wrong type",
    text: r##"Slots, arguments, fields and operators have types; nothing is converted silently. A text prints any value through
`{…}`; a plain value fits where an optional is expected, the reverse only where it is certain to be there.

Refused:

    keep { tries: int = "0" }

Accepted:

    keep { tries: int = 0 }
"##,
};

/// Builds the diagnostic.
pub fn report(expected: &str, found: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("expected {expected}, found {found}"),
        format!("this is {found}"),
    );
    diagnostic.hint = None;
    diagnostic
}
