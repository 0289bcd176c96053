// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is held for a chat over a restart, and how it is found among many other messages.

use blufio_core::message::{Address, ChatKind, Inbound, InboundKind, Sender};
use blufio_core::store::{InboxBatch, NewInbox, NewOutbox, OutboxState, Store};
use blufio_persist::{Options, SqliteStore};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::{runtime, step};

fn address() -> Address {
    Address { channel: "test".into(), chat: "1".into(), thread: None }
}

fn spoken(source_id: &str) -> InboxBatch {
    let message = Inbound {
        kind: InboundKind::Message,
        source_id: source_id.into(),
        address: address(),
        chat: ChatKind::Private,
        sender: Sender { id: "1".into(), name: "Ada".into() },
        text: "hello".into(),
        own_words: true,
        quoted: None,
        quoted_id: None,
        message_id: None,
        sent_ms: 0,
        attachments: Vec::new(),
    };
    InboxBatch {
        channel: "test".into(),
        messages: vec![NewInbox::new(message, Some("s0".into()), Vec::new())],
        cursor: None,
        settings: Vec::new(),
        questions: Vec::new(),
        now_ms: 9,
    }
}

#[test]
fn what_is_held_survives_a_restart_and_so_does_its_release() {
    let data = tempdir().unwrap();
    let open = || SqliteStore::open(data.path(), &Options::default()).unwrap();
    let store = open();
    let id = runtime().block_on(async {
        let mut step = step("s0", None);
        step.outbox = vec![NewOutbox { held: true, ..NewOutbox::now(address(), "later") }];
        store.commit(step).await.unwrap().outbox[0]
    });
    drop(store);
    let store = open();
    runtime().block_on(async {
        assert_eq!(store.outbox_open(10).await.unwrap(), []);
        let row = store.outbox_row(id).await.unwrap().unwrap();
        assert_eq!((row.state, row.text.as_deref()), (OutboxState::Held, Some("later")));
        assert_eq!(store.accept(spoken("1")).await.unwrap().released, [(id, address())]);
    });
    drop(store);
    let store = open();
    runtime().block_on(async {
        let open = store.outbox_open(10).await.unwrap();
        assert_eq!(
            open.iter().map(|row| (row.id, row.state)).collect::<Vec<_>>(),
            [(id, OutboxState::Ready)]
        );
        assert_eq!(store.accept(spoken("1")).await.unwrap().released, []);
        assert_eq!(store.accept(spoken("2")).await.unwrap().released, []);
    });
}

/// Every message that comes asks for what is held: that must not read the whole outbox.
#[test]
fn what_is_held_is_found_by_its_index() {
    let data = tempdir().unwrap();
    let store = SqliteStore::open(data.path(), &Options::default()).unwrap();
    drop(store);
    let connection = Connection::open(data.path().join("blufio.db")).unwrap();
    let sql = "EXPLAIN QUERY PLAN SELECT id, address FROM outbox WHERE state = 6
        AND json_extract(address, '$.channel') = 'a' AND json_extract(address, '$.chat') = 'b' ORDER BY id";
    let plan: Vec<String> = {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].starts_with("SEARCH outbox USING INDEX outbox_held"), "{plan:?}");
}
