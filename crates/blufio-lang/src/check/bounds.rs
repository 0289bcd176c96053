// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every loop is bounded, and the worst case of model calls per event fits the budget.
//!
//! The bound is linear: in a strongly connected component with visit caps, a walk visits capped states at most "sum of
//! caps" times, and between two such visits it follows the acyclic rest. So a component costs at most the capped
//! visits plus one longest cap-free segment for each of them. Multiplying counters out exactly would explode.

mod beside;
pub(super) mod callees;
mod walks;

use super::closed::{deadline_fails, raises};
use super::flow::{Cause, Edge, Flow, blocks};
use super::{Facts, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{EachStep, HandlerAction, Program, Request, RequestStep, Step, StepKind, Trigger};

use beside::{Begun, interruption, worst_beginning};
use walks::state_of;
pub(super) use walks::with_refusals;

/// What is counted along the ways of a program: model calls, money, time, what a rule counts.
pub(super) trait Measure {
    /// A step by itself, without its blocks and the items of an `each`.
    fn own(&self, step: &Step) -> u64;

    /// Every item of an `each`, of which one measures this much.
    fn items(&self, each: &EachStep, one: u64) -> u64 {
        one.saturating_mul(u64::from(each.items_max))
    }

    /// Entering a state.
    fn enter(&self, _state: usize) -> u64 {
        0
    }

    /// Taking an event.
    fn take(&self, _trigger: &Trigger) -> u64 {
        0
    }

    /// Most visits of a state per event; `None` without a cap.
    fn visits_max(&self, program: &Program, state: usize) -> Option<u32> {
        program.states[state].cap.map(|cap| cap.visits_max)
    }
}

/// Model calls.
pub(super) struct Calls<'p>(pub &'p Program);

impl Calls<'_> {
    fn of_request(&self, step: &RequestStep) -> u64 {
        match &step.request {
            Request::Fill { model, .. } => u64::from(model.retries) + 1,
            Request::AskAgent { grant, .. } => {
                let asked = self.0.asks.get(*grant as usize);
                let caps = asked.map_or([None, None], |asked| [asked.calls_max, asked.calls_bound]);
                caps.into_iter().flatten().min().unwrap_or(0).into()
            }
            _ => 0,
        }
    }
}

impl Measure for Calls<'_> {
    fn own(&self, step: &Step) -> u64 {
        match &step.kind {
            StepKind::PickArms { model, .. }
            | StepKind::PickValue { model, .. }
            | StepKind::Write { model, .. }
            | StepKind::Turn { model, .. } => u64::from(model.retries) + 1,
            StepKind::Request(request) => self.of_request(request),
            StepKind::Together(branches) => {
                branches.iter().fold(0, |sum: u64, branch| sum.saturating_add(self.of_request(branch)))
            }
            StepKind::Later(later) => u64::from(later.model_calls_max),
            _ => 0,
        }
    }
}

/// Most model calls on one way through steps.
pub(super) fn calls_of(program: &Program, steps: &[Step]) -> u32 {
    u32::try_from(measure(&Calls(program), steps)).unwrap_or(u32::MAX)
}

/// The most that one way through steps measures.
pub(super) fn measure(by: &dyn Measure, steps: &[Step]) -> u64 {
    let Some((step, rest)) = steps.split_first() else { return 0 };
    let own = match &step.kind {
        StepKind::Each(each) => by.own(step).saturating_add(by.items(each, measure(by, &each.steps))),
        StepKind::Go(_) | StepKind::Done(_) => return by.own(step),
        _ => by.own(step),
    };
    let behind = measure(by, rest);
    let inner = if matches!(step.kind, StepKind::Each(_)) { Vec::new() } else { blocks(step) };
    let through = inner
        .into_iter()
        .map(|block| {
            measure(by, block).saturating_add(if block.iter().any(super::steps::always_leaves) {
                0
            } else {
                behind
            })
        })
        .max()
        .unwrap_or(0);
    own.saturating_add(through.max(behind))
}

/// Reports unbounded loops and exceeded budgets; returns the bound.
pub(super) fn check(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) -> Facts {
    let mut bounded = true;
    for path in unbounded_loops(program, flow) {
        bounded = false;
        let Some(first) = path.first() else { continue };
        let names: Vec<&str> =
            path.iter().chain(Some(first)).map(|at| program.states[*at].name.as_str()).collect();
        diagnostics.push(report::unbounded_loop::report(&names.join(" → "), program.states[*first].span));
    }
    if !bounded {
        return Facts::default();
    }
    let (calls, path) = worst_case(program, flow, &Calls(program), &|_| true);
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    let names: Vec<String> = path.iter().map(|at| program.states[*at].name.clone()).collect();
    over_budget(program, calls, &names, diagnostics);
    Facts { calls_per_event: Some(calls), worst_path: names, ..Facts::default() }
}

/// Reports a bound beyond the budget, or that there is none.
fn over_budget(program: &Program, calls: u32, path: &[String], diagnostics: &mut Diagnostics) {
    match program.budget.message.calls {
        Some((allowed, span)) if calls > allowed => {
            diagnostics.push(report::over_budget::report(calls, allowed, &path.join(" → "), span))
        }
        None if calls > 0 => {
            if let Some(span) = first_model_step(program) {
                diagnostics.push(report::no_budget::report(span, calls));
            }
        }
        _ => {}
    }
}

fn first_model_step(program: &Program) -> Option<Span> {
    let asks = |steps: &[Step]| {
        steps.iter().find(|s| calls_of(program, std::slice::from_ref(s)) > 0).map(|s| s.span)
    };
    let handler_steps = |h: &crate::typed::Handler| match &h.action {
        HandlerAction::Run { steps, .. } => asks(steps),
        _ => None,
    };
    program
        .states
        .iter()
        .find_map(|s| {
            asks(&s.body)
                .or_else(|| s.handlers.iter().find_map(handler_steps))
                .or_else(|| s.timers.iter().find_map(|t| asks(&t.steps)))
        })
        .or_else(|| program.anywhere.iter().find_map(handler_steps))
}

/// One cycle of uncapped states per component that has one.
fn unbounded_loops(program: &Program, flow: &Flow<'_>) -> Vec<Vec<usize>> {
    let capped = |at: usize| program.states[state_of(program, at)].cap.is_some();
    // Without deadlines only what the body does fails.
    let fails = |at: usize| {
        let body = program.states[at].body.as_slice();
        let mut triggers = [Trigger::Failed, Trigger::Uncertain, Trigger::OverBudget].into_iter();
        deadline_fails(program, at) || triggers.any(|trigger| raises(program, body, &trigger))
    };
    let (mut out, mut known) = (Vec::new(), std::collections::HashSet::<usize>::new());
    for with_timers in [false, true] {
        let keeps = |edge: &Edge<'_>| match edge.cause {
            Cause::Body => true,
            Cause::Failure => with_timers || fails(edge.from),
            Cause::Timer => with_timers,
            Cause::Event | Cause::HandlerFailure => false,
        };
        let mut successors = walks::successors(program, flow, keeps);
        for out in &mut successors {
            out.retain(|to| !capped(*to));
        }
        for component in components(&successors) {
            let is_cycle =
                component.len() > 1 || component.first().is_some_and(|at| successors[*at].contains(at));
            let harmless =
                with_timers && !component.iter().any(|at| flow.states[state_of(program, *at)].has_effect);
            let states = || component.iter().map(|at| state_of(program, *at));
            if is_cycle && !harmless && !states().any(|at| known.contains(&at)) {
                known.extend(states());
                let cycle = cycle_in(&component, &successors);
                out.push(cycle.into_iter().map(|at| state_of(program, at)).collect());
            }
        }
    }
    out
}

/// A cycle through the first state (in source order) of a component.
fn cycle_in(component: &[usize], successors: &[Vec<usize>]) -> Vec<usize> {
    let Some(&first) = component.iter().min() else { return Vec::new() };
    let mut previous = vec![None; successors.len()];
    let mut queue = std::collections::VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for &to in &successors[at] {
            if to == first {
                let mut path = vec![at];
                while let Some(before) = path.last().and_then(|last| previous[*last]) {
                    path.push(before);
                }
                path.reverse();
                return path;
            }
            if previous[to].is_none() {
                previous[to] = Some(at);
                queue.push_back(to);
            }
        }
    }
    vec![first]
}

/// Strongly connected components in reverse topological order (Tarjan 1972, without recursion).
pub(super) fn components(successors: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let count = successors.len();
    let (mut index, mut low, mut on_stack) = (vec![usize::MAX; count], vec![0; count], vec![false; count]);
    let (mut stack, mut out, mut next) = (Vec::new(), Vec::new(), 0);
    for root in 0..count {
        if index[root] != usize::MAX {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((at, edge)) = work.pop() {
            if edge == 0 {
                index[at] = next;
                low[at] = next;
                next += 1;
                stack.push(at);
                on_stack[at] = true;
            }
            if let Some(&to) = successors[at].get(edge) {
                work.push((at, edge + 1));
                if index[to] == usize::MAX {
                    work.push((to, 0));
                } else if on_stack[to] {
                    low[at] = low[at].min(index[to]);
                }
                continue;
            }
            if low[at] == index[at] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component.push(member);
                    if member == at {
                        break;
                    }
                }
                out.push(component);
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[at]);
            }
        }
    }
    out
}

/// The bound over the events that are looked at, and the states of a path that explains it.
pub(super) fn worst_case(
    program: &Program,
    flow: &Flow<'_>,
    by: &dyn Measure,
    counts: &dyn Fn(&Trigger) -> bool,
) -> (u64, Vec<usize>) {
    let count = program.states.len();
    let weight = weights(program, flow, by);
    let successors = walks::successors(program, flow, |edge| edge.cause != Cause::Event);
    let components = components(&successors);
    let mut component_of = vec![0; 2 * count];
    for (id, component) in components.iter().enumerate() {
        for at in component {
            component_of[*at] = id;
        }
    }
    let mut entered = vec![false; 2 * count];
    for at in with_refusals(program, program.start.0 as usize) {
        entered[at] = true;
    }
    let begins = |cause| matches!(cause, Cause::Event | Cause::HandlerFailure);
    for edge in flow.edges.iter().chain(&flow.parked).filter(|edge| begins(edge.cause)) {
        for to in with_refusals(program, edge.to) {
            entered[to] = true;
        }
    }
    let reached = reached(&entered, &successors);
    for (at, out) in successors.iter().enumerate().filter(|(at, _)| reached[*at]) {
        let begins = interruption(flow, by, state_of(program, at)).is_some();
        for to in out {
            entered[*to] |= begins || component_of[at] != component_of[*to];
        }
    }
    let (mut cost, mut then): (Vec<u64>, Vec<Option<usize>>) =
        (vec![0; components.len()], vec![None; components.len()]);
    for (id, component) in components.iter().enumerate() {
        let own = component_cost(program, by, &entered, component, &weight, &successors);
        let best = component
            .iter()
            .flat_map(|at| &successors[*at])
            .map(|to| component_of[*to])
            .filter(|next| *next != id)
            .max_by_key(|next| cost[*next]);
        cost[id] = own.saturating_add(best.map_or(0, |next| cost[next]));
        then[id] = best;
    }
    let from = |at: usize| {
        with_refusals(program, at).into_iter().map(|to| cost[component_of[to]]).max().unwrap_or(0)
    };
    let worst = worst_beginning(program, flow, by, counts, &from);
    let mut path = Vec::new();
    let mut at = worst.1.map(|state| component_of[state]);
    while let Some(id) = at {
        path.extend(components[id].iter().rev().map(|at| state_of(program, *at)));
        at = then[id];
    }
    path.dedup();
    (worst.0, path)
}

/// Nodes that some walk comes to.
fn reached(entered: &[bool], successors: &[Vec<usize>]) -> Vec<bool> {
    let mut out = vec![false; successors.len()];
    let mut work: Vec<usize> = (0..entered.len()).filter(|at| entered[*at]).collect();
    while let Some(at) = work.pop() {
        if !std::mem::replace(&mut out[at], true) {
            work.extend(&successors[at]);
        }
    }
    out
}

/// What each state adds on one visit: its body, and what deadlines and failure handlers do beside it.
fn weights(program: &Program, flow: &Flow<'_>, by: &dyn Measure) -> Vec<u64> {
    let of_state = (0..program.states.len())
        .map(|at| {
            let body = by.enter(at).saturating_add(measure(by, flow.states[at].body));
            body.saturating_add(beside::beside(program, flow, by, at, Begun::ByItself))
        })
        .collect::<Vec<u64>>();
    [of_state.as_slice(), of_state.as_slice()].concat()
}

/// `entered`: states that a walk may enter from outside of their component, or by a new event.
fn component_cost(
    program: &Program,
    by: &dyn Measure,
    entered: &[bool],
    component: &[usize],
    weight: &[u64],
    successors: &[Vec<usize>],
) -> u64 {
    let is_cycle = component.len() > 1 || component.first().is_some_and(|at| successors[*at].contains(at));
    if !is_cycle {
        return component.first().map_or(0, |at| weight[*at]);
    }
    let (mut capped, free): (Vec<usize>, Vec<usize>) =
        component.iter().partition(|at| program.states[state_of(program, **at)].cap.is_some());
    // A cap counts visits of its state, however it is entered.
    for at in &mut capped {
        *at = state_of(program, *at);
    }
    capped.sort_unstable();
    capped.dedup();
    let cap = |at: usize| u64::from(by.visits_max(program, at).unwrap_or(1));
    let visits = capped.iter().fold(0u64, |sum, at| sum.saturating_add(cap(*at)));
    let capped_cost =
        capped.iter().fold(0u64, |sum, at| sum.saturating_add(cap(*at).saturating_mul(weight[*at])));
    let segments = visits.saturating_add(u64::from(free.iter().any(|at| entered[*at])));
    capped_cost.saturating_add(segments.saturating_mul(longest_free_path(&free, weight, successors)))
}

/// Heaviest path through the uncapped states of a component. Once `unbounded_loops` found nothing, a circle that is
/// left in it waits for deadlines and does nothing, so that each of its states counts once.
fn longest_free_path(free: &[usize], weight: &[u64], successors: &[Vec<usize>]) -> u64 {
    // Tarjan's order is reverse topological: successors of a state come before it.
    let position: std::collections::HashMap<usize, usize> =
        free.iter().enumerate().map(|(i, at)| (*at, i)).collect();
    let restricted: Vec<Vec<usize>> = free
        .iter()
        .map(|at| successors[*at].iter().filter_map(|to| position.get(to).copied()).collect())
        .collect();
    let mut best = vec![0u64; free.len()];
    for component in components(&restricted) {
        let inside = component.iter().fold(0u64, |sum, at| sum.saturating_add(weight[free[*at]]));
        // Of the circle itself nothing is known here yet.
        let behind = component.iter().flat_map(|at| &restricted[*at]).map(|to| best[*to]).max().unwrap_or(0);
        for at in component {
            best[at] = inside.saturating_add(behind);
        }
    }
    best.into_iter().max().unwrap_or(0)
}
