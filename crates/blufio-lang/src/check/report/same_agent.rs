// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0108: two files declare one name.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0108`.
pub const PAGE: Page = Page {
    code: "E0108",
    title: "two files declare one name",
    text: r##"Agents and shared files of a folder have different names, because routes, `ask` and running sessions name them.

Refused:

    agent a v1 in one.agent and in two.agent

Accepted:

    agent a v1 and agent b v1
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, first: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("`{name}` is declared by two files"),
        "again here".to_string(),
    );
    diagnostic.hint =
        Some("one folder is one program: rename one of them or move it to another folder".to_string());
    diagnostic.also(first, "first here")
}
