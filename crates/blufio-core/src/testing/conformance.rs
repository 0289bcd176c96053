// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every store must do, as one suite: it runs on the memory store, on SQLite, and on any later backend.

use crate::message::{Address, ChatKind, Inbound, InboundKind, Sender};
use crate::model::{Block, RawContent, Role, Turn, Usage};
use crate::store::{
    Committed, InboxBatch, JournalRecord, LedgerRow, NewInbox, NewOutbox, SessionStatus, StepCommit,
    StepExtra, Store, StoreError,
};

mod cost;
mod files;
mod held;
mod mail;
mod outbox;
mod sessions;
mod spend;
mod world;

/// A fresh store for each scenario.
pub type MakeStore<'a> = &'a (dyn Fn() -> Box<dyn Store> + Sync);

/// Runs every scenario on a fresh, empty store of its own; panics at the first broken rule.
pub async fn store_conformance(make_store: MakeStore<'_>) {
    mail::accepting_is_idempotent(&*make_store()).await;
    mail::cursor_lands_with_rows(&*make_store()).await;
    mail::order_per_key(&*make_store()).await;
    mail::consumed_once(&*make_store()).await;
    mail::joined_is_sticky(&*make_store()).await;
    mail::dropped_messages_answer_and_stay_seen(&*make_store()).await;
    sessions::a_step_changes_everything_at_once(&*make_store()).await;
    sessions::an_old_step_conflicts(&*make_store()).await;
    sessions::a_refused_commit_leaves_no_trace(&*make_store()).await;
    sessions::one_live_session_per_key(&*make_store()).await;
    sessions::done_frees_the_key_and_mail_stays(&*make_store()).await;
    sessions::parked_keeps_the_key(&*make_store()).await;
    sessions::work_after_a_restart(&*make_store()).await;
    sessions::timers_live_and_fire(&*make_store()).await;
    sessions::dropping_discards(&*make_store()).await;
    sessions::transcripts_are_byte_exact(&*make_store()).await;
    sessions::newest_sessions_first(&*make_store()).await;
    outbox::first_in_first_out(&*make_store()).await;
    outbox::states_and_attempts(&*make_store()).await;
    outbox::streams_close_or_withdraw(&*make_store()).await;
    outbox::notices_belong_to_nobody(&*make_store()).await;
    outbox::ledger_and_totals(&*make_store()).await;
    outbox::settings_and_programs(&*make_store()).await;
    world::mail_between_sessions_is_stored_once(&*make_store()).await;
    world::questions_open_change_and_close(&*make_store()).await;
    world::memory_is_scoped_and_forgotten(&*make_store()).await;
    world::uses_are_counted_once_each(&*make_store()).await;
    spend::caps_hold_and_are_all_or_nothing(&*make_store()).await;
    spend::settling_late_charges_no_later_period(&*make_store()).await;
    spend::a_step_settles_what_was_announced(&*make_store()).await;
    spend::what_an_ended_session_counted_is_forgotten(&*make_store()).await;
    spend::periods_are_apart_until_there_are_too_many(&*make_store()).await;
    cost::costs_are_summed_by_group(&*make_store()).await;
    cost::costs_saturate(&*make_store()).await;
    cost::the_sum_over_groups_is_the_total(&*make_store()).await;
    cost::uses_can_be_counted(&*make_store()).await;
    world::the_progress_line_is_one_message(&*make_store()).await;
    world::timers_have_kinds(&*make_store()).await;
    files::versions_are_kept_once_per_change(&*make_store()).await;
    files::the_oldest_versions_are_forgotten(&*make_store()).await;
    held::it_waits_and_is_released_once(&*make_store()).await;
    held::an_answer_releases_too(&*make_store()).await;
    held::the_oldest_of_too_many_is_given_up(&*make_store()).await;
    outbox::closed_refuses(&*make_store()).await;
}

fn address(chat: &str) -> Address {
    Address { channel: "test".into(), chat: chat.into(), thread: None }
}

fn inbound(source_id: &str, text: &str) -> Inbound {
    Inbound {
        kind: InboundKind::Edited,
        source_id: source_id.into(),
        address: Address { thread: Some("7".into()), ..address("1") },
        chat: ChatKind::Group("\"quoted\" 🦀".into()),
        sender: Sender { id: "42".into(), name: "Ada\u{0}".into() },
        text: text.into(),
        own_words: true,
        quoted: Some("…".into()),
        quoted_id: Some("41".into()),
        message_id: None,
        sent_ms: -1,
        attachments: Vec::new(),
    }
}

/// Messages `(source id, key)` in one batch.
fn batch(messages: &[(&str, Option<&str>)]) -> InboxBatch {
    let new = |(source_id, key): &(&str, Option<&str>)| {
        let message = inbound(source_id, &format!("text of {source_id}"));
        NewInbox::new(message, key.map(String::from), Vec::new())
    };
    InboxBatch {
        channel: "test".into(),
        messages: messages.iter().map(new).collect(),
        cursor: None,
        settings: Vec::new(),
        questions: Vec::new(),
        now_ms: 1_000,
    }
}

/// A commit that opens a session.
fn first_step(key: &str) -> StepCommit {
    StepCommit {
        session: None,
        key: key.into(),
        agent: "support".into(),
        expected_step: 0,
        program: [7; 32],
        state: vec![0, 255, 1],
        state_name: "idle".into(),
        status: SessionStatus::Live,
        pending: false,
        address: None,
        history_start: 0,
        consumed: Vec::new(),
        joined: Vec::new(),
        journal: Vec::new(),
        transcript: Vec::new(),
        outbox: Vec::new(),
        close_streams: Vec::new(),
        clear_timers: false,
        timers: Vec::new(),
        timers_fired: Vec::new(),
        ledger: Vec::new(),
        extra: StepExtra::default(),
        now_ms: 2_000,
    }
}

/// A commit that follows another.
fn next_step(key: &str, last: &Committed) -> StepCommit {
    StepCommit {
        session: Some(last.session),
        expected_step: last.step,
        now_ms: 2_000 + last.step,
        ..first_step(key)
    }
}

fn text(chat: &str, text: &str) -> NewOutbox {
    NewOutbox::now(address(chat), text)
}

fn record(kind: &str, body: &str) -> JournalRecord {
    JournalRecord { kind: kind.into(), body: body.into() }
}

fn turn(words: &str) -> Turn {
    let raw = RawContent {
        provider: "anthropic".into(),
        json: format!("[ {{\"type\":\"text\",\"text\":{words:?} }}]"),
    };
    let input = "{\"a\": 1.0,  \"b\":\"\\u00e9\"}".to_string();
    let blocks = vec![
        Block::Text { text: words.into() },
        Block::ToolUse { id: "t1".into(), name: "time_now".into(), input },
        Block::Opaque { json: "{\"type\":\"thinking\",\"signature\":\"==\"}".into() },
    ];
    Turn { role: Role::Assistant, blocks, raw: Some(raw) }
}

fn attempt(outcome: &str) -> LedgerRow {
    LedgerRow {
        session: None,
        agent: "support".into(),
        state: "idle".into(),
        purpose: "pick".into(),
        model_asked: "anthropic/claude".into(),
        model_used: "claude-1".into(),
        reason: None,
        estimated_tokens: 20,
        static_fingerprint: "ab12".into(),
        usage: Usage {
            input_tokens: 3,
            output_tokens: 5,
            cache_read_tokens: 7,
            cache_write_tokens: 11,
            cache_write_1h_tokens: 2,
        },
        usage_known: true,
        usd_micros: Some(12),
        latency_ms: 345,
        outcome: outcome.into(),
        at_ms: 9_000,
    }
}

/// The value of an answer that the suite expects to be good.
#[track_caller]
fn good<T>(answer: Result<T, StoreError>) -> T {
    match answer {
        Ok(value) => value,
        #[expect(clippy::panic, reason = "a panic is how a test suite reports")]
        Err(error) => panic!("the store refused: {error}"),
    }
}

/// The value of something that the suite expects to exist.
#[track_caller]
fn found<T>(answer: Result<Option<T>, StoreError>) -> T {
    #[expect(clippy::expect_used, reason = "a panic is how a test suite reports")]
    good(answer).expect("the store has no such row")
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::testing::MemoryStore;

    #[test]
    fn memory_store_conforms() {
        let mut suite = Box::pin(store_conformance(&|| Box::new(MemoryStore::default())));
        // The memory store never waits, so one poll is the whole run.
        assert!(matches!(suite.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(())));
    }
}
