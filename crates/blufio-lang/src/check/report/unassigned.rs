// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0206: a value that may not be there.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0206`.
pub const PAGE: Page = Page {
    code: "E0206",
    title: "a value that may not be there",
    text: r##"A slot without an initial value, or an optional one, may be used as a plain value only where every path through the
graph has assigned it. A local of a state's body is visible in the state's handlers only if it is assigned before
the body first waits.

Refused:

    keep { n: int }  start state s { reply "{n}" … }

Accepted:

    keep { n: int = 0 }
"##,
};

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, why: &str) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::error(PAGE.code, span, format!("`{name}` may be empty here"), why.to_string());
    diagnostic.hint = Some("assign it on every path to this place, give it an initial value, or test it with `when NAME { none … some(v) … }`".to_string());
    diagnostic
}
