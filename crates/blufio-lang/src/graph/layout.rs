// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the boxes and arrows of a picture go: a layered layout (Sugiyama, Tagawa, Toda 1981). Every arrow passes a
//! layer of its own for its label, and bends only in the gaps between layers, so that no arrow and no label can lie
//! on a box. The same input gives the same picture: nothing is random and nothing is hashed.

mod coordinates;
mod order;
mod rank;

/// Width and height of something to place, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Size {
    pub width: f64,
    pub height: f64,
}

/// An arrow to place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub from: usize,
    pub to: usize,
    /// Size of its label; nothing when it has none.
    pub label: Size,
}

/// A place, in pixels from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// A placed box: its upper left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A placed arrow.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    /// From the border of the one box to the border of the other. Between two points the line is straight when they
    /// have the same x, and otherwise an S that leaves and arrives vertically.
    pub points: Vec<Point>,
    /// Upper left corner of the label.
    pub label: Point,
    /// Whether it leads back to its own box, at the right of it.
    pub is_loop: bool,
}

/// A whole picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub size: Size,
    /// One for each box, in their order.
    pub frames: Vec<Frame>,
    /// One for each link, in their order.
    pub routes: Vec<Route>,
}

/// Free space around the picture.
const MARGIN: f64 = 12.0;
/// Between a line and the label beside it.
const LABEL_GAP: f64 = 5.0;
/// How far a loop reaches out of its box.
const LOOP_REACH: f64 = 24.0;
/// Smallest distance of two lines at a box.
const PORT_DISTANCE: f64 = 14.0;

/// A box, or the place where an arrow passes a layer.
#[derive(Debug, Clone, Copy)]
struct Vertex {
    layer: usize,
    /// Room to the left and to the right of its x.
    left: f64,
    right: f64,
    height: f64,
    is_box: bool,
}

/// What the stages of the layout share.
struct Layered {
    vertices: Vec<Vertex>,
    /// Neighbours one layer above and below.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    /// For each link the vertices from the upper box to the lower one; empty for loops.
    chains: Vec<Vec<usize>>,
    /// Whether a link leads upwards.
    is_upwards: Vec<bool>,
    layers: Vec<Vec<usize>>,
}

/// Places boxes and arrows; the first box stands at the top.
pub(super) fn layout(sizes: &[Size], links: &[Link]) -> Layout {
    let (ranks, is_upwards) = rank::ranks(sizes.len(), links);
    let mut layered = layered(&boxes(sizes, links, &is_upwards), links, &ranks, is_upwards);
    order::order(&mut layered);
    let x = coordinates::horizontal(&layered);
    let bands = coordinates::bands(&layered, &x);
    drawn(&layered, links, sizes, &x, &bands)
}

/// Boxes with room for the lines that meet them and for their loops: left, right, height.
fn boxes(sizes: &[Size], links: &[Link], is_upwards: &[bool]) -> Vec<(f64, f64, f64)> {
    let mut ports = vec![(0usize, 0usize); sizes.len()];
    let mut loops = vec![Size::default(); sizes.len()];
    for (link, upwards) in links.iter().zip(is_upwards) {
        if link.from == link.to {
            loops[link.from].width = LOOP_REACH + LABEL_GAP + link.label.width;
            loops[link.from].height = link.label.height;
            continue;
        }
        let (upper, lower) = if *upwards { (link.to, link.from) } else { (link.from, link.to) };
        ports[upper].1 += 1;
        ports[lower].0 += 1;
    }
    sizes
        .iter()
        .zip(ports)
        .zip(loops)
        .map(|((size, ports), reach)| {
            let half = size.width.max(PORT_DISTANCE * (ports.0.max(ports.1) + 1) as f64) / 2.0;
            (half, half + reach.width, size.height.max(reach.height))
        })
        .collect()
}

/// Vertices in layers: boxes in the even ones, labels in the odd ones.
fn layered(boxes: &[(f64, f64, f64)], links: &[Link], ranks: &[usize], is_upwards: Vec<bool>) -> Layered {
    let mut vertices: Vec<Vertex> = boxes
        .iter()
        .zip(ranks)
        .map(|((left, right, height), rank)| Vertex {
            layer: rank * 2,
            left: *left,
            right: *right,
            height: *height,
            is_box: true,
        })
        .collect();
    let mut chains = Vec::new();
    for (link, upwards) in links.iter().zip(&is_upwards) {
        if link.from == link.to {
            chains.push(Vec::new());
            continue;
        }
        let (upper, lower) = if *upwards { (link.to, link.from) } else { (link.from, link.to) };
        let (top, bottom) = (ranks[upper] * 2, ranks[lower] * 2);
        // The label stands beside the box that the arrow leaves: it says why it is left.
        let labelled = if *upwards { bottom - 1 } else { top + 1 };
        let mut chain = vec![upper];
        for layer in top + 1..bottom {
            let is_label = layer == labelled && link.label.width > 0.0;
            let right = if is_label { LABEL_GAP + link.label.width } else { 3.0 };
            let height = if is_label { link.label.height } else { 0.0 };
            chain.push(vertices.len());
            vertices.push(Vertex { layer, left: 3.0, right, height, is_box: false });
        }
        chain.push(lower);
        chains.push(chain);
    }
    let (mut above, mut below) = (vec![Vec::new(); vertices.len()], vec![Vec::new(); vertices.len()]);
    for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
        below[pair[0]].push(pair[1]);
        above[pair[1]].push(pair[0]);
    }
    let count = vertices.iter().map(|vertex| vertex.layer + 1).max().unwrap_or(0);
    Layered { vertices, above, below, chains, is_upwards, layers: vec![Vec::new(); count] }
}

/// Sides of the boxes where lines meet them: for each link the x at its upper and at its lower box.
fn ports(layered: &Layered, x: &[f64], half: &[f64]) -> Vec<(f64, f64)> {
    let mut out = vec![(0.0, 0.0); layered.chains.len()];
    let mut sides = vec![(Vec::new(), Vec::new()); half.len()];
    for (link, chain) in layered.chains.iter().enumerate() {
        if let [upper, next, ..] = chain[..] {
            sides[upper].1.push((x[next], link));
            let lower = chain[chain.len() - 1];
            sides[lower].0.push((x[chain[chain.len() - 2]], link));
        }
    }
    for (at, (top, bottom)) in sides.iter_mut().enumerate() {
        for (side, is_top) in [(top, true), (bottom, false)] {
            side.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let step = 2.0 * half[at] / (side.len() + 1) as f64;
            for (number, (_, link)) in side.iter().enumerate() {
                let place = x[at] - half[at] + step * (number + 1) as f64;
                if is_top { out[*link].1 = place } else { out[*link].0 = place }
            }
        }
    }
    out
}

fn drawn(layered: &Layered, links: &[Link], sizes: &[Size], x: &[f64], bands: &[(f64, f64)]) -> Layout {
    let half: Vec<f64> = layered.vertices[..sizes.len()].iter().map(|vertex| vertex.left).collect();
    let frames: Vec<Frame> = sizes
        .iter()
        .enumerate()
        .map(|(at, size)| {
            let (top, bottom) = bands[layered.vertices[at].layer];
            let y = (top + bottom - size.height) / 2.0;
            Frame { x: x[at] - half[at], y, width: 2.0 * half[at], height: size.height }
        })
        .collect();
    let ports = ports(layered, x, &half);
    let routes = links
        .iter()
        .enumerate()
        .map(|(number, link)| {
            if link.from == link.to {
                return loop_route(&frames[link.from], link);
            }
            route(layered, number, link, (&frames, x, bands), ports[number])
        })
        .collect();
    let right = layered.vertices.iter().zip(x).map(|(vertex, x)| x + vertex.right).fold(0.0, f64::max);
    let bottom = bands.last().map_or(0.0, |band| band.1);
    Layout { size: Size { width: right + MARGIN, height: bottom + MARGIN }, frames, routes }
}

fn loop_route(frame: &Frame, link: &Link) -> Route {
    let (x, y) = (frame.x + frame.width, frame.y + frame.height / 2.0);
    let reach = (frame.height / 4.0).min(9.0);
    Route {
        points: vec![Point { x, y: y - reach }, Point { x, y: y + reach }],
        label: Point { x: x + LOOP_REACH + LABEL_GAP, y: y - link.label.height / 2.0 },
        is_loop: true,
    }
}

fn route(
    layered: &Layered,
    number: usize,
    link: &Link,
    (frames, x, bands): (&[Frame], &[f64], &[(f64, f64)]),
    (start, end): (f64, f64),
) -> Route {
    let chain = &layered.chains[number];
    let last = chain.len() - 1;
    let mut points = Vec::new();
    let mut label = Point { x: 0.0, y: 0.0 };
    for (at, &vertex) in chain.iter().enumerate() {
        let (top, bottom) = bands[layered.vertices[vertex].layer];
        if at == 0 {
            points.push(Point { x: start, y: frames[vertex].y + frames[vertex].height });
            points.push(Point { x: start, y: bottom });
        } else if at == last {
            points.push(Point { x: end, y: top });
            points.push(Point { x: end, y: frames[vertex].y });
        } else {
            points.push(Point { x: x[vertex], y: top });
            points.push(Point { x: x[vertex], y: bottom });
            if layered.vertices[vertex].height > 0.0 {
                let y = (top + bottom - link.label.height) / 2.0;
                label = Point { x: x[vertex] + LABEL_GAP, y };
            }
        }
    }
    points.dedup();
    // A straight line through several layers is one piece.
    let mut joined: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        if let [.., before, last] = joined[..]
            && (before.x - last.x).abs() < 0.05
            && (last.x - point.x).abs() < 0.05
        {
            joined.pop();
        }
        joined.push(point);
    }
    let mut points = joined;
    if layered.is_upwards[number] {
        points.reverse();
    }
    Route { points, label, is_loop: false }
}
