// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0106: a tool that was not granted, or does not exist.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0106`.
pub const PAGE: Page = Page {
    code: "E0106",
    title: "a tool that was not granted, or does not exist",
    text: r##"An agent calls only tools that its `can use` line grants.

Refused:

    x = call kb.serach(query: q)

Accepted:

    can use kb.search … x = call kb.search(query: q)
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("tool `{name}` is not granted to this agent"),
        "no grant, no call".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "grant it with `can use NAME`");
    diagnostic
}
