// SPDX-License-Identifier: MIT OR Apache-2.0
//! What runs beside the body of a state: deadlines, failure handlers, and the events that a walk begins with.

use super::{Measure, measure};
use crate::check::closed::{can_raise, raises_by_itself};
use crate::check::flow::{
    Cause, Edge, Flow, blocks, is_failure, may_end, second_failures, steps_of, targets,
};
use crate::check::monitors::{is_wait, waits};
use crate::typed::{HandlerAction, Program, Step, StepKind, Trigger};

/// What something fails in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// The steps on entry and those of deadlines.
    ByItself,
    /// Those of an event as well.
    ByEvent,
}

/// The most that deadlines and failure handlers measure during one visit of a state. Of the deadlines that leave only
/// one passes; where a failure handler stays, the body (or the event) and every deadline may fail.
pub(super) fn beside(program: &Program, flow: &Flow<'_>, by: &dyn Measure, at: usize, begun: Begun) -> u64 {
    let (stay, leave): (Vec<&[Step]>, Vec<&[Step]>) = program.states[at]
        .timers
        .iter()
        .map(|timer| timer.steps.as_slice())
        .partition(|steps| may_end(steps));
    let stayed = stay.iter().fold(0u64, |sum, steps| sum.saturating_add(measure(by, steps)));
    let left = leave.iter().map(|steps| measure(by, steps)).max().unwrap_or(0);
    let is_raised = |trigger: &Trigger| match begun {
        Begun::ByItself => raises_by_itself(program, at, trigger),
        Begun::ByEvent => can_raise(program, at, trigger),
    };
    let failures: Vec<&[Step]> = flow.states[at]
        .handlers
        .iter()
        .filter(|handler| is_failure(&handler.trigger) && is_raised(&handler.trigger))
        .map(|handler| steps_of(handler))
        .collect();
    let failed = failures.iter().map(|steps| measure(by, steps)).max().unwrap_or(0);
    let second = second_failures(program, at).into_iter();
    let second = second.filter(|(_, by_itself)| *by_itself || begun == Begun::ByEvent);
    let second = second.map(|(handler, _)| measure(by, steps_of(handler)));
    let failed = failed.saturating_add(second.max().unwrap_or(0));
    let pieces = 1 + stay.len() + usize::from(!leave.is_empty());
    let times = if failures.iter().any(|steps| may_end(steps)) { pieces as u64 } else { 1 };
    stayed.saturating_add(left).saturating_add(failed.saturating_mul(times))
}

/// The most that follows where deadlines and failure handlers of a state lead.
fn aside(flow: &Flow<'_>, at: usize, from: &dyn Fn(usize) -> u64) -> u64 {
    let is_aside =
        |edge: &&Edge<'_>| matches!(edge.cause, Cause::Timer | Cause::Failure | Cause::HandlerFailure);
    let edges = flow.from(at).chain(flow.parked_from(at)).filter(is_aside);
    edges.map(|edge| from(edge.to)).max().unwrap_or(0)
}

/// The event that costs most together with all that follows, and the state where that begins.
pub(super) fn worst_beginning(
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
        let after = beside(program, flow, by, at, Begun::ByEvent).saturating_add(aside(flow, at, from));
        for handler in &state.handlers {
            let HandlerAction::Run { steps, .. } = &handler.action else { continue };
            if is_failure(&handler.trigger) || !counts(&handler.trigger) {
                continue;
            }
            let event = by.take(&handler.trigger).saturating_add(measure(by, steps));
            for to in arrows(program, steps) {
                look(event.saturating_add(from(to)), to);
            }
            look(event.saturating_add(after), at);
        }
        look(interrupted(program, flow, by, at, from), at);
    }
    worst
}

/// States that steps lead to.
fn arrows(program: &Program, steps: &[Step]) -> impl Iterator<Item = usize> {
    let count = program.states.len();
    targets(steps).into_iter().map(|to| to.0 as usize).filter(move |to| *to < count)
}

/// The most that a handler measures which runs while a step of the state is pending, and stays: it begins a new event
/// (with new counts and caps) in which the pending code goes on. `None` without such a handler.
pub(super) fn interruption(flow: &Flow<'_>, by: &dyn Measure, at: usize) -> Option<u64> {
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
        let left = arrows(program, steps).map(from).max().unwrap_or(0);
        rest(by, steps).saturating_add(left.max(aside(flow, at, from)))
    });
    let beside = beside(program, flow, by, at, Begun::ByEvent);
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
                let end = if block.iter().any(crate::check::steps::always_leaves) { 0 } else { all };
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
