// SPDX-License-Identifier: MIT OR Apache-2.0
//! Held messages are accepted at last, joined ones are read: nobody's words are lost in a mailbox.

use std::collections::BTreeSet;

use super::flow::Flow;
use super::{reach, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{HandlerAction, Program, Trigger};

/// What a state does with a message.
fn on_message<'a>(flow: &'a Flow, state: usize) -> Option<(&'a HandlerAction, Span)> {
    flow.states[state].handlers.iter().find(|h| h.trigger == Trigger::Message).map(|h| (&h.action, h.span))
}

/// Reports states whose held or joined messages may never be taken.
pub(super) fn check(program: &Program, flow: &Flow, diagnostics: &mut Diagnostics) {
    for at in reach::reachable(program, flow) {
        let name = &program.states[at].name;
        match on_message(flow, at) {
            Some((HandlerAction::Hold, span)) if !accepts_later(flow, at) => {
                diagnostics.push(report::message_lost::report(name, "hold", span, "no state that takes messages can be reached from here"));
            }
            Some((HandlerAction::Join, span)) => {
                if let Some(lost) = joined_lost_in(flow, at) {
                    let why = format!("they would wait in `{}`, which neither takes messages nor reads the history", program.states[lost].name);
                    diagnostics.push(report::message_lost::report(name, "join", span, &why));
                }
            }
            _ => {}
        }
    }
}

/// Whether a state that takes (or drops) messages can be reached, or the session can end.
fn accepts_later(flow: &Flow, from: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut stack = vec![from];
    while let Some(at) = stack.pop() {
        let takes = matches!(on_message(flow, at), Some((HandlerAction::Run { .. } | HandlerAction::Drop, _)));
        // A state whose body ends without waiting and without an arrow ends with `done`: the next session takes it.
        let ends = !flow.states[at].may_wait && flow.from(at).next().is_none();
        if takes || ends {
            return true;
        }
        for edge in flow.from(at) {
            if seen.insert(edge.to) {
                stack.push(edge.to);
            }
        }
    }
    false
}

/// A state in which a joined message would wait unread, on some path from here.
fn joined_lost_in(flow: &Flow, from: usize) -> Option<usize> {
    let mut seen = BTreeSet::from([from]);
    let mut stack = vec![from];
    while let Some(at) = stack.pop() {
        let takes = matches!(on_message(flow, at), Some((HandlerAction::Run { .. }, _)));
        if takes || (at != from && flow.states[at].reads_history) {
            continue;
        }
        if flow.states[at].may_wait {
            return Some(at);
        }
        for edge in flow.from(at) {
            if seen.insert(edge.to) {
                stack.push(edge.to);
            }
        }
    }
    None
}
