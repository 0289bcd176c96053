// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0109: an agent or person that nobody declares.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0109`.
pub const PAGE: Page = Page {
    code: "E0109",
    title: "an agent or person that nobody declares",
    text: r##"Routes and `ask` name agents of the same folder; routes, `send` and `approve by` name `owner`, `sender` or somebody
from `people { … }`.

Refused:

    telegram from owner -> asistant

Accepted:

    telegram from owner -> assistant
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no {what} `{name}`"),
        "nobody declares it".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "declare it, or change the name");
    diagnostic
}
