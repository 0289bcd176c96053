// SPDX-License-Identifier: MIT OR Apache-2.0
//! A panic while a session was worked on is a defect of this program. The session is parked where it last stood, with
//! a record of it, because running it again would likely meet the same defect; all others go on.

use std::sync::Arc;

use blufio_core::store::{SessionStatus, StepCommit, StepExtra, StoreError};

use crate::journal;
use crate::outbox::Outbox;
use crate::shared::Shared;

/// Parks a session after a panic. One that was never committed has no row to park: its mail waits for the next start.
pub(crate) async fn park(shared: &Arc<Shared>, key: &str, panic: &str) -> Result<(), StoreError> {
    let words = format!("session {key} is parked: a defect of this program: {panic}");
    tracing::error!(session = key, panic, "a session's task panicked");
    shared.note(&words);
    let Some(row) = shared.store.session(key).await? else { return Ok(()) };
    if row.status != SessionStatus::Live {
        return Ok(());
    }
    let stream = shared.outbox.hub.row_of(row.id).map(|(stream, address)| {
        let shown = shared.outbox.hub.close(stream);
        (
            stream,
            address,
            if shown.claimed { format!("{} ⏹", shown.text).trim().to_string() } else { String::new() },
        )
    });
    let commit = StepCommit {
        session: Some(row.id),
        key: row.key,
        agent: row.agent,
        expected_step: row.step,
        program: row.program,
        state: row.state,
        state_name: row.state_name,
        status: SessionStatus::Parked,
        pending: false,
        address: row.address,
        history_start: row.history_start,
        consumed: Vec::new(),
        joined: Vec::new(),
        journal: vec![journal::defect(panic)],
        transcript: Vec::new(),
        outbox: Vec::new(),
        close_streams: stream.iter().map(|(stream, _, text)| (*stream, text.clone())).collect(),
        clear_timers: true,
        timers: Vec::new(),
        timers_fired: Vec::new(),
        ledger: Vec::new(),
        extra: StepExtra::default(),
        now_ms: shared.clock.now_ms(),
    };
    shared.store.commit(commit).await?;
    shared.questions.ended(key);
    if let Some((stream, address, _)) = stream {
        Outbox::push(shared, &address, stream);
    }
    // Not the panic's own words: they are for whoever mends the program, and stand in `status` and the journal.
    shared.tell_owner(&format!("Session {key} is parked: a defect of this program.")).await
}
