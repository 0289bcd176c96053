// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every change to the tables. What may be refused is checked before anything is touched, so a refusal leaves no trace.

use super::{Mail, Tables, is_open};
use crate::message::{Address, UnixMs};
use crate::store::{
    Accepted, Attempted, Committed, GIVEN_UP, HELD_MAX, InboxBatch, JournalRow, LedgerRow, NewOutbox,
    OutboxRow, OutboxState, OutboxUpdate, SessionRow, SessionStatus, StepCommit, StoreError, TimerKind,
    TimerRow, TranscriptRow,
};

fn refused<T>(reason: String) -> Result<T, StoreError> {
    Err(StoreError::Refused(reason))
}

fn id_of(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl Tables {
    pub(super) fn accept(&mut self, batch: InboxBatch) -> Accepted {
        let Accepted { mut keys, mut released } = Accepted::default();
        let stored_before = self.seen.len();
        for new in batch.messages {
            let name = (batch.channel.clone(), new.message.source_id.clone());
            if self.seen.contains_key(&name) {
                continue;
            }
            self.seen.insert(name, batch.now_ms);
            released.extend(new.spoke.iter().flat_map(|address| self.release(address)));
            self.insert_outbox(None, new.answers, batch.now_ms);
            let Some(key) = new.key else { continue };
            if !keys.contains(&key) {
                keys.push(key.clone());
            }
            let (received_ms, joined, consumed) = (batch.now_ms, false, false);
            self.inbox.push(Mail { key, message: new.message, received_ms, joined, consumed });
        }
        if self.seen.len() > stored_before {
            self.change_questions(batch.questions);
        }
        self.settings.extend(batch.settings);
        if let Some(cursor) = batch.cursor {
            self.settings.insert(format!("{}/cursor", batch.channel), cursor);
        }
        Accepted { keys, released }
    }

    fn held(&mut self, chat: &Address) -> impl Iterator<Item = &mut OutboxRow> {
        let is_there = move |row: &&mut OutboxRow| {
            (&row.address.channel, &row.address.chat) == (&chat.channel, &chat.chat)
        };
        self.outbox.iter_mut().filter(|row| row.state == OutboxState::Held).filter(is_there)
    }

    /// Somebody wrote in a chat: what was held for it is to be sent.
    fn release(&mut self, chat: &Address) -> Vec<(i64, Address)> {
        let ready = |row: &mut OutboxRow| {
            row.state = OutboxState::Ready;
            (row.id, row.address.clone())
        };
        self.held(chat).map(ready).collect()
    }

    /// Gives up the oldest of what is held for a chat where there is too much of it; how many.
    fn bound_held(&mut self, chat: &Address) -> usize {
        let excess = self.held(chat).count().saturating_sub(HELD_MAX);
        for row in self.held(chat).take(excess) {
            row.state = OutboxState::Failed;
            row.error = Some(GIVEN_UP.to_string());
        }
        excess
    }

    pub(super) fn insert_outbox(
        &mut self,
        session: Option<i64>,
        messages: Vec<NewOutbox>,
        created_ms: UnixMs,
    ) -> Vec<i64> {
        let mut ids = Vec::with_capacity(messages.len());
        for NewOutbox { address, text, held } in messages {
            let id = id_of(self.outbox.len() + 1);
            self.outbox.push(OutboxRow {
                id,
                session,
                address,
                text,
                state: if held { OutboxState::Held } else { OutboxState::Ready },
                provider_id: None,
                attempts: 0,
                not_before_ms: 0,
                error: None,
                created_ms,
            });
            ids.push(id);
        }
        ids
    }

    fn waiting_mail(&mut self, id: i64, key: &str) -> Option<&mut Mail> {
        let at = usize::try_from(id).ok()?.checked_sub(1)?;
        self.inbox.get_mut(at).filter(|mail| mail.key == key && !mail.consumed)
    }

    fn open_stream(&mut self, id: i64) -> Option<&mut OutboxRow> {
        self.outbox.iter_mut().find(|row| row.id == id && row.text.is_none())
    }

    /// The counter of the session that a commit is for, or why it must not be applied.
    fn check(&mut self, commit: &StepCommit) -> Result<(), StoreError> {
        match commit.session {
            Some(id) => match self.sessions.get(&id) {
                Some(row) if row.status == SessionStatus::Done => {
                    return refused(format!("session {id} has ended"));
                }
                Some(row) if row.step != commit.expected_step => {
                    let (expected, actual) = (commit.expected_step, row.step);
                    return Err(StoreError::Conflict { session: id, expected, actual });
                }
                Some(_) => {}
                None => return refused(format!("session {id} does not exist")),
            },
            None if commit.expected_step != 0 => return refused("a new session is at step 0".into()),
            None if self.live(&commit.key).is_some() => {
                return refused(format!("{} has a session", commit.key));
            }
            None => {}
        }
        for id in commit.consumed.iter().chain(&commit.joined) {
            if self.waiting_mail(*id, &commit.key).is_none() {
                return refused(format!("message {id} does not wait for {}", commit.key));
            }
        }
        for (id, _) in &commit.close_streams {
            if self.open_stream(*id).is_none() {
                return refused(format!("outbox row {id} is not an open stream"));
            }
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, commit: StepCommit) -> Result<Committed, StoreError> {
        self.check(&commit)?;
        let session = commit.session.unwrap_or_else(|| id_of(self.sessions.len() + 1));
        let step = commit.expected_step + 1;
        let now_ms = commit.now_ms;
        self.append(session, &commit);
        for id in &commit.joined {
            if let Some(mail) = self.waiting_mail(*id, &commit.key) {
                mail.joined = true;
            }
        }
        for id in &commit.consumed {
            if let Some(mail) = self.waiting_mail(*id, &commit.key) {
                mail.consumed = true;
            }
        }
        let held = commit.outbox.iter().filter(|new| new.held).map(|new| new.address.clone());
        let mut given_up: Vec<Address> = held.collect();
        let outbox = self.insert_outbox(Some(session), commit.outbox, now_ms);
        given_up.retain(|chat| self.bound_held(chat) > 0);
        for (id, text) in commit.close_streams {
            if let Some(row) = self.open_stream(id) {
                if text.is_empty() && row.provider_id.is_none() {
                    row.state = OutboxState::Sent;
                }
                row.text = Some(text);
            }
        }
        let is_live = commit.status == SessionStatus::Live;
        let extra = commit.extra;
        self.timers.retain(|id, row| {
            let cleared = match row.kind {
                TimerKind::State => commit.clear_timers,
                TimerKind::Wake => extra.clear_wakes,
                TimerKind::Effect => extra.clear_deadlines.contains(&(row.visit, row.timer)),
            };
            row.session != session || is_live && !cleared && !commit.timers_fired.contains(id)
        });
        let of_states =
            commit.timers.iter().map(|(visit, timer, due_ms)| (TimerKind::State, *visit, *timer, *due_ms));
        let others = extra.timers.iter().map(|new| (new.kind, new.visit, new.number, new.due_ms));
        for (kind, visit, timer, due_ms) in of_states.chain(others).filter(|_| is_live) {
            self.last_timer += 1;
            let id = self.last_timer;
            self.timers.insert(id, TimerRow { id, session, kind, visit, timer, due_ms });
        }
        let (questions, touched) = self.apply_extra(session, &commit.key, extra, is_live, now_ms);
        for attempt in commit.ledger {
            let row = LedgerRow { session: Some(session), ..attempt.row };
            self.attempted(Attempted { row, ..attempt });
        }
        let created_ms = self.sessions.get(&session).map_or(now_ms, |row| row.created_ms);
        let row = SessionRow {
            id: session,
            key: commit.key,
            agent: commit.agent,
            program: commit.program,
            step,
            state: commit.state,
            state_name: commit.state_name,
            status: commit.status,
            pending: commit.pending && is_live,
            address: commit.address,
            history_start: commit.history_start,
            created_ms,
            updated_ms: now_ms,
        };
        self.sessions.insert(session, row);
        Ok(Committed { session, step, outbox, questions, touched, given_up })
    }

    fn append(&mut self, session: i64, commit: &StepCommit) {
        let journal = self.journals.entry(session).or_default();
        for record in &commit.journal {
            let sequence = id_of(journal.len());
            journal.push(JournalRow { sequence, at_ms: commit.now_ms, record: record.clone() });
        }
        let transcript = self.transcripts.entry(session).or_default();
        for (turn, tokens) in &commit.transcript {
            let sequence = id_of(transcript.len());
            transcript.push(TranscriptRow { sequence, turn: turn.clone(), tokens: *tokens });
        }
    }

    pub(super) fn drop_session(&mut self, key: &str, now_ms: UnixMs) -> bool {
        let mut found = false;
        for mail in self.inbox.iter_mut().filter(|mail| mail.key == key && !mail.consumed) {
            mail.consumed = true;
            found = true;
        }
        let Some(id) = self.live(key).map(|row| row.id) else { return found };
        if let Some(row) = self.sessions.get_mut(&id) {
            row.status = SessionStatus::Done;
            row.pending = false;
            row.updated_ms = now_ms;
        }
        self.timers.retain(|_, row| row.session != id);
        self.world.questions.retain(|_, row| row.session != id);
        for row in self.outbox.iter_mut().filter(|row| row.session == Some(id) && row.text.is_none()) {
            if is_open(row.state) {
                row.text = Some(String::new());
                row.state = OutboxState::Sent;
            }
        }
        true
    }

    pub(super) fn timers_due(&self, session: Option<i64>, now_ms: UnixMs) -> Vec<TimerRow> {
        let is_wanted = |row: &&TimerRow| row.due_ms <= now_ms && session.is_none_or(|id| id == row.session);
        let mut rows: Vec<_> = self.timers.values().filter(is_wanted).cloned().collect();
        rows.sort_by_key(|row| (row.due_ms, row.id));
        rows
    }

    pub(super) fn outbox_update(&mut self, update: OutboxUpdate) -> Result<(), StoreError> {
        let Some(row) = self.outbox.iter_mut().find(|row| row.id == update.id) else {
            return refused(format!("there is no outbox row {}", update.id));
        };
        row.state = update.state;
        row.provider_id = update.provider_id.or(row.provider_id.take());
        row.not_before_ms = update.not_before_ms.unwrap_or(row.not_before_ms);
        row.error = update.error;
        row.attempts += i64::from(update.count_attempt);
        Ok(())
    }
}
