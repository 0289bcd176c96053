// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deadlines and schedules: circles that take no time, schedules that come again before their run is over, and waits
//! for agents that are shorter than the agent's own usual time. Windows that never open are refused with their bounds.

use super::bounds::components;
use super::costs::{Pricing, every_step, limit};
use super::flow::{Cause, Flow};
use super::report;
use crate::diagnostic::Diagnostics;
use crate::typed::{ExprKind, Program, Request, RequestStep, ScheduleWhen, StepKind, Timer, Trigger, Type};

/// Reports what time makes impossible.
pub(super) fn check(
    program: &Program,
    flow: &Flow<'_>,
    pricing: &Pricing<'_>,
    diagnostics: &mut Diagnostics,
) {
    zero_time(program, flow, diagnostics);
    periods(program, flow, pricing, diagnostics);
    waits(program, pricing, diagnostics);
}

/// Whether a deadline may be due at once: a duration that is not written as a number may be none at all.
fn may_take_no_time(timer: &Timer) -> bool {
    timer.after.ty != Type::Time && !matches!(timer.after.kind, ExprKind::Duration(ms) if ms > 0)
}

/// Circles of deadlines that may be due at once: they would go round until the machine stops them. A capped state, or a
/// model on the way, ends them elsewhere.
fn zero_time(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    let at_once = |at: usize| program.states[at].timers.iter().any(may_take_no_time);
    let capped = |at: usize| program.states[at].cap.is_some();
    let successors: Vec<Vec<usize>> = (0..program.states.len())
        .map(|at| {
            let immediate = flow.from(at).filter(|edge| match edge.cause {
                Cause::Body => true,
                Cause::Timer => program.states[at]
                    .timers
                    .iter()
                    .any(|timer| may_take_no_time(timer) && std::ptr::eq(timer.steps.as_slice(), edge.steps)),
                Cause::Failure | Cause::HandlerFailure | Cause::Event => false,
            });
            immediate.map(|edge| edge.to).filter(|to| !capped(*to)).collect()
        })
        .collect();
    for component in components(&successors) {
        let is_cycle =
            component.len() > 1 || component.first().is_some_and(|at| successors[*at].contains(at));
        let has_effect = component.iter().any(|at| flow.states[*at].has_effect);
        let Some(first) = component.iter().copied().filter(|at| at_once(*at)).min() else { continue };
        if is_cycle && !has_effect {
            let timer = program.states[first].timers.iter().find(|timer| may_take_no_time(timer));
            let span = timer.map_or(program.states[first].span, |timer| timer.span);
            diagnostics.push(report::zero_time::report(&program.states[first].name, span));
        }
    }
}

/// A schedule is skipped while its session is busy: one that can last longer than its period loses beats.
fn periods(program: &Program, flow: &Flow<'_>, pricing: &Pricing<'_>, diagnostics: &mut Diagnostics) {
    for (at, schedule) in program.schedules.iter().enumerate() {
        let ScheduleWhen::Period { period_ms, .. } = schedule.when else { continue };
        let own = Trigger::Every(at as u32);
        let time = pricing.run_ms(flow, &own);
        let period = u64::try_from(period_ms).unwrap_or(0);
        if time.is_none_or(|worst| worst > period) {
            diagnostics.push(report::period_too_short::report(period, time, schedule.span));
        }
    }
}

/// `ask … within D` where the agent needs longer than D when everything goes well.
fn waits(program: &Program, pricing: &Pricing<'_>, diagnostics: &mut Diagnostics) {
    let mut look = |request: &RequestStep| {
        let Request::AskAgent { grant, within: Some(within), .. } = &request.request else { return };
        let Some(ask) = program.asks.get(*grant as usize) else { return };
        let Some(time) = pricing.known.get(&ask.agent).and_then(|costs| costs.time) else { return };
        let allowed = limit(within);
        // A retry more or less decides nothing here: late is what `late` is for.
        if time.expected > allowed {
            diagnostics.push(report::within_too_short::report(
                &ask.agent,
                allowed,
                time.expected,
                within.span,
            ));
        }
    };
    for step in every_step(program) {
        match &step.kind {
            StepKind::Request(request) => look(request),
            StepKind::Together(branches) => branches.iter().for_each(&mut look),
            _ => {}
        }
    }
}
