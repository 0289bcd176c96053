// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0606: an approval by somebody who may not give it.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0606`.
pub const PAGE: Page = Page {
    code: "E0606",
    title: "an approval by somebody who may not give it",
    text: r##"A sender may approve a call that depends on nothing but their own messages. What came from the web, from files, memory or
another agent is for the owner, or somebody named in `people`, to approve. Where one session holds messages of several
senders it is unknown whose words are approved.

Refused:

    page = call web.fetch(query: m) … approve by sender "Refund on {page}?" { yes { call orders.refund(order: page, …) } no {} }

Accepted:

    … approve by owner "Refund on {page}?" { yes { call orders.refund(order: page, …) } no {} }
"##,
};

/// Builds the diagnostic.
pub fn report(tool: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("the sender may not approve this call of `{tool}`: more than their own words is in it"),
        "approved by the wrong person".to_string(),
    )
    .hint("let `owner` or somebody of `people` approve it")
}

/// Builds the diagnostic for sessions of several senders.
pub fn unknown(tool: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("unknown whose words `{tool}` acts on: one session holds messages of several senders"),
        "cannot be decided".to_string(),
    )
    .hint("let `owner` approve it, or route `per person`")
}
