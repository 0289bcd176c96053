// SPDX-License-Identifier: MIT OR Apache-2.0
//! How large a prompt can be: the caps of the zones, the named values at theirs, the instruction as it stands. A token is
//! at least one byte, so literal text counts its bytes; every other text and result is cut at 2,000 tokens (ruling 14).

use crate::check::{Environment, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{Expr, ModelUse, Program, Request, RequestStep, StepKind, TextPart, Type};

/// Cap of every text and every result without a smaller one, tokens (ruling 14).
const VALUE_TOKENS_MAX: u64 = 2_000;
/// A number, an amount, a moment as it prints, tokens.
const SCALAR_TOKENS_MAX: u64 = 32;
/// Messages of a history without a cap of its own.
const HISTORY_MESSAGES_DEFAULT: u64 = 20;
const HOUR_MS: i64 = 3_600_000;

/// What every prompt begins with, tokens.
fn static_tokens(program: &Program) -> u64 {
    let context = &program.context;
    let files = context.static_files.len() as u64 + u64::from(context.skills);
    program.goal.len() as u64 + context.static_tokens_max.map_or(files * VALUE_TOKENS_MAX, u64::from)
}

/// What of a prompt is to stay in the provider's cache for an hour, tokens.
pub(super) fn kept_tokens(program: &Program) -> u64 {
    let is_kept = program.context.static_cache_ms.is_some_and(|ms| ms >= HOUR_MS);
    if is_kept { static_tokens(program) } else { 0 }
}

/// The largest prompt of a model step, tokens.
pub(super) fn tokens(program: &Program, model: &ModelUse) -> u64 {
    let context = &program.context;
    let recalled = context.recall.and_then(|recall| recall.tokens_max).map_or(VALUE_TOKENS_MAX, u64::from);
    let memory = u64::from(model.memory) * recalled;
    let history = if model.history { history_tokens(program) } else { 0 };
    let named: u64 = model.from.iter().map(|(words, value)| words.len() as u64 + value_tokens(value)).sum();
    let instruction: u64 = model
        .instruction
        .iter()
        .map(|part| match part {
            TextPart::Literal(text) => text.len() as u64,
            TextPart::Value(value) => value_tokens(value),
        })
        .sum();
    static_tokens(program) + memory + history + named + instruction
}

/// The largest history, tokens.
pub(super) fn history_tokens(program: &Program) -> u64 {
    program.context.history.map_or(0, |history| {
        let messages = history.messages_max.map_or(HISTORY_MESSAGES_DEFAULT, u64::from);
        history.tokens_max.map_or(messages * VALUE_TOKENS_MAX, u64::from)
    })
}

fn value_tokens(value: &Expr) -> u64 {
    type_tokens(&value.ty)
}

fn type_tokens(ty: &Type) -> u64 {
    match ty {
        // A character is at most four bytes, and so at most four tokens.
        Type::Text(Some(max)) => (u64::from(*max) * 4).min(VALUE_TOKENS_MAX),
        Type::Int(..)
        | Type::Number
        | Type::YesNo
        | Type::Money(_)
        | Type::Duration
        | Type::Moment
        | Type::Date
        | Type::Time
        | Type::FailureKind => SCALAR_TOKENS_MAX,
        Type::Optional(inner) => type_tokens(inner),
        _ => VALUE_TOKENS_MAX,
    }
}

/// The fixed names that a model of the program can stand for: its chain, or those of every complexity.
pub(super) fn names(program: &Program, model: u32) -> Vec<&str> {
    let Some(found) = program.models.get(model as usize) else { return Vec::new() };
    let mut out: Vec<&str> = found.chain.iter().map(String::as_str).collect();
    if let Some(routing) = &found.routing {
        let others =
            routing.levels.iter().map(|(_, model)| model).chain(routing.step_down.iter().map(|(_, m)| m));
        for other in others.filter_map(|other| program.models.get(*other as usize)) {
            out.extend(other.chain.iter().map(String::as_str).filter(|_| other.routing.is_none()));
        }
    }
    out
}

/// What a step wants of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A text: `write`.
    Text,
    /// A value of a type: `pick`, `fill`.
    Structure,
    /// The next turn of the conversation.
    Turn,
}

/// A model step.
pub(super) struct ModelStep<'p> {
    pub model: &'p ModelUse,
    pub asked: Asked,
    pub span: Span,
}

/// Every model step.
pub(super) fn model_steps(program: &Program) -> Vec<ModelStep<'_>> {
    let mut out = Vec::new();
    for step in super::every_step(program) {
        match &step.kind {
            StepKind::PickArms { model, .. }
            | StepKind::PickValue { model, .. }
            | StepKind::Request(RequestStep { request: Request::Fill { model, .. }, .. }) => {
                out.push(ModelStep { model, asked: Asked::Structure, span: step.span });
            }
            StepKind::Write { model, .. } => {
                out.push(ModelStep { model, asked: Asked::Text, span: step.span });
            }
            StepKind::Turn { model, .. } => {
                out.push(ModelStep { model, asked: Asked::Turn, span: step.span });
            }
            _ => {}
        }
    }
    out
}

/// Models that some step uses, the one that summarises included.
pub(super) fn used_models(program: &Program) -> Vec<u32> {
    let mut out: Vec<u32> = model_steps(program).into_iter().map(|step| step.model.model.0).collect();
    out.extend(program.context.history.and_then(|history| history.summarize));
    out
}

/// Reports prompts that do not fit the window of a model that may be asked.
pub(super) fn check(program: &Program, environment: &Environment, diagnostics: &mut Diagnostics) {
    for ModelStep { model, span, .. } in model_steps(program) {
        let prompt = tokens(program, model);
        let tight = names(program, model.model.0).into_iter().find_map(|name| {
            let price = environment.prices.of(name, prompt)?;
            let room = u64::from(price.window_tokens).saturating_sub(u64::from(price.output_tokens_max));
            (prompt > room).then_some((name, price))
        });
        if let Some((name, price)) = tight {
            diagnostics.push(report::prompt_too_large::report(name, prompt, &price, span));
        }
    }
}
