// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture as SVG, laid out here and drawn without any other program. Colours follow the reader's light or dark
//! theme. Arrows that only `anywhere` causes are written into the states that they leave (`⇢ human: failed`), because
//! drawn from every state they would hide the rest; they are arrows where a session took them or nothing else leads.

use super::layout::{Frame, Layout, Link, Point, Route, Size, layout};
use super::measure::{LINE, cut, width, wrapped};
use super::{Graph, Highlight, Node, NodeKind, merged};

const NAME_SIZE: f64 = 14.0;
const NOTE_SIZE: f64 = 11.0;
const LABEL_SIZE: f64 = 11.0;
const PADDING_ACROSS: f64 = 14.0;
const PADDING_ALONG: f64 = 8.0;
/// Characters of a line beside an arrow, of a name, and of a line about `anywhere`.
const CHARACTERS_MAX: (usize, usize, usize) = (44, 40, 30);
/// Room above the states of an agent for its name.
const TITLE_HEIGHT: f64 = 26.0;

const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2933}\
.name{font-size:14px;font-weight:600}.note{font-size:11px;fill:#52606d}.label{font-size:11px;fill:#334e68}\
.title{font-size:14px;font-weight:700;fill:#334e68}\
.paper{fill:#fff}.box{fill:#f0f4f8;stroke:#829ab1;stroke-width:1.2}.start .box{fill:#e3f8ff;stroke:#2186eb}\
.end .box,.end .inner{fill:none;stroke:#52606d}.inner{stroke-width:1}.entry .box{fill:#fffbea;stroke:#cb9d06}\
.cluster{fill:none;stroke:#bcccdc;stroke-dasharray:5 4}.dot{fill:#2186eb}\
.line{fill:none;stroke:#627d98;stroke-width:1.3}.head{fill:#627d98}\
.inherited .line,.ask .line{stroke-dasharray:4 3}\
.visited .box{stroke:#e12d39;stroke-width:2.4}.current .box{fill:#ffe3a3;stroke:#e12d39;stroke-width:2.4}\
.taken .line{stroke:#e12d39;stroke-width:2.4}.taken .label{fill:#ab091e;font-weight:600}.head-taken{fill:#e12d39}\
@media (prefers-color-scheme:dark){\
text{fill:#f0f4f8}.note{fill:#bcccdc}.label{fill:#d9e2ec}.title{fill:#d9e2ec}.paper{fill:#16202b}\
.box{fill:#243b53;stroke:#829ab1}.start .box{fill:#0b3c66;stroke:#4098d7}.end .box,.end .inner{stroke:#bcccdc}\
.entry .box{fill:#4a3b08;stroke:#f0b429}.cluster{stroke:#486581}\
.line{stroke:#9fb3c8}.head{fill:#9fb3c8}.current .box{fill:#7c5e10}\
.visited .box,.current .box,.taken .line{stroke:#ff7b81}.taken .label{fill:#ffbdbd}.head-taken{fill:#ff7b81}}";

/// A part of a picture: its elements, with its upper left corner at the origin.
struct Part {
    body: String,
    size: Size,
}

/// One agent, or the agents of a folder with their routes and what they ask of each other. The highlights belong to
/// the graphs at the same places; missing ones mark nothing.
pub fn to_svg(graphs: &[Graph], highlights: &[Highlight]) -> String {
    let none = Highlight::default();
    let highlights = highlights.iter().chain(std::iter::repeat(&none));
    let parts: Vec<Part> =
        graphs.iter().zip(highlights).map(|(graph, highlight)| agent(graph, highlight)).collect();
    let joined = graphs.iter().any(|graph| !graph.entries.is_empty() || !graph.asks.is_empty());
    let whole = match <[Part; 1]>::try_from(parts) {
        Ok([only]) if !joined => only,
        Ok(parts) => folder(graphs, Vec::from(parts)),
        Err(parts) => folder(graphs, parts),
    };
    let (width, height) = (number(whole.size.width), number(whole.size.height));
    let title: Vec<&str> = graphs.iter().map(|graph| graph.agent.as_str()).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<defs>\n{}{}</defs>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
        escaped(&title.join(", ")),
        marker("arrow", "head"),
        marker("arrow-taken", "head-taken"),
        whole.body
    )
}

fn marker(id: &str, class: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{class}\" d=\"M0 1L10 5L0 9z\"/></marker>\n"
    )
}

/// What is written in a state.
struct Lines {
    name: String,
    notes: Vec<String>,
}

impl Lines {
    fn size(&self) -> Size {
        let notes = self.notes.iter().map(|note| width(note, NOTE_SIZE)).fold(0.0, f64::max);
        Size {
            width: width(&self.name, NAME_SIZE * 1.06).max(notes) + 2.0 * PADDING_ACROSS,
            height: NAME_SIZE * LINE + self.notes.len() as f64 * NOTE_SIZE * LINE + 2.0 * PADDING_ALONG,
        }
    }
}

/// An arrow of an agent's picture, or a line in the state that it leaves.
struct Arrow {
    from: usize,
    to: usize,
    labels: Vec<String>,
    is_inherited: bool,
    count: Option<usize>,
    is_drawn: bool,
}

impl Arrow {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.labels.iter().map(|label| cut(label, CHARACTERS_MAX.0)).collect();
        lines.extend(self.count.map(|count| format!("×{count}")));
        lines
    }
}

fn agent(graph: &Graph, highlight: &Highlight) -> Part {
    let arrows = arrows(graph, highlight);
    let texts: Vec<Lines> =
        graph.nodes.iter().enumerate().map(|(at, node)| lines(graph, at, node, &arrows)).collect();
    let (drawn, noted): (Vec<&Arrow>, Vec<&Arrow>) = arrows.iter().partition(|arrow| arrow.is_drawn);
    // The first box is the dot where a session begins.
    let mut sizes = vec![Size { width: 12.0, height: 12.0 }];
    sizes.extend(texts.iter().map(Lines::size));
    let mut links = vec![Link { from: 0, to: graph.start() + 1, label: Size::default() }];
    links.extend(drawn.iter().map(|a| Link {
        from: a.from + 1,
        to: a.to + 1,
        label: label_size(&a.lines()),
    }));
    let Layout { size, frames, routes } = layout(&sizes, &links);
    let mut body = String::new();
    if let (Some(dot), Some(route)) = (frames.first(), routes.first()) {
        let (x, y) = (number(dot.x + dot.width / 2.0), number(dot.y + dot.height / 2.0));
        body.push_str(&format!(
            "<g class=\"initial\">{}<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"6\"/></g>\n",
            line(route, false)
        ));
    }
    for (arrow, route) in drawn.iter().zip(&routes[1..]) {
        body.push_str(&drawn_arrow(arrow, route));
    }
    for ((at, node), frame) in graph.nodes.iter().enumerate().zip(&frames[1..]) {
        let noted = noted.iter().filter(|arrow| arrow.from == at);
        let marks: String = noted
            .map(|arrow| {
                format!(
                    "<desc data-from=\"{at}\" data-to=\"{}\">{}</desc>",
                    arrow.to,
                    escaped(&arrow.labels.join("\n"))
                )
            })
            .collect();
        body.push_str(&format!(
            "<g class=\"{}\" data-node=\"{at}\">{marks}{}</g>\n",
            classes(node, highlight),
            drawn_box(&texts[at], frame, node.kind == NodeKind::End)
        ));
    }
    Part { body, size }
}

/// Arrows by their two ends. What the state causes itself is one arrow; what only `anywhere` causes is written into the
/// state, unless a session took it or nothing else leads there.
fn arrows(graph: &Graph, highlight: &Highlight) -> Vec<Arrow> {
    let counts = highlight.counts();
    let mut out: Vec<Arrow> = Vec::new();
    for ((from, to), (labels, is_inherited)) in merged(graph) {
        let pair = (graph.nodes[from].name.as_str(), graph.nodes[to].name.as_str());
        let count = counts.get(&pair).copied();
        let is_own = |label: &str| {
            let mut same = graph.edges.iter().filter(|e| (e.from, e.to) == (from, to) && e.label == label);
            same.any(|edge| !edge.inherited)
        };
        let (own, other): (Vec<&str>, Vec<&str>) = labels.into_iter().partition(|label| is_own(label));
        let texts = |labels: Vec<&str>| labels.into_iter().map(str::to_string).collect::<Vec<_>>();
        if is_inherited {
            out.push(Arrow {
                from,
                to,
                labels: texts(other),
                is_inherited,
                count,
                is_drawn: count.is_some(),
            });
            continue;
        }
        out.push(Arrow { from, to, labels: texts(own), is_inherited, count, is_drawn: true });
        if !other.is_empty() {
            let labels = texts(other);
            out.push(Arrow { from, to, labels, is_inherited: true, count: None, is_drawn: false });
        }
    }
    for to in 0..graph.nodes.len() {
        let leads_here = |arrow: &Arrow| arrow.to == to && arrow.from != to;
        if to != graph.start()
            && !out.iter().any(|arrow| leads_here(arrow) && arrow.is_drawn)
            && let Some(arrow) = out.iter_mut().find(|arrow| leads_here(arrow))
        {
            arrow.is_drawn = true;
        }
    }
    out
}

fn lines(graph: &Graph, at: usize, node: &Node, arrows: &[Arrow]) -> Lines {
    let name = if node.kind == NodeKind::End { "done" } else { &node.name };
    let mut notes: Vec<String> = node.note.iter().cloned().collect();
    for arrow in arrows.iter().filter(|arrow| arrow.from == at && !arrow.is_drawn) {
        let causes: Vec<String> = arrow
            .labels
            .iter()
            .map(|label| cut(label.strip_prefix("on ").unwrap_or(label), CHARACTERS_MAX.2))
            .collect();
        let to = if arrow.to == at { "again" } else { &graph.nodes[arrow.to].name };
        let mut words = wrapped(&causes, CHARACTERS_MAX.2);
        if let Some(first) = words.first_mut() {
            *first = format!("⇢ {}: {first}", cut(to, CHARACTERS_MAX.1));
        }
        notes.extend(words);
    }
    Lines { name: cut(name, CHARACTERS_MAX.1), notes }
}

fn classes(node: &Node, highlight: &Highlight) -> String {
    let mut out = String::from(match node.kind {
        NodeKind::Start => "node start",
        NodeKind::State => "node",
        NodeKind::End => "node end",
    });
    if node.kind != NodeKind::End {
        if highlight.visited(&node.name) {
            out.push_str(" visited");
        }
        if highlight.current.as_deref() == Some(&node.name) {
            out.push_str(" current");
        }
    }
    out
}

fn label_size(lines: &[String]) -> Size {
    // Bold where a session went: a little wider.
    let across = lines.iter().map(|line| width(line, LABEL_SIZE * 1.06)).fold(0.0, f64::max);
    Size { width: across, height: lines.len() as f64 * LABEL_SIZE * LINE }
}

fn drawn_box(text: &Lines, frame: &Frame, is_end: bool) -> String {
    let radius = if is_end { frame.height / 2.0 } else { 8.0 };
    let mut out = rectangle("box", frame, 0.0, radius);
    if is_end {
        out.push_str(&rectangle("inner", frame, 3.0, radius - 3.0));
    }
    let x = number(frame.x + frame.width / 2.0);
    let mut y = frame.y + (frame.height - text.size().height) / 2.0 + PADDING_ALONG + NAME_SIZE;
    out.push_str(&format!(
        "<text class=\"name\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{}</text>",
        number(y),
        escaped(&text.name)
    ));
    for note in &text.notes {
        y += NOTE_SIZE * LINE;
        out.push_str(&format!(
            "<text class=\"note\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{}</text>",
            number(y + 1.0),
            escaped(note)
        ));
    }
    out
}

fn rectangle(class: &str, frame: &Frame, inset: f64, radius: f64) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        number(frame.x + inset),
        number(frame.y + inset),
        number(frame.width - 2.0 * inset),
        number(frame.height - 2.0 * inset),
        number(radius)
    )
}

fn drawn_arrow(arrow: &Arrow, route: &Route) -> String {
    let mut class = String::from("edge");
    class.push_str(if arrow.is_inherited { " inherited" } else { "" });
    class.push_str(if arrow.count.is_some() { " taken" } else { "" });
    format!(
        "<g class=\"{class}\" data-from=\"{}\" data-to=\"{}\"><desc>{}</desc>{}{}</g>\n",
        arrow.from,
        arrow.to,
        escaped(&arrow.labels.join("\n")),
        line(route, arrow.count.is_some()),
        label(&arrow.lines(), route.label)
    )
}

fn label(lines: &[String], place: Point) -> String {
    lines
        .iter()
        .enumerate()
        .map(|(at, text)| {
            let y = place.y + at as f64 * LABEL_SIZE * LINE + LABEL_SIZE;
            let (x, y) = (number(place.x), number(y));
            format!("<text class=\"label\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text))
        })
        .collect()
}

fn line(route: &Route, is_taken: bool) -> String {
    let mut path = String::new();
    for (at, point) in route.points.iter().enumerate() {
        let (x, y) = (number(point.x), number(point.y));
        let Some(before) = at.checked_sub(1).and_then(|before| route.points.get(before)) else {
            path.push_str(&format!("M{x} {y}"));
            continue;
        };
        if route.is_loop {
            let out = number(point.x + 28.0);
            path.push_str(&format!("C{out} {} {out} {y} {x} {y}", number(before.y)));
        } else if (before.x - point.x).abs() < 0.05 {
            path.push_str(&format!("L{x} {y}"));
        } else {
            let middle = number((before.y + point.y) / 2.0);
            path.push_str(&format!("C{} {middle} {x} {middle} {x} {y}", number(before.x)));
        }
    }
    let marker = if is_taken { "arrow-taken" } else { "arrow" };
    format!("<path class=\"line\" marker-end=\"url(#{marker})\" d=\"{path}\"/>")
}

/// Agents as frames with their states inside, entries above them, asks between them.
fn folder(graphs: &[Graph], parts: Vec<Part>) -> Part {
    let title = |graph: &Graph| width(&graph.agent, NAME_SIZE * 1.1) + 40.0;
    let mut sizes: Vec<Size> = graphs
        .iter()
        .zip(&parts)
        .map(|(graph, part)| Size {
            width: part.size.width.max(title(graph)),
            height: part.size.height + TITLE_HEIGHT,
        })
        .collect();
    let mut entries: Vec<Lines> = Vec::new();
    // From, to, label, and what it is.
    let mut arrows: Vec<(usize, usize, Vec<String>, &str)> = Vec::new();
    for (at, graph) in graphs.iter().enumerate() {
        for entry in &graph.entries {
            arrows.push((graphs.len() + entries.len(), at, entry.per.iter().cloned().collect(), "route"));
            entries.push(Lines { name: cut(&entry.from, CHARACTERS_MAX.0), notes: Vec::new() });
        }
        for (to, other) in graphs.iter().enumerate() {
            let states = graph.asks.iter().filter(|ask| ask.to == other.agent);
            let states: Vec<String> = states.map(|ask| graph.nodes[ask.from].name.clone()).collect();
            if !states.is_empty() {
                arrows.push((at, to, vec![format!("{} asks", states.join(", "))], "ask"));
            }
        }
    }
    sizes.extend(entries.iter().map(Lines::size));
    let links: Vec<Link> = arrows
        .iter()
        .map(|(from, to, labels, _)| Link { from: *from, to: *to, label: label_size(labels) })
        .collect();
    let Layout { size, frames, routes } = layout(&sizes, &links);
    let mut body = String::new();
    for ((graph, part), frame) in graphs.iter().zip(&parts).zip(&frames) {
        let inside = frame.x + (frame.width - part.size.width) / 2.0;
        body.push_str(&format!(
            "<g class=\"agent\" data-agent=\"{0}\">{1}<text class=\"title\" x=\"{2}\" y=\"{3}\">{0}</text>\n\
             <g transform=\"translate({4} {5})\">\n{6}</g></g>\n",
            escaped(&graph.agent),
            rectangle("cluster", frame, 0.0, 12.0),
            number(frame.x + 14.0),
            number(frame.y + 20.0),
            number(inside),
            number(frame.y + TITLE_HEIGHT),
            part.body
        ));
    }
    for (entry, frame) in entries.iter().zip(&frames[graphs.len()..]) {
        body.push_str(&format!("<g class=\"entry\">{}</g>\n", drawn_box(entry, frame, false)));
    }
    for ((from, to, labels, class), route) in arrows.iter().zip(&routes) {
        let place = label(labels, route.label);
        let line = line(route, false);
        body.push_str(&format!(
            "<g class=\"{class}\" data-source=\"{from}\" data-target=\"{to}\">{line}{place}</g>\n"
        ));
    }
    Part { body, size }
}

/// A coordinate: one digit behind the point, so that pictures are the same on every machine.
fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded == 0.0 { "0".to_string() } else { format!("{rounded}") }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            // XML has no place for these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
