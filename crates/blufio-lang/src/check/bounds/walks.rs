// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways that a session may take within one event. A visit beyond a cap is refused and goes on where the cap says,
//! which costs no visit, so such a way can be taken again and again. Every state stands there twice: as it is entered
//! usually, and as a failure handler of `anywhere` enters it, where the next failure parks (ruling 8).

use crate::check::flow::{Cause, Edge, Flow};
use crate::typed::Program;

/// Where an arrow to a state may lead: to the state, or past it and every further cap that is used up.
pub(in crate::check) fn with_refusals(program: &Program, to: usize) -> Vec<usize> {
    let mut out = vec![to];
    let mut at = to;
    while let Some(cap) = program.states.get(at).and_then(|state| state.cap) {
        at = cap.otherwise.0 as usize;
        if at >= program.states.len() || out.contains(&at) {
            break;
        }
        out.push(at);
    }
    out
}

/// The state of a node.
pub(super) fn state_of(program: &Program, node: usize) -> usize {
    node % program.states.len().max(1)
}

/// For each node where it leads: states as they are entered usually, then the same states after a failure.
pub(super) fn successors(
    program: &Program,
    flow: &Flow<'_>,
    keeps: impl Fn(&Edge<'_>) -> bool,
) -> Vec<Vec<usize>> {
    let count = program.states.len();
    let mut out = vec![Vec::new(); 2 * count];
    for (node, out) in out.iter_mut().enumerate() {
        let (at, after_failure) = (node % count, node >= count);
        let edges = flow.from(at).chain(flow.parked_from(at));
        for edge in edges.filter(|edge| edge.cause != Cause::HandlerFailure && keeps(edge)) {
            let by_anywhere = edge.cause == Cause::Failure && edge.is_anywhere;
            if by_anywhere && after_failure {
                continue;
            }
            // A refused visit stays what it was.
            let is_refusal = edge.cause == Cause::Body && edge.steps.is_empty();
            let base = if by_anywhere || (is_refusal && after_failure) { count } else { 0 };
            for to in with_refusals(program, edge.to) {
                if !out.contains(&(to + base)) {
                    out.push(to + base);
                }
            }
        }
    }
    out
}
