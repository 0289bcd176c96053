// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0501: a route that cannot work.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0501`.
pub const PAGE: Page = Page {
    code: "E0501",
    title: "a route that cannot work",
    text: r##"A route names a channel that exists, a sender that `people` knows and an agent of the folder that people can talk to.
A webhook is signed, and names a record of a `shared` file that its agent waits for; its sessions are kept by a field that is
never missing.

Refused:

    telegramm from owner -> a

Accepted:

    telegram from owner -> a
"##,
};

/// Builds the diagnostic.
pub fn report(title: &str, span: Span, hint: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(PAGE.code, span, title.to_string(), "in this route".to_string());
    diagnostic.hint = Some(hint.to_string());
    diagnostic
}
