// SPDX-License-Identifier: MIT OR Apache-2.0
//! Delegation: an asked agent uses nothing that it was not given, costs no more than its asker allows, and asking
//! comes to an end.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckedAgent, report};
use crate::diagnostic::Diagnostics;

/// Agents that ask one another in a row, the first one not counted.
const DEPTH_MAX: usize = 3;

/// Reports delegation that goes too far.
pub(super) fn check(agents: &[CheckedAgent], diagnostics: &mut Diagnostics) {
    let by_name: BTreeMap<&str, &CheckedAgent> =
        agents.iter().map(|agent| (agent.program.name.as_str(), agent)).collect();
    let needs = needs(&by_name);
    for agent in agents {
        for ask in &agent.program.asks {
            let Some(asked) = by_name.get(ask.agent.as_str()) else { continue };
            if let Some(needed) = needs.get(ask.agent.as_str()) {
                let missing: Vec<&str> = needed
                    .iter()
                    .copied()
                    .filter(|tool| !ask.with.iter().any(|given| given == tool))
                    .collect();
                if !missing.is_empty() {
                    diagnostics.push(report::callee_needs_more::report(&ask.agent, &missing, ask.span));
                }
            }
            if let (Some(allowed), Some(worst)) = (ask.calls_max, asked.facts.calls_per_event)
                && worst > allowed
            {
                diagnostics.push(report::callee_costs_more::report(&ask.agent, worst, allowed, ask.span));
            }
            check_chain(agent, ask.agent.as_str(), ask.span, &by_name, diagnostics);
        }
    }
}

/// Tools that an agent uses, itself or through those it asks: a least fixpoint, because asking may go in a circle.
fn needs<'a>(agents: &BTreeMap<&'a str, &'a CheckedAgent>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = agents
        .iter()
        .map(|(name, agent)| (*name, agent.program.tools.iter().map(|tool| tool.tool.as_str()).collect()))
        .collect();
    loop {
        let mut changed = false;
        for (name, agent) in agents {
            let through: Vec<&str> = agent
                .program
                .asks
                .iter()
                .filter_map(|ask| needs.get(ask.agent.as_str()))
                .flatten()
                .copied()
                .collect();
            if let Some(own) = needs.get_mut(name) {
                let before = own.len();
                own.extend(through);
                changed |= own.len() > before;
            }
        }
        if !changed {
            return needs;
        }
    }
}

/// A circle through this grant, or a row of asking that is too long from this agent.
fn check_chain(
    agent: &CheckedAgent,
    asked: &str,
    span: crate::source::Span,
    agents: &BTreeMap<&str, &CheckedAgent>,
    diagnostics: &mut Diagnostics,
) {
    let first = agent.program.name.as_str();
    if let Some(path) = way_back(asked, first, agents) {
        let names: Vec<&str> = std::iter::once(first).chain(path).collect();
        diagnostics.push(report::delegation::circle(&names.join(" → "), span));
    } else if let Some(path) = too_deep(vec![first, asked], agents) {
        diagnostics.push(report::delegation::too_deep(&path.join(" → "), DEPTH_MAX, span));
    }
}

/// The shortest row of asking from one agent to another.
fn way_back<'a>(from: &'a str, to: &str, agents: &BTreeMap<&str, &'a CheckedAgent>) -> Option<Vec<&'a str>> {
    let mut previous: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            let mut path = vec![at];
            while let Some(before) =
                path.last().filter(|last| **last != from).and_then(|last| previous.get(last))
            {
                path.push(before);
            }
            path.reverse();
            return Some(path);
        }
        for ask in agents.get(at).into_iter().flat_map(|agent| &agent.program.asks) {
            if !previous.contains_key(ask.agent.as_str()) {
                previous.insert(&ask.agent, at);
                queue.push_back(&ask.agent);
            }
        }
    }
    None
}

/// A row of asking with more than [`DEPTH_MAX`] links; circles are reported as such, not here.
fn too_deep<'a>(path: Vec<&'a str>, agents: &BTreeMap<&str, &'a CheckedAgent>) -> Option<Vec<&'a str>> {
    if path.len() > DEPTH_MAX + 1 {
        return Some(path);
    }
    let last = agents.get(path.last()?)?;
    last.program.asks.iter().filter(|ask| !path.contains(&ask.agent.as_str())).find_map(|ask| {
        let mut longer = path.clone();
        longer.push(&ask.agent);
        too_deep(longer, agents)
    })
}
