// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0102: two things with one name.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0102`.
pub const PAGE: Page = Page {
    code: "E0102",
    title: "two things with one name",
    text: r##"Within a program every state, slot, type and model has its own name; within a type every field and case; within a
state every trigger. The order of arms has no meaning, so a second one could never run.

Refused:

    state idle { on message drop  on message hold }

Accepted:

    state idle { on message hold }
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, name: &str, span: Span, first: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("{what} `{name}` is declared twice"),
        "again here".to_string(),
    );
    diagnostic.hint = Some("rename one of them, or delete it".to_string());
    diagnostic.also(first, "first here")
}
