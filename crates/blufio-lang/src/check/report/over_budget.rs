// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0401: more model calls than the budget allows.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0401`.
pub const PAGE: Page = Page {
    code: "E0401",
    title: "more model calls than the budget allows",
    text: r##"`budget message = N calls` is proved, not hoped for: caps, retries and the calls of asked agents are multiplied out
along the worst path.

Refused:

    budget { message = 1 calls } with two picks on a path

Accepted:

    budget { message = 2 calls }
"##,
};

/// Builds the diagnostic.
pub fn report(calls: u32, budget: u32, path: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("one event may cause {calls} model calls, the budget allows {budget}"),
        format!("budget of {budget} calls"),
    );
    diagnostic.hint = Some(format!("worst path: {path}; raise the budget or lower a cap"));
    diagnostic
}
