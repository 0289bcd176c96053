// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which layer each box stands in: cycles are opened where a depth-first walk from the first box closes them, then
//! each box goes as high as its predecessors allow and is drawn near to the side where it has more neighbours.

use super::Link;

/// Rounds of moving boxes towards their neighbours.
const ROUNDS_MAX: usize = 8;

/// The rank of each box, and which links lead upwards.
pub(super) fn ranks(count: usize, links: &[Link]) -> (Vec<usize>, Vec<bool>) {
    let (is_upwards, order) = acyclic(count, links);
    let mut down: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut up: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (link, upwards) in links.iter().zip(&is_upwards).filter(|(link, _)| link.from != link.to) {
        let (upper, lower) = if *upwards { (link.to, link.from) } else { (link.from, link.to) };
        down[upper].push(lower);
        up[lower].push(upper);
    }
    let mut ranks = vec![0; count];
    for &at in &order {
        ranks[at] = up[at].iter().map(|upper| ranks[*upper] + 1).max().unwrap_or(0);
    }
    for _ in 0..ROUNDS_MAX {
        let mut changed = false;
        for &at in order.iter().rev() {
            let highest = up[at].iter().map(|upper| ranks[*upper] + 1).max();
            let lowest = down[at].iter().map(|lower| ranks[*lower] - 1).min();
            let wanted = match (highest, lowest) {
                (None, Some(lowest)) if at != 0 => lowest,
                (Some(_), Some(lowest)) if down[at].len() > up[at].len() => lowest,
                (Some(highest), _) => highest,
                _ => ranks[at],
            };
            changed |= wanted != ranks[at];
            ranks[at] = wanted;
        }
        if !changed {
            break;
        }
    }
    (ranks, is_upwards)
}

/// Links that close a cycle, and a topological order of the boxes without them.
fn acyclic(count: usize, links: &[Link]) -> (Vec<bool>, Vec<usize>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Closed,
    }
    let mut out = vec![Vec::new(); count];
    for (number, link) in links.iter().enumerate() {
        out[link.from].push(number);
    }
    let mut marks = vec![Mark::New; count];
    let mut is_upwards = vec![false; links.len()];
    let mut order = Vec::with_capacity(count);
    for root in 0..count {
        let mut stack = Vec::new();
        if marks[root] == Mark::New {
            marks[root] = Mark::Open;
            stack.push((root, 0));
        }
        while let Some((at, next)) = stack.pop() {
            let Some(&number) = out[at].get(next) else {
                marks[at] = Mark::Closed;
                order.push(at);
                continue;
            };
            stack.push((at, next + 1));
            let to = links[number].to;
            match marks[to] {
                Mark::New => {
                    marks[to] = Mark::Open;
                    stack.push((to, 0));
                }
                Mark::Open => is_upwards[number] = to != at,
                Mark::Closed => {}
            }
        }
    }
    order.reverse();
    (is_upwards, order)
}
