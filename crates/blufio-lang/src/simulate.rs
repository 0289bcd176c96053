// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs driven without a world: a virtual clock, a mailbox, timers, effects that are answered by a script or by
//! every possibility. `blufio test` and `blufio explore` are this module and nothing else; there is no I/O in it.
//!
//! Modules in reading order.

mod arms;
mod describe;
mod evaluate;
pub mod explore;
mod harvest;
mod representative;
mod schedule;
mod session;
#[cfg(test)]
mod soundness;
pub mod test;
mod world;

pub use arms::Arm;
pub use describe::describe_step;
pub use session::{Happening, Session};
pub use world::{Given, World};

use crate::check::Checked;
use crate::compile::compile;
use crate::diagnostic::Diagnostics;
use crate::manifest::Manifest;
use crate::program::Program;
use crate::typed;

/// The clock of a simulation begins here: Monday, 5 January 2026, 12:00 UTC. Milliseconds since 1970.
pub const BEGINNING_MS: i64 = 1_767_614_400_000;

/// An agent as the simulation runs it.
#[derive(Debug, Clone)]
pub struct Agent {
    /// As it was checked.
    pub typed: typed::Program,
    /// As it runs here: every arm leaves a mark when it is taken.
    pub program: Program,
    /// Its arms, in the order of the source.
    pub arms: Vec<Arm>,
}

/// The programs of a folder with the recorded answers of their tools.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// Agents, by name.
    pub agents: Vec<Agent>,
    /// Recorded answers of tools, for calls that no line of a test answers.
    pub recorded: Vec<Manifest>,
    /// Members of the groups of `people`, by the group's name.
    pub groups: Vec<(String, Vec<String>)>,
    /// Stands where there is no agent; a session of it is parked at once.
    nothing: Program,
}

impl Folder {
    /// Compiles the agents of a folder in which `check` found no error; the findings are those of the compiler.
    pub fn new(checked: &Checked, recorded: &[Manifest]) -> (Self, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let mut agents = Vec::with_capacity(checked.agents.len());
        for agent in &checked.agents {
            let (marked, arms) = arms::mark(&agent.program);
            let (program, found) = compile(&marked);
            let failed = found.has_errors();
            diagnostics.extend(found);
            if !failed {
                agents.push(Agent { typed: agent.program.clone(), program, arms });
            }
        }
        let people = checked.routes.iter().flat_map(|routes| &routes.people);
        let groups = people
            .filter(|person| !person.members.is_empty())
            .map(|person| (person.name.clone(), person.members.clone()))
            .collect();
        (Self { agents, recorded: recorded.to_vec(), groups, nothing: Program::default() }, diagnostics)
    }

    /// The program of an agent.
    pub(crate) fn program(&self, agent: usize) -> &Program {
        self.agents.get(agent).map_or(&self.nothing, |agent| &agent.program)
    }

    /// The agent of a name.
    pub fn agent(&self, name: &str) -> Option<usize> {
        self.agents.iter().position(|agent| agent.typed.name == name)
    }
}
