// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0101: a name that nothing declares.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0101`.
pub const PAGE: Page = Page {
    code: "E0101",
    title: "a name that nothing declares",
    text: r##"A value names something that is neither a slot of `keep`, nor a local assigned before, nor a parameter, nor a
label of the type that is expected here. Locals end with their block.

Refused:

    state s { reply "{ammount}" }

Accepted:

    state s { reply "{amount}" }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no `{name}` here"),
        "not a slot, a local, a parameter or a label that fits here".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "declare it in `keep { … }`, or assign it before it is used");
    diagnostic
}
