// SPDX-License-Identifier: MIT OR Apache-2.0
//! `run`: the calls that a model asked for, in order. A call that must not be repeated starts only after that start is
//! durable; found started without a result after a restart, its outcome is unknown and nothing after it runs.

use std::sync::Arc;
use std::time::Duration;

use blufio_core::tool::{EffectClass, ToolError, ToolManifest, ToolRequest};
use blufio_lang::effect::Outcome;
use blufio_lang::program::{Danger, Program};
use blufio_lang::value::ToolCall;
use tokio::sync::{mpsc, oneshot, watch};

use super::{FromEffect, Origin, Performed, call};
use crate::context;
use crate::hygiene::outside;
use crate::panics::caught;
use crate::session::envelope::{CallResult, RunProgress};
use crate::shared::Shared;

/// Most tokens of a result that the model reads.
const RESULT_TOKENS_MAX: usize = 2_000;
/// What the model reads when nobody knows whether a call happened.
const UNKNOWN: &str = "the outcome is unknown: it may or may not have happened";

/// What the model reads when nobody approved a call (ruling 12).
const NOT_APPROVED: &str = "not approved";

/// What a call came to.
pub(super) enum Called {
    Result(String),
    Error(String),
    Unknown(String),
}

/// What the model wants.
pub(super) struct Run<'a> {
    /// The calls, in order.
    pub calls: &'a [ToolCall],
    /// An earlier process may have begun what the progress says.
    pub resumed: bool,
    /// Dangerous calls need somebody's approval.
    pub asks: bool,
    /// Until when they may be approved.
    pub deadline_ms: Option<i64>,
}

/// Performs the calls; `None` when cancelled before the end, or when somebody must approve the next one first.
pub(super) async fn perform(
    shared: &Arc<Shared>,
    origin: &Origin,
    run: Run<'_>,
    progress: RunProgress,
    session: &mpsc::UnboundedSender<FromEffect>,
    cancelled: &watch::Receiver<bool>,
) -> Option<Performed> {
    let RunProgress { mut results, mut started, decisions, .. } = progress;
    let mut outcome = Outcome::Ran;
    for (at, call) in run.calls.iter().enumerate().skip(results.len()) {
        if *cancelled.borrow() {
            break;
        }
        let done = if started && run.resumed {
            Called::Unknown(UNKNOWN.to_string())
        } else {
            match prepare(shared, origin, call) {
                Err(refused) => Called::Error(refused),
                Ok(manifest) => match decided(shared, origin, &run, call, at, &decisions) {
                    Some(false) => Called::Error(NOT_APPROVED.to_string()),
                    None => {
                        let progress = RunProgress { results, started: false, awaiting: true, decisions };
                        let ask = FromEffect::Ask { id: origin.id, progress, call: call.clone() };
                        // Nobody listens any more when the session was dropped.
                        let _ = session.send(ask);
                        return None;
                    }
                    Some(true) => {
                        let once = manifest.effect == EffectClass::Once;
                        let before = RunProgress {
                            results: results.clone(),
                            started: true,
                            awaiting: false,
                            decisions: decisions.clone(),
                        };
                        if once && !started && !announce(origin, before, session).await {
                            break;
                        }
                        match limited(shared, origin, &call.tool, at).await {
                            Some(words) => Called::Error(words),
                            None => called(shared, origin, call, at, once).await,
                        }
                    }
                },
            }
        };
        started = false;
        let id = call.id.to_string();
        let (content, is_error, unknown) = match done {
            Called::Result(text) => {
                (context::cut_to_tokens(&outside(&text), RESULT_TOKENS_MAX), false, false)
            }
            Called::Error(words) => (outside(&words).into_owned(), true, false),
            Called::Unknown(words) => (outside(&words).into_owned(), true, true),
        };
        results.push(CallResult { id, content, is_error });
        if unknown {
            outcome = Outcome::Uncertain;
            break;
        }
    }
    let mut performed = Performed::new(origin.id, outcome);
    performed.results = results;
    Some(performed)
}

/// Whether a call may start as far as people are concerned; `None` when somebody must be asked. Until labels are known
/// at run time, every history counts as one that holds untrusted words.
fn decided(
    shared: &Shared,
    origin: &Origin,
    run: &Run<'_>,
    call: &ToolCall,
    at: usize,
    decisions: &[(u32, bool)],
) -> Option<bool> {
    if !run.asks || !is_dangerous(shared, &origin.program.program, &call.tool) {
        return Some(true);
    }
    if let Some((_, yes)) = decisions.iter().find(|(decided, _)| *decided as usize == at) {
        return Some(*yes);
    }
    let is_late = run.deadline_ms.is_some_and(|deadline| shared.clock.now_ms() >= deadline);
    is_late.then_some(false)
}

/// Whether a call of a tool can do harm, by its manifest.
pub(crate) fn is_dangerous(shared: &Shared, program: &Program, tool: &str) -> bool {
    let granted = program.tools.iter().find(|grant| grant.tool == tool);
    granted.is_some_and(|grant| grant.danger == Danger::Dangerous)
        || shared.tools.manifest(tool).is_some_and(|manifest| manifest.dangerous)
}

/// Takes one use of a tool with a rate; words for the model when none is left.
async fn limited(shared: &Shared, origin: &Origin, tool: &str, at: usize) -> Option<String> {
    let grant = origin.program.program.tools.iter().find(|grant| grant.tool == tool)?;
    match call::take_use(shared, origin, grant, at).await? {
        Outcome::Failed(failure) => Some(failure.detail.to_string()),
        _ => None,
    }
}

/// Has the start of a call made durable.
pub(super) async fn announce(
    origin: &Origin,
    progress: RunProgress,
    session: &mpsc::UnboundedSender<FromEffect>,
) -> bool {
    let (acknowledge, durable) = oneshot::channel();
    session.send(FromEffect::Progress { id: origin.id, progress, acknowledge }).is_ok()
        && durable.await.is_ok()
}

/// Whether a call may run at all; the words go back to the model.
pub(super) fn prepare(shared: &Shared, origin: &Origin, call: &ToolCall) -> Result<ToolManifest, String> {
    let allowed = origin.allowed.as_ref().is_none_or(|tools| tools.iter().any(|tool| **tool == *call.tool));
    let granted = allowed && origin.program.program.tools.iter().any(|grant| *grant.tool == *call.tool);
    let manifest = shared.tools.manifest(&call.tool).filter(|_| granted);
    let manifest = manifest.ok_or_else(|| format!("there is no tool `{}`", call.tool))?;
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments)
        .map_err(|error| format!("the arguments are not JSON: {error}"))?;
    let schema: serde_json::Value = serde_json::from_str(&manifest.input_schema)
        .map_err(|error| format!("the tool's schema is damaged: {error}"))?;
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| format!("the tool's schema is damaged: {error}"))?;
    let violations: Vec<String> =
        validator.iter_errors(&arguments).take(10).map(|error| error.to_string()).collect();
    if violations.is_empty() {
        Ok(manifest)
    } else {
        Err(format!("the arguments do not fit: {}", violations.join("; ")))
    }
}

/// Runs one call.
pub(super) async fn called(
    shared: &Shared,
    origin: &Origin,
    call: &ToolCall,
    at: usize,
    once: bool,
) -> Called {
    let program = &origin.program.program;
    let grant = program.tools.iter().find(|grant| *grant.tool == *call.tool);
    let effect = shared.tools.manifest(&call.tool).map(|manifest| manifest.effect);
    let folder = match grant.map(|grant| origin.program.granted_folder(grant, effect)).transpose() {
        Ok(folder) => folder.flatten(),
        Err(denied) => return Called::Error(denied.to_string()),
    };
    let coordinate = (origin.session, origin.id.visit, origin.id.number);
    let request = ToolRequest {
        tool: call.tool.to_string(),
        arguments: call.arguments.to_string(),
        idempotency_key: format!(
            "{}/v{}/{}/{}/step#{}.{at}",
            program.name, program.version, coordinate.0, coordinate.1, coordinate.2
        ),
        folder,
        hosts: grant.map(|grant| grant.to.clone()).unwrap_or_default(),
        commands: grant.map(|grant| grant.only.clone()).unwrap_or_default(),
        now_ms: shared.clock.now_ms(),
    };
    let deadline = shared.clock.sleep(Duration::from_millis(shared.limits.tool_timeout_ms));
    tokio::select! {
        result = caught(async { shared.tools.call(&request).await }) => match result.unwrap_or_else(|panic| Err(panicked(&panic, once))) {
            Ok(text) => Called::Result(text),
            Err(ToolError::Uncertain(words)) => Called::Unknown(format!("{UNKNOWN} ({words})")),
            Err(error) => Called::Error(error.to_string()),
        },
        () = deadline => if once { Called::Unknown(UNKNOWN.to_string()) } else { Called::Error("no answer in time".to_string()) },
    }
}

/// Nobody knows what a tool had done when it panicked.
fn panicked(panic: &str, once: bool) -> ToolError {
    tracing::error!(panic, "a tool panicked");
    let words = "a defect of the tool".to_string();
    if once { ToolError::Uncertain(words) } else { ToolError::Broken(words) }
}
