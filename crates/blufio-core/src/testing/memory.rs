// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store in plain structs: the model that the SQLite store is held against.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::BoxFuture;
use crate::files::{FILE_VERSIONS_MAX, FileVersion};
use crate::message::{Inbound, UnixMs};
use crate::store::{
    Accepted, Announced, Announcement, Attempted, Committed, CostQuery, Costs, Epoch, InboxBatch, InboxRow,
    JournalRow, LedgerRow, NewOutbox, OutboxRow, OutboxState, OutboxUpdate, QuestionRow, SessionRow,
    SessionStatus, StepCommit, Store, StoreError, StoreTotals, TimerRow, TranscriptRow,
};

mod change;
mod cost;
mod world;

/// A record that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Channel.
    pub channel: String,
    /// The channel's id of the record.
    pub source_id: String,
    /// As it came.
    pub raw: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at_ms: UnixMs,
}

/// A store without a disk. Clones share the data, so that a clone is what a restart finds.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug)]
struct Mail {
    key: String,
    message: Inbound,
    received_ms: UnixMs,
    joined: bool,
    consumed: bool,
}

#[derive(Debug, Default)]
struct Tables {
    is_closed: bool,
    sessions: BTreeMap<i64, SessionRow>,
    journals: HashMap<i64, Vec<JournalRow>>,
    transcripts: HashMap<i64, Vec<TranscriptRow>>,
    /// Row id is the position plus one.
    inbox: Vec<Mail>,
    seen: HashMap<(String, String), UnixMs>,
    /// Row id is the position plus one.
    outbox: Vec<OutboxRow>,
    timers: BTreeMap<i64, TimerRow>,
    last_timer: i64,
    ledger: Vec<LedgerRow>,
    programs: HashMap<[u8; 32], Vec<u8>>,
    /// Oldest first.
    files: Vec<FileVersion>,
    settings: HashMap<String, String>,
    dead_letters: Vec<DeadLetter>,
    world: world::World,
}

fn is_open(state: OutboxState) -> bool {
    matches!(state, OutboxState::Ready | OutboxState::Sending | OutboxState::Placed)
}

impl Tables {
    fn live(&self, key: &str) -> Option<&SessionRow> {
        self.sessions.values().find(|row| row.key == key && row.status != SessionStatus::Done)
    }

    fn waiting(&self) -> impl Iterator<Item = (i64, &Mail)> {
        (1..).zip(&self.inbox).filter(|(_, mail)| !mail.consumed)
    }

    fn count_sessions(&self, status: SessionStatus) -> i64 {
        count(self.sessions.values().filter(|row| row.status == status))
    }
}

fn count<T>(rows: impl Iterator<Item = T>) -> i64 {
    i64::try_from(rows.count()).unwrap_or(i64::MAX)
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl MemoryStore {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a closed store be used again, as a restart would.
    pub fn reopen(&self) {
        self.tables().is_closed = false;
    }

    /// What was put aside, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.tables().dead_letters.clone()
    }

    fn with<'a, T: Send + 'a>(
        &'a self,
        run: impl FnOnce(&mut Tables) -> Result<T, StoreError> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let mut tables = self.tables();
            if tables.is_closed { Err(StoreError::Closed) } else { run(&mut tables) }
        })
    }
}

impl Store for MemoryStore {
    fn accept(&self, batch: InboxBatch) -> Answer<'_, Accepted> {
        self.with(move |t| Ok(t.accept(batch)))
    }

    fn received_ms<'a>(&'a self, channel: &'a str, source_id: &'a str) -> Answer<'a, Option<UnixMs>> {
        self.with(move |t| Ok(t.seen.get(&(channel.to_string(), source_id.to_string())).copied()))
    }

    fn commit(&self, commit: StepCommit) -> Answer<'_, Committed> {
        self.with(move |t| t.commit(commit))
    }

    fn session<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SessionRow>> {
        self.with(move |t| Ok(t.live(key).cloned()))
    }

    fn stored<'a>(&'a self, channel: &'a str, source_ids: Vec<String>) -> Answer<'a, Vec<String>> {
        self.with(move |t| {
            let is_stored = |id: &String| t.seen.contains_key(&(channel.to_string(), id.clone()));
            Ok(source_ids.into_iter().filter(is_stored).collect())
        })
    }

    fn session_key(&self, id: i64) -> Answer<'_, Option<String>> {
        self.with(move |t| {
            Ok(t.sessions.get(&id).filter(|row| row.status != SessionStatus::Done).map(|row| row.key.clone()))
        })
    }

    fn sessions(&self, ended_too: bool, limit: u32) -> Answer<'_, Vec<SessionRow>> {
        self.with(move |t| {
            let wanted = |row: &&SessionRow| ended_too || row.status != SessionStatus::Done;
            let mut rows: Vec<_> = t.sessions.values().filter(wanted).cloned().collect();
            rows.sort_by_key(|row| std::cmp::Reverse((row.updated_ms, row.id)));
            rows.truncate(limit as usize);
            Ok(rows)
        })
    }

    fn drop_session<'a>(&'a self, key: &'a str, now_ms: UnixMs) -> Answer<'a, bool> {
        self.with(move |t| Ok(t.drop_session(key, now_ms)))
    }

    fn keys_with_work(&self) -> Answer<'_, Vec<String>> {
        self.with(|t| {
            let pending = t.sessions.values().filter(|row| row.pending).map(|row| row.key.clone());
            let waiting = t.waiting().map(|(_, mail)| mail.key.clone());
            let keys: std::collections::BTreeSet<_> = pending.chain(waiting).collect();
            Ok(keys.into_iter().collect())
        })
    }

    fn mail<'a>(&'a self, key: &'a str, limit: u32) -> Answer<'a, Vec<InboxRow>> {
        self.with(move |t| {
            let rows = t.waiting().filter(|(_, mail)| mail.key == key).take(limit as usize);
            Ok(rows
                .map(|(id, mail)| InboxRow {
                    id,
                    key: mail.key.clone(),
                    message: mail.message.clone(),
                    received_ms: mail.received_ms,
                    joined: mail.joined,
                })
                .collect())
        })
    }

    fn discard_mail(&self, ids: Vec<i64>) -> Answer<'_, ()> {
        self.with(move |t| {
            for (id, mail) in (1..).zip(&mut t.inbox) {
                mail.consumed |= ids.contains(&id);
            }
            Ok(())
        })
    }

    fn transcript(&self, session: i64, from: i64) -> Answer<'_, Vec<TranscriptRow>> {
        self.with(move |t| {
            let rows = t.transcripts.get(&session).into_iter().flatten();
            Ok(rows.filter(|row| row.sequence >= from).cloned().collect())
        })
    }

    fn journal(&self, session: i64, from: i64, limit: u32) -> Answer<'_, Vec<JournalRow>> {
        self.with(move |t| {
            let rows = t.journals.get(&session).into_iter().flatten();
            Ok(rows.filter(|row| row.sequence >= from).take(limit as usize).cloned().collect())
        })
    }

    fn timers_due(&self, now_ms: UnixMs, limit: u32) -> Answer<'_, Vec<TimerRow>> {
        self.with(move |t| {
            let mut rows = t.timers_due(None, now_ms);
            rows.truncate(limit as usize);
            Ok(rows)
        })
    }

    fn next_timer_ms(&self) -> Answer<'_, Option<UnixMs>> {
        self.with(|t| Ok(t.timers.values().map(|row| row.due_ms).min()))
    }

    fn session_timers_due(&self, session: i64, now_ms: UnixMs) -> Answer<'_, Vec<TimerRow>> {
        self.with(move |t| Ok(t.timers_due(Some(session), now_ms)))
    }

    fn post(&self, messages: Vec<NewOutbox>, now_ms: UnixMs) -> Answer<'_, Vec<i64>> {
        self.with(move |t| Ok(t.insert_outbox(None, messages, now_ms)))
    }

    fn outbox_open(&self, limit: u32) -> Answer<'_, Vec<OutboxRow>> {
        self.with(move |t| {
            Ok(t.outbox.iter().filter(|row| is_open(row.state)).take(limit as usize).cloned().collect())
        })
    }

    fn outbox_row(&self, id: i64) -> Answer<'_, Option<OutboxRow>> {
        self.with(move |t| Ok(t.outbox.iter().find(|row| row.id == id).cloned()))
    }

    fn outbox(&self, state: Option<OutboxState>, limit: u32) -> Answer<'_, Vec<OutboxRow>> {
        self.with(move |t| {
            let rows = t.outbox.iter().rev().filter(|row| state.is_none_or(|state| state == row.state));
            Ok(rows.take(limit as usize).cloned().collect())
        })
    }

    fn outbox_update(&self, update: OutboxUpdate) -> Answer<'_, ()> {
        self.with(move |t| t.outbox_update(update))
    }

    fn put_program<'a>(
        &'a self,
        hash: [u8; 32],
        _agent: &'a str,
        _version: u32,
        bytes: Vec<u8>,
        _source: &'a str,
    ) -> Answer<'a, ()> {
        self.with(move |t| {
            t.programs.entry(hash).or_insert(bytes);
            Ok(())
        })
    }

    fn program(&self, hash: [u8; 32]) -> Answer<'_, Option<Vec<u8>>> {
        self.with(move |t| Ok(t.programs.get(&hash).cloned()))
    }

    fn keep_file(&self, version: FileVersion) -> Answer<'_, bool> {
        self.with(move |t| {
            let is_same = |known: &FileVersion| known.agent == version.agent && known.name == version.name;
            let newest = t.files.iter().rev().find(|known| is_same(known));
            if newest.is_some_and(|known| known.hash == version.hash && known.folder == version.folder) {
                return Ok(false);
            }
            if t.files.iter().filter(|known| is_same(known)).count() >= FILE_VERSIONS_MAX
                && let Some(oldest) = t.files.iter().position(is_same)
            {
                t.files.remove(oldest);
            }
            t.files.push(version);
            Ok(true)
        })
    }

    fn file_versions<'a>(
        &'a self,
        agent: Option<&'a str>,
        name: Option<&'a str>,
        limit: u32,
    ) -> Answer<'a, Vec<FileVersion>> {
        self.with(move |t| {
            let wanted = |known: &&FileVersion| {
                agent.is_none_or(|agent| agent == known.agent) && name.is_none_or(|name| name == known.name)
            };
            Ok(t.files.iter().rev().filter(wanted).take(limit as usize).cloned().collect())
        })
    }

    fn setting<'a>(&'a self, key: &'a str) -> Answer<'a, Option<String>> {
        self.with(move |t| Ok(t.settings.get(key).cloned()))
    }

    fn set_setting<'a>(&'a self, key: &'a str, value: &'a str) -> Answer<'a, ()> {
        self.with(move |t| {
            t.settings.insert(key.to_string(), value.to_string());
            Ok(())
        })
    }

    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
        now_ms: UnixMs,
    ) -> Answer<'a, ()> {
        self.with(move |t| {
            let (channel, source_id) = (channel.to_string(), source_id.to_string());
            let (raw, reason) = (raw.to_string(), reason.to_string());
            t.dead_letters.push(DeadLetter { channel, source_id, raw, reason, at_ms: now_ms });
            Ok(())
        })
    }

    fn epoch(&self, session: i64, start: i64) -> Answer<'_, Option<Epoch>> {
        self.with(move |t| Ok(t.world.epochs.get(&(session, start)).cloned()))
    }

    fn announce_attempt(&self, attempt: Announcement) -> Answer<'_, Announced> {
        self.with(|t| Ok(t.announce(attempt)))
    }

    fn record_attempt(&self, attempt: Attempted) -> Answer<'_, ()> {
        self.with(|t| {
            t.attempted(attempt);
            Ok(())
        })
    }

    fn spent<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.with(move |t| Ok(t.world.spent(what, period)))
    }

    fn used<'a>(&'a self, what: &'a str, period: i64) -> Answer<'a, i64> {
        self.with(move |t| Ok(t.world.used(what, period)))
    }

    fn costs(&self, query: CostQuery) -> Answer<'_, Costs> {
        self.with(move |t| Ok(t.costs(&query)))
    }

    fn ledger(&self, session: Option<i64>, limit: u32) -> Answer<'_, Vec<LedgerRow>> {
        self.with(move |t| {
            let rows = t.ledger.iter().rev().filter(|row| session.is_none() || row.session == session);
            Ok(rows.take(limit as usize).cloned().collect())
        })
    }

    fn questions(&self) -> Answer<'_, Vec<QuestionRow>> {
        self.with(|t| Ok(t.questions()))
    }

    fn recall<'a>(&'a self, scopes: &'a [String], query: &'a str, top: u32) -> Answer<'a, Vec<String>> {
        self.with(move |t| Ok(t.world.recall(scopes, query, top)))
    }

    fn reserve<'a>(&'a self, what: &'a str, period: i64, token: &'a str, most: u32) -> Answer<'a, bool> {
        self.with(move |t| Ok(t.world.reserve(what, period, token, most)))
    }

    fn totals(&self) -> Answer<'_, StoreTotals> {
        self.with(|t| {
            Ok(StoreTotals {
                sessions_live: t.count_sessions(SessionStatus::Live),
                sessions_parked: t.count_sessions(SessionStatus::Parked),
                inbox_waiting: count(t.waiting()),
                outbox_waiting: count(t.outbox.iter().filter(|row| is_open(row.state))),
                outbox_uncertain: count(t.outbox.iter().filter(|row| row.state == OutboxState::Uncertain)),
                timers: count(t.timers.values()),
                model_calls: count(t.ledger.iter()),
            })
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        self.with(|t| {
            t.is_closed = true;
            Ok(())
        })
    }
}
