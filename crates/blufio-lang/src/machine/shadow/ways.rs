// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which ways code can take, worked out from the bytecode alone, and so where the ways of a branch meet again. Nothing
//! of the checker's graph is used but where a session is at rest, which is a ruling and not a finding.

use crate::check::labels::places::{Places, Rest};
use crate::program::instruction::Instruction as I;
use crate::program::{Handler, HandlerAction, Program, Trigger};

/// A node of the graph of ways.
pub(crate) type Node = u32;

/// The end of everything.
pub(crate) const END: Node = 0;
const NONE: u32 = u32::MAX;
/// Nodes of each state that are no code: entry, wait, pending, then failing: of a step, of a failure handler of the
/// state; each alone, and while a step is pending.
const PER_STATE: u32 = 7;

/// The ways of a program.
#[derive(Debug)]
pub(crate) struct Ways {
    length: u32,
    states: u32,
    out: Vec<Vec<Node>>,
    /// The nearest node that every way to the end passes.
    nearest: Vec<u32>,
    /// The same where leaving a handler alone, with a step still pending, counts as an end.
    nearest_beside: Vec<u32>,
    homes: Vec<[Option<Rest>; 2]>,
}

impl Ways {
    pub fn new(program: &Program, places: &Places) -> Self {
        let (length, states) = (program.code.len() as u32, program.states.len() as u32);
        let count = 2 + states * PER_STATE + states * 2 * length;
        let mut ways = Self {
            length,
            states,
            out: vec![Vec::new(); count as usize],
            nearest: Vec::new(),
            nearest_beside: Vec::new(),
            homes: places.homes.clone(),
        };
        for state in 0..states {
            ways.of_state(program, places, state);
            let own = reach(program, &program.states[state as usize].handlers);
            let last = reach(program, &program.anywhere);
            for beside in [false, true] {
                for at in 0..length {
                    // A failure of the state's own failure handler goes to that of `anywhere`, one of that parks.
                    let failing = (!last[at as usize]).then(|| ways.failing(state, beside, own[at as usize]));
                    let to = ways.of_code(program, places, (state, beside), failing, at as u16);
                    let from = ways.code(state, beside, at as u16);
                    ways.out[from as usize] = to;
                }
            }
        }
        let reachable = ways.reachable(program.start);
        for (at, out) in ways.out.iter_mut().enumerate() {
            if !reachable[at] {
                out.clear();
            }
        }
        ways.nearest = nearest(&ways.out);
        ways.out[Self::BACK as usize].push(END);
        ways.nearest_beside = nearest(&ways.out);
        ways
    }

    /// Where handlers end that leave a pending step as it is.
    const BACK: Node = 1;

    pub fn code(&self, state: u32, beside: bool, at: u16) -> Node {
        2 + self.states * PER_STATE + (state * 2 + u32::from(beside)) * self.length + u32::from(at)
    }

    pub fn entry(&self, state: u32) -> Node {
        2 + state * PER_STATE
    }

    pub fn wait(&self, state: u32) -> Node {
        self.entry(state) + 1
    }

    fn pending(&self, state: u32) -> Node {
        self.entry(state) + 2
    }

    fn failing(&self, state: u32, beside: bool, in_handler: bool) -> Node {
        self.entry(state) + 3 + u32::from(beside) + 2 * u32::from(in_handler)
    }

    /// Whether there is an edge.
    pub fn leads(&self, from: Node, to: Node) -> bool {
        self.out[from as usize].contains(&to)
    }

    /// Where the ways of a branch meet again; [`END`] where they do not.
    pub fn meet(&self, from: Node, state: u32, beside: bool) -> Node {
        let nearest = if beside { &self.nearest_beside } else { &self.nearest };
        match nearest[from as usize] {
            NONE => END,
            END if beside => self.home(state, true),
            meet => meet,
        }
    }

    /// Where a session comes to rest that takes an event in a state.
    pub fn home(&self, state: u32, is_busy: bool) -> Node {
        match self.homes[state as usize][usize::from(is_busy)] {
            Some((state, true)) => self.wait(state),
            Some((state, false)) => self.entry(state),
            None => END,
        }
    }

    fn reachable(&self, start: u32) -> Vec<bool> {
        let mut seen = vec![false; self.out.len()];
        let mut work = vec![self.entry(start)];
        while let Some(at) = work.pop() {
            if !std::mem::replace(&mut seen[at as usize], true) {
                work.extend(&self.out[at as usize]);
            }
        }
        seen
    }

    fn of_state(&mut self, program: &Program, places: &Places, at: u32) {
        let state = &program.states[at as usize];
        let mut entry = vec![self.code(at, false, state.body)];
        entry.extend(state.cap.map(|cap| self.entry(u32::from(cap.otherwise))));
        let (mut wait, mut pending, mut failing) = (Vec::new(), Vec::new(), vec![Vec::new(); 4]);
        let own = state.handlers.iter();
        let inherited =
            program.anywhere.iter().filter(|h| !state.handlers.iter().any(|o| o.trigger == h.trigger));
        for handler in own.chain(inherited) {
            let HandlerAction::Run { entry, quick, .. } = handler.action else { continue };
            if is_failure(handler) {
                // A handler that always leaves may fail before it does, and the pending step stays.
                let beside = self.code(at, quick && may_end(program, entry), entry);
                failing[0].extend([self.code(at, false, entry), beside]);
                failing[1].push(beside);
            } else {
                wait.push(self.code(at, false, entry));
                if quick && !matches!(handler.trigger, Trigger::Wake | Trigger::Every(_)) {
                    pending.push(self.code(at, may_end(program, entry), entry));
                }
            }
        }
        for handler in program.anywhere.iter().filter(|h| is_failure(h)) {
            let HandlerAction::Run { entry, quick, .. } = handler.action else { continue };
            let beside = self.code(at, quick && may_end(program, entry), entry);
            failing[2].extend([self.code(at, false, entry), beside]);
            failing[3].push(beside);
        }
        for timer in &state.timers {
            wait.push(self.code(at, false, timer.entry));
            if timer.quick {
                pending.push(self.code(at, may_end(program, timer.entry), timer.entry));
            }
        }
        if places.hubs.contains(&(at, true)) {
            wait.push(END);
        }
        if places.hubs.contains(&(at, false)) {
            entry.push(END);
        }
        let first = self.entry(at) as usize;
        for (offset, out) in [entry, wait, pending].into_iter().chain(failing).enumerate() {
            self.out[first + offset] = out;
        }
    }

    fn of_code(
        &self,
        program: &Program,
        places: &Places,
        (state, beside): (u32, bool),
        failing: Option<Node>,
        at: u16,
    ) -> Vec<Node> {
        let code = |at: u16| self.code(state, beside, at);
        let stops = |mut out: Vec<Node>| {
            out.push(self.pending(state));
            out.extend(failing);
            out
        };
        let each = loop_around(program, at);
        match program.code[usize::from(at)] {
            I::Jump(to) => vec![code(to.0)],
            I::Await(site) => {
                let mut out = stops(program.landings(site.0).into_iter().map(code).collect());
                out.extend(each.map(code));
                out
            }
            I::Gather() => stops(vec![code(at + 1)]),
            I::Each(each) => {
                let each = &program.loops[usize::from(each.0)];
                stops(vec![code(each.body), code(each.resume)])
            }
            I::Go(to) => vec![self.entry(u32::from(to.0))],
            I::Done(_) | I::DoneEmpty() if places.answers => vec![END],
            I::Done(_) | I::DoneEmpty() => vec![self.entry(program.start)],
            I::End() => match each {
                Some(each) => vec![code(each)],
                None if beside => vec![Self::BACK],
                None => vec![self.wait(state)],
            },
            other => {
                let mut out = Vec::new();
                out.extend(target(other).map(code));
                if usize::from(at) + 1 < program.code.len() {
                    out.push(code(at + 1));
                }
                if fails(other) {
                    out.extend(failing);
                    out.extend(each.map(code));
                }
                out
            }
        }
    }
}

/// Whether an instruction can fail in a program that was checked.
fn fails(instruction: I) -> bool {
    let never =
        matches!(instruction, I::CompareValue(..) | I::Unwrap(..) | I::SetTimer(..) | I::UntilTime(..));
    instruction.can_fail() && !never
}

/// The code of failure handlers.
fn reach(program: &Program, handlers: &[Handler]) -> Vec<bool> {
    let mut seen = vec![false; program.code.len()];
    let mut work: Vec<u16> = Vec::new();
    for handler in handlers.iter().filter(|handler| is_failure(handler)) {
        if let HandlerAction::Run { entry, .. } = handler.action {
            work.push(entry);
        }
    }
    while let Some(at) = work.pop() {
        let Some(&instruction) = program.code.get(usize::from(at)) else { continue };
        if std::mem::replace(&mut seen[usize::from(at)], true) {
            continue;
        }
        match instruction {
            I::End() | I::Go(_) | I::Done(_) | I::DoneEmpty() => {}
            I::Jump(to) => work.push(to.0),
            I::Await(site) => work.extend(program.landings(site.0)),
            I::Each(each) => {
                let each = &program.loops[usize::from(each.0)];
                work.extend([each.body, each.resume]);
            }
            other => {
                work.push(at + 1);
                work.extend(target(other));
            }
        }
    }
    seen
}

/// The target of a conditional jump.
pub(crate) fn target(instruction: I) -> Option<u16> {
    let mut found = None;
    instruction.operands(|role| {
        if let crate::program::operand::Role::Target(at) = role {
            found = Some(at);
        }
    });
    found
}

fn is_failure(handler: &Handler) -> bool {
    matches!(handler.trigger, Trigger::Failed | Trigger::Uncertain | Trigger::OverBudget)
}

/// Whether a handler may end without leaving its state.
pub(crate) fn may_end(program: &Program, entry: u16) -> bool {
    let (mut seen, mut work) = (vec![false; program.code.len()], vec![entry]);
    while let Some(at) = work.pop() {
        let Some(&instruction) = program.code.get(usize::from(at)) else { continue };
        if std::mem::replace(&mut seen[usize::from(at)], true) {
            continue;
        }
        match instruction {
            I::End() => return true,
            I::Await(_) | I::Each(_) | I::Go(_) | I::Done(_) | I::DoneEmpty() => {}
            I::Jump(to) => work.push(to.0),
            other => {
                work.push(at + 1);
                work.extend(target(other));
            }
        }
    }
    false
}

/// The instruction that begins the loop whose steps stand around a place.
fn loop_around(program: &Program, at: u16) -> Option<u16> {
    let index = program.loops.iter().position(|each| (each.body..each.resume).contains(&at))?;
    let begins = |instruction: &I| matches!(instruction, I::Each(each) if usize::from(each.0) == index);
    program.code.iter().position(begins).and_then(|at| u16::try_from(at).ok())
}

/// For each node the nearest that every way from it to the end passes: plain sets, made smaller until nothing changes.
fn nearest(out: &[Vec<Node>]) -> Vec<u32> {
    // Reverse postorder from the end.
    let mut before = vec![Vec::new(); out.len()];
    for (from, to) in out.iter().enumerate() {
        for to in to {
            before[*to as usize].push(from as u32);
        }
    }
    let (mut order, mut seen) = (Vec::new(), vec![false; out.len()]);
    let mut work = vec![(END, 0)];
    seen[END as usize] = true;
    while let Some((at, next)) = work.pop() {
        if let Some(&from) = before[at as usize].get(next) {
            work.push((at, next + 1));
            if !std::mem::replace(&mut seen[from as usize], true) {
                work.push((from, 0));
            }
        } else {
            order.push(at);
        }
    }
    let mut number = vec![NONE; out.len()];
    for (index, at) in order.iter().enumerate() {
        number[*at as usize] = index as u32;
    }
    let mut nearest = vec![NONE; out.len()];
    nearest[END as usize] = END;
    let mut changes = true;
    while changes {
        changes = false;
        for &at in order.iter().rev().skip(1) {
            let known = out[at as usize].iter().copied().filter(|to| nearest[*to as usize] != NONE);
            let met = known.reduce(|mut a, mut b| {
                while a != b {
                    let lower = if number[a as usize] < number[b as usize] { &mut a } else { &mut b };
                    *lower = nearest[*lower as usize];
                }
                a
            });
            let met = met.unwrap_or(NONE);
            changes |= std::mem::replace(&mut nearest[at as usize], met) != met;
        }
    }
    nearest
}
