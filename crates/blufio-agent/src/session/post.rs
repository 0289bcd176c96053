// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mail that is no message: answers, results of asked agents, events of declared types, schedules.

use std::sync::Arc;

use blufio_core::message::Inbound;
use blufio_core::store::{Asking, InboxRow, JournalRecord, NewMail};
use blufio_lang::effect::{Disposition, Effect, EffectId, Event, Outcome};
use blufio_lang::value::FailureKind;

use super::offer::DECIDED;
use super::step::Cause;
use super::{Driver, Trouble};
use crate::heartbeats::{self, Which};
use crate::internal::{Answer, Internal};
use crate::perform::{Performed, failed};
use crate::routes::agent_of;
use crate::{journal, outcome};

/// What became of a piece of mail.
pub(super) enum Offered {
    /// A step took it, or the session ended with it.
    Stepped,
    /// It is consumed.
    Gone,
    /// It waits its turn.
    Waits,
}

/// A message that another session handed over is a message again.
pub(super) fn unwrapped(row: InboxRow) -> InboxRow {
    match Internal::of(&row.message) {
        Some(Ok(Internal::Forward(inbound))) => InboxRow { message: *inbound, ..row },
        _ => row,
    }
}

fn effect_of(asking: Asking) -> EffectId {
    EffectId { visit: asking.visit, number: asking.number }
}

impl Driver {
    /// Consumes mail for a session that is not there and that such mail does not open.
    pub(super) async fn drop_orphans(&mut self) -> Result<(), Trouble> {
        // What happens to a chat is for programs that say so; others are not even started.
        let current = self.shared.programs.current(agent_of(&self.key));
        let listens = |message: &Inbound| {
            message.kind.is_message()
                || current.as_ref().is_none_or(|loaded| loaded.program.listens(message.kind.word()))
        };
        let opens = |row: &InboxRow| match Internal::of(&row.message) {
            None => listens(&row.message),
            Some(Ok(Internal::Start(_) | Internal::Declared { .. } | Internal::Every { .. })) => true,
            Some(_) => false,
        };
        // A session that was asked for is opened by its start alone: what was said to one that ended is not for another.
        let is_child = self.key.contains("/ask:");
        let starts = |row: &InboxRow| matches!(Internal::of(&row.message), Some(Ok(Internal::Start(_))));
        let has_start = self.mail.iter().any(starts);
        let mut orphans = Vec::new();
        self.mail.retain(|row| {
            let stays = if is_child { has_start } else { opens(row) };
            if !stays {
                orphans.push(row.id);
            }
            stays
        });
        if orphans.is_empty() {
            return Ok(());
        }
        self.edits.consume(&mut orphans);
        self.shared.store.discard_mail(orphans).await.map_err(|e| self.trouble(e))
    }

    /// Offers one piece of such mail.
    pub(super) async fn offer_internal(
        &mut self,
        at: usize,
        internal: Result<Internal, String>,
    ) -> Result<Offered, Trouble> {
        match internal {
            Ok(Internal::Answer { asking, answer, inbound, .. }) => {
                self.consume(at);
                self.answered(asking, answer, &inbound).await
            }
            Ok(Internal::Result { asking, outcome }) => {
                self.consume(at);
                self.returned(effect_of(asking), &outcome).await
            }
            Ok(Internal::End) => {
                self.consume(at);
                self.end().await
            }
            Ok(Internal::Declared { event, value }) => {
                let Some(session) = &self.session else { return Ok(Offered::Waits) };
                let program = &session.program.program;
                let known = program.events.iter().position(|known| known.name == event);
                let read = known.and_then(|index| {
                    let value = program.value_of_shape(program.events.get(index)?.shape, &value).ok()?;
                    Some((u32::try_from(index).ok()?, value))
                });
                let Some((index, read)) = read else {
                    // The session runs on a version that knows the type otherwise than the current one.
                    self.shared
                        .note(&format!("session {} cannot read an event `{event}`: dropped", self.key));
                    return Ok(self.unwanted(at, "event"));
                };
                let record = journal::declared(index, &value);
                self.offer_event(at, Event::Declared { event: index, value: read }, record, None).await
            }
            Ok(Internal::Every { schedule, version }) => {
                let Some(session) = &self.session else { return Ok(Offered::Waits) };
                if session.program.program.version != version {
                    self.skipped(schedule, Some("its session runs another version")).await?;
                    return Ok(self.unwanted(at, "schedule"));
                }
                let busy = session.pending.then_some("its session is busy");
                let offered = self
                    .offer_event(at, Event::Every(schedule), journal::every(schedule), Some(schedule))
                    .await?;
                if matches!(offered, Offered::Gone) {
                    self.skipped(schedule, busy).await?;
                }
                Ok(offered)
            }
            Ok(Internal::Start(_) | Internal::Forward(_)) => Ok(self.unwanted(at, "start")),
            Err(error) => {
                self.shared.note(&format!("mail of session {} cannot be read: {error}", self.key));
                Ok(self.unwanted(at, "unreadable"))
            }
        }
    }

    /// The event of a schedule was not taken; why, when it should have been.
    async fn skipped(&mut self, schedule: u32, why: Option<&str>) -> Result<(), Trouble> {
        let Some(current) = self.shared.programs.current(agent_of(&self.key)) else { return Ok(()) };
        let which = Which { program: &current.program, at: schedule as usize };
        heartbeats::forget(&self.shared, which).await.map_err(|e| self.trouble(e))?;
        match why {
            Some(why) => heartbeats::failed(&self.shared, which, why).await.map_err(|e| self.trouble(e)),
            None => Ok(()),
        }
    }

    /// The heartbeat under way ran out of its budget. One of a day or a month refuses before anything is asked, so
    /// what had changed is tried again at every slot until there is money for it.
    pub(super) async fn ran_out(&mut self, frees_up: bool) -> Result<(), Trouble> {
        let Some(session) = self.session.as_ref().filter(|session| session.notes.heartbeat) else {
            return Ok(());
        };
        let Some(schedule) = session.notes.schedule else { return Ok(()) };
        let which = Which { program: &session.program.program, at: schedule as usize };
        if frees_up {
            heartbeats::forget(&self.shared, which).await.map_err(|e| self.trouble(e))?;
        }
        let why = "its budget is used up";
        heartbeats::failed(&self.shared, which, why).await.map_err(|e| self.trouble(e))
    }

    fn consume(&mut self, at: usize) {
        if let Some(row) = self.mail.remove(at) {
            self.draft.consumed.push(row.id);
        }
    }

    fn unwanted(&mut self, at: usize, what: &str) -> Offered {
        self.consume(at);
        self.draft.journal.push(journal::unwanted(what));
        Offered::Gone
    }

    async fn offer_event(
        &mut self,
        at: usize,
        event: Event,
        record: JournalRecord,
        schedule: Option<u32>,
    ) -> Result<Offered, Trouble> {
        let Some(session) = &mut self.session else { return Ok(Offered::Waits) };
        match session.machine.disposition(&session.program.program, &event) {
            Disposition::Take => {
                session.begin_event(schedule, self.shared.clock.now_ms());
                self.consume(at);
                self.load_window().await?;
                self.draft.journal.push(record);
                self.step(event, Cause::Event, self.shared.clock.now_ms()).await?;
                Ok(Offered::Stepped)
            }
            Disposition::Hold | Disposition::Join => Ok(Offered::Waits),
            Disposition::Drop | Disposition::Stale => Ok(self.unwanted(at, "event")),
        }
    }

    /// Somebody answered. Words and single approvals end the effect; of several people each one is counted.
    async fn answered(
        &mut self,
        asking: Asking,
        answer: Answer,
        inbound: &Inbound,
    ) -> Result<Offered, Trouble> {
        let id = effect_of(asking);
        let Some(session) = &mut self.session else { return Ok(Offered::Gone) };
        let pending = session.machine.pending(&session.program.program);
        let Some((_, effect)) = pending.into_iter().find(|(known, _)| *known == id) else {
            self.draft.journal.push(journal::late("answer", id.visit, id.number));
            return Ok(Offered::Gone);
        };
        let (yes, edited) = match answer {
            Answer::Says(words) => {
                self.resolve(Performed::new(id, Outcome::Said(words.into()))).await?;
                return Ok(Offered::Stepped);
            }
            Answer::Yes(edited) => (true, edited),
            Answer::No => (false, None),
        };
        let notes = session.notes.entry(id);
        if let Some(run) = &notes.run
            && (!run.awaiting || run.results.len() != asking.call as usize)
        {
            self.draft.journal.push(journal::late("answer", id.visit, id.number));
            return Ok(Offered::Gone);
        }
        let voter = format!("{}:{}", inbound.address.channel, inbound.sender.id);
        if !notes.votes.iter().any(|(known, _)| *known == voter) {
            notes.votes.push((voter.clone(), yes));
        }
        let count = |wanted: bool| notes.votes.iter().filter(|(_, yes)| *yes == wanted).count();
        let (agreed, refused) = (count(true), count(false));
        let is_yes = agreed >= notes.needed as usize;
        let is_no = refused > notes.asked.saturating_sub(notes.needed) as usize;
        self.draft.journal.push(journal::vote(id, &voter, yes));
        if !is_yes && !is_no {
            self.commit(self.shared.clock.now_ms()).await?;
        } else if matches!(effect, Effect::Run { .. }) {
            self.decide_call(id, is_yes, DECIDED);
            self.commit(self.shared.clock.now_ms()).await?;
        } else {
            let outcome = if is_yes { Outcome::Yes(edited.map(Into::into)) } else { Outcome::No };
            self.resolve(Performed::new(id, outcome)).await?;
        }
        Ok(Offered::Stepped)
    }

    /// An asked agent ended.
    async fn returned(&mut self, id: EffectId, json: &serde_json::Value) -> Result<Offered, Trouble> {
        let Some(session) = &mut self.session else { return Ok(Offered::Gone) };
        let program = Arc::clone(&session.program);
        let pending = session.machine.pending(&program.program);
        let Some((_, effect)) = pending.into_iter().find(|(known, _)| *known == id) else {
            self.draft.journal.push(journal::late("result", id.visit, id.number));
            return Ok(Offered::Gone);
        };
        // Its session is over: it need not be told to end.
        let notes = session.notes.entry(id);
        notes.child = None;
        // A conversation with somebody ends with it.
        notes.asked = notes.asked.max(1);
        let words = "what the agent gave does not fit its type";
        let read = outcome::read(&program.program, &effect, json);
        let outcome = read.unwrap_or_else(|| failed(FailureKind::Invalid, words, None));
        self.resolve(Performed::new(id, outcome)).await?;
        Ok(Offered::Stepped)
    }

    /// Nobody waits for this session any more.
    async fn end(&mut self) -> Result<Offered, Trouble> {
        let Some(session) = self.session.as_mut().filter(|session| session.notes.parent.is_some()) else {
            return Ok(Offered::Gone);
        };
        let pending: Vec<EffectId> =
            session.notes.effects.iter().map(|n| EffectId { visit: n.visit, number: n.number }).collect();
        session.ended = true;
        for id in pending {
            self.settle(id, Some("(no longer needed)"));
        }
        self.close_stream(None);
        self.draft.journal.push(journal::unwanted("session"));
        self.commit(self.shared.clock.now_ms()).await?;
        Ok(Offered::Stepped)
    }

    /// The session that a message is handed over to; commands that this session takes are its own, and so is what
    /// happens to the chat where only this one listens.
    pub(super) fn hands_over(&self, message: &Inbound, event: &Event) -> Option<String> {
        let session = self.session.as_ref()?;
        let child = session.notes.effects.iter().find(|notes| notes.here)?.child.clone()?;
        let takes = || session.machine.disposition(&session.program.program, event) == Disposition::Take;
        let own = if message.kind.is_message() {
            message.text.starts_with('/')
        } else {
            let callee = self.shared.programs.current(agent_of(&child));
            callee.is_some_and(|c| !self.shared.programs.hears(&c.program, message.kind.word()))
        };
        if own && takes() { None } else { Some(child) }
    }

    /// Hands a message over.
    pub(super) fn hand_over(&mut self, at: usize, child: &str) {
        let Some(row) = self.mail.remove(at) else { return };
        self.draft.consumed.push(row.id);
        self.draft.journal.push(journal::message(row.id, "handed over", &row.message));
        let source_id = format!("forward/{}", row.id);
        let message = Internal::Forward(Box::new(row.message)).to_inbound(source_id, row.received_ms);
        self.draft.extra.mail.push(NewMail { key: child.to_string(), message });
    }
}
