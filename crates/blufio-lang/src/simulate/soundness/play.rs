// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a session under labels: whatever can happen happens at random, agents that are asked run themselves.

use std::sync::Arc;

use super::case::{Agent, Case};
use super::dice::Dice;
use super::hostile::Hostile;
use crate::check::labels::places::Labels;
use crate::effect::{Action, Disposition, Effect, Event, Fault, Outcome, StepResult, Stop};
use crate::machine::Machine;
use crate::machine::shadow::{Shadow, World};
use crate::simulate::explore::Deadline;
use crate::simulate::explore::choices::{Choice, Menu};
use crate::simulate::representative::message;
use crate::typed::Label;
use crate::value::Value;

/// Deepest chain of agents that ask each other.
const DEPTH_MAX: usize = 3;

/// What was seen in some runs.
#[derive(Debug, Default)]
pub struct Seen {
    pub runs: u64,
    pub steps: u64,
    pub compared: u64,
    pub violations: Vec<String>,
    pub finished: u64,
    pub children: u64,
    /// Sessions that came from another program.
    pub moved: u64,
}

/// How a session is opened.
#[derive(Clone, Default)]
pub struct Opening {
    pub control: Labels,
    pub parameters: Option<(Vec<Value>, Vec<Labels>)>,
    pub world: World,
    pub sender: Labels,
}

/// How a session ended: what it gave, and the labels of that.
pub struct Ended {
    pub value: Option<Value>,
    pub gave: Labels,
    pub world: World,
}

/// Plays sessions of a case.
pub struct Player<'c> {
    pub case: &'c Case,
    pub menus: Vec<Menu<'c>>,
    pub dice: Dice,
    pub seen: Seen,
    /// A world that attacks.
    pub hostile: Option<Hostile>,
    /// Who goes on with the sessions that move to another program.
    pub next: Option<Box<Player<'c>>>,
}

impl<'c> Player<'c> {
    pub fn new(case: &'c Case, seed: u64) -> Self {
        let menus = case.agents.iter().map(|agent| Menu::new(&agent.typed, &agent.program)).collect();
        Self { case, menus, dice: Dice::new(seed), seen: Seen::default(), hostile: None, next: None }
    }

    /// One run of the first agent.
    pub fn run(&mut self, steps_max: usize) {
        self.seen.runs += 1;
        let index = self.case.agents.iter().position(|agent| agent.typed.name == "a").unwrap();
        let mut opening = Opening { sender: self.sender(index), ..Opening::default() };
        if self.case.agents[index].known.places.answers {
            opening.control = Labels::of(Label::Agent);
        }
        // What is done with a session is kept for the next one.
        for _ in 0..2 {
            match self.session(index, opening.clone(), steps_max, 0) {
                Some(ended) => opening.world = ended.world,
                None => return,
            }
        }
    }

    /// Who writes: the owner, or somebody else where others may.
    fn sender(&mut self, index: usize) -> Labels {
        if self.case.agents[index].is_public && !self.dice.one_in(4) {
            Labels::of(Label::Message)
        } else {
            Labels::default()
        }
    }

    fn session(&mut self, index: usize, opening: Opening, steps_max: usize, depth: usize) -> Option<Ended> {
        let case = self.case;
        let agent = &case.agents[index];
        let program = &agent.program;
        let mut machine = Machine::new(program);
        let mut shadow = Shadow::new(program, agent.known.clone());
        let (values, labels) = match opening.parameters {
            Some((values, labels)) => (values, labels),
            None => {
                let values = self.menus[index].parameters();
                let labels = vec![opening.control; values.len()];
                (values, labels)
            }
        };
        shadow.opened = (opening.control, labels);
        shadow.world = opening.world;
        shadow.sender = opening.sender;
        machine.carry(shadow);
        let before = self.hostile.as_mut().map(|hostile| hostile.begins(agent.is_public));
        let result = machine.start_with(program, &values, crate::simulate::BEGINNING_MS);
        let ended = self.goes_on(index, machine, result, steps_max, depth);
        if let (Some(hostile), Some(before)) = (&mut self.hostile, before) {
            hostile.ends(before);
        }
        ended
    }

    fn goes_on(
        &mut self,
        index: usize,
        mut machine: Machine,
        mut result: StepResult,
        steps_max: usize,
        depth: usize,
    ) -> Option<Ended> {
        let case = self.case;
        let agent = &case.agents[index];
        let program = &agent.program;
        let (mut deadlines, mut calls) = (Vec::new(), 0);
        for step in 0..steps_max {
            self.seen.steps += 1;
            calls += spent(agent, &result);
            if calls > agent.bound {
                let text = format!("{calls} model calls, at most {} are allowed", agent.bound);
                machine.labels().violations.push(text);
            }
            self.follow(index, &mut machine, &mut deadlines, &result);
            match &result.stop {
                Stop::Done(_) | Stop::Fault(_) => break,
                Stop::Idle if depth == 0 && deadlines.is_empty() => {
                    if let Some(moved) = self.moves(index, &mut machine) {
                        let next = self.next.as_mut()?;
                        return next.goes_on(moved.0, moved.1, result_of_nothing(), steps_max - step, 0);
                    }
                }
                _ => {}
            }
            let Some(choice) = self.choose(index, &mut machine, &deadlines) else { break };
            let choice = match self.given(index, &mut machine, choice, depth) {
                Some(choice) => choice,
                None => continue,
            };
            if !matches!(choice.event, Event::Timer { .. } | Event::Resolved { .. }) {
                calls = 0;
            }
            self.label(index, agent, &mut machine, &choice.event);
            if let Some(hostile) = &mut self.hostile {
                hostile.decided(program, &machine, &choice.event);
            }
            if let Event::Timer { timer, .. } = choice.event {
                deadlines.retain(|deadline: &Deadline| deadline.timer != timer);
            }
            result = machine.step(program, choice.event, choice.now_ms);
        }
        self.end(machine, result)
    }

    /// The session in the other program, where it may move to it.
    fn moves(&mut self, index: usize, machine: &mut Machine) -> Option<(usize, Machine)> {
        let next = self.next.as_mut()?;
        let old = &self.case.agents[index];
        let there = next.case.agents.iter().position(|agent| agent.typed.name == old.typed.name)?;
        let new = &next.case.agents[there];
        let mut moved = machine.migrate(&old.program, &new.program, None).ok()?;
        let state = moved.state();
        let shadow = machine.labels().moved(&old.program, Arc::clone(&new.known), &new.program, state);
        moved.carry(shadow);
        next.seen.moved += 1;
        Some((there, moved))
    }

    fn end(&mut self, mut machine: Machine, result: StepResult) -> Option<Ended> {
        let shadow = machine.labels();
        self.seen.compared += shadow.compared;
        self.seen.violations.append(&mut shadow.violations);
        if let Stop::Fault(fault @ (Fault::Corrupt(_) | Fault::OutOfFuel)) = &result.stop {
            self.seen.violations.push(format!("{fault:?}"));
        }
        match result.stop {
            Stop::Done(value) => {
                self.seen.finished += 1;
                Some(Ended { value, gave: shadow.gave, world: shadow.world.clone() })
            }
            _ => None,
        }
    }

    fn follow(
        &mut self,
        index: usize,
        machine: &mut Machine,
        deadlines: &mut Vec<Deadline>,
        result: &StepResult,
    ) {
        for action in &result.actions {
            match action {
                Action::SetTimer { visit, timer, due_ms } => {
                    deadlines.push(Deadline { due_ms: *due_ms, timer: *timer, visit: *visit });
                }
                Action::ClearTimers => deadlines.clear(),
                _ => {}
            }
        }
        let case = self.case;
        if let (Some(hostile), Stop::Await(awaited)) = (&mut self.hostile, &result.stop) {
            for awaited in awaited.iter().filter(|awaited| awaited.fresh) {
                hostile.watch(&mut self.dice, &case.agents[index].program, machine, awaited, &case.text);
            }
        }
    }

    /// Something that can happen; failures less often than the rest.
    fn choose(&mut self, index: usize, machine: &mut Machine, deadlines: &[Deadline]) -> Option<Choice> {
        let mut choices = self.menus[index].choices(machine, deadlines);
        if choices.is_empty() {
            return None;
        }
        let mut at = self.dice.below(choices.len());
        if choices[at].is_failure && !self.dice.one_in(3) {
            at = self.dice.below(choices.len());
        }
        let choice = choices.swap_remove(at);
        let Some(hostile) = &self.hostile else { return Some(choice) };
        let agent = &self.case.agents[index];
        Some(hostile.obey(&mut self.dice, &agent.program, machine, choice, agent.is_public))
    }

    /// What an asked agent gives, it must have given itself.
    fn given(&mut self, index: usize, machine: &mut Machine, choice: Choice, depth: usize) -> Option<Choice> {
        machine.labels().given = Labels::default();
        let Event::Resolved { effect: id, outcome: Outcome::Done(_) } = &choice.event else {
            return Some(choice);
        };
        let program = &self.case.agents[index].program;
        let pending = machine.pending(program).into_iter().find(|(known, _)| known == id);
        let Some((_, Effect::AskAgent { grant, arguments, .. })) = pending else { return Some(choice) };
        let name = &program.asks[grant as usize].agent;
        let asked = self.case.agents.iter().position(|agent| agent.typed.name == *name)?;
        if depth >= DEPTH_MAX {
            return None;
        }
        self.seen.children += 1;
        let shadow = machine.labels();
        let (labels, control) = shadow.asked_with(id.number);
        let opening = Opening {
            control,
            parameters: Some((arguments.to_vec(), labels)),
            world: World { memory: shadow.world.memory, history: Labels::default() },
            sender: Labels::default(),
        };
        let ended = self.session(asked, opening, 12, depth + 1)?;
        let shadow = machine.labels();
        for scope in [0, 1, 3] {
            shadow.world.memory[scope] = shadow.world.memory[scope].union(ended.world.memory[scope]);
        }
        shadow.given = ended.gave;
        let event =
            Event::Resolved { effect: *id, outcome: Outcome::Done(ended.value.unwrap_or(Value::None)) };
        Some(Choice { event, ..choice })
    }

    /// Labels of what happens.
    fn label(&mut self, index: usize, agent: &Agent, machine: &mut Machine, event: &Event) {
        let sender = self.sender(index);
        let joins =
            machine.disposition(&agent.program, &Event::Message(message("more").into())) == Disposition::Join;
        let joins = joins && self.dice.one_in(4);
        let shadow = machine.labels();
        if joins {
            shadow.joined = shadow.joined.union(sender);
        }
        match event {
            Event::Message(_) | Event::Channel { .. } => {
                shadow.sender = sender;
                shadow.incoming = sender;
                shadow.world.history = shadow.world.history.union(sender);
            }
            Event::Declared { .. } => shadow.incoming = Labels::of(Label::Web),
            Event::Wake { wake } => shadow.incoming = shadow.wake(*wake),
            Event::Every(schedule) => {
                let calls = &agent.program.schedules[*schedule as usize].when_changed;
                let labels =
                    calls.iter().filter_map(|(grant, _)| agent.program.tools[usize::from(*grant)].label);
                shadow.incoming = labels.fold(Labels::default(), |all, label| all.union(Labels::of(label)));
            }
            Event::Timer { timer, .. } => shadow.incoming = shadow.timer(*timer),
            Event::Resolved { .. } => {}
        }
    }
}

/// What a session that rests did last, once it was looked at.
fn result_of_nothing() -> StepResult {
    StepResult { actions: Vec::new(), stop: Stop::Idle }
}

/// Model calls that a step asked for, every attempt counted, and an asked agent as often as was proved of it.
fn spent(agent: &Agent, result: &StepResult) -> u32 {
    let Stop::Await(awaited) = &result.stop else { return 0 };
    let of = |effect: &Effect| match effect {
        Effect::Model(model) => model.retries + 1,
        Effect::AskAgent { grant, .. } => {
            let ask = &agent.typed.asks[*grant as usize];
            ask.calls_max.into_iter().chain(ask.calls_bound).min().unwrap_or(0)
        }
        _ => 0,
    };
    awaited.iter().filter(|awaited| awaited.fresh).map(|awaited| of(&awaited.effect)).sum()
}
