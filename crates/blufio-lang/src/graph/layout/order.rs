// SPDX-License-Identifier: MIT OR Apache-2.0
//! In which order the vertices of a layer stand: sweeps by the mean place of the neighbours, the order with the fewest
//! crossings wins.

use super::Layered;

/// Sweeps, half of them downwards. More do not help the programs that people write.
const SWEEPS: usize = 24;
/// Sweeps without fewer crossings after which no more are tried: both directions, with ties both ways.
const FRUITLESS_MAX: usize = 4;

/// Orders the layers.
pub(super) fn order(layered: &mut Layered) {
    begin(layered);
    let mut place = vec![0; layered.vertices.len()];
    note(&layered.layers, &mut place);
    let mut best = (crossings(layered, &place), layered.layers.clone());
    let mut fruitless = 0;
    for sweep in 0..SWEEPS {
        let count = layered.layers.len();
        let is_down = sweep % 2 == 0;
        for step in 1..count {
            let layer = if is_down { step } else { count - 1 - step };
            let neighbours = if is_down { &layered.above } else { &layered.below };
            let mut keyed: Vec<(f64, usize)> = layered.layers[layer]
                .iter()
                .map(|&at| match neighbours[at].len() {
                    0 => (place[at] as f64, at),
                    many => (
                        neighbours[at].iter().map(|other| place[*other] as f64).sum::<f64>() / many as f64,
                        at,
                    ),
                })
                .collect();
            // Ties turn round in every second pair of sweeps, else they would never be tried the other way.
            if sweep % 4 >= 2 {
                keyed.reverse();
            }
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            layered.layers[layer] = keyed.into_iter().map(|(_, at)| at).collect();
            for (number, at) in layered.layers[layer].iter().enumerate() {
                place[*at] = number;
            }
        }
        let found = crossings(layered, &place);
        fruitless += 1;
        if found < best.0 {
            best = (found, layered.layers.clone());
            fruitless = 0;
        }
        if best.0 == 0 || fruitless == FRUITLESS_MAX {
            break;
        }
    }
    layered.layers = best.1;
}

/// The order in which a depth-first walk from the top meets the vertices.
fn begin(layered: &mut Layered) {
    let mut is_met = vec![false; layered.vertices.len()];
    let mut roots: Vec<usize> = (0..layered.vertices.len()).collect();
    roots.sort_by_key(|at| layered.vertices[*at].layer);
    for root in roots {
        let mut stack = vec![root];
        while let Some(at) = stack.pop() {
            if std::mem::replace(&mut is_met[at], true) {
                continue;
            }
            layered.layers[layered.vertices[at].layer].push(at);
            stack.extend(layered.below[at].iter().rev());
        }
    }
}

fn note(layers: &[Vec<usize>], place: &mut [usize]) {
    for layer in layers {
        for (number, at) in layer.iter().enumerate() {
            place[*at] = number;
        }
    }
}

/// Crossings of all pairs of neighbouring layers, counted with an accumulator tree (Barth, Jünger, Mutzel 2002).
fn crossings(layered: &Layered, place: &[usize]) -> usize {
    let mut sum = 0;
    for pair in layered.layers.windows(2) {
        let mut tree = vec![0usize; pair[1].len() + 1];
        let mut known = 0;
        for &at in &pair[0] {
            let mut ends: Vec<usize> = layered.below[at].iter().map(|to| place[*to] + 1).collect();
            ends.sort_unstable();
            for &end in &ends {
                let (mut left, mut step) = (0, end);
                while step > 0 {
                    left += tree[step];
                    step &= step - 1;
                }
                sum += known - left;
            }
            for &end in &ends {
                known += 1;
                let mut step = end;
                while step < tree.len() {
                    tree[step] += 1;
                    step += step & step.wrapping_neg();
                }
            }
        }
    }
    sum
}
