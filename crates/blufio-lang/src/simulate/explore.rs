// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every path of an agent to a bound, without a model: breadth first, every event that a state handles, every outcome of
//! every effect, with values that stand for their types. Sessions that will do the same count once; a slot that counts
//! beyond every number that the program compares with counts as large. At every point the
//! session is also crashed (written down, read back), which must change nothing.
//!
//! Two failures of the outside in a row park a session by the rules of the language (ruling 8); that is not reported.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::test::Coverage;
use super::{Folder, arms, describe};
use crate::effect::{Action, Disposition, Event, Fault, StepResult, Stop};
use crate::machine::Machine;
use crate::program::Program;
use crate::source::Span;
use crate::value::{FailureKind, Value};

pub(super) mod choices;
mod stuck;

use choices::{Choice, Menu};

/// Bounds of an exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest path, in events and outcomes.
    pub depth_max: usize,
    /// Most distinct sessions.
    pub sessions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 200, sessions_max: 50_000 }
    }
}

/// What is wrong with a session that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// No handler, deadline or outcome ever leaves the state.
    Stuck,
    /// A fault parks it.
    Parked,
    /// It does something else after a crash.
    Crash,
}

impl FindingKind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Crash => "changed by a crash",
        }
    }
}

/// A finding with a shortest path to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// State in which it is.
    pub state: String,
    /// Place of the state's name.
    pub span: Span,
    /// Why, for people.
    pub why: String,
    /// Lines of the path, as tests write them; what tests cannot say is a comment.
    pub path: Vec<String>,
}

impl Finding {
    /// The path as a `test` block, ready to be pasted. It fails until a parked session is mended; of a stuck one it
    /// shows the state.
    pub fn test_block(&self) -> String {
        let title = match self.kind {
            FindingKind::Stuck => format!("stuck in {}", self.state),
            FindingKind::Parked => format!("parked in {}", self.state),
            FindingKind::Crash => format!("a crash in {}", self.state),
        };
        let mut out = format!("test {} {{\n", describe::quoted(&title));
        for line in &self.path {
            out.push_str(&format!("  {line}\n"));
        }
        out.push_str(&match self.kind {
            FindingKind::Crash => "  crash\n}\n".to_string(),
            _ => format!("  expect state {}\n}}\n", self.state),
        });
        out
    }
}

/// What an exploration found.
#[derive(Debug, Clone, Default)]
pub struct Exploration {
    /// Agent.
    pub agent: String,
    /// Distinct sessions.
    pub sessions: usize,
    /// Steps taken.
    pub steps: usize,
    /// Longest shortest path.
    pub depth: usize,
    /// Whether every path was followed to its end.
    pub is_complete: bool,
    /// What is wrong, one per kind, state and reason, with a shortest path.
    pub findings: Vec<Finding>,
    /// States and arms that no path reached.
    pub coverage: Coverage,
}

/// Explores an agent.
pub fn explore(folder: &Folder, agent: usize, limits: Limits) -> Exploration {
    let Some(found) = folder.agents.get(agent) else { return Exploration::default() };
    let mut explorer = Explorer {
        program: &found.program,
        menu: Menu::new(&found.typed, &found.program),
        limits,
        known: HashMap::new(),
        places: Vec::new(),
        queue: VecDeque::new(),
        entered: BTreeSet::new(),
        taken: BTreeSet::new(),
        findings: Vec::new(),
        steps: 0,
        is_complete: true,
    };
    explorer.run();
    explorer.report_stuck();
    let coverage = super::test::missed(
        folder,
        agent,
        |state| explorer.entered.contains(&state),
        |arm| explorer.taken.contains(&arm),
    );
    Exploration {
        agent: found.typed.name.clone(),
        sessions: explorer.places.len(),
        steps: explorer.steps,
        depth: explorer.places.iter().map(|place| place.depth).max().unwrap_or(0),
        is_complete: explorer.is_complete,
        findings: explorer.findings,
        coverage,
    }
}

/// A distinct session: how it was reached first, and where it leads.
struct Place {
    parent: Option<usize>,
    line: String,
    depth: usize,
    state: u32,
    /// Where it leads.
    next: Vec<usize>,
    /// It can leave its state, or it was not followed to its end.
    leaves: bool,
    /// Whether anything can happen to it.
    has_choices: bool,
    is_finished: bool,
}

/// A session that is still to be looked at.
struct Open {
    at: usize,
    machine: Machine,
    deadlines: Vec<Deadline>,
}

/// An armed deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline {
    pub due_ms: i64,
    pub timer: u32,
    pub visit: u64,
}

struct Explorer<'p> {
    program: &'p Program,
    menu: Menu<'p>,
    limits: Limits,
    known: HashMap<Vec<u8>, usize>,
    places: Vec<Place>,
    queue: VecDeque<Open>,
    entered: BTreeSet<usize>,
    taken: BTreeSet<usize>,
    findings: Vec<Finding>,
    steps: usize,
    is_complete: bool,
}

impl Explorer<'_> {
    fn run(&mut self) {
        let mut machine = Machine::new(self.program);
        let parameters: Vec<Value> = self.menu.parameters();
        let result = machine.start_with(self.program, &parameters, super::BEGINNING_MS);
        self.arrive(None, String::new(), machine, Vec::new(), result);
        while let Some(open) = self.queue.pop_front() {
            self.expand(&open);
        }
    }

    fn expand(&mut self, open: &Open) {
        let choices = self.menu.choices(&open.machine, &open.deadlines);
        let depth = self.places.get(open.at).map_or(0, |place| place.depth);
        let bounded = depth >= self.limits.depth_max || self.places.len() >= self.limits.sessions_max;
        if let Some(place) = self.places.get_mut(open.at) {
            place.has_choices = !choices.is_empty();
            place.leaves |= bounded && !choices.is_empty();
        }
        if bounded {
            self.is_complete &= choices.is_empty();
            return;
        }
        let bytes = open.machine.encode();
        let restored = Machine::decode(self.program, &bytes).ok().filter(|machine| machine.encode() == bytes);
        let Some(restored) =
            restored.filter(|m| m.pending(self.program) == open.machine.pending(self.program))
        else {
            return self.find(FindingKind::Crash, open.at, None, "the session cannot be read back".into());
        };
        for choice in choices {
            self.follow(open, &restored, choice);
        }
    }

    fn follow(&mut self, open: &Open, restored: &Machine, choice: Choice) {
        self.steps += 1;
        let mut machine = open.machine.clone();
        let result = machine.step(self.program, choice.event.clone(), choice.now_ms);
        let mut other = restored.clone();
        let again = other.step(self.program, choice.event.clone(), choice.now_ms);
        if again != result || other.encode() != machine.encode() {
            let why = "the next step after the crash is another one".to_string();
            self.find(FindingKind::Crash, open.at, Some(choice.line.clone()), why);
        }
        // Ruling 8: a second failure of the outside while the first is handled parks the session, as it must.
        if let Stop::Fault(Fault::FailedTwice(why)) = &result.stop
            && choice.is_failure
            && (choices::is_outside(&choice.event, why)
                || !matches!(why.kind, FailureKind::Arithmetic | FailureKind::Invalid))
        {
            return;
        }
        let mut deadlines = open.deadlines.clone();
        if let Event::Timer { timer, .. } = choice.event {
            deadlines.retain(|deadline| deadline.timer != timer);
        }
        self.arrive(Some(open.at), choice.line, machine, deadlines, result);
    }

    /// A session was reached.
    fn arrive(
        &mut self,
        parent: Option<usize>,
        line: String,
        machine: Machine,
        mut deadlines: Vec<Deadline>,
        result: StepResult,
    ) {
        for action in &result.actions {
            match action {
                Action::Show(line) => self.taken.extend(arms::marked(line)),
                Action::Moved { to, .. } => {
                    self.entered.insert(*to as usize);
                }
                Action::SetTimer { visit, timer, due_ms } => {
                    deadlines.push(Deadline { due_ms: *due_ms, timer: *timer, visit: *visit });
                }
                Action::ClearTimers => deadlines.clear(),
                _ => {}
            }
        }
        if let Stop::Fault(fault) = &result.stop {
            let why = describe::fault(fault);
            return self.find_at(FindingKind::Parked, machine.state(), parent, Some(line), why);
        }
        deadlines.retain(|deadline| {
            let event = Event::Timer { visit: deadline.visit, timer: deadline.timer };
            machine.disposition(self.program, &event) != Disposition::Stale
        });
        let key = self.key(&machine, &deadlines);
        let at = match self.known.get(&key) {
            Some(at) => *at,
            None => {
                let at = self.places.len();
                let depth = parent.and_then(|at| self.places.get(at)).map_or(0, |place| place.depth + 1);
                self.places.push(Place {
                    parent,
                    line,
                    depth,
                    state: machine.state(),
                    next: Vec::new(),
                    leaves: false,
                    has_choices: false,
                    is_finished: machine.is_finished(),
                });
                self.known.insert(key, at);
                self.queue.push_back(Open { at, machine, deadlines });
                at
            }
        };
        let there = self.places.get(at).map(|place| (place.state, place.is_finished));
        if let (Some(place), Some((state, is_finished))) =
            (parent.and_then(|at| self.places.get_mut(at)), there)
        {
            place.leaves |= state != place.state || is_finished;
            place.next.push(at);
        }
    }

    fn find(&mut self, kind: FindingKind, at: usize, line: Option<String>, why: String) {
        let state = self.places.get(at).map_or(0, |place| place.state);
        self.find_at(kind, state, Some(at), line, why);
    }

    /// Notes a finding with its path; breadth first means that the first path is a shortest one.
    fn find_at(
        &mut self,
        kind: FindingKind,
        state: u32,
        from: Option<usize>,
        line: Option<String>,
        why: String,
    ) {
        let (name, span) =
            self.program.states.get(state as usize).map_or(("?", Span::default()), |s| (&s.name, s.span));
        if self.findings.iter().any(|f| f.kind == kind && f.state == name && f.why == why) {
            return;
        }
        let mut path: Vec<String> = line.into_iter().collect();
        let mut at = from;
        while let Some(place) = at.and_then(|at| self.places.get(at)) {
            if place.parent.is_some() {
                path.push(place.line.clone());
            }
            at = place.parent;
        }
        path.reverse();
        self.findings.push(Finding { kind, state: name.to_string(), span, why, path });
    }

    /// Equal for sessions that will do the same.
    fn key(&self, machine: &Machine, deadlines: &[Deadline]) -> Vec<u8> {
        let mut key = machine.canonical(self.program, self.menu.int_max());
        let mut armed: Vec<(u32, i64)> =
            deadlines.iter().map(|deadline| (deadline.timer.min(1 << 16), deadline.due_ms)).collect();
        armed.sort_unstable();
        for (timer, due_ms) in armed {
            key.extend_from_slice(&timer.to_le_bytes());
            key.extend_from_slice(&due_ms.to_le_bytes());
        }
        key
    }
}
