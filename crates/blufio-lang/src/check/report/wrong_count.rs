// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0205: wrong number of names or arguments.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0205`.
pub const PAGE: Page = Page {
    code: "E0205",
    title: "wrong number of names or arguments",
    text: r##"A label binds the payload of its case in order, all of it or nothing; a constructor gets every field once.

Refused:

    refund(order) { … } for refund(order: text, amount: money eur)

Accepted:

    refund(order, amount) { … }
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, expected: &str, found: usize, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("{what} has {expected}, {found} written"),
        format!("{found} written"),
    );
    diagnostic.hint = None;
    diagnostic
}
