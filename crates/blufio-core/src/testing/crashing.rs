// SPDX-License-Identifier: MIT OR Apache-2.0
//! A store that dies at a chosen call, so that a test can visit every crash point instead of a sample.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::BoxFuture;
use crate::files::FileVersion;
use crate::message::UnixMs;
use crate::store::{
    Accepted, Announced, Announcement, Attempted, Committed, CostQuery, Costs, Epoch, InboxBatch, InboxRow,
    JournalRow, LedgerRow, NewOutbox, OutboxRow, OutboxState, OutboxUpdate, QuestionRow, SessionRow,
    StepCommit, Store, StoreError, StoreTotals, TimerRow, TranscriptRow,
};

/// What the call at which the store dies leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashMode {
    /// Nothing: the process died before the transaction.
    BeforeApply,
    /// Its whole effect, but nobody was told: the process died between commit and acknowledgement.
    AfterApply,
}

/// Wraps a store and dies at its nth changing call. A dead store never answers: the futures stay pending, as the
/// code that awaited them no longer exists after a crash. The wrapped store holds what a restart finds.
#[derive(Debug)]
pub struct CrashingStore<S> {
    inner: S,
    mode: CrashMode,
    crash_at: u64,
    calls: AtomicU64,
    is_dead: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl<S: Store> CrashingStore<S> {
    /// Dies at the changing call with this number; the first is 1.
    pub fn new(inner: S, crash_at: u64, mode: CrashMode) -> Self {
        let (calls, is_dead) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { inner, mode, crash_at, calls, is_dead, waiting: Mutex::default() }
    }

    /// Never dies, only counts: an uncrashed run tells how many crash points there are.
    pub fn counting(inner: S) -> Self {
        Self::new(inner, u64::MAX, CrashMode::BeforeApply)
    }

    /// Changing calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether it died.
    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// What survives.
    pub fn survivor(&self) -> &S {
        &self.inner
    }

    /// Completes when the store dies.
    pub fn died(&self) -> impl Future<Output = ()> + Send + '_ {
        std::future::poll_fn(|context| {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_dead() {
                return Poll::Ready(());
            }
            waiting.push(context.waker().clone());
            Poll::Pending
        })
    }

    fn die(&self) {
        let woken = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_dead.store(true, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        for waker in woken {
            waker.wake();
        }
    }

    fn change<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a S) -> BoxFuture<'a, T> + Send + 'a,
    ) -> BoxFuture<'a, T> {
        Box::pin(async move {
            if self.is_dead() {
                return std::future::pending().await;
            }
            let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if number < self.crash_at {
                let value = call(&self.inner).await;
                return self.answer(value).await;
            }
            if number == self.crash_at && self.mode == CrashMode::AfterApply {
                let _unheard = call(&self.inner).await;
            }
            self.die();
            std::future::pending().await
        })
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a S) -> BoxFuture<'a, T> + Send + 'a,
    ) -> BoxFuture<'a, T> {
        Box::pin(async move {
            if self.is_dead() {
                return std::future::pending().await;
            }
            let value = call(&self.inner).await;
            self.answer(value).await
        })
    }

    /// An answer that arrives after the death is heard by nobody.
    async fn answer<T>(&self, value: T) -> T {
        if self.is_dead() { std::future::pending().await } else { value }
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl<S: Store> Store for CrashingStore<S> {
    fn accept(&self, batch: InboxBatch) -> Answer<'_, Accepted> {
        self.change(move |s| s.accept(batch))
    }
    fn received_ms<'a>(&'a self, channel: &'a str, source_id: &'a str) -> Answer<'a, Option<UnixMs>> {
        self.read(move |s| s.received_ms(channel, source_id))
    }
    fn commit(&self, commit: StepCommit) -> Answer<'_, Committed> {
        self.change(move |s| s.commit(commit))
    }
    fn session<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SessionRow>> {
        self.read(move |s| s.session(key))
    }
    fn stored<'a>(&'a self, channel: &'a str, source_ids: Vec<String>) -> Answer<'a, Vec<String>> {
        self.read(move |s| s.stored(channel, source_ids))
    }
    fn session_key(&self, id: i64) -> Answer<'_, Option<String>> {
        self.read(move |s| s.session_key(id))
    }
    fn sessions(&self, ended_too: bool, limit: u32) -> Answer<'_, Vec<SessionRow>> {
        self.read(move |s| s.sessions(ended_too, limit))
    }
    fn drop_session<'a>(&'a self, key: &'a str, now_ms: UnixMs) -> Answer<'a, bool> {
        self.change(move |s| s.drop_session(key, now_ms))
    }
    fn keys_with_work(&self) -> Answer<'_, Vec<String>> {
        self.read(|s| s.keys_with_work())
    }
    fn mail<'a>(&'a self, key: &'a str, limit: u32) -> Answer<'a, Vec<InboxRow>> {
        self.read(move |s| s.mail(key, limit))
    }
    fn discard_mail(&self, ids: Vec<i64>) -> Answer<'_, ()> {
        self.change(move |s| s.discard_mail(ids))
    }
    fn transcript(&self, session: i64, from: i64) -> Answer<'_, Vec<TranscriptRow>> {
        self.read(move |s| s.transcript(session, from))
    }
    fn journal(&self, session: i64, from: i64, limit: u32) -> Answer<'_, Vec<JournalRow>> {
        self.read(move |s| s.journal(session, from, limit))
    }
    fn timers_due(&self, now_ms: UnixMs, limit: u32) -> Answer<'_, Vec<TimerRow>> {
        self.read(move |s| s.timers_due(now_ms, limit))
    }
    fn next_timer_ms(&self) -> Answer<'_, Option<UnixMs>> {
        self.read(|s| s.next_timer_ms())
    }
    fn session_timers_due(&self, session: i64, now_ms: UnixMs) -> Answer<'_, Vec<TimerRow>> {
        self.read(move |s| s.session_timers_due(session, now_ms))
    }
    fn post(&self, messages: Vec<NewOutbox>, now_ms: UnixMs) -> Answer<'_, Vec<i64>> {
        self.change(move |s| s.post(messages, now_ms))
    }
    fn outbox_open(&self, limit: u32) -> Answer<'_, Vec<OutboxRow>> {
        self.read(move |s| s.outbox_open(limit))
    }
    fn outbox_row(&self, id: i64) -> Answer<'_, Option<OutboxRow>> {
        self.read(move |s| s.outbox_row(id))
    }
    fn outbox(&self, state: Option<OutboxState>, limit: u32) -> Answer<'_, Vec<OutboxRow>> {
        self.read(move |s| s.outbox(state, limit))
    }
    fn outbox_update(&self, update: OutboxUpdate) -> Answer<'_, ()> {
        self.change(move |s| s.outbox_update(update))
    }
    fn put_program<'a>(
        &'a self,
        hash: [u8; 32],
        agent: &'a str,
        version: u32,
        bytes: Vec<u8>,
        source: &'a str,
    ) -> Answer<'a, ()> {
        self.change(move |s| s.put_program(hash, agent, version, bytes, source))
    }
    fn program(&self, hash: [u8; 32]) -> Answer<'_, Option<Vec<u8>>> {
        self.read(move |s| s.program(hash))
    }
    fn keep_file(&self, version: FileVersion) -> Answer<'_, bool> {
        self.change(move |s| s.keep_file(version))
    }
    fn file_versions<'a>(
        &'a self,
        agent: Option<&'a str>,
        name: Option<&'a str>,
        limit: u32,
    ) -> Answer<'a, Vec<FileVersion>> {
        self.read(move |s| s.file_versions(agent, name, limit))
    }
    fn setting<'a>(&'a self, key: &'a str) -> Answer<'a, Option<String>> {
        self.read(move |s| s.setting(key))
    }
    fn set_setting<'a>(&'a self, key: &'a str, value: &'a str) -> Answer<'a, ()> {
        self.change(move |s| s.set_setting(key, value))
    }
    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
        now_ms: UnixMs,
    ) -> Answer<'a, ()> {
        self.change(move |s| s.dead_letter(channel, source_id, raw, reason, now_ms))
    }
    fn epoch(&self, session: i64, start: i64) -> Answer<'_, Option<Epoch>> {
        self.read(move |s| s.epoch(session, start))
    }
    fn announce_attempt(&self, attempt: Announcement) -> Answer<'_, Announced> {
        self.change(move |s| s.announce_attempt(attempt))
    }
    fn record_attempt(&self, attempt: Attempted) -> Answer<'_, ()> {
        self.change(move |s| s.record_attempt(attempt))
    }
    fn spent<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>> {
        self.read(move |s| s.spent(what, period))
    }
    fn used<'a>(&'a self, what: &'a str, period: i64) -> Answer<'a, i64> {
        self.read(move |s| s.used(what, period))
    }
    fn costs(&self, query: CostQuery) -> Answer<'_, Costs> {
        self.read(move |s| s.costs(query))
    }
    fn ledger(&self, session: Option<i64>, limit: u32) -> Answer<'_, Vec<LedgerRow>> {
        self.read(move |s| s.ledger(session, limit))
    }
    fn questions(&self) -> Answer<'_, Vec<QuestionRow>> {
        self.read(|s| s.questions())
    }
    fn recall<'a>(&'a self, scopes: &'a [String], query: &'a str, top: u32) -> Answer<'a, Vec<String>> {
        self.read(move |s| s.recall(scopes, query, top))
    }
    fn reserve<'a>(&'a self, what: &'a str, period: i64, token: &'a str, most: u32) -> Answer<'a, bool> {
        self.change(move |s| s.reserve(what, period, token, most))
    }
    fn totals(&self) -> Answer<'_, StoreTotals> {
        self.read(|s| s.totals())
    }
    /// Closing changes nothing that a restart reads; it is not a crash point.
    fn close(&self) -> Answer<'_, ()> {
        self.read(|s| s.close())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;
    use crate::testing::MemoryStore;

    fn poll<T>(future: &mut BoxFuture<'_, T>) -> Poll<T> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn both_modes_leave_what_they_say() {
        for (mode, left) in [(CrashMode::BeforeApply, None), (CrashMode::AfterApply, Some("2".to_string()))] {
            let store = CrashingStore::new(MemoryStore::default(), 2, mode);
            assert!(poll(&mut store.set_setting("a", "1")).is_ready());
            assert!(!store.is_dead());
            assert!(poll(&mut store.set_setting("b", "2")).is_pending());
            assert!(store.is_dead());
            assert!(poll(&mut store.setting("a")).is_pending());
            assert!(poll(&mut store.set_setting("c", "3")).is_pending());
            let survivor = store.survivor();
            assert!(matches!(poll(&mut survivor.setting("a")), Poll::Ready(Ok(Some(v))) if v == "1"));
            assert!(matches!(poll(&mut survivor.setting("b")), Poll::Ready(Ok(v)) if v == left));
            assert!(matches!(poll(&mut survivor.setting("c")), Poll::Ready(Ok(None))));
            let mut died: BoxFuture<'_, ()> = Box::pin(store.died());
            assert!(poll(&mut died).is_ready());
            assert_eq!(store.calls(), 2);
        }
    }
}
