// SPDX-License-Identifier: MIT OR Apache-2.0
//! The laws of a picture, over the examples and over graphs that nobody would draw by hand.

use super::layout::{Layout, Link, Point, Size, layout};
use super::*;
use crate::check::{Environment, check};
use crate::parse::parse;
use crate::source::SourceMap;

fn examples() -> Vec<Graph> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/examples");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut sources = SourceMap::default();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        sources.add(&name, &std::fs::read_to_string(&path).unwrap()).unwrap();
    }
    let environment = Environment {
        tools: Vec::new(),
        providers: vec!["anthropic".into()],
        channels: vec!["telegram".into(), "shell".into()],
        zone_exists: |_| true,
        performs: |_| true,
        prices: crate::check::Prices::any(),
    };
    let (checked, _) = check(&sources, &environment);
    let mut graphs: Vec<Graph> = checked.agents.iter().map(|agent| graph(&agent.program)).collect();
    let files: Vec<_> =
        sources.sources().iter().map(|source| parse(&source.path, &source.text, source.base).0).collect();
    connect(&mut graphs, &files);
    assert_eq!(graphs.len(), 8);
    graphs
}

fn alone(graph: &Graph) -> Graph {
    Graph { asks: Vec::new(), entries: Vec::new(), ..graph.clone() }
}

/// Fails unless a text is well-formed XML as far as these pictures use it; returns the element names.
fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut all, mut rest) = (Vec::new(), Vec::new(), xml.trim_end());
    loop {
        let at = rest.find('<').unwrap();
        let text = &rest[..at];
        assert!(!text.contains('>') && entities_are_known(text), "{text}");
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else {
            let name = tag.split([' ', '/']).next().unwrap().to_string();
            assert!(
                !tag.contains('<') && tag.matches('"').count() % 2 == 0 && entities_are_known(tag),
                "{tag}"
            );
            all.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        if open.is_empty() {
            assert_eq!(rest, "", "one root");
            return all;
        }
    }
}

fn entities_are_known(text: &str) -> bool {
    let known = ["amp;", "lt;", "gt;", "quot;"];
    text.split('&').skip(1).all(|rest| known.iter().any(|entity| rest.starts_with(entity)))
}

/// Values of a pair of attributes, in order of the text.
fn pairs(svg: &str) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = svg
        .split("data-from=\"")
        .skip(1)
        .map(|rest| {
            let (from, rest) = rest.split_once('"').unwrap();
            let to = rest.strip_prefix(" data-to=\"").unwrap().split('"').next().unwrap();
            (from.parse().unwrap(), to.parse().unwrap())
        })
        .collect();
    out.sort_unstable();
    // An arrow that `anywhere` causes, too, has a line in the state beside it.
    out.dedup();
    out
}

#[test]
fn every_form_has_the_same_nodes_and_arrows() {
    let none = Highlight::default();
    for graph in examples() {
        let graph = alone(&graph);
        let arrows: Vec<(usize, usize)> = merged(&graph).into_keys().collect();
        let svg = to_svg(std::slice::from_ref(&graph), &[]);
        assert_eq!(pairs(&svg), arrows, "{}", graph.agent);
        assert_eq!(svg.matches("data-node=").count(), graph.nodes.len());
        let dot = to_dot(&graph, &none);
        let mermaid = to_mermaid(&graph, &none);
        for (from, to) in &arrows {
            assert!(dot.contains(&format!("    s{from} -> s{to} [")), "{from} {to} {dot}");
            let line = |line: &str| {
                line.starts_with(&format!("    s{from} -")) && line.ends_with(&format!(" s{to}"))
            };
            assert_eq!(mermaid.lines().filter(|text| line(text)).count(), 1, "{from} {to} {mermaid}");
        }
        assert_eq!(dot.matches(" -> s").count(), arrows.len());
        assert_eq!(mermaid.matches("> s").count() + mermaid.matches("| s").count(), arrows.len());
        let json = serde_json::to_value(&graph).unwrap();
        assert_eq!(json["nodes"].as_array().unwrap().len(), graph.nodes.len());
    }
}

#[test]
fn pictures_are_well_formed_and_always_the_same() {
    let graphs = examples();
    let whole = to_svg(&graphs, &[]);
    assert_eq!(whole, to_svg(&examples(), &[]));
    let names = elements(&whole);
    assert!(names.iter().filter(|name| *name == "text").count() > 60);
    for graph in &graphs {
        elements(&to_svg(&[alone(graph)], &[]));
    }
    let mut hostile = alone(&graphs[0]);
    hostile.nodes[0].name = "a<b>&\"c\"\u{1}".into();
    hostile.edges[0].label = "]]></svg><script>&nbsp;".into();
    assert!(!elements(&to_svg(&[hostile], &[])).contains(&"script".to_string()));
}

#[test]
fn a_folder_shows_routes_and_what_agents_ask() {
    let graphs = examples();
    let of = |name: &str| graphs.iter().find(|graph| graph.agent == name).unwrap();
    let support = of("support");
    let asks: Vec<_> = support.asks.iter().map(|a| (support.nodes[a.from].name.as_str(), &*a.to)).collect();
    assert_eq!(asks, [("research", "researcher")]);
    let entries = |name: &str| -> Vec<String> { of(name).entries.iter().map(|e| e.from.clone()).collect() };
    assert_eq!(entries("assistant"), ["telegram from owner", "gateway", "shell"]);
    assert_eq!(entries("oncall_desk"), ["http post /alerts as Alert"]);
    assert_eq!(of("oncall_desk").entries[0].per.as_deref(), Some("per a.id"));
    let svg = to_svg(&graphs, &[]);
    assert_eq!(svg.matches("data-agent=").count(), graphs.len());
    assert!(svg.contains("research asks") && svg.contains(">telegram in group Trips<"));
    let asks: usize = svg.matches("<g class=\"ask\"").count();
    let wanted: usize = graphs.iter().map(|graph| graph.asks.len()).sum();
    assert!(asks > 0 && asks <= wanted);
}

#[test]
fn a_session_is_marked_with_its_counts() {
    let graphs = examples();
    let support = alone(graphs.iter().find(|graph| graph.agent == "support").unwrap());
    let step = |from: &str, to: &str| (Some(from.to_string()), to.to_string());
    let moves = vec![
        (None, "idle".to_string()),
        step("idle", "triage"),
        step("triage", "idle"),
        step("idle", "triage"),
        step("triage", "human"),
    ];
    let svg = to_svg(&[support], &[Highlight { moves, current: Some("human".into()) }]);
    assert!(svg.contains(">×2<") && svg.contains(" current\""));
    let is_visited = |line: &&str| line.starts_with("<g class=\"node") && line.contains(" visited");
    assert_eq!(svg.lines().filter(is_visited).count(), 3);
    assert_eq!(svg.matches("<g class=\"edge taken\"").count(), 3);
}

/// Graphs from a fixed linear congruential sequence: loops, both directions, lonely boxes, all included.
fn generated(seed: u64) -> (Vec<Size>, Vec<Link>) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let count = 1 + next(24);
    let sizes =
        (0..count).map(|_| Size { width: 30.0 + next(150) as f64, height: 20.0 + next(60) as f64 }).collect();
    let mut links: Vec<Link> = Vec::new();
    for _ in 0..next(3 * count) {
        let (from, to) = (next(count), next(count));
        let label = Size { width: next(120) as f64, height: 15.0 };
        if !links.iter().any(|link| (link.from, link.to) == (from, to)) {
            links.push(Link { from, to, label });
        }
    }
    (sizes, links)
}

fn overlap(a: (f64, f64, f64, f64), b: (f64, f64, f64, f64)) -> bool {
    a.0 + 0.01 < b.0 + b.2 && b.0 + 0.01 < a.0 + a.2 && a.1 + 0.01 < b.1 + b.3 && b.1 + 0.01 < a.1 + a.3
}

#[test]
fn boxes_and_labels_never_overlap_and_arrows_end_at_borders() {
    for seed in 0..300 {
        let (sizes, links) = generated(seed);
        let Layout { size, frames, routes } = layout(&sizes, &links);
        let mut areas: Vec<_> = frames.iter().map(|f| (f.x, f.y, f.width, f.height)).collect();
        for (link, route) in links.iter().zip(&routes) {
            if link.label.width > 0.0 {
                areas.push((route.label.x, route.label.y, link.label.width, link.label.height));
            }
            let (from, to) = (frames[link.from], frames[link.to]);
            let on_border = |frame: &layout::Frame, p: &Point| {
                let inside = p.x >= frame.x - 0.01 && p.x <= frame.x + frame.width + 0.01;
                let edge = |value: f64, border: f64| (value - border).abs() < 0.01;
                inside
                    && p.y >= frame.y - 0.01
                    && p.y <= frame.y + frame.height + 0.01
                    && (edge(p.y, frame.y)
                        || edge(p.y, frame.y + frame.height)
                        || edge(p.x, frame.x + frame.width))
            };
            assert!(on_border(&from, route.points.first().unwrap()), "{seed} {link:?} {route:?}");
            assert!(on_border(&to, route.points.last().unwrap()), "{seed} {link:?} {route:?}");
            // A line is straight and down within a layer, so a box can only be met by its vertical pieces.
            for piece in route.points.windows(2).filter(|p| p[0].x == p[1].x && !route.is_loop) {
                let (top, bottom) = (piece[0].y.min(piece[1].y), piece[0].y.max(piece[1].y));
                for (at, frame) in frames.iter().enumerate() {
                    let line = (piece[0].x, top, 0.02, bottom - top);
                    let area = (frame.x, frame.y, frame.width, frame.height);
                    assert!(!overlap(line, area), "{seed} {link:?} crosses {at}");
                }
            }
        }
        for (at, area) in areas.iter().enumerate() {
            assert!(
                area.0 >= 0.0
                    && area.1 >= 0.0
                    && area.0 + area.2 <= size.width
                    && area.1 + area.3 <= size.height
            );
            assert!(!areas[..at].iter().any(|other| overlap(*area, *other)), "{seed} area {at}");
        }
        assert_eq!(layout(&sizes, &links).routes, routes);
    }
}
