// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which step decides whether another one runs. Post-dominators by Cooper, Harvey and Kennedy ("A Simple, Fast
//! Dominance Algorithm"), control dependence by Ferrante, Ottenstein and Warren. Ways that never end decide nothing:
//! that a session waits or fails withholds a step, it does not choose one.

use super::graph::{BACK, EXIT, Graph, Kind, Out, Via};

const NONE: u32 = u32::MAX;

/// For each node the nearest one that every way from it to the end passes; `u32::MAX` where no way ends.
/// `with_back`: whether a handler that leaves a pending step as it is comes to an end there.
pub(super) fn post_dominators(graph: &Graph<'_>, with_back: bool) -> Vec<u32> {
    let back: &[Out] = if with_back { &[Out { to: EXIT, via: Via::Plain }] } else { &[] };
    let outs = |at: u32| graph.nodes[at as usize].out.iter().chain(if at == BACK { back } else { &[] });
    let ends: &[(u32, Via)] = if with_back { &[(BACK, Via::Plain)] } else { &[] };
    let befores = |at: u32| graph.predecessors[at as usize].iter().chain(if at == EXIT { ends } else { &[] });
    let count = graph.nodes.len();
    // Reverse postorder of the reversed graph.
    let (mut order, mut seen) = (Vec::with_capacity(count), vec![false; count]);
    let mut work = vec![(EXIT, 0usize)];
    while let Some((at, edge)) = work.pop() {
        match befores(at).nth(edge) {
            Some(&(before, _)) => {
                work.push((at, edge + 1));
                if !seen[before as usize] {
                    seen[before as usize] = true;
                    work.push((before, 0));
                }
            }
            None => order.push(at),
        }
    }
    order.reverse();
    let mut number = vec![NONE; count];
    for (index, at) in order.iter().enumerate() {
        number[*at as usize] = index as u32;
    }
    let mut nearest = vec![NONE; count];
    nearest[EXIT as usize] = EXIT;
    let mut changed = true;
    while changed {
        changed = false;
        for &at in order.iter().skip(1) {
            let mut new = NONE;
            for next in outs(at).map(|out| out.to) {
                if nearest[next as usize] != NONE {
                    new = if new == NONE { next } else { meet(next, new, &nearest, &number) };
                }
            }
            if nearest[at as usize] != new {
                nearest[at as usize] = new;
                changed = true;
            }
        }
    }
    nearest
}

fn meet(mut a: u32, mut b: u32, nearest: &[u32], number: &[u32]) -> u32 {
    while a != b {
        while number[a as usize] > number[b as usize] {
            a = nearest[a as usize];
        }
        while number[b as usize] > number[a as usize] {
            b = nearest[b as usize];
        }
    }
    a
}

/// Calls back for every node and the edge that decides whether it runs: (who decides, by which edge, which node).
pub(super) fn dependences(graph: &Graph<'_>, mut found: impl FnMut(u32, Out, u32)) {
    let alone = post_dominators(graph, false);
    // A handler beside a pending step that may leave, and does not, has chosen so.
    let nearest: Vec<u32> = if graph.beside.is_empty() {
        alone
    } else {
        let ends = post_dominators(graph, true);
        (0..)
            .zip(alone)
            .map(|(at, alone)| if at == BACK || graph.is_beside(at) { ends[at as usize] } else { alone })
            .collect()
    };
    for (at, node) in graph.nodes.iter().enumerate() {
        if !graph.reachable[at] {
            continue;
        }
        // Nobody knows whether an event comes: until the session is back where it rests, the event decides.
        let by_event = matches!(node.kind, Kind::Wait | Kind::Pending);
        let is_beside = graph.is_beside(at as u32);
        for &out in &node.out {
            let branches = node.out.len() > 1 || (by_event && out.via == Via::Target);
            if nearest[out.to as usize] == NONE {
                found(at as u32, out, out.to);
                continue;
            }
            if !branches {
                continue;
            }
            let mut runner = out.to;
            while runner != EXIT && runner != NONE && (by_event || runner != nearest[at]) {
                if (by_event || is_beside) && graph.is_hub[runner as usize] && graph.home[at] == runner {
                    break;
                }
                found(at as u32, out, runner);
                runner = nearest[runner as usize];
            }
        }
    }
}
