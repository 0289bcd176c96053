// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0603: an approval that does not show what it approves.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0603`.
pub const PAGE: Page = Page {
    code: "E0603",
    title: "an approval that does not show what it approves",
    text: r##"An approval endorses a dangerous call only if its question shows every untrusted argument as it is: the value itself, a record
that holds it, or every part of a text or list that is put together from shown parts. A value that is worked out
differently cannot be compared; that counts as not shown.

Refused:

    approve by owner "Refund on {order}?" { yes { call orders.refund(order: order, amount: amount) } no {} }

Accepted:

    approve by owner "Refund {amount} on {order}?" { yes { call orders.refund(order: order, amount: amount) } no {} }
"##,
};

/// Builds the diagnostic.
pub fn report(tool: &str, argument: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("the approval before `{tool}` does not show `{argument}`"),
        "approved without being seen".to_string(),
    )
    .hint("name the same value in braces in the question")
}

/// Builds the diagnostic for a value that is worked out in the call.
pub fn unknown(tool: &str, argument: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("unknown whether the approval before `{tool}` shows `{argument}`: the value is worked out in the call"),
        "cannot be decided".to_string(),
    )
    .hint("put the value into a slot or local first, then show and use that")
}
