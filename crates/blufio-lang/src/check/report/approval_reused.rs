// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0605: an approval that is used more than once.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0605`.
pub const PAGE: Page = Page {
    code: "E0605",
    title: "an approval that is used more than once",
    text: r##"One yes is one call. A second call of the same tool, in a loop or further down, needs a question of its own.

Refused:

    approve by owner "Refund {o}?" { yes {} no -> idle } each x in [1, 2] { call orders.refund(order: o, amount: 5 eur) }

Accepted:

    each x in [1, 2] { approve by owner "Refund {o}?" { yes { call orders.refund(order: o, amount: 5 eur) } no {} } }
"##,
};

/// Builds the diagnostic.
pub fn report(tool: &str, span: Span, place: Span) -> Diagnostic {
    let found = Diagnostic::error(
        PAGE.code,
        span,
        format!("one approval may be used for several calls of `{tool}`"),
        "may be called again without a new question".to_string(),
    )
    .hint("ask before each call: put `approve` into the loop");
    if place == span { found } else { found.also(place, "the approval is used here already") }
}
