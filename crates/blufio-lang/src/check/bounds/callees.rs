// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounds of agents that ask others, bottom-up: an asked agent makes as many model calls as its own bound says, or as
//! many as the grant allows when that is less.

use std::collections::BTreeMap;

use super::{Calls, over_budget, worst_case};
use crate::check::CheckedAgent;
use crate::check::flow::flow;
use crate::diagnostic::Diagnostics;

/// Counts what asked agents cost into the bounds of those who ask them, and reports what exceeds a budget by that.
/// Asking in a circle is refused elsewhere.
pub(in crate::check) fn check(agents: &mut [CheckedAgent], diagnostics: &mut Diagnostics) {
    let before: Vec<Option<u32>> = agents.iter().map(|agent| agent.facts.calls_per_event).collect();
    for _ in 0..agents.len() {
        let bounds: BTreeMap<String, Option<u32>> =
            agents.iter().map(|agent| (agent.program.name.clone(), agent.facts.calls_per_event)).collect();
        let mut changed = false;
        for agent in agents.iter_mut().filter(|agent| !agent.program.asks.is_empty()) {
            for ask in &mut agent.program.asks {
                ask.calls_bound = bounds.get(&ask.agent).copied().flatten();
            }
            if agent.facts.calls_per_event.is_none() {
                continue;
            }
            let program = &agent.program;
            let (calls, path) = worst_case(program, &flow(program), &Calls(program), &|_| true);
            let calls = Some(u32::try_from(calls).unwrap_or(u32::MAX));
            let names = path.iter().map(|at| program.states[*at].name.clone()).collect();
            changed |= std::mem::replace(&mut agent.facts.calls_per_event, calls) != calls;
            agent.facts.worst_path = names;
        }
        if !changed {
            break;
        }
    }
    for (agent, before) in agents.iter().zip(before) {
        let (Some(before), Some(calls)) = (before, agent.facts.calls_per_event) else { continue };
        // What was over its budget already is told.
        let is_told = agent.program.budget.message.calls.map_or(before > 0, |(allowed, _)| before > allowed);
        if !is_told {
            over_budget(&agent.program, calls, &agent.facts.worst_path, diagnostics);
        }
    }
}
