// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0604: an approval that an assignment has overtaken.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0604`.
pub const PAGE: Page = Page {
    code: "E0604",
    title: "an approval that an assignment has overtaken",
    text: r##"Between the question and the call an approved value must stay what it was: no step may assign it, and no handler that runs
while the question is open.

Refused:

    approve by owner "Refund {amount}?" { yes {} no -> idle } amount = asked call orders.refund(order: "7", amount: amount)

Accepted:

    amount = asked approve by owner "Refund {amount}?" { yes { call orders.refund(order: "7", amount: amount) } no {} }
"##,
};

/// Builds the diagnostic.
pub fn report(tool: &str, variable: &str, span: Span, place: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("`{variable}` may have changed since `{tool}` was approved"),
        "uses what was not shown".to_string(),
    )
    .also(place, format!("`{variable}` is assigned here"))
    .hint("assign before the question, or ask again")
}
