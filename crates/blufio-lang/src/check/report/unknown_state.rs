// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0103: an arrow to a state that does not exist.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0103`.
pub const PAGE: Page = Page {
    code: "E0103",
    title: "an arrow to a state that does not exist",
    text: r##"Every `-> S`, every `else S` of a visit cap and every migration names a state of the same agent.

Refused:

    state a { -> idel }

Accepted:

    state a { -> idle }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no state `{name}`"),
        "the arrow leads nowhere".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "declare `state NAME { … }` or change the arrow");
    diagnostic
}
