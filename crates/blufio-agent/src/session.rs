// SPDX-License-Identifier: MIT OR Apache-2.0
//! One session at work: load → step → commit → perform → commit …, until nothing is left to do. The machine decides,
//! the draft collects what it decided, one commit makes it true, and only then anything leaves the process.
//!
//! `open` loads or creates, `offer` gives the machine its deadlines and mail, `step` turns decisions into a draft,
//! `draft` commits it.

mod ask;
mod budget;
pub(crate) mod defect;
mod draft;
pub(crate) mod edits;
pub mod envelope;
mod offer;
mod open;
mod post;
mod present;
mod step;
mod world;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use blufio_core::message::Address;
use blufio_core::model::Turn;
use blufio_core::store::{InboxRow, SessionStatus, StoreError, TimerRow};
use blufio_lang::effect::{Effect, EffectId, ModelEffect, ModelPurpose};
use blufio_lang::machine::Machine;
use blufio_lang::value::FailureKind;

use crate::attachments::Attachments;
use crate::context;
use crate::outbox::Outbox;
use crate::perform::{CausedBy, Fold, Job, Origin, Running, failed};
use crate::reload::Loaded;
use crate::shared::Shared;
use crate::supervise::{Reason, Wake};
use crate::transcript::Window;
use draft::Draft;
use edits::Edits;
use envelope::{EffectNotes, Notes};

/// Commits that another process won before this one gives the session up until its next event.
const RELOADS_MAX: u32 = 3;

/// A session in memory; equal to its row whenever no draft is open.
pub(crate) struct Session {
    pub key: String,
    /// Row; `None` until the first commit.
    pub id: Option<i64>,
    pub step: i64,
    pub program: Arc<Loaded>,
    pub machine: Machine,
    pub notes: Notes,
    pub address: Option<Address>,
    /// The transcript's window; loaded when first needed. Meanwhile only its start is known.
    pub window: Option<Window>,
    pub history_start: i64,
    /// An effect is pending.
    pub pending: bool,
    /// The channel's id of the message of a group that the next reply answers. A reply decided after a restart stands
    /// without it.
    pub quote: Option<String>,
    /// Pending effects that were asked for in this process and have not been begun before.
    pub fresh: Vec<EffectId>,
    /// Nobody waits for it any more: its next commit is its last.
    pub ended: bool,
}

/// Why a driver stops early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What is in memory is not what is stored: load again.
    Reload,
    /// Nothing can be done now.
    Stop,
}

/// Works on one session.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    key: String,
    wake: Arc<Wake>,
    session: Option<Session>,
    /// Unconsumed mail, oldest first.
    mail: VecDeque<InboxRow>,
    /// The store may hold newer mail than `mail`.
    mail_stale: bool,
    /// The store holds more mail than was read.
    mail_clipped: bool,
    /// Deadlines that are due and not taken, oldest first.
    timers: Vec<TimerRow>,
    timers_stale: bool,
    /// Edits that wait with the mail they belong to.
    edits: Edits,
    attachments: Attachments,
    /// Who the people are whom tools name, as was said last.
    present: HashMap<String, String>,
    running: Vec<Running>,
    /// There may be pending effects that are not begun.
    unstarted: bool,
    /// Cancelled effects whose current call may not be cut short; what they say is journaled as late.
    abandoned: Vec<Running>,
    draft: Draft,
}

impl Driver {
    pub fn new(shared: Arc<Shared>, key: String, wake: Arc<Wake>, session: Option<Session>) -> Self {
        // A session opened cold looks at its deadlines once; a cached one is told by the timer task.
        let timers_stale = session.is_none();
        Self {
            shared,
            key,
            wake,
            session,
            mail: VecDeque::new(),
            mail_stale: true,
            mail_clipped: false,
            timers: Vec::new(),
            timers_stale,
            edits: Edits::default(),
            attachments: Attachments::default(),
            present: HashMap::new(),
            running: Vec::new(),
            unstarted: true,
            abandoned: Vec::new(),
            draft: Draft::default(),
        }
    }

    /// Works until nothing is left to do or the runtime stops; returns the session when it may stay in memory.
    pub async fn run(mut self) -> Option<Session> {
        let mut reloads = 0;
        loop {
            match self.drive().await {
                Ok(()) => {
                    return self.session.take().filter(|session| session.id.is_some() && !session.pending);
                }
                Err(Trouble::Reload) if reloads < RELOADS_MAX => {
                    reloads += 1;
                    self.forget();
                }
                Err(Trouble::Reload | Trouble::Stop) => return None,
            }
        }
    }

    fn forget(&mut self) {
        self.session = None;
        self.edits = Edits::default();
        self.attachments = Attachments::default();
        self.shared.questions.unasked(&self.key);
        self.running.clear();
        self.unstarted = true;
        self.abandoned.clear();
        self.draft = Draft::default();
        self.mail.clear();
        self.mail_stale = true;
        self.timers.clear();
        self.timers_stale = true;
    }

    /// The session's row was discarded: nothing of it is committed, and its stream ends as it stands.
    fn discard(&mut self) {
        let id = self.session.as_ref().and_then(|session| session.id);
        if let Some((row, address)) = id.and_then(|id| self.shared.outbox.hub.row_of(id)) {
            self.shared.outbox.hub.close(row);
            Outbox::push(&self.shared, &address, row);
        }
        self.forget();
    }

    /// Whether the row of the session in memory has ended. One that began after the drop goes on.
    async fn is_gone(&self) -> Result<bool, Trouble> {
        let Some(id) = self.session.as_ref().and_then(|session| session.id) else { return Ok(true) };
        Ok(self.shared.store.session_key(id).await.map_err(|e| self.trouble(e))?.is_none())
    }

    async fn drive(&mut self) -> Result<(), Trouble> {
        loop {
            if self.shared.is_stopping() {
                return self.stop().await;
            }
            self.look().await?;
            if self.session.is_none() && !self.open().await? {
                return Ok(());
            }
            if self.offer_timer().await? || self.offer_mail().await? || self.take_result().await? {
                continue;
            }
            self.flush().await?;
            self.begin_effects().await?;
            if self.wake.is_set() || self.mail_runs_low() {
                continue;
            }
            if self.running.is_empty() && self.abandoned.is_empty() && !self.attachments.is_busy() {
                return Ok(());
            }
            self.wait().await;
        }
    }

    /// Sleeps until there is a reason to go on.
    async fn wait(&mut self) {
        let mut stop = self.shared.stopping();
        tokio::select! {
            () = self.wake.notify.notified() => {}
            () = Running::any_ready(&mut self.running) => {}
            () = self.attachments.ready() => {}
            () = Running::any_ready(&mut self.abandoned) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Most of what was read is consumed, and the store holds more.
    fn mail_runs_low(&self) -> bool {
        self.mail_clipped && self.mail.len() <= self.shared.limits.mail_window_max as usize / 2
    }

    /// Starts to perform the pending effects, whether this process or an earlier one asked for them.
    async fn begin_effects(&mut self) -> Result<(), Trouble> {
        if !self.unstarted || !self.session.as_ref().is_some_and(|session| session.pending) {
            return Ok(());
        }
        self.load_window().await?;
        self.unstarted = false;
        let Some(session) = &mut self.session else { return Ok(()) };
        let Some(row) = session.id else { return Ok(()) };
        for (id, effect) in session.machine.pending(&session.program.program) {
            if self.running.iter().any(|running| running.id() == id) {
                continue;
            }
            let resumed = !session.fresh.contains(&id);
            session.fresh.retain(|known| *known != id);
            let stream = self.shared.outbox.hub.row_of(row).map(|(row, _)| row);
            let Some(job) = session.job(&self.shared, id, effect, stream, resumed) else { continue };
            let origin = session.origin(id, row);
            self.running.push(Running::start(&self.shared, origin, job));
        }
        Ok(())
    }

    /// Reads what the wake-up was about.
    async fn look(&mut self) -> Result<(), Trouble> {
        if self.wake.take(Reason::Dropped) && self.is_gone().await? {
            self.discard();
        }
        self.mail_stale |= self.wake.take(Reason::Mail);
        self.timers_stale |= self.wake.take(Reason::Timer);
        if self.mail_stale || self.mail_runs_low() {
            let limit = self.shared.limits.mail_window_max;
            let rows = self.shared.store.mail(&self.key, limit).await.map_err(|e| self.trouble(e))?;
            self.mail_clipped = rows.len() >= limit as usize;
            // Marks and drops of this draft are not committed yet.
            let consumed = &self.draft.consumed;
            let waiting = rows.into_iter().filter(|row| !consumed.contains(&row.id)).map(post::unwrapped);
            let before = std::mem::take(&mut self.mail);
            self.mail = self.edits.fold(waiting, consumed);
            for row in &mut self.mail {
                row.joined |= self.draft.joined.contains(&row.id);
                // An edit may bring other attachments than those that were read.
                if before.iter().any(|known| known.id == row.id && known.message != row.message) {
                    self.attachments.forget(row.id);
                }
            }
            self.mail_stale = false;
        }
        Ok(())
    }

    /// The runtime stops. A pending model call is left for the next start; a tool call that must not be repeated may
    /// finish within the drain, and its result is kept.
    async fn stop(&mut self) -> Result<(), Trouble> {
        let drain = self.shared.clock.sleep(std::time::Duration::from_millis(self.shared.limits.drain_ms));
        let mut drain = std::pin::pin!(drain);
        self.running.retain(Running::must_finish);
        while !self.running.is_empty() {
            tokio::select! {
                () = Running::any_ready(&mut self.running) => {}
                () = &mut drain => return Ok(()),
            }
            self.take_result().await?;
            self.running.retain(Running::must_finish);
        }
        Ok(())
    }

    fn trouble(&self, error: StoreError) -> Trouble {
        match error {
            StoreError::Conflict { .. } => Trouble::Reload,
            other => {
                self.shared.store_failed(&other);
                Trouble::Stop
            }
        }
    }
}

impl Session {
    /// Whether messages and replies enter a history.
    pub fn remembers(&self) -> bool {
        self.program.program.context.history.is_some()
    }

    fn origin(&self, id: EffectId, row: i64) -> Origin {
        Origin {
            id,
            session: row,
            program: Arc::clone(&self.program),
            state: self.state_name().to_string(),
            address: self.address.clone(),
            allowed: self.notes.parent.as_ref().map(|parent| parent.tools.clone()),
            events: self.notes.events,
            caused_by: match (&self.notes.parent, self.notes.heartbeat) {
                (Some(_), _) => CausedBy::Delegation,
                (None, true) => CausedBy::Heartbeat,
                (None, false) => CausedBy::World,
            },
        }
    }

    /// What is to be done for an effect in a task of its own; `None` when the world answers.
    fn job(
        &self,
        shared: &Shared,
        id: EffectId,
        effect: Effect,
        stream: Option<i64>,
        resumed: bool,
    ) -> Option<Job> {
        let notes = self.notes.at(id);
        if let Some(why) = notes.and_then(|notes| notes.refused.as_ref()) {
            return Some(Job::Ready(failed(FailureKind::Denied, why, None)));
        }
        let progress = notes.and_then(|notes| notes.run.clone()).unwrap_or_default();
        match effect {
            Effect::AskPerson { .. } | Effect::Approve { .. } | Effect::AskAgent { .. } => None,
            Effect::Run { .. } if progress.awaiting => None,
            Effect::Run { calls, approved_by, deadline_ms } => {
                let asks = approved_by.is_some();
                Some(Job::Run { calls, progress, resumed, asks, deadline_ms })
            }
            Effect::Call { grant, arguments, shape, retries } => {
                Some(Job::Call { grant, arguments, shape, retries, started: progress.started, resumed })
            }
            Effect::Recall { query, scope, top } => {
                let scopes = self.memory_scope(scope).into_iter().collect();
                Some(Job::Recall { query: query.to_string(), scopes, top })
            }
            Effect::Model(effect) => {
                if let Some(over) = self.over_calls() {
                    return Some(Job::Ready(over));
                }
                let stream = stream.filter(|_| effect.purpose == (ModelPurpose::Turn { stream: true }));
                let memory = effect.memory.then(|| self.memory_read());
                let allowance = self.allowance(shared.clock.now_ms());
                let fold = self.fold_of(id, &effect);
                let turns = self.prompt(id, &effect);
                Some(Job::Model { turns, effect, stream, memory, allowance, fold, resumed })
            }
        }
    }

    /// What falls out of the history with a model step.
    fn fold_of(&self, id: EffectId, effect: &ModelEffect) -> Option<Fold> {
        let turns = self.notes.at(id).and_then(|notes| notes.fold).filter(|_| effect.history)?;
        let model = self.program.program.context.history?.summarize?;
        let summary = self.window.as_ref().is_some_and(|window| window.summary.is_some());
        Some(Fold { turns, shown: turns + usize::from(summary), model })
    }

    /// What a model step sends besides the static zone: the history as it was when the step was asked for, then the
    /// question, which for a `turn` is part of the history already.
    fn prompt(&self, id: EffectId, effect: &ModelEffect) -> Vec<Arc<Turn>> {
        let reads = effect.history && self.remembers();
        let sends = |notes: &EffectNotes| notes.prompt_turns;
        let sends = self.notes.at(id).and_then(sends).unwrap_or(usize::MAX);
        let window = self.window.as_ref().filter(|_| reads);
        let mut turns = window.map_or_else(Vec::new, |w| w.to_prompt(sends, &self.notes.media_refused));
        if !(reads && matches!(effect.purpose, ModelPurpose::Turn { .. })) {
            turns.extend(context::ask(effect, &turns).map(Arc::new));
        }
        turns
    }

    pub fn state_name(&self) -> &str {
        self.program.state_name(self.machine.state())
    }

    fn status(&self) -> SessionStatus {
        if self.ended {
            SessionStatus::Done
        } else if self.machine.is_parked() {
            SessionStatus::Parked
        } else if self.machine.is_finished() {
            SessionStatus::Done
        } else {
            SessionStatus::Live
        }
    }
}
