// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reachable states and dead ends: a graph search from the start state.

use std::collections::BTreeSet;

use super::flow::{Flow, is_failure};
use super::report;
use crate::diagnostic::Diagnostics;
use crate::typed::{HandlerAction, Program};

/// States that a session can reach.
pub(super) fn reachable(program: &Program, flow: &Flow<'_>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::from([program.start.0 as usize]);
    let mut stack = vec![program.start.0 as usize];
    while let Some(at) = stack.pop() {
        for edge in flow.from(at).chain(flow.parked_from(at)) {
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
    let mut names = BTreeSet::new();
    for (at, state) in program.states.iter().enumerate() {
        let is_second = !names.insert(state.name.as_str());
        if !seen.contains(&at) {
            if is_second {
                continue; // a duplicate name was reported
            }
            diagnostics.push(report::unreachable::report(&state.name, state.span));
        } else if flow.states[at].may_wait && state.timers.is_empty() && !can_be_woken(flow, at) {
            diagnostics.push(report::dead_end::report(&state.name, state.span));
        }
    }
}

fn can_be_woken(flow: &Flow<'_>, state: usize) -> bool {
    flow.states[state]
        .handlers
        .iter()
        .any(|handler| matches!(handler.action, HandlerAction::Run { .. }) && !is_failure(&handler.trigger))
}
