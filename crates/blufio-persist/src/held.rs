// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that wait until somebody writes in their chat: released by that, bounded per chat.

use blufio_core::message::Address;
use blufio_core::store::{GIVEN_UP, HELD_MAX, NewOutbox, StoreError};
use rusqlite::{Connection, params};

use crate::apply::run;
use crate::rows;
use crate::writer::store_error;

/// What is held for a chat, oldest first; the expressions are those of the index.
const HELD: &str = "SELECT id, address FROM outbox WHERE state = 6
    AND json_extract(address, '$.channel') = ?1 AND json_extract(address, '$.chat') = ?2 ORDER BY id";

fn of_chat(connection: &Connection, chat: &Address) -> Result<Vec<(i64, Address)>, StoreError> {
    let read = connection.prepare_cached(HELD).and_then(|mut statement| {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, rows::json(row, 1)?));
        statement.query_map([&chat.channel, &chat.chat], row)?.collect()
    });
    read.map_err(|e| store_error(&e))
}

/// Somebody wrote in a chat: what was held for it is to be sent.
pub(crate) fn release(connection: &Connection, chat: &Address) -> Result<Vec<(i64, Address)>, StoreError> {
    let held = of_chat(connection, chat)?;
    for (id, _) in &held {
        run(connection, "UPDATE outbox SET state = 0 WHERE id = ?1", [id])?;
    }
    Ok(held)
}

/// Gives up the oldest of what is held where new messages made it too much; the chats.
pub(crate) fn bound(connection: &Connection, new: &[NewOutbox]) -> Result<Vec<Address>, StoreError> {
    let mut given_up = Vec::new();
    for chat in new.iter().filter(|new| new.held).map(|new| &new.address) {
        let held = of_chat(connection, chat)?;
        let excess = held.len().saturating_sub(HELD_MAX);
        for (id, _) in held.iter().take(excess) {
            run(connection, "UPDATE outbox SET state = 4, error = ?2 WHERE id = ?1", params![id, GIVEN_UP])?;
        }
        if excess > 0 {
            given_up.push(chat.clone());
        }
    }
    Ok(given_up)
}
