// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a step changes, collected and committed as one transaction, and what may leave the process after it.

use std::time::Duration;

use blufio_core::message::Address;
use blufio_core::model::Turn;
use blufio_core::store::Question;
use blufio_core::store::{
    Attempted, Committed, HELD_MAX, JournalRecord, NewOutbox, NewQuestion, SessionStatus, StepCommit,
    StepExtra, StoreError,
};

use super::envelope::Envelope;
use super::{Driver, Session, Trouble};
use crate::outbox::Outbox;
use crate::supervise::{Reason, Supervisor};

/// Wait before a commit is tried again on a full disk.
const FULL_WAIT: Duration = Duration::from_secs(1);

/// Changes that are not committed yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub consumed: Vec<i64>,
    pub joined: Vec<i64>,
    pub journal: Vec<JournalRecord>,
    pub transcript: Vec<(Turn, i64)>,
    pub outbox: Vec<NewOutbox>,
    /// Which of `outbox` answer which message.
    pub quotes: Vec<(usize, String)>,
    /// Which of `outbox` is the stream of the next effect.
    pub stream_at: Option<usize>,
    pub close_streams: Vec<(i64, String)>,
    clear_timers: bool,
    pub timers: Vec<(i64, i64, i64)>,
    pub timers_fired: Vec<i64>,
    pub ledger: Vec<Attempted>,
    pub extra: StepExtra,
}

impl Draft {
    /// Disarms everything, also what this draft armed.
    pub fn clear_timers(&mut self) {
        self.clear_timers = true;
        self.timers.clear();
    }

    fn is_empty(&self) -> bool {
        self.consumed.is_empty()
            && self.joined.is_empty()
            && self.journal.is_empty()
            && self.timers_fired.is_empty()
            && self.ledger.is_empty()
            && self.transcript.is_empty()
            && self.outbox.is_empty()
            && self.extra.is_empty()
    }
}

/// What to do once the commit is durable.
struct After {
    addresses: Vec<Address>,
    closed: Vec<i64>,
    quotes: Vec<(usize, String)>,
    stream_at: Option<usize>,
    armed: bool,
    /// Sessions that got mail.
    mailed: Vec<String>,
    questions: Vec<NewQuestion>,
    closed_questions: Vec<(u64, u32)>,
}

impl Driver {
    /// Commits marks and drops that no step carried.
    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        if self.draft.is_empty() || self.session.is_none() {
            return Ok(());
        }
        self.commit(self.shared.clock.now_ms()).await
    }

    /// Commits the draft and the session as it stands; afterwards what was decided may leave the process.
    pub(super) async fn commit(&mut self, now_ms: i64) -> Result<(), Trouble> {
        let Some(session) = &self.session else { return Ok(()) };
        let status = session.status();
        let mut draft = std::mem::take(&mut self.draft);
        self.edits.consume(&mut draft.consumed);
        if status != SessionStatus::Live {
            draft.extra.forget_counts = session.counts();
        }
        let after = After {
            quotes: std::mem::take(&mut draft.quotes),
            addresses: draft.outbox.iter().map(|new| new.address.clone()).collect(),
            closed: draft.close_streams.iter().map(|(row, _)| *row).collect(),
            stream_at: draft.stream_at,
            armed: !draft.timers.is_empty() || !draft.extra.timers.is_empty(),
            mailed: draft.extra.mail.iter().map(|mail| mail.key.clone()).collect(),
            questions: draft.extra.questions.clone(),
            closed_questions: draft.extra.close_questions.iter().map(|c| (c.visit, c.number)).collect(),
        };
        let commit = session.commit(draft, status, now_ms);
        let committed = self.committed(commit).await?;
        self.publish(&committed, after);
        match (&mut self.session, status) {
            (Some(session), SessionStatus::Live) => {
                session.id = Some(committed.session);
                session.step = committed.step;
            }
            // An ended session frees its key: held mail opens the next one.
            _ => {
                self.shared.questions.ended(&self.key);
                self.running.clear();
                self.session = None;
                self.timers.clear();
                self.timers_stale = true;
            }
        }
        Ok(())
    }

    async fn committed(&self, commit: StepCommit) -> Result<Committed, Trouble> {
        loop {
            match self.shared.store.commit(commit.clone()).await {
                Ok(committed) => return Ok(committed),
                Err(error @ StoreError::Full(_)) if !self.shared.is_stopping() => {
                    self.shared.note(&error.to_string());
                    self.shared.clock.sleep(FULL_WAIT).await;
                }
                // What is in memory may be a session that was discarded meanwhile.
                Err(StoreError::Refused(_)) if self.is_gone().await? => return Err(Trouble::Reload),
                Err(error) => return Err(self.trouble(error)),
            }
        }
    }

    /// Lets go what the commit made true.
    fn publish(&self, committed: &Committed, after: After) {
        let hub = &self.shared.outbox.hub;
        for (at, (row, address)) in committed.outbox.iter().zip(&after.addresses).enumerate() {
            if after.stream_at == Some(at) {
                hub.open(*row, committed.session, address, false);
            }
        }
        for (at, message_id) in after.quotes {
            if let Some(row) = committed.outbox.get(at) {
                hub.quote(*row, message_id);
            }
        }
        // A closed stream is older than what follows it: its lane hears of it first.
        for row in after.closed {
            if let Some(address) = hub.address_of(row) {
                Outbox::push(&self.shared, &address, row);
            }
        }
        for (visit, number) in after.closed_questions {
            self.shared.questions.closed(&self.key, visit, number);
        }
        for (new, (id, outbox)) in after.questions.into_iter().zip(&committed.questions) {
            let question = Question { outbox: *outbox, ..new.question };
            self.shared.questions.asked(&self.key, new.asking, question, *id);
        }
        for (row, address) in committed.outbox.iter().zip(&after.addresses) {
            Outbox::push(&self.shared, address, *row);
        }
        for (row, address) in &committed.touched {
            Outbox::push(&self.shared, address, *row);
        }
        for Address { channel, chat, .. } in &committed.given_up {
            self.shared.note(&format!(
                "the oldest message that waited for the next one in chat {chat} of {channel} was dropped: {HELD_MAX} newer ones wait there"
            ));
        }
        for key in after.mailed {
            Supervisor::wake(&self.shared, &key, Reason::Mail);
        }
        if after.armed {
            self.shared.timer_armed.notify_one();
        }
    }
}

impl Session {
    fn commit(&self, draft: Draft, status: SessionStatus, now_ms: i64) -> StepCommit {
        let envelope = Envelope { machine: self.machine.encode(), notes: self.notes.clone() };
        StepCommit {
            session: self.id,
            key: self.key.clone(),
            agent: self.program.program.name.clone(),
            expected_step: self.step,
            program: self.program.hash,
            state: envelope.encode(),
            state_name: self.state_name().to_string(),
            status,
            pending: self.pending && status == SessionStatus::Live,
            address: self.address.clone(),
            history_start: self.history_start,
            consumed: draft.consumed,
            joined: draft.joined,
            journal: draft.journal,
            transcript: draft.transcript,
            outbox: draft.outbox,
            close_streams: draft.close_streams,
            clear_timers: draft.clear_timers,
            timers: draft.timers,
            timers_fired: draft.timers_fired,
            ledger: draft.ledger,
            extra: draft.extra,
            now_ms,
        }
    }
}
