// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0610: an asked agent that uses tools which it was not given.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0610`.
pub const PAGE: Page = Page {
    code: "E0610",
    title: "an asked agent that uses tools which it was not given",
    text: r##"An agent that is asked runs with the tools of the `with` list of whoever asks it, and so do the agents that it asks in turn.

Refused:

    can ask researcher max 2 calls

Accepted:

    can ask researcher with web.fetch max 2 calls
"##,
};

/// Builds the diagnostic.
pub fn report(agent: &str, missing: &[&str], span: Span) -> Diagnostic {
    let tools: Vec<String> = missing.iter().map(|tool| format!("`{tool}`")).collect();
    Diagnostic::error(
        PAGE.code,
        span,
        format!("`{agent}` uses {}, which it is not given here", tools.join(", ")),
        "given too little".to_string(),
    )
    .hint(format!("write `can ask {agent} with …, {}`, or take the tools from `{agent}`", missing.join(", ")))
}
