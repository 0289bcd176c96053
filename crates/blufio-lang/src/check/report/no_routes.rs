// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0503: several agents and no routes.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0503`.
pub const PAGE: Page = Page {
    code: "E0503",
    title: "several agents and no routes",
    text: r##"With exactly one agent that takes no parameters the owner's messages go to it. With more, a `routes` file says who
reaches whom.

Refused:

    two agents

Accepted:

    routes.agent with `telegram from owner -> assistant`
"##,
};

/// Builds the diagnostic.
pub fn report(span: Span, names: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        "this folder has several agents and no `routes` file".to_string(),
        "who should get the messages?".to_string(),
    );
    diagnostic.hint =
        Some(format!("write routes.agent:\n\nroutes\n\ntelegram from owner -> {names}\notherwise drop\n"));
    diagnostic
}
