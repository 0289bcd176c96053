// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions to people, memory, uses of what is limited, and the progress line, as they run inside the writer's
//! transaction or a reader.

use blufio_core::message::{Address, UnixMs};
use blufio_core::store::{
    AskedRows, Asking, CloseQuestions, Epoch, INTERNAL_CHANNEL, MemoryChange, NewOutbox, NewQuestion,
    Progress, Question, QuestionChange, QuestionRow, SessionStatus, StepCommit, StoreError, marked,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::apply::{insert_outbox, run};
use crate::rows::{self, to_json};
use crate::writer::store_error;

/// Words of a query that are looked for.
const QUERY_WORDS_MAX: usize = 64;

pub(crate) fn question(row: &Row<'_>) -> rusqlite::Result<QuestionRow> {
    Ok(QuestionRow {
        id: row.get(0)?,
        session: row.get(1)?,
        key: row.get(2)?,
        asking: Asking {
            visit: row.get::<_, i64>(3)?.cast_unsigned(),
            number: row.get(4)?,
            call: row.get(5)?,
        },
        question: rows::json(row, 6)?,
        message_id: row.get(7)?,
    })
}

pub(crate) fn change_questions(
    connection: &Connection,
    changes: &[QuestionChange],
) -> Result<(), StoreError> {
    for change in changes {
        match &change.question {
            None => run(connection, "DELETE FROM questions WHERE id = ?1", [change.id])?,
            Some(question) => run(
                connection,
                "UPDATE questions SET question = ?2 WHERE id = ?1",
                params![change.id, to_json(question)?],
            )?,
        };
    }
    Ok(())
}

/// Messages that were changed or added: row and where it goes.
type Touched = Vec<(i64, Address)>;

/// Applies what a step changes beyond its session; ids of the new questions, and the messages that were touched.
pub(crate) fn apply(
    connection: &Connection,
    session: i64,
    c: &StepCommit,
) -> Result<(AskedRows, Touched), StoreError> {
    let (extra, mut touched) = (&c.extra, Vec::new());
    for mail in &extra.mail {
        let sql = "INSERT INTO inbox (channel, source_id, key, message, received_ms, joined, consumed) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0)
                   ON CONFLICT (channel, source_id) DO NOTHING";
        let message = to_json(&mail.message)?;
        run(connection, sql, params![INTERNAL_CHANNEL, mail.message.source_id, mail.key, message, c.now_ms])?;
    }
    for close in &extra.close_questions {
        close_questions(connection, session, close, &mut touched)?;
    }
    if c.status != SessionStatus::Live {
        run(connection, "DELETE FROM questions WHERE session = ?1", [session])?;
    }
    let mut ids = Vec::with_capacity(extra.questions.len());
    for new in &extra.questions {
        ids.push(ask(connection, session, new, c, &mut touched)?);
    }
    for change in &extra.memories {
        remember(connection, change)?;
    }
    if let Some(Epoch { start, summary, tokens }) = &extra.epoch {
        let sql = "INSERT OR REPLACE INTO epochs VALUES (?1, ?2, ?3, ?4)";
        run(connection, sql, params![session, start, to_json(summary)?, tokens])?;
    }
    for prefix in &extra.forget_counts {
        crate::spend::forget(connection, prefix)?;
    }
    for change in &extra.progress {
        touched.extend(progress(connection, session, change, c.now_ms)?);
    }
    Ok((ids, touched))
}

fn ask(
    connection: &Connection,
    session: i64,
    new: &NewQuestion,
    c: &StepCommit,
    touched: &mut Touched,
) -> Result<(i64, Option<i64>), StoreError> {
    let mut question: Question = new.question.clone();
    if let Some(message) = &new.message {
        let rows = insert_outbox(connection, Some(session), std::slice::from_ref(message), c.now_ms)?;
        question.outbox = rows.first().copied();
        touched.extend(question.outbox.map(|id| (id, message.address.clone())));
    }
    run(
        connection,
        "INSERT INTO questions (session, key, visit, number, call, question) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            session,
            c.key,
            new.asking.visit.cast_signed(),
            new.asking.number,
            new.asking.call,
            to_json(&question)?
        ],
    )?;
    Ok((connection.last_insert_rowid(), question.outbox))
}

fn close_questions(
    connection: &Connection,
    session: i64,
    close: &CloseQuestions,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let sql = "SELECT question FROM questions WHERE session = ?1 AND visit = ?2 AND number = ?3";
    let read = || -> rusqlite::Result<Vec<Question>> {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_map(params![session, close.visit.cast_signed(), close.number], |row| rows::json(row, 0))?
            .collect()
    };
    for question in read().map_err(|e| store_error(&e))? {
        let edits = close.channels.contains(&question.address.channel);
        if let (Some(outbox), Some(mark), true) = (question.outbox, &close.mark, edits) {
            touched.extend(rewrite(connection, outbox, &marked(&question.text, mark))?);
        }
    }
    let sql = "DELETE FROM questions WHERE session = ?1 AND visit = ?2 AND number = ?3";
    run(connection, sql, params![session, close.visit.cast_signed(), close.number]).map(|_| ())
}

/// Gives a message another text: one that was sent is edited, one that was not yet is sent so.
fn rewrite(connection: &Connection, id: i64, text: &str) -> Result<Option<(i64, Address)>, StoreError> {
    let sql = "UPDATE outbox SET text = ?2, state = CASE state WHEN 3 THEN 2 ELSE state END
               WHERE id = ?1 AND (state < 3 OR state = 3 AND provider_id IS NOT NULL)";
    if run(connection, sql, params![id, text])? == 0 {
        return Ok(None);
    }
    let sql = "SELECT address FROM outbox WHERE id = ?1";
    let address =
        connection.prepare_cached(sql).and_then(|mut s| s.query_row([id], |row| rows::json(row, 0)));
    address.map(|address| Some((id, address))).map_err(|e| store_error(&e))
}

fn progress(
    connection: &Connection,
    session: i64,
    change: &Progress,
    now_ms: UnixMs,
) -> Result<Option<(i64, Address)>, StoreError> {
    let Progress::Show { address, text, edits } = change else {
        run(connection, "DELETE FROM progress WHERE session = ?1", [session])?;
        return Ok(None);
    };
    let sql = "SELECT outbox FROM progress WHERE session = ?1";
    let known =
        connection.prepare_cached(sql).and_then(|mut s| s.query_row([session], |r| r.get(0)).optional());
    if let (true, Some(id)) = (edits, known.map_err(|e| store_error(&e))?)
        && let Some(touched) = rewrite(connection, id, text)?
    {
        return Ok(Some(touched));
    }
    let new = NewOutbox::now(address.clone(), text.clone());
    let Some(id) = insert_outbox(connection, Some(session), &[new], now_ms)?.pop() else { return Ok(None) };
    let sql =
        "INSERT INTO progress VALUES (?1, ?2) ON CONFLICT (session) DO UPDATE SET outbox = excluded.outbox";
    run(connection, sql, [session, id])?;
    Ok(Some((id, address.clone())))
}

fn remember(connection: &Connection, change: &MemoryChange) -> Result<(), StoreError> {
    match change {
        MemoryChange::Remember { scope, text } => {
            let sql = "INSERT INTO memories (scope, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            if run(connection, sql, [scope, text])? == 1 {
                let id = connection.last_insert_rowid();
                run(connection, "INSERT INTO memory_words (rowid, text) VALUES (?1, ?2)", params![id, text])?;
            }
        }
        MemoryChange::Forget { scope } => {
            let sql = "DELETE FROM memory_words WHERE rowid IN (SELECT id FROM memories WHERE scope = ?1)";
            run(connection, sql, [scope])?;
            run(connection, "DELETE FROM memories WHERE scope = ?1", [scope])?;
        }
    }
    Ok(())
}

/// What stands for the turns of a transcript before one.
pub(crate) fn epoch(connection: &Connection, session: i64, start: i64) -> rusqlite::Result<Option<Epoch>> {
    let sql = "SELECT summary, tokens FROM epochs WHERE session = ?1 AND start = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok(Epoch { start, summary: rows::json(row, 0)?, tokens: row.get(1)? });
    statement.query_row([session, start], read).optional()
}

/// Texts of the scopes that share words with the query, best first (BM25 of FTS5).
pub(crate) fn recall(
    connection: &Connection,
    scopes: &[String],
    query: &str,
    top: u32,
) -> rusqlite::Result<Vec<String>> {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.take(QUERY_WORDS_MAX).map(|word| format!("\"{word}\"")).collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT m.text FROM memory_words w JOIN memories m ON m.id = w.rowid
               WHERE memory_words MATCH ?1 AND m.scope IN (SELECT value FROM json_each(?2))
               ORDER BY bm25(memory_words), m.id LIMIT ?3";
    let scopes = serde_json::Value::from(scopes.to_vec()).to_string();
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![words.join(" OR "), scopes, top], |row| row.get(0))?.collect()
}
