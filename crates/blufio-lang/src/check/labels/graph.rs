// SPDX-License-Identifier: MIT OR Apache-2.0
//! The graph of steps of one agent: every step of every body, handler and deadline is a node. An agent lives for ever,
//! so an end is added where a session is at rest: the entry of the start state (and of every region that never comes
//! back to it).

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::super::flow::{blocks, is_failure, may_end, steps_of};
use super::super::{closed, monitors};
use crate::source::Span;
use crate::typed::{
    Handler, HandlerAction, OutcomeKind, Program, Request, RequestStep, Step, StepKind, Timer, Trigger,
    Variable,
};

/// Index of a node.
pub(in crate::check) type NodeId = u32;

/// The end.
pub(in crate::check) const EXIT: NodeId = 0;
/// Where handlers end that leave a pending step as it is.
pub(super) const BACK: NodeId = 1;
/// Nodes before those of the states.
const FIXED: u32 = 2;
/// Nodes that every state has before its steps.
const PER_STATE: u32 = 4;

/// What a node is.
#[derive(Debug, Clone)]
pub(in crate::check) enum Kind<'p> {
    /// The end.
    Exit,
    /// Where a state is entered.
    Entry,
    /// A state that waits for an event.
    Wait,
    /// Some step of a state is pending.
    Pending,
    /// Some step of a state failed.
    Failing,
    /// An event is taken.
    Handler(&'p Handler),
    /// A deadline passed.
    Timer(&'p Timer),
    /// A step.
    Step(&'p Step),
    /// The beginning of a block of a step: its index in [`blocks`], and what is bound there.
    Arm(&'p Step, usize, Vec<Variable>),
}

/// How an edge is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Via {
    /// There is nothing to choose.
    Plain,
    /// By what the node reads.
    Own,
    /// By the event that the other node takes.
    Target,
    /// The step is pending: nothing was assigned yet.
    Pend,
    /// The step failed: nothing was assigned.
    Fail,
    /// The session ends and another begins, with fresh slots.
    Restart,
}

/// An edge.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) struct Out {
    pub to: NodeId,
    pub via: Via,
}

/// A node.
#[derive(Debug, Clone)]
pub(in crate::check) struct Node<'p> {
    pub kind: Kind<'p>,
    /// State that the session is in.
    pub state: u32,
    /// Whether its locals are those of `anywhere`.
    pub is_anywhere: bool,
    /// The `each` with several items at once around it.
    pub each: Option<NodeId>,
    pub out: Vec<Out>,
    pub span: Span,
}

/// The graph.
#[derive(Debug)]
pub(in crate::check) struct Graph<'p> {
    pub program: &'p Program,
    pub nodes: Vec<Node<'p>>,
    /// Reachable predecessors with the way of the edge.
    pub predecessors: Vec<Vec<(NodeId, Via)>>,
    pub reachable: Vec<bool>,
    /// Where a session is at rest.
    pub is_hub: Vec<bool>,
    /// The hub that a session comes back to from a node again and again; [`EXIT`] where there is none.
    pub home: Vec<NodeId>,
    /// Nodes that may run while a step is pending: of a state (key: its [`Kind::Pending`] node), of the other items of
    /// an `each` (key: its node).
    pub beside: HashMap<NodeId, Vec<Range<NodeId>>>,
}

impl<'p> Graph<'p> {
    /// Builds the graph. `answers`: whether `done` gives a value to who asked instead of beginning anew.
    pub fn new(program: &'p Program, answers: bool) -> Self {
        let mut builder = Builder::new(program, answers);
        for state in 0..program.states.len() {
            builder.state(state);
        }
        let count = builder.nodes.len();
        let mut graph = Self {
            program,
            nodes: builder.nodes,
            predecessors: vec![Vec::new(); count],
            reachable: vec![false; count],
            is_hub: vec![false; count],
            home: vec![EXIT; count],
            beside: builder.beside,
        };
        graph.mark_reachable();
        for at in 0..count {
            if graph.reachable[at] {
                for out in &graph.nodes[at].out {
                    graph.predecessors[out.to as usize].push((at as NodeId, out.via));
                }
            }
        }
        graph.add_ends();
        graph
    }

    /// Entry of a state.
    pub fn entry(state: usize) -> NodeId {
        FIXED + state as u32 * PER_STATE
    }

    /// Entry of the start state.
    pub fn start(&self) -> NodeId {
        Self::entry(self.program.start.0 as usize)
    }

    /// Where a state waits.
    pub fn wait(state: usize) -> NodeId {
        Self::entry(state) + 1
    }

    /// What may run while the step of a node is pending: keys of [`Graph::beside`].
    pub fn beside(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let node = &self.nodes[node as usize];
        let waits = matches!(node.kind, Kind::Step(step) if waits(step));
        let pending = Self::entry(node.state as usize) + 2;
        std::iter::once(pending).chain(node.each).filter(move |key| waits && self.beside.contains_key(key))
    }

    /// Whether a node stands in a handler that leaves a pending step as it is.
    pub fn is_beside(&self, node: NodeId) -> bool {
        let pending = Self::entry(self.nodes[node as usize].state as usize) + 2;
        self.beside.get(&pending).into_iter().flatten().any(|range| range.contains(&node))
    }

    /// Nodes in source order that a session can come to.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.nodes.len() as NodeId).filter(|at| self.reachable[*at as usize])
    }

    fn mark_reachable(&mut self) {
        let mut work = vec![self.start()];
        while let Some(at) = work.pop() {
            let Some(seen) = self.reachable.get_mut(at as usize) else { continue };
            if !std::mem::replace(seen, true) {
                work.extend(self.nodes[at as usize].out.iter().map(|out| out.to));
            }
        }
    }

    /// Where a session of a state is at rest: where it waits if it always comes to that, else where it is entered.
    fn rest_of(&self, entry: NodeId) -> NodeId {
        let state = &self.program.states[self.nodes[entry as usize].state as usize];
        let is_straight = state.cap.is_none() && may_end(&state.body) && only_goes_on(&state.body);
        if is_straight { entry + 1 } else { entry }
    }

    fn end_at(&mut self, entry: NodeId, ends: &mut [bool]) -> NodeId {
        let entry = self.rest_of(entry);
        self.nodes[entry as usize].out.push(Out { to: EXIT, via: Via::Plain });
        self.predecessors[EXIT as usize].push((entry, Via::Plain));
        self.reachable[EXIT as usize] = true;
        self.is_hub[entry as usize] = true;
        self.mark_ends(vec![entry], ends);
        entry
    }

    fn mark_ends(&self, mut work: Vec<NodeId>, ends: &mut [bool]) {
        while let Some(at) = work.pop() {
            if !std::mem::replace(&mut ends[at as usize], true) {
                work.extend(self.predecessors[at as usize].iter().map(|(before, _)| *before));
            }
        }
    }

    /// Adds an end to every region that has none: at the start state, otherwise where the region is entered first.
    fn add_ends(&mut self) {
        let mut ends = vec![false; self.nodes.len()];
        self.mark_ends(vec![EXIT], &mut ends);
        let mut comes_back = vec![false; self.nodes.len()];
        self.mark_ends(vec![self.rest_of(self.start())], &mut comes_back);
        let rest = self.end_at(self.start(), &mut ends);
        for (home, comes_back) in self.home.iter_mut().zip(comes_back) {
            *home = if comes_back { rest } else { EXIT };
        }
        let (discovered, finished) = self.depth_first();
        for at in finished {
            if ends[at as usize] || !matches!(self.nodes[at as usize].kind, Kind::Entry) {
                continue;
            }
            // The first that is finished lies in a region without a way out: all that it reaches is that region.
            let mut region = BTreeSet::new();
            let mut work = vec![at];
            while let Some(next) = work.pop() {
                if region.insert(next) {
                    work.extend(self.nodes[next as usize].out.iter().map(|out| out.to));
                }
            }
            let entries = region.iter().filter(|n| matches!(self.nodes[**n as usize].kind, Kind::Entry));
            if let Some(first) = entries.min_by_key(|n| discovered[**n as usize]).copied() {
                let rest = self.end_at(first, &mut ends);
                for node in region {
                    self.home[node as usize] = rest;
                }
            }
        }
    }

    /// When each node was found, and the nodes in the order in which they were finished.
    fn depth_first(&self) -> (Vec<u32>, Vec<NodeId>) {
        let mut discovered = vec![u32::MAX; self.nodes.len()];
        let (mut finished, mut clock) = (Vec::new(), 0);
        let mut work = vec![(self.start(), 0usize)];
        while let Some((at, edge)) = work.pop() {
            if edge == 0 {
                discovered[at as usize] = clock;
                clock += 1;
            }
            match self.nodes[at as usize].out.get(edge) {
                Some(out) => {
                    work.push((at, edge + 1));
                    if discovered[out.to as usize] == u32::MAX {
                        discovered[out.to as usize] = clock;
                        work.push((out.to, 0));
                    }
                }
                None => finished.push(at),
            }
        }
        (discovered, finished)
    }
}

/// Where the block that is built stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    state: usize,
    is_anywhere: bool,
    each: Option<NodeId>,
    /// The `each` around it, however many items it does at once.
    item: Option<NodeId>,
}

struct Builder<'p> {
    program: &'p Program,
    answers: bool,
    nodes: Vec<Node<'p>>,
    beside: HashMap<NodeId, Vec<Range<NodeId>>>,
}

impl<'p> Builder<'p> {
    fn new(program: &'p Program, answers: bool) -> Self {
        let mut builder = Self { program, answers, nodes: Vec::new(), beside: HashMap::new() };
        let place = Place { state: program.start.0 as usize, is_anywhere: false, each: None, item: None };
        for _ in 0..FIXED {
            builder.push(Kind::Exit, place, Span::default());
        }
        for (state, declared) in program.states.iter().enumerate() {
            let place = Place { state, is_anywhere: false, each: None, item: None };
            for kind in [Kind::Entry, Kind::Wait, Kind::Pending, Kind::Failing] {
                builder.push(kind, place, declared.span);
            }
        }
        builder
    }

    fn push(&mut self, kind: Kind<'p>, place: Place, span: Span) -> NodeId {
        let (state, is_anywhere, each) = (place.state as u32, place.is_anywhere, place.each);
        self.nodes.push(Node { kind, state, is_anywhere, each, out: Vec::new(), span });
        (self.nodes.len() - 1) as NodeId
    }

    fn edge(&mut self, from: NodeId, to: NodeId, via: Via) {
        self.nodes[from as usize].out.push(Out { to, via });
    }

    fn state(&mut self, at: usize) {
        let state = &self.program.states[at];
        let (entry, wait) = (Graph::entry(at), Graph::wait(at));
        let (pending, failing) = (wait + 1, wait + 2);
        let place = Place { state: at, is_anywhere: false, each: None, item: None };
        let body = self.block(&state.body, wait, place);
        match state.cap {
            Some(cap) => {
                self.edge(entry, body, Via::Own);
                self.edge(entry, Graph::entry(cap.otherwise.0 as usize), Via::Own);
            }
            None => self.edge(entry, body, Via::Plain),
        }
        if closed::deadline_fails(self.program, at) || any_fails(&state.body) {
            self.edge(entry, failing, Via::Fail);
        }
        for timer in &state.timers {
            let make = |b: &mut Self, end| {
                let node = b.push(Kind::Timer(timer), place, timer.span);
                let steps = b.block(&timer.steps, end, place);
                b.edge(node, steps, Via::Plain);
                b.taken_back(node, &timer.steps, failing);
                node
            };
            self.event(wait, pending, &timer.steps, true, make);
        }
        let own = state.handlers.iter().map(|h| (h, false));
        // A failure of a failure handler of the state goes to that of `anywhere`.
        let own_fail = state.handlers.iter().any(|h| is_failure(&h.trigger) && any_fails(steps_of(h)));
        let inherited = self
            .program
            .anywhere
            .iter()
            .filter(|h| {
                let is_hidden = state.handlers.iter().any(|o| o.trigger == h.trigger);
                !is_hidden || (own_fail && is_failure(&h.trigger))
            })
            .map(|h| (h, true));
        let events = state.handlers.iter().chain(&self.program.anywhere).filter(|h| !is_failure(&h.trigger));
        let beside_fails = events
            .map(steps_of)
            .chain(state.timers.iter().map(|timer| timer.steps.as_slice()))
            .any(|steps| !monitors::waits(steps) && any_fails(steps));
        for (handler, is_anywhere) in own.chain(inherited) {
            let HandlerAction::Run { steps, .. } = &handler.action else { continue };
            let place = Place { is_anywhere, ..place };
            let make = |b: &mut Self, end| {
                let node = b.push(Kind::Handler(handler), place, handler.span);
                let inner = b.block(steps, end, place);
                b.edge(node, inner, Via::Plain);
                b.taken_back(node, steps, failing);
                node
            };
            if is_failure(&handler.trigger) {
                let node = make(self, wait);
                self.edge(failing, node, Via::Plain);
                // What fails while a step is pending may leave that as it is.
                if beside_fails && may_end(steps) {
                    let first = self.nodes.len() as NodeId;
                    let node = make(self, BACK);
                    self.edge(failing, node, Via::Plain);
                    let range = first..self.nodes.len() as NodeId;
                    self.beside.entry(pending).or_default().push(range);
                }
            } else {
                // `wake` and `every` wait for the end of a pending step.
                let interrupts = !matches!(handler.trigger, Trigger::Wake | Trigger::Every(_));
                self.event(wait, pending, steps, interrupts, make);
            }
        }
    }

    /// Ruling 6: what fails is taken back whole, so whoever takes the failure finds what was there before the steps.
    /// Behind a wait that is what the wait has found.
    fn taken_back(&mut self, begin: NodeId, steps: &[Step], failing: NodeId) {
        if any_fails(steps) {
            self.edge(begin, failing, Via::Fail);
        }
    }

    /// An event: once as it is taken by a state that waits, once while a step is pending, which it may leave as it is.
    fn event(
        &mut self,
        wait: NodeId,
        pending: NodeId,
        steps: &[Step],
        interrupts: bool,
        make: impl Fn(&mut Self, NodeId) -> NodeId,
    ) {
        let node = make(self, wait);
        self.edge(wait, node, Via::Target);
        if !interrupts {
            return;
        }
        if !may_end(steps) {
            self.edge(pending, node, Via::Target);
            return;
        }
        let first = self.nodes.len() as NodeId;
        let node = make(self, BACK);
        self.edge(pending, node, Via::Target);
        let range = first..self.nodes.len() as NodeId;
        self.beside.entry(pending).or_default().push(range);
    }

    fn block(&mut self, steps: &'p [Step], next: NodeId, place: Place) -> NodeId {
        let mut next = next;
        for step in steps.iter().rev() {
            next = self.step(step, next, place);
        }
        next
    }

    fn step(&mut self, step: &'p Step, next: NodeId, place: Place) -> NodeId {
        let node = self.push(Kind::Step(step), place, step.span);
        match &step.kind {
            StepKind::Go(to) => {
                if (to.0 as usize) < self.program.states.len() {
                    self.edge(node, Graph::entry(to.0 as usize), Via::Plain);
                }
                return node;
            }
            StepKind::Done(_) => {
                let start = Graph::entry(self.program.start.0 as usize);
                let (to, via) = if self.answers { (EXIT, Via::Plain) } else { (start, Via::Restart) };
                self.edge(node, to, via);
                return node;
            }
            _ => {}
        }
        if waits(step) {
            self.edge(node, Graph::entry(place.state) + 2, Via::Pend);
        }
        if fails(step) {
            self.edge(node, Graph::entry(place.state) + 3, Via::Fail);
            // A step that fails inside of `each` costs its item.
            if let Some(each) = place.item {
                self.edge(node, each, Via::Fail);
            }
        }
        if let StepKind::Each(each) = &step.kind {
            let at_once = if each.at_once > 1 { Some(node) } else { place.each };
            let inside = Place { each: at_once, item: Some(node), ..place };
            let first = self.nodes.len() as NodeId;
            let arm = self.push(Kind::Arm(step, 0, vec![each.variable]), inside, step.span);
            let body = self.block(&each.steps, node, inside);
            self.edge(arm, body, Via::Plain);
            self.edge(node, arm, Via::Own);
            self.edge(node, next, Via::Own);
            if each.at_once > 1 {
                let range = first..self.nodes.len() as NodeId;
                self.beside.entry(node).or_default().push(range);
            }
            return node;
        }
        let inner = blocks(step);
        let has_arms = !inner.is_empty();
        for (index, (block, binders)) in inner.into_iter().zip(binders(step)).enumerate() {
            let arm = self.push(Kind::Arm(step, index, binders), place, step.span);
            let steps = self.block(block, next, place);
            self.edge(arm, steps, Via::Plain);
            self.edge(node, arm, Via::Own);
        }
        if goes_on(step, has_arms) {
            self.edge(node, next, if has_arms { Via::Own } else { Via::Plain });
        }
        node
    }
}

/// Whether steps neither leave nor wait.
fn only_goes_on(steps: &[Step]) -> bool {
    steps.iter().all(|step| {
        let leaves = matches!(step.kind, StepKind::Go(_) | StepKind::Done(_)) || fails(step);
        !leaves && blocks(step).into_iter().all(only_goes_on)
    })
}

/// What each block of a step binds, in the order of [`blocks`].
fn binders(step: &Step) -> impl Iterator<Item = Vec<Variable>> {
    let one = |binder: Option<Variable>| binder.into_iter().collect::<Vec<_>>();
    let bound: Vec<Vec<Variable>> = match &step.kind {
        StepKind::Match { arms, .. } | StepKind::PickArms { arms, .. } => {
            arms.iter().map(|arm| arm.binders.clone()).collect()
        }
        StepKind::IfSome { binder, .. } => vec![one(*binder)],
        StepKind::Turn { says, calls, refuses, .. } => {
            vec![one(says.0), one(refuses.0), one(calls.as_ref().and_then(|c| c.0))]
        }
        StepKind::Request(request) => request.arms.iter().map(|arm| one(arm.binder)).collect(),
        _ => Vec::new(),
    };
    bound.into_iter().chain(std::iter::repeat_with(Vec::new))
}

fn goes_on(step: &Step, has_arms: bool) -> bool {
    match &step.kind {
        StepKind::Later(later) => later.falls_through || !has_arms,
        StepKind::Request(RequestStep {
            request: Request::Approve { .. } | Request::Fill { .. }, ..
        }) => !has_arms,
        StepKind::Request(request) => {
            let takes = |kind| request.arms.iter().any(|a| a.outcomes.contains(&kind));
            !takes(OutcomeKind::Done) && !takes(OutcomeKind::Says)
        }
        _ => !has_arms,
    }
}

/// Whether the session may stop at a step, so that handlers may run before what follows.
pub(in crate::check) fn waits(step: &Step) -> bool {
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

/// Whether a failure of the step may be raised.
fn fails(step: &Step) -> bool {
    waits(step) || closed::fails_at_once(step)
}

fn any_fails(steps: &[Step]) -> bool {
    steps.iter().any(|step| fails(step) || blocks(step).into_iter().any(any_fails))
}
