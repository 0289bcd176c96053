// SPDX-License-Identifier: MIT OR Apache-2.0
//! The durable store against its contract, against bad files, against crashes and against power cuts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

#[path = "store/child.rs"]
mod child;
#[path = "store/closing.rs"]
mod closing;
#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/held.rs"]
mod held;
#[path = "store/kill.rs"]
mod kill;
#[path = "store/opening.rs"]
mod opening;
#[path = "store/power.rs"]
mod power;
#[path = "store/recorder.rs"]
mod recorder;
#[path = "store/writing.rs"]
mod writing;

use blufio_core::message::Address;
use blufio_core::model::{Block, Role, Turn};
use blufio_core::store::{Committed, JournalRecord, NewOutbox, SessionStatus, StepCommit, StepExtra};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Step `number` (from 1) of a session, as an agent would commit it.
fn step(key: &str, last: Option<&Committed>) -> StepCommit {
    let number = last.map_or(0, |last| last.step) + 1;
    let record = |kind: &str| JournalRecord {
        kind: kind.into(),
        body: format!("{{\"step\":{number}}}{}", "x".repeat(300)),
    };
    let blocks = vec![Block::Text { text: format!("turn {number} {}", "y".repeat(400)) }];
    let address = Address { channel: "test".into(), chat: "1".into(), thread: None };
    StepCommit {
        session: last.map(|last| last.session),
        key: key.into(),
        agent: "support".into(),
        expected_step: number - 1,
        program: [7; 32],
        state: number.to_be_bytes().repeat(30),
        state_name: "idle".into(),
        status: SessionStatus::Live,
        pending: number % 2 == 0,
        address: None,
        history_start: 0,
        consumed: Vec::new(),
        joined: Vec::new(),
        journal: vec![record("event"), record("intent")],
        transcript: vec![(Turn { role: Role::User, blocks, raw: None }, 100)],
        outbox: vec![NewOutbox::now(address, format!("reply {number}"))],
        close_streams: Vec::new(),
        clear_timers: true,
        timers: vec![(number, 0, 1_000 + number)],
        timers_fired: Vec::new(),
        ledger: Vec::new(),
        extra: StepExtra::default(),
        now_ms: number,
    }
}
