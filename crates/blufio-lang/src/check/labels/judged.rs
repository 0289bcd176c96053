// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fixpoint decides by itself: `run` after untrusted text, `never LABEL reaches TOOL`, and secrets that leave.

use super::super::report;
use super::Analysis;
use super::arrows::{AgentFlow, RunSite};
use super::cells::{CellId, Hop, Labels};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::typed::{Danger, Label, RuleKind, Who};

/// Reports what must not flow.
pub(super) fn check(analysis: &Analysis<'_>, diagnostics: &mut Diagnostics) {
    for (at, flow) in analysis.agents.iter().enumerate() {
        for run in &flow.runs {
            check_run(analysis, at, flow, run, diagnostics);
        }
        check_rules(analysis, flow, diagnostics);
        check_secrets(analysis, flow, diagnostics);
    }
}

/// Adds the way of a label to a finding: every station with its place, and all of them in one line.
pub(in crate::check) fn with_path(
    mut diagnostic: Diagnostic,
    label: Label,
    hops: &[Hop],
    end: &str,
) -> Diagnostic {
    let mut names: Vec<&str> = Vec::new();
    let mut last = diagnostic.label.span;
    for hop in hops {
        if let Some(name) = &hop.name
            && names.last() != Some(&name.as_str())
        {
            names.push(name);
        }
        if hop.span != Span::default() && hop.span != last {
            diagnostic = diagnostic.also(hop.span, format!("{}: {}", label.word(), hop.text));
            last = hop.span;
        }
    }
    names.push(end);
    let path = format!("`{}` comes this way: {}", label.word(), names.join(" → "));
    let hint = diagnostic.hint.take().map_or(path.clone(), |hint| format!("{path}; {hint}"));
    diagnostic.hint(hint)
}

/// The first of some labels with its way into one of two cells.
pub(in crate::check) fn first_way(
    analysis: &Analysis<'_>,
    cells: &[CellId],
    wanted: impl Fn(Labels) -> Labels,
) -> Option<(Label, Vec<Hop>)> {
    let cell = *cells.iter().find(|cell| !wanted(analysis.cells.labels(**cell)).is_empty())?;
    let label = wanted(analysis.cells.labels(cell)).iter().next()?;
    Some((label, analysis.cells.trace(cell, label)))
}

/// A `turn` whose prompt may hold untrusted text does not run dangerous tools by itself (check 9).
fn check_run(
    analysis: &Analysis<'_>,
    at: usize,
    flow: &AgentFlow<'_>,
    run: &RunSite<'_>,
    diagnostics: &mut Diagnostics,
) {
    let tools = &flow.graph.program.tools;
    let Some(tool) = tools.iter().find(|tool| tool.danger == Danger::Dangerous) else { return };
    let cells = [run.calls, flow.control(run.node)];
    let held = cells.iter().fold(Labels::default(), |held, cell| held.union(analysis.cells.labels(*cell)));
    let Some((label, hops)) = first_way(analysis, &cells, Labels::untrusted) else { return };
    let found = match run.approved_by {
        None => report::run_unapproved::report(&tool.tool, run.span),
        Some(Who::Sender) if !analysis.sender_is_owner(at) => {
            if held.untrusted() == Labels::of(Label::Message) {
                if !analysis.mixed[at] {
                    return;
                }
                report::wrong_approver::unknown(&tool.tool, run.span)
            } else {
                report::wrong_approver::report(&tool.tool, run.span)
            }
        }
        Some(_) => return,
    };
    diagnostics.push(with_path(found, label, &hops, "`run`"));
}

fn check_rules(analysis: &Analysis<'_>, flow: &AgentFlow<'_>, diagnostics: &mut Diagnostics) {
    for rule in &flow.graph.program.rules {
        let RuleKind::NeverReaches(label, grant) = rule.kind else { continue };
        let tool = flow.graph.program.tools.get(grant as usize).map_or("", |tool| tool.tool.as_str());
        let only =
            |labels: Labels| if labels.contains(label) { Labels::of(label) } else { Labels::default() };
        let calls = flow.calls.iter().filter(|call| call.grant == grant).map(|call| {
            let arguments = call.arguments.iter().map(|(_, _, cell)| *cell);
            (arguments.chain([flow.control(call.node)]).collect::<Vec<_>>(), call.span)
        });
        let runs = flow.runs.iter().map(|run| (vec![run.calls, flow.control(run.node)], run.span));
        for (cells, span) in calls.chain(runs) {
            if let Some((label, hops)) = first_way(analysis, &cells, only) {
                let found =
                    report::label_reaches::report(label.word(), tool, span).also(rule.span, "the rule");
                diagnostics.push(with_path(found, label, &hops, &format!("`{tool}`")));
            }
        }
    }
}

fn check_secrets(analysis: &Analysis<'_>, flow: &AgentFlow<'_>, diagnostics: &mut Diagnostics) {
    let secret = |labels: Labels| {
        if labels.contains(Label::Secret) { Labels::of(Label::Secret) } else { Labels::default() }
    };
    for leak in &flow.leaks {
        if let Some((label, hops)) = first_way(analysis, &[leak.cell], secret) {
            let found = report::secret_leaves::report(leak.what, leak.span);
            diagnostics.push(with_path(found, label, &hops, leak.what));
        }
    }
    for call in &flow.calls {
        let Some(tool) = flow.graph.program.tools.get(call.grant as usize) else { continue };
        if tool.label == Some(Label::Secret) {
            continue;
        }
        for (_, value, cell) in &call.arguments {
            if let Some((label, hops)) = first_way(analysis, &[*cell], secret) {
                let what = format!("`{}`", tool.tool);
                let found = report::secret_leaves::report(&what, value.span);
                diagnostics.push(with_path(found, label, &hops, &what));
            }
        }
    }
}
