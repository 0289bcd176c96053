// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0506: more time than the budget allows.

use super::Page;
use crate::check::costs::Bound;
use crate::diagnostic::Diagnostic;
use crate::program::civil::print_duration;
use crate::source::Span;

/// The page of `blufio explain E0506`.
pub const PAGE: Page = Page {
    code: "E0506",
    title: "more time than the budget allows",
    text: r##"A budget in time is compared with the slowest path: model calls and tools at their usual limits, every attempt, and each
wait for people and agents up to its `within`. A wait without `within` has no bound. A program that takes `over_budget`
is told in time.

Refused:

    budget { message = 2 calls, 10s }

Accepted:

    budget { message = 2 calls, 10m }
"##,
};

/// Builds the diagnostic.
pub fn report(scope: &str, time: Option<Bound>, allowed_ms: i64, span: Span) -> Diagnostic {
    let title = match time {
        Some(bound) => {
            let worst = print_duration(i64::try_from(bound.worst).unwrap_or(i64::MAX));
            format!("one {scope} may take {worst}, and nothing takes `over_budget`")
        }
        None => format!("how long one {scope} takes has no bound, and nothing takes `over_budget`"),
    };
    Diagnostic::error(PAGE.code, span, title, format!("budget of {}", print_duration(allowed_ms))).hint(
        "give waits a shorter `within`, lower retries and caps, take `over_budget`, or raise the budget",
    )
}
