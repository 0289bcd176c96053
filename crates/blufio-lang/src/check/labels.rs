// SPDX-License-Identifier: MIT OR Apache-2.0
//! Information flow: from where each value, the history, memory and each decision may come. One monotone fixpoint over
//! all agents of a folder; what it finds is judged here (`never LABEL reaches TOOL`, secrets, `run`) and in
//! `approvals` (dangerous calls).
//!
//! The choices that it rests on:
//! * Words of the owner are trusted, those of every other sender are `message` (see `trust`). A webhook is signed, but
//!   what it carries was written elsewhere: its event is `web`.
//! * What a model gives carries everything that its prompt held. What a tool gives carries the label of its manifest
//!   and those of its arguments; secrets stop there, because only tools that give secrets take them.
//! * A step is decided by what the branches read that choose between running it and not, until their ways meet again.
//!   That an earlier step failed, or that an event never came, withholds a step and does not choose it.
//! * An event decides everything until the session is at rest again, where nothing of it but slots, history and memory
//!   is left.
//! * What fails is taken back whole (ruling 6), so whoever takes the failure finds what was there before.
//! * What a session of another version brings along is trusted by nobody: see `versions`. Where no `migrate` says so,
//!   sessions come over only with what the proofs here count on: see `rest` and `machine::migrate`.
//!
//! `simulate::soundness` holds all of it against the labels that running sessions really meet.

pub(super) mod arrows;
pub(super) mod cells;
mod control;
pub(super) mod graph;
pub(super) mod judged;
#[cfg(test)]
pub(crate) mod places;
mod rest;
mod trust;
pub(super) mod values;
mod versions;

#[cfg(test)]
pub(crate) mod tests;

use arrows::{AgentFlow, Artist, Interface, Memory};
use cells::{Cells, Labels, Role};

use super::{Checked, approvals};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{Handler, HandlerAction, Label, Program, Request, Step, StepKind, Who};

/// The solved fixpoint.
pub(super) struct Analysis<'p> {
    pub cells: Cells,
    pub agents: Vec<AgentFlow<'p>>,
    /// Whether a session of the agent may hold words of several senders.
    pub mixed: Vec<bool>,
    /// Where sessions of each agent rest.
    resting: Vec<Vec<rest::Resting>>,
}

impl Analysis<'_> {
    /// Whether the sender of messages to an agent is the owner.
    pub fn sender_is_owner(&self, agent: usize) -> bool {
        self.cells.labels(self.agents[agent].interface.sender).untrusted().is_empty()
    }

    /// What decides whether a node runs.
    pub fn control(&self, agent: usize, node: graph::NodeId) -> Labels {
        self.cells.labels(self.agents[agent].control(node))
    }
}

/// Checks every agent of the folder, and notes the labels of slots and of what rests.
pub(super) fn check(checked: &mut Checked, diagnostics: &mut Diagnostics) {
    let facts = {
        let programs: Vec<&Program> = checked.agents.iter().map(|agent| &agent.program).collect();
        let analysis = analyse(&programs, checked.routes.as_ref());
        judged::check(&analysis, diagnostics);
        let relies = approvals::check(&analysis, diagnostics);
        let rests: Vec<_> =
            (0..).zip(&relies).map(|(at, relies)| rest::found(&analysis, at, relies)).collect();
        slot_labels(&analysis).into_iter().zip(rests)
    };
    for (agent, (labels, rests)) in checked.agents.iter_mut().zip(facts) {
        agent.facts.labels = labels;
        for (state, rest) in rests {
            agent.program.states[state].rest = Some(rest);
        }
    }
}

fn slot_labels(analysis: &Analysis<'_>) -> Vec<Vec<(String, Vec<&'static str>)>> {
    let labels_of = |flow: &AgentFlow<'_>| {
        let mut labels = vec![Labels::default(); flow.graph.program.slots.len()];
        for (at, held) in labels.iter_mut().enumerate() {
            for cell in flow.values.cells_of(at as u32) {
                *held = held.union(analysis.cells.labels(cell));
            }
        }
        let slots = flow.graph.program.slots.iter().zip(labels);
        slots.map(|(slot, held)| (slot.name.clone(), held.iter().map(Label::word).collect())).collect()
    };
    analysis.agents.iter().map(labels_of).collect()
}

/// Whether an agent is asked, and by nobody of this folder.
fn answers_outside(programs: &[&Program], program: &Program) -> bool {
    answers(program) && !programs.iter().any(|p| p.asks.iter().any(|ask| ask.agent == program.name))
}

/// Whether others ask an agent: then `done` answers them.
fn answers(program: &Program) -> bool {
    program.parameters > 0 || program.gives.is_some()
}

fn analyse<'p>(programs: &[&'p Program], routes: Option<&super::routes::Routes>) -> Analysis<'p> {
    let mut analysis = draw(programs, routes);
    analysis.resting = analysis.agents.iter_mut().map(|flow| rest::draw(flow, &mut analysis.cells)).collect();
    analysis.cells.solve();
    analysis
}

/// Cells and arrows, before any label is spread.
fn draw<'p>(programs: &[&'p Program], routes: Option<&super::routes::Routes>) -> Analysis<'p> {
    let mut cells = Cells::default();
    let mut agents: Vec<AgentFlow<'p>> =
        programs.iter().map(|program| AgentFlow::new(program, answers(program), &mut cells)).collect();
    let interfaces: Vec<Interface> = agents.iter().map(|flow| flow.interface.clone()).collect();
    let trust: Vec<trust::Trust> = programs.iter().map(|program| trust::of(routes, &program.name)).collect();
    let mut mixed: Vec<bool> = trust
        .iter()
        .zip(programs)
        .map(|(trust, program)| trust.mixed || handlers(program).any(|h| h.trigger.brings_a_name()))
        .collect();
    let [person, chat, all] = [(); 3].map(|()| cells.cell(Role::Memory));
    for (at, program) in programs.iter().enumerate() {
        let interface = &interfaces[at];
        if trust[at].from_others {
            let source = cells.source(Label::Message, Span::default(), "a sender who is not the owner");
            cells.flow(source, interface.sender, Span::default());
        }
        // Nobody of this folder asks it: whoever does is unknown.
        if answers_outside(programs, program) {
            let source = cells.source(Label::Agent, Span::default(), "whoever asks this agent");
            for cell in interface.parameters.iter().chain([&interface.control]) {
                cells.flow(source, *cell, Span::default());
            }
        }
    }
    for flow in &mut agents {
        let memory = Memory { person, chat, agent: cells.cell(Role::Memory), all };
        let program = flow.graph.program;
        let mut artist = Artist {
            cells: &mut cells,
            flow,
            agents: &interfaces,
            memory,
            answers_outside: answers_outside(programs, program),
            joins: false,
            joins_names: false,
            beside: Vec::new(),
        };
        artist.draw(answers(program));
    }
    spread_mixed(programs, &mut mixed);
    Analysis { cells, agents, mixed, resting: Vec::new() }
}

/// Who is asked `here` talks to whoever the asker talks to. Where words of somebody else come in by a question, or by an
/// agent that talks to somebody else than its asker, a message is not the sender's own any more.
fn spread_mixed(programs: &[&Program], mixed: &mut [bool]) {
    let asked: Vec<Vec<Talk<'_>>> = programs.iter().map(|program| talks(program)).collect();
    for (at, talks) in asked.iter().enumerate() {
        mixed[at] |= talks.iter().any(|talk| matches!(talk, Talk::Question));
    }
    for _ in 0..programs.len() {
        let mut changed = false;
        for (at, talks) in asked.iter().enumerate() {
            for talk in talks {
                let name = match talk {
                    Talk::Here(name) if mixed[at] => *name,
                    Talk::With(name) => *name,
                    _ => continue,
                };
                if let Some(to) = programs.iter().position(|p| p.name == name) {
                    changed |= !std::mem::replace(&mut mixed[to], true);
                }
            }
        }
        if !changed {
            break;
        }
    }
}

/// How an agent lets people talk besides its own messages.
enum Talk<'p> {
    /// It asks somebody of `people`.
    Question,
    /// It hands its conversation to this agent.
    Here(&'p str),
    /// It lets this agent talk to somebody.
    With(&'p str),
}

fn handlers(program: &Program) -> impl Iterator<Item = &Handler> {
    program.states.iter().flat_map(|s| &s.handlers).chain(&program.anywhere)
}

fn talks(program: &Program) -> Vec<Talk<'_>> {
    let timers = program.states.iter().flat_map(|s| &s.timers).map(|t| &t.steps);
    let handled = handlers(program).filter_map(|h| match &h.action {
        HandlerAction::Run { steps, .. } => Some(steps),
        _ => None,
    });
    let (mut out, mut work) = (Vec::new(), Vec::<&Step>::new());
    work.extend(program.states.iter().map(|s| &s.body).chain(timers).chain(handled).flatten());
    while let Some(step) = work.pop() {
        let requests = match &step.kind {
            StepKind::Request(request) => std::slice::from_ref(request),
            StepKind::Together(branches) => branches,
            _ => &[],
        };
        for request in requests {
            let asked = |grant: u32| program.asks.get(grant as usize).map_or("", |ask| ask.agent.as_str());
            out.extend(match &request.request {
                Request::AskPerson { whom: Who::Person(_) | Who::Quorum(..), .. } => Some(Talk::Question),
                Request::AskAgent { grant, with: Some(_), .. } => Some(Talk::With(asked(*grant))),
                Request::AskAgent { grant, here: true, .. } => Some(Talk::Here(asked(*grant))),
                _ => None,
            });
        }
        work.extend(super::flow::blocks(step).into_iter().flatten());
    }
    out
}
