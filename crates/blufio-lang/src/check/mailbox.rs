// SPDX-License-Identifier: MIT OR Apache-2.0
//! Held messages are accepted at last, joined ones are read: nobody's words are lost in a mailbox.

use std::collections::BTreeSet;

use super::flow::Flow;
use super::{reach, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{HandlerAction, Program, Trigger};

/// What a state does with a message.
fn on_message<'p>(flow: &Flow<'p>, state: usize) -> Option<(&'p HandlerAction, Span)> {
    flow.states[state].handlers.iter().find(|h| h.trigger == Trigger::Message).map(|h| (&h.action, h.span))
}

/// Reports states whose held or joined messages may never be taken.
pub(super) fn check(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    let accepting = accepting(flow);
    let losing = losing(flow);
    for at in reach::reachable(program, flow) {
        let name = &program.states[at].name;
        match on_message(flow, at) {
            Some((HandlerAction::Hold, span)) if !accepting.contains(&at) => {
                diagnostics.push(report::message_lost::report(
                    name,
                    "hold",
                    span,
                    "no state that takes messages can be reached from here",
                ));
            }
            Some((HandlerAction::Join, span)) => {
                let waits_here = flow.states[at].may_wait.then_some(at);
                let lost = waits_here.or_else(|| flow.from(at).map(|e| e.to).find(|to| losing.contains(to)));
                if let Some(lost) = lost {
                    let why = format!(
                        "they would wait at or behind `{}`, which neither takes messages nor reads the history",
                        program.states[lost].name
                    );
                    diagnostics.push(report::message_lost::report(name, "join", span, &why));
                }
            }
            _ => {}
        }
    }
}

/// States from which one that takes (or drops) messages can be reached, or the end of the session, after which the
/// next session takes them.
fn accepting(flow: &Flow<'_>) -> BTreeSet<usize> {
    let seeds = (0..flow.states.len()).filter(|at| {
        let takes =
            matches!(on_message(flow, *at), Some((HandlerAction::Run { .. } | HandlerAction::Drop, _)));
        takes || (!flow.states[*at].may_wait && flow.from(*at).len() == 0)
    });
    backwards(flow, seeds.collect(), |_| true)
}

/// States on whose arrival a joined message may go on to wait unread.
fn losing(flow: &Flow<'_>) -> BTreeSet<usize> {
    let passes_on = |at: usize| {
        let takes = matches!(on_message(flow, at), Some((HandlerAction::Run { .. }, _)));
        !takes && !flow.states[at].reads_history
    };
    let seeds = (0..flow.states.len()).filter(|at| passes_on(*at) && flow.states[*at].may_wait);
    backwards(flow, seeds.collect(), passes_on)
}

/// Everything from which a seed can be reached through states that `through` admits.
fn backwards(flow: &Flow<'_>, seeds: Vec<usize>, through: impl Fn(usize) -> bool) -> BTreeSet<usize> {
    let predecessors = flow.predecessors();
    let mut seen: BTreeSet<usize> = seeds.iter().copied().collect();
    let mut stack = seeds;
    while let Some(at) = stack.pop() {
        for &before in &predecessors[at] {
            if through(before) && seen.insert(before) {
                stack.push(before);
            }
        }
    }
    seen
}
