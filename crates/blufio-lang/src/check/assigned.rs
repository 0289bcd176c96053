// SPDX-License-Identifier: MIT OR Apache-2.0
//! Definite assignment: a must-analysis over the graph. A slot without an initial value, and an optional used as a
//! plain value, must hold something on every path that leads to the place of use.

use std::collections::BTreeSet;

use super::closed::{self, can_raise, parts, step_expressions};
use super::flow::{Flow, blocks, is_failure, second_failures, steps_of};
use super::{reach, report};
use crate::diagnostic::Diagnostics;
use crate::typed::{
    Expr, ExprKind, Handler, HandlerAction, OutcomeKind, Program, Request, RequestStep, Step, StepKind, Type,
    Variable, VariableDef,
};

/// What certainly holds.
type Held = BTreeSet<Fact>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// A slot holds a value.
    Slot(u32),
    /// Every field of a `so far` slot is there.
    Complete(u32),
    /// A local holds a value.
    Local(u32),
}

impl Fact {
    /// Whether it outlives the state.
    fn is_kept(&self) -> bool {
        !matches!(self, Fact::Local(_))
    }
}

fn key(variable: Variable) -> Fact {
    match variable {
        Variable::Slot(at) => Fact::Slot(at),
        Variable::Local(at) => Fact::Local(at),
    }
}

struct Walk<'a> {
    program: &'a Program,
    locals: &'a [VariableDef],
    /// What holds on entry to each state; `None` until some path was seen.
    entries: Vec<Option<Held>>,
    /// States whose entry became smaller: they must be visited (again).
    changed: Vec<usize>,
    /// Set during the last pass only.
    diagnostics: Option<&'a mut Diagnostics>,
}

/// Reports uses of variables that may be empty.
pub(super) fn check(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    let mut entries: Vec<Option<Held>> = vec![None; program.states.len()];
    entries[program.start.0 as usize] = Some(initially_held(program));
    let mut waiting = BTreeSet::from([program.start.0 as usize]);
    while let Some(at) = waiting.pop_first() {
        let (next, changed) = visit(program, at, entries, None);
        entries = next;
        waiting.extend(changed);
    }
    for at in reach::reachable(program, flow) {
        entries = visit(program, at, entries, Some(diagnostics)).0;
    }
}

fn initially_held(program: &Program) -> Held {
    let held = |slot: &VariableDef| match (&slot.ty, &slot.initial) {
        (Type::Optional(_), Some(initial)) => !matches!(initial.kind, ExprKind::None),
        (Type::Optional(_), None) => false,
        (Type::List(..) | Type::Map(..) | Type::SoFar(_) | Type::Unknown, _) => true,
        (_, initial) => initial.is_some(),
    };
    program.slots.iter().enumerate().filter(|(_, s)| held(s)).map(|(at, _)| Fact::Slot(at as u32)).collect()
}

fn visit(
    program: &Program,
    at: usize,
    entries: Vec<Option<Held>>,
    diagnostics: Option<&mut Diagnostics>,
) -> (Vec<Option<Held>>, Vec<usize>) {
    let state = &program.states[at];
    let Some(entry) = entries[at].clone() else { return (entries, Vec::new()) };
    let mut walk = Walk { program, locals: &state.locals, entries, changed: Vec::new(), diagnostics };
    if let Some(cap) = state.cap {
        walk.arrive(cap.otherwise.0 as usize, &entry);
    }
    let mut before_wait = entry.clone();
    let first = || state.body.iter().take_while(|s| !waits(s));
    for step in first() {
        walk.effect_of(step, &mut before_wait);
    }
    // Whatever some step of the state empties may be empty when an event comes.
    let mut emptied = BTreeSet::new();
    for steps in closed::all_blocks(program, at).into_iter().chain(failure_blocks(program, at)) {
        walk.emptied_by(steps, &mut emptied);
    }
    before_wait.retain(|fact| !emptied.contains(fact));
    // Ruling 6: steps that fail are taken back whole, and what they assigned with them. So does a step that waits, as long
    // as it reads what it asks with.
    let mut when_failed = before_wait.clone();
    let begins = state.body.iter().take(first().count() + 1);
    if closed::deadline_fails(program, at) || begins.into_iter().any(fails_somewhere) {
        when_failed.retain(|fact| entry.contains(fact));
    }
    for timer in &state.timers {
        walk.expr(&timer.after, &entry);
    }
    walk.steps(&state.body, &mut entry.clone());
    let (failures, events): (Vec<_>, Vec<_>) =
        handlers_of(program, at).into_iter().partition(|(handler, _)| is_failure(&handler.trigger));
    for (handler, from_anywhere) in failures {
        let end = walk.handler(at, handler, from_anywhere, when_failed.clone());
        // Where a failure stays, the session goes on with what it found.
        if let Some(end) = end {
            before_wait.retain(|fact| end.contains(fact));
        }
    }
    walk.locals = &state.locals;
    for timer in &state.timers {
        walk.steps(&timer.steps, &mut before_wait.clone());
    }
    for (handler, from_anywhere) in events {
        walk.handler(at, handler, from_anywhere, before_wait.clone());
    }
    (walk.entries, walk.changed)
}

/// Handlers that may run in a state, and whether they are those of `anywhere`.
fn handlers_of(program: &Program, at: usize) -> Vec<(&Handler, bool)> {
    let state = &program.states[at];
    let is_raised = |h: &&Handler| !is_failure(&h.trigger) || can_raise(program, at, &h.trigger);
    let own = state.handlers.iter().filter(is_raised).map(|h| (h, false));
    let inherited =
        program.anywhere.iter().filter(|h| !state.handlers.iter().any(|o| o.trigger == h.trigger));
    let second = second_failures(program, at).into_iter().map(|(handler, _)| handler);
    own.chain(inherited.filter(is_raised).chain(second).map(|h| (h, true))).collect()
}

/// Steps of the failure handlers of a state.
fn failure_blocks(program: &Program, state: usize) -> impl Iterator<Item = &[Step]> {
    let handlers = program.states[state].handlers.iter().chain(&program.anywhere);
    handlers.filter(|handler| is_failure(&handler.trigger)).map(steps_of)
}

/// Whether a step, or one inside of it, can fail without waiting.
fn fails_somewhere(step: &Step) -> bool {
    closed::fails_at_once(step) || blocks(step).into_iter().flatten().any(fails_somewhere)
}

/// Whether the session may stop at a step, so that handlers may run before what follows.
fn waits(step: &Step) -> bool {
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
    ) || blocks(step).into_iter().flatten().any(waits)
}

/// What holds at the beginning of an arm of a request: before its value arrives, and complete in that arm of `fill`.
fn before_arm(request: &RequestStep, at: usize, before: &Held) -> Held {
    let mut held = before.clone();
    if let (Request::Fill { slot: Variable::Slot(slot), .. }, Some(arm)) =
        (&request.request, request.arms.get(at))
        && arm.outcomes.as_slice() == [OutcomeKind::Complete]
    {
        held.insert(Fact::Complete(*slot));
    }
    held
}

/// What each block of a step binds, in the order of [`blocks`].
fn binders(step: &Step) -> Vec<Vec<Variable>> {
    match &step.kind {
        StepKind::PickArms { arms, .. } | StepKind::Match { arms, .. } => {
            arms.iter().map(|a| a.binders.clone()).collect()
        }
        StepKind::IfSome { binder, .. } => vec![binder.iter().copied().collect()],
        StepKind::Request(request) => request.arms.iter().map(|a| a.binder.into_iter().collect()).collect(),
        StepKind::Turn { says, calls, refuses, .. } => {
            vec![
                says.0.into_iter().collect(),
                refuses.0.into_iter().collect(),
                calls.iter().filter_map(|c| c.0).collect(),
            ]
        }
        _ => Vec::new(),
    }
}

/// What a step by itself assigns, and whether that may be nothing.
fn assigned(step: &Step) -> Vec<(Variable, bool)> {
    match &step.kind {
        StepKind::Assign(variable, value) => {
            vec![(*variable, !matches!(value.kind, ExprKind::ToOptional(_)))]
        }
        StepKind::PickValue { ty, into, .. } => vec![(*into, matches!(ty, Type::Optional(_)))],
        StepKind::Write { into, .. } => vec![(*into, false)],
        StepKind::Request(request) => request.into.map(|into| (into, true)).into_iter().collect(),
        StepKind::Together(branches) => {
            branches.iter().filter_map(|b| b.into).map(|into| (into, true)).collect()
        }
        StepKind::Each(each) => each.results.map(|(results, _)| (results, false)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Whether a path goes on behind a request without passing one of its arms.
fn goes_on(request: &RequestStep) -> bool {
    let takes = |kind| request.arms.iter().any(|a| a.outcomes.contains(&kind));
    match request.request {
        Request::Approve { .. } | Request::Fill { .. } => false,
        _ => !takes(OutcomeKind::Done) && !takes(OutcomeKind::Says),
    }
}

impl Walk<'_> {
    fn arrive(&mut self, state: usize, held: &Held) {
        let slots: Held = held.iter().filter(|fact| fact.is_kept()).copied().collect();
        let Some(entry) = self.entries.get_mut(state) else { return };
        match entry {
            Some(already) if already.is_subset(&slots) => {}
            Some(already) => {
                already.retain(|held| slots.contains(held));
                self.changed.push(state);
            }
            None => {
                *entry = Some(slots);
                self.changed.push(state);
            }
        }
    }

    /// Walks a block; `held` becomes what holds at its end. Returns whether the end is reached.
    fn steps(&mut self, steps: &[Step], held: &mut Held) -> bool {
        for step in steps {
            for expr in step_expressions(step) {
                self.expr(expr, held);
            }
            if !self.step(step, held) {
                return false;
            }
        }
        true
    }

    fn step(&mut self, step: &Step, held: &mut Held) -> bool {
        match &step.kind {
            StepKind::Go(to) => {
                self.arrive(to.0 as usize, held);
                return false;
            }
            StepKind::Done(_) | StepKind::Error => return !matches!(step.kind, StepKind::Done(_)),
            _ => {}
        }
        let mut bound = binders(step);
        if let StepKind::Each(each) = &step.kind {
            // Each item runs its steps by itself: nothing that they assign is certain behind them.
            let mut item = held.clone();
            self.receive([each.variable], &mut item);
            item.extend(each.results.map(|(results, _)| key(results)));
            self.steps(&each.steps, &mut item);
            self.effect_of(step, held);
            return true;
        }
        let before = held.clone();
        self.effect_of(step, held);
        let inner = blocks(step);
        if inner.is_empty() {
            return true;
        }
        bound.resize(inner.len(), Vec::new());
        let mut ends: Vec<Held> = Vec::new();
        for (at, (block, binders)) in inner.into_iter().zip(bound).enumerate() {
            let mut branch = match &step.kind {
                StepKind::Request(request) => before_arm(request, at, &before),
                _ => held.clone(),
            };
            self.receive(binders, &mut branch);
            if at == 0
                && let StepKind::IfSome { subject: Expr { kind: ExprKind::Variable(variable), .. }, .. } =
                    &step.kind
            {
                branch.insert(key(*variable));
            }
            // Payload names of a step that was refused are not recorded: take every local as held there.
            if matches!(step.kind, StepKind::Later(_)) {
                branch.extend((0..self.locals.len() as u32).map(Fact::Local));
            }
            if self.steps(block, &mut branch) {
                ends.push(branch);
            }
        }
        let falls_through = match &step.kind {
            StepKind::Later(later) => later.falls_through,
            StepKind::Request(request) => goes_on(request),
            _ => false,
        };
        if falls_through {
            ends.push(held.clone());
        }
        let Some(first) = ends.pop() else { return false };
        *held = ends.into_iter().fold(first, |a, b| a.intersection(&b).copied().collect());
        true
    }

    /// Walks a handler of a state; what holds at its end, where that is reached.
    fn handler(&mut self, at: usize, handler: &Handler, from_anywhere: bool, mut held: Held) -> Option<Held> {
        let HandlerAction::Run { binder, steps } = &handler.action else { return None };
        let program = self.program;
        self.locals = if from_anywhere { &program.anywhere_locals } else { &program.states[at].locals };
        self.receive(*binder, &mut held);
        self.steps(steps, &mut held).then_some(held)
    }

    /// What a step by itself assigns.
    fn effect_of(&self, step: &Step, held: &mut Held) {
        for (variable, may_be_empty) in assigned(step) {
            if may_be_empty && self.is_optional(variable) {
                held.remove(&key(variable));
            } else {
                held.insert(key(variable));
            }
        }
    }

    /// What steps, or those inside of them, may leave empty.
    fn emptied_by(&self, steps: &[Step], found: &mut BTreeSet<Fact>) {
        for step in steps {
            let emptied =
                assigned(step).into_iter().filter(|(v, may_be_empty)| *may_be_empty && self.is_optional(*v));
            found.extend(emptied.map(|(variable, _)| key(variable)));
            for block in blocks(step) {
                self.emptied_by(block, found);
            }
        }
    }

    /// Variables that receive a value from elsewhere; an optional one may have received nothing.
    fn receive(&self, variables: impl IntoIterator<Item = Variable>, held: &mut Held) {
        for variable in variables {
            if self.is_optional(variable) {
                held.remove(&key(variable));
            } else {
                held.insert(key(variable));
            }
        }
    }

    fn is_optional(&self, variable: Variable) -> bool {
        matches!(self.describe(variable).1, Type::Optional(_))
    }

    fn expr(&mut self, expr: &Expr, held: &Held) {
        match &expr.kind {
            ExprKind::Variable(variable) => {
                let (name, ty) = self.describe(*variable);
                if !matches!(ty, Type::Optional(_)) && !held.contains(&key(*variable)) {
                    self.report(&name, expr, "no value was assigned on some path to here");
                }
            }
            ExprKind::Present(inner) => match &inner.kind {
                ExprKind::Variable(variable) if !held.contains(&key(*variable)) => {
                    let (name, _) = self.describe(*variable);
                    self.report(&name, expr, "it is optional, and some path to here leaves it empty");
                }
                ExprKind::Field(base, _) => {
                    if let ExprKind::Variable(Variable::Slot(slot)) = base.kind
                        && !held.contains(&Fact::Complete(slot))
                    {
                        let (name, _) = self.describe(Variable::Slot(slot));
                        let why = "some of its fields may still be missing here; `fill … { complete -> … }` makes them certain";
                        self.report(&name, expr, why);
                    }
                }
                _ => {}
            },
            _ => {
                for part in parts(expr) {
                    self.expr(part, held);
                }
            }
        }
    }

    fn describe(&self, variable: Variable) -> (String, Type) {
        let def = match variable {
            Variable::Slot(at) => self.program.slots.get(at as usize),
            Variable::Local(at) => self.locals.get(at as usize),
        };
        def.map_or_else(|| (String::new(), Type::Unknown), |d| (d.name.clone(), d.ty.clone()))
    }

    fn report(&mut self, name: &str, expr: &Expr, why: &str) {
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.push(report::unassigned::report(name, expr.span, why));
        }
    }
}
