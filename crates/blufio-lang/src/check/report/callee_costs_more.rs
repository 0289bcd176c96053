// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0611: an asked agent that may cost more calls than its asker allows.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0611`.
pub const PAGE: Page = Page {
    code: "E0611",
    title: "an asked agent that may cost more calls than its asker allows",
    text: r##"`max N calls` is compared with the worst case that is proved for the asked agent.

Refused:

    can ask researcher with web.fetch max 1 calls, where it may make 2

Accepted:

    can ask researcher with web.fetch max 2 calls
"##,
};

/// Builds the diagnostic.
pub fn report(agent: &str, worst: u32, allowed: u32, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("`{agent}` may make {worst} model calls, {allowed} are allowed"),
        format!("at most {allowed} calls"),
    )
    .hint(format!("write `max {worst} calls`, or lower a cap in `{agent}`"))
}
