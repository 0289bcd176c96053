// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fixpoint says of every place of the code, for the tests that compare it with the labels that a running
//! machine really meets. A place is a state, whether another step is pending meanwhile, and a span.

use std::collections::HashMap;

use super::super::routes::Routes;
use super::arrows::AgentFlow;
pub(crate) use super::cells::Labels;
use super::cells::{CellId, Cells};
use super::graph::{Graph, Kind, NodeId};
use crate::source::Span;
use crate::typed::{Program, Step, StepKind, Variable};

/// What is said of one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub control: Labels,
    pub history: Labels,
    /// What the step reads, and so gives.
    pub result: Labels,
    /// Slots, then the locals of the code's frame, as the step finds them; absent where a step only begins a block.
    pub variables: Option<Vec<Labels>>,
    /// What each argument of a call holds.
    pub arguments: Vec<Labels>,
    /// What the calls of a `run` hold.
    pub calls: Option<Labels>,
    pub is_anywhere: bool,
}

/// A state as it is entered, or as it waits.
pub(crate) type Rest = (u32, bool);

/// The places of an agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub places: HashMap<(u32, bool, Span), Place>,
    /// Where a session is at rest.
    pub hubs: Vec<Rest>,
    /// For each state, where a session comes to rest that takes an event there: while it waits, while a step is pending.
    pub homes: Vec<[Option<Rest>; 2]>,
    /// Whether `done` gives a value to who asked.
    pub answers: bool,
}

/// Solves the fixpoint with every variable read at every place.
pub(crate) fn places(programs: &[&Program], routes: Option<&Routes>) -> Vec<Places> {
    let mut analysis = super::draw(programs, routes);
    let mut read: Vec<HashMap<NodeId, Vec<CellId>>> = Vec::new();
    for flow in &mut analysis.agents {
        let nodes: Vec<NodeId> = flow.graph.ids().collect();
        let of = |at: NodeId| (at, variables(flow, &mut analysis.cells, at));
        read.push(nodes.into_iter().map(of).collect());
    }
    analysis.cells.solve();
    let each = analysis.agents.iter().zip(&read).zip(programs);
    each.map(|((flow, read), program)| of_agent(&analysis.cells, flow, read, super::answers(program)))
        .collect()
}

fn variables(flow: &mut AgentFlow<'_>, cells: &mut Cells, at: NodeId) -> Vec<CellId> {
    let program = flow.graph.program;
    let node = &flow.graph.nodes[at as usize];
    let locals = if node.is_anywhere {
        program.anywhere_locals.len()
    } else {
        program.states[node.state as usize].locals.len()
    };
    let all = (0..program.slots.len() as u32)
        .map(Variable::Slot)
        .chain((0..locals as u32).map(Variable::Local))
        .map(|variable| flow.values.variable(node, variable))
        .collect::<Vec<_>>();
    all.into_iter().map(|variable| flow.values.read(&flow.graph, cells, variable, at)).collect()
}

fn of_agent(
    cells: &Cells,
    flow: &AgentFlow<'_>,
    read: &HashMap<NodeId, Vec<CellId>>,
    answers: bool,
) -> Places {
    let graph = &flow.graph;
    let mut out = Places { answers, ..Places::default() };
    let rest = |at: NodeId| match graph.nodes[at as usize].kind {
        Kind::Entry => Some((graph.nodes[at as usize].state, false)),
        Kind::Wait => Some((graph.nodes[at as usize].state, true)),
        _ => None,
    };
    out.hubs = graph.ids().filter(|at| graph.is_hub[*at as usize]).filter_map(rest).collect();
    for state in 0..graph.program.states.len() {
        let wait = Graph::wait(state);
        out.homes.push([wait, wait + 1].map(|at| rest(graph.home[at as usize])));
    }
    for at in graph.ids() {
        let node = &graph.nodes[at as usize];
        let pending = Graph::wait(node.state as usize) + 1;
        let is_beside = graph.beside.get(&pending).into_iter().flatten().any(|range| range.contains(&at));
        let (span, is_step) = match &node.kind {
            Kind::Step(step) => (step.span, true),
            Kind::Arm(step, index, _) => match arm_span(step, *index) {
                Some(span) => (span, false),
                None => continue,
            },
            _ => continue,
        };
        let labels = |cell: CellId| cells.labels(cell);
        let variables = read.get(&at).map(|read| read.iter().map(|cell| labels(*cell)).collect::<Vec<_>>());
        let call = flow.calls.iter().find(|call| call.node == at);
        let place = Place {
            control: labels(flow.control(at)),
            history: labels(flow.history(at)),
            result: labels(flow.result(at)),
            variables: variables.filter(|_| is_step),
            arguments: call
                .map(|c| c.arguments.iter().map(|(_, _, cell)| labels(*cell)).collect())
                .unwrap_or_default(),
            calls: flow.runs.iter().find(|run| run.node == at).map(|run| labels(run.calls)),
            is_anywhere: node.is_anywhere,
        };
        join(out.places.entry((node.state, is_beside, span)).or_default(), place);
    }
    out
}

/// The span that the code of an arm carries, where it has one of its own.
fn arm_span(step: &Step, index: usize) -> Option<Span> {
    match &step.kind {
        StepKind::Match { arms, .. } | StepKind::PickArms { arms, .. } => arms.get(index).map(|arm| arm.span),
        StepKind::Request(request) => request.arms.get(index).map(|arm| arm.span),
        _ => None,
    }
}

/// Several nodes at one place: what any of them may hold.
fn join(known: &mut Place, other: Place) {
    known.control = known.control.union(other.control);
    known.history = known.history.union(other.history);
    known.result = known.result.union(other.result);
    known.is_anywhere |= other.is_anywhere;
    match (&mut known.variables, other.variables) {
        (Some(known), Some(other)) => {
            for (known, other) in known.iter_mut().zip(other) {
                *known = known.union(other);
            }
        }
        (known, other) => *known = known.take().or(other),
    }
    known.calls = known.calls.or(other.calls);
    if known.arguments.is_empty() {
        known.arguments = other.arguments;
    } else {
        for (known, other) in known.arguments.iter_mut().zip(other.arguments) {
            *known = known.union(other);
        }
    }
}
