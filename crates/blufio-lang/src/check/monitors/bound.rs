// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often something can happen per event or per session, for `at most N X`: the same linear bound as of model calls.

use crate::check::bounds::{Measure, components, measure, with_refusals, worst_case};
use crate::check::closed::can_raise;
use crate::check::flow::{Flow, is_failure, may_end, second_failures, steps_of, targets};
use crate::typed::{HandlerAction, Program, Request, RequestStep, Step, StepKind, Subject, Trigger};

/// Counts a subject.
struct Occurrences<'a> {
    program: &'a Program,
    subject: &'a Subject,
}

impl Occurrences<'_> {
    fn of_request(&self, request: &RequestStep) -> u64 {
        match (&request.request, self.subject) {
            (Request::Call { grant, .. }, Subject::Tool(wanted)) => u64::from(grant == wanted),
            _ => 0,
        }
    }
}

impl Measure for Occurrences<'_> {
    fn own(&self, step: &Step) -> u64 {
        match (&step.kind, self.subject) {
            (StepKind::Reply(_), Subject::Reply) | (StepKind::Send(..), Subject::Send) => 1,
            // A model may ask for any number of calls at once.
            (StepKind::Run { .. }, Subject::Tool(_)) => UNBOUNDED,
            (StepKind::Request(request), _) => self.of_request(request),
            (StepKind::Together(branches), _) => branches.iter().map(|branch| self.of_request(branch)).sum(),
            _ => 0,
        }
    }

    fn enter(&self, state: usize) -> u64 {
        u64::from(*self.subject == Subject::State(crate::typed::StateId(state as u32)))
    }

    fn take(&self, trigger: &Trigger) -> u64 {
        let is_it = match (self.subject, trigger) {
            (Subject::Message, Trigger::Message | Trigger::Word(_)) | (Subject::Wake, Trigger::Wake) => true,
            (Subject::Declared(wanted), Trigger::Declared(id)) => wanted == id,
            (Subject::Tool(wanted), Trigger::Every(at)) => {
                let schedule = self.program.schedules.get(*at as usize);
                schedule.is_some_and(|s| s.when_changed.iter().any(|(grant, _)| grant == wanted))
            }
            _ => false,
        };
        u64::from(is_it)
    }
}

/// What stands for "no bound": far above every count, far below the end of the number.
const UNBOUNDED: u64 = 1 << 40;

/// The most times that the subject happens; `None` when nothing bounds it.
pub(super) fn bound(program: &Program, flow: &Flow<'_>, subject: &Subject, per_event: bool) -> Option<u64> {
    let by = Occurrences { program, subject };
    let most =
        if per_event { per_event_most(program, flow, &by) } else { per_session_most(program, flow, &by)? };
    (most < UNBOUNDED).then_some(most)
}

fn per_event_most(program: &Program, flow: &Flow<'_>, by: &Occurrences<'_>) -> u64 {
    worst_case(program, flow, by, &|_| true).0
}

/// Where failures of a state lead. The graph leaves those out that park the session within one event; after the next
/// event they lead on.
fn by_failure(program: &Program, flow: &Flow<'_>, at: usize) -> Vec<usize> {
    let raised = flow.states[at].handlers.iter().filter_map(|handler| match &handler.action {
        HandlerAction::Run { steps, .. }
            if is_failure(&handler.trigger) && can_raise(program, at, &handler.trigger) =>
        {
            Some(targets(steps))
        }
        _ => None,
    });
    raised.flatten().map(|to| to.0 as usize).filter(|to| *to < program.states.len()).collect()
}

/// Over a whole session events come for ever, so only caps per session bound a loop. What lies on a loop without such
/// a cap has no bound; the rest happens once between two capped visits.
fn per_session_most(program: &Program, flow: &Flow<'_>, by: &Occurrences<'_>) -> Option<u64> {
    let cap =
        |at: usize| program.states[at].cap.filter(|cap| !cap.per_event).map(|cap| u64::from(cap.visits_max));
    let weight = |at: usize| {
        let state = &flow.states[at];
        let events = state.handlers.iter().filter(|handler| !is_failure(&handler.trigger));
        let event =
            events.map(|handler| by.take(&handler.trigger).saturating_add(measure(by, steps_of(handler))));
        let is_raised = |trigger: &Trigger| is_failure(trigger) && can_raise(program, at, trigger);
        let failures = state.handlers.iter().filter(|handler| is_raised(&handler.trigger));
        let failed = failures.map(|handler| measure(by, steps_of(handler)));
        let second =
            second_failures(program, at).into_iter().map(|(handler, _)| measure(by, steps_of(handler)));
        let beside = [event.max(), failed.max(), second.max()].into_iter().flatten();
        let body = by.enter(at).saturating_add(measure(by, state.body));
        beside.fold(body, |sum, most| sum.saturating_add(most))
    };
    // A handler or a deadline that stays in its state may run again and again.
    let stays = |at: usize| {
        flow.states[at].handlers.iter().any(|handler| match &handler.action {
            HandlerAction::Run { steps, .. } if may_end(steps) => {
                by.take(&handler.trigger).saturating_add(measure(by, steps)) > 0
            }
            _ => false,
        })
    };
    let reached = crate::check::reach::reachable(program, flow);
    if reached.iter().any(|at| stays(*at)) {
        return None;
    }
    let successors: Vec<Vec<usize>> = (0..program.states.len())
        .map(|at| {
            let open = |to: &usize| cap(at).is_none() && cap(*to).is_none();
            let to = flow.from(at).map(|edge| edge.to).chain(by_failure(program, flow, at));
            to.flat_map(|to| with_refusals(program, to)).filter(open).collect()
        })
        .collect();
    let timers = |at: usize| {
        let state = &program.states[at];
        state.timers.iter().fold(0u64, |sum, timer| sum.saturating_add(measure(by, &timer.steps)))
    };
    let (mut visits, mut capped, mut free) = (0u64, 0u64, 0u64);
    for component in components(&successors) {
        let is_cycle =
            component.len() > 1 || component.first().is_some_and(|at| successors[*at].contains(at));
        for at in component.into_iter().filter(|at| reached.contains(at)) {
            let weight = weight(at).saturating_add(timers(at));
            match cap(at) {
                Some(max) => {
                    visits = visits.saturating_add(max);
                    capped = capped.saturating_add(max.saturating_mul(weight));
                }
                None if is_cycle && weight > 0 => return None,
                None => free = free.saturating_add(weight),
            }
        }
    }
    Some(capped.saturating_add(visits.saturating_add(1).saturating_mul(free)))
}
