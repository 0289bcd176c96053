// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far from the left and from the top the vertices lie. In sweeps each vertex is pulled to the mean of its
//! neighbours; within a layer the places nearest to what is wanted, under the distances that must be kept, are an
//! isotonic regression and are found exactly by pooling adjacent violators (Ayer et al. 1955).

use super::{Layered, MARGIN, Vertex};

/// Sweeps, half of them downwards.
const SWEEPS: usize = 40;
/// Sweeps over pictures with more vertices than this: nobody looks at such a picture as a whole.
const SWEEPS_OF_MANY: usize = 10;
const MANY: usize = 20_000;
/// How much harder a long arrow pulls itself straight than a box is pulled to its neighbours.
const STRAIGHTNESS: f64 = 16.0;
/// Space between boxes.
const BOX_GAP: f64 = 30.0;
/// Space beside an arrow or a label.
const LINE_GAP: f64 = 12.0;
/// Space between layers; more where lines go far to the side.
const LAYER_GAP: f64 = 14.0;
/// Largest space between layers.
const LAYER_GAP_MAX: f64 = 56.0;

/// The x of each vertex; the leftmost begins at the margin.
pub(super) fn horizontal(layered: &Layered) -> Vec<f64> {
    let mut x = vec![0.0; layered.vertices.len()];
    let offsets: Vec<Vec<f64>> = layered.layers.iter().map(|layer| offsets(layered, layer)).collect();
    for (layer, offsets) in layered.layers.iter().zip(&offsets) {
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        for (at, offset) in layer.iter().zip(offsets) {
            x[*at] = offset - middle;
        }
    }
    let count = layered.layers.len();
    let sweeps = if layered.vertices.len() > MANY { SWEEPS_OF_MANY } else { SWEEPS };
    for sweep in 0..sweeps {
        let is_down = sweep % 2 == 0;
        // At the end both sides pull, so that a box stands between what is above and what is below it.
        let is_both = sweep + 6 >= sweeps;
        for step in 0..count {
            let layer = if is_down { step } else { count - 1 - step };
            settle(layered, layer, &offsets[layer], (is_down || is_both, !is_down || is_both), &mut x);
        }
    }
    let left = x.iter().zip(&layered.vertices).map(|(x, vertex)| x - vertex.left).fold(f64::MAX, f64::min);
    for place in &mut x {
        *place += MARGIN - left;
    }
    x
}

/// Smallest distances of the vertices of a layer from the first one.
fn offsets(layered: &Layered, layer: &[usize]) -> Vec<f64> {
    let mut out = Vec::with_capacity(layer.len());
    let mut last: Option<(f64, Vertex)> = None;
    for &at in layer {
        let vertex = layered.vertices[at];
        let offset = last.map_or(0.0, |(offset, before)| {
            let gap = if before.is_box && vertex.is_box { BOX_GAP } else { LINE_GAP };
            offset + before.right + gap + vertex.left
        });
        out.push(offset);
        last = Some((offset, vertex));
    }
    out
}

fn settle(
    layered: &Layered,
    layer: usize,
    offsets: &[f64],
    (use_above, use_below): (bool, bool),
    x: &mut [f64],
) {
    // Pools: weight, weighted sum of wanted places, members.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&at, offset) in layered.layers[layer].iter().zip(offsets) {
        let (mut weight, mut sum) = (0.05, 0.05 * x[at]);
        let above = layered.above[at].iter().filter(|_| use_above);
        for &other in above.chain(layered.below[at].iter().filter(|_| use_below)) {
            let lines = [at, other].iter().filter(|one| !layered.vertices[**one].is_box).count();
            let pull = if lines == 2 { STRAIGHTNESS } else { 1.0 };
            weight += pull;
            sum += pull * x[other];
        }
        let mut pool = (weight, sum - weight * offset, 1);
        while let Some(before) = pools.last().copied().filter(|before| before.1 / before.0 > pool.1 / pool.0)
        {
            pool = (pool.0 + before.0, pool.1 + before.1, pool.2 + before.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools.iter().flat_map(|(weight, sum, members)| std::iter::repeat_n(sum / weight, *members));
    for ((&at, offset), place) in layered.layers[layer].iter().zip(offsets).zip(places) {
        x[at] = place + offset;
    }
}

/// Top and bottom of each layer.
pub(super) fn bands(layered: &Layered, x: &[f64]) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(layered.layers.len());
    let mut top = MARGIN;
    for layer in &layered.layers {
        let height = layer.iter().map(|at| layered.vertices[*at].height).fold(0.0, f64::max);
        out.push((top, top + height));
        let aside = layer
            .iter()
            .flat_map(|at| layered.below[*at].iter().map(|to| (x[*at] - x[*to]).abs()))
            .fold(0.0, f64::max);
        top += height + (LAYER_GAP + aside * 0.1).min(LAYER_GAP_MAX);
    }
    out
}
