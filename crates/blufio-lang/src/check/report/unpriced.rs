// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0507: a model without a price, or a budget in a currency without prices.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0507`.
pub const PAGE: Page = Page {
    code: "E0507",
    title: "a model without a price",
    text: r##"Every model that a step may ask has a price in the price table, or is marked free there: what is spent could not be
counted otherwise. The operator adds models in the file that `prices_file` of `blufio.toml` names; a local model is
`free = true`. Prices are in US dollars, so a budget in another currency cannot be kept either.

Refused:

    models { fast = "anthropic/private-preview" }
    budget { day = 1 usd }

Accepted:

    models { fast = "anthropic/claude-haiku-5-5" }
    budget { day = 1 usd }
"##,
};

/// A model that is in no table.
pub fn model(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(PAGE.code, span, format!("`{name}` has no price"), "asks it")
        .hint("add the model to the file of `prices_file` with its prices, or with `free = true`")
}

/// A budget whose currency is not that of the prices.
pub fn report(why: &str, span: Span) -> Diagnostic {
    Diagnostic::error(PAGE.code, span, format!("this budget cannot be kept: {why}"), "needs a price")
        .hint("write the budget in usd, or bound calls instead of money")
}
