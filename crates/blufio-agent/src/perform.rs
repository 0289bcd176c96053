// SPDX-License-Identifier: MIT OR Apache-2.0
//! Performs effects whose intent is committed, in a task of their own, so that the session goes on taking events.

mod attempt;
mod model;
mod tools;

use std::sync::Arc;
use std::task::Poll;

use blufio_core::message::Address;
use blufio_core::model::Turn;
use blufio_core::store::{JournalRecord, LedgerRow};
use blufio_lang::effect::{EffectId, ModelEffect, Outcome};
use blufio_lang::value::{Failure, FailureKind, ToolCall};
use tokio::sync::{mpsc, oneshot, watch};

use crate::reload::Loaded;
use crate::session::envelope::{CallResult, RunProgress};
use crate::shared::Shared;

/// What every effect knows about the session that wants it.
pub(crate) struct Origin {
    pub id: EffectId,
    pub session: i64,
    pub program: Arc<Loaded>,
    pub state: String,
    pub address: Option<Address>,
}

/// What to do.
pub(crate) enum Job {
    /// A model step: everything it sends, and the stream that shows it.
    Model {
        /// The step.
        effect: ModelEffect,
        /// History and question.
        turns: Vec<Turn>,
        /// Row of the stream.
        stream: Option<i64>,
    },
    /// Tool calls.
    Run {
        /// The calls.
        calls: Arc<[ToolCall]>,
        /// How far an earlier process got.
        progress: RunProgress,
        /// An earlier process may have begun what `progress.started` says.
        resumed: bool,
    },
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
    /// Results of calls.
    pub results: Vec<CallResult>,
    pub ledger: Vec<LedgerRow>,
    pub attempts: Vec<JournalRecord>,
}

impl Performed {
    pub(crate) fn new(id: EffectId, outcome: Outcome) -> Self {
        Self {
            id,
            outcome,
            picked: None,
            turns: Vec::new(),
            results: Vec::new(),
            ledger: Vec::new(),
            attempts: Vec::new(),
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
        let must_finish = matches!(job, Job::Run { .. });
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let performed = match job {
                Job::Model { effect, turns, stream } => {
                    model::perform(&shared, &origin, effect, turns, stream, cancelled).await
                }
                Job::Run { calls, progress, resumed } => {
                    tools::perform(&shared, &origin, &calls, progress, resumed, &sender, &cancelled).await
                }
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

    /// Completes when there is something to take.
    pub async fn ready(&mut self) {
        std::future::poll_fn(|context| self.poll_ready(context)).await;
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
