// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0104: a type that nothing declares.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0104`.
pub const PAGE: Page = Page {
    code: "E0104",
    title: "a type that nothing declares",
    text: r##"A type is built in, declared with `type NAME = …` in the agent or in a `shared` file, or the result of a tool, by
the tool's name.

Refused:

    keep { order: txt = "" }

Accepted:

    keep { order: text = "" }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no type `{name}`"),
        "not built in, not declared, not a tool".to_string(),
    );
    diagnostic.hint = super::near_hint(
        near,
        "built in are text int number yesno money duration moment date time json file message person; declare others with `type`",
    );
    diagnostic
}
