// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0509: deadlines that go round without time passing.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0509`.
pub const PAGE: Page = Page {
    code: "E0509",
    title: "deadlines that go round without time passing",
    text: r##"A circle of deadlines goes round for ever when none of them takes time. A duration that is computed, or kept in a slot,
may be nothing; a written one is at least a second.


Refused:

    keep { pause: duration = 1h }
    state blink { after pause -> blink }

Accepted:

    state blink { after 1h -> blink }
"##,
};

/// Builds the diagnostic.
pub fn report(state: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("`{state}` may come back to itself in no time"),
        "may be due at once",
    )
    .hint("write the duration, or let the circle wait for an event")
}
