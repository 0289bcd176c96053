// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sessions carry where they rest, for those that move to another version (ruling 17). The labels of a slot are
//! those at this wait, not those of all its values: what is put there on another way and never comes here says nothing
//! of what the handlers here may be given.

use std::collections::BTreeSet;

use super::Analysis;
use super::arrows::AgentFlow;
use super::cells::{CellId, Cells};
use super::graph::{Graph, Kind, NodeId};
use crate::typed::{Labels, Rest, Variable};

/// A state that waits, and the cells of what a session has there.
#[derive(Debug)]
pub(super) struct Resting {
    state: usize,
    slots: Vec<CellId>,
    locals: Vec<CellId>,
    /// Of each deadline; it is drawn apart for the state while a step is pending.
    timers: Vec<Vec<CellId>>,
}

/// Reads everything where an agent waits. Comes after all other arrows, so that no way is told differently for it.
pub(super) fn draw(flow: &mut AgentFlow<'_>, cells: &mut Cells) -> Vec<Resting> {
    let program = flow.graph.program;
    let mut timers: Vec<Vec<Vec<CellId>>> =
        program.states.iter().map(|state| vec![Vec::new(); state.timers.len()]).collect();
    for (at, node) in (0..).zip(&flow.graph.nodes) {
        if let Kind::Timer(timer) = node.kind {
            let declared = &program.states[node.state as usize].timers;
            let index = declared.iter().position(|known| std::ptr::eq(known, timer)).unwrap_or(0);
            timers[node.state as usize][index].push(flow.result(at));
        }
    }
    let waiting = (0..).zip(&program.states).zip(timers);
    let mut out = Vec::new();
    for ((state, declared), timers) in waiting {
        let wait = Graph::wait(state);
        if !flow.graph.reachable[wait as usize] {
            continue;
        }
        let slots = (0..program.slots.len() as u32).map(|at| read(flow, cells, wait, Variable::Slot(at)));
        let slots = slots.collect();
        let locals = (0..declared.locals.len() as u32).map(|at| read(flow, cells, wait, Variable::Local(at)));
        let locals = locals.collect();
        out.push(Resting { state, slots, locals, timers });
    }
    out
}

fn read(flow: &mut AgentFlow<'_>, cells: &mut Cells, wait: NodeId, variable: Variable) -> CellId {
    let variable = flow.values.variable(&flow.graph.nodes[wait as usize], variable);
    flow.values.read(&flow.graph, cells, variable, wait)
}

/// What the fixpoint says of each state of an agent that waits. `relies`: those behind whose wait a dangerous call counts
/// on an approval before it.
pub(super) fn found(analysis: &Analysis<'_>, agent: usize, relies: &BTreeSet<u32>) -> Vec<(usize, Rest)> {
    let flow = &analysis.agents[agent];
    let labels = |cell: &CellId| analysis.cells.labels(*cell);
    let joined = |cells: &Vec<CellId>| cells.iter().map(labels).fold(Labels::default(), Labels::union);
    let rest = |resting: &Resting| {
        let wait = Graph::wait(resting.state);
        let rest = Rest {
            slots: resting.slots.iter().map(labels).collect(),
            locals: resting.locals.iter().map(labels).collect(),
            timers: resting.timers.iter().map(joined).collect(),
            history: labels(&flow.history(wait)),
            wakes: labels(&flow.values.wakes),
            sender: labels(&flow.interface.sender),
            mixed: analysis.mixed[agent],
            control: labels(&flow.control(wait)),
            forgets: flow.graph.is_hub[wait as usize],
            relies: relies.contains(&(resting.state as u32)),
        };
        (resting.state, rest)
    };
    analysis.resting[agent].iter().map(rest).collect()
}
