// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns what the machine decided into a draft: replies, deadlines, history, streams and the next effect's intent.

use std::sync::Arc;

use blufio_core::model::{Role, Turn};
use blufio_core::store::{Epoch, NewOutbox, NewTimer, QuestionKind, TimerKind};
use blufio_core::tool::EffectClass;
use blufio_lang::effect::{Action, Awaited, Effect, EffectId, ModelEffect, ModelPurpose, StepResult, Stop};
use blufio_lang::program::EffectClass as GrantClass;

use super::draft::Draft;
use super::envelope::{CallResult, RunProgress};
use super::{Driver, Session};
use crate::hygiene::outside;
use crate::perform::is_dangerous;
use crate::transcript::{calls_in, fingerprint, message_turn, text_turn};
use crate::{context, journal};

/// Mark behind a stream that was stopped.
const STOPPED: &str = "⏹";

/// Mark behind a question that nobody needs to answer any more.
const NO_LONGER_NEEDED: &str = "(no longer needed)";

/// Whether people or other agents end an effect.
fn asks_others(effect: &Effect) -> bool {
    matches!(effect, Effect::AskPerson { .. } | Effect::Approve { .. } | Effect::AskAgent { .. })
}

/// What a step answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A message, a deadline, the start.
    Event,
    /// An effect that ended: replies of this step fill the stream that it opened.
    Result,
}

impl Driver {
    /// Drafts everything that a step decided.
    pub(super) fn apply(&mut self, result: StepResult, cause: Cause) {
        // What a cancelled step had shown stands in the chat before the words of the handler that cancelled it.
        let (cancels, others): (Vec<_>, Vec<_>) =
            result.actions.into_iter().partition(|action| matches!(action, Action::CancelEffect(_)));
        for action in cancels.into_iter().chain(others) {
            self.act(action, cause);
        }
        let runs = |awaited: &Awaited| matches!(awaited.effect, Effect::Run { .. });
        let run_pending = matches!(&result.stop, Stop::Await(awaited) if awaited.iter().any(runs));
        let Some(session) = &mut self.session else { return };
        if !run_pending && !session.notes.open_calls.is_empty() {
            session.answer_calls(&mut self.draft, &[]);
        }
        session.pending = matches!(result.stop, Stop::Await(_));
        match result.stop {
            Stop::Await(awaited) => {
                self.unstarted = true;
                // Nothing is on its way while people think.
                if awaited.iter().all(|awaited| asks_others(&awaited.effect)) {
                    self.close_stream(None);
                }
                for Awaited { id, effect, .. } in awaited.into_iter().filter(|awaited| awaited.fresh) {
                    self.intend(id, effect);
                }
            }
            Stop::Idle => self.close_stream(None),
            Stop::Done(value) => {
                self.draft.journal.push(journal::done(value.as_ref()));
                self.report(value.as_ref());
                self.draft.clear_timers();
                self.timers.clear();
                self.close_stream(None);
            }
            Stop::Fault(fault) => {
                self.draft.journal.push(journal::fault(&fault));
                self.report_failure(&journal::fault_words(&fault));
                self.draft.clear_timers();
                self.timers.clear();
                self.close_stream(Some(STOPPED));
                let words = journal::fault_words(&fault);
                self.shared.note(&format!("session {} is parked: {words}", self.key));
                self.tell_owner(&format!("Session {} is parked: {words}", self.key));
            }
        }
    }

    fn act(&mut self, action: Action, cause: Cause) {
        match action {
            Action::Reply(text) => self.reply(&text, cause),
            Action::Send(who, text, delivery) => self.send(&who, &text, delivery),
            Action::Show(text) => self.show(&text),
            Action::Remember { text, scope } => self.remember_text(&text, scope),
            Action::ForgetMemory(scope) => self.forget_memory(scope),
            Action::ForgetHistory => self.forget_history(),
            Action::SetWake { wake, due_ms } => {
                let number = wake.cast_signed();
                self.draft.extra.timers.push(NewTimer { kind: TimerKind::Wake, visit: 0, number, due_ms });
            }
            Action::ClearWakes => {
                self.draft.extra.clear_wakes = true;
                self.draft.extra.timers.retain(|new| new.kind != TimerKind::Wake);
                self.timers.retain(|row| row.kind != TimerKind::Wake);
            }
            Action::SetTimer { visit, timer, due_ms } => {
                self.draft.timers.push((visit.cast_signed(), i64::from(timer), due_ms));
            }
            Action::ClearTimers => {
                self.draft.clear_timers();
                self.timers.retain(|row| row.kind != TimerKind::State);
            }
            Action::CancelEffect(id) => self.cancel(id),
            Action::Moved { from, to } => {
                let Some(session) = &self.session else { return };
                let from = from.map(|state| session.program.state_name(state));
                self.draft.journal.push(journal::moved(from, session.program.state_name(to)));
            }
        }
    }

    /// A reply: the first part fills the open stream if this step ends what opened it, the rest are new messages.
    fn reply(&mut self, text: &str, cause: Cause) {
        if text.trim().is_empty() {
            return;
        }
        let Some(session) = &mut self.session else { return };
        if session.remembers() {
            let repeated = session.notes.said == Some(fingerprint(text));
            session.notes.said = None;
            if !repeated {
                // It may hold values: what they hide or forge is shown.
                session.remember(&mut self.draft, text_turn(Role::Assistant, &outside(text)));
            }
        }
        let Some(address) = session.address.clone() else {
            tracing::warn!(session = session.key, "a reply without a conversation was dropped");
            return;
        };
        let stream =
            session.id.filter(|_| cause == Cause::Result).and_then(|id| self.shared.outbox.hub.row_of(id));
        let stream = stream.filter(|(_, shown_at)| *shown_at == address);
        let mut parts = self.shared.split(&address, text).into_iter();
        if let Some((row, _)) = stream
            && let Some(first) = parts.next()
        {
            self.shared.outbox.hub.close(row);
            self.draft.close_streams.push((row, first));
        }
        if stream.is_none()
            && let Some(message_id) = session.quote.take()
        {
            self.draft.quotes.push((self.draft.outbox.len(), message_id));
        }
        self.draft.outbox.extend(parts.map(|part| NewOutbox::now(address.clone(), part)));
    }

    pub(super) fn tell_owner(&mut self, text: &str) {
        self.write_to_owner(text, false);
    }

    /// Something for the owner: at once, or held until the owner writes.
    pub(super) fn write_to_owner(&mut self, text: &str, held: bool) {
        let Some(owner) = self.shared.owner() else {
            self.shared.note("a message to the owner was dropped: nobody is paired");
            return;
        };
        let parts = self.shared.split(&owner, text).into_iter().filter(|part| !part.trim().is_empty());
        let new = |part| NewOutbox { address: owner.clone(), text: Some(part), held };
        self.draft.outbox.extend(parts.map(new));
    }

    /// The pending effect is not wanted any more: what was shown of it stays, with a mark.
    fn cancel(&mut self, id: EffectId) {
        if let Some(at) = self.running.iter().position(|running| running.id() == id) {
            self.abandoned.extend(self.running.swap_remove(at).cancel());
        }
        if let Some(session) = &mut self.session {
            session.fresh.retain(|known| *known != id);
        }
        self.settle(id, Some(NO_LONGER_NEEDED));
        self.draft.journal.push(journal::late("cancelled", id.visit, id.number));
        // What was said of the answer comes before what was said meanwhile.
        self.close_stream(Some(STOPPED));
        if let Some(session) = &mut self.session {
            session.release(&mut self.draft);
        }
    }

    /// Closes the session's stream with what was shown; withdraws it when nothing can have been shown.
    pub(super) fn close_stream(&mut self, mark: Option<&str>) {
        let Some(session) = &mut self.session else { return };
        let Some((row, address)) = session.id.and_then(|id| self.shared.outbox.hub.row_of(id)) else {
            return;
        };
        let shown = self.shared.outbox.hub.close(row);
        let text = shown.text.trim();
        let text = match (shown.claimed, text.is_empty(), mark) {
            (false, _, _) => String::new(),
            (true, true, _) => STOPPED.to_string(),
            (true, false, None) => text.to_string(),
            (true, false, Some(mark)) => format!("{text} {mark}"),
        };
        if mark.is_some() && !text.is_empty() && text != STOPPED && session.remembers() {
            session.remember(&mut self.draft, text_turn(Role::Assistant, &text));
        }
        let mut parts = self.shared.split(&address, &text).into_iter();
        let first = if text.is_empty() { Some(String::new()) } else { parts.next() };
        self.draft.close_streams.push((row, first.unwrap_or_default()));
        if !text.is_empty() {
            self.draft.outbox.extend(parts.map(|part| NewOutbox::now(address.clone(), part)));
        }
    }

    /// Drafts the intent of an effect: from the commit of this draft on it may be performed.
    fn intend(&mut self, id: EffectId, effect: Effect) {
        let Some(session) = &mut self.session else { return };
        match &effect {
            Effect::Run { calls, approved_by, .. } => {
                let first = calls.first();
                let manifest = first.and_then(|call| self.shared.tools.manifest(&call.tool));
                let once = manifest.is_some_and(|manifest| manifest.effect == EffectClass::Once);
                let asks = approved_by.is_some()
                    && first
                        .is_some_and(|call| is_dangerous(&self.shared, &session.program.program, &call.tool));
                let progress = RunProgress { started: once && !asks, ..RunProgress::default() };
                session.notes.entry(id).run = Some(progress);
            }
            Effect::Call { grant, .. } => {
                let grant = session.program.program.tools.get(*grant as usize);
                let once = grant.is_some_and(|grant| grant.effect == GrantClass::Once);
                if once {
                    session.notes.entry(id).run =
                        Some(RunProgress { started: true, ..RunProgress::default() });
                }
            }
            Effect::AskPerson { whom, question, deadline_ms } => {
                self.ask_people(id, whom, question, QuestionKind::Words, *deadline_ms);
            }
            Effect::Approve { by, question, editing, deadline_ms } => {
                let kind = QuestionKind::Approval { editing: editing.is_some() };
                self.ask_people(id, by, question, kind, *deadline_ms);
            }
            Effect::AskAgent { .. } => self.ask_agent(id, &effect),
            Effect::Recall { .. } => {}
            Effect::Model(effect) => {
                if let Some(parent) = &mut session.notes.parent {
                    parent.calls = parent.calls.saturating_add(1);
                }
                if effect.history && session.remembers() {
                    self.read_history(id, effect);
                }
                if effect.purpose == (ModelPurpose::Turn { stream: true }) {
                    self.open_stream();
                }
            }
        }
        let Some(session) = &mut self.session else { return };
        session.fresh.push(id);
        self.draft.journal.push(journal::intent(&session.program.program, id, &effect));
    }

    /// The step reads history: joined messages enter it in order, its cap is kept, and for `turn` the question itself
    /// becomes part of it. What the call will send is fixed here, so that a crash repeats the same call.
    fn read_history(&mut self, id: EffectId, effect: &ModelEffect) {
        let Some(session) = &mut self.session else { return };
        // One whose attachments are not here yet waits for the next step, and so do those behind it.
        let mut in_order = true;
        let attachments = &self.attachments;
        let (joined, kept): (Vec<_>, Vec<_>) = self.mail.drain(..).partition(|row| {
            in_order &= !row.joined || attachments.is_ready(row.id, &row.message);
            row.joined && in_order
        });
        self.mail = kept.into();
        for row in joined {
            self.draft.joined.retain(|id| *id != row.id);
            self.draft.consumed.push(row.id);
            self.draft.journal.push(journal::message(row.id, "joined", &row.message));
            let attachments = self.attachments.take(row.id, &row.message);
            session.remember(&mut self.draft, message_turn(&row.message, attachments));
        }
        let turn = matches!(effect.purpose, ModelPurpose::Turn { .. });
        let window = session.window.get_or_insert_default();
        if turn {
            let ask = context::ask(effect, &window.to_turns(usize::MAX));
            let answered = window.turns.last().is_none_or(|(turn, _)| turn.role == Role::Assistant);
            if let Some(ask) = ask.or_else(|| answered.then(|| text_turn(Role::User, "Go on."))) {
                session.append(&mut self.draft, ask);
            }
        }
        let limits = &self.shared.limits;
        let history = session.program.program.context.history;
        let messages_max = history.and_then(|h| h.messages_max).unwrap_or(limits.history_messages_max);
        let tokens_max = history.and_then(|h| h.tokens_max).unwrap_or(limits.history_tokens_max);
        let window = session.window.get_or_insert_default();
        // The cap is one of tokens as the model counts them.
        let model = session.program.program.models.get(effect.model as usize);
        let model = model.and_then(|model| model.chain.first()).map_or("", String::as_str);
        let corrected = |tokens: i64| self.shared.estimators.corrected(model, tokens);
        let excess = window.excess(messages_max, tokens_max, corrected);
        let fold = excess.filter(|_| history.is_some_and(|history| history.summarize.is_some()));
        let turns = window.turns.len();
        let notes = session.notes.entry(id);
        (notes.prompt_turns, notes.answers, notes.fold) = (Some(turns), turn, fold);
        if let (Some(excess), None) = (excess, fold) {
            session.begin_epoch(&mut self.draft, excess, None);
        }
    }

    /// A row for the text to come, where the channel can show it; a row of an earlier step of the same answer is kept.
    fn open_stream(&mut self) {
        let Some(session) = &mut self.session else { return };
        let Some(address) = session.address.clone() else { return };
        let open = session.id.and_then(|id| self.shared.outbox.hub.row_of(id)).is_some();
        let edits = self.shared.channel(&address).is_some_and(|channel| channel.edits());
        if !open && edits {
            let at = self.draft.outbox.len();
            self.draft.stream_at = Some(at);
            self.draft.quotes.extend(session.quote.take().map(|message_id| (at, message_id)));
            self.draft.outbox.push(NewOutbox::stream(address));
        }
    }
}

impl Session {
    /// Adds a turn to the history; while an answer or tool results are outstanding it waits behind them: what a model
    /// was shown is followed by what it answered to that, or providers would see an earlier part changed.
    pub(super) fn remember(&mut self, draft: &mut Draft, turn: Turn) {
        if self.notes.awaits_turns() {
            self.notes.deferred.push(turn);
        } else {
            self.append(draft, turn);
        }
    }

    /// Adds what waited, when nothing is outstanding any more.
    pub(super) fn release(&mut self, draft: &mut Draft) {
        if self.notes.awaits_turns() {
            return;
        }
        for turn in std::mem::take(&mut self.notes.deferred) {
            self.append(draft, turn);
        }
    }

    /// Prompts begin behind the oldest turns from now on; `summary` stands for them, or what stood for those before.
    pub(super) fn begin_epoch(&mut self, draft: &mut Draft, turns: usize, summary: Option<Turn>) {
        let window = self.window.get_or_insert_default();
        window.drop_oldest(turns);
        if let Some(summary) = summary {
            let tokens = context::estimate_turn(&summary);
            window.summary = Some((Arc::new(summary), tokens));
        }
        self.history_start = window.start;
        self.notes.begin_epoch(turns);
        if let Some((summary, tokens)) = window.summary.clone() {
            draft.extra.epoch =
                Some(Epoch { start: window.start, summary: Arc::unwrap_or_clone(summary), tokens });
        }
    }

    /// The turns that a step sent are sent without their pictures and documents from now on; those that were answered
    /// keep theirs where `unread_only`.
    pub(super) fn refuse_media(&mut self, id: EffectId, unread_only: bool) {
        let sent = self.notes.at(id).and_then(|notes| notes.prompt_turns);
        let (Some(window), Some(sent)) = (&self.window, sent) else { return };
        let turns = window.turns.get(..sent.min(window.turns.len())).unwrap_or_default();
        let answered =
            turns.iter().rposition(|(turn, _)| turn.role == Role::Assistant).filter(|_| unread_only);
        let number = |at: usize| window.start + i64::try_from(at).unwrap_or(0);
        let refused = (answered.map_or(0, |at| number(at + 1)), number(turns.len()));
        let start = window.start;
        self.notes.media_refused.retain(|(_, before)| *before > start);
        self.notes.media_refused.push(refused);
    }

    pub(super) fn append(&mut self, draft: &mut Draft, turn: Turn) {
        let tokens = context::estimate_turn(&turn);
        draft.transcript.push((turn.clone(), tokens));
        if let Some(window) = &mut self.window {
            window.turns.push((Arc::new(turn), tokens));
        }
    }

    /// Adds what the model said in a `turn`; its tool calls are open from here on.
    pub(super) fn extend(&mut self, draft: &mut Draft, turns: Vec<Turn>) {
        for turn in turns {
            self.notes.open_calls.extend(calls_in(&turn).map(str::to_string));
            let said: String = turn.blocks.iter().filter_map(text_of).collect();
            self.notes.said = (turn.role == Role::Assistant).then(|| fingerprint(&said));
            self.append(draft, turn);
        }
    }

    /// Answers the open calls; those without a result get an error, so that no call stays orphaned (M-12).
    pub(super) fn answer_calls(&mut self, draft: &mut Draft, results: &[CallResult]) {
        let answer = |id: String| match results.iter().find(|result| result.id == id) {
            Some(result) => (id, result.content.clone(), result.is_error),
            None => (id, "not run".to_string(), true),
        };
        let open = std::mem::take(&mut self.notes.open_calls);
        if open.is_empty() {
            return;
        }
        let blocks = open.into_iter().map(answer);
        let blocks = blocks.map(|(id, content, is_error)| blufio_core::model::Block::ToolResult {
            id,
            content,
            is_error,
        });
        self.append(draft, Turn { role: Role::User, blocks: blocks.collect(), raw: None });
        self.release(draft);
    }
}

fn text_of(block: &blufio_core::model::Block) -> Option<&str> {
    match block {
        blufio_core::model::Block::Text { text } => Some(text),
        _ => None,
    }
}
