// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every loop is bounded, and the worst case of model calls per event fits the budget.
//!
//! The bound is linear: in a strongly connected component with visit caps, a walk visits capped states at most "sum of
//! caps" times, and between two such visits it follows the acyclic rest. So a component costs at most the capped
//! visits plus one longest cap-free segment for each of them. Multiplying counters out exactly would explode.

use super::closed::{can_raise, raises};
use super::flow::{Cause, Flow, blocks, failure_targets, is_failure, may_end, second_failures, targets};
use super::monitors::{is_wait, waits};
use super::{Facts, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{EachStep, HandlerAction, Program, Request, RequestStep, Step, StepKind, Trigger};

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
                self.0.asks.get(*grant as usize).and_then(|asked| asked.calls_max).unwrap_or(0).into()
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
    match program.budget.message.calls {
        Some((allowed, span)) if calls > allowed => {
            diagnostics.push(report::over_budget::report(calls, allowed, &names.join(" → "), span))
        }
        None if calls > 0 => {
            if let Some(span) = first_model_step(program) {
                diagnostics.push(report::no_budget::report(span, calls));
            }
        }
        _ => {}
    }
    Facts { calls_per_event: Some(calls), worst_path: names, ..Facts::default() }
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
    let capped = |at: usize| program.states[at].cap.is_some();
    // Whether something fails that no event began.
    let fails = |at: usize, with_timers: bool| {
        let state = &program.states[at];
        let timers = state.timers.iter().filter(|_| with_timers).map(|timer| timer.steps.as_slice());
        let mut blocks = timers.chain([state.body.as_slice()]);
        let triggers = [Trigger::Failed, Trigger::Uncertain, Trigger::OverBudget];
        blocks.any(|steps| triggers.iter().any(|trigger| raises(program, steps, trigger)))
    };
    let (mut out, mut known) = (Vec::new(), std::collections::HashSet::<usize>::new());
    for with_timers in [false, true] {
        let successors: Vec<Vec<usize>> = (0..program.states.len())
            .map(|at| {
                flow.from(at)
                    .filter(|edge| match edge.cause {
                        Cause::Body => true,
                        Cause::Failure => fails(at, with_timers),
                        Cause::Timer => with_timers,
                        Cause::Event => false,
                    })
                    .map(|e| e.to)
                    .filter(|to| !capped(*to))
                    .collect()
            })
            .collect();
        for component in components(&successors) {
            let is_cycle =
                component.len() > 1 || component.first().is_some_and(|at| successors[*at].contains(at));
            let harmless = with_timers && !component.iter().any(|at| flow.states[*at].has_effect);
            if is_cycle && !harmless && !component.iter().any(|at| known.contains(at)) {
                known.extend(&component);
                out.push(cycle_in(&component, &successors));
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
    let successors: Vec<Vec<usize>> = (0..count)
        .map(|at| flow.from(at).filter(|e| e.cause != Cause::Event).map(|e| e.to).collect())
        .collect();
    let components = components(&successors);
    let mut component_of = vec![0; count];
    for (id, component) in components.iter().enumerate() {
        for at in component {
            component_of[*at] = id;
        }
    }
    let interruptions: Vec<Option<u64>> = (0..count).map(|at| interruption(flow, by, at)).collect();
    let mut entered = vec![false; count];
    entered[program.start.0 as usize] = true;
    for edge in &flow.edges {
        let begins = edge.cause == Cause::Event || interruptions[edge.from].is_some();
        entered[edge.to] |= begins || component_of[edge.from] != component_of[edge.to];
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
    let from = |at: usize| cost[component_of[at]];
    let worst = worst_beginning(program, flow, by, counts, &from);
    let mut path = Vec::new();
    let mut at = worst.1.map(|state| component_of[state]);
    while let Some(id) = at {
        path.extend(components[id].iter().rev().copied());
        at = then[id];
    }
    (worst.0, path)
}

/// What each state adds on one visit: its body, and what deadlines and failure handlers do beside it.
fn weights(program: &Program, flow: &Flow<'_>, by: &dyn Measure) -> Vec<u64> {
    let parking = failure_targets(program);
    (0..program.states.len())
        .map(|at| {
            let body = by.enter(at).saturating_add(measure(by, flow.states[at].body));
            let once = body.saturating_add(beside(program, flow, by, at));
            // A target of the failure handlers may run once on its own and once more for its own failure.
            if parking.contains(&at) { once.saturating_mul(2) } else { once }
        })
        .collect()
}

/// The most that deadlines and failure handlers measure during one visit of a state. Of the deadlines that leave only
/// one passes; where a failure handler stays, the body and every deadline may fail.
fn beside(program: &Program, flow: &Flow<'_>, by: &dyn Measure, at: usize) -> u64 {
    let (stay, leave): (Vec<&[Step]>, Vec<&[Step]>) = program.states[at]
        .timers
        .iter()
        .map(|timer| timer.steps.as_slice())
        .partition(|steps| may_end(steps));
    let stayed = stay.iter().fold(0u64, |sum, steps| sum.saturating_add(measure(by, steps)));
    let left = leave.iter().map(|steps| measure(by, steps)).max().unwrap_or(0);
    let failures: Vec<&[Step]> = flow.states[at]
        .handlers
        .iter()
        .filter(|handler| is_failure(&handler.trigger) && can_raise(program, at, &handler.trigger))
        .filter_map(|handler| match &handler.action {
            HandlerAction::Run { steps, .. } => Some(steps.as_slice()),
            _ => None,
        })
        .collect();
    let failed = failures.iter().map(|steps| measure(by, steps)).max().unwrap_or(0);
    let second = second_failures(program, at).into_iter().filter_map(|handler| match &handler.action {
        HandlerAction::Run { steps, .. } => Some(measure(by, steps)),
        _ => None,
    });
    let failed = failed.saturating_add(second.max().unwrap_or(0));
    let pieces = 1 + stay.len() + usize::from(!leave.is_empty());
    let times = if failures.iter().any(|steps| may_end(steps)) { pieces as u64 } else { 1 };
    stayed.saturating_add(left).saturating_add(failed.saturating_mul(times))
}

/// The most that follows where deadlines and failure handlers of a state lead.
fn aside(flow: &Flow<'_>, at: usize, from: &dyn Fn(usize) -> u64) -> u64 {
    let edges = flow.from(at).filter(|edge| matches!(edge.cause, Cause::Timer | Cause::Failure));
    edges.map(|edge| from(edge.to)).max().unwrap_or(0)
}

/// The event that costs most together with all that follows, and the state where that begins.
fn worst_beginning(
    program: &Program,
    flow: &Flow<'_>,
    by: &dyn Measure,
    counts: &dyn Fn(&Trigger) -> bool,
    from: &dyn Fn(usize) -> u64,
) -> (u64, Option<usize>) {
    let start = program.start.0 as usize;
    let mut worst = (from(start), Some(start));
    let mut look = |total: u64, begins: usize| {
        if total > worst.0 {
            worst = (total, Some(begins));
        }
    };
    for (at, state) in flow.states.iter().enumerate() {
        // A handler that stays, or fails, leaves the rest to the deadlines and the failure handlers.
        let after = beside(program, flow, by, at).saturating_add(aside(flow, at, from));
        for handler in &state.handlers {
            let HandlerAction::Run { steps, .. } = &handler.action else { continue };
            if is_failure(&handler.trigger) || !counts(&handler.trigger) {
                continue;
            }
            let event = by.take(&handler.trigger).saturating_add(measure(by, steps));
            for to in reached(program, steps) {
                look(event.saturating_add(from(to)), to);
            }
            look(event.saturating_add(after), at);
        }
        look(interrupted(program, flow, by, at, from), at);
    }
    worst
}

/// States that steps lead to.
fn reached(program: &Program, steps: &[Step]) -> impl Iterator<Item = usize> {
    let count = program.states.len();
    targets(steps).into_iter().map(|to| to.0 as usize).filter(move |to| *to < count)
}

/// The most that a handler measures which runs while a step of the state is pending, and stays: it begins a new event
/// (with new counts and caps) in which the pending code goes on. `None` without such a handler.
fn interruption(flow: &Flow<'_>, by: &dyn Measure, at: usize) -> Option<u64> {
    let handlers = flow.states[at].handlers.iter().filter_map(|handler| match &handler.action {
        HandlerAction::Run { steps, .. }
            if !is_failure(&handler.trigger)
                && !matches!(handler.trigger, Trigger::Wake | Trigger::Every(_))
                && !waits(steps)
                && may_end(steps) =>
        {
            Some(by.take(&handler.trigger).saturating_add(measure(by, steps)))
        }
        _ => None,
    });
    handlers.max()
}

/// The most that an interrupted state still measures, together with all that follows; 0 where nothing interrupts.
fn interrupted(
    program: &Program,
    flow: &Flow<'_>,
    by: &dyn Measure,
    at: usize,
    from: &dyn Fn(usize) -> u64,
) -> u64 {
    let Some(first) = interruption(flow, by, at) else { return 0 };
    let handlers = flow.states[at].handlers.iter().filter_map(|handler| match &handler.action {
        HandlerAction::Run { steps, .. } => Some(steps.as_slice()),
        _ => None,
    });
    let timers = program.states[at].timers.iter().map(|timer| timer.steps.as_slice());
    let blocks = handlers.chain(timers).chain([flow.states[at].body]).filter(|steps| waits(steps));
    let goes_on = blocks.map(|steps| {
        let left = reached(program, steps).map(from).max().unwrap_or(0);
        rest(by, steps).saturating_add(left.max(aside(flow, at, from)))
    });
    let beside = beside(program, flow, by, at);
    goes_on.max().map_or(0, |most| first.saturating_add(beside).saturating_add(most))
}

/// The most that steps measure behind one of their waits.
fn rest(by: &dyn Measure, steps: &[Step]) -> u64 {
    // Of what lies behind a step: everything, and what is open behind a wait in it.
    let (mut all, mut open) = (0u64, 0u64);
    for step in steps.iter().rev() {
        let alone = std::slice::from_ref(step);
        if let StepKind::Each(each) = &step.kind {
            open = open.max(by.items(each, measure(by, &each.steps)).saturating_add(all));
        } else {
            let asks = is_wait(step);
            for block in blocks(step) {
                let end = if block.iter().any(super::steps::always_leaves) { 0 } else { all };
                // Behind the wait of the step itself the whole arm is open, behind one inside the arm its rest.
                let inside = if asks { measure(by, block) } else { rest(by, block) };
                open = open.max(inside.saturating_add(end));
            }
            open = open.max(if asks { all } else { 0 });
        }
        all = measure(by, alone).saturating_add(all);
    }
    open
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
    let (capped, free): (Vec<usize>, Vec<usize>) =
        component.iter().partition(|at| program.states[**at].cap.is_some());
    let cap = |at: usize| u64::from(by.visits_max(program, at).unwrap_or(1));
    let visits = capped.iter().fold(0u64, |sum, at| sum.saturating_add(cap(*at)));
    let capped_cost =
        capped.iter().fold(0u64, |sum, at| sum.saturating_add(cap(*at).saturating_mul(weight[*at])));
    let segments = visits.saturating_add(u64::from(free.iter().any(|at| entered[*at])));
    capped_cost.saturating_add(segments.saturating_mul(longest_free_path(&free, weight, successors)))
}

/// Heaviest path through the uncapped states of a component. Once `unbounded_loops` found nothing, a circle that is
/// left in it waits somewhere for an event that fails, so that each of its states counts once.
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
