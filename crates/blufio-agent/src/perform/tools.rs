// SPDX-License-Identifier: MIT OR Apache-2.0
//! `run`: the calls that a model asked for, in order. A call that must not be repeated starts only after that start is
//! durable; found started without a result after a restart, its outcome is unknown and nothing after it runs.

use std::sync::Arc;
use std::time::Duration;

use blufio_core::tool::{EffectClass, ToolError, ToolManifest, ToolRequest};
use blufio_lang::effect::Outcome;
use blufio_lang::value::ToolCall;
use tokio::sync::{mpsc, oneshot, watch};

use super::{FromEffect, Origin, Performed};
use crate::context;
use crate::panics::caught;
use crate::session::envelope::{CallResult, RunProgress};
use crate::shared::Shared;

/// Most tokens of a result that the model reads.
const RESULT_TOKENS_MAX: usize = 2_000;
/// What the model reads when nobody knows whether a call happened.
const UNKNOWN: &str = "the outcome is unknown: it may or may not have happened";

/// What a call came to.
enum Call {
    Result(String),
    Error(String),
    Unknown(String),
}

/// Performs the calls; `None` when cancelled before the end.
pub(super) async fn perform(
    shared: &Arc<Shared>,
    origin: &Origin,
    calls: &[ToolCall],
    progress: RunProgress,
    resumed: bool,
    session: &mpsc::UnboundedSender<FromEffect>,
    cancelled: &watch::Receiver<bool>,
) -> Option<Performed> {
    let RunProgress { mut results, mut started } = progress;
    let mut outcome = Outcome::Ran;
    for (at, call) in calls.iter().enumerate().skip(results.len()) {
        if *cancelled.borrow() {
            break;
        }
        let done = if started && resumed {
            Call::Unknown(UNKNOWN.to_string())
        } else {
            match prepare(shared, origin, call) {
                Err(refused) => Call::Error(refused),
                Ok(manifest) => {
                    let once = manifest.effect == EffectClass::Once;
                    if once && !started && !announce(origin, &results, session).await {
                        break;
                    }
                    run(shared, origin, call, at, once).await
                }
            }
        };
        started = false;
        let id = call.id.to_string();
        let (content, is_error, unknown) = match done {
            Call::Result(text) => (context::cut_to_tokens(&text, RESULT_TOKENS_MAX), false, false),
            Call::Error(words) => (words, true, false),
            Call::Unknown(words) => (words, true, true),
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

/// Has the start of a call made durable.
async fn announce(
    origin: &Origin,
    results: &[CallResult],
    session: &mpsc::UnboundedSender<FromEffect>,
) -> bool {
    let (acknowledge, durable) = oneshot::channel();
    let progress = RunProgress { results: results.to_vec(), started: true };
    session.send(FromEffect::Progress { id: origin.id, progress, acknowledge }).is_ok()
        && durable.await.is_ok()
}

/// Whether a call may run at all; the words go back to the model.
fn prepare(shared: &Shared, origin: &Origin, call: &ToolCall) -> Result<ToolManifest, String> {
    let granted = origin.program.program.tools.iter().any(|grant| *grant.tool == *call.tool);
    let manifest = shared.manifests.get(&*call.tool).filter(|_| granted).cloned();
    let manifest = manifest.ok_or_else(|| format!("there is no tool `{}`", call.tool))?;
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments)
        .map_err(|error| format!("the arguments are not JSON: {error}"))?;
    let schema: serde_json::Value = serde_json::from_str(manifest.input_schema)
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

async fn run(shared: &Shared, origin: &Origin, call: &ToolCall, at: usize, once: bool) -> Call {
    let program = &origin.program.program;
    let folder =
        program.tools.iter().find(|grant| *grant.tool == *call.tool).and_then(|grant| grant.folder.as_ref());
    let coordinate = (origin.session, origin.id.visit, origin.id.number);
    let request = ToolRequest {
        tool: call.tool.to_string(),
        arguments: call.arguments.to_string(),
        idempotency_key: format!(
            "{}/v{}/{}/{}/step#{}.{at}",
            program.name, program.version, coordinate.0, coordinate.1, coordinate.2
        ),
        folder: folder.map(|folder| origin.program.folder.join(folder)),
        now_ms: shared.clock.now_ms(),
    };
    let deadline = shared.clock.sleep(Duration::from_millis(shared.limits.tool_timeout_ms));
    tokio::select! {
        result = caught(async { shared.tools.call(&request).await }) => match result.unwrap_or_else(|panic| Err(panicked(&panic, once))) {
            Ok(text) => Call::Result(text),
            Err(ToolError::Uncertain(words)) => Call::Unknown(format!("{UNKNOWN} ({words})")),
            Err(error) => Call::Error(error.to_string()),
        },
        () = deadline => if once { Call::Unknown(UNKNOWN.to_string()) } else { Call::Error("no answer in time".to_string()) },
    }
}

/// Nobody knows what a tool had done when it panicked.
fn panicked(panic: &str, once: bool) -> ToolError {
    tracing::error!(panic, "a tool panicked");
    let words = "a defect of the tool".to_string();
    if once { ToolError::Uncertain(words) } else { ToolError::Broken(words) }
}
