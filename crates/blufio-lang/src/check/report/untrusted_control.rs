// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0602: a dangerous call that untrusted text decides.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0602`.
pub const PAGE: Page = Page {
    code: "E0602",
    title: "a dangerous call that untrusted text decides",
    text: r##"Every argument may be trusted, and still it is untrusted text that decides whether the call is made: the call stands in an
arm that a model or a `when` chose after reading it, or an event of a stranger leads to it.

Refused:

    when page contains "pay" { yes { call orders.refund(order: "7", amount: 5 eur) } }

Accepted:

    when page contains "pay" { yes { approve by owner "Pay?" { yes { call orders.refund(…) } no {} } } }
"##,
};

/// Builds the diagnostic. `way`: states on the way without approval.
pub fn report(tool: &str, way: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("untrusted text decides whether the dangerous `{tool}` is called"),
        "nobody approved it".to_string(),
    )
    .hint(format!("put `approve by owner \"…\"` before the call; way without approval: {way}"))
}
