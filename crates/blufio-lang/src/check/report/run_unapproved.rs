// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0607: a turn that may run a dangerous tool after reading untrusted text.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0607`.
pub const PAGE: Page = Page {
    code: "E0607",
    title: "a turn that may run a dangerous tool after reading untrusted text",
    text: r##"What a model wants after it has read untrusted text may be what that text wants. `run` of its calls needs `approved by` then;
at run time the question is asked only for dangerous calls, and only when untrusted text was really read.

Refused:

    calls(c) { run c -> think }

Accepted:

    calls(c) { run c approved by owner within 10m -> think }
"##,
};

/// Builds the diagnostic.
pub fn report(tool: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("after untrusted text this may run the dangerous `{tool}`"),
        "nobody is asked".to_string(),
    )
    .hint("write `run … approved by owner within 10m`, or `forget history` before the turn")
}
