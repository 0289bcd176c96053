// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0208: bounds that no value fits.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0208`.
pub const PAGE: Page = Page {
    code: "E0208",
    title: "bounds that no value fits",
    text: r##"`int LOW to HIGH` with LOW ≤ HIGH, `text max N`, `list max N of T` with N ≥ 1.

Refused:

    int 5 to 1

Accepted:

    int 1 to 5
"##,
};

/// Builds the diagnostic.
pub fn report(title: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title.to_string(), "no value fits".to_string());
    diagnostic.hint = Some("the lower bound comes first, lengths are at least 1".to_string());
    diagnostic
}
