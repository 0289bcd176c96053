// SPDX-License-Identifier: MIT OR Apache-2.0
//! Effects that people and other agents end: their questions are opened in the step that asks, closed in the step that
//! hears the answer, and in between nothing of them is in memory only.

use blufio_core::store::{
    Asking, CloseQuestions, NewMail, NewOutbox, NewQuestion, NewTimer, Question, QuestionKind, TimerKind,
};
use blufio_lang::effect::{Effect, EffectId, Outcome};
use blufio_lang::program::Who;
use blufio_lang::value::{FailureKind, ToolCall, Value};
use serde_json::{Value as Json, json};

use super::envelope::RunProgress;
use super::offer::{DECIDED, TOO_LATE};
use super::world::Contact;
use super::{Driver, Trouble};
use crate::internal::{Internal, Parent, Start};
use crate::journal;
use crate::outcome;
use crate::perform::{Performed, failed};

/// Sessions that may wait for each other in a row.
const DEPTH_MAX: u32 = 3;

impl Driver {
    /// Asks everybody meant.
    pub(super) fn ask_people(
        &mut self,
        id: EffectId,
        who: &Who,
        text: &str,
        kind: QuestionKind,
        deadline_ms: Option<i64>,
    ) {
        let (contacts, needed) = self.contacts(who);
        let Some(session) = &mut self.session else { return };
        let notes = session.notes.entry(id);
        let asked = u32::try_from(contacts.len()).unwrap_or(u32::MAX);
        if asked < needed.max(1) {
            notes.refused = Some("nobody who could answer can be reached".to_string());
            return;
        }
        (notes.asked, notes.needed) = (asked, needed);
        for contact in contacts {
            self.ask(Asking { visit: id.visit, number: id.number, call: 0 }, contact, text, kind.clone());
        }
        self.arm(id, deadline_ms);
    }

    fn ask(&mut self, asking: Asking, contact: Contact, text: &str, kind: QuestionKind) {
        let Contact { address, person } = contact;
        let editing = kind == QuestionKind::Approval { editing: true };
        let hint = match &kind {
            QuestionKind::Approval { .. } if editing => "\n(yes, no, or the text as it should read)",
            QuestionKind::Approval { .. } => "\n(yes or no)",
            _ => "",
        };
        let mut question = Question {
            address: address.clone(),
            person,
            kind,
            text: String::new(),
            label: 0,
            correction: None,
            reminded: false,
            outbox: None,
        };
        question.label = self.shared.questions.label(&self.key, asking, &question);
        let number = if question.label > 1 { format!("{}. ", question.label) } else { String::new() };
        let whole = format!("{number}{text}{hint}");
        // What is longer than a message goes ahead; the last part is the one that is answered and edited.
        let mut parts = self.shared.split(&address, &whole);
        question.text = parts.pop().unwrap_or(whole);
        let ahead = parts.into_iter().map(|part| NewOutbox::now(address.clone(), part));
        self.draft.outbox.extend(ahead);
        let message = Some(NewOutbox::now(address, question.text.clone()));
        self.draft.extra.questions.push(NewQuestion { asking, question, message });
    }

    fn arm(&mut self, id: EffectId, deadline_ms: Option<i64>) {
        let Some(due_ms) = deadline_ms else { return };
        let (kind, visit, number) = (TimerKind::Effect, id.visit.cast_signed(), i64::from(id.number));
        self.draft.extra.timers.push(NewTimer { kind, visit, number, due_ms });
    }

    /// A dangerous call of a `run` comes next: its results so far are kept, and somebody is asked.
    pub(super) async fn ask_for_call(
        &mut self,
        id: EffectId,
        progress: RunProgress,
        call: &ToolCall,
    ) -> Result<(), Trouble> {
        let now_ms = self.shared.clock.now_ms();
        let Some(session) = &self.session else { return Ok(()) };
        let pending = session.machine.pending(&session.program.program);
        let Some((_, Effect::Run { approved_by: Some(who), deadline_ms, .. })) =
            pending.into_iter().find(|(known, _)| *known == id)
        else {
            return Ok(());
        };
        let at = u32::try_from(progress.results.len()).unwrap_or(u32::MAX);
        self.look_up(&who).await.map_err(|e| self.trouble(e))?;
        let (contacts, needed) = self.contacts(&who);
        let Some(session) = &mut self.session else { return Ok(()) };
        let notes = session.notes.entry(id);
        notes.votes.clear();
        (notes.asked, notes.needed) = (u32::try_from(contacts.len()).unwrap_or(u32::MAX), needed);
        notes.run = Some(progress);
        if notes.asked < needed.max(1) {
            self.decide_call(id, false, DECIDED);
            self.draft.journal.push(journal::vote(id, "nobody can be asked", false));
            return self.commit(now_ms).await;
        }
        let text = format!("May I call {}?\n{}", call.tool, call.arguments);
        for contact in contacts {
            let asking = Asking { visit: id.visit, number: id.number, call: at };
            self.ask(asking, contact, &text, QuestionKind::Approval { editing: false });
        }
        self.draft.extra.clear_deadlines.push((id.visit.cast_signed(), i64::from(id.number)));
        self.arm(id, deadline_ms);
        self.draft.journal.push(journal::call_asked(id, at));
        self.commit(now_ms).await
    }

    /// Somebody decided about the next call of a `run`: it goes on.
    pub(super) fn decide_call(&mut self, id: EffectId, yes: bool, mark: &str) {
        let Some(session) = &mut self.session else { return };
        let notes = session.notes.entry(id);
        notes.votes.clear();
        if let Some(run) = &mut notes.run {
            run.awaiting = false;
            run.decisions.push((u32::try_from(run.results.len()).unwrap_or(u32::MAX), yes));
        }
        session.fresh.push(id);
        self.unstarted = true;
        self.close(id, Some(mark));
    }

    /// An effect is over: its notes, questions, deadline and child are too.
    pub(super) fn settle(&mut self, id: EffectId, mark: Option<&str>) {
        let Some(session) = &mut self.session else { return };
        let Some(notes) = session.notes.forget(id) else { return };
        if notes.asked > 0 || notes.child.is_some() {
            self.close(id, mark);
        }
        if let Some(child) = notes.child {
            let source_id = format!("end/{child}");
            let message = Internal::End.to_inbound(source_id, self.shared.clock.now_ms());
            self.draft.extra.mail.push(NewMail { key: child, message });
        }
    }

    /// Closes the questions of an effect and disarms its deadline.
    fn close(&mut self, id: EffectId, mark: Option<&str>) {
        let edits = self.shared.channels.iter().filter(|(_, channel)| channel.edits());
        let channels = edits.map(|(name, _)| (*name).to_string()).collect();
        let mark = mark.map(str::to_string);
        let asked_here = |new: &NewQuestion| (new.asking.visit, new.asking.number) == (id.visit, id.number);
        self.draft.extra.questions.retain(|new| !asked_here(new));
        let (visit, number) = (id.visit, id.number);
        self.draft.extra.close_questions.push(CloseQuestions { visit, number, mark, channels });
        let at = (id.visit.cast_signed(), i64::from(id.number));
        self.draft.extra.timers.retain(|new| new.kind != TimerKind::Effect || (new.visit, new.number) != at);
        self.draft.extra.clear_deadlines.push(at);
        self.timers.retain(|row| row.kind != TimerKind::Effect || (row.visit, row.timer) != at);
    }

    /// The deadline of an effect came.
    pub(super) async fn late(&mut self, id: EffectId) -> Result<(), Trouble> {
        let Some(session) = &self.session else { return Ok(()) };
        let pending = session.machine.pending(&session.program.program);
        match pending.into_iter().find(|(known, _)| *known == id) {
            Some((_, Effect::Run { .. })) => {
                let run = session.notes.at(id).and_then(|notes| notes.run.as_ref());
                if run.is_some_and(|run| run.awaiting) {
                    self.decide_call(id, false, TOO_LATE);
                    self.draft.journal.push(journal::vote(id, "late", false));
                    return self.commit(self.shared.clock.now_ms()).await;
                }
                Ok(())
            }
            Some(_) => self.resolve(Performed::new(id, Outcome::Late)).await,
            None => {
                self.draft.journal.push(journal::late("deadline", id.visit, id.number));
                Ok(())
            }
        }
    }

    /// Opens a session for the agent that is asked; it begins when this step is committed.
    pub(super) fn ask_agent(&mut self, id: EffectId, effect: &Effect) {
        let Effect::AskAgent { grant, arguments, here, with, deadline_ms, .. } = effect else { return };
        let contact = with.as_ref().map(|who| self.contacts(who).0.into_iter().next());
        let Some(session) = &mut self.session else { return };
        let loaded = std::sync::Arc::clone(&session.program);
        let Some(ask) = loaded.program.asks.get(*grant as usize) else { return };
        let depth = session.notes.parent.as_ref().map_or(0, |parent| parent.depth) + 1;
        let child = format!("{}/ask:{}.{}.{}", ask.agent, session.notes.birth, id.visit, id.number);
        let refused = if depth > DEPTH_MAX {
            Some(format!("more than {DEPTH_MAX} agents would wait for each other"))
        } else if contact.as_ref().is_some_and(Option::is_none) {
            Some("whom the agent shall talk to cannot be reached".to_string())
        } else {
            None
        };
        let notes = session.notes.entry(id);
        if refused.is_some() {
            notes.refused = refused;
            return;
        }
        (notes.child, notes.here) = (Some(child.clone()), *here);
        let contact = contact.flatten();
        let own = session.address.clone().filter(|_| *here);
        let asking = Asking { visit: id.visit, number: id.number, call: 0 };
        let parent = Parent {
            key: session.key.clone(),
            asking,
            depth,
            tools: ask.with.clone(),
            calls_max: ask.calls_max,
            calls: 0,
            caps: session.caps(self.shared.clock.now_ms()),
        };
        let values = ask.parameters.iter().zip(arguments.iter());
        let arguments = values.map(|(shape, value)| argument(&loaded.program, *shape, value)).collect();
        let address = contact.as_ref().map(|contact| contact.address.clone()).or(own);
        let sender = session.notes.sender.clone().filter(|_| *here);
        let start = Internal::Start(Box::new(Start { parent, arguments, address, sender }));
        let message = start.to_inbound(format!("start/{child}"), self.shared.clock.now_ms());
        self.draft.extra.mail.push(NewMail { key: child.clone(), message });
        if let Some(Contact { address, person }) = contact {
            let question = Question {
                address,
                person,
                kind: QuestionKind::Conversation { key: child },
                text: String::new(),
                label: 0,
                correction: None,
                reminded: false,
                outbox: None,
            };
            self.draft.extra.questions.push(NewQuestion { asking, question, message: None });
        }
        self.arm(id, *deadline_ms);
    }

    /// The session ended with a value: whoever asked for it is told in the same commit.
    pub(super) fn report(&mut self, value: Option<&Value>) {
        let Some(session) = &self.session else { return };
        let program = &session.program.program;
        let json = match (program.gives, value) {
            (Some(shape), Some(value)) => argument(program, shape, value),
            _ => Json::Null,
        };
        self.tell_parent(json!({ "done": json }));
    }

    /// The session ended without one.
    pub(super) fn report_failure(&mut self, why: &str) {
        let Some(session) = &self.session else { return };
        let failure = failed(FailureKind::Broken, why, None);
        let json = outcome::to_json(&session.program.program, None, &failure, None, None);
        self.tell_parent(json);
    }

    fn tell_parent(&mut self, outcome: Json) {
        let Some(session) = &self.session else { return };
        let Some(parent) = &session.notes.parent else { return };
        let result = Internal::Result { asking: parent.asking, outcome };
        let message = result.to_inbound(format!("result/{}", session.key), self.shared.clock.now_ms());
        self.draft.extra.mail.push(NewMail { key: parent.key.clone(), message });
    }
}

/// A value as JSON that reads back as a value of the same shape: a document stands in a text.
fn argument(
    program: &blufio_lang::program::Program,
    shape: blufio_lang::program::shape::ShapeId,
    value: &Value,
) -> Json {
    match value {
        Value::Json(text) => Json::from(&**text),
        value => program.json_of_shape(shape, value),
    }
}
