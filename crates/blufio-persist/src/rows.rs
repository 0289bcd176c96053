// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between rows and values.

use blufio_core::store::{
    InboxRow, OutboxRow, OutboxState, SessionRow, SessionStatus, StoreError, TimerKind, TimerRow,
};
use rusqlite::Row;
use rusqlite::types::Type;

pub(crate) fn status_number(status: SessionStatus) -> i64 {
    match status {
        SessionStatus::Live => 0,
        SessionStatus::Done => 1,
        SessionStatus::Parked => 2,
    }
}

pub(crate) fn outbox_number(state: OutboxState) -> i64 {
    match state {
        OutboxState::Ready => 0,
        OutboxState::Sending => 1,
        OutboxState::Placed => 2,
        OutboxState::Sent => 3,
        OutboxState::Failed => 4,
        OutboxState::Uncertain => 5,
        OutboxState::Held => 6,
    }
}

fn outbox_state(number: i64) -> rusqlite::Result<OutboxState> {
    Ok(match number {
        0 => OutboxState::Ready,
        1 => OutboxState::Sending,
        2 => OutboxState::Placed,
        3 => OutboxState::Sent,
        4 => OutboxState::Failed,
        5 => OutboxState::Uncertain,
        6 => OutboxState::Held,
        _ => return Err(rusqlite::Error::IntegralValueOutOfRange(4, number)),
    })
}

/// A column that holds JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Refused(format!("cannot be serialised: {e}")))
}

pub(crate) const SESSION: &str = "id, key, agent, program, step, state, state_name, status, pending, address, history_start, created_ms, updated_ms";

pub(crate) fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let status = match row.get::<_, i64>(7)? {
        0 => SessionStatus::Live,
        1 => SessionStatus::Done,
        2 => SessionStatus::Parked,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(7, other)),
    };
    let address = match row.get_ref(9)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(json(row, 9)?),
    };
    Ok(SessionRow {
        id: row.get(0)?,
        key: row.get(1)?,
        agent: row.get(2)?,
        program: row.get(3)?,
        step: row.get(4)?,
        state: row.get(5)?,
        state_name: row.get(6)?,
        status,
        pending: row.get(8)?,
        address,
        history_start: row.get(10)?,
        created_ms: row.get(11)?,
        updated_ms: row.get(12)?,
    })
}

pub(crate) fn inbox(row: &Row<'_>) -> rusqlite::Result<InboxRow> {
    Ok(InboxRow {
        id: row.get(0)?,
        key: row.get(1)?,
        message: json(row, 2)?,
        received_ms: row.get(3)?,
        joined: row.get(4)?,
    })
}

pub(crate) const OUTBOX: &str =
    "id, session, address, text, state, provider_id, attempts, not_before_ms, error, created_ms";

pub(crate) fn outbox(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        id: row.get(0)?,
        session: row.get(1)?,
        address: json(row, 2)?,
        text: row.get(3)?,
        state: outbox_state(row.get(4)?)?,
        provider_id: row.get(5)?,
        attempts: row.get(6)?,
        not_before_ms: row.get(7)?,
        error: row.get(8)?,
        created_ms: row.get(9)?,
    })
}

pub(crate) const TIMER: &str = "id, session, kind, visit, timer, due_ms";

pub(crate) fn timer_number(kind: TimerKind) -> i64 {
    match kind {
        TimerKind::State => 0,
        TimerKind::Wake => 1,
        TimerKind::Effect => 2,
    }
}

pub(crate) fn timer(row: &Row<'_>) -> rusqlite::Result<TimerRow> {
    let kind = match row.get::<_, i64>(2)? {
        0 => TimerKind::State,
        1 => TimerKind::Wake,
        2 => TimerKind::Effect,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(2, other)),
    };
    Ok(TimerRow {
        id: row.get(0)?,
        session: row.get(1)?,
        kind,
        visit: row.get(3)?,
        timer: row.get(4)?,
        due_ms: row.get(5)?,
    })
}
