// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0508: a prompt that may not fit the model's window.

use super::Page;
use crate::check::ModelPrice;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0508`.
pub const PAGE: Page = Page {
    code: "E0508",
    title: "a prompt that may not fit the model's window",
    text: r##"The caps of the zones, the named values (2,000 tokens each where the type says nothing smaller) and the instruction are
added up; with the longest answer they must fit the window of every model that the step may use.

Refused:

    context { dynamic history last 900 messages max 900000 tokens }

Accepted:

    context { dynamic history last 40 messages max 8000 tokens }
"##,
};

/// Builds the diagnostic.
pub fn report(model: &str, prompt_tokens: u64, price: &ModelPrice, span: Span) -> Diagnostic {
    let label = format!("up to {prompt_tokens} tokens, and {} for the answer", price.output_tokens_max);
    let title = format!("this prompt may not fit the {} tokens of `{model}`", price.window_tokens);
    Diagnostic::error(PAGE.code, span, title, label)
        .hint("lower the caps of the context zones, or name fewer values in `from`")
}
