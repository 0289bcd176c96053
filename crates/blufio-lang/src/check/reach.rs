// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reachable states and dead ends: a graph search from the start state.

use std::collections::BTreeSet;

use super::flow::Flow;
use super::report;
use crate::diagnostic::Diagnostics;
use crate::typed::{HandlerAction, Program, Trigger};

/// States that a session can reach.
pub(super) fn reachable(program: &Program, flow: &Flow<'_>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::from([program.start.0 as usize]);
    let mut stack = vec![program.start.0 as usize];
    while let Some(at) = stack.pop() {
        for edge in flow.from(at) {
            if seen.insert(edge.to) {
                stack.push(edge.to);
            }
        }
    }
    seen
}

/// Reports unreachable states and states that can only wait for ever.
pub(super) fn check(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    let seen = reachable(program, flow);
    for (at, state) in program.states.iter().enumerate() {
        if !seen.contains(&at) {
            diagnostics.push(report::unreachable::report(&state.name, state.span));
        } else if flow.states[at].may_wait && state.timers.is_empty() && !can_be_woken(flow, at) {
            diagnostics.push(report::dead_end::report(&state.name, state.span));
        }
    }
}

fn can_be_woken(flow: &Flow<'_>, state: usize) -> bool {
    flow.states[state].handlers.iter().any(|handler| {
        matches!(handler.action, HandlerAction::Run { .. })
            && !matches!(&handler.trigger, Trigger::Failed | Trigger::Uncertain)
            && !matches!(&handler.trigger, Trigger::Later(what) if what == "over_budget")
    })
}
