// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0111: a path that leaves the program's folder, or a file that cannot stand in a prompt.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0111`.
pub const PAGE: Page = Page {
    code: "E0111",
    title: "a path or a file that cannot be used",
    text: r##"Files that a program names lie beside it, below its folder: no absolute path, no `..`, no address. A file of
the static zone is a plain UTF-8 text that is not empty, at most 1 MiB large, and not being written while it is read. What
of it does not fit into the zone (`max … tokens`, else 2,000 tokens for each file) is cut, with a warning.

Refused:

    static "../secrets.md"

Accepted:

    static "persona.md"
"##,
};

/// Builds the diagnostic.
pub fn report(path: &str, span: Span, why: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("`{path}` cannot be used: {why}"),
        "must stay below the program's folder".to_string(),
    );
    diagnostic.hint = Some("write a relative path without `..`, for example \"persona.md\"".to_string());
    diagnostic
}

/// A file that cannot stand in a prompt.
pub fn file(name: &str, span: Span, why: &str, hint: String) -> Diagnostic {
    let title = format!("`{name}` cannot be used: {why}");
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title, "a file beside the program".to_string());
    diagnostic.hint = Some(hint);
    diagnostic
}

/// A file of which a prompt holds the beginning only.
pub fn cut(name: &str, span: Span, tokens: usize, left: usize, zone: usize) -> Diagnostic {
    let title = format!("`{name}` is cut: it has about {tokens} tokens, {left} of the zone are left for it");
    let label = format!("the static zone holds {zone} tokens");
    let mut diagnostic = Diagnostic::warning(PAGE.code, span, title, label);
    diagnostic.hint = Some("make the file shorter, or give the zone more: `max … tokens`".to_string());
    diagnostic
}
