// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0304: a visit cap that does not say what happens then.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0304`.
pub const PAGE: Page = Page {
    code: "E0304",
    title: "a visit cap that does not say what happens then",
    text: r##"When the cap is reached the session goes to the state after `else`.

Refused:

    state think max 10 per event { … }

Accepted:

    state think max 10 per event else give_up { … }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("the cap of `{name}` does not say where to go instead"),
        "add `else STATE`".to_string(),
    );
    diagnostic.hint = Some("state NAME max N per event else STATE { … }".to_string());
    diagnostic
}
