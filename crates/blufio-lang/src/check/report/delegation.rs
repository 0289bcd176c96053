// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0612: agents that ask one another without end.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0612`.
pub const PAGE: Page = Page {
    code: "E0612",
    title: "agents that ask one another without end",
    text: r##"Asking comes to an end: no agent asks itself through others, and no more than three stand in a row.

Refused:

    agent a can ask b, agent b can ask a

Accepted:

    agent a can ask b, agent b asks nobody
"##,
};

/// Builds the diagnostic for a circle.
pub fn circle(path: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        "agents ask one another in a circle",
        "comes back to this agent".to_string(),
    )
    .hint(format!("the circle: {path}"))
}

/// Builds the diagnostic for a row that is too long.
pub fn too_deep(path: &str, depth_max: usize, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("more than {depth_max} agents are asked in a row"),
        "the row begins here".to_string(),
    )
    .hint(format!("the row: {path}"))
}
