// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0303: a loop that may run for ever.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0303`.
pub const PAGE: Page = Page {
    code: "E0303",
    title: "a loop that may run for ever",
    text: r##"Between two messages, a program comes to rest: every circle of arrows that does not wait for a new event contains a
state with a visit cap. Without one, a model that always gives the same answer would run, and cost, for ever.
Deadlines (`after`) do not start a new event, so a circle through a deadline counts when it asks a model or sends.

Refused:

    state think { turn … { calls(c) { run c -> think } … } }

Accepted:

    state think max 10 per event else give_up { … }
"##,
};

/// Builds the diagnostic.
pub fn report(path: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("this loop has no bound: {path}"),
        "repeats without waiting for anybody".to_string(),
    );
    diagnostic.hint = Some("cap one of its states: `state NAME max 5 per event else OTHER`".to_string());
    diagnostic
}
