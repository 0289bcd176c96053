// SPDX-License-Identifier: MIT OR Apache-2.0
//! The graph of an agent as the proofs read it: one edge per way from state to state, with its cause and cost.

use std::collections::BTreeSet;

use super::closed;
use crate::typed::{Handler, HandlerAction, Program, Request, RequestStep, StateId, Step, StepKind, Trigger};

/// Why a session goes from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The state's own steps: nothing is waited for.
    Body,
    /// A step failed (or is uncertain), and a handler took it: nothing is waited for.
    Failure,
    /// The same, but only steps of handlers can fail: an event comes first.
    HandlerFailure,
    /// A deadline: no new event, so counters go on.
    Timer,
    /// A new event: counters begin again.
    Event,
}

/// An edge.
#[derive(Debug, Clone)]
pub(super) struct Edge<'p> {
    pub from: usize,
    pub to: usize,
    pub cause: Cause,
    /// The steps that the arrow stands in, from the wait that was left on; none of a visit cap.
    pub steps: &'p [Step],
    /// Whether a handler of `anywhere` leads there.
    pub is_anywhere: bool,
}

/// What the proofs need to know of a state.
#[derive(Debug, Default)]
pub(super) struct StateFacts<'p> {
    /// Steps on entry.
    pub body: &'p [Step],
    /// Whether the body may end without an arrow, so that the session waits here.
    pub may_wait: bool,
    /// Whether the body (or a handler of the state that runs without waiting for an event) asks a model or sends.
    pub has_effect: bool,
    /// Whether the body has a model step that reads the history, on every way to its end.
    pub reads_history: bool,
    /// Handlers in force: the state's own, then `anywhere`'s for other triggers.
    pub handlers: Vec<&'p Handler>,
}

/// The graph.
#[derive(Debug, Default)]
pub(super) struct Flow<'p> {
    pub states: Vec<StateFacts<'p>>,
    /// Edges, grouped by the state they leave.
    pub edges: Vec<Edge<'p>>,
    /// Where failures of states lead that `anywhere`'s failure handlers lead to: the second one in a row parks the session
    /// (ruling 8), the first one does not.
    pub parked: Vec<Edge<'p>>,
    /// Index of each state's first edge, and one past the last edge at the end.
    starts: Vec<usize>,
}

impl<'p> Flow<'p> {
    /// Edges that leave a state.
    pub fn from(&self, state: usize) -> std::slice::Iter<'_, Edge<'p>> {
        match (self.starts.get(state), self.starts.get(state + 1)) {
            (Some(&first), Some(&end)) => self.edges[first..end].iter(),
            _ => [].iter(),
        }
    }

    /// As [`Flow::from`], of the edges that the graph leaves out because they may park the session.
    pub fn parked_from(&self, state: usize) -> impl Iterator<Item = &Edge<'p>> + Clone {
        self.parked.iter().filter(move |edge| edge.from == state)
    }

    /// For each state the states with an edge to it.
    pub fn predecessors(&self) -> Vec<Vec<usize>> {
        let mut out = vec![Vec::new(); self.states.len()];
        for edge in &self.edges {
            out[edge.to].push(edge.from);
        }
        out
    }
}

/// Builds the graph.
pub(super) fn flow<'p>(program: &'p Program) -> Flow<'p> {
    let mut flow = Flow::default();
    // Ruling 8: in the target of `anywhere on failed` a failure may park the session, unless the target takes it itself.
    let parking = failure_targets(program);
    for (at, state) in program.states.iter().enumerate() {
        let mut facts = StateFacts {
            body: &state.body,
            may_wait: may_end(&state.body),
            has_effect: has_effect(&state.body),
            reads_history: always_reads_history(&state.body),
            handlers: handlers_in_force(program, at),
        };
        let mut edges = Vec::new();
        let mut push = |steps: &'p [Step], cause: Cause, is_anywhere: bool| {
            let to = targets(steps).into_iter().map(|to| to.0 as usize);
            let is_failure = matches!(cause, Cause::Failure | Cause::HandlerFailure);
            let parks = is_anywhere && is_failure && parking.contains(&at);
            let edges = if parks { &mut flow.parked } else { &mut edges };
            edges.extend(to.map(|to| Edge { from: at, to, cause, steps, is_anywhere }));
        };
        push(&state.body, Cause::Body, false);
        for timer in &state.timers {
            push(&timer.steps, Cause::Timer, false);
            facts.has_effect |= has_effect(&timer.steps);
        }
        let own = state.handlers.len();
        for (index, handler) in facts.handlers.iter().enumerate() {
            let HandlerAction::Run { steps, .. } = &handler.action else { continue };
            if !is_failure(&handler.trigger) {
                push(steps, Cause::Event, index >= own);
            } else if closed::can_raise(program, at, &handler.trigger) {
                let by_itself = closed::raises_by_itself(program, at, &handler.trigger);
                let cause = if by_itself { Cause::Failure } else { Cause::HandlerFailure };
                push(steps, cause, index >= own);
            }
        }
        for (handler, by_itself) in second_failures(program, at) {
            if let HandlerAction::Run { steps, .. } = &handler.action {
                let cause = if by_itself { Cause::Failure } else { Cause::HandlerFailure };
                push(steps, cause, true);
            }
        }
        if let Some(cap) = state.cap {
            let to = cap.otherwise.0 as usize;
            edges.push(Edge { from: at, to, cause: Cause::Body, steps: &[], is_anywhere: false });
        }
        flow.states.push(facts);
        flow.edges.extend(edges);
    }
    flow.edges.retain(|edge| edge.to < program.states.len());
    flow.parked.retain(|edge| edge.to < program.states.len());
    flow.starts =
        (0..=program.states.len()).map(|at| flow.edges.partition_point(|edge| edge.from < at)).collect();
    flow
}

/// Whether a trigger is raised by the program's own steps rather than by the world.
pub(super) fn is_failure(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Failed | Trigger::Uncertain | Trigger::OverBudget)
}

/// States that `anywhere`'s failure handlers lead to.
pub(super) fn failure_targets(program: &Program) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    for handler in program.anywhere.iter().filter(|h| is_failure(&h.trigger)) {
        if let HandlerAction::Run { steps, .. } = &handler.action {
            out.extend(targets(steps).into_iter().map(|id| id.0 as usize));
        }
    }
    out
}

/// Handlers in force in a state: its own, then those of `anywhere` for other triggers.
pub(super) fn handlers_in_force(program: &Program, state: usize) -> Vec<&Handler> {
    let own = &program.states[state].handlers;
    let inherited = program.anywhere.iter().filter(|h| !own.iter().any(|o| o.trigger == h.trigger));
    own.iter().chain(inherited).collect()
}

/// Failure handlers of `anywhere` that take a failure of the state's own failure handlers, and whether that comes without
/// an event.
pub(super) fn second_failures<'p>(program: &'p Program, state: usize) -> Vec<(&'p Handler, bool)> {
    let own: Vec<&Handler> =
        program.states[state].handlers.iter().filter(|own| is_failure(&own.trigger)).collect();
    let taken = |handler: &'p Handler| {
        let fails = |own: &&&Handler| closed::raises(program, steps_of(own), &handler.trigger);
        let mut failing = own.iter().filter(fails).peekable();
        failing.peek()?;
        Some((handler, failing.any(|own| closed::raises_by_itself(program, state, &own.trigger))))
    };
    program.anywhere.iter().filter(|handler| is_failure(&handler.trigger)).filter_map(taken).collect()
}

/// The steps that a handler runs.
pub(super) fn steps_of(handler: &Handler) -> &[Step] {
    match &handler.action {
        HandlerAction::Run { steps, .. } => steps,
        _ => &[],
    }
}

/// Blocks directly inside a step.
pub(super) fn blocks(step: &Step) -> Vec<&[Step]> {
    match &step.kind {
        StepKind::If { yes, no, .. } => vec![yes, no],
        StepKind::Match { arms, otherwise, .. } => {
            arms.iter().map(|a| a.steps.as_slice()).chain(otherwise.as_deref()).collect()
        }
        StepKind::Switch { arms, otherwise, .. } => {
            arms.iter().map(|(_, s)| s.as_slice()).chain([otherwise.as_slice()]).collect()
        }
        StepKind::IfSome { some, none, .. } => vec![some, none],
        StepKind::PickArms { arms, .. } => arms.iter().map(|a| a.steps.as_slice()).collect(),
        StepKind::Turn { says, calls, refuses, .. } => {
            let mut out = vec![says.1.as_slice(), refuses.1.as_slice()];
            out.extend(calls.as_ref().map(|c| c.1.as_slice()));
            out
        }
        StepKind::Request(request) => {
            request.arms.iter().map(|a| a.steps.as_slice()).chain(request.otherwise.as_deref()).collect()
        }
        StepKind::Each(each) => vec![&each.steps],
        StepKind::Later(later) => later.arms.iter().map(|(_, s)| s.as_slice()).collect(),
        _ => Vec::new(),
    }
}

/// States that steps can lead to.
pub(super) fn targets(steps: &[Step]) -> BTreeSet<StateId> {
    let mut out = BTreeSet::new();
    let mut stack = vec![steps];
    while let Some(steps) = stack.pop() {
        for step in steps {
            if let StepKind::Go(to) = step.kind {
                out.insert(to);
            }
            stack.extend(blocks(step));
        }
    }
    out
}

/// Whether steps can end without an arrow and without `done`.
pub(super) fn may_end(steps: &[Step]) -> bool {
    !steps.iter().any(super::steps::always_leaves) && !steps.iter().any(|s| matches!(s.kind, StepKind::Error))
}

/// Whether any step asks a model, runs a tool or sends something.
pub(super) fn has_effect(steps: &[Step]) -> bool {
    steps.iter().any(|step| {
        matches!(
            step.kind,
            StepKind::PickArms { .. }
                | StepKind::PickValue { .. }
                | StepKind::Write { .. }
                | StepKind::Turn { .. }
                | StepKind::Run { .. }
                | StepKind::Request(_)
                | StepKind::Each(_)
                | StepKind::Together(_)
                | StepKind::Reply(_)
                | StepKind::Send(..)
                | StepKind::Show(_)
                | StepKind::Wake { .. }
                | StepKind::Remember(..)
        ) || blocks(step).into_iter().any(has_effect)
    })
}

/// Whether every way through steps meets a model step that reads the history.
fn always_reads_history(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.kind {
        StepKind::Turn { .. } => true,
        StepKind::PickArms { model, .. }
        | StepKind::PickValue { model, .. }
        | StepKind::Write { model, .. } => model.history,
        StepKind::Request(RequestStep { request: Request::Fill { model, .. }, .. }) if model.history => true,
        _ => {
            let inner = blocks(step);
            !inner.is_empty() && inner.into_iter().all(always_reads_history)
        }
    })
}
