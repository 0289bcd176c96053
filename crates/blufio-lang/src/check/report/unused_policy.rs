// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0309: a part of a policy that nothing in the program uses.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0309`.
pub const PAGE: Page = Page {
    code: "E0309",
    title: "a part of a policy that nothing uses",
    text: r##"`when budget under N%` looks at what is left of budgets in money. Where there is none, nothing is ever under it.

Warned about:

    models { … auto = by complexity (…) when budget under 20% use fast }
    budget { message = 5 calls }

Accepted:

    budget { message = 5 calls  day = 2 usd }
"##,
};

/// Builds the diagnostic.
pub fn report(what: &str, why: &str, span: Span) -> Diagnostic {
    Diagnostic::warning(PAGE.code, span, format!("{what} is not used"), why.to_string())
        .hint("use it, or take it out")
}
