// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program as a graph of its steps: what can happen next after everything that happens. States, handlers and deadlines
//! are expanded into nodes; a path from the first node is a run of a session, as far as control decides it (data may
//! rule some of them out, so what holds on every path holds in every run).
//!
//! What a failing segment did is taken back (ruling 6), so an arithmetic failure leaves from the beginning of its
//! segment; a failing effect leaves from the wait for it.

use std::collections::BTreeMap;

use crate::check::closed::{may_trap, step_expressions};
use crate::check::flow::{blocks, handlers_in_force, is_failure, may_end};
use crate::check::steps::always_leaves;
use crate::source::Span;
use crate::typed::{
    EachStep, EffectClass, Handler, HandlerAction, OutcomeKind, Program, Request, RequestStep, StateId, Step,
    StepKind, Timer, Trigger,
};

/// Something that happens, and what can happen next.
#[derive(Debug, Clone)]
pub struct Node<'p> {
    /// What.
    pub what: What<'p>,
    /// The state in which the session is.
    pub state: usize,
    /// Place in the source.
    pub span: Span,
    /// How often it happens at the most where it happens: more than once inside `each`.
    pub times: u32,
    /// Nodes that can follow.
    pub next: Vec<usize>,
    /// Nodes that can follow within another item of an `each`; their repetition is counted in `times` already.
    pub again: Vec<usize>,
}

/// What can happen.
#[derive(Debug, Clone, Copy)]
pub enum What<'p> {
    /// The session begins.
    Start,
    /// An arrow, before the visit cap of its target is looked at.
    Arrow,
    /// The state is entered.
    Enter,
    /// An event is taken.
    Took(&'p Handler),
    /// A failure is taken.
    Raised(&'p Handler),
    /// A deadline of the state came due.
    Fired(&'p Timer),
    /// A step is done; of an effect, it is asked for.
    Did(&'p Step),
    /// A request of `together` is asked for.
    Asked(&'p RequestStep),
    /// An effect ended, or data decided, and an arm is taken.
    Arm(&'p Step, Choice),
    /// An effect is waited for; whether that ends in any case.
    Wait {
        /// Whether it has a deadline, or a host that ends it.
        bounded: bool,
    },
    /// Nothing is pending: the session waits for events; whether a deadline of the state ends that.
    Rest {
        /// Whether a deadline is armed.
        deadline: bool,
    },
    /// The session ends.
    Done,
}

/// Which way a step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The arm with this index; of an `if`, 0 is `yes`; of a `turn`, `says`, `calls`, `refuses`.
    Arm(usize),
    /// `else`.
    Otherwise,
    /// How a request ended.
    Outcome(OutcomeKind),
    /// On behind the step.
    On,
}

/// The graph; the first node is the start of a session.
#[derive(Debug)]
pub struct Steps<'p> {
    /// Nodes.
    pub nodes: Vec<Node<'p>>,
}

/// Builds the graph of a program.
pub fn steps(program: &Program) -> Steps<'_> {
    let mut builder =
        Builder { program, nodes: Vec::new(), arrows: Vec::new(), raised: BTreeMap::new(), times: 1 };
    let start = builder.node(What::Start, program.start.0 as usize, Span::default());
    for (at, state) in program.states.iter().enumerate() {
        let arrow = builder.node(What::Arrow, at, state.span);
        let enter = builder.node(What::Enter, at, state.span);
        let rest = builder.node(What::Rest { deadline: !state.timers.is_empty() }, at, state.span);
        let leaving = state.timers.iter().any(|timer| timer.steps.iter().any(always_leaves));
        // A deadline that fired and left nothing behind is not armed any more.
        let spent = state.timers.iter().any(|timer| may_end(&timer.steps));
        let late = if spent { builder.node(What::Rest { deadline: leaving }, at, state.span) } else { rest };
        builder.arrows.push(State { arrow, enter, rest, late });
        builder.link(arrow, enter);
    }
    if let Some(first) = builder.arrows.get(program.start.0 as usize).map(|state| state.arrow) {
        builder.link(start, first);
    }
    for at in 0..program.states.len() {
        builder.state(at);
    }
    Steps { nodes: builder.nodes }
}

/// Nodes of a state.
#[derive(Debug, Clone, Copy)]
struct State {
    arrow: usize,
    enter: usize,
    rest: usize,
    /// Rest after a deadline that left nothing behind.
    late: usize,
}

/// Where code is on its way: the nodes that it comes from, and the first nodes of the segments that run.
#[derive(Debug, Clone, Default)]
struct Flow {
    ends: Vec<usize>,
    segments: Vec<usize>,
}

impl Flow {
    fn one(node: usize) -> Self {
        Self { ends: vec![node], segments: vec![node] }
    }

    fn merge(&mut self, other: Self) {
        for (into, from) in [(&mut self.ends, other.ends), (&mut self.segments, other.segments)] {
            for node in from {
                if !into.contains(&node) {
                    into.push(node);
                }
            }
        }
    }
}

/// Who takes a failure of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Plain,
    StateFailure,
    AnywhereFailure,
}

/// Where code runs.
#[derive(Debug, Clone, Copy)]
struct Scope {
    state: usize,
    origin: Origin,
    /// Whether handlers may run while its effects are pending; not for items of a loop, where the loop waits.
    interruptible: bool,
    /// Whether it is an item of a loop, which a failure costs and nothing else.
    item: bool,
    /// Whether that loop has a deadline, which ends every wait in it.
    limited: bool,
}

struct Builder<'p> {
    program: &'p Program,
    nodes: Vec<Node<'p>>,
    arrows: Vec<State>,
    /// Nodes of the failure handlers that were built, by state, handler and origin of their own failures.
    raised: BTreeMap<(usize, Span, u8, Origin), usize>,
    times: u32,
}

impl<'p> Builder<'p> {
    fn node(&mut self, what: What<'p>, state: usize, span: Span) -> usize {
        self.nodes.push(Node { what, state, span, times: self.times, next: Vec::new(), again: Vec::new() });
        self.nodes.len() - 1
    }

    fn link(&mut self, from: usize, to: usize) {
        if !self.nodes[from].next.contains(&to) {
            self.nodes[from].next.push(to);
        }
    }

    /// A node behind everything that the flow comes from.
    fn then(&mut self, flow: &mut Flow, what: What<'p>, state: usize, span: Span) -> usize {
        let node = self.node(what, state, span);
        for end in std::mem::take(&mut flow.ends) {
            self.link(end, node);
        }
        flow.ends.push(node);
        node
    }

    fn state(&mut self, at: usize) {
        let program = self.program;
        let state = &program.states[at];
        let nodes = self.arrows[at];
        if let Some(cap) = state.cap
            && let Some(other) = self.arrows.get(cap.otherwise.0 as usize).map(|other| other.arrow)
        {
            self.link(nodes.arrow, other);
        }
        let scope =
            Scope { state: at, origin: Origin::Plain, interruptible: true, item: false, limited: false };
        // Deadlines are set before the steps on entry.
        if state.timers.iter().any(|timer| may_trap(&timer.after)) {
            self.raise(nodes.enter, &Trigger::Failed, scope);
        }
        let end = self.block(&state.body, Flow::one(nodes.enter), scope);
        self.arrive(&end, nodes.rest);
        for handler in handlers_in_force(program, at) {
            let HandlerAction::Run { steps, .. } = &handler.action else { continue };
            if is_failure(&handler.trigger) {
                continue;
            }
            let took = self.node(What::Took(handler), at, handler.span);
            self.link(nodes.rest, took);
            self.link(nodes.late, took);
            let end = self.block(steps, Flow::one(took), scope);
            self.arrive(&end, nodes.late);
        }
        for timer in &state.timers {
            let fired = self.node(What::Fired(timer), at, timer.span);
            self.link(nodes.rest, fired);
            if timer.steps.iter().any(always_leaves) {
                self.link(nodes.late, fired);
            }
            let end = self.block(&timer.steps, Flow::one(fired), scope);
            self.arrive(&end, nodes.late);
        }
    }

    fn arrive(&mut self, flow: &Flow, at: usize) {
        for end in &flow.ends {
            self.link(*end, at);
        }
    }

    fn block(&mut self, steps: &'p [Step], mut flow: Flow, scope: Scope) -> Flow {
        for step in steps {
            if flow.ends.is_empty() {
                break;
            }
            flow = self.step(step, flow, scope);
        }
        flow
    }

    fn step(&mut self, step: &'p Step, mut flow: Flow, scope: Scope) -> Flow {
        self.may_trap(step, &flow, scope);
        match &step.kind {
            StepKind::Go(to) => self.go(step, &flow, *to, scope),
            StepKind::Done(_) => {
                self.then(&mut flow, What::Done, scope.state, step.span);
                Flow::default()
            }
            StepKind::If { yes, no, .. } => self.branches(step, &flow, scope, &[yes, no], None),
            StepKind::IfSome { some, none, .. } => self.branches(step, &flow, scope, &[some, none], None),
            StepKind::Match { arms, otherwise, .. } => {
                let blocks: Vec<&[Step]> = arms.iter().map(|arm| arm.steps.as_slice()).collect();
                self.branches(step, &flow, scope, &blocks, otherwise.as_deref())
            }
            StepKind::Switch { arms, otherwise, .. } => {
                let blocks: Vec<&[Step]> = arms.iter().map(|(_, steps)| steps.as_slice()).collect();
                self.branches(step, &flow, scope, &blocks, Some(otherwise))
            }
            StepKind::PickArms { arms, .. } => {
                let blocks: Vec<&[Step]> = arms.iter().map(|arm| arm.steps.as_slice()).collect();
                let waits = self.model(step, flow, scope);
                self.branches(step, &waits, scope, &blocks, None)
            }
            StepKind::Turn { says, calls, refuses, .. } => {
                let none: &[Step] = &[];
                let calls = calls.as_ref().map_or(none, |calls| &calls.1);
                let waits = self.model(step, flow, scope);
                self.branches(step, &waits, scope, &[&says.1, calls, &refuses.1], None)
            }
            StepKind::PickValue { .. } | StepKind::Write { .. } => {
                let waits = self.model(step, flow, scope);
                self.go_on(step, &waits, scope)
            }
            StepKind::Run { approved_by, .. } => {
                self.then(&mut flow, What::Did(step), scope.state, step.span);
                let bounded = approved_by.as_ref().is_none_or(|(_, within)| within.is_some());
                let wait = self.wait(&mut flow, bounded, scope, step.span);
                self.raise(wait, &Trigger::Failed, scope);
                self.raise(wait, &Trigger::Uncertain, scope);
                self.go_on(step, &flow, scope)
            }
            StepKind::Request(request) => self.request(step, request, flow, scope),
            StepKind::Each(each) => self.each(step, each, flow, scope),
            StepKind::Together(branches) => self.together(step, branches, flow, scope),
            StepKind::Later(later) => {
                let blocks: Vec<&[Step]> = later.arms.iter().map(|(_, steps)| steps.as_slice()).collect();
                let mut out = self.branches(step, &flow, scope, &blocks, None);
                if later.falls_through {
                    out.merge(flow);
                }
                out
            }
            _ => {
                self.then(&mut flow, What::Did(step), scope.state, step.span);
                flow
            }
        }
    }

    fn go(&mut self, step: &'p Step, flow: &Flow, to: StateId, scope: Scope) -> Flow {
        let mut flow = flow.clone();
        let node = self.then(&mut flow, What::Did(step), scope.state, step.span);
        if let Some(target) = self.arrows.get(to.0 as usize).map(|state| state.arrow) {
            self.link(node, target);
        }
        Flow::default()
    }

    /// One way per block, each through a node that says which one it is.
    fn branches(
        &mut self,
        step: &'p Step,
        flow: &Flow,
        scope: Scope,
        blocks: &[&'p [Step]],
        otherwise: Option<&'p [Step]>,
    ) -> Flow {
        let mut out = Flow::default();
        let numbered = blocks.iter().enumerate().map(|(at, block)| (Choice::Arm(at), *block));
        let all: Vec<(Choice, &'p [Step])> =
            numbered.chain(otherwise.map(|block| (Choice::Otherwise, block))).collect();
        for (choice, block) in all {
            let way = self.way(step, choice, flow, scope);
            out.merge(self.block(block, way, scope));
        }
        out
    }

    /// The beginning of one way behind a step. Behind a wait it is the beginning of a segment.
    fn way(&mut self, step: &'p Step, choice: Choice, flow: &Flow, scope: Scope) -> Flow {
        let mut way = flow.clone();
        let node = self.then(&mut way, What::Arm(step, choice), scope.state, step.span);
        if flow.ends.iter().any(|end| matches!(self.nodes[*end].what, What::Wait { .. })) {
            way.segments = vec![node];
        }
        way
    }

    fn go_on(&mut self, step: &'p Step, flow: &Flow, scope: Scope) -> Flow {
        self.way(step, Choice::On, flow, scope)
    }

    /// A model is asked; failure and budget are raised from the wait.
    fn model(&mut self, step: &'p Step, mut flow: Flow, scope: Scope) -> Flow {
        self.then(&mut flow, What::Did(step), scope.state, step.span);
        let wait = self.wait(&mut flow, true, scope, step.span);
        self.raise(wait, &Trigger::Failed, scope);
        self.raise(wait, &Trigger::OverBudget, scope);
        flow
    }

    /// The wait for an effect, with the handlers that may run meanwhile (ruling 1).
    fn wait(&mut self, flow: &mut Flow, bounded: bool, scope: Scope, span: Span) -> usize {
        let wait = self.then(flow, What::Wait { bounded: bounded || scope.limited }, scope.state, span);
        if scope.interruptible {
            self.interruptions(wait, scope.state);
        }
        wait
    }

    fn interruptions(&mut self, wait: usize, at: usize) {
        let program = self.program;
        let scope =
            Scope { state: at, origin: Origin::Plain, interruptible: false, item: false, limited: false };
        for handler in handlers_in_force(program, at) {
            let HandlerAction::Run { steps, .. } = &handler.action else { continue };
            if is_failure(&handler.trigger) || waits(steps) || is_put_off(&handler.trigger) {
                continue;
            }
            let took = self.node(What::Took(handler), at, handler.span);
            self.link(wait, took);
            let end = self.block(steps, Flow::one(took), scope);
            self.arrive(&end, wait);
        }
        for timer in program.states[at].timers.iter().filter(|timer| !waits(&timer.steps)) {
            let fired = self.node(What::Fired(timer), at, timer.span);
            self.link(wait, fired);
            let end = self.block(&timer.steps, Flow::one(fired), scope);
            self.arrive(&end, wait);
        }
    }

    fn request(&mut self, step: &'p Step, request: &'p RequestStep, mut flow: Flow, scope: Scope) -> Flow {
        self.then(&mut flow, What::Did(step), scope.state, step.span);
        let wait = self.wait(&mut flow, is_bounded(request), scope, step.span);
        if matches!(request.request, Request::Fill { .. } | Request::AskAgent { .. }) {
            self.raise(wait, &Trigger::OverBudget, scope);
        }
        let mut out = Flow::default();
        let mut open = Vec::new();
        for outcome in outcomes(self.program, request) {
            let arm = request.arms.iter().find(|arm| arm.outcomes.contains(&outcome));
            let way = match (arm, outcome) {
                (Some(arm), _) => {
                    let way = self.way(step, Choice::Outcome(outcome), &flow, scope);
                    self.block(&arm.steps, way, scope)
                }
                (None, OutcomeKind::Done | OutcomeKind::Says) => {
                    self.way(step, Choice::Outcome(outcome), &flow, scope)
                }
                (None, _) => {
                    open.push(outcome);
                    continue;
                }
            };
            out.merge(way);
        }
        match &request.otherwise {
            Some(steps) if !open.is_empty() => {
                let way = self.way(step, Choice::Otherwise, &flow, scope);
                out.merge(self.block(steps, way, scope));
            }
            _ => self.raise_open(wait, &open, scope),
        }
        out
    }

    fn raise_open(&mut self, wait: usize, open: &[OutcomeKind], scope: Scope) {
        for outcome in open {
            let trigger =
                if *outcome == OutcomeKind::Uncertain { Trigger::Uncertain } else { Trigger::Failed };
            self.raise(wait, &trigger, scope);
        }
    }

    /// All requests are asked for at once.
    fn together(
        &mut self,
        step: &'p Step,
        branches: &'p [RequestStep],
        mut flow: Flow,
        scope: Scope,
    ) -> Flow {
        let mut open = Vec::new();
        for branch in branches {
            self.then(&mut flow, What::Asked(branch), scope.state, branch.span);
            let goes_on = [OutcomeKind::Done, OutcomeKind::Says];
            open.extend(
                outcomes(self.program, branch).into_iter().filter(|outcome| !goes_on.contains(outcome)),
            );
        }
        let wait = self.wait(&mut flow, branches.iter().all(is_bounded), scope, step.span);
        self.raise_open(wait, &open, scope);
        self.go_on(step, &flow, scope)
    }

    /// Items run side by side: their steps mix in any order, from and back to the wait of the loop. A failing item
    /// costs itself alone.
    fn each(&mut self, step: &'p Step, each: &'p EachStep, mut flow: Flow, scope: Scope) -> Flow {
        self.then(&mut flow, What::Did(step), scope.state, step.span);
        let hub = self.wait(&mut flow, true, scope, step.span);
        let first = self.nodes.len();
        let times = self.times;
        self.times = times.saturating_mul(each.items_max);
        let item = Scope { interruptible: false, item: true, limited: each.within.is_some(), ..scope };
        let way = self.way(step, Choice::Arm(0), &Flow::one(hub), item);
        let end = self.block(&each.steps, way, item);
        self.times = times;
        let mut bounded = each.within.is_some();
        bounded |= self.nodes[first..].iter().all(|node| !matches!(node.what, What::Wait { bounded: false }));
        self.nodes[hub].what = What::Wait { bounded };
        for node in first..self.nodes.len() {
            self.nodes[hub].again.push(node);
            self.nodes[node].again.push(hub);
        }
        flow.ends.extend(end.ends);
        self.go_on(step, &flow, scope)
    }

    /// A step whose values may not be computable leaves from the beginning of its segment.
    fn may_trap(&mut self, step: &'p Step, flow: &Flow, scope: Scope) {
        let changes =
            matches!(step.kind, StepKind::Append(..) | StepKind::PutEntry { .. } | StepKind::Wake { .. });
        if changes || step_expressions(step).into_iter().any(may_trap) {
            for segment in &flow.segments {
                self.raise(*segment, &Trigger::Failed, scope);
            }
        }
    }

    /// A failure goes to the state's handler, then to that of `anywhere`; a failure of that one parks the session.
    fn raise(&mut self, from: usize, trigger: &Trigger, scope: Scope) {
        if scope.item && *trigger != Trigger::Uncertain {
            return;
        }
        let (program, at) = (self.program, scope.state);
        let runs = |handler: &&'p Handler| {
            handler.trigger == *trigger && matches!(handler.action, HandlerAction::Run { .. })
        };
        let own = program.states[at].handlers.iter().find(runs).filter(|_| scope.origin == Origin::Plain);
        let handler = match own {
            Some(handler) => Some((handler, Origin::StateFailure)),
            None if scope.origin == Origin::AnywhereFailure => None,
            None => program.anywhere.iter().find(runs).map(|handler| (handler, Origin::AnywhereFailure)),
        };
        let Some((handler, origin)) = handler else {
            // Without a handler of its own a used-up budget is a failure.
            if *trigger == Trigger::OverBudget {
                self.raise(from, &Trigger::Failed, scope);
            }
            return;
        };
        let kind = match trigger {
            Trigger::Failed => 0,
            Trigger::Uncertain => 1,
            _ => 2,
        };
        let key = (at, handler.span, kind, origin);
        if let Some(node) = self.raised.get(&key).copied() {
            self.link(from, node);
            return;
        }
        let node = self.node(What::Raised(handler), at, handler.span);
        self.raised.insert(key, node);
        self.link(from, node);
        let HandlerAction::Run { steps, .. } = &handler.action else { return };
        let times = std::mem::replace(&mut self.times, 1);
        let scope = Scope { state: at, origin, interruptible: true, item: false, limited: false };
        let end = self.block(steps, Flow::one(node), scope);
        self.times = times;
        self.arrive(&end, self.arrows[at].late);
    }
}

/// Whether an event waits for the end of a pending step whatever its handler does (ruling 9).
fn is_put_off(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Wake | Trigger::Every(_))
}

/// Whether any step waits for an effect.
pub fn waits(steps: &[Step]) -> bool {
    steps.iter().any(|step| is_wait(step) || blocks(step).into_iter().any(waits))
}

/// Whether a step itself waits for an effect.
pub fn is_wait(step: &Step) -> bool {
    matches!(
        step.kind,
        StepKind::PickArms { .. }
            | StepKind::PickValue { .. }
            | StepKind::Write { .. }
            | StepKind::Turn { .. }
            | StepKind::Run { .. }
            | StepKind::Request(_)
            | StepKind::Each(_)
            | StepKind::Together(_)
            | StepKind::Later(_)
    )
}

/// Whether the wait for a request ends in any case: tools and models are given up by their host, people and agents
/// only by `within`.
pub fn is_bounded(request: &RequestStep) -> bool {
    match &request.request {
        Request::Call { .. } | Request::Fill { .. } | Request::Recall { .. } => true,
        Request::AskAgent { within, .. }
        | Request::AskPerson { within, .. }
        | Request::Approve { within, .. } => within.is_some(),
    }
}

/// How a request can end.
fn outcomes(program: &Program, request: &RequestStep) -> Vec<OutcomeKind> {
    use OutcomeKind as O;
    match &request.request {
        Request::Call { grant, .. } => {
            let tool = program.tools.get(*grant as usize);
            let mut out = vec![O::Done, O::Failed];
            out.extend(tool.is_some_and(|tool| tool.effect == EffectClass::Once).then_some(O::Uncertain));
            out
        }
        Request::AskAgent { within, .. } => {
            [O::Done, O::Failed].into_iter().chain(within.as_ref().map(|_| O::Late)).collect()
        }
        Request::AskPerson { within, .. } => {
            [O::Says, O::Failed].into_iter().chain(within.as_ref().map(|_| O::Late)).collect()
        }
        Request::Approve { within, .. } => {
            [O::Yes, O::No].into_iter().chain(within.as_ref().map(|_| O::Late)).collect()
        }
        Request::Fill { .. } => vec![O::Complete, O::Missing, O::Nothing, O::Failed],
        Request::Recall { .. } => vec![O::Done],
    }
}
