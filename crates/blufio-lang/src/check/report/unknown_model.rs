// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0105: a model name that `models` does not declare, or a provider that this machine does not know.

use super::Page;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0105`.
pub const PAGE: Page = Page {
    code: "E0105",
    title: "a model name that `models` does not declare",
    text: r##"After `using` stands a name from `models { … }` of the agent or of a `shared` file. A model itself is named
`provider/model`; the provider is a known one, or has a section `[models.PROVIDER]` in `blufio.toml`.

Refused:

    write x using fats "Hi"

Accepted:

    write x using fast "Hi"
"##,
};

/// A provider that nobody configured.
pub fn provider(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no provider `{name}`"),
        "not configured on this machine".to_string(),
    );
    let advice = format!("say what it is in blufio.toml: [models.{name}] with kind and base_url");
    diagnostic.hint = super::near_hint(near, &advice);
    diagnostic
}

/// Builds the diagnostic.
pub fn report(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(
        PAGE.code,
        span,
        format!("there is no model `{name}`"),
        "not in `models { … }`".to_string(),
    );
    diagnostic.hint = super::near_hint(near, "declare it: models { fast = \"anthropic/claude-haiku-5-5\" }");
    diagnostic
}
