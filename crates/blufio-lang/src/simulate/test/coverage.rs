// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which states and arms were taken, of all that there are.

use std::collections::BTreeSet;

use crate::simulate::Folder;
use crate::simulate::arms::Arm;
use crate::simulate::session::Happening;
use crate::source::Span;

/// What was taken of one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Agent.
    pub agent: String,
    /// States in all.
    pub states: usize,
    /// Arms in all.
    pub arms: usize,
    /// States that were never entered.
    pub states_missed: Vec<(String, Span)>,
    /// Arms that were never taken: the state (`anywhere` without one), the label, the place.
    pub arms_missed: Vec<(String, String, Span)>,
}

impl Coverage {
    /// States and arms that were taken.
    pub fn taken(&self) -> usize {
        self.all().saturating_sub(self.states_missed.len() + self.arms_missed.len())
    }

    /// States and arms in all.
    pub fn all(&self) -> usize {
        self.states + self.arms
    }

    /// Percent of states and arms that were taken, rounded down.
    pub fn percent(&self) -> usize {
        (self.taken() * 100).checked_div(self.all()).unwrap_or(100)
    }
}

/// Coverage of every agent of a folder by what happened.
pub(in crate::simulate) fn coverage<'a>(
    folder: &Folder,
    happened: impl Iterator<Item = &'a Happening>,
) -> Vec<Coverage> {
    let (mut states, mut arms) = (BTreeSet::new(), BTreeSet::new());
    for one in happened {
        match one {
            Happening::Entered { agent, state } => {
                states.insert((*agent, *state as usize));
            }
            Happening::Arm { agent, arm } => {
                arms.insert((*agent, *arm));
            }
            _ => {}
        }
    }
    let of = |at: usize| {
        missed(folder, at, |state| states.contains(&(at, state)), |arm| arms.contains(&(at, arm)))
    };
    (0..folder.agents.len()).map(of).collect()
}

/// What was not taken of one agent.
pub(in crate::simulate) fn missed(
    folder: &Folder,
    agent: usize,
    entered: impl Fn(usize) -> bool,
    taken: impl Fn(usize) -> bool,
) -> Coverage {
    let Some(agent) = folder.agents.get(agent) else { return Coverage::default() };
    let name = |arm: &Arm| match arm.state.and_then(|at| agent.typed.states.get(at as usize)) {
        Some(state) => state.name.clone(),
        None => "anywhere".to_string(),
    };
    let states = agent.typed.states.iter().enumerate().filter(|(at, _)| !entered(*at));
    let arms = agent.arms.iter().enumerate().filter(|(at, _)| !taken(*at));
    Coverage {
        agent: agent.typed.name.clone(),
        states: agent.typed.states.len(),
        arms: agent.arms.len(),
        states_missed: states.map(|(_, state)| (state.name.clone(), state.span)).collect(),
        arms_missed: arms.map(|(_, arm)| (name(arm), arm.label.clone(), arm.span)).collect(),
    }
}
