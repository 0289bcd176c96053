// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rules` are proved: each is a monitor of two or three states, run beside the graph of steps, breadth first, so that
//! what breaks it comes with a shortest path. The same monitors watch the running program (`machine/monitors.rs`).
//!
//! What the rules mean, there and here:
//! * `never X unless approved by W`: since the last X (or the beginning) W said yes to an `approve`; one yes, one X.
//! * `never X unless Y`: Y happened earlier in the same session, in whatever event.
//! * `every X leads to Y or Z`: after X comes Y or Z before the session ends, before it rests where X is taken again,
//!   and before it waits with nothing to end the wait (a deadline, or a host that gives up).
//! * `at most N X per event|session`: an event is a message, a declared event, a wake, a schedule (ruling 10).
//!
//! A tool is called when it is asked for. `run` may call every granted tool, more than once, and need not call any:
//! approvals within `run … approved by` do not count, since it asks only about dangerous calls.

mod bound;
mod example;
mod steps;
#[cfg(test)]
mod tests;

pub(super) use steps::{is_wait, waits};

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::flow::{Flow, handlers_in_force};
use super::report;
use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;
use crate::typed::{
    HandlerAction, OutcomeKind, Program, Request, RequestStep, Rule, RuleKind, Step, StepKind, Subject,
    Trigger, Who,
};
use steps::{Choice, Node, Steps, What};

/// Counts beyond this are not searched for a path; the bound decides them all the same.
const COUNT_SEARCHED_MAX: u32 = 64;

/// Proves every rule that speaks of what happens (`never LABEL reaches TOOL` is information flow).
pub(super) fn check(program: &Program, sources: &SourceMap, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    let watched = |rule: &&Rule| !matches!(rule.kind, RuleKind::NeverReaches(..));
    if !program.rules.iter().any(|rule| watched(&rule)) {
        return;
    }
    let steps = steps::steps(program);
    for rule in program.rules.iter().filter(watched) {
        check_rule(program, sources, flow, &steps, rule, diagnostics);
    }
}

fn check_rule(
    program: &Program,
    sources: &SourceMap,
    flow: &Flow<'_>,
    steps: &Steps<'_>,
    rule: &Rule,
    diagnostics: &mut Diagnostics,
) {
    let search = Search { program, steps, rule };
    for subject in named(&rule.kind) {
        if !steps.nodes.iter().any(|node| may_be(program, subject, node)) {
            diagnostics.push(report::nothing_emits::report(&rule.text, &words(program, subject), rule.span));
            return;
        }
    }
    if let Some(why) = search.vacuous() {
        diagnostics.push(report::vacuous_rule::report(&rule.text, &why, rule.span));
        return;
    }
    let broken = match &rule.kind {
        RuleKind::AtMost { count, subject, per_event } => {
            let bound = bound::bound(program, flow, subject, *per_event);
            // Both may count what cannot happen, the bound side by side, the paths beyond visit caps: either proves.
            let over = bound.is_none_or(|bound| bound > u64::from(*count));
            let path = if over { search.path() } else { None };
            (over && (path.is_some() || *count > COUNT_SEARCHED_MAX)).then_some((path, bound))
        }
        _ => search.path().map(|path| (Some(path), None)),
    };
    if let Some((path, bound)) = broken {
        let path: Vec<&Node<'_>> =
            path.unwrap_or_default().into_iter().filter_map(|at| steps.nodes.get(at)).collect();
        let most = bound.map(|bound| format!("it may happen {bound} times"));
        let shown = report::rule_broken::Shown {
            path: example::path(program, sources, &path),
            test: example::test(program, rule, &path),
            last: path.last().map(|node| node.span),
            why: most.unwrap_or_else(|| why(program, &rule.kind, path.last().copied())),
        };
        diagnostics.push(report::rule_broken::report(&rule.text, rule.span, &shown));
    }
}

fn why(program: &Program, kind: &RuleKind, last: Option<&Node<'_>>) -> String {
    let taken_here =
        last.is_some_and(|node| first(kind).is_some_and(|subject| accepts(program, subject, node.state)));
    match (kind, last.map(|node| node.what)) {
        (RuleKind::LeadsTo(..), Some(What::Done)) => "the session ends here without it",
        (RuleKind::LeadsTo(..), Some(What::Rest { .. })) if taken_here => {
            "the session waits for the next one here"
        }
        (RuleKind::LeadsTo(..), _) => "nothing ends this wait",
        (RuleKind::AtMost { .. }, _) => "there is no bound",
        (_, Some(What::Did(Step { kind: StepKind::Run { .. }, .. }))) => "`run` may call every granted tool",
        _ => "it happens here without that",
    }
    .to_string()
}

/// What a rule forbids, demands an answer for, or counts.
fn first(kind: &RuleKind) -> Option<&Subject> {
    match kind {
        RuleKind::NeverUnlessApproved(subject, _)
        | RuleKind::NeverUnless(subject, _)
        | RuleKind::LeadsTo(subject, _)
        | RuleKind::AtMost { subject, .. } => Some(subject),
        RuleKind::NeverReaches(..) => None,
    }
}

/// Everything that a rule names.
fn named(kind: &RuleKind) -> Vec<&Subject> {
    let others: &[Subject] = match kind {
        RuleKind::NeverUnless(_, before) => std::slice::from_ref(before),
        RuleKind::LeadsTo(_, to) => to,
        _ => &[],
    };
    first(kind).into_iter().chain(others).collect()
}

/// A subject as rules and tests write it.
fn words(program: &Program, subject: &Subject) -> String {
    match subject {
        Subject::Tool(grant) => {
            program.tools.get(*grant as usize).map_or_else(String::new, |tool| tool.tool.clone())
        }
        Subject::Reply => "reply".into(),
        Subject::Message => "message".into(),
        Subject::Send => "send".into(),
        Subject::Wake => "wake".into(),
        Subject::State(id) => {
            program.states.get(id.0 as usize).map_or_else(String::new, |state| state.name.clone())
        }
        Subject::Declared(id) => {
            program.types.get(id.0 as usize).map_or_else(String::new, |ty| ty.name.clone())
        }
    }
}

/// Whether a node is certainly the subject.
fn is(subject: &Subject, node: &Node<'_>) -> bool {
    let calls = |request: &RequestStep, wanted: u32| matches!(request.request, Request::Call { grant, .. } if grant == wanted);
    match (subject, node.what) {
        (Subject::Tool(wanted), What::Did(Step { kind: StepKind::Request(request), .. }))
        | (Subject::Tool(wanted), What::Asked(request)) => calls(request, *wanted),
        (Subject::Reply, What::Did(step)) => matches!(step.kind, StepKind::Reply(_)),
        (Subject::Send, What::Did(step)) => matches!(step.kind, StepKind::Send(..)),
        (Subject::State(id), What::Enter) => node.state == id.0 as usize,
        (Subject::Message, What::Took(handler)) => {
            matches!(handler.trigger, Trigger::Message | Trigger::Word(_))
        }
        (Subject::Wake, What::Took(handler)) => handler.trigger == Trigger::Wake,
        (Subject::Declared(id), What::Took(handler)) => handler.trigger == Trigger::Declared(*id),
        _ => false,
    }
}

/// Whether a node is the subject, or may be: `run` calls what the model wants, and a schedule looks at its tools before
/// it fires (which the session itself does not see).
fn may_be(program: &Program, subject: &Subject, node: &Node<'_>) -> bool {
    let looks = match (subject, node.what) {
        (Subject::Tool(_), What::Did(_)) => is_run(node),
        (Subject::Tool(wanted), What::Took(handler)) => match handler.trigger {
            Trigger::Every(at) => program
                .schedules
                .get(at as usize)
                .is_some_and(|schedule| schedule.when_changed.iter().any(|(grant, _)| grant == wanted)),
            _ => false,
        },
        _ => false,
    };
    looks || is(subject, node)
}

fn is_run(node: &Node<'_>) -> bool {
    matches!(node.what, What::Did(Step { kind: StepKind::Run { .. }, .. }))
}

/// Whether a node is a yes of somebody.
fn approves(node: &Node<'_>, wanted: &Who) -> bool {
    let What::Arm(Step { kind: StepKind::Request(request), .. }, Choice::Outcome(OutcomeKind::Yes)) =
        node.what
    else {
        return false;
    };
    matches!(&request.request, Request::Approve { by, .. } if endorses(by, wanted))
}

/// Whether a yes of one is a yes of the other: more of the same group is enough.
pub(crate) fn endorses(by: &Who, wanted: &Who) -> bool {
    match (by, wanted) {
        (Who::Quorum(given, group), Who::Quorum(count, wanted)) => given >= count && group == wanted,
        _ => by == wanted,
    }
}

/// Whether a state takes the subject as an event while it rests.
pub(crate) fn accepts(program: &Program, subject: &Subject, state: usize) -> bool {
    let trigger = match subject {
        Subject::Message => Trigger::Message,
        Subject::Wake => Trigger::Wake,
        Subject::Declared(id) => Trigger::Declared(*id),
        _ => return false,
    };
    handlers_in_force(program, state)
        .iter()
        .any(|handler| handler.trigger == trigger && matches!(handler.action, HandlerAction::Run { .. }))
}

/// A rule beside the graph.
struct Search<'a, 'p> {
    program: &'p Program,
    steps: &'a Steps<'p>,
    rule: &'a Rule,
}

impl Search<'_, '_> {
    /// The monitor's next state; `None` when the rule is broken here.
    fn step(&self, state: u32, node: &Node<'_>) -> Option<u32> {
        let is = |subject: &Subject| is(subject, node);
        let may = |subject: &Subject| may_be(self.program, subject, node);
        match &self.rule.kind {
            RuleKind::NeverUnlessApproved(subject, by) => match state {
                _ if may(subject) && is_run(node) => None,
                0 if may(subject) => None,
                _ if may(subject) => Some(0),
                _ if approves(node, by) => Some(1),
                _ => Some(state),
            },
            RuleKind::NeverUnless(subject, before) => match state {
                0 if may(subject) => None,
                _ if is(before) => Some(1),
                _ => Some(state),
            },
            RuleKind::LeadsTo(subject, to) => {
                let state = if may(subject) { 1 } else { state };
                if to.iter().any(is) {
                    return Some(0);
                }
                let ends = match node.what {
                    What::Done | What::Wait { bounded: false } | What::Rest { deadline: false } => true,
                    What::Rest { deadline: true } => accepts(self.program, subject, node.state),
                    _ => false,
                };
                if state == 1 && ends { None } else { Some(state) }
            }
            RuleKind::AtMost { count, subject, per_event } => {
                let begins = *per_event && matches!(node.what, What::Took(_));
                let state = if begins { 0 } else { state };
                let happens = if is_run(node) && may(subject) {
                    u32::MAX
                } else if may(subject) {
                    node.times
                } else {
                    0
                };
                let sum = state.saturating_add(happens);
                if sum > *count { None } else { Some(sum) }
            }
            RuleKind::NeverReaches(..) => Some(state),
        }
    }

    /// A shortest path on which the rule breaks; the last node breaks it.
    fn path(&self) -> Option<Vec<usize>> {
        if matches!(self.rule.kind, RuleKind::AtMost { count, .. } if count > COUNT_SEARCHED_MAX) {
            return None;
        }
        let counts = matches!(self.rule.kind, RuleKind::AtMost { .. });
        let mut seen: BTreeMap<(usize, u32), Option<(usize, u32)>> = BTreeMap::from([((0, 0), None)]);
        let mut queue = VecDeque::from([(0usize, 0u32)]);
        while let Some((at, state)) = queue.pop_front() {
            let node = self.steps.nodes.get(at)?;
            let again: &[usize] = if counts { &[] } else { &node.again };
            for &to in node.next.iter().chain(again) {
                let next = self.step(state, &self.steps.nodes[to]);
                let Some(next) = next else {
                    let mut path = vec![to, at];
                    let mut before = seen.get(&(at, state)).copied().flatten();
                    while let Some(key) = before {
                        path.push(key.0);
                        before = seen.get(&key).copied().flatten();
                    }
                    path.reverse();
                    return Some(path);
                };
                if let Entry::Vacant(entry) = seen.entry((to, next)) {
                    entry.insert(Some((at, state)));
                    queue.push_back((to, next));
                }
            }
        }
        None
    }

    /// Whether a session can come to the subject.
    fn reaches(&self, subject: Option<&Subject>) -> bool {
        let Some(subject) = subject else { return false };
        let mut seen = vec![false; self.steps.nodes.len()];
        let mut stack = vec![0];
        while let Some(at) = stack.pop() {
            let Some(node) = self.steps.nodes.get(at).filter(|_| !seen[at]) else { continue };
            if may_be(self.program, subject, node) {
                return true;
            }
            seen[at] = true;
            stack.extend(node.next.iter().chain(&node.again).copied());
        }
        false
    }

    /// Why the rule says nothing about this program.
    fn vacuous(&self) -> Option<String> {
        let subject = first(&self.rule.kind)?;
        if !self.reaches(Some(subject)) {
            return Some(format!("`{}` can never happen", words(self.program, subject)));
        }
        match &self.rule.kind {
            RuleKind::NeverUnless(of, before @ Subject::State(id))
                if *id == self.program.start && of != before =>
            {
                Some(format!("every session begins in `{}`", words(self.program, before)))
            }
            RuleKind::LeadsTo(subject, to) if to.contains(subject) => {
                Some(format!("`{}` is its own answer", words(self.program, subject)))
            }
            _ => None,
        }
    }
}
