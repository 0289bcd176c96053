// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0209: something that cannot be assigned.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0209`.
pub const PAGE: Page = Page {
    code: "E0209",
    title: "something that cannot be assigned",
    text: r##"Slots and locals are assignable; types, states, models and parts of a message are not. A local keeps the type of its
first assignment, and may not hide another name.

Refused:

    now = 3

Accepted:

    t = 3
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, why: &str) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::error(PAGE.code, span, format!("`{name}` cannot be assigned"), why.to_string());
    diagnostic.hint = None;
    diagnostic
}
