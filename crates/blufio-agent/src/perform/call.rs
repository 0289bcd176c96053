// SPDX-License-Identifier: MIT OR Apache-2.0
//! `call` and `recall`: what a program asks for by itself. A call that must not be repeated starts only after that start
//! is durable; every other one may be tried again. A result that is not of the type that the manifest promises is a
//! failure, never a value.

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
use crate::replay::first_words;
use crate::session::envelope::RunProgress;
use crate::shared::Shared;

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
/// How long uses by event or session are kept at the most, milliseconds.
const KEPT_MS: i64 = 365 * DAY_MS;

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
    let (what, until_ms, told) = match period {
        RatePeriod::Hour => (format!("{agent}/{tool}/hour"), end_of(HOUR_MS), Some(end_of(HOUR_MS))),
        RatePeriod::Day => (format!("{agent}/{tool}/day"), end_of(DAY_MS), Some(end_of(DAY_MS))),
        RatePeriod::Session => (format!("{session}/{tool}/session"), now_ms + KEPT_MS, None),
        RatePeriod::Event => (format!("{session}/{tool}/event/{}", origin.events), now_ms + DAY_MS, None),
    };
    let token = format!("{}.{at}", origin.token());
    match shared.store.reserve(&what, &token, most, until_ms, now_ms).await {
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

/// Puts what is remembered behind the newest turn, never earlier, so that what was sent before stays as it was sent.
pub(super) async fn add_memory(
    shared: &Shared,
    effect: &ModelEffect,
    turns: &mut Vec<Turn>,
    memory: Option<MemoryRead>,
) {
    let Some(memory) = memory.filter(|memory| !memory.scopes.is_empty()) else { return };
    let query = query_of(effect, turns);
    let texts = match shared.store.recall(&memory.scopes, &query, memory.top).await {
        Ok(texts) if !texts.is_empty() => texts,
        Ok(_) => return,
        Err(error) => return shared.store_failed(&error),
    };
    let text = context::cut_to_tokens(&texts.join("\n"), memory.tokens_max);
    let text = context::fence("data", Some("memory"), &text);
    let block = Block::Text { text };
    match turns.last_mut().filter(|turn| turn.role == Role::User) {
        Some(turn) => turn.blocks.push(block),
        None => turns.push(Turn { role: Role::User, blocks: vec![block], raw: None }),
    }
}

/// What a model step is about: the values it names, else what was said last.
fn query_of(effect: &ModelEffect, turns: &[Turn]) -> String {
    let named: Vec<&str> = effect.from.iter().map(|(_, value)| &**value).collect();
    if !named.is_empty() {
        return named.join(" ");
    }
    let texts = |turn: &Turn| {
        let text = |block: &Block| match block {
            Block::Text { text } => Some(text.clone()),
            _ => None,
        };
        turn.blocks.iter().filter_map(text).collect::<Vec<_>>().join(" ")
    };
    turns.iter().rev().find(|turn| turn.role == Role::User).map(texts).unwrap_or_default()
}
