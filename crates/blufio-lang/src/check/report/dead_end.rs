// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0302: a state that can only wait for ever.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0302`.
pub const PAGE: Page = Page {
    code: "E0302",
    title: "a state that can only wait for ever",
    text: r##"The body ends without an arrow, and nothing that the state (or `anywhere`) handles can ever run.

Refused:

    state s { reply "hi" } with nothing else

Accepted:

    state s { reply "hi" -> idle }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("state `{name}` can only wait for ever"),
        "no event, deadline or arrow leads out".to_string(),
    );
    diagnostic.hint =
        Some("end its body with `-> STATE` or `done`, or add `on message …` or `after …`".to_string());
    diagnostic
}
