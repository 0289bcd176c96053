// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked of models that they cannot give: a step of a model without a price, or of a provider that lacks what
//! the step needs. Only models that some step may ask are looked at, each once.

use std::collections::BTreeSet;

use super::prompt::{self, Asked};
use crate::check::{Environment, Feature, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::Program;

/// Reports them. `agent` is the place of what no step names: the model of summaries.
pub(super) fn check(
    program: &Program,
    agent: Span,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
) {
    let mut found = Findings { environment, diagnostics, seen: BTreeSet::new() };
    for step in prompt::model_steps(program) {
        let prompt = prompt::tokens(program, step.model);
        let needed = match step.asked {
            Asked::Turn => (!program.tools.is_empty()).then_some(Feature::Tools),
            Asked::Structure => Some(Feature::StructuredOutput),
            Asked::Text => None,
        };
        for name in prompt::names(program, step.model.model.0) {
            found.price(name, prompt, step.span);
            found.feature(name, needed, step.span);
        }
    }
    if let Some(summary) = program.context.history.and_then(|history| history.summarize) {
        let prompt = prompt::history_tokens(program);
        for name in prompt::names(program, summary) {
            found.price(name, prompt, agent);
        }
    }
}

struct Findings<'a> {
    environment: &'a Environment,
    diagnostics: &'a mut Diagnostics,
    /// What was reported of a model.
    seen: BTreeSet<(String, Option<Feature>)>,
}

impl Findings<'_> {
    fn price(&mut self, name: &str, prompt: u64, span: Span) {
        if self.environment.prices.of(name, prompt).is_none() && self.seen.insert((name.to_string(), None)) {
            self.diagnostics.push(report::unpriced::model(name, span));
        }
    }

    fn feature(&mut self, name: &str, needed: Option<Feature>, span: Span) {
        let Some(needed) = needed else { return };
        let provider = name.split_once('/').and_then(|(provider, _)| self.environment.provider(provider));
        let lacks = provider.is_some_and(|provider| provider.lacks.contains(&needed));
        if lacks && self.seen.insert((name.to_string(), Some(needed))) {
            self.diagnostics.push(report::model_lacks::report(name, needed, span));
        }
    }
}
