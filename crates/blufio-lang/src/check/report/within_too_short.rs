// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0511: a wait shorter than what is waited for.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::program::civil::print_duration;
use crate::source::Span;

/// The page of `blufio explain E0511`.
pub const PAGE: Page = Page {
    code: "E0511",
    title: "a wait shorter than what is waited for",
    text: r##"An agent that is asked has a bound of its own: its longest way, with models and tools at their usual times and without a
retry. Where `within` is shorter, the agent is late on that way although everything goes well.

Warned about:

    ask researcher(question: q) within 2s { done(x) -> idle  failed or late -> idle }

Accepted:

    ask researcher(question: q) within 10m { done(x) -> idle  failed or late -> idle }
"##,
};

/// Builds the diagnostic.
pub fn report(agent: &str, allowed_ms: u64, usual_ms: u64, span: Span) -> Diagnostic {
    let words = |ms: u64| print_duration(i64::try_from(ms).unwrap_or(i64::MAX));
    let title = format!("`{agent}` needs longer than {}", words(allowed_ms));
    Diagnostic::warning(PAGE.code, span, title, format!("its longest way takes about {}", words(usual_ms)))
        .hint("wait longer, or let the agent do less")
}
