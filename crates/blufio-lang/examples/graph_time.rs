// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long the picture of a program of 500 states takes, with three arrows from each state, one of them to anywhere
//! in the program: `cargo run --release -p blufio-lang --example graph_time`.
#![allow(clippy::print_stdout, reason = "a program that prints a measurement")]

use std::time::Instant;

use blufio_lang::graph::{Edge, Graph, Node, NodeKind, to_svg};

const STATES: usize = 500;

fn main() {
    let node = |at: usize| Node {
        name: format!("state_{at}"),
        kind: if at == 0 { NodeKind::Start } else { NodeKind::State },
        note: None,
    };
    let edge = |from: usize, to: usize, label: &str| Edge { from, to, label: label.into(), inherited: false };
    // The long arrows stride by a prime, so that they cross without chance.
    let edges = (0..STATES).flat_map(|at| {
        [
            edge(at, (at + 1).min(STATES - 1), "next"),
            edge(at, (at + 13).min(STATES - 1), "later"),
            edge(at, at * 211 % STATES, "far"),
        ]
    });
    let graph = Graph {
        agent: "generated".into(),
        nodes: (0..STATES).map(node).collect(),
        edges: edges.collect(),
        asks: Vec::new(),
        entries: Vec::new(),
    };
    for _ in 0..5 {
        let begin = Instant::now();
        let svg = to_svg(std::slice::from_ref(&graph), &[]);
        println!(
            "{STATES} states, {} bytes of SVG: {:.0} ms",
            svg.len(),
            begin.elapsed().as_secs_f64() * 1e3
        );
    }
}
