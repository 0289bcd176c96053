// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0110: a step lacks a part that it needs.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0110`.
pub const PAGE: Page = Page {
    code: "E0110",
    title: "a step lacks a part that it needs",
    text: r##"A model step names its model with `using`; an agent that asks a model declares `models`; `turn` reads the history,
so it says `with history` and the agent has a `dynamic history` line in `context`.

Refused:

    pick Wish from m "?" { … }

Accepted:

    pick Wish using fast from m "?" { … }
"##,
};

/// Builds the diagnostic.
pub fn report(title: &str, span: Span, hint: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title.to_string(), "incomplete".to_string());
    diagnostic.hint = Some(hint.to_string());
    diagnostic
}
