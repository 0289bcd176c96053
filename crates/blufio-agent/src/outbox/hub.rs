// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams being written, in memory: the model step writes partial text here, the address's lane shows it, and
//! closing settles between the two whether anything can have been shown. What must survive a crash is in the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use blufio_core::message::Address;

use crate::shared::lock;

/// All open streams.
#[derive(Default)]
pub(crate) struct Hub {
    streams: Mutex<HashMap<i64, Stream>>,
    /// Rows that answer a message, with the channel's id of it.
    quotes: Mutex<HashMap<i64, String>>,
}

struct Stream {
    session: i64,
    address: Address,
    text: String,
    version: u64,
    claimed: bool,
    closed: bool,
}

/// What may have been seen of a stream when it was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// A placeholder stands in the chat, or is about to.
    pub claimed: bool,
    /// Text so far.
    pub text: String,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Stream>> {
        lock(&self.streams)
    }

    /// A stream row was committed; `claimed` when a placeholder may stand already (after a restart).
    pub fn open(&self, row: i64, session: i64, address: &Address, claimed: bool) {
        let address = address.clone();
        self.lock().insert(
            row,
            Stream { session, address, text: String::new(), version: 0, claimed, closed: false },
        );
    }

    /// The open stream of a session.
    pub fn row_of(&self, session: i64) -> Option<(i64, Address)> {
        let streams = self.lock();
        let (row, stream) = streams.iter().find(|(_, s)| s.session == session && !s.closed)?;
        Some((*row, stream.address.clone()))
    }

    /// Where a stream is shown, also when it is closed.
    pub fn address_of(&self, row: i64) -> Option<Address> {
        self.lock().get(&row).map(|stream| stream.address.clone())
    }

    /// The lane is about to show the row. Refused when the stream is closed: its last words are on their way.
    pub fn claim(&self, row: i64) -> bool {
        match self.lock().get_mut(&row) {
            Some(stream) if !stream.closed => {
                stream.claimed = true;
                true
            }
            _ => false,
        }
    }

    /// The text so far, whole.
    pub fn write(&self, row: i64, text: &str) {
        if let Some(stream) = self.lock().get_mut(&row).filter(|s| !s.closed) {
            stream.text.clear();
            stream.text.push_str(text);
            stream.version += 1;
        }
    }

    /// Text newer than a version, with its version.
    pub fn read(&self, row: i64, since: u64) -> Option<(String, u64)> {
        let streams = self.lock();
        let stream =
            streams.get(&row).filter(|s| !s.closed && s.version > since && !s.text.trim().is_empty())?;
        Some((stream.text.clone(), stream.version))
    }

    /// No more partial text is shown from here on.
    pub fn close(&self, row: i64) -> Shown {
        match self.lock().get_mut(&row) {
            Some(stream) => {
                stream.closed = true;
                Shown { claimed: stream.claimed, text: stream.text.clone() }
            }
            None => Shown { claimed: true, text: String::new() },
        }
    }

    /// The row answers a message. Only the process that decided so knows: after a restart it is sent without.
    pub fn quote(&self, row: i64, message_id: String) {
        lock(&self.quotes).insert(row, message_id);
    }

    /// What `quote` said.
    pub fn quoted(&self, row: i64) -> Option<String> {
        lock(&self.quotes).get(&row).cloned()
    }

    /// The row is final.
    pub fn forget(&self, row: i64) {
        self.lock().remove(&row);
        lock(&self.quotes).remove(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_either_claimed_or_withdrawn() {
        let hub = Hub::default();
        let address = Address { channel: "c".into(), chat: "1".into(), thread: None };
        hub.open(1, 10, &address, false);
        assert_eq!(hub.row_of(10), Some((1, address.clone())));
        assert!(!hub.close(1).claimed);
        assert!(!hub.claim(1), "a withdrawn stream is never shown");
        hub.open(2, 10, &address, false);
        assert!(hub.claim(2));
        hub.write(2, "a");
        assert_eq!(hub.read(2, 0), Some(("a".into(), 1)));
        assert_eq!(hub.read(2, 1), None);
        assert_eq!(hub.close(2), Shown { claimed: true, text: "a".into() });
        hub.write(2, "ab");
        assert_eq!(hub.read(2, 0), None, "nothing is shown after the end");
        assert_eq!(hub.row_of(10), None);
    }
}
