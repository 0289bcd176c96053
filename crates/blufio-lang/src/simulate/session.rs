// SPDX-License-Identifier: MIT OR Apache-2.0
//! One session with a virtual clock. Mail, deadlines, wakes and results reach the machine in the order in which the
//! runtime gives them: overdue deadlines, then wakes, then mail in its order, then results.

use std::collections::VecDeque;
use std::sync::Arc;

use super::representative::{Representatives, happening};
use super::world::{World, failed};
use super::{BEGINNING_MS, Folder, arms, describe};
use crate::effect::{Action, Awaited, Disposition, Effect, EffectId, Event, Outcome, StepResult, Stop};
use crate::machine::Machine;
use crate::program::Program;
use crate::typed::{Delivery, MemoryScope, Who};
use crate::value::{FailureKind, Message, Value};

mod time;
mod tools;

/// The event that may concern a message still waiting.
const EDITED: &str = "edited";

/// Something that happened; agents, states and arms are indexes of the [`Folder`].
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A state was entered.
    Entered {
        /// Agent.
        agent: usize,
        /// State.
        state: u32,
    },
    /// An arm was taken.
    Arm {
        /// Agent.
        agent: usize,
        /// Arm.
        arm: usize,
    },
    /// A model was asked: the step in the words of the program.
    ModelAsked(String),
    /// A tool was called.
    Called {
        /// Dotted name.
        tool: String,
        /// Arguments as JSON.
        arguments: Arc<str>,
    },
    /// A reply.
    Replied(Arc<str>),
    /// A message to somebody.
    Sent(Who, Arc<str>, Delivery),
    /// A question or an approval reached somebody.
    Asked(Who, Arc<str>),
    /// A message was dropped: nobody handles it.
    Dropped(Arc<str>),
    /// The session ended.
    Ended,
    /// The session is parked, and why.
    Parked(String),
}

/// What waits in the mailbox.
#[derive(Debug, Clone)]
struct Mail {
    event: Event,
    is_joined: bool,
}

/// A deadline of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Deadline {
    visit: u64,
    timer: u32,
    due_ms: i64,
}

/// An effect that waits for its outcome.
#[derive(Debug, Clone)]
pub(super) struct Open<'f> {
    pub id: EffectId,
    pub effect: Effect,
    /// The session of the agent that is asked.
    pub child: Option<Box<Session<'f>>>,
    /// Of a `run`: the next call, and whether its approval was given or refused.
    run: (usize, Option<bool>),
    /// Who of a group decided already, and how.
    votes: Vec<(Who, bool)>,
}

/// A session that is driven step by step.
#[derive(Debug, Clone)]
pub struct Session<'f> {
    folder: &'f Folder,
    agent: usize,
    machine: Machine,
    now_ms: i64,
    is_asked: bool,
    mail: VecDeque<Mail>,
    deadlines: Vec<Deadline>,
    pub(super) open: Vec<Open<'f>>,
    pub(super) happened: Vec<Happening>,
    memory: Vec<(MemoryScope, Arc<str>)>,
    /// What `done` gave, once the session ended.
    gave: Option<Option<Value>>,
    parked: Option<String>,
    messages: i64,
    /// Fingerprints of schedules, and until when schedules were looked at.
    fingerprints: Vec<Option<String>>,
    schedules_ms: i64,
}

impl<'f> Session<'f> {
    /// Opens a session of an agent. Parameters get plain values of their types.
    pub fn new(folder: &'f Folder, agent: usize) -> Self {
        let parameters = plain_parameters(folder.program(agent));
        Self::open(folder, agent, &parameters, BEGINNING_MS, false)
    }

    fn open(folder: &'f Folder, agent: usize, parameters: &[Value], now_ms: i64, is_asked: bool) -> Self {
        let program = folder.program(agent);
        let mut session = Self {
            folder,
            agent,
            machine: Machine::new(program),
            now_ms,
            is_asked,
            mail: VecDeque::new(),
            deadlines: Vec::new(),
            open: Vec::new(),
            happened: Vec::new(),
            memory: Vec::new(),
            gave: None,
            parked: None,
            messages: 0,
            fingerprints: vec![None; program.schedules.len()],
            schedules_ms: now_ms,
        };
        let result = session.machine.start_with(program, parameters, now_ms);
        session.apply(result);
        session.pump();
        session
    }

    /// The program that runs.
    pub fn program(&self) -> &'f Program {
        self.folder.program(self.agent)
    }

    /// Index of the agent.
    pub fn agent(&self) -> usize {
        self.agent
    }

    /// Index of the current state.
    pub fn state(&self) -> u32 {
        self.machine.state()
    }

    /// The clock, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Why the session is parked, if it is.
    pub fn parked(&self) -> Option<&str> {
        self.parked.as_deref()
    }

    /// What happened since this was called last.
    pub fn take_happened(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happened)
    }

    /// Where the session stands: its state, and what it waits for.
    pub fn situation(&self) -> String {
        let program = self.program();
        let state = program.states.get(self.state() as usize).map_or("?", |state| state.name.as_str());
        let waits: Vec<String> = self
            .open
            .iter()
            .map(|open| {
                let what = format!("`{}`", describe::effect(program, &open.effect));
                match &open.child {
                    Some(child) => format!("{what}, which is {}", child.situation()),
                    None => what,
                }
            })
            .collect();
        match (&self.parked, self.gave.is_some(), waits.is_empty()) {
            (Some(why), ..) => format!("parked in state `{state}`: {why}"),
            (_, true, _) => "ended".into(),
            (_, _, true) => format!("in state `{state}`, where it waits for nothing but events"),
            _ => format!("in state `{state}`, where it waits for {}", waits.join(" and ")),
        }
    }

    /// A message arrives; a conversation that was handed over takes it.
    pub fn say(&mut self, text: &str) {
        let here = |open: &&mut Open<'f>| matches!(open.effect, Effect::AskAgent { here: true, .. });
        if let Some(child) = self.open.iter_mut().find(here).and_then(|open| open.child.as_mut()) {
            child.say(text);
            self.pump();
            return;
        }
        self.messages += 1;
        let message =
            Message { inbox_id: self.messages, text: text.into(), sender: "Ada".into(), own_words: true };
        self.deliver(Event::Message(Arc::new(message)));
    }

    /// Something happens to the chat; false when no handler waits for it. An edit of a message that nobody has read yet
    /// changes the message.
    pub fn happens(&mut self, what: &str, text: &str) -> bool {
        let here = |open: &&mut Open<'f>| matches!(open.effect, Effect::AskAgent { here: true, .. });
        let newest = self.messages;
        let unread = self.mail.iter_mut().find_map(|mail| match &mut mail.event {
            Event::Message(message) if what == EDITED && message.inbox_id == newest => Some(message),
            _ => None,
        });
        if let Some(message) = unread {
            Arc::make_mut(message).text = text.into();
            return true;
        }
        if let Some(child) = self.open.iter_mut().find(here).and_then(|open| open.child.as_mut())
            && child.happens(what, text)
        {
            self.pump();
            return true;
        }
        if !self.program().listens(what) {
            return false;
        }
        self.deliver(happening(what, text, newest));
        true
    }

    /// An event arrives.
    pub fn deliver(&mut self, event: Event) {
        self.mail.push_back(Mail { event, is_joined: false });
        self.pump();
    }

    /// The process dies and starts again: the session goes on from its bytes and asks for what was pending. An error
    /// says what was lost.
    pub fn crash(&mut self) -> Result<(), String> {
        let program = self.program();
        let bytes = self.machine.encode();
        let machine = Machine::decode(program, &bytes).map_err(|error| error.to_string())?;
        if machine.encode() != bytes {
            return Err("the session that comes back is another one".into());
        }
        let pending = machine.pending(program);
        let known = |(id, effect): &(EffectId, Effect)| {
            self.open.iter().any(|open| open.id == *id && open.effect == *effect)
        };
        if pending.len() != self.open.len() || !pending.iter().all(known) {
            return Err("a pending effect is not asked for again".into());
        }
        self.machine = machine;
        for child in self.open.iter_mut().filter_map(|open| open.child.as_mut()) {
            child.crash()?;
        }
        Ok(())
    }

    /// Looks at every open effect, of asked agents first, until one is dealt with.
    pub(super) fn any_open(&mut self, deal: &mut dyn FnMut(&mut Self, usize) -> bool) -> bool {
        for at in 0..self.open.len() {
            let child = self.open.get_mut(at).and_then(|open| open.child.as_mut());
            let dealt = match child {
                Some(child) => child.any_open(deal),
                None => deal(self, at),
            };
            if dealt {
                self.pump();
                return true;
            }
        }
        false
    }

    /// An effect ends.
    pub(super) fn resolve(&mut self, id: EffectId, outcome: Outcome) {
        self.step(Event::Resolved { effect: id, outcome });
        self.pump();
    }

    fn step(&mut self, event: Event) {
        if let Event::Resolved { effect, .. } = &event {
            self.open.retain(|open| open.id != *effect);
        }
        let result = self.machine.step(self.program(), event, self.now_ms);
        self.apply(result);
    }

    fn apply(&mut self, result: StepResult) {
        for action in result.actions {
            self.act(action);
        }
        match result.stop {
            Stop::Await(awaited) => {
                self.open.retain(|open| awaited.iter().any(|wanted| wanted.id == open.id));
                for wanted in awaited {
                    if !self.open.iter().any(|open| open.id == wanted.id) {
                        self.begin(wanted);
                    }
                }
            }
            Stop::Idle => self.open.clear(),
            Stop::Done(value) => {
                self.open.clear();
                if self.gave.is_none() {
                    self.gave = Some(value);
                    self.happened.push(Happening::Ended);
                }
            }
            Stop::Fault(fault) => {
                self.open.clear();
                if self.parked.is_none() {
                    let why = describe::fault(&fault);
                    self.happened.push(Happening::Parked(why.clone()));
                    self.parked = Some(why);
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        let agent = self.agent;
        match action {
            Action::Reply(text) => self.happened.push(Happening::Replied(text)),
            Action::Send(who, text, delivery) => {
                self.happened.push(Happening::Sent(who, text, delivery));
            }
            Action::Show(line) => {
                if let Some(arm) = arms::marked(&line) {
                    self.happened.push(Happening::Arm { agent, arm });
                }
            }
            Action::Remember { text, scope } => self.memory.push((scope, text)),
            Action::ForgetMemory(scope) => self.memory.retain(|(known, _)| *known != scope),
            Action::SetTimer { visit, timer, due_ms } => {
                self.deadlines.push(Deadline { visit, timer, due_ms });
            }
            Action::ClearTimers => self.deadlines.clear(),
            Action::CancelEffect(id) => self.open.retain(|open| open.id != id),
            Action::Moved { to, .. } => self.happened.push(Happening::Entered { agent, state: to }),
            // Wakes are read from the machine, and no prompt is made here.
            Action::SetWake { .. } | Action::ClearWakes | Action::ForgetHistory => {}
        }
    }

    /// An effect is asked for.
    fn begin(&mut self, wanted: Awaited) {
        let program = self.program();
        let mut child = None;
        match &wanted.effect {
            Effect::Model(model) => {
                self.happened.push(Happening::ModelAsked(describe::effect(program, &wanted.effect)));
                if model.history {
                    // Ruling 2: a joined message enters the history here.
                    self.mail.retain(|mail| !mail.is_joined);
                }
            }
            Effect::Call { grant, arguments, .. } => self.happened.push(Happening::Called {
                tool: describe::tool(program, *grant).to_string(),
                arguments: arguments.clone(),
            }),
            Effect::Approve { by: who, question, .. } | Effect::AskPerson { whom: who, question, .. } => {
                self.happened.push(Happening::Asked(who.clone(), question.clone()));
            }
            Effect::AskAgent { grant, arguments, .. } => {
                let agent = program.asks.get(*grant as usize).and_then(|ask| self.folder.agent(&ask.agent));
                child =
                    agent.map(|agent| Box::new(Self::open(self.folder, agent, arguments, self.now_ms, true)));
            }
            Effect::Run { .. } | Effect::Recall { .. } => {}
        }
        let Awaited { id, effect, .. } = wanted;
        self.open.push(Open { id, effect, child, run: (0, None), votes: Vec::new() });
    }

    /// Gives the machine everything that it takes now.
    fn pump(&mut self) {
        while self.parked.is_none() && (self.offer_due() || self.offer_mail() || self.offer_result()) {}
    }

    fn offer_mail(&mut self) -> bool {
        if self.gave.is_some() && !self.is_asked && !self.mail.is_empty() {
            self.open_again();
            return true;
        }
        let mut at = 0;
        while let Some(mail) = self.mail.get_mut(at) {
            match self.machine.disposition(self.folder.program(self.agent), &mail.event) {
                Disposition::Take => {
                    let Some(mail) = self.mail.remove(at) else { return false };
                    self.step(mail.event);
                    return true;
                }
                Disposition::Join => {
                    mail.is_joined = true;
                    at += 1;
                }
                // A joined message is never lost: it waits for a step that reads history, or a state that takes it.
                Disposition::Drop | Disposition::Stale if !mail.is_joined => {
                    if let Some(Mail { event: Event::Message(message), .. }) = self.mail.remove(at) {
                        self.happened.push(Happening::Dropped(message.text.clone()));
                    }
                }
                _ => at += 1,
            }
        }
        false
    }

    /// Ruling 15: what was held opens the next session; its slots begin anew.
    fn open_again(&mut self) {
        let program = self.program();
        self.gave = None;
        self.deadlines.clear();
        self.machine = Machine::new(program);
        let parameters = plain_parameters(program);
        let result = self.machine.start_with(program, &parameters, self.now_ms);
        self.apply(result);
    }

    /// Memory and asked agents answer by themselves.
    fn offer_result(&mut self) -> bool {
        for at in 0..self.open.len() {
            let Some(open) = self.open.get_mut(at) else { break };
            let outcome = match (&open.effect, &mut open.child) {
                (Effect::Recall { query, scope, top }, _) => Some(recall(&self.memory, query, *scope, *top)),
                (Effect::AskAgent { .. }, None) => {
                    Some(failed(FailureKind::Broken, "there is no such agent"))
                }
                (Effect::AskAgent { .. }, Some(child)) => {
                    self.happened.append(&mut child.happened);
                    match (&child.parked, &child.gave) {
                        (Some(why), _) => Some(failed(FailureKind::Broken, why)),
                        (None, Some(value)) => Some(Outcome::Done(value.clone().unwrap_or(Value::None))),
                        (None, None) => None,
                    }
                }
                _ => None,
            };
            if let Some(outcome) = outcome {
                let id = open.id;
                self.step(Event::Resolved { effect: id, outcome });
                return true;
            }
        }
        false
    }

    /// Lets tools answer: what the test says, or, when `told_only` is false, whatever they say by themselves.
    pub fn settle(&mut self, world: &World, told_only: bool) {
        while self.any_open(&mut |session, at| session.answer_tool(world, at, told_only)) {}
    }
}

/// Plain values for the parameters of an agent that nobody asks here.
fn plain_parameters(program: &Program) -> Vec<Value> {
    let plain = Representatives::plain(program);
    let slots = program.slots.iter().take(usize::from(program.parameters));
    slots.map(|slot| plain.first(slot.shape).unwrap_or(Value::None)).collect()
}

/// The texts that share a word with the query, newest first.
fn recall(memory: &[(MemoryScope, Arc<str>)], query: &str, scope: MemoryScope, top: u32) -> Outcome {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let fits = |text: &str| {
        let text = text.to_lowercase();
        words.is_empty() || words.iter().any(|word| text.contains(word.as_str()))
    };
    let found = memory.iter().rev().filter(|(known, text)| *known == scope && fits(text));
    Outcome::Done(Value::List(found.take(top as usize).map(|(_, text)| Value::Text(text.clone())).collect()))
}
