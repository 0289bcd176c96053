// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0609: a secret that leaves.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0609`.
pub const PAGE: Page = Page {
    code: "E0609",
    title: "a secret that leaves",
    text: r##"What a tool gives under the label `secret` is not put into a prompt, a reply, a message, a question, memory or the arguments of
a tool whose manifest does not carry the label itself. That a secret decides whether something is said counts as saying it.

Refused:

    key = call vault.key() reply key

Accepted:

    key = call vault.key() call vault.sign(key: key)
"##,
};

/// Builds the diagnostic. `what`: where it goes.
pub fn report(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(PAGE.code, span, format!("a secret may get into {what}"), "leaves here".to_string())
        .hint("give it only to tools whose manifest has `label = \"secret\"`")
}
