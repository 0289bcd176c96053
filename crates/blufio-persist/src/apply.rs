// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every change, as it runs inside the writer's transaction.

use blufio_core::message::UnixMs;
use blufio_core::store::{
    Accepted, Attempted, Committed, InboxBatch, LedgerRow, NewOutbox, OutboxState, OutboxUpdate,
    SessionStatus, StepCommit, StoreError, TimerKind,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::rows::{outbox_number, status_number, timer_number, to_json};
use crate::writer::store_error;
use crate::{held, spend, world};

pub(crate) fn run(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute(parameters)).map_err(|e| store_error(&e))
}

pub(crate) fn accept(connection: &Connection, batch: &InboxBatch) -> Result<Accepted, StoreError> {
    let Accepted { mut keys, mut released } = Accepted::default();
    let mut is_new = false;
    for new in &batch.messages {
        let message = to_json(&new.message)?;
        let consumed = new.key.is_none();
        let inserted = run(
            connection,
            "INSERT INTO inbox (channel, source_id, key, message, received_ms, joined, consumed) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)
             ON CONFLICT (channel, source_id) DO NOTHING",
            params![batch.channel, new.message.source_id, new.key, message, batch.now_ms, consumed],
        )?;
        if inserted == 0 {
            continue;
        }
        is_new = true;
        if let Some(address) = &new.spoke {
            released.extend(held::release(connection, address)?);
        }
        insert_outbox(connection, None, &new.answers, batch.now_ms)?;
        if let Some(key) = &new.key
            && !keys.contains(key)
        {
            keys.push(key.clone());
        }
    }
    if is_new {
        world::change_questions(connection, &batch.questions)?;
    }
    for (key, value) in &batch.settings {
        set_setting(connection, key, value)?;
    }
    if let Some(cursor) = &batch.cursor {
        set_setting(connection, &cursor_key(&batch.channel), cursor)?;
    }
    Ok(Accepted { keys, released })
}

/// Setting that holds a channel's cursor.
pub(crate) fn cursor_key(channel: &str) -> String {
    format!("{channel}/cursor")
}

pub(crate) fn set_setting(connection: &Connection, key: &str, value: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    run(connection, sql, params![key, value]).map(|_| ())
}

pub(crate) fn insert_outbox(
    connection: &Connection,
    session: Option<i64>,
    messages: &[NewOutbox],
    now_ms: UnixMs,
) -> Result<Vec<i64>, StoreError> {
    let mut ids = Vec::with_capacity(messages.len());
    for new in messages {
        let sql = "INSERT INTO outbox (session, address, text, state, attempts, not_before_ms, created_ms) VALUES (?1, ?2, ?3, ?4, 0, 0, ?5)";
        let state = outbox_number(if new.held { OutboxState::Held } else { OutboxState::Ready });
        run(connection, sql, params![session, to_json(&new.address)?, new.text, state, now_ms])?;
        ids.push(connection.last_insert_rowid());
    }
    Ok(ids)
}

pub(crate) fn post(
    connection: &Connection,
    messages: &[NewOutbox],
    now_ms: UnixMs,
) -> Result<Vec<i64>, StoreError> {
    insert_outbox(connection, None, messages, now_ms)
}

/// What a session's row says before a step.
struct Before {
    step: i64,
    journal_next: i64,
    transcript_next: i64,
    status: i64,
    pending: bool,
}

fn before(connection: &Connection, session: i64) -> Result<Before, StoreError> {
    let sql = "SELECT step, journal_next, transcript_next, status, pending FROM sessions WHERE id = ?1 AND status <> 1";
    let read = |row: &Row<'_>| {
        Ok(Before {
            step: row.get(0)?,
            journal_next: row.get(1)?,
            transcript_next: row.get(2)?,
            status: row.get(3)?,
            pending: row.get(4)?,
        })
    };
    let found = connection.prepare_cached(sql).and_then(|mut s| s.query_row([session], read).optional());
    let found = found.map_err(|e| store_error(&e))?;
    found.ok_or_else(|| StoreError::Refused(format!("session {session} does not exist or has ended")))
}

/// Creates the session's row.
fn create_session(connection: &Connection, c: &StepCommit) -> Result<i64, StoreError> {
    if c.expected_step != 0 {
        return Err(StoreError::Refused("a new session is at step 0".into()));
    }
    run(
        connection,
        "INSERT INTO sessions (key, agent, program, step, state, state_name, status, pending, history_start,
         journal_next, transcript_next, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, 0, x'', '', 0, 0, 0, 0, 0, ?4, ?4)",
        params![c.key, c.agent, c.program, c.now_ms],
    )?;
    Ok(connection.last_insert_rowid())
}

fn update_session(
    connection: &Connection,
    session: i64,
    before: &Before,
    c: &StepCommit,
) -> Result<(), StoreError> {
    let address = c.address.as_ref().map(to_json).transpose()?;
    let (status, pending) = (status_number(c.status), c.pending && c.status == SessionStatus::Live);
    // Naming a column makes SQLite rewrite the indexes on it, so the ordinary step does not name these two.
    if (status, pending) != (before.status, before.pending) {
        run(
            connection,
            "UPDATE sessions SET status = ?2, pending = ?3 WHERE id = ?1",
            params![session, status, pending],
        )?;
    }
    let journal_next = before.journal_next + c.journal.len() as i64;
    let transcript_next = before.transcript_next + c.transcript.len() as i64;
    run(
        connection,
        "UPDATE sessions SET program = ?2, step = ?3, state = ?4, state_name = ?5, address = ?6, history_start = ?7,
         journal_next = ?8, transcript_next = ?9, updated_ms = ?10 WHERE id = ?1",
        params![
            session,
            c.program,
            before.step + 1,
            c.state,
            c.state_name,
            address,
            c.history_start,
            journal_next,
            transcript_next,
            c.now_ms
        ],
    )?;
    Ok(())
}

pub(crate) fn commit(connection: &Connection, c: &StepCommit) -> Result<Committed, StoreError> {
    let session = match c.session {
        Some(session) => session,
        None => create_session(connection, c)?,
    };
    let before = before(connection, session)?;
    if before.step != c.expected_step {
        return Err(StoreError::Conflict { session, expected: c.expected_step, actual: before.step });
    }
    update_session(connection, session, &before, c)?;
    for (at, record) in c.journal.iter().enumerate() {
        let sql = "INSERT INTO journal (session, sequence, at_ms, kind, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        run(
            connection,
            sql,
            params![session, before.journal_next + at as i64, c.now_ms, record.kind, record.body],
        )?;
    }
    for (at, (turn, tokens)) in c.transcript.iter().enumerate() {
        let sql = "INSERT INTO transcript (session, sequence, turn, tokens) VALUES (?1, ?2, ?3, ?4)";
        run(connection, sql, params![session, before.transcript_next + at as i64, to_json(turn)?, tokens])?;
    }
    mail(connection, c)?;
    let outbox = insert_outbox(connection, Some(session), &c.outbox, c.now_ms)?;
    let given_up = held::bound(connection, &c.outbox)?;
    for (id, text) in &c.close_streams {
        close_stream(connection, *id, text)?;
    }
    timers(connection, session, c)?;
    let (questions, touched) = world::apply(connection, session, c)?;
    for attempt in &c.ledger {
        let row = LedgerRow { session: Some(session), ..attempt.row.clone() };
        spend::record(connection, &Attempted { row, ..attempt.clone() })?;
    }
    Ok(Committed { session, step: before.step + 1, outbox, questions, touched, given_up })
}

fn mail(connection: &Connection, c: &StepCommit) -> Result<(), StoreError> {
    let join = "UPDATE inbox SET joined = 1 WHERE id = ?1 AND key = ?2 AND consumed = 0";
    let consume = "UPDATE inbox SET consumed = 1 WHERE id = ?1 AND key = ?2 AND consumed = 0";
    for (sql, ids) in [(join, &c.joined), (consume, &c.consumed)] {
        for id in ids {
            if run(connection, sql, params![id, c.key])? != 1 {
                return Err(StoreError::Refused(format!("message {id} does not wait for {}", c.key)));
            }
        }
    }
    Ok(())
}

pub(crate) fn discard_mail(connection: &Connection, ids: &[i64]) -> Result<(), StoreError> {
    for id in ids {
        run(connection, "UPDATE inbox SET consumed = 1 WHERE id = ?1", [id])?;
    }
    Ok(())
}

fn timers(connection: &Connection, session: i64, c: &StepCommit) -> Result<(), StoreError> {
    let is_live = c.status == SessionStatus::Live;
    if !is_live {
        run(connection, "DELETE FROM timers WHERE session = ?1", [session])?;
    }
    let cleared = [(c.clear_timers, TimerKind::State), (c.extra.clear_wakes, TimerKind::Wake)];
    for (_, kind) in cleared.into_iter().filter(|(cleared, _)| *cleared && is_live) {
        let sql = "DELETE FROM timers WHERE session = ?1 AND kind = ?2";
        run(connection, sql, [session, timer_number(kind)])?;
    }
    for (visit, number) in &c.extra.clear_deadlines {
        let sql = "DELETE FROM timers WHERE session = ?1 AND kind = 2 AND visit = ?2 AND timer = ?3";
        run(connection, sql, [session, *visit, *number])?;
    }
    for id in &c.timers_fired {
        run(connection, "DELETE FROM timers WHERE id = ?1 AND session = ?2", [*id, session])?;
    }
    let of_states = c.timers.iter().map(|(visit, timer, due_ms)| (TimerKind::State, *visit, *timer, *due_ms));
    let others = c.extra.timers.iter().map(|new| (new.kind, new.visit, new.number, new.due_ms));
    for (kind, visit, timer, due_ms) in of_states.chain(others).filter(|_| is_live) {
        let sql = "INSERT INTO timers (session, kind, visit, timer, due_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
        run(connection, sql, params![session, timer_number(kind), visit, timer, due_ms])?;
    }
    Ok(())
}

/// Gives an open stream its final text. An empty text withdraws it: nothing is sent where nothing was shown.
fn close_stream(connection: &Connection, id: i64, text: &str) -> Result<(), StoreError> {
    let sql = if text.is_empty() {
        "UPDATE outbox SET text = '', state = CASE WHEN provider_id IS NULL THEN 3 ELSE state END WHERE id = ?1 AND text IS NULL"
    } else {
        "UPDATE outbox SET text = ?2 WHERE id = ?1 AND text IS NULL"
    };
    let changed =
        if text.is_empty() { run(connection, sql, [id])? } else { run(connection, sql, params![id, text])? };
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Refused(format!("outbox row {id} is not an open stream")))
    }
}

pub(crate) fn drop_session(connection: &Connection, key: &str, now_ms: UnixMs) -> Result<bool, StoreError> {
    let id: Option<i64> = connection
        .query_row("SELECT id FROM sessions WHERE key = ?1 AND status <> 1", [key], |row| row.get(0))
        .optional()
        .map_err(|e| store_error(&e))?;
    let mail = run(connection, "UPDATE inbox SET consumed = 1 WHERE key = ?1 AND consumed = 0", [key])?;
    if let Some(id) = id {
        run(
            connection,
            "UPDATE sessions SET status = 1, pending = 0, updated_ms = ?2 WHERE id = ?1",
            params![id, now_ms],
        )?;
        run(connection, "DELETE FROM timers WHERE session = ?1", [id])?;
        run(connection, "DELETE FROM questions WHERE session = ?1", [id])?;
        run(
            connection,
            "UPDATE outbox SET text = '', state = 3 WHERE session = ?1 AND text IS NULL AND state < 3",
            [id],
        )?;
    }
    Ok(id.is_some() || mail > 0)
}

pub(crate) fn outbox_update(connection: &Connection, u: &OutboxUpdate) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET state = ?2, provider_id = coalesce(?3, provider_id), not_before_ms = coalesce(?4, not_before_ms),
               error = ?5, attempts = attempts + ?6 WHERE id = ?1";
    let changed = run(
        connection,
        sql,
        params![
            u.id,
            outbox_number(u.state),
            u.provider_id,
            u.not_before_ms,
            u.error,
            i64::from(u.count_attempt)
        ],
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Refused(format!("there is no outbox row {}", u.id))) }
}

pub(crate) fn put_program(
    connection: &Connection,
    hash: &[u8; 32],
    agent: &str,
    version: u32,
    bytes: &[u8],
    source: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO programs VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (hash) DO NOTHING";
    run(connection, sql, params![hash, agent, version, bytes, source]).map(|_| ())
}

pub(crate) fn dead_letter(
    connection: &Connection,
    channel: &str,
    source_id: &str,
    raw: &str,
    reason: &str,
    now_ms: UnixMs,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO dead_letters (channel, source_id, raw, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    run(connection, sql, params![channel, source_id, raw, reason, now_ms]).map(|_| ())
}
