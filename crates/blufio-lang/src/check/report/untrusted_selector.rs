// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0601: a dangerous call whose target is chosen by untrusted text.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0601`.
pub const PAGE: Page = Page {
    code: "E0601",
    title: "a dangerous call whose target is chosen by untrusted text",
    text: r##"What a dangerous call acts on (recipient, path, amount: the manifest says `selects`) must not come from the web, from files,
from memory, from another agent or from a sender who is not the owner, unless somebody approved it. The finding prints the
way of the label, from where it came, through slots and steps, to the argument.

Refused:

    on message m { call orders.refund(order: m, amount: 5 eur) }

Accepted:

    approve by owner "Refund 5 eur on {m}?" { yes { call orders.refund(order: m, amount: 5 eur) } no {} }
"##,
};

/// Builds the diagnostic. `way`: states on the way without approval.
pub fn report(tool: &str, argument: &str, way: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("untrusted text chooses `{argument}` of the dangerous `{tool}`"),
        "nobody approved it".to_string(),
    )
    .hint(format!("approve it before, and show it in the question: `approve by owner \"…{{…}}…\"`; way without approval: {way}"))
}
