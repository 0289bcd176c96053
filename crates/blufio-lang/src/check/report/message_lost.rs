// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0307: messages that nobody would ever take.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::typed::Trigger;

/// The page of `blufio explain E0307`.
pub const PAGE: Page = Page {
    code: "E0307",
    title: "messages that nobody would ever take",
    text: r##"A held message waits for a state that takes messages; a joined one is read by the next model step with history, or
taken by such a state. One of them must lie on every path. The same holds of `edited`, `reaction`, `joined` and `left`.

Refused:

    anywhere { on message hold } and no state with `on message`

Accepted:

    start state idle { on message m -> work }
"##,
};

/// Builds the diagnostic.
pub fn report(kind: &Trigger, state: &str, how: &str, span: Span, why: &str) -> Diagnostic {
    let (title, word) = match kind {
        Trigger::Channel(word) => {
            (format!("what `on {word}` would {how} in `{state}` may never be answered"), word.as_str())
        }
        _ => (format!("messages that `{state}` would {how} may never be answered"), "message"),
    };
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title, why.to_string());
    diagnostic.hint = Some(format!(
        "let every path reach a state with `on {word} m …`, or (for `join`) a model step `with history`"
    ));
    diagnostic
}
