// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture of an agent: states are nodes, arms, events and deadlines are arrows. Drawn from the typed program, so
//! that a picture exists as soon as the names are right, and with the path of a session marked where one is known.

mod folder;
mod layout;
mod measure;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use folder::connect;
pub use svg::to_svg;

use serde::Serialize;

use crate::check::model_calls;
use crate::typed::{
    Expr, ExprKind, Handler, HandlerAction, Program, State, Step, StepKind, SwitchValue, Trigger,
};

/// A drawable graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The agent.
    pub agent: String,
    /// Nodes: states in the order of the program, then the end marker when any path ends.
    pub nodes: Vec<Node>,
    /// Arrows.
    pub edges: Vec<Edge>,
    /// Which state asks which other agent; filled by [`connect`].
    pub asks: Vec<Ask>,
    /// What the routes send here; filled by [`connect`].
    pub entries: Vec<Entry>,
}

impl Graph {
    /// Index of the node where a session begins.
    pub fn start(&self) -> usize {
        self.nodes.iter().position(|node| node.kind == NodeKind::Start).unwrap_or(0)
    }
}

/// A state that asks another agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ask {
    /// Index of the node that asks.
    pub from: usize,
    /// The agent asked.
    pub to: String,
}

/// A route that leads to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// As written: `telegram from owner`, `http post /alerts as Alert`.
    pub from: String,
    /// `per person`, when written.
    pub per: Option<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// State name, or `end` for the end marker.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Second line: the visit cap, and the most model calls that one visit makes.
    pub note: Option<String>,
}

/// Kinds of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Where a session begins.
    Start,
    /// Any other state.
    State,
    /// Where `done` leads.
    End,
}

/// An arrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Index of the node it leaves.
    pub from: usize,
    /// Index of the node it enters.
    pub to: usize,
    /// What causes it, as written: `refund`, `on message`, `after 24h`.
    pub label: String,
    /// Whether it comes from `anywhere`.
    pub inherited: bool,
}

/// What a session did, to be marked in the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Highlight {
    /// Moves in order: from state (absent at the start) and to state, by name.
    pub moves: Vec<(Option<String>, String)>,
    /// Where it stands.
    pub current: Option<String>,
}

impl Highlight {
    fn counts(&self) -> BTreeMap<(&str, &str), usize> {
        let mut out = BTreeMap::new();
        for (from, to) in &self.moves {
            if let Some(from) = from {
                *out.entry((from.as_str(), to.as_str())).or_insert(0) += 1;
            }
        }
        out
    }

    fn visited(&self, state: &str) -> bool {
        self.moves.iter().any(|(_, to)| to == state)
    }
}

/// Builds the graph of a program.
pub fn graph(program: &Program) -> Graph {
    let mut drawing = Drawing {
        graph: Graph {
            agent: program.name.clone(),
            nodes: nodes(program),
            edges: Vec::new(),
            asks: Vec::new(),
            entries: Vec::new(),
        },
    };
    for (at, state) in program.states.iter().enumerate() {
        drawing.steps(at, &state.body, "", false);
        if let Some(cap) = state.cap {
            drawing.edge(at, cap.otherwise.0 as usize, "too often".to_string(), false);
        }
        for timer in &state.timers {
            let label = format!("after {}", duration_text(&timer.after));
            drawing.steps(at, &timer.steps, &label, false);
        }
        for handler in &state.handlers {
            drawing.handler(at, handler, false);
        }
        for handler in
            program.anywhere.iter().filter(|h| !state.handlers.iter().any(|own| own.trigger == h.trigger))
        {
            drawing.handler(at, handler, true);
        }
    }
    drawing.graph
}

fn nodes(program: &Program) -> Vec<Node> {
    program
        .states
        .iter()
        .enumerate()
        .map(|(at, state)| Node {
            name: state.name.clone(),
            kind: if at == program.start.0 as usize { NodeKind::Start } else { NodeKind::State },
            note: note(program, state),
        })
        .collect()
}

/// The cap of a state and the cost of a visit.
fn note(program: &Program, state: &State) -> Option<String> {
    let cap = state
        .cap
        .map(|cap| format!("max {} per {}", cap.visits_max, if cap.per_event { "event" } else { "session" }));
    let calls = match model_calls(program, &state.body) {
        0 => None,
        1 => Some("1 model call".to_string()),
        calls => Some(format!("{calls} model calls")),
    };
    let parts: Vec<String> = cap.into_iter().chain(calls).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

struct Drawing {
    graph: Graph,
}

impl Drawing {
    fn edge(&mut self, from: usize, to: usize, label: String, inherited: bool) {
        let edge = Edge { from, to, label, inherited };
        if !self.graph.edges.contains(&edge) {
            self.graph.edges.push(edge);
        }
    }

    fn end(&mut self) -> usize {
        if let Some(at) = self.graph.nodes.iter().position(|n| n.kind == NodeKind::End) {
            return at;
        }
        self.graph.nodes.push(Node { name: "end".into(), kind: NodeKind::End, note: None });
        self.graph.nodes.len() - 1
    }

    fn handler(&mut self, at: usize, handler: &Handler, inherited: bool) {
        let HandlerAction::Run { steps, .. } = &handler.action else { return };
        let label = match &handler.trigger {
            Trigger::Message => "on message".to_string(),
            Trigger::Word(word) => format!("on {word}"),
            Trigger::Failed => "on failed".into(),
            Trigger::Uncertain => "on uncertain".into(),
            Trigger::OverBudget => "on over_budget".into(),
            Trigger::Wake => "on wake".into(),
            Trigger::Every(_) => "every …".into(),
            Trigger::Declared(_) => "on an event".into(),
            Trigger::Channel(word) => format!("on {word}"),
        };
        self.steps(at, steps, &label, inherited);
    }

    fn steps(&mut self, at: usize, steps: &[Step], label: &str, inherited: bool) {
        for step in steps {
            match &step.kind {
                StepKind::Go(to) => self.edge(at, to.0 as usize, label.to_string(), inherited),
                StepKind::Done(_) => {
                    let end = self.end();
                    self.edge(at, end, label.to_string(), inherited);
                }
                _ => {
                    for (arm, block) in labelled_blocks(step) {
                        let inner = match (label, arm.as_str()) {
                            ("", arm) => arm.to_string(),
                            (outer, "") => outer.to_string(),
                            (outer, arm) => format!("{outer}: {arm}"),
                        };
                        self.steps(at, block, &inner, inherited);
                    }
                }
            }
        }
    }
}

/// Blocks inside a step with the labels of their arms.
fn labelled_blocks(step: &Step) -> Vec<(String, &[Step])> {
    match &step.kind {
        StepKind::If { yes, no, .. } => vec![("yes".into(), yes), ("no".into(), no)],
        StepKind::Match { arms, otherwise, .. } => {
            let arms = arms.iter().map(|a| (a.label.clone(), a.steps.as_slice()));
            arms.chain(otherwise.iter().map(|o| ("else".to_string(), o.as_slice()))).collect()
        }
        StepKind::Switch { arms, otherwise, .. } => {
            let word = |value: &SwitchValue| match value {
                SwitchValue::Int(value) => value.to_string(),
                SwitchValue::Text(text) => text.clone(),
            };
            let arms = arms.iter().map(|(values, steps)| {
                (values.iter().map(word).collect::<Vec<_>>().join(" or "), steps.as_slice())
            });
            arms.chain([("else".to_string(), otherwise.as_slice())]).collect()
        }
        StepKind::IfSome { some, none, .. } => vec![("some".into(), some), ("none".into(), none)],
        StepKind::PickArms { arms, .. } => {
            arms.iter().map(|a| (a.label.clone(), a.steps.as_slice())).collect()
        }
        StepKind::Turn { says, calls, refuses, .. } => {
            let mut out = vec![("says".to_string(), says.1.as_slice())];
            out.extend(calls.as_ref().map(|c| ("calls".to_string(), c.1.as_slice())));
            out.push(("refuses".into(), &refuses.1));
            out
        }
        StepKind::Request(request) => {
            let arms = request.arms.iter().map(|a| (a.label.clone(), a.steps.as_slice()));
            arms.chain(request.otherwise.iter().map(|o| ("else".to_string(), o.as_slice()))).collect()
        }
        StepKind::Each(each) => vec![("each".into(), each.steps.as_slice())],
        StepKind::Later(later) => {
            later.arms.iter().map(|(label, steps)| (label.clone(), steps.as_slice())).collect()
        }
        _ => Vec::new(),
    }
}

fn duration_text(expr: &Expr) -> String {
    match expr.kind {
        ExprKind::Duration(ms) => {
            let (value, unit) = match ms {
                ms if ms % 86_400_000 == 0 => (ms / 86_400_000, "d"),
                ms if ms % 3_600_000 == 0 => (ms / 3_600_000, "h"),
                ms if ms % 60_000 == 0 => (ms / 60_000, "m"),
                ms => (ms / 1_000, "s"),
            };
            format!("{value}{unit}")
        }
        ExprKind::Time(minutes) => format!("{:02}:{:02}", minutes / 60, minutes % 60),
        _ => "…".into(),
    }
}

/// Arrows between the same two nodes, merged for drawing: their labels, one per line.
fn merged(graph: &Graph) -> BTreeMap<(usize, usize), (Vec<&str>, bool)> {
    let mut out: BTreeMap<(usize, usize), (Vec<&str>, bool)> = BTreeMap::new();
    for edge in &graph.edges {
        let entry = out.entry((edge.from, edge.to)).or_insert((Vec::new(), true));
        if !edge.label.is_empty() && !entry.0.contains(&edge.label.as_str()) {
            entry.0.push(&edge.label);
        }
        entry.1 &= edge.inherited;
    }
    out
}

/// Mermaid flowchart. Arrows between the same two states are one line with all labels; those that only come from
/// `anywhere` are dotted.
pub fn to_mermaid(graph: &Graph, highlight: &Highlight) -> String {
    let mut out = String::from("flowchart TD\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        let text = match &node.note {
            Some(note) => format!("{}<br/><small>{}</small>", mermaid_text(&node.name), mermaid_text(note)),
            None => mermaid_text(&node.name),
        };
        let shape = match node.kind {
            NodeKind::Start => format!("([\"{text}\"])"),
            NodeKind::State => format!("[\"{text}\"]"),
            NodeKind::End => format!("(((\"{text}\")))"),
        };
        out.push_str(&format!("    s{at}{shape}\n"));
    }
    let counts = highlight.counts();
    let mut taken = Vec::new();
    for (number, ((from, to), (labels, inherited))) in merged(graph).into_iter().enumerate() {
        let count = counts.get(&(graph.nodes[from].name.as_str(), graph.nodes[to].name.as_str())).copied();
        let mut lines: Vec<String> = labels.into_iter().map(mermaid_text).collect();
        if let Some(count) = count {
            lines.push(format!("#215;{count}"));
            taken.push(number.to_string());
        }
        let arrow = if inherited && count.is_none() { "-.->" } else { "-->" };
        if lines.is_empty() {
            out.push_str(&format!("    s{from} {arrow} s{to}\n"));
        } else {
            out.push_str(&format!("    s{from} {arrow}|\"{}\"| s{to}\n", lines.join("<br/>")));
        }
    }
    let marked: Vec<String> = marked_nodes(graph, highlight, false);
    if !marked.is_empty() {
        out.push_str("    classDef visited stroke-width:3px\n");
        out.push_str(&format!("    class {} visited\n", marked.join(",")));
    }
    let current = marked_nodes(graph, highlight, true);
    if !current.is_empty() {
        out.push_str("    classDef current fill:#ffd54f,color:#000,stroke-width:3px\n");
        out.push_str(&format!("    class {} current\n", current.join(",")));
    }
    if !taken.is_empty() {
        out.push_str(&format!("    linkStyle {} stroke-width:3px\n", taken.join(",")));
    }
    out
}

fn marked_nodes(graph: &Graph, highlight: &Highlight, current: bool) -> Vec<String> {
    let is_marked = |name: &str| {
        if current { highlight.current.as_deref() == Some(name) } else { highlight.visited(name) }
    };
    graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, n)| n.kind != NodeKind::End && is_marked(&n.name))
        .map(|(at, _)| format!("s{at}"))
        .collect()
}

/// Text inside a quoted Mermaid label: everything that Mermaid or its HTML could read as markup becomes an entity.
fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '_' | '.' | ',' | ':' | '(' | ')' | '/' | '-' => {
                out.push(c)
            }
            c if c.is_control() => out.push(' '),
            c => out.push_str(&format!("#{};", u32::from(c))),
        }
    }
    out
}

/// Graphviz DOT, with the same merging and marks.
pub fn to_dot(graph: &Graph, highlight: &Highlight) -> String {
    let mut out = format!(
        "digraph \"{}\" {{\n    rankdir=TB;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n    edge [fontname=\"sans-serif\", fontsize=10];\n",
        dot_text(&graph.agent)
    );
    for (at, node) in graph.nodes.iter().enumerate() {
        let label = match &node.note {
            Some(note) => format!("{}\\n{}", dot_text(&node.name), dot_text(note)),
            None => dot_text(&node.name),
        };
        let mut attributes = format!("label=\"{label}\"");
        match node.kind {
            NodeKind::Start => attributes.push_str(", shape=oval"),
            NodeKind::End => attributes.push_str(", shape=doublecircle"),
            NodeKind::State => {}
        }
        if node.kind != NodeKind::End && highlight.visited(&node.name) {
            attributes.push_str(", penwidth=3");
        }
        if node.kind != NodeKind::End && highlight.current.as_deref() == Some(&node.name) {
            attributes.push_str(", style=\"rounded,filled\", fillcolor=\"#ffd54f\"");
        }
        out.push_str(&format!("    s{at} [{attributes}];\n"));
    }
    let counts = highlight.counts();
    for ((from, to), (labels, inherited)) in merged(graph) {
        let count = counts.get(&(graph.nodes[from].name.as_str(), graph.nodes[to].name.as_str())).copied();
        let mut lines: Vec<String> = labels.into_iter().map(dot_text).collect();
        lines.extend(count.map(|count| format!("×{count}")));
        let mut attributes = format!("label=\"{}\"", lines.join("\\n"));
        if count.is_some() {
            attributes.push_str(", penwidth=3");
        } else if inherited {
            attributes.push_str(", style=dotted");
        }
        out.push_str(&format!("    s{from} -> s{to} [{attributes}];\n"));
    }
    out.push_str("}\n");
    out
}

fn dot_text(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => "\\\"".to_string(),
            '\\' => "\\\\".to_string(),
            c if c.is_control() => " ".to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// Plain text for a terminal: one block per state, arrows below it, the path taken marked.
pub fn to_text(graph: &Graph, highlight: &Highlight) -> String {
    let counts = highlight.counts();
    let mut out = String::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if node.kind == NodeKind::End {
            continue;
        }
        let mark = if highlight.current.as_deref() == Some(&node.name) {
            "▶"
        } else if highlight.visited(&node.name) {
            "●"
        } else {
            "○"
        };
        let start = if node.kind == NodeKind::Start { "  (start)" } else { "" };
        let note = node.note.as_deref().map(|n| format!("  ({n})")).unwrap_or_default();
        out.push_str(&format!("{mark} {}{start}{note}\n", node.name));
        for ((from, to), (labels, inherited)) in merged(graph) {
            if from != at {
                continue;
            }
            let count = counts.get(&(node.name.as_str(), graph.nodes[to].name.as_str()));
            let arrow = match (count, inherited) {
                (Some(_), _) => "━━▶",
                (None, true) => "┄┄▷",
                (None, false) => "──▷",
            };
            let taken = count.map(|c| format!("  ×{c}")).unwrap_or_default();
            out.push_str(&format!("    {arrow} {:<16} {}{taken}\n", graph.nodes[to].name, labels.join(", ")));
        }
    }
    out
}
