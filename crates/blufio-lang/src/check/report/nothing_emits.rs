// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0701: a rule names what nothing in the program does.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0701`.
pub const PAGE: Page = Page {
    code: "E0701",
    title: "a rule names what nothing in the program does",
    text: r##"A rule about a tool that no step calls, an event that no handler takes or a `wake` that is never set holds by
accident: a misspelled or outdated rule would look like a proof.

Refused:

    rules { never mail.send unless approved by owner }   // nothing calls mail.send

Accepted:

    rules { never mail.send unless approved by owner }
    state write { approve by owner "Send it?" { yes { call mail.send(to: a, text: t) -> idle }  no -> idle } }
"##,
};

/// Builds the diagnostic.
pub fn report(rule: &str, subject: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        PAGE.code,
        span,
        format!("nothing in this program does what `{rule}` speaks of"),
        format!("no step, handler or `run` can make `{subject}` happen"),
    )
    .hint("correct the name, or take the rule out")
}
