// SPDX-License-Identifier: MIT OR Apache-2.0
//! Performs effects whose intent is committed, in a task of their own, so that the session goes on taking events.

mod attempt;
mod call;
mod choose;
mod model;
mod spend;
mod summary;
mod tools;

use std::sync::Arc;
use std::task::Poll;

use blufio_core::message::Address;
use blufio_core::model::Turn;
use blufio_core::store::{Attempted, Cap, JournalRecord};
use blufio_lang::effect::{EffectId, ModelEffect, Outcome};
use blufio_lang::program::shape::ShapeId;
use blufio_lang::value::{Failure, FailureKind, ToolCall};
use tokio::sync::{mpsc, oneshot, watch};

use crate::reload::Loaded;
use crate::session::envelope::{CallResult, RunProgress};
use crate::shared::Shared;

pub(crate) use summary::{Fold, Folded, is_summary};
pub(crate) use tools::is_dangerous;

/// What every effect knows about the session that wants it.
pub(crate) struct Origin {
    pub id: EffectId,
    pub session: i64,
    pub program: Arc<Loaded>,
    pub state: String,
    pub address: Option<Address>,
    /// Tools that whoever asked this agent passed on; `None` when nobody did.
    pub allowed: Option<Vec<String>>,
    /// Events of the world that the session took.
    pub events: i64,
    /// What made the session act.
    pub caused_by: CausedBy,
}

/// What makes a session ask a model; the ledger tells the three apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CausedBy {
    /// Somebody wrote, or something happened: the purpose of a call is its step.
    World,
    /// A schedule fired.
    Heartbeat,
    /// Another agent asked this one.
    Delegation,
}

/// What to do.
pub(crate) enum Job {
    /// A model step: everything it sends, and the stream that shows it.
    Model {
        /// The step.
        effect: ModelEffect,
        /// History and question.
        turns: Vec<Arc<Turn>>,
        /// Row of the stream.
        stream: Option<i64>,
        /// What is read of the memory.
        memory: Option<MemoryRead>,
        /// What it may use up.
        allowance: Allowance,
        /// What falls out of the history.
        fold: Option<Fold>,
        /// Whether an earlier life began it.
        resumed: bool,
    },
    /// Tool calls.
    Run {
        /// The calls.
        calls: Arc<[ToolCall]>,
        /// How far an earlier process got.
        progress: RunProgress,
        /// An earlier process may have begun what `progress.started` says.
        resumed: bool,
        /// Dangerous calls need somebody's approval.
        asks: bool,
        /// Until when they may be approved.
        deadline_ms: Option<i64>,
    },
    /// `call`.
    Call {
        /// Index into the program's tools.
        grant: u32,
        /// Arguments.
        arguments: Arc<str>,
        /// Shape of the result.
        shape: ShapeId,
        /// Further attempts.
        retries: u32,
        /// An announced call.
        started: bool,
        /// As for a run.
        resumed: bool,
    },
    /// `recall`.
    Recall {
        /// Query.
        query: String,
        /// Scopes.
        scopes: Vec<String>,
        /// Most results.
        top: u32,
    },
    /// It is decided already.
    Ready(Outcome),
}

/// What a prompt holds of the memory: the conditional zone.
pub(crate) struct MemoryRead {
    /// Scopes.
    pub scopes: Vec<String>,
    /// Most texts.
    pub top: u32,
    /// Least likeness to what is asked, thousandths.
    pub above_thousandths: u32,
    /// Most tokens.
    pub tokens_max: usize,
}

/// What a model step may use up.
#[derive(Default)]
pub(crate) struct Allowance {
    /// Calls, once for the whole step.
    pub calls: Vec<Reservation>,
    /// Caps on the money of every attempt.
    pub caps: Vec<Cap>,
    /// When its event's time is over, milliseconds since 1970.
    pub deadline_ms: Option<i64>,
}

/// One use of something limited.
pub(crate) struct Reservation {
    /// Of what.
    pub what: String,
    /// How many there are.
    pub most: u32,
    /// Until when they are counted, milliseconds since 1970: the store's name of the period.
    pub until_ms: i64,
}

/// What an effect says to its session.
pub(crate) enum FromEffect {
    /// A call that must not be repeated comes next: commit this first.
    Progress {
        /// Which effect.
        id: EffectId,
        /// Results so far, and the start.
        progress: RunProgress,
        /// Completes when that is durable.
        acknowledge: oneshot::Sender<()>,
    },
    /// The provider refused the pictures and documents of the prompt: it is asked again without them, and so is whoever
    /// comes later. Commit this first.
    MediaRefused {
        /// Which effect.
        id: EffectId,
        /// Only what came since the last answer: what was answered was read.
        unread_only: bool,
        /// Completes when that is durable.
        acknowledge: oneshot::Sender<()>,
    },
    /// A dangerous call comes next: somebody must approve it. The task is over; another one goes on.
    Ask {
        /// Which effect.
        id: EffectId,
        /// Results so far.
        progress: RunProgress,
        /// What would be called.
        call: ToolCall,
    },
    /// It ended.
    Done(Box<Performed>),
}

/// How an effect ended, with everything that lands in the same commit.
pub(crate) struct Performed {
    pub id: EffectId,
    pub outcome: Outcome,
    /// The document that a `pick` gave.
    pub picked: Option<serde_json::Value>,
    /// Turns for the history.
    pub turns: Vec<Turn>,
    /// What fell out of the history.
    pub folded: Option<Folded>,
    /// Results of calls.
    pub results: Vec<CallResult>,
    pub ledger: Vec<Attempted>,
    pub attempts: Vec<JournalRecord>,
}

impl Performed {
    pub(crate) fn new(id: EffectId, outcome: Outcome) -> Self {
        Self {
            id,
            outcome,
            picked: None,
            turns: Vec::new(),
            folded: None,
            results: Vec::new(),
            ledger: Vec::new(),
            attempts: Vec::new(),
        }
    }
}

/// Takes what a step needs; how it ends when something is used up.
async fn over_budget(shared: &Shared, origin: &Origin, allowance: &Allowance) -> Option<Outcome> {
    if let Some(over) = shared.switch.over() {
        return Some(over);
    }
    if allowance.deadline_ms.is_some_and(|deadline_ms| shared.clock.now_ms() >= deadline_ms) {
        return Some(Outcome::OverBudget(None));
    }
    for need in &allowance.calls {
        match shared.store.reserve(&need.what, need.until_ms, &origin.token(), need.most).await {
            Ok(true) => {}
            Ok(false) => return Some(Outcome::OverBudget(Some(need.until_ms))),
            Err(error) => {
                shared.store_failed(&error);
                return Some(failed(FailureKind::Broken, "the store failed", None));
            }
        }
    }
    None
}

impl Origin {
    /// Names the effect for ever.
    pub fn token(&self) -> String {
        format!("{}.{}.{}", self.session, self.id.visit, self.id.number)
    }

    /// What the ledger calls an attempt of this step, or of a summary on the way to it.
    pub fn purpose(&self, step: &'static str) -> &'static str {
        match self.caused_by {
            CausedBy::World => step,
            CausedBy::Heartbeat => "heartbeat",
            CausedBy::Delegation => "delegate",
        }
    }
}

/// A failure as an outcome.
pub(crate) fn failed(kind: FailureKind, detail: &str, until_ms: Option<i64>) -> Outcome {
    Outcome::Failed(Arc::new(Failure { kind, detail: detail.into(), until_ms }))
}

/// An effect being performed. Dropping it cancels it.
pub(crate) struct Running {
    id: EffectId,
    said: mpsc::UnboundedReceiver<FromEffect>,
    next: Option<FromEffect>,
    cancel: watch::Sender<bool>,
    /// Calls may be under way that must not be repeated.
    must_finish: bool,
}

impl Running {
    /// Starts to perform.
    pub fn start(shared: &Arc<Shared>, origin: Origin, job: Job) -> Self {
        let (sender, said) = mpsc::unbounded_channel();
        let (cancel, cancelled) = watch::channel(false);
        let id = origin.id;
        let must_finish = matches!(job, Job::Run { .. } | Job::Call { .. });
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let performed = match job {
                Job::Model { effect, turns, stream, memory, allowance, fold, resumed } => {
                    // A capped attempt is on record since it was announced.
                    if resumed && allowance.caps.is_empty() {
                        model::record_interrupted(&shared, &origin, &effect).await;
                    }
                    match over_budget(&shared, &origin, &allowance).await {
                        Some(over) => Some(Performed::new(id, over)),
                        None => {
                            let asked = model::Asked { effect, turns, stream, memory, allowance, fold };
                            model::perform(&shared, &origin, asked, &sender, cancelled).await
                        }
                    }
                }
                Job::Run { calls, progress, resumed, asks, deadline_ms } => {
                    let run = tools::Run { calls: &calls, resumed, asks, deadline_ms };
                    tools::perform(&shared, &origin, run, progress, &sender, &cancelled).await
                }
                Job::Call { grant, arguments, shape, retries, started, resumed } => {
                    let call = call::Call { grant, arguments, shape, retries, started: started && resumed };
                    let mut cancelled = cancelled;
                    call::perform(&shared, &origin, call, started, &sender, &mut cancelled).await
                }
                Job::Recall { query, scopes, top } => {
                    Some(Performed::new(id, call::recall(&shared, &query, &scopes, top).await))
                }
                Job::Ready(outcome) => Some(Performed::new(id, outcome)),
            };
            if let Some(performed) = performed {
                // Nobody listens any more when the runtime was dropped.
                let _ = sender.send(FromEffect::Done(Box::new(performed)));
            }
        });
        Self { id, said, next: None, cancel, must_finish }
    }

    /// Tells it to stop. Returned when it must be listened to until its current call ends.
    pub fn cancel(self) -> Option<Self> {
        self.cancel.send_replace(true);
        self.must_finish.then_some(self)
    }

    /// Whether stopping the process now may leave a call of unknown outcome.
    pub fn must_finish(&self) -> bool {
        self.must_finish
    }

    pub fn id(&self) -> EffectId {
        self.id
    }

    /// What it said, if anything.
    pub fn take(&mut self) -> Option<FromEffect> {
        self.next.take().or_else(|| self.said.try_recv().ok())
    }

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<()> {
        if self.next.is_some() {
            return Poll::Ready(());
        }
        match self.said.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(said)) => {
                self.next = Some(said);
                Poll::Ready(())
            }
            // The task ended without a word: a defect, which must not hang the session.
            Poll::Ready(None) => {
                let outcome = failed(FailureKind::Broken, "the step ended without a result", None);
                self.next = Some(FromEffect::Done(Box::new(Performed::new(self.id, outcome))));
                Poll::Ready(())
            }
        }
    }

    /// Completes when one of several has something to say; never for none.
    pub async fn any_ready(many: &mut [Self]) {
        let poll = |context: &mut std::task::Context<'_>| {
            let ready = many.iter_mut().any(|running| running.poll_ready(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        };
        std::future::poll_fn(poll).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.send_replace(true);
    }
}
