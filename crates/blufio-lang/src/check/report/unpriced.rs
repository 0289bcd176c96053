// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0507: a budget in money and no price.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0507`.
pub const PAGE: Page = Page {
    code: "E0507",
    title: "a budget in money and no price",
    text: r##"A budget in money says something only when every model on which it is spent has a price, in the currency of the prices.

Refused:

    models { fast = "anthropic/private-preview" }
    budget { day = 1 usd }

Accepted:

    models { fast = "anthropic/claude-haiku-5-5" }
    budget { day = 1 usd }
"##,
};

/// Builds the diagnostic.
pub fn report(why: &str, span: Span) -> Diagnostic {
    Diagnostic::error(PAGE.code, span, format!("this budget cannot be kept: {why}"), "needs a price")
        .hint("use a model with a known price, or bound calls instead of money")
}
