// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0112: a time zone that does not exist.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0112`.
pub const PAGE: Page = Page {
    code: "E0112",
    title: "a time zone that does not exist",
    text: r##"Zones are names of the IANA database.

Refused:

    zone "Europe/Berln"

Accepted:

    zone "Europe/Berlin"
"##,
};

/// Builds the diagnostic.
pub fn report(zone: &str, span: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no time zone `{zone}`"),
        "not in the time zone database".to_string(),
    );
    diagnostic.hint = Some("write an IANA name such as \"Europe/Berlin\" or \"UTC\"".to_string());
    diagnostic
}
