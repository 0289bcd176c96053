// SPDX-License-Identifier: MIT OR Apache-2.0
//! What joins the agents of a folder: which state asks which agent, and what the routes send to whom. Read from the
//! files as written, so that the picture shows what the runtime does not take yet, too.

use super::{Ask, Entry, Graph};
use crate::ast::{
    Arm, ArmBody, AssignValue, Expr, ExprKind, File, FileKind, HandlerAction, Item, ItemKind, RouteDecl,
    RouteSource, RouteTarget, StateBody, Step, StepKind, Text, TextPart,
};

/// Adds asks and entries to the graphs of a folder.
pub fn connect(graphs: &mut [Graph], files: &[File]) {
    let names: Vec<String> = graphs.iter().map(|graph| graph.agent.clone()).collect();
    for file in files {
        match &file.kind {
            FileKind::Agent { name, .. } => {
                if let Some(graph) = graphs.iter_mut().find(|graph| graph.agent == name.node) {
                    graph.asks = asks(graph, file, &names);
                }
            }
            FileKind::Routes => {
                for item in &file.items {
                    if let Item { kind: ItemKind::Route(route), .. } = item {
                        entry(graphs, route);
                    }
                }
            }
            FileKind::Shared { .. } => {}
        }
    }
}

fn asks(graph: &Graph, file: &File, names: &[String]) -> Vec<Ask> {
    let mut out = Vec::new();
    let mut everywhere = Vec::new();
    for item in &file.items {
        let (body, from) = match &item.kind {
            ItemKind::State(state) => {
                (&state.body, graph.nodes.iter().position(|node| node.name == state.name.node))
            }
            ItemKind::Anywhere(body) => (body, None),
            _ => continue,
        };
        let mut found = Vec::new();
        in_body(body, &mut found);
        found.retain(|name| names.contains(name));
        match from {
            Some(from) => out.extend(found.into_iter().map(|to| Ask { from, to })),
            None => everywhere.extend(found),
        }
    }
    // What `anywhere` asks is asked from the state where a session begins, as far as the picture goes.
    out.extend(everywhere.into_iter().map(|to| Ask { from: graph.start(), to }));
    let mut unique: Vec<Ask> = Vec::new();
    for ask in out {
        if !unique.contains(&ask) {
            unique.push(ask);
        }
    }
    unique
}

fn in_body(body: &StateBody, out: &mut Vec<String>) {
    in_steps(&body.steps, out);
    for handler in &body.handlers {
        if let HandlerAction::Body(body) = &handler.action {
            in_steps(&body.steps, out);
        }
    }
    let timers = body.timers.iter().map(|timer| &timer.body);
    for inner in timers.chain(body.schedules.iter().map(|schedule| &schedule.body)) {
        in_steps(&inner.steps, out);
    }
}

fn in_steps(steps: &[Step], out: &mut Vec<String>) {
    for step in steps {
        let (arms, otherwise): (&[Arm], Option<&ArmBody>) = match &step.kind {
            StepKind::Ask(ask) => {
                out.push(ask.whom.node.clone());
                (ask.arms.as_deref().unwrap_or_default(), ask.otherwise.as_ref())
            }
            StepKind::Call(call) => (call.arms.as_deref().unwrap_or_default(), call.otherwise.as_ref()),
            StepKind::When { arms, .. } => (arms, None),
            StepKind::Pick(pick) => (pick.arms.as_deref().unwrap_or_default(), None),
            StepKind::Fill(fill) => (&fill.arms, None),
            StepKind::Turn(turn) => (&turn.arms, None),
            StepKind::Approve(approve) => (&approve.arms, None),
            StepKind::Together(steps) => {
                in_steps(steps, out);
                continue;
            }
            StepKind::Each(each) => {
                in_steps(&each.steps, out);
                continue;
            }
            StepKind::Assign { value: AssignValue::Step(step), .. } => {
                in_steps(std::slice::from_ref(step), out);
                continue;
            }
            _ => continue,
        };
        for body in arms.iter().map(|arm| &arm.body).chain(otherwise) {
            in_steps(&body.steps, out);
        }
    }
}

fn entry(graphs: &mut [Graph], route: &RouteDecl) {
    let RouteTarget::Agent { agent, per } = &route.to else { return };
    let Some(graph) = graphs.iter_mut().find(|graph| graph.agent == agent.node) else { return };
    let per = per.as_ref().map(|per| format!("per {}", words(per)));
    if route.from.is_empty() {
        graph.entries.push(Entry { from: "otherwise".to_string(), per: per.clone() });
    }
    for source in &route.from {
        let from = match source {
            RouteSource::Channel { channel, from, group } => {
                let mut words = channel.node.clone();
                if let Some(from) = from {
                    words.push_str(&format!(" from {}", from.node));
                }
                if let Some(group) = group {
                    words.push_str(&format!(" in group {}", plain(group)));
                }
                words
            }
            RouteSource::Webhook { path, ty, .. } => format!("http post {} as {}", plain(path), ty.node),
        };
        graph.entries.push(Entry { from, per: per.clone() });
    }
}

/// A key as it is written: a name and fields.
fn words(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Name(name) => name.clone(),
        ExprKind::Field(inner, field) => format!("{}.{}", words(inner), field.node),
        _ => "…".to_string(),
    }
}

fn plain(text: &Text) -> String {
    text.parts
        .iter()
        .map(|part| match part {
            TextPart::Literal(text) => text.clone(),
            TextPart::Value(_) => "…".to_string(),
        })
        .collect()
}
