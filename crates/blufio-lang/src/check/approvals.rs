// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dangerous calls: their untrusted arguments, and the decision to make them, are endorsed by an approval. From each
//! call the graph is searched backwards; every way to it must pass the `yes` of an approval that shows what is
//! untrusted, asks the right person, and has not been used or overtaken by an assignment since. So dominators and
//! reaching definitions are one search, which stops at the nearest approval.

mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::labels::Analysis;
use super::labels::arrows::{AgentFlow, CallSite};
use super::labels::cells::Labels;
use super::labels::graph::{Graph, Kind, NodeId, Via};
use super::labels::judged::{first_way, with_path};
use super::labels::values::{VariableId, may_have_happened};
use super::report;
use crate::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics};
use crate::source::Span;
use crate::typed::{
    Danger, Expr, Label, OutcomeKind, Request, RequestStep, Step, StepKind, ToolGrant, Variable, Who,
};

/// Reports dangerous calls that nobody endorsed. Gives for each agent the states where a session may wait between an
/// approval and a call that counts on it.
pub(super) fn check(analysis: &Analysis<'_>, diagnostics: &mut Diagnostics) -> Vec<BTreeSet<u32>> {
    let mut found = 0;
    let mut relies = vec![BTreeSet::new(); analysis.agents.len()];
    for (agent, flow) in analysis.agents.iter().enumerate() {
        for call in &flow.calls {
            let Some(tool) = flow.graph.program.tools.get(call.grant as usize) else { continue };
            // A finding may cost a search of the whole graph; further ones would only be counted.
            if tool.danger == Danger::Dangerous
                && found < DIAGNOSTICS_MAX
                && let Some(diagnostic) =
                    judge(&Case::new(analysis, agent, flow, call, tool), &mut relies[agent])
            {
                diagnostics.push(diagnostic);
                found += 1;
            }
        }
    }
    relies
}

/// A dangerous call with what is untrusted about it.
struct Case<'a, 'p> {
    analysis: &'a Analysis<'p>,
    agent: usize,
    flow: &'a AgentFlow<'p>,
    call: &'a CallSite<'p>,
    tool: &'a ToolGrant,
    /// Untrusted arguments: name, value, whether it selects.
    untrusted: Vec<(&'p str, &'p Expr, bool)>,
    /// Variables that they read.
    variables: BTreeSet<VariableId>,
    control: Labels,
    labels: Labels,
}

/// What stands between a call and its approval.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// There is a way without any; its states.
    Missing(Vec<String>),
    /// Another person than a sender had to decide.
    WrongPerson(Span),
    /// One session holds words of several senders.
    WhoseWords(Span),
    /// The question does not show an argument.
    Hidden(Span, String, bool),
    /// A variable was assigned since.
    Stale(Span, String),
    /// It was used before.
    Used(Span),
}

impl<'a, 'p> Case<'a, 'p> {
    fn new(
        analysis: &'a Analysis<'p>,
        agent: usize,
        flow: &'a AgentFlow<'p>,
        call: &'a CallSite<'p>,
        tool: &'a ToolGrant,
    ) -> Self {
        let control = analysis.control(agent, call.node).untrusted();
        let (mut untrusted, mut labels) = (Vec::new(), control);
        for (name, value, cell) in &call.arguments {
            let held = analysis.cells.labels(*cell).untrusted();
            if !held.is_empty() {
                let selects = tool.parameters.iter().any(|p| p.name == *name && p.selects);
                untrusted.push((*name, *value, selects));
                labels = labels.union(held);
            }
        }
        let mut case = Self {
            analysis,
            agent,
            flow,
            call,
            tool,
            untrusted,
            variables: BTreeSet::new(),
            control,
            labels,
        };
        let values: Vec<&Expr> = case.untrusted.iter().map(|(_, value, _)| *value).collect();
        for value in values {
            shown::variables(value, &mut |variable| {
                let id = case.id(call.node, variable);
                case.variables.insert(id);
            });
        }
        case
    }

    fn id(&self, node: NodeId, variable: Variable) -> VariableId {
        self.flow.values.variable(&self.flow.graph.nodes[node as usize], variable)
    }

    fn name(&self, variable: VariableId) -> String {
        self.flow.values.name(&self.flow.graph, variable)
    }

    /// What an approval lacks for this call.
    fn lacks(
        &self,
        approve: NodeId,
        by: &Who,
        question: &Expr,
        editing: Option<Variable>,
        span: Span,
    ) -> Option<Fault> {
        if *by == Who::Sender && !self.analysis.sender_is_owner(self.agent) {
            if self.labels != Labels::of(Label::Message) {
                return Some(Fault::WrongPerson(span));
            }
            if self.analysis.mixed[self.agent] {
                return Some(Fault::WhoseWords(span));
            }
        }
        let same = |a: Variable, b: Variable| self.id(self.call.node, a) == self.id(approve, b);
        let untrusted = |expr: &Expr| {
            let mut any = shown::reads_wakes(expr);
            shown::variables(expr, &mut |variable| {
                any |= self.variables.contains(&self.id(self.call.node, variable))
            });
            any
        };
        for (name, value, _) in &self.untrusted {
            let edited =
                |expr: &Expr| editing.is_some_and(|slot| shown::is_variable(expr, |v| same(v, slot)));
            if !shown::covers(question, value, &same, &untrusted, &edited) {
                return Some(Fault::Hidden(span, (*name).to_string(), shown::is_computed(value)));
            }
        }
        None
    }
}

/// The approval whose `yes` begins at a node.
fn yes_of<'g>(kind: &'g Kind<'_>) -> Option<&'g RequestStep> {
    let Kind::Arm(Step { kind: StepKind::Request(request), .. }, index, _) = kind else { return None };
    let arm = request.arms.get(*index)?;
    let approves = matches!(request.request, Request::Approve { .. });
    (approves && arm.outcomes.as_slice() == [OutcomeKind::Yes]).then_some(request)
}

/// How often a node calls a tool.
fn calls_in(kind: &Kind<'_>, grant: u32) -> usize {
    let calls =
        |request: &RequestStep| matches!(request.request, Request::Call { grant: g, .. } if g == grant);
    match kind {
        Kind::Step(Step { kind: StepKind::Request(request), .. }) => usize::from(calls(request)),
        Kind::Step(Step { kind: StepKind::Together(branches), .. }) => {
            branches.iter().filter(|b| calls(b)).count()
        }
        _ => 0,
    }
}

/// What lies on a way back from the call.
#[derive(Debug, Clone, Default)]
struct Way {
    /// The nearest step that takes the force from any approval before it.
    overtaken: Option<Fault>,
    /// What the nearest approval lacks that does not endorse the call.
    lacks: Option<Fault>,
}

/// A node, and whether something has overtaken the way back from it to the call.
type Met = (NodeId, bool);

/// The search from a call back to its approvals.
struct Search<'c, 'a, 'p> {
    case: &'c Case<'a, 'p>,
    /// Nodes to go on from. Each is met at most twice: by a way that something has overtaken, and by another.
    queue: VecDeque<(NodeId, Way)>,
    /// From where each of them was come to; nothing for the call itself.
    seen: HashMap<Met, Option<Met>>,
    faults: BTreeSet<Fault>,
}

impl Search<'_, '_, '_> {
    fn run(mut self, relies: &mut BTreeSet<u32>) -> Option<Fault> {
        let from = self.case.call.node;
        let graph = &self.case.flow.graph;
        let mut way = Way::default();
        if calls_in(&graph.nodes[from as usize].kind, self.case.call.grant) > 1 {
            way.overtaken = Some(Fault::Used(self.case.call.span));
        }
        self.seen.insert((from, way.overtaken.is_some()), None);
        self.back_from(from, &way);
        // A way without any approval is the worst of all faults.
        while let Some((at, way)) = self.queue.pop_front().filter(|_| !self.is_missing()) {
            if at == graph.start() {
                self.begins(at, way);
            } else {
                self.back_from(at, &way);
            }
        }
        let waits = self.seen.keys().map(|(at, _)| &graph.nodes[*at as usize]);
        relies.extend(waits.filter(|node| matches!(node.kind, Kind::Wait)).map(|node| node.state));
        self.faults.into_iter().next()
    }

    fn is_missing(&self) -> bool {
        matches!(self.faults.first(), Some(Fault::Missing(_)))
    }

    /// A way on which no approval endorses the call.
    fn begins(&mut self, at: NodeId, way: Way) {
        let fault = way.lacks.unwrap_or_else(|| Fault::Missing(self.way(at, way.overtaken.is_some())));
        self.faults.insert(fault);
    }

    fn back_from(&mut self, at: NodeId, way: &Way) {
        let before = &self.case.flow.graph.predecessors[at as usize];
        for &(before, via) in before {
            self.visit(before, via, at, way.clone());
        }
    }

    fn visit(&mut self, at: NodeId, via: Via, from: NodeId, mut way: Way) {
        let from = (from, way.overtaken.is_some());
        let case = self.case;
        let graph = &case.flow.graph;
        let node = &graph.nodes[at as usize];
        if let Some(request) = yes_of(&node.kind)
            && let Request::Approve { by, editing, question, .. } = &request.request
            && let Some(&(approve, _)) = graph.predecessors[at as usize].first()
        {
            match case.lacks(approve, by, question, *editing, request.span) {
                None => {
                    let fault = way.overtaken.or_else(|| self.assigned_beside(approve));
                    self.faults.extend(fault);
                    return;
                }
                lacks => way.lacks = way.lacks.or(lacks),
            }
        }
        way.overtaken = way.overtaken.or_else(|| self.overtakes(at, via));
        if let std::collections::hash_map::Entry::Vacant(entry) =
            self.seen.entry((at, way.overtaken.is_some()))
        {
            entry.insert(Some(from));
            self.queue.push_back((at, way));
        }
    }

    /// Whether a node takes the force from the approvals before it.
    fn overtakes(&self, at: NodeId, via: Via) -> Option<Fault> {
        let case = self.case;
        let node = &case.flow.graph.nodes[at as usize];
        // Whatever became of it: the other call has used the approval.
        if calls_in(&node.kind, case.call.grant) > 0 {
            return Some(Fault::Used(node.span));
        }
        let assigns = |variable: &&VariableId| case.flow.values.definition(at, **variable).is_some();
        match case.variables.iter().find(assigns) {
            Some(variable) if may_have_happened(node, via) => {
                Some(Fault::Stale(node.span, case.name(*variable)))
            }
            _ => self.assigned_beside(at),
        }
    }

    /// Whether others may assign what the call uses while the step of a node is pending.
    fn assigned_beside(&self, at: NodeId) -> Option<Fault> {
        let (case, graph) = (self.case, &self.case.flow.graph);
        let variable = *case
            .variables
            .iter()
            .find(|variable| case.flow.values.beside(graph, at, **variable).is_some())?;
        Some(Fault::Stale(beside_span(graph, case, at, variable), case.name(variable)))
    }

    /// States from a node on to the call.
    fn way(&self, at: NodeId, is_overtaken: bool) -> Vec<String> {
        let graph = &self.case.flow.graph;
        let mut names = Vec::<String>::new();
        let mut next = Some((at, is_overtaken));
        while let Some(met) = next {
            let state = graph.nodes[met.0 as usize].state as usize;
            if let Some(state) = graph.program.states.get(state)
                && names.last() != Some(&state.name)
            {
                names.push(state.name.clone());
            }
            next = self.seen.get(&met).copied().flatten();
        }
        names
    }
}

/// Where a variable is assigned while the step of a node is pending.
fn beside_span(graph: &Graph<'_>, case: &Case<'_, '_>, node: NodeId, variable: VariableId) -> Span {
    let assigns = |at: &NodeId| case.flow.values.definition(*at, variable).is_some();
    let mut nodes = graph.beside(node).filter_map(|key| graph.beside.get(&key)).flatten().cloned().flatten();
    let found = nodes.find(assigns).unwrap_or(node);
    graph.nodes[found as usize].span
}

fn judge(case: &Case<'_, '_>, relies: &mut BTreeSet<u32>) -> Option<Diagnostic> {
    let selector = case.untrusted.iter().find(|(_, _, selects)| *selects);
    if selector.is_none() && case.control.is_empty() {
        return None;
    }
    let search = Search { case, queue: VecDeque::new(), seen: HashMap::new(), faults: BTreeSet::new() };
    let fault = search.run(relies)?;
    let (tool, span) = (case.tool.tool.as_str(), case.call.span);
    let found = match &fault {
        Fault::Missing(way) => match selector {
            Some((name, value, _)) => {
                report::untrusted_selector::report(tool, name, &way.join(" → "), value.span)
            }
            None => report::untrusted_control::report(tool, &way.join(" → "), span),
        },
        Fault::WrongPerson(place) => {
            report::wrong_approver::report(tool, span).also(*place, "the sender decides here")
        }
        Fault::WhoseWords(place) => {
            report::wrong_approver::unknown(tool, span).also(*place, "the sender decides here")
        }
        Fault::Hidden(place, name, is_computed) => {
            let found = if *is_computed {
                report::approval_hides::unknown(tool, name, span)
            } else {
                report::approval_hides::report(tool, name, span)
            };
            found.also(*place, "this approval")
        }
        Fault::Stale(place, variable) => report::approval_stale::report(tool, variable, span, *place),
        Fault::Used(place) => report::approval_reused::report(tool, span, *place),
    };
    Some(told(case, found))
}

/// The finding with the way of one untrusted label.
fn told(case: &Case<'_, '_>, found: Diagnostic) -> Diagnostic {
    let by_selector = case.tool.parameters.iter().filter(|p| p.selects);
    let selectors = by_selector.filter_map(|p| case.call.arguments.iter().find(|(name, ..)| *name == p.name));
    let others = case.call.arguments.iter();
    let mut cells: Vec<_> = selectors.chain(others).map(|(_, _, cell)| *cell).collect();
    cells.push(case.flow.control(case.call.node));
    match first_way(case.analysis, &cells, Labels::untrusted) {
        Some((label, hops)) => with_path(found, label, &hops, &format!("`{}`", case.tool.tool)),
        None => found,
    }
}
