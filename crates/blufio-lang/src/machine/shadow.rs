// SPDX-License-Identifier: MIT OR Apache-2.0
//! Labels that a running session really meets, for the tests that hold the checker's fixpoint to its word. Every
//! register, the history, memory and every wake carries the labels that flowed into it, control included: a branch
//! decides until its ways meet again, an event until the session is at rest. At every instruction what is there is
//! compared with what the checker said of that place.
//!
//! Exists in tests only; in a build for use the machine knows nothing of it.

mod compare;
mod flows;
mod items;
mod moved;
pub(crate) mod ways;

use std::collections::HashMap;
use std::sync::Arc;

use super::Machine;
use super::execute::Context;
use crate::check::labels::places::{Labels, Places};
use crate::effect::Outcome;
use crate::program::{Asked as Request, Frame, Loop, Program, Purpose, Register};
use crate::source::Span;
use crate::typed::{Label, MemoryScope, Who};
use ways::{END, Node, Ways};

/// What the checker says of a program, and the ways of its code.
#[derive(Debug)]
pub(crate) struct Known {
    pub places: Places,
    pub ways: Ways,
    /// Registers of the slots, then of the locals of each state and of `anywhere` at the end, in their order.
    pub slots: Vec<Register>,
    pub locals: Vec<Vec<Register>>,
    /// The step of each instruction: expressions have spans of their own.
    pub steps: Vec<Span>,
}

impl Known {
    pub fn new(
        program: &Program,
        places: Places,
        (slots, locals): (Vec<Register>, Vec<Vec<Register>>),
    ) -> Self {
        let spans: std::collections::BTreeSet<Span> =
            places.places.keys().map(|(_, _, span)| *span).collect();
        let around = |span: &Span| {
            let holds = |step: &&Span| step.start <= span.start && span.end <= step.end;
            spans.iter().filter(holds).min_by_key(|step| step.end - step.start).copied().unwrap_or(*span)
        };
        let steps = program.spans.iter().map(around).collect();
        let ways = Ways::new(program, &places);
        Self { places, ways, slots, locals, steps }
    }
}

/// A decision that still holds.
#[derive(Debug, Clone, PartialEq)]
struct Decision {
    labels: Labels,
    /// Where it ends.
    until: Node,
    /// The step that took it.
    span: Span,
}

/// A branch that was just executed: where, and what it read.
#[derive(Debug, Clone, Copy)]
struct Branch {
    from: Node,
    labels: Labels,
    span: Span,
    state: u32,
    beside: bool,
}

/// What an effect was asked with, and under which decisions.
#[derive(Debug, Clone)]
struct Asked {
    arguments: Vec<Labels>,
    decisions: Vec<Decision>,
    from: Node,
    beside: bool,
}

/// What lives longer than a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub memory: [Labels; 4],
    pub history: Labels,
}

/// What the labels were before the segment that runs now.
#[derive(Debug, Clone)]
struct Before {
    scalars: Vec<Labels>,
    objects: Vec<Labels>,
    world: World,
}

/// The labels of a session.
#[derive(Debug, Clone)]
pub(crate) struct Shadow {
    known: Arc<Known>,
    scalars: Vec<Labels>,
    objects: Vec<Labels>,
    pub world: World,
    /// Under which decision the session is opened, and the labels of its parameters.
    pub opened: (Labels, Vec<Labels>),
    decisions: Vec<Decision>,
    branch: Option<Branch>,
    at: Option<Node>,
    state: u32,
    beside: bool,
    /// No place belongs to the code that runs: initial values, deadlines.
    pub silent: bool,
    asked: HashMap<u32, Asked>,
    forked: Vec<Vec<Labels>>,
    strands: HashMap<u32, (Vec<Labels>, Vec<Labels>)>,
    items: Labels,
    each_span: Span,
    /// Labels of the event or outcome that is taken.
    pub incoming: Labels,
    /// Of what an asked agent gave.
    pub given: Labels,
    /// Of the sender of the messages now.
    pub sender: Labels,
    /// Of messages that join the history.
    pub joined: Labels,
    timers: HashMap<u32, Labels>,
    wakes: HashMap<u64, Labels>,
    wakes_cleared: Labels,
    counters: Vec<Labels>,
    /// Of what `done` gave.
    pub gave: Labels,
    before: Option<Box<Before>>,
    /// What a dangerous call was asked with: arguments, decisions.
    pub asked_last: (Vec<Labels>, Labels),
    /// What the last instruction that can fail has read.
    may_fail: Labels,
    last_span: Span,
    pub violations: Vec<String>,
    pub compared: u64,
    pub unplaced: u64,
}

/// Before an instruction of the session that runs.
pub(super) fn executes(context: &mut Context<'_>, pc: usize) {
    if let Some(shadow) = &mut context.shadow {
        shadow.executes(context.program, pc, context.wake_next);
    }
}

impl Machine {
    /// Does something to the labels, where there are any.
    pub(super) fn shadowed(&mut self, act: impl FnOnce(&mut Shadow)) {
        if let Some(shadow) = &mut self.shadow {
            act(shadow);
        }
    }

    /// A handler or a deadline takes an event.
    pub(super) fn shadow_takes(&mut self, program: &Program, entry: u16) {
        let is_busy = !self.pending.is_empty();
        self.shadowed(|shadow| shadow.takes(program, is_busy, entry));
    }

    /// An item of the loop under way ends.
    pub(super) fn shadow_collects(&mut self, program: &Program, failed: bool) {
        let each = self.each.as_ref().and_then(|each| program.loops.get(usize::from(each.each)));
        if let (Some(each), Some(shadow)) = (each, &mut self.shadow) {
            shadow.collected(each, failed);
        }
    }

    /// Gives the session labels before it starts.
    pub(crate) fn carry(&mut self, shadow: Shadow) {
        self.shadow = Some(Box::new(shadow));
    }

    /// The labels of the session.
    pub(crate) fn labels(&mut self) -> &mut Shadow {
        self.shadow.as_mut().expect("a session with labels")
    }
}

impl Shadow {
    pub fn new(program: &Program, known: Arc<Known>) -> Self {
        Self {
            known,
            scalars: vec![Labels::default(); usize::from(program.layout.scalars)],
            objects: vec![Labels::default(); usize::from(program.layout.objects)],
            world: World::default(),
            opened: (Labels::default(), Vec::new()),
            decisions: Vec::new(),
            branch: None,
            at: None,
            state: program.start,
            beside: false,
            silent: false,
            asked: HashMap::new(),
            forked: Vec::new(),
            strands: HashMap::new(),
            items: Labels::default(),
            each_span: Span::default(),
            incoming: Labels::default(),
            given: Labels::default(),
            sender: Labels::default(),
            joined: Labels::default(),
            timers: HashMap::new(),
            wakes: HashMap::new(),
            wakes_cleared: Labels::default(),
            counters: vec![Labels::default(); usize::from(program.layout.counters)],
            gave: Labels::default(),
            before: None,
            asked_last: (Vec::new(), Labels::default()),
            may_fail: Labels::default(),
            last_span: Span::default(),
            violations: Vec::new(),
            compared: 0,
            unplaced: 0,
        }
    }

    /// What the decisions that hold now were taken by.
    pub fn control(&self) -> Labels {
        self.decisions.iter().fold(Labels::default(), |all, decision| all.union(decision.labels))
    }

    fn register(&mut self, register: Register) -> Option<&mut Labels> {
        match register {
            Register::Scalar(at) => self.scalars.get_mut(usize::from(at)),
            Register::Object(at) => self.objects.get_mut(usize::from(at)),
        }
    }

    fn held(&self, register: Register) -> Labels {
        match register {
            Register::Scalar(at) => self.scalars.get(usize::from(at)).copied().unwrap_or_default(),
            Register::Object(at) => self.objects.get(usize::from(at)).copied().unwrap_or_default(),
        }
    }

    /// A value of what is taken now goes into a register.
    pub fn stored(&mut self, register: Register) {
        let labels = self.incoming.union(self.control());
        if let Some(place) = self.register(register) {
            *place = labels;
        }
    }

    /// The session begins: who asks or writes first decides that.
    pub fn begins(&mut self, program: &Program) {
        let (control, parameters) = self.opened.clone();
        for (slot, labels) in program.slots.iter().zip(parameters) {
            if let Some(place) = self.register(slot.register) {
                *place = labels.union(control);
            }
        }
        if self.known.places.answers {
            self.decide(control, END, Span::default());
        }
        let home = self.known.ways.home(self.state, false);
        self.decide(self.sender, home, Span::default());
    }

    fn decide(&mut self, labels: Labels, until: Node, span: Span) {
        if labels.is_empty() {
            return;
        }
        match self.decisions.iter_mut().find(|known| known.until == until && known.span == span) {
            Some(known) => known.labels = known.labels.union(labels),
            None => self.decisions.push(Decision { labels, until, span }),
        }
    }

    /// Control comes to a node: decisions whose ways meet there are over.
    fn arrive(&mut self, node: Node) {
        if let Some(branch) = self.branch.take() {
            let until = self.known.ways.meet(branch.from, branch.state, branch.beside);
            if until != node {
                self.decide(branch.labels, until, branch.span);
            }
        }
        if let Some(from) = self.at
            && !self.known.ways.leads(from, node)
        {
            self.violations.push(format!("a way that is not there: {from} to {node}"));
        }
        self.decisions.retain(|decision| decision.until != node);
        self.at = Some(node);
    }

    /// A state is entered.
    pub fn entered(&mut self, state: u32, capped: Option<u16>) {
        self.asked.clear();
        let node = self.known.ways.entry(state);
        self.arrive(node);
        (self.state, self.beside) = (state, false);
        if let Some(counter) = capped {
            let control = self.control();
            let held = &mut self.counters[usize::from(counter)];
            *held = held.union(control);
            let labels = *held;
            self.branch_at(node, labels, Span::default());
        }
    }

    fn branch_at(&mut self, from: Node, labels: Labels, span: Span) {
        self.branch = Some(Branch { from, labels, span, state: self.state, beside: self.beside });
    }

    pub fn cleared(&mut self, frame: &Frame) {
        let (scalar, object) = (usize::from(frame.scalar_first), usize::from(frame.object_first));
        self.scalars[scalar..scalar + frame.scalars.len()].fill(Labels::default());
        self.objects[object..object + frame.objects.len()].fill(Labels::default());
    }

    /// An event is taken; while a step is pending it stays pending when the handler can end without leaving.
    pub fn takes(&mut self, program: &Program, is_busy: bool, entry: u16) {
        let labels = self.incoming;
        if is_busy {
            let asked: Vec<Decision> =
                self.asked.values().flat_map(|asked| asked.decisions.clone()).collect();
            self.decisions = asked;
        }
        self.branch = None;
        self.at = None;
        self.beside = is_busy && ways::may_end(program, entry);
        let home = self.known.ways.home(self.state, is_busy);
        self.decide(labels, home, Span::default());
    }

    /// What a message brought enters the history.
    pub fn enters_history(&mut self, labels: Labels) {
        self.world.history = self.world.history.union(labels).union(self.control());
    }

    pub fn remembers(&mut self) {
        self.before = Some(Box::new(Before {
            scalars: self.scalars.clone(),
            objects: self.objects.clone(),
            world: self.world.clone(),
        }));
    }

    pub fn undone(&mut self) {
        if let Some(before) = self.before.as_deref().cloned() {
            (self.scalars, self.objects, self.world) = (before.scalars, before.objects, before.world);
        }
        self.forked.clear();
    }

    /// An instruction failed: that tells of what it read.
    pub fn failed(&mut self) {
        self.incoming = self.may_fail.union(self.control());
        if let Some(at) = self.at {
            self.branch_at(at, self.may_fail, self.last_span);
        }
    }

    /// A handler takes a failure.
    pub fn raised(&mut self, program: &Program, entry: u16, is_busy: bool) {
        self.beside = is_busy && ways::may_end(program, entry);
        let node = self.known.ways.code(self.state, self.beside, entry);
        self.at = None;
        self.arrive(node);
        self.at = None;
    }

    /// There is no code: the session waits at once.
    pub fn rests_at(&mut self, entry: u16) {
        let node = self.known.ways.code(self.state, self.beside, entry);
        self.arrive(node);
        self.rests();
    }

    /// Code ends, and the session waits in its state.
    pub fn rests(&mut self) {
        if !self.beside && !self.silent {
            let node = self.known.ways.wait(self.state);
            self.arrive(node);
        }
    }

    /// The effect of a site is asked for.
    pub fn asks(&mut self, program: &Program, site: u16, number: u32, is_branch: bool) {
        let described = &program.sites[usize::from(site)];
        let arguments = if is_branch { self.forked.remove(0) } else { self.effect_registers(program, site) };
        let reads_history = described.history || matches!(described.purpose, Purpose::Turn { .. });
        if reads_history {
            self.world.history = self.world.history.union(self.joined);
            self.joined = Labels::default();
        }
        let control = self.control();
        self.asked_last = (arguments.clone(), control);
        self.compare_asked(program, site, &arguments);
        let mut arguments = arguments;
        if reads_history {
            arguments.push(self.world.history);
        }
        if described.memory {
            arguments
                .push(self.world.memory.iter().fold(Labels::of(Label::Memory), |all, one| all.union(*one)));
        }
        // The question of a `turn` stands in the history as soon as it is asked, and so do calls that have run when
        // the rest of them is given up.
        let read = arguments.iter().fold(Labels::default(), |all, one| all.union(*one));
        match described.purpose {
            Purpose::Turn { .. } => self.enters_history(read),
            Purpose::Run { .. } => {
                let labels = self.outcome_labels(program, &described.purpose, read, &arguments);
                self.enters_history(labels);
            }
            _ => {}
        }
        let asked = Asked {
            arguments,
            decisions: self.decisions.clone(),
            from: self.at.unwrap_or(END),
            beside: self.beside,
        };
        self.asked.insert(number, asked);
    }

    /// What a pending effect was asked with, and under which decisions.
    pub fn asked_with(&self, number: u32) -> (Vec<Labels>, Labels) {
        let Some(asked) = self.asked.get(&number) else { return (Vec::new(), Labels::default()) };
        let control =
            asked.decisions.iter().fold(Labels::default(), |all, decision| all.union(decision.labels));
        (asked.arguments.clone(), control)
    }

    fn effect_registers(&self, program: &Program, site: u16) -> Vec<Labels> {
        let first = usize::from(program.layout.effect_first);
        let count = usize::from(crate::program::asked_with(program, &program.sites[usize::from(site)]));
        self.objects[first..first + count].to_vec()
    }

    /// An effect ends: what its outcome carries, and the decision that it is.
    pub fn resolves(&mut self, program: &Program, number: u32, site: u16, outcome: &Outcome) {
        let Some(asked) = self.asked.remove(&number) else { return };
        let described = &program.sites[usize::from(site)];
        self.decisions = asked.decisions;
        (self.at, self.beside) = (Some(asked.from), asked.beside);
        let control = self.control();
        let read = asked.arguments.iter().fold(Labels::default(), |all, one| all.union(*one));
        let mut labels = self.outcome_labels(program, &described.purpose, read, &asked.arguments);
        labels = labels.union(control);
        (self.incoming, self.last_span) = (labels, described.span);
        self.compare_result(described.span, labels);
        match &described.purpose {
            Purpose::Fill { slot, .. } => {
                let held = self.objects[usize::from(*slot)];
                self.objects[usize::from(*slot)] = held.union(labels);
            }
            Purpose::Request { asked: Request::Approval { editing: Some(slot), .. }, .. }
                if matches!(outcome, Outcome::Yes(Some(_))) =>
            {
                self.objects[usize::from(*slot)] = labels;
            }
            Purpose::Turn { .. } | Purpose::Run { .. } => self.enters_history(labels),
            _ => {}
        }
        // That a request failed, or did not, tells nothing of a secret that it gives.
        let decides = match &described.purpose {
            Purpose::Request { asked: Request::Approval { .. }, .. } => labels,
            Purpose::Request { .. } => labels.untrusted(),
            _ => labels,
        };
        let failed = matches!(
            outcome,
            Outcome::Failed(_) | Outcome::Uncertain | Outcome::OverBudget(_) | Outcome::Refused(_)
        );
        let branches = program.landings(site).len() > 1 || failed;
        self.branch = None;
        if branches {
            self.branch_at(asked.from, decides, described.span);
        }
    }

    fn outcome_labels(
        &self,
        program: &Program,
        purpose: &Purpose,
        read: Labels,
        arguments: &[Labels],
    ) -> Labels {
        let tool = |grant: usize| {
            program.tools.get(grant).and_then(|tool| tool.label).map(Labels::of).unwrap_or_default()
        };
        let words_of = |who: u16| match program.people.get(usize::from(who)) {
            Some(Who::Person(_) | Who::Quorum(..)) => Labels::of(Label::Message),
            Some(Who::Sender) => self.sender,
            _ => Labels::default(),
        };
        match purpose {
            Purpose::Run { .. } => {
                let tools =
                    (0..program.tools.len()).fold(Labels::default(), |all, grant| all.union(tool(grant)));
                arguments.first().copied().unwrap_or_default().untrusted().union(tools)
            }
            Purpose::Request { asked, .. } => match asked {
                Request::Call { grant } => read.untrusted().union(tool(usize::from(*grant))),
                Request::Agent { .. } => read.union(Labels::of(Label::Agent)).union(self.given),
                Request::Person { whom, .. } => words_of(*whom),
                // People who are named to decide are trusted to decide.
                Request::Approval { by, .. } => match program.people.get(usize::from(*by)) {
                    Some(Who::Sender) => self.sender,
                    _ => Labels::default(),
                },
                Request::Recall { scope, .. } => {
                    read.union(Labels::of(Label::Memory)).union(self.world.memory[scope_index(*scope)])
                }
            },
            _ => read,
        }
    }

    /// The items of a loop are at hand.
    pub fn begins_each(&mut self, program: &Program, each: &Loop) {
        self.items = self.objects[usize::from(program.layout.effect_first)];
        let control = self.control();
        if let Some((list, ..)) = each.results {
            self.objects[usize::from(list)] = self.items.union(control);
        }
        self.strands.clear();
        self.each_span = each.span;
        let asked = Asked {
            arguments: vec![self.items],
            decisions: self.decisions.clone(),
            from: self.at.unwrap_or(END),
            beside: self.beside,
        };
        self.asked.insert(u32::MAX, asked);
    }

    /// Back at the loop: an item begins, or the loop is over.
    pub fn back_at_each(&mut self, begins: bool) {
        let Some(asked) = self.asked.get(&u32::MAX).cloned() else { return };
        self.decisions = asked.decisions;
        (self.at, self.beside) = (Some(asked.from), asked.beside);
        self.branch = None;
        self.incoming = self.items;
        self.branch_at(asked.from, self.items, self.each_span);
        if !begins {
            self.asked.remove(&u32::MAX);
        }
    }

    pub fn put_aside(&mut self, item: u32, frame: &Frame) {
        let scalar = usize::from(frame.scalar_first);
        let object = usize::from(frame.object_first);
        let scalars = self.scalars[scalar..scalar + frame.scalars.len()].to_vec();
        let objects = self.objects[object..object + frame.objects.len()].to_vec();
        self.strands.insert(item, (scalars, objects));
    }

    /// Before an instruction is executed.
    pub fn executes(&mut self, program: &Program, pc: usize, wake_next: u64) {
        let Some(&instruction) = program.code.get(pc) else { return };
        let span = self.known.steps.get(pc).copied().unwrap_or_default();
        if !self.silent {
            let node = self.known.ways.code(self.state, self.beside, pc as u16);
            self.arrive(node);
            self.compare(program, pc, instruction, span);
        }
        let read = self.flows(program, instruction, wake_next);
        self.may_branch(instruction, read, span);
        self.last_span = span;
    }
}

fn scope_index(scope: MemoryScope) -> usize {
    MemoryScope::ALL.iter().position(|known| *known == scope).unwrap_or_default()
}
