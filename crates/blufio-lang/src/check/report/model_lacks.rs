// SPDX-License-Identifier: MIT OR Apache-2.0
//! E0512: a model that cannot do what a step needs.

use super::Page;
use crate::check::Feature;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The page of `blufio explain E0512`.
pub const PAGE: Page = Page {
    code: "E0512",
    title: "a model that cannot do what a step needs",
    text: r##"`turn` of an agent with tools needs a provider that takes tools; `pick` and `fill` need one that answers in a given
form. Every model that the step may ask is looked at: the whole chain, and those of every complexity. What a provider
lacks is said in `blufio.toml` (`models.NAME.tools = false`, `models.NAME.structured_output = "none"`).

Refused, where `local` takes no tools:

    models { fast = "local/small" }
    can use time.now
    turn using fast with history { … calls(c) { run c -> work } … }

Accepted:

    models { fast = "anthropic/claude-haiku-5-5" }
    can use time.now
    turn using fast with history { … calls(c) { run c -> work } … }
"##,
};

/// Builds the diagnostic.
pub fn report(model: &str, needed: Feature, span: Span) -> Diagnostic {
    let (what, hint) = match needed {
        Feature::Tools => ("takes no tools", "ask another model here, or take the tools from the agent"),
        Feature::StructuredOutput => {
            ("does not answer in a given form", "ask another model here, or let it `write` text")
        }
    };
    Diagnostic::error(PAGE.code, span, format!("`{model}` {what}"), "needs it").hint(hint)
}
