// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives the machine its events in the order of the rulings: overdue deadlines, then mail in the order of arrival
//! (held messages keep their place, joined ones wait for the next step that reads history), then results.

use std::sync::Arc;

use blufio_core::message::{Address, ChatKind, Inbound};
use blufio_core::store::{InboxRow, Progress, TimerKind};
use blufio_lang::effect::{Disposition, EffectId, Event, Outcome};

use super::envelope::SenderNote;
use super::post::Offered;
use super::step::Cause;
use super::{Driver, Trouble};
use crate::internal::Internal;
use crate::perform::{Folded, FromEffect, Performed};
use crate::replay::program_event;
use crate::transcript;
use crate::{journal, outcome};

/// Mark behind a question that others decided.
pub(super) const DECIDED: &str = "(decided)";
/// Mark behind a question that nobody answered in time.
pub(super) const TOO_LATE: &str = "(too late)";

impl Driver {
    /// Offers the due deadlines, oldest first; true when one was taken.
    pub(super) async fn offer_timer(&mut self) -> Result<bool, Trouble> {
        let now_ms = self.shared.clock.now_ms();
        let Some(id) = self.session.as_ref().and_then(|session| session.id) else { return Ok(false) };
        if std::mem::take(&mut self.timers_stale) {
            let due = self.shared.store.session_timers_due(id, now_ms).await.map_err(|e| self.trouble(e))?;
            self.timers = due.into_iter().filter(|row| !self.draft.timers_fired.contains(&row.id)).collect();
        }
        for at in 0..self.timers.len() {
            let Some(row) = self.timers.get(at).cloned() else { break };
            let (visit, timer) = (row.visit.unsigned_abs(), u32::try_from(row.timer).unwrap_or(u32::MAX));
            let (event, record) = match row.kind {
                TimerKind::State => (Event::Timer { visit, timer }, journal::timer(visit, timer)),
                TimerKind::Wake => {
                    let wake = row.timer.unsigned_abs();
                    (Event::Wake { wake }, journal::wake(wake))
                }
                TimerKind::Effect => {
                    self.timers.remove(at);
                    self.draft.timers_fired.push(row.id);
                    self.late(EffectId { visit, number: timer }).await?;
                    return Ok(true);
                }
            };
            let Some(session) = &mut self.session else { return Ok(false) };
            match session.machine.disposition(&session.program.program, &event) {
                Disposition::Take => {
                    self.timers.remove(at);
                    if row.kind == TimerKind::Wake {
                        session.begin_event(None, self.shared.clock.now_ms());
                    }
                    self.load_window().await?;
                    self.draft.timers_fired.push(row.id);
                    self.draft.journal.push(record);
                    self.step(event, Cause::Event, now_ms).await?;
                    return Ok(true);
                }
                Disposition::Stale | Disposition::Drop => {
                    self.timers.remove(at);
                    self.draft.timers_fired.push(row.id);
                    self.draft.journal.push(journal::late("timer", visit, timer));
                    return Ok(true);
                }
                Disposition::Hold | Disposition::Join => {}
            }
        }
        Ok(false)
    }

    /// Offers the mail from the oldest on; true when a message was taken. Marks and drops are only drafted: they ride
    /// on the next commit.
    pub(super) async fn offer_mail(&mut self) -> Result<bool, Trouble> {
        let mut at = 0;
        while let Some(row) = self.mail.get(at) {
            let Some(session) = &self.session else { return Ok(false) };
            if let Some(internal) = Internal::of(&row.message) {
                match self.offer_internal(at, internal).await? {
                    Offered::Stepped => return Ok(true),
                    Offered::Gone => {}
                    Offered::Waits => at += 1,
                }
                continue;
            }
            let event = program_event(row.id, &row.message);
            if let Some(child) = self.hands_over(&row.message, &event) {
                self.hand_over(at, &child);
                continue;
            }
            // Nothing but a history shows a model what came with a message.
            let ready = !session.remembers() || self.attachments.is_ready(row.id, &row.message);
            match session.machine.disposition(&session.program.program, &event) {
                Disposition::Take if !ready => {
                    self.attachments.begin(&self.shared, row.id, &row.message);
                    return Ok(false);
                }
                Disposition::Take => {
                    let Some(row) = self.mail.remove(at) else { break };
                    self.take_message(row, event).await?;
                    return Ok(true);
                }
                Disposition::Join => {
                    if !ready {
                        self.attachments.begin(&self.shared, row.id, &row.message);
                    }
                    if !row.joined {
                        self.draft.joined.push(row.id);
                    }
                    if let Some(row) = self.mail.get_mut(at) {
                        row.joined = true;
                    }
                    at += 1;
                }
                // A joined message is never lost: it waits for a step that reads history, or for a state that takes it.
                Disposition::Drop | Disposition::Stale if !row.joined => {
                    if let Some(row) = self.mail.remove(at) {
                        self.draft.consumed.push(row.id);
                        self.draft.journal.push(journal::message(row.id, "dropped", &row.message));
                    }
                }
                _ => at += 1,
            }
        }
        Ok(false)
    }

    async fn take_message(&mut self, row: InboxRow, event: Event) -> Result<(), Trouble> {
        self.load_window().await?;
        let now_ms = self.shared.clock.now_ms();
        self.draft.consumed.push(row.id);
        self.draft.joined.retain(|id| *id != row.id);
        self.draft.journal.push(journal::message(row.id, "taken", &row.message));
        if let Some(session) = &mut self.session {
            session.address = Some(place(&row.message, session.address.take()));
            session.begin_event(None, self.shared.clock.now_ms());
            session.notes.sender = Some(SenderNote::of(&self.shared, &row.message));
            if std::mem::take(&mut session.notes.shown) {
                self.draft.extra.progress.push(Progress::End);
            }
            let in_group = row.message.chat != ChatKind::Private;
            session.quote = row.message.message_id.clone().filter(|_| in_group);
            let attachments = self.attachments.take(row.id, &row.message);
            if session.remembers() {
                session.remember(&mut self.draft, transcript::message_turn(&row.message, attachments));
            }
        }
        self.step(event, Cause::Event, now_ms).await
    }

    /// Takes what the running effect has to say; true when it said something.
    pub(super) async fn take_result(&mut self) -> Result<bool, Trouble> {
        self.take_late();
        let said = self.running.iter_mut().enumerate().find_map(|(at, running)| Some((at, running.take()?)));
        let Some((at, said)) = said else { return Ok(false) };
        match said {
            FromEffect::Progress { id, progress, acknowledge } => {
                let Some(session) = &mut self.session else { return Ok(true) };
                self.draft.journal.push(journal::call_started(id, progress.results.len()));
                session.notes.entry(id).run = Some(progress);
                self.commit(self.shared.clock.now_ms()).await?;
                // A dropped receiver is a cancelled effect.
                let _ = acknowledge.send(());
            }
            FromEffect::MediaRefused { id, unread_only, acknowledge } => {
                let Some(session) = &mut self.session else { return Ok(true) };
                session.refuse_media(id, unread_only);
                self.commit(self.shared.clock.now_ms()).await?;
                let _ = acknowledge.send(());
            }
            FromEffect::Ask { id, progress, call } => {
                drop(self.running.swap_remove(at));
                self.ask_for_call(id, progress, &call).await?;
            }
            FromEffect::Done(performed) => {
                drop(self.running.swap_remove(at));
                self.resolve(*performed).await?;
            }
        }
        Ok(true)
    }

    /// Journals what cancelled effects still said. One that asks for leave to start another call gets none.
    fn take_late(&mut self) {
        let draft = &mut self.draft;
        let Some(session) = &self.session else { return };
        let program = &session.program.program;
        self.abandoned.retain_mut(|running| match running.take() {
            Some(FromEffect::Done(performed)) => {
                let calls = serde_json::to_value(&performed.results).ok();
                let outcome = outcome::to_json(program, None, &performed.outcome, None, calls);
                // A kind that replay does not take: the machine never saw it.
                draft.journal.push(journal::result_late(performed.id, outcome));
                false
            }
            Some(FromEffect::Ask { .. }) => false,
            Some(FromEffect::Progress { .. } | FromEffect::MediaRefused { .. }) | None => true,
        });
    }

    pub(super) async fn resolve(&mut self, performed: Performed) -> Result<(), Trouble> {
        self.load_window().await?;
        let now_ms = self.shared.clock.now_ms();
        let Performed { id, outcome, picked, turns, folded, results, ledger, attempts } = performed;
        let Some(session) = &mut self.session else { return Ok(()) };
        self.draft.ledger.extend(ledger);
        self.draft.journal.extend(attempts);
        let event = Event::Resolved { effect: id, outcome: outcome.clone() };
        if session.machine.disposition(&session.program.program, &event) != Disposition::Take {
            self.draft.journal.push(journal::late("result", id.visit, id.number));
            return Ok(());
        }
        if let Outcome::OverBudget(until_ms) = outcome {
            self.ran_out(until_ms.is_some()).await?;
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        let calls = serde_json::to_value(&results).ok().filter(|_| !results.is_empty());
        let program = &session.program.program;
        let pending = session.machine.pending(program);
        let effect = pending.iter().find(|(known, _)| *known == id).map(|(_, effect)| effect);
        let ended = outcome::to_json(program, effect, &outcome, picked.as_ref(), calls);
        self.draft.journal.push(journal::result(id, ended));
        // Of steps side by side that summarise the same turns, the first that ends counts.
        let folds = session.notes.at(id).is_some_and(|notes| notes.fold.is_some());
        self.settle(id, Some(if outcome == Outcome::Late { TOO_LATE } else { DECIDED }));
        let Some(session) = &mut self.session else { return Ok(()) };
        if let Some(Folded { turns, summary }) = folded.filter(|_| folds) {
            self.draft.journal.push(journal::epoch(id, turns, summary.as_ref()));
            session.begin_epoch(&mut self.draft, turns, summary);
        }
        session.extend(&mut self.draft, turns);
        if let Outcome::Said(text) = &outcome {
            // With the mark of a cut it is still what the model said.
            session.notes.said = session.notes.said.map(|_| transcript::fingerprint(text));
        }
        if !results.is_empty() {
            session.answer_calls(&mut self.draft, &results);
        }
        session.release(&mut self.draft);
        self.step(event, Cause::Result, now_ms).await
    }

    /// One step and its commit.
    pub(super) async fn step(&mut self, event: Event, cause: Cause, now_ms: i64) -> Result<(), Trouble> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let program = Arc::clone(&session.program);
        let result = session.machine.step(&program.program, event, now_ms);
        self.look_up_people(&result).await.map_err(|e| self.trouble(e))?;
        self.apply(result, cause);
        self.commit(now_ms).await
    }
}

/// Where the answer goes. What happens to a chat is told without its topic: the conversation stays in the topic where it
/// is.
fn place(message: &Inbound, before: Option<Address>) -> Address {
    let here = &message.address;
    let same = |known: &Address| known.channel == here.channel && known.chat == here.chat;
    match before.filter(same) {
        Some(known) if !message.kind.is_message() && here.thread.is_none() => known,
        _ => here.clone(),
    }
}
