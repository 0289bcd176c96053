// SPDX-License-Identifier: MIT OR Apache-2.0
//! Held messages are accepted at last, joined ones are read: nobody's words are lost in a mailbox. The same holds of what
//! happens to a chat (`edited`, `reaction`, `joined`, `left`).

use std::collections::BTreeSet;

use super::flow::Flow;
use super::{reach, report};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{HandlerAction, Program, Trigger};

/// What a state does with mail of a kind.
fn on_mail<'p>(flow: &Flow<'p>, kind: &Trigger, state: usize) -> Option<(&'p HandlerAction, Span)> {
    flow.states[state].handlers.iter().find(|h| h.trigger == *kind).map(|h| (&h.action, h.span))
}

/// Kinds of mail that wait somewhere.
fn waiting_kinds<'p>(flow: &Flow<'p>) -> Vec<&'p Trigger> {
    let mut kinds: Vec<&Trigger> = Vec::new();
    for handler in flow.states.iter().flat_map(|state| &state.handlers) {
        let waits = matches!(handler.action, HandlerAction::Hold | HandlerAction::Join);
        let is_mail = matches!(handler.trigger, Trigger::Message | Trigger::Channel(_));
        if waits && is_mail && !kinds.contains(&&handler.trigger) {
            kinds.push(&handler.trigger);
        }
    }
    kinds
}

/// Reports states whose held or joined messages may never be taken.
pub(super) fn check(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    for kind in waiting_kinds(flow) {
        check_kind(program, flow, kind, diagnostics);
    }
}

fn check_kind(program: &Program, flow: &Flow<'_>, kind: &Trigger, diagnostics: &mut Diagnostics) {
    let what = match kind {
        Trigger::Channel(word) => format!("`{word}`"),
        _ => "messages".to_string(),
    };
    let accepting = accepting(flow, kind);
    let losing = losing(flow, kind);
    for at in reach::reachable(program, flow) {
        let name = &program.states[at].name;
        match on_mail(flow, kind, at) {
            Some((HandlerAction::Hold, span)) if !accepting.contains(&at) => {
                let why = format!("no state that takes {what} can be reached from here");
                diagnostics.push(report::message_lost::report(kind, name, "hold", span, &why));
            }
            Some((HandlerAction::Join, span)) => {
                let waits_here = flow.states[at].may_wait.then_some(at);
                let lost = waits_here.or_else(|| flow.from(at).map(|e| e.to).find(|to| losing.contains(to)));
                if let Some(lost) = lost {
                    let why = format!(
                        "they would wait at or behind `{}`, which neither takes {what} nor reads the history",
                        program.states[lost].name
                    );
                    diagnostics.push(report::message_lost::report(kind, name, "join", span, &why));
                }
            }
            _ => {}
        }
    }
}

/// States from which one that takes (or drops) messages can be reached, or the end of the session, after which the
/// next session takes them.
fn accepting(flow: &Flow<'_>, kind: &Trigger) -> BTreeSet<usize> {
    let seeds = (0..flow.states.len()).filter(|at| {
        let takes =
            matches!(on_mail(flow, kind, *at), Some((HandlerAction::Run { .. } | HandlerAction::Drop, _)));
        takes || (!flow.states[*at].may_wait && flow.from(*at).len() == 0)
    });
    backwards(flow, seeds.collect(), |_| true)
}

/// States on whose arrival a joined message may go on to wait unread.
fn losing(flow: &Flow<'_>, kind: &Trigger) -> BTreeSet<usize> {
    let passes_on = |at: usize| {
        let takes = matches!(on_mail(flow, kind, at), Some((HandlerAction::Run { .. }, _)));
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
