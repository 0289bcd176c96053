// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0301: a state that no session can reach.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0301`.
pub const PAGE: Page = Page {
    code: "E0301",
    title: "a state that no session can reach",
    text: r##"Starting from the start state, no body, handler, deadline or `anywhere` handler leads here. States that only lead to
each other are unreachable too.

Refused:

    state lost { -> idle } without an arrow to it

Accepted:

    delete it
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::warning(
        PAGE.code,
        span,
        format!("state `{name}` is never reached"),
        "no arrow leads here from the start state".to_string(),
    );
    diagnostic.hint = Some("lead an arrow here or delete the state".to_string());
    diagnostic
}
