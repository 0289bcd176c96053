// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0207: a type that contains itself.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0207`.
pub const PAGE: Page = Page {
    code: "E0207",
    title: "a type that contains itself",
    text: r##"Records and cases hold their fields by value, and a model can only be asked for values of a finite shape, so no type
contains itself, not even inside a list.

Refused:

    type A = { b: B }  type B = { a: A }

Accepted:

    type A = { b: text }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("type `{name}` contains itself"),
        "its values would have no end".to_string(),
    );
    diagnostic.hint = Some("remove the field that closes the circle".to_string());
    diagnostic
}
