// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store as the rest of the program sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use blufio_core::BoxFuture;
use blufio_core::files::FileVersion;
use blufio_core::message::UnixMs;
use blufio_core::store::{
    Accepted, Announced, Announcement, Attempted, Committed, CostQuery, Costs, Epoch, InboxBatch, InboxRow,
    JournalRecord, JournalRow, LedgerRow, NewOutbox, OutboxRow, OutboxState, OutboxUpdate, QuestionRow,
    SessionRow, StepCommit, Store, StoreError, StoreTotals, TimerRow, TranscriptRow,
};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use tokio::sync::{mpsc, oneshot};

use crate::open::{self, OpenError, Opened, Options};
use crate::reader::Readers;
use crate::rows;
use crate::writer::{self, QUEUE_MAX, Request, Writer};

/// The store in `DATA/blufio.db`. Clones share it; it closes when the last is dropped, if `close` was not called.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` when it was opened for reading only.
    writer: Option<mpsc::Sender<Request>>,
    writer_thread: Option<JoinHandle<()>>,
    readers: Readers,
    path: PathBuf,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.readers.stop();
        drop(self.writer.take());
        if let Some(thread) = self.writer_thread.take() {
            // The lock of the folder is free and the file complete when this returns.
            let _ = thread.join();
        }
    }
}

impl SqliteStore {
    /// Opens (or creates) the database of a data folder and takes the folder's lock.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, OpenError> {
        let Opened { connection, path, lock } = open::open(folder, options)?;
        let readers = Readers::start(&path)?;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let writer = Writer { connection, path: path.clone(), lock };
        let thread = std::thread::Builder::new().name("blufio-write".into());
        let writer_thread = thread.spawn(move || writer.run(receiver)).map_err(|e| open::io(&path, e))?;
        let inner = Inner { writer: Some(sender), writer_thread: Some(writer_thread), readers, path };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens for reading where no daemon runs. Everything that writes is refused.
    pub fn open_read_only(folder: &Path) -> Result<Self, OpenError> {
        let path = open::check_read_only(folder)?;
        let readers = Readers::start(&path)?;
        Ok(Self { inner: Arc::new(Inner { writer: None, writer_thread: None, readers, path }) })
    }

    /// A setting of a database that nobody runs on. Unlike a store for reading it leaves no log beside a complete file.
    pub fn setting_at_rest(folder: &Path, key: &str) -> Result<Option<String>, OpenError> {
        open::setting_at_rest(folder, key)
    }

    /// Whether some process holds a data folder.
    pub fn is_held(folder: &Path) -> bool {
        crate::folder::is_locked(folder)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let read_only = || StoreError::Refused("opened for reading only".into());
        let queue = self.inner.writer.as_ref().ok_or_else(read_only)?;
        let (request, receiver) = writer::request(work);
        queue.send(request).await.map_err(|_| StoreError::Closed)?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn one<T: Send + 'static>(
        &self,
        sql: &'static str,
        parameters: impl Params + Send + 'static,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.inner.readers.query(move |c| c.prepare_cached(sql)?.query_row(parameters, read).optional()).await
    }

    async fn many<T: Send + 'static>(
        &self,
        sql: String,
        parameters: impl Params + Send + 'static,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.inner
            .readers
            .query(move |c| c.prepare_cached(&sql)?.query_map(parameters, read)?.collect())
            .await
    }
}

impl Store for SqliteStore {
    fn accept(&self, batch: InboxBatch) -> BoxFuture<'_, Result<Accepted, StoreError>> {
        Box::pin(self.write(move |c| crate::apply::accept(c, &batch)))
    }

    fn received_ms<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<UnixMs>, StoreError>> {
        let name = (channel.to_string(), source_id.to_string());
        let sql = "SELECT received_ms FROM inbox WHERE channel = ?1 AND source_id = ?2";
        Box::pin(self.one(sql, name, |row| row.get(0)))
    }

    fn commit(&self, commit: StepCommit) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(self.write(move |c| crate::apply::commit(c, &commit)))
    }

    fn session<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<SessionRow>, StoreError>> {
        let key = key.to_string();
        Box::pin(async move {
            let sql = format!("SELECT {} FROM sessions WHERE key = ?1 AND status <> 1", rows::SESSION);
            Ok(self.many(sql, (key,), rows::session).await?.pop())
        })
    }

    fn stored<'a>(
        &'a self,
        channel: &'a str,
        source_ids: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let sql = "SELECT source_id FROM inbox WHERE channel = ?1 AND source_id IN (SELECT value FROM json_each(?2))";
        let ids = serde_json::Value::from(source_ids).to_string();
        Box::pin(self.many(sql.to_string(), (channel.to_string(), ids), |row| row.get(0)))
    }

    fn session_key(&self, id: i64) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        Box::pin(self.one("SELECT key FROM sessions WHERE id = ?1 AND status <> 1", (id,), |row| row.get(0)))
    }

    fn sessions(&self, ended_too: bool, limit: u32) -> BoxFuture<'_, Result<Vec<SessionRow>, StoreError>> {
        let filter = if ended_too { "1" } else { "status <> 1" };
        let sql = format!(
            "SELECT {} FROM sessions WHERE {filter} ORDER BY updated_ms DESC, id DESC LIMIT ?1",
            rows::SESSION
        );
        Box::pin(self.many(sql, (limit,), rows::session))
    }

    fn drop_session<'a>(&'a self, key: &'a str, now_ms: UnixMs) -> BoxFuture<'a, Result<bool, StoreError>> {
        let key = key.to_string();
        Box::pin(self.write(move |c| crate::apply::drop_session(c, &key, now_ms)))
    }

    fn keys_with_work(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let sql = "SELECT key FROM sessions WHERE pending = 1 UNION SELECT key FROM inbox WHERE consumed = 0 AND key IS NOT NULL";
        Box::pin(self.many(sql.to_string(), (), |row| row.get(0)))
    }

    fn mail<'a>(&'a self, key: &'a str, limit: u32) -> BoxFuture<'a, Result<Vec<InboxRow>, StoreError>> {
        let key = key.to_string();
        let sql = "SELECT id, key, message, received_ms, joined FROM inbox WHERE key = ?1 AND consumed = 0 ORDER BY id LIMIT ?2";
        Box::pin(self.many(sql.to_string(), (key, limit), rows::inbox))
    }

    fn discard_mail(&self, ids: Vec<i64>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write(move |c| crate::apply::discard_mail(c, &ids)))
    }

    fn transcript(&self, session: i64, from: i64) -> BoxFuture<'_, Result<Vec<TranscriptRow>, StoreError>> {
        let sql = "SELECT sequence, turn, tokens FROM transcript WHERE session = ?1 AND sequence >= ?2 ORDER BY sequence";
        Box::pin(self.many(sql.to_string(), (session, from), |row| {
            Ok(TranscriptRow { sequence: row.get(0)?, turn: rows::json(row, 1)?, tokens: row.get(2)? })
        }))
    }

    fn journal(
        &self,
        session: i64,
        from: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, StoreError>> {
        let sql = "SELECT sequence, at_ms, kind, body FROM journal WHERE session = ?1 AND sequence >= ?2 ORDER BY sequence LIMIT ?3";
        Box::pin(self.many(sql.to_string(), (session, from, limit), |row| {
            Ok(JournalRow {
                sequence: row.get(0)?,
                at_ms: row.get(1)?,
                record: JournalRecord { kind: row.get(2)?, body: row.get(3)? },
            })
        }))
    }

    fn timers_due(&self, now_ms: UnixMs, limit: u32) -> BoxFuture<'_, Result<Vec<TimerRow>, StoreError>> {
        let sql =
            format!("SELECT {} FROM timers WHERE due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2", rows::TIMER);
        Box::pin(self.many(sql, (now_ms, limit), rows::timer))
    }

    fn next_timer_ms(&self) -> BoxFuture<'_, Result<Option<UnixMs>, StoreError>> {
        Box::pin(async move {
            Ok(self
                .one("SELECT min(due_ms) FROM timers", (), |row| row.get::<_, Option<i64>>(0))
                .await?
                .flatten())
        })
    }

    fn session_timers_due(
        &self,
        session: i64,
        now_ms: UnixMs,
    ) -> BoxFuture<'_, Result<Vec<TimerRow>, StoreError>> {
        let sql = format!(
            "SELECT {} FROM timers WHERE session = ?1 AND due_ms <= ?2 ORDER BY due_ms, id",
            rows::TIMER
        );
        Box::pin(self.many(sql, (session, now_ms), rows::timer))
    }

    fn post(&self, messages: Vec<NewOutbox>, now_ms: UnixMs) -> BoxFuture<'_, Result<Vec<i64>, StoreError>> {
        Box::pin(self.write(move |c| crate::apply::post(c, &messages, now_ms)))
    }

    fn outbox_open(&self, limit: u32) -> BoxFuture<'_, Result<Vec<OutboxRow>, StoreError>> {
        let sql = format!("SELECT {} FROM outbox WHERE state < 3 ORDER BY id LIMIT ?1", rows::OUTBOX);
        Box::pin(self.many(sql, (limit,), rows::outbox))
    }

    fn outbox_row(&self, id: i64) -> BoxFuture<'_, Result<Option<OutboxRow>, StoreError>> {
        Box::pin(async move {
            let sql = format!("SELECT {} FROM outbox WHERE id = ?1", rows::OUTBOX);
            Ok(self.many(sql, (id,), rows::outbox).await?.pop())
        })
    }

    fn outbox(
        &self,
        state: Option<OutboxState>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<OutboxRow>, StoreError>> {
        let filter = state.map_or("1".to_string(), |state| format!("state = {}", rows::outbox_number(state)));
        let sql = format!("SELECT {} FROM outbox WHERE {filter} ORDER BY id DESC LIMIT ?1", rows::OUTBOX);
        Box::pin(self.many(sql, (limit,), rows::outbox))
    }

    fn outbox_update(&self, update: OutboxUpdate) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write(move |c| crate::apply::outbox_update(c, &update)))
    }

    fn put_program<'a>(
        &'a self,
        hash: [u8; 32],
        agent: &'a str,
        version: u32,
        bytes: Vec<u8>,
        source: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (agent, source) = (agent.to_string(), source.to_string());
        Box::pin(self.write(move |c| crate::apply::put_program(c, &hash, &agent, version, &bytes, &source)))
    }

    fn program(&self, hash: [u8; 32]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.one("SELECT bytes FROM programs WHERE hash = ?1", (hash,), |row| row.get(0)))
    }

    fn keep_file(&self, version: FileVersion) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.write(move |c| crate::files::keep(c, &version)))
    }

    fn file_versions<'a>(
        &'a self,
        agent: Option<&'a str>,
        name: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<FileVersion>, StoreError>> {
        let wanted = (agent.map(str::to_string), name.map(str::to_string), limit);
        Box::pin(self.many(crate::files::SELECT.to_string(), wanted, crate::files::version))
    }

    fn setting<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let key = key.to_string();
        Box::pin(self.one("SELECT value FROM settings WHERE key = ?1", (key,), |row| row.get(0)))
    }

    fn set_setting<'a>(&'a self, key: &'a str, value: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let (key, value) = (key.to_string(), value.to_string());
        Box::pin(self.write(move |c| crate::apply::set_setting(c, &key, &value)))
    }

    fn dead_letter<'a>(
        &'a self,
        channel: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (channel, source_id, raw, reason) =
            (channel.to_string(), source_id.to_string(), raw.to_string(), reason.to_string());
        Box::pin(
            self.write(move |c| crate::apply::dead_letter(c, &channel, &source_id, &raw, &reason, now_ms)),
        )
    }

    fn epoch(&self, session: i64, start: i64) -> BoxFuture<'_, Result<Option<Epoch>, StoreError>> {
        Box::pin(self.inner.readers.query(move |c| crate::world::epoch(c, session, start)))
    }

    fn announce_attempt(&self, attempt: Announcement) -> BoxFuture<'_, Result<Announced, StoreError>> {
        Box::pin(self.write(move |c| crate::spend::announce(c, &attempt)))
    }

    fn record_attempt(&self, attempt: Attempted) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write(move |c| crate::spend::record(c, &attempt)))
    }

    fn spent<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>> {
        let what = what.to_string();
        Box::pin(self.inner.readers.query(move |c| crate::spend::spent(c, &what, period)))
    }

    fn used<'a>(&'a self, what: &'a str, period: i64) -> BoxFuture<'a, Result<i64, StoreError>> {
        let sql = "SELECT count(*) FROM uses WHERE what = ?1 AND period = ?2";
        let what = what.to_string();
        Box::pin(
            async move { Ok(self.one(sql, (what, period), |row| row.get(0)).await?.unwrap_or_default()) },
        )
    }

    fn costs(&self, query: CostQuery) -> BoxFuture<'_, Result<Costs, StoreError>> {
        Box::pin(self.inner.readers.query(move |c| crate::cost::costs(c, &query)))
    }

    fn ledger(&self, session: Option<i64>, limit: u32) -> BoxFuture<'_, Result<Vec<LedgerRow>, StoreError>> {
        let all = "SELECT row FROM ledger ORDER BY id DESC LIMIT ?1";
        let of_session = "SELECT row FROM ledger WHERE session = ?2 ORDER BY id DESC LIMIT ?1";
        match session {
            None => Box::pin(self.many(all.to_string(), (limit,), |row| rows::json(row, 0))),
            Some(id) => Box::pin(self.many(of_session.to_string(), (limit, id), |row| rows::json(row, 0))),
        }
    }

    fn questions(&self) -> BoxFuture<'_, Result<Vec<QuestionRow>, StoreError>> {
        let sql = "SELECT q.id, q.session, q.key, q.visit, q.number, q.call, q.question, o.provider_id
                   FROM questions q LEFT JOIN outbox o ON o.id = json_extract(q.question, '$.outbox') ORDER BY q.id";
        Box::pin(self.many(sql.to_string(), (), crate::world::question))
    }

    fn recall<'a>(
        &'a self,
        scopes: &'a [String],
        query: &'a str,
        top: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let (scopes, query) = (scopes.to_vec(), query.to_string());
        Box::pin(self.inner.readers.query(move |c| crate::world::recall(c, &scopes, &query, top)))
    }

    fn reserve<'a>(
        &'a self,
        what: &'a str,
        period: i64,
        token: &'a str,
        most: u32,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (what, token) = (what.to_string(), token.to_string());
        Box::pin(self.write(move |c| crate::spend::reserve(c, &what, period, &token, most)))
    }

    fn totals(&self) -> BoxFuture<'_, Result<StoreTotals, StoreError>> {
        Box::pin(self.inner.readers.query(|c| {
            let count = |sql: &str| c.query_row(sql, params![], |row| row.get::<_, i64>(0));
            Ok(StoreTotals {
                sessions_live: count("SELECT count(*) FROM sessions WHERE status = 0")?,
                sessions_parked: count("SELECT count(*) FROM sessions WHERE status = 2")?,
                inbox_waiting: count("SELECT count(*) FROM inbox WHERE consumed = 0")?,
                outbox_waiting: count("SELECT count(*) FROM outbox WHERE state < 3")?,
                outbox_uncertain: count("SELECT count(*) FROM outbox WHERE state = 5")?,
                timers: count("SELECT count(*) FROM timers")?,
                model_calls: count("SELECT count(*) FROM ledger")?,
            })
        }))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // A reader that is still open would keep the log from being removed.
            self.inner.readers.stop();
            let Some(queue) = &self.inner.writer else { return Ok(()) };
            let (done, closed) = oneshot::channel();
            queue.send(Request::Close { done }).await.map_err(|_| StoreError::Closed)?;
            closed.await.unwrap_or(Err(StoreError::Closed))
        })
    }
}
