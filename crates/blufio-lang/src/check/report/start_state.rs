// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0107: not exactly one start state.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0107`.
pub const PAGE: Page = Page {
    code: "E0107",
    title: "not exactly one start state",
    text: r##"A session begins in the start state, so there is exactly one.

Refused:

    state idle { … }

Accepted:

    start state idle { … }
"##,
};

/// Builds the diagnostic.
pub fn report(title: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        title.to_string(),
        "a session must know where to begin".to_string(),
    );
    diagnostic.hint = Some("write `start state NAME { … }` exactly once".to_string());
    diagnostic
}
