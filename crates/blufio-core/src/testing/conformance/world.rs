// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of what a step changes beyond its session.

use super::{address, batch, first_step, found, good, inbound, next_step, text};
use crate::store::{
    Asking, CloseQuestions, INTERNAL_CHANNEL, MemoryChange, NewMail, NewQuestion, NewTimer, OutboxState,
    OutboxUpdate, Progress, Question, QuestionChange, QuestionKind, SessionStatus, Store, TimerKind,
};

pub(super) async fn mail_between_sessions_is_stored_once(store: &dyn Store) {
    let mut message = inbound("a/1", "to b");
    message.address.channel = INTERNAL_CHANNEL.into();
    let mail = NewMail { key: "b".into(), message };
    let mut step = first_step("a");
    step.extra.mail = vec![mail.clone(), mail.clone()];
    let first = good(store.commit(step).await);
    let mut again = next_step("a", &first);
    again.extra.mail = vec![mail.clone()];
    good(store.commit(again).await);
    let rows = good(store.mail("b", 10).await);
    assert_eq!(rows.iter().map(|row| &row.message).collect::<Vec<_>>(), [&mail.message]);
    assert_eq!(good(store.keys_with_work().await), ["b"]);
    good(store.discard_mail(vec![rows[0].id]).await);
    assert_eq!(good(store.mail("b", 10).await), []);
}

fn question(number: u32) -> NewQuestion {
    let question = Question {
        address: address("9"),
        person: "9".into(),
        kind: QuestionKind::Approval { editing: false },
        text: "May I?".into(),
        label: number + 1,
        correction: None,
        reminded: false,
        outbox: None,
    };
    NewQuestion { asking: Asking { visit: 1, number, call: 0 }, question, message: Some(text("9", "May I?")) }
}

async fn sent(store: &dyn Store, id: i64) {
    let update = OutboxUpdate {
        id,
        state: OutboxState::Sent,
        provider_id: Some("m1".into()),
        not_before_ms: None,
        error: None,
        count_attempt: false,
    };
    good(store.outbox_update(update).await);
}

pub(super) async fn questions_open_change_and_close(store: &dyn Store) {
    let mut step = first_step("a");
    step.extra.questions = vec![question(0), question(1), question(2)];
    let first = good(store.commit(step).await);
    assert_eq!((first.questions.len(), first.touched.len()), (3, 3));
    let rows = good(store.questions().await);
    let asked: Vec<_> = rows.iter().map(|row| (row.id, row.question.outbox)).collect();
    assert_eq!(asked, first.questions);
    let mut expected = question(0).question;
    expected.outbox = Some(first.touched[0].0);
    assert_eq!((rows[0].key.as_str(), rows[0].session, &rows[0].question), ("a", first.session, &expected));
    assert_eq!(found(store.outbox_row(first.touched[0].0).await).text.as_deref(), Some("May I?"));
    // Words that were stored before change nothing a second time.
    let reminded = Question { reminded: true, ..expected };
    let mut words = batch(&[("1", Some("a"))]);
    words.questions = vec![
        QuestionChange { id: rows[0].id, question: Some(reminded.clone()) },
        QuestionChange { id: rows[1].id, question: None },
    ];
    good(store.accept(words.clone()).await);
    words.questions = vec![QuestionChange { id: rows[2].id, question: None }];
    good(store.accept(words).await);
    let ids = ["2", "1"].map(str::to_string).to_vec();
    assert_eq!(good(store.stored("test", ids.clone()).await), ["1"]);
    assert_eq!(good(store.stored("other", ids).await), Vec::<String>::new());
    let rows = good(store.questions().await);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].question, reminded);
    // What was sent is edited; what is not wanted any more is closed with its effect alone.
    sent(store, first.touched[0].0).await;
    let shown: Vec<_> = good(store.questions().await).into_iter().map(|row| row.message_id).collect();
    assert_eq!(shown, [Some("m1".to_string()), None]);
    let mut close = next_step("a", &first);
    let mark = Some("no longer needed".to_string());
    close.extra.close_questions =
        vec![CloseQuestions { visit: 1, number: 0, mark, channels: vec!["test".into()] }];
    let closed = good(store.commit(close).await);
    assert_eq!(closed.touched, [(first.touched[0].0, address("9"))]);
    let row = found(store.outbox_row(first.touched[0].0).await);
    assert_eq!((row.text.as_deref(), row.state), (Some("May I?\nno longer needed"), OutboxState::Placed));
    assert_eq!(good(store.questions().await).len(), 1);
    let mut done = next_step("a", &closed);
    done.status = SessionStatus::Done;
    good(store.commit(done).await);
    assert_eq!(good(store.questions().await), []);
}

pub(super) async fn memory_is_scoped_and_forgotten(store: &dyn Store) {
    let keep = |scope: &str, text: &str| MemoryChange::Remember { scope: scope.into(), text: text.into() };
    let mut step = first_step("a");
    step.extra.memories = vec![
        keep("person/1", "likes green tea"),
        keep("person/1", "likes green tea"),
        keep("person/1", "lives in Köln"),
        keep("person/2", "likes black tea"),
        keep("all", "The office has tea and coffee, \"always\""),
    ];
    let first = good(store.commit(step).await);
    let scopes = ["person/1".to_string(), "all".to_string()];
    let found = good(store.recall(&scopes, "green TEA?", 5).await);
    assert_eq!(found, ["likes green tea", "The office has tea and coffee, \"always\""]);
    assert_eq!(good(store.recall(&scopes, "green tea", 1).await).len(), 1);
    assert_eq!(good(store.recall(&scopes, "\" OR *", 5).await), [""; 0], "nothing in a query is syntax");
    assert_eq!(good(store.recall(&[], "tea", 5).await), [""; 0]);
    let mut step = next_step("a", &first);
    step.extra.memories =
        vec![MemoryChange::Forget { scope: "person/1".into() }, keep("person/1", "new tea")];
    good(store.commit(step).await);
    assert_eq!(good(store.recall(&scopes[..1], "green tea köln", 5).await), ["new tea"]);
}

pub(super) async fn uses_are_counted_once_each(store: &dyn Store) {
    assert!(good(store.reserve("post", 1_000, "1", 2).await));
    assert!(good(store.reserve("post", 1_000, "1", 2).await), "the same use again");
    assert!(good(store.reserve("post", 1_000, "2", 2).await));
    assert!(!good(store.reserve("post", 1_000, "3", 2).await));
    assert!(good(store.reserve("post", 1_000, "2", 2).await), "a use that was granted stays granted");
    assert!(good(store.reserve("other", 1_000, "3", 2).await));
    assert!(good(store.reserve("post", 2_000, "3", 2).await), "the period is over");
}

pub(super) async fn the_progress_line_is_one_message(store: &dyn Store) {
    let show = |text: &str, edits| Progress::Show { address: address("9"), text: text.into(), edits };
    let mut step = first_step("a");
    step.extra.progress = vec![show("1 of 3", true), show("2 of 3", true)];
    let first = good(store.commit(step).await);
    let id = first.touched[0].0;
    assert_eq!(found(store.outbox_row(id).await).text.as_deref(), Some("2 of 3"));
    sent(store, id).await;
    let mut step = next_step("a", &first);
    step.extra.progress = vec![show("3 of 3", true)];
    let second = good(store.commit(step).await);
    assert_eq!(second.touched, [(id, address("9"))]);
    let row = found(store.outbox_row(id).await);
    assert_eq!((row.text.as_deref(), row.state), (Some("3 of 3"), OutboxState::Placed));
    let mut step = next_step("a", &second);
    step.extra.progress = vec![Progress::End, show("anew", true), show("plain", false)];
    let third = good(store.commit(step).await);
    assert_eq!(third.touched.len(), 2);
    assert!(third.touched.iter().all(|(touched, _)| *touched != id));
}

pub(super) async fn timers_have_kinds(store: &dyn Store) {
    let new = |kind, number| NewTimer { kind, visit: 1, number, due_ms: 10 + number };
    let mut step = first_step("a");
    step.timers = vec![(1, 0, 10)];
    step.extra.timers = vec![new(TimerKind::Wake, 1), new(TimerKind::Effect, 2), new(TimerKind::Effect, 3)];
    let first = good(store.commit(step).await);
    let mut step = next_step("a", &first);
    step.clear_timers = true;
    step.extra.clear_deadlines = vec![(1, 2)];
    let second = good(store.commit(step).await);
    let rows = good(store.timers_due(100, 10).await);
    let kinds: Vec<_> = rows.iter().map(|row| (row.kind, row.timer)).collect();
    assert_eq!(kinds, [(TimerKind::Wake, 1), (TimerKind::Effect, 3)]);
    let mut step = next_step("a", &second);
    step.extra.clear_wakes = true;
    step.extra.timers = vec![new(TimerKind::Wake, 4)];
    good(store.commit(step).await);
    let rows = good(store.session_timers_due(first.session, 100).await);
    assert_eq!(rows.iter().map(|row| row.timer).collect::<Vec<_>>(), [3, 4]);
}
