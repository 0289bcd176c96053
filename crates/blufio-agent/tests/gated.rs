// SPDX-License-Identifier: MIT OR Apache-2.0
//! A store whose `drop_session` answers only when a test lets it, so that others can act between the drop and the word
//! of it.

use std::sync::Arc;

use blufio_core::BoxFuture;
use blufio_core::files::FileVersion;
use blufio_core::message::UnixMs;
use blufio_core::store::{
    Accepted, Announced, Announcement, Attempted, Committed, CostQuery, Costs, Epoch, InboxBatch, InboxRow,
    JournalRow, LedgerRow, NewOutbox, OutboxRow, OutboxState, OutboxUpdate, QuestionRow, SessionRow,
    StepCommit, Store, StoreError, StoreTotals, TimerRow, TranscriptRow,
};
use tokio::sync::Notify;

pub struct GatedStore {
    inner: Arc<dyn Store>,
    dropped: Notify,
    open: Notify,
}

impl GatedStore {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, dropped: Notify::new(), open: Notify::new() }
    }

    /// Completes when a session was dropped and nobody was told.
    pub async fn dropped(&self) {
        self.dropped.notified().await;
    }

    /// Lets the word of it go.
    pub fn open(&self) {
        self.open.notify_one();
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl Store for GatedStore {
    fn accept(&self, batch: InboxBatch) -> Answer<'_, Accepted> {
        self.inner.accept(batch)
    }
    fn received_ms<'a>(&'a self, channel: &'a str, source_id: &'a str) -> Answer<'a, Option<UnixMs>> {
        self.inner.received_ms(channel, source_id)
    }
    fn commit(&self, commit: StepCommit) -> Answer<'_, Committed> {
        self.inner.commit(commit)
    }
    fn session<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SessionRow>> {
        self.inner.session(key)
    }
    fn stored<'a>(&'a self, channel: &'a str, source_ids: Vec<String>) -> Answer<'a, Vec<String>> {
        self.inner.stored(channel, source_ids)
    }
    fn session_key(&self, id: i64) -> Answer<'_, Option<String>> {
        self.inner.session_key(id)
    }
    fn sessions(&self, ended_too: bool, limit: u32) -> Answer<'_, Vec<SessionRow>> {
        self.inner.sessions(ended_too, limit)
    }
    fn drop_session<'a>(&'a self, key: &'a str, now_ms: UnixMs) -> Answer<'a, bool> {
        Box::pin(async move {
            let dropped = self.inner.drop_session(key, now_ms).await;
            self.dropped.notify_one();
            self.open.notified().await;
            dropped
        })
    }
    fn keys_with_work(&self) -> Answer<'_, Vec<String>> {
        self.inner.keys_with_work()
    }
    fn mail<'a>(&'a self, key: &'a str, limit: u32) -> Answer<'a, Vec<InboxRow>> {
        self.inner.mail(key, limit)
    }
    fn transcript(&self, session: i64, from: i64) -> Answer<'_, Vec<TranscriptRow>> {
        self.inner.transcript(session, from)
    }
    fn journal(&self, session: i64, from: i64, limit: u32) -> Answer<'_, Vec<JournalRow>> {
        self.inner.journal(session, from, limit)
    }
    fn timers_due(&self, now_ms: UnixMs, limit: u32) -> Answer<'_, Vec<TimerRow>> {
        self.inner.timers_due(now_ms, limit)
    }
    fn next_timer_ms(&self) -> Answer<'_, Option<UnixMs>> {
        self.inner.next_timer_ms()
    }
    fn session_timers_due(&self, session: i64, now_ms: UnixMs) -> Answer<'_, Vec<TimerRow>> {
        self.inner.session_timers_due(session, now_ms)
    }
    fn post(&self, messages: Vec<NewOutbox>, now_ms: UnixMs) -> Answer<'_, Vec<i64>> {
        self.inner.post(messages, now_ms)
    }
    fn outbox_open(&self, limit: u32) -> Answer<'_, Vec<OutboxRow>> {
        self.inner.outbox_open(limit)
    }
    fn outbox_row(&self, id: i64) -> Answer<'_, Option<OutboxRow>> {
        self.inner.outbox_row(id)
    }
    fn outbox(&self, state: Option<OutboxState>, limit: u32) -> Answer<'_, Vec<OutboxRow>> {
        self.inner.outbox(state, limit)
    }
    fn outbox_update(&self, update: OutboxUpdate) -> Answer<'_, ()> {
        self.inner.outbox_update(update)
    }
    fn put_program<'a>(
        &'a self,
        hash: [u8; 32],
        agent: &'a str,
        version: u32,
        bytes: Vec<u8>,
        source: &'a str,
    ) -> Answer<'a, ()> {
        self.inner.put_program(hash, agent, version, bytes, source)
    }
    fn program(&self, hash: [u8; 32]) -> Answer<'_, Option<Vec<u8>>> {
        self.inner.program(hash)
    }
    fn keep_file(&self, version: FileVersion) -> Answer<'_, bool> {
        self.inner.keep_file(version)
    }
    fn file_versions<'a>(
        &'a self,
        agent: Option<&'a str>,
        name: Option<&'a str>,
        limit: u32,
    ) -> Answer<'a, Vec<FileVersion>> {
        self.inner.file_versions(agent, name, limit)
    }
    fn setting<'a>(&'a self, key: &'a str) -> Answer<'a, Option<String>> {
        self.inner.setting(key)
    }
    fn set_setting<'a>(&'a self, key: &'a str, value: &'a str) -> Answer<'a, ()> {
        self.inner.set_setting(key, value)
    }
    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
        now_ms: UnixMs,
    ) -> Answer<'a, ()> {
        self.inner.dead_letter(channel, source_id, raw, reason, now_ms)
    }
    fn epoch(&self, session: i64, start: i64) -> Answer<'_, Option<Epoch>> {
        self.inner.epoch(session, start)
    }
    fn announce_attempt(&self, attempt: Announcement) -> Answer<'_, Announced> {
        self.inner.announce_attempt(attempt)
    }
    fn record_attempt(&self, attempt: Attempted) -> Answer<'_, ()> {
        self.inner.record_attempt(attempt)
    }
    fn spent<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.inner.spent(what, period)
    }
    fn used<'a>(&'a self, what: &'a str, period: i64) -> Answer<'a, i64> {
        self.inner.used(what, period)
    }
    fn costs(&self, query: CostQuery) -> Answer<'_, Costs> {
        self.inner.costs(query)
    }
    fn ledger(&self, session: Option<i64>, limit: u32) -> Answer<'_, Vec<LedgerRow>> {
        self.inner.ledger(session, limit)
    }
    fn discard_mail(&self, ids: Vec<i64>) -> Answer<'_, ()> {
        self.inner.discard_mail(ids)
    }
    fn questions(&self) -> Answer<'_, Vec<QuestionRow>> {
        self.inner.questions()
    }
    fn recall<'a>(&'a self, scopes: &'a [String], query: &'a str, top: u32) -> Answer<'a, Vec<String>> {
        self.inner.recall(scopes, query, top)
    }
    fn reserve<'a>(&'a self, what: &'a str, period: i64, token: &'a str, most: u32) -> Answer<'a, bool> {
        self.inner.reserve(what, period, token, most)
    }
    fn totals(&self) -> Answer<'_, StoreTotals> {
        self.inner.totals()
    }
    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
