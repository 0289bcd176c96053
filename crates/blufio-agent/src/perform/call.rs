// SPDX-License-Identifier: MIT OR Apache-2.0
//! `call` and `recall`: what a program asks for by itself. A call that must not be repeated starts only after that start
//! is durable; every other one may be tried again. A result that is not of the type that the manifest promises is a
//! failure, never a value.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use blufio_core::model::{Block, Role, Turn};
use blufio_core::tool::EffectClass;
use blufio_lang::effect::{ModelEffect, Outcome};
use blufio_lang::program::shape::{Shape, ShapeId};
use blufio_lang::program::{EffectClass as GrantClass, Program, RatePeriod, Tool};
use blufio_lang::value::{FailureKind, ToolCall, Value};
use serde_json::Value as Json;
use tokio::sync::{mpsc, watch};

use super::tools::{self, Called};
use super::{FromEffect, MemoryRead, Origin, Performed, failed};
use crate::context;
use crate::hygiene::outside;
use crate::replay::first_words;
use crate::session::envelope::RunProgress;
use crate::shared::Shared;
use crate::transcript::{begins_exchange, text_turn};

/// First wait between two attempts, milliseconds; it doubles.
const BACKOFF_MS: u64 = 500;
/// Longest wait between two attempts, milliseconds.
const BACKOFF_MS_MAX: u64 = 60_000;
/// Most tokens of a text that a call gives (ruling 14).
const TEXT_TOKENS_MAX: usize = 2_000;
/// How a tool begins that refuses its arguments (see `ToolError`).
const REFUSED: &str = "invalid arguments";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A call of a program.
pub(super) struct Call {
    /// Index into the program's tools.
    pub grant: u32,
    /// Arguments: one JSON object.
    pub arguments: Arc<str>,
    /// Shape of the result.
    pub shape: ShapeId,
    /// Further attempts.
    pub retries: u32,
    /// An earlier process announced it and nobody knows how it ended.
    pub started: bool,
}

/// Performs a call.
pub(super) async fn perform(
    shared: &Arc<Shared>,
    origin: &Origin,
    call: Call,
    announced: bool,
    session: &mpsc::UnboundedSender<FromEffect>,
    cancelled: &mut watch::Receiver<bool>,
) -> Option<Performed> {
    let program = &origin.program.program;
    let Some(grant) = program.tools.get(call.grant as usize) else {
        return Some(Performed::new(origin.id, failed(FailureKind::Denied, "no such grant", None)));
    };
    let wanted = ToolCall { id: "call".into(), tool: grant.tool.as_str().into(), arguments: call.arguments };
    let manifest = match tools::prepare(shared, origin, &wanted) {
        Ok(manifest) => manifest,
        Err(words) => {
            let kind = if shared.tools.manifest(&grant.tool).is_some() {
                FailureKind::Invalid
            } else {
                FailureKind::Denied
            };
            return Some(Performed::new(origin.id, failed(kind, &words, None)));
        }
    };
    // The stricter of what the program was checked with and what the tool says now.
    let once = manifest.effect == EffectClass::Once || grant.effect == GrantClass::Once;
    if once && call.started {
        return Some(Performed::new(origin.id, Outcome::Uncertain));
    }
    if let Some(limited) = take_use(shared, origin, grant, 0).await {
        return Some(Performed::new(origin.id, limited));
    }
    let progress = RunProgress { started: true, ..RunProgress::default() };
    if once && !announced && !tools::announce(origin, progress, session).await {
        return None;
    }
    let attempts = if once { 1 } else { call.retries.saturating_add(1) };
    let mut wait_ms = BACKOFF_MS;
    let mut attempt = 1;
    let outcome = loop {
        let outcome = match tools::called(shared, origin, &wanted, 0, once).await {
            Called::Result(text) => read(program, call.shape, &text),
            Called::Error(words) => failed(kind_of(&words), &words, None),
            Called::Unknown(_) => Outcome::Uncertain,
        };
        if !may_pass(&outcome) || attempt >= attempts {
            break outcome;
        }
        // What is not wanted any more is not tried again.
        tokio::select! {
            () = shared.clock.sleep(Duration::from_millis(wait_ms)) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => break outcome,
        }
        wait_ms = (wait_ms * 2).min(BACKOFF_MS_MAX);
        attempt += 1;
    };
    Some(Performed::new(origin.id, outcome))
}

/// Whether the same call may end otherwise another time.
fn may_pass(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(failure) => {
            failure.kind != FailureKind::Denied && !failure.detail.starts_with(REFUSED)
        }
        _ => false,
    }
}

/// The kind of failure that a tool's words stand for (see `ToolError`).
fn kind_of(words: &str) -> FailureKind {
    match words {
        words if words.starts_with(REFUSED) => FailureKind::Invalid,
        words if words.starts_with("not allowed") => FailureKind::Denied,
        "no answer in time" => FailureKind::Timeout,
        _ => FailureKind::Broken,
    }
}

/// A tool's answer as a value of its type.
fn read(program: &Program, shape: ShapeId, text: &str) -> Outcome {
    let document = || serde_json::from_str::<Json>(text.trim());
    let json = match program.shape(shape) {
        Some(Shape::Text(_)) => match document() {
            Ok(Json::String(words)) => Json::from(context::cut_to_tokens(&words, TEXT_TOKENS_MAX)),
            _ => Json::from(context::cut_to_tokens(text, TEXT_TOKENS_MAX)),
        },
        Some(Shape::Json) => Json::from(text),
        _ => match document() {
            Ok(json) => json,
            Err(error) => {
                return failed(FailureKind::Invalid, &format!("the result is not JSON: {error}"), None);
            }
        },
    };
    match program.value_of_shape(shape, &json) {
        Ok(value) => Outcome::Done(value),
        Err(violations) => {
            let words = format!("the result does not fit its type: {}", first_words(&violations));
            failed(FailureKind::Invalid, &words, None)
        }
    }
}

/// Takes one use of a tool with a rate; how the call ends when none is left.
pub(super) async fn take_use(shared: &Shared, origin: &Origin, grant: &Tool, at: usize) -> Option<Outcome> {
    let (most, period) = grant.rate?;
    let now_ms = shared.clock.now_ms();
    let (agent, tool, session) = (&origin.program.program.name, &grant.tool, origin.session);
    let end_of = |period_ms: i64| (now_ms.div_euclid(period_ms) + 1) * period_ms;
    let (what, period, told) = match period {
        RatePeriod::Hour => (format!("{agent}/{tool}/hour"), end_of(HOUR_MS), Some(end_of(HOUR_MS))),
        RatePeriod::Day => (format!("{agent}/{tool}/day"), end_of(DAY_MS), Some(end_of(DAY_MS))),
        RatePeriod::Session => (format!("{session}/{tool}/session"), 0, None),
        RatePeriod::Event => (format!("{session}/{tool}/event"), origin.events, None),
    };
    let token = format!("{}.{at}", origin.token());
    match shared.store.reserve(&what, period, &token, most).await {
        Ok(true) => None,
        Ok(false) => {
            Some(failed(FailureKind::Limited, &format!("`{tool}` was used {most} times already"), told))
        }
        Err(error) => {
            shared.store_failed(&error);
            Some(failed(FailureKind::Broken, "the store failed", None))
        }
    }
}

/// Performs a `recall`.
pub(super) async fn recall(shared: &Shared, query: &str, scopes: &[String], top: u32) -> Outcome {
    match shared.store.recall(scopes, query, top).await {
        Ok(texts) => Outcome::Done(Value::List(texts.into_iter().map(|t| Value::Text(t.into())).collect())),
        Err(error) => {
            shared.store_failed(&error);
            failed(FailureKind::Broken, "the store failed", None)
        }
    }
}

/// What is remembered of what a prompt is about: a turn of its own behind the newest one, never earlier, so that what was
/// sent before stays as it was sent. What the prompt shows already is not told again.
pub(super) async fn memory_turn(
    shared: &Shared,
    effect: &ModelEffect,
    turns: &[Arc<Turn>],
    memory: &MemoryRead,
) -> Option<Turn> {
    if memory.scopes.is_empty() {
        return None;
    }
    let query = query_of(effect, turns);
    let texts = match shared.store.recall(&memory.scopes, &query, memory.top).await {
        Ok(texts) => texts,
        Err(error) => {
            shared.store_failed(&error);
            return None;
        }
    };
    let is_told = |text: &str| turns.iter().flat_map(|turn| &turn.blocks).any(|block| tells(block, text));
    let like =
        |text: &String| likeness_thousandths(&query, text) >= memory.above_thousandths && !is_told(text);
    let texts: Vec<String> = texts.into_iter().filter(like).collect();
    if texts.is_empty() {
        return None;
    }
    let text = context::cut_to_tokens(&texts.join("\n"), memory.tokens_max);
    Some(text_turn(Role::User, &context::fence("data", Some(context::MEMORY), &text)))
}

fn tells(block: &Block, remembered: &str) -> bool {
    matches!(block, Block::Text { text } if context::is_aside(text) && text.contains(&*outside(remembered)))
}

/// How alike two texts are by their words, thousandths: the overlap coefficient of their sets of words (what they share, of
/// the smaller one). Meaning joins in when there are embeddings.
fn likeness_thousandths(one: &str, other: &str) -> u32 {
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (one, other) = (words(one), words(other));
    let smaller = one.len().min(other.len());
    if smaller == 0 {
        return 0;
    }
    let shared = one.intersection(&other).count();
    u32::try_from(shared * 1_000 / smaller).unwrap_or(0)
}

/// What a model step is about: the values it names, else what was said last.
fn query_of(effect: &ModelEffect, turns: &[Arc<Turn>]) -> String {
    let named: Vec<&str> = effect.from.iter().map(|(_, value)| &**value).collect();
    if !named.is_empty() {
        return named.join(" ");
    }
    let texts = |turn: &Arc<Turn>| {
        let text = |block: &Block| match block {
            Block::Text { text } => Some(text.clone()),
            _ => None,
        };
        turn.blocks.iter().filter_map(text).collect::<Vec<_>>().join(" ")
    };
    turns.iter().rev().find(|turn| begins_exchange(turn)).map(texts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_what_two_texts_share_of_the_shorter() {
        assert_eq!(likeness_thousandths("Which TEA shall I buy?", "green tea"), 500);
        assert_eq!(likeness_thousandths("tea", "Likes green tea."), 1_000);
        assert_eq!(likeness_thousandths("coffee", "Likes green tea."), 0);
        assert_eq!(likeness_thousandths("", "tea"), 0);
    }
}
