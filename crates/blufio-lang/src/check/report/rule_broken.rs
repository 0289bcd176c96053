// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0702: a rule does not hold on every path.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0702`.
pub const PAGE: Page = Page {
    code: "E0702",
    title: "a rule does not hold on every path",
    text: r##"Rules are proved over every path of the program; the shortest one that breaks the rule is printed as states with
lines, and as a `test` to paste. What data rules out is not known to the proof: say it with the control of the program.

* `never X unless approved by W`: since the last X, W said yes to an `approve`. One yes is good for one X.
* `never X unless Y`: Y happened earlier in the session.
* `every X leads to Y or Z`: before the session ends, rests where X is taken again, or waits with nothing to end it.
* `at most N X per event` or `per session`.

`run` may call every granted tool, so a tool that needs an approval is called by a step of its own.

Refused:

    rules { every message leads to reply }
    start state idle { on message m { pick Wish using fast from m "?" { question { reply "Yes." }  other -> idle } } }

Accepted:

    rules { every message leads to reply }
    start state idle { on message m { pick Wish using fast from m "?" { question { reply "Yes." }  other { reply "No." } } } }
"##,
};

/// What is shown of the path.
pub struct Shown {
    /// States with lines.
    pub path: String,
    /// A test block.
    pub test: String,
    /// Where the rule breaks.
    pub last: Option<Span>,
    /// Why it breaks there.
    pub why: String,
}

/// Builds the diagnostic.
pub fn report(rule: &str, span: Span, shown: &Shown) -> Diagnostic {
    let title = format!("`{rule}` does not hold");
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title, shown.why.clone());
    if let Some(last) = shown.last {
        diagnostic = diagnostic.also(last, "it breaks here");
    }
    if shown.path.is_empty() {
        return diagnostic;
    }
    diagnostic.hint(format!("shortest path: {}\n\n{}", shown.path, shown.test))
}
