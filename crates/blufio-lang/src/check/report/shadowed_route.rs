// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0502: a route that an earlier one hides.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0502`.
pub const PAGE: Page = Page {
    code: "E0502",
    title: "a route that an earlier one hides",
    text: r##"The first route that fits takes the message.

Refused:

    telegram from anyone -> a, then telegram from owner -> b

Accepted:

    telegram from owner -> b, then telegram from anyone -> a
"##,
};

/// Builds the diagnostic.
pub fn report(span: Span, first: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        "this route is never used".to_string(),
        "an earlier route takes these messages".to_string(),
    );
    diagnostic.hint = Some("routes are read from the top: put the special one first".to_string());
    diagnostic.also(first, "first here")
}
