// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables, and the checks that a file is ours and of this version.

/// `PRAGMA application_id`: "Bluf".
pub(crate) const APPLICATION_ID: i32 = 0x426C_7566;
/// `PRAGMA user_version`.
pub(crate) const SCHEMA_VERSION: i32 = 5;
/// Oldest SQLite that is trusted: earlier ones have a WAL-reset race that can corrupt the file.
pub(crate) const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Bytes of a page.
pub(crate) const PAGE_BYTES: u32 = 4_096;

/// The whole schema. Journal and transcript rows are appended to one B-tree and found through an index: clustered by
/// session they would spread the commits of many sessions over as many pages, and long rows over overflow pages.
/// `AUTOINCREMENT` where an id must never be used again. Values of enumerations are small integers, see `rows`.
pub(crate) const SCHEMA: &str = "
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE programs (
  hash BLOB PRIMARY KEY, agent TEXT NOT NULL, version INTEGER NOT NULL, bytes BLOB NOT NULL, source TEXT NOT NULL
) STRICT;
CREATE TABLE files (
  id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT NOT NULL, name TEXT NOT NULL, folder TEXT NOT NULL, hash BLOB NOT NULL,
  text TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX files_name ON files (agent, name, id);
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, agent TEXT NOT NULL, program BLOB NOT NULL, step INTEGER NOT NULL,
  state BLOB NOT NULL, state_name TEXT NOT NULL, status INTEGER NOT NULL, pending INTEGER NOT NULL, address TEXT,
  history_start INTEGER NOT NULL, journal_next INTEGER NOT NULL, transcript_next INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_key ON sessions (key) WHERE status <> 1;
CREATE INDEX sessions_pending ON sessions (key) WHERE pending = 1;
CREATE INDEX sessions_parked ON sessions (id) WHERE status = 2;
CREATE INDEX sessions_live ON sessions (id) WHERE status = 0;
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, source_id TEXT NOT NULL, key TEXT, message TEXT NOT NULL,
  received_ms INTEGER NOT NULL, joined INTEGER NOT NULL, consumed INTEGER NOT NULL, UNIQUE (channel, source_id)
) STRICT;
CREATE INDEX inbox_waiting ON inbox (key, id) WHERE consumed = 0;
CREATE TABLE journal (
  id INTEGER PRIMARY KEY, session INTEGER NOT NULL, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX journal_session ON journal (session, sequence);
CREATE TABLE transcript (
  id INTEGER PRIMARY KEY, session INTEGER NOT NULL, sequence INTEGER NOT NULL, turn TEXT NOT NULL, tokens INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX transcript_session ON transcript (session, sequence);
CREATE TABLE epochs (
  session INTEGER NOT NULL, start INTEGER NOT NULL, summary TEXT NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (session, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER, address TEXT NOT NULL, text TEXT, state INTEGER NOT NULL,
  provider_id TEXT, attempts INTEGER NOT NULL, not_before_ms INTEGER NOT NULL, error TEXT, created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_open ON outbox (id) WHERE state < 3;
CREATE INDEX outbox_uncertain ON outbox (id) WHERE state = 5;
CREATE INDEX outbox_held ON outbox (json_extract(address, '$.channel'), json_extract(address, '$.chat'), id) WHERE state = 6;
CREATE TABLE timers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL, kind INTEGER NOT NULL, visit INTEGER NOT NULL, timer INTEGER NOT NULL, due_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX timers_due ON timers (due_ms, id);
CREATE INDEX timers_session ON timers (session, due_ms);
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER, at_ms INTEGER NOT NULL, row TEXT NOT NULL, worst_usd_micros INTEGER, caps TEXT
) STRICT;
CREATE INDEX ledger_session ON ledger (session, id);
CREATE TABLE spent (
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, period INTEGER NOT NULL, usd_micros INTEGER NOT NULL, is_told INTEGER NOT NULL,
  UNIQUE (what, period)
) STRICT;
CREATE TABLE questions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL, key TEXT NOT NULL, visit INTEGER NOT NULL, number INTEGER NOT NULL,
  call INTEGER NOT NULL, question TEXT NOT NULL
) STRICT;
CREATE INDEX questions_session ON questions (session);
CREATE TABLE memories (id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (scope, text)) STRICT;
CREATE VIRTUAL TABLE memory_words USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
CREATE TABLE uses (
  id INTEGER PRIMARY KEY, what TEXT NOT NULL, period INTEGER NOT NULL, token TEXT NOT NULL, UNIQUE (what, period, token)
) STRICT;
CREATE TABLE progress (session INTEGER PRIMARY KEY, outbox INTEGER NOT NULL) STRICT;
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY, channel TEXT NOT NULL, source_id TEXT NOT NULL, raw TEXT NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE life (only INTEGER PRIMARY KEY CHECK (only = 0), clean INTEGER NOT NULL, schema_hash TEXT NOT NULL) STRICT;
";
