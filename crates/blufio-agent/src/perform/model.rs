// SPDX-License-Identifier: MIT OR Apache-2.0
//! A model step: the request, the reading of the answer by purpose, and asking again when a `pick` does not fit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use blufio_core::model::{Block, ModelReply, ModelRequest, Role, StopReason, Turn};
use blufio_core::store::{Attempted, LedgerRow};
use blufio_lang::effect::{ModelEffect, ModelPurpose, Outcome};
use blufio_lang::value::{FailureKind, ToolCall};
use tokio::sync::{mpsc, watch};

use super::attempt::{Attempts, UnderWay};
use super::{Allowance, Fold, FromEffect, MemoryRead, Origin, Performed, call, choose, failed};
use crate::shared::{Shared, lock};
use crate::transcript::{own_turn, text_turn};
use crate::{context, journal};

/// How often "an answer is on its way" is shown.
const TYPING_EVERY: Duration = Duration::from_secs(4);
/// Continuations of an answer that the provider paused.
const PAUSES_MAX: u32 = 3;
const HOUR_MS: i64 = 3_600_000;
/// Violations that are listed when a `pick` is asked again.
const VIOLATIONS_MAX: usize = 20;
/// Why, when a model declines without words that may be shown (what came before is discarded, M-10).
const DECLINED: &str = "the model declined";

/// Puts on record that an earlier life asked a model for this step: whether it cost anything is not known.
pub(super) async fn record_interrupted(shared: &Arc<Shared>, origin: &Origin, effect: &ModelEffect) {
    let chain = choose::plain_chain(&origin.program.program, effect.model);
    let step = journal::purpose(&effect.purpose);
    let row = attempts(shared, origin, step).interrupted(chain.first().map_or("", String::as_str));
    if let Err(error) = shared.store.record_attempt(row.into()).await {
        shared.store_failed(&error);
    }
}

/// A model step with all it needs.
pub(super) struct Asked {
    pub effect: ModelEffect,
    /// History and question.
    pub turns: Vec<Arc<Turn>>,
    /// Row of the stream.
    pub stream: Option<i64>,
    pub memory: Option<MemoryRead>,
    pub allowance: Allowance,
    pub fold: Option<Fold>,
}

fn attempts<'a>(shared: &'a Arc<Shared>, origin: &'a Origin, step: &'static str) -> Attempts<'a> {
    Attempts {
        shared,
        origin,
        purpose: origin.purpose(step),
        stream: None,
        reason: None,
        caps: &[],
        under_way: Arc::default(),
        journal: Vec::new(),
        session: None,
        media_refused: None,
    }
}

/// Performs a model step; `None` when it was cancelled.
pub(super) async fn perform(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: Asked,
    session: &mpsc::UnboundedSender<FromEffect>,
    mut cancelled: watch::Receiver<bool>,
) -> Option<Performed> {
    let under_way: Arc<Mutex<UnderWay>> = Arc::default();
    let (caps, deadline_ms) = (asked.allowance.caps.clone(), asked.allowance.deadline_ms);
    let attempts = |step| Attempts {
        caps: &caps,
        under_way: Arc::clone(&under_way),
        session: Some(session),
        ..attempts(shared, origin, step)
    };
    let timeout = shared.clock.sleep(Duration::from_millis(shared.limits.model_timeout_ms));
    let over = over_time(shared, deadline_ms);
    let performed = tokio::select! {
        // INVARIANT: whoever runs after the switch was thrown sees it before it can send anything.
        biased;
        () = shared.switch.thrown() => Some(Performed::new(origin.id, Outcome::OverBudget(None))),
        _ = cancelled.wait_for(|cancelled| *cancelled) => None,
        performed = step(attempts, asked) => return Some(performed),
        () = typing(shared, origin) => None,
        () = over => Some(Performed::new(origin.id, Outcome::OverBudget(None))),
        () = timeout => Some(Performed::new(origin.id, failed(FailureKind::Timeout, "the model did not answer in time", None))),
    };
    // A stop is on record when the step is resumed, like a crash.
    if shared.is_stopping() {
        return performed;
    }
    let UnderWay { attempt, answered } = std::mem::take(&mut *lock(&under_way));
    for ended in answered.into_iter().chain(attempt.map(cancelled_attempt)) {
        if let Err(error) = shared.store.record_attempt(ended).await {
            shared.store_failed(&error);
        }
    }
    performed
}

/// The whole step: what falls out of the history is summarised, what is remembered is read, the models are chosen and asked.
async fn step<'a>(attempts: impl Fn(&'static str) -> Attempts<'a>, asked: Asked) -> Performed {
    let Asked { effect, mut turns, stream, memory, allowance, fold } = asked;
    let mut journal = Vec::new();
    let mut folded = None;
    if let Some(fold) = fold {
        let mut summary = attempts("summary");
        folded = Some(summary.fold(fold, &mut turns).await);
        journal = summary.journal;
    }
    let attempts = attempts(journal::purpose(&effect.purpose));
    let (shared, origin) = (attempts.shared, attempts.origin);
    let remembered = match &memory {
        Some(memory) => call::memory_turn(shared, &effect, &turns, memory).await,
        None => None,
    };
    let choice = choose::choose(shared, &origin.program.program, &effect, &turns, &allowance.caps).await;
    turns.extend(remembered.clone().map(Arc::new));
    let attempts = Attempts { stream, reason: choice.reason, journal, ..attempts };
    let step = Step { attempts, effect: &effect, chain: choice.chain, chain_at: 0 };
    let keeps = step.keeps();
    let mut performed = step.run(turns).await;
    performed.folded = folded;
    // What was sent is sent again unchanged, also when nothing came of it.
    if keeps {
        performed.turns.splice(..0, remembered);
    }
    performed
}

/// Completes when the time of the event is over; never where it is not limited.
async fn over_time(shared: &Shared, deadline_ms: Option<i64>) {
    let left = |deadline_ms: i64| deadline_ms.saturating_sub(shared.clock.now_ms()).max(0).unsigned_abs();
    match deadline_ms.map(left) {
        Some(left_ms) => shared.clock.sleep(Duration::from_millis(left_ms)).await,
        None => std::future::pending().await,
    }
}

/// What is left of an attempt that was cut short: nobody knows what it cost, so it is charged as reserved.
fn cancelled_attempt(cut: Attempted) -> Attempted {
    Attempted { row: LedgerRow { outcome: "cancelled".to_string(), ..cut.row }, ..cut }
}

/// Shows that an answer is on its way, for ever.
async fn typing(shared: &Shared, origin: &Origin) {
    let Some((address, channel)) = origin.address.as_ref().and_then(|a| shared.channel(a).map(|c| (a, c)))
    else {
        return std::future::pending().await;
    };
    loop {
        channel.typing(address).await;
        shared.clock.sleep(TYPING_EVERY).await;
    }
}

struct Step<'a> {
    attempts: Attempts<'a>,
    effect: &'a ModelEffect,
    chain: Vec<String>,
    chain_at: usize,
}

impl Step<'_> {
    /// Whether what it adds to the prompt becomes part of the history.
    fn keeps(&self) -> bool {
        let remembers = self.attempts.origin.program.program.context.history.is_some();
        self.effect.history && remembers && matches!(self.effect.purpose, ModelPurpose::Turn { .. })
    }

    async fn run(mut self, turns: Vec<Arc<Turn>>) -> Performed {
        let mut request = self.request(turns);
        let (outcome, picked, turns) = match self.effect.purpose {
            ModelPurpose::Pick { schema } | ModelPurpose::Fill { schema, .. } => {
                let (outcome, picked) =
                    self.pick(&mut request, schema).await.unwrap_or_else(|failed| (failed, None));
                (outcome, picked, Vec::new())
            }
            ModelPurpose::Write => {
                (self.write(&mut request).await.unwrap_or_else(|failed| failed), None, Vec::new())
            }
            ModelPurpose::Turn { .. } => {
                let (outcome, turns) =
                    self.turn(&mut request).await.unwrap_or_else(|failed| (failed, Vec::new()));
                (outcome, None, turns)
            }
        };
        let keeps = self.keeps();
        let mut performed = Performed::new(self.attempts.origin.id, outcome);
        performed.picked = picked;
        performed.turns = if keeps { turns } else { Vec::new() };
        performed.ledger = self.attempts.take_answered();
        performed.attempts = self.attempts.journal;
        performed
    }

    fn request(&self, turns: Vec<Arc<Turn>>) -> ModelRequest {
        let loaded = &self.attempts.origin.program;
        let limits = &self.attempts.shared.limits;
        // A provider refuses a history with tool calls when no tools are declared.
        let has_calls =
            turns.iter().flat_map(|turn| &turn.blocks).any(|block| matches!(block, Block::ToolUse { .. }));
        let (tools, output_schema, output_tokens_max) = match &self.effect.purpose {
            ModelPurpose::Turn { .. } => (true, None, limits.turn_tokens_max),
            ModelPurpose::Write => (has_calls, None, limits.write_tokens_max),
            ModelPurpose::Pick { schema } | ModelPurpose::Fill { schema, .. } => {
                (has_calls, Some(loaded.program.schema_json(*schema).to_string()), limits.pick_tokens_max)
            }
        };
        let manifest = |tool: &str| self.attempts.shared.tools.manifest(tool);
        let tools = if tools {
            context::offers(&loaded.program, self.attempts.origin.allowed.as_deref(), manifest)
        } else {
            Vec::new()
        };
        let cached_ms = loaded.program.context.static_cache_ms;
        let turns = if turns.is_empty() { vec![Arc::new(text_turn(Role::User, "Go on."))] } else { turns };
        ModelRequest {
            model: String::new(),
            system: loaded.system.clone(),
            tools,
            turns,
            output_schema,
            output_tokens_max,
            caches_static_for_an_hour: cached_ms.is_some_and(|ms| ms >= HOUR_MS),
        }
    }

    async fn ask(&mut self, request: &mut ModelRequest) -> Result<ModelReply, Outcome> {
        self.attempts.ask(&self.chain, &mut self.chain_at, request).await
    }

    async fn pick(
        &mut self,
        request: &mut ModelRequest,
        schema: u32,
    ) -> Result<(Outcome, Option<serde_json::Value>), Outcome> {
        let mut wrong = String::new();
        for _ in 0..=self.effect.retries {
            let reply = self.ask(request).await?;
            if reply.stop == StopReason::Refusal {
                return Ok((failed(FailureKind::Refused, DECLINED, None), None));
            }
            let text = text_of(&reply.turn);
            match self.read(schema, &text) {
                Ok((value, json)) => return Ok((Outcome::Picked(value), Some(json))),
                Err(violations) => wrong = violations,
            }
            let said = if text.trim().is_empty() { "(no answer)" } else { text.as_str() };
            request.turns.push(text_turn(Role::Assistant, said).into());
            let again = format!(
                "That does not fit:\n{wrong}\nAnswer again with one JSON object that fits the schema."
            );
            request.turns.push(text_turn(Role::User, &again).into());
        }
        Ok((failed(FailureKind::Invalid, &wrong, None), None))
    }

    fn read(
        &self,
        schema: u32,
        text: &str,
    ) -> Result<(blufio_lang::value::Value, serde_json::Value), String> {
        let json: serde_json::Value =
            serde_json::from_str(text.trim()).map_err(|error| format!("- answer: not JSON: {error}"))?;
        let program = &self.attempts.origin.program.program;
        match program.value_from_json(schema, &json) {
            Ok(value) => Ok((value, json)),
            Err(violations) => {
                let lines =
                    violations.iter().take(VIOLATIONS_MAX).map(|v| format!("- {}: {}", v.path, v.message));
                Err(lines.collect::<Vec<_>>().join("\n"))
            }
        }
    }

    async fn write(&mut self, request: &mut ModelRequest) -> Result<Outcome, Outcome> {
        let reply = self.ask(request).await?;
        let text = text_of(&reply.turn);
        Ok(match reply.stop {
            StopReason::Refusal => failed(FailureKind::Refused, DECLINED, None),
            StopReason::MaxTokens if !text.is_empty() => {
                Outcome::Wrote(format!("{text}{}", context::CUT).into())
            }
            _ if text.trim().is_empty() => failed(FailureKind::Broken, "the model wrote nothing", None),
            _ => Outcome::Wrote(text.into()),
        })
    }

    async fn turn(&mut self, request: &mut ModelRequest) -> Result<(Outcome, Vec<Turn>), Outcome> {
        let mut kept = Vec::new();
        let mut pauses = 0;
        let mut nudged = false;
        // A provider that pauses goes on where it stopped: all parts are one answer.
        let mut before = String::new();
        loop {
            let reply = self.ask(request).await?;
            let text = format!("{before}{}", text_of(&reply.turn));
            match reply.stop {
                StopReason::Refusal => return Ok((Outcome::Refused(DECLINED.into()), Vec::new())),
                StopReason::PauseTurn if pauses < PAUSES_MAX => {
                    pauses += 1;
                    before = text;
                    let said = without_calls(reply.turn);
                    if !said.blocks.is_empty() {
                        request.turns.push(Arc::new(said.clone()));
                        kept.push(said);
                    }
                    continue;
                }
                StopReason::ToolUse => {
                    let calls = self.calls(&reply.turn)?;
                    if !calls.is_empty() {
                        kept.push(reply.turn);
                        return Ok((Outcome::Called(calls.into()), kept));
                    }
                }
                StopReason::ContextWindowExceeded => {
                    return Err(failed(FailureKind::Broken, "the model's context window is full", None));
                }
                _ => {}
            }
            if text.trim().is_empty() && !nudged {
                nudged = true;
                let nudge = own_turn("Please answer in words.");
                request.turns.push(Arc::new(nudge.clone()));
                kept.push(nudge);
                continue;
            }
            let cut = reply.stop == StopReason::MaxTokens;
            let text = if cut { format!("{text}{}", context::CUT) } else { text };
            kept.extend(lasting(reply.turn));
            return Ok((Outcome::Said(text.into()), kept));
        }
    }

    /// The calls of an answer; two with one id cannot both be answered, so nothing of it is used (M-18).
    fn calls(&self, turn: &Turn) -> Result<Vec<ToolCall>, Outcome> {
        let program = &self.attempts.origin.program.program;
        let mut calls: Vec<ToolCall> = Vec::new();
        for block in &turn.blocks {
            let Block::ToolUse { id, name, input } = block else { continue };
            if calls.iter().any(|call| *call.id == **id) {
                return Err(failed(FailureKind::Broken, "the model gave two calls the same id", None));
            }
            let tool = context::granted_name(program, name).into();
            calls.push(ToolCall { id: id.as_str().into(), tool, arguments: input.as_str().into() });
        }
        Ok(calls)
    }
}

/// An answer that did not stop for its calls, without them: a call that nobody will answer is refused by the provider
/// with every later request (M-12).
fn without_calls(turn: Turn) -> Turn {
    let is_call = |block: &Block| matches!(block, Block::ToolUse { .. });
    if !turn.blocks.iter().any(is_call) {
        return turn;
    }
    let blocks = turn.blocks.into_iter().filter(|block| !is_call(block)).collect();
    Turn { blocks, raw: None, ..turn }
}

/// What stands in the history of an answer that ended; thinking that nothing follows is refused, too.
fn lasting(turn: Turn) -> Option<Turn> {
    let turn = without_calls(turn);
    let says_something = turn.blocks.iter().any(|block| !matches!(block, Block::Opaque { .. }));
    says_something.then_some(turn)
}

fn text_of(turn: &Turn) -> String {
    let text = |block: &Block| match block {
        Block::Text { text } => Some(text.clone()),
        _ => None,
    };
    turn.blocks.iter().filter_map(text).collect()
}
