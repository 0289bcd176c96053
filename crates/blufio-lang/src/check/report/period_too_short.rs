// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0510: a schedule that comes again before its run is over.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::program::civil::print_duration;
use crate::source::Span;

/// The page of `blufio explain E0510`.
pub const PAGE: Page = Page {
    code: "E0510",
    title: "a schedule that comes again before its run is over",
    text: r##"A schedule is skipped while its session is busy. One whose run may last longer than its period fires less often than
it says. Model calls and tools are taken at their usual limits; waits for people are not reckoned with.

Warned about:

    every 1m -> sweep            // sweep asks a model

Accepted:

    every 30m -> sweep
"##,
};

/// Builds the diagnostic.
pub fn report(period_ms: u64, worst_ms: Option<u64>, span: Span) -> Diagnostic {
    let words = |ms: u64| print_duration(i64::try_from(ms).unwrap_or(i64::MAX));
    let label = match worst_ms {
        Some(worst) => format!("one run may take {}", words(worst)),
        None => "one run has no bound in time".to_string(),
    };
    Diagnostic::warning(
        PAGE.code,
        span,
        format!("a run may last longer than its {}", words(period_ms)),
        label,
    )
    .hint("make the period longer; beats are skipped while a run goes on")
}
