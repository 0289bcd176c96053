// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0111: a path that leaves the program's folder.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0111`.
pub const PAGE: Page = Page {
    code: "E0111",
    title: "a path that leaves the program's folder",
    text: r##"Files that a program names lie beside it, below its folder: no absolute path, no `..`, no address.

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
