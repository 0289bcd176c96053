// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0203: an arm is missing.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0203`.
pub const PAGE: Page = Page {
    code: "E0203",
    title: "an arm is missing",
    text: r##"Every outcome of `pick`, `fill`, `turn`, `approve`, `ask`, `call` and `when` has an arm, so that no session stands
without an answer. `when` may use `else`.

Refused:

    pick Wish … { question -> a }

Accepted:

    pick Wish … { question -> a  other -> b }
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, missing: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("{what} does not say what happens on {missing}"),
        format!("{missing} is not handled"),
    );
    diagnostic.hint = Some(format!("add an arm: {missing} -> STATE"));
    diagnostic
}
