// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which assignments a read may see: reaching definitions, made only where something is read (the way in which Braun
//! and others, "Simple and Efficient Construction of Static Single Assignment Form", build theirs).

use std::collections::HashMap;

use super::super::closed;
use super::cells::{CellId, Cells, Role};
use super::graph::{Graph, Kind, Node, NodeId, Via};
use crate::typed::{Expr, ExprKind, HandlerAction, Request, RequestStep, Step, StepKind, Variable};

/// A variable of the agent: slots, then locals of every state, then those of `anywhere`.
pub(in crate::check) type VariableId = u32;

/// The variables of an agent and what they may hold where.
#[derive(Debug)]
pub(in crate::check) struct Values {
    /// First local of each state, and of `anywhere` at the end.
    first_locals: Vec<u32>,
    /// Role of each variable's cells.
    roles: Vec<Role>,
    /// What each node assigns, and the cell of it.
    definitions: Vec<Vec<(VariableId, CellId)>>,
    /// What may be assigned by others while a step is pending, by the key of [`Graph::beside`].
    beside: HashMap<(NodeId, VariableId), CellId>,
    /// What slots hold at the start: parameters.
    initial: Vec<CellId>,
    /// Values where ways meet.
    met: HashMap<(VariableId, NodeId), CellId>,
    /// Those of `met` whose ways are not looked at yet.
    open: Vec<(VariableId, NodeId, CellId)>,
    /// Where pending wakes are kept.
    pub wakes: CellId,
    /// What sessions of other versions bring along, by variable.
    carried: HashMap<VariableId, CellId>,
}

impl Values {
    pub fn new(graph: &Graph<'_>, cells: &mut Cells, wakes: CellId) -> Self {
        let program = graph.program;
        let mut names: Vec<&str> = program.slots.iter().map(|s| s.name.as_str()).collect();
        let mut first_locals = Vec::new();
        let frames = program.states.iter().map(|s| &s.locals).chain([&program.anywhere_locals]);
        for locals in frames {
            first_locals.push(names.len() as u32);
            names.extend(locals.iter().map(|l| l.name.as_str()));
        }
        let roles: Vec<Role> = names.into_iter().map(|name| Role::Variable(cells.text(name))).collect();
        let initial = (0..program.slots.len()).map(|at| cells.cell(roles[at])).collect();
        let mut values = Self {
            first_locals,
            roles,
            definitions: vec![Vec::new(); graph.nodes.len()],
            beside: HashMap::new(),
            initial,
            met: HashMap::new(),
            open: Vec::new(),
            wakes,
            carried: HashMap::new(),
        };
        for at in graph.ids() {
            let node = &graph.nodes[at as usize];
            let defined: Vec<VariableId> =
                assigned(&node.kind).into_iter().map(|v| values.variable(node, v)).collect();
            values.definitions[at as usize] =
                defined.into_iter().map(|v| (v, cells.cell(values.roles[v as usize]))).collect();
        }
        for (key, ranges) in &graph.beside {
            for at in ranges.iter().cloned().flatten() {
                for (variable, cell) in values.definitions[at as usize].clone() {
                    let role = values.roles[variable as usize];
                    let beside = *values.beside.entry((*key, variable)).or_insert_with(|| cells.cell(role));
                    cells.flow(cell, beside, graph.nodes[at as usize].span);
                }
            }
        }
        values
    }

    /// The variable that a name stands for in a node.
    pub fn variable(&self, node: &Node<'_>, variable: Variable) -> VariableId {
        match variable {
            Variable::Slot(at) => at,
            Variable::Local(at) => {
                let frame = if node.is_anywhere { self.first_locals.len() - 1 } else { node.state as usize };
                self.first_locals[frame] + at
            }
        }
    }

    /// The name of a variable.
    pub fn name(&self, graph: &Graph<'_>, variable: VariableId) -> String {
        let program = graph.program;
        let frame = self.first_locals.partition_point(|first| *first <= variable);
        let local = |locals: &[crate::typed::VariableDef]| {
            let first = self.first_locals[frame - 1];
            locals.get((variable - first) as usize).map(|l| l.name.clone())
        };
        let found = match frame {
            0 => program.slots.get(variable as usize).map(|s| s.name.clone()),
            _ => local(program.states.get(frame - 1).map_or(&program.anywhere_locals, |s| &s.locals)),
        };
        found.unwrap_or_default()
    }

    /// The cell of what a node assigns to a variable.
    pub fn definition(&self, node: NodeId, variable: VariableId) -> Option<CellId> {
        self.definitions[node as usize].iter().find(|(v, _)| *v == variable).map(|(_, cell)| *cell)
    }

    /// Everything that a node assigns.
    pub fn definitions(&self, node: NodeId) -> &[(VariableId, CellId)] {
        &self.definitions[node as usize]
    }

    /// What others may assign to a variable while the step of a node is pending.
    pub fn beside(&self, graph: &Graph<'_>, node: NodeId, variable: VariableId) -> Option<CellId> {
        graph.beside(node).find_map(|key| self.beside.get(&(key, variable)).copied())
    }

    /// What a parameter holds.
    pub fn parameter(&self, at: usize) -> Option<CellId> {
        self.initial.get(at).copied()
    }

    /// A session of another version may bring this along for a slot, or for any local, to wherever it waits.
    pub fn carry(&mut self, slot: Option<VariableId>, cell: CellId) {
        let locals = self.first_locals.first().copied().unwrap_or(0)..self.roles.len() as u32;
        let carried = slot.into_iter().chain(if slot.is_none() { locals } else { 0..0 });
        self.carried.extend(carried.map(|variable| (variable, cell)));
    }

    fn carried(&self, graph: &Graph<'_>, variable: VariableId, node: NodeId) -> Option<CellId> {
        let waits = matches!(graph.nodes[node as usize].kind, Kind::Wait);
        self.carried.get(&variable).copied().filter(|_| waits)
    }

    /// Every cell of a slot.
    pub fn cells_of(&self, variable: VariableId) -> impl Iterator<Item = CellId> + '_ {
        let own =
            self.definitions.iter().flatten().filter(move |(v, _)| *v == variable).map(|(_, cell)| *cell);
        own.chain(self.initial.get(variable as usize).copied()).chain(self.carried.get(&variable).copied())
    }

    /// What a variable may hold when a node begins.
    pub fn read(
        &mut self,
        graph: &Graph<'_>,
        cells: &mut Cells,
        variable: VariableId,
        node: NodeId,
    ) -> CellId {
        let cell = self.at(graph, cells, variable, node);
        while let Some((variable, node, met)) = self.open.pop() {
            if node == graph.start()
                && let Some(initial) = self.initial.get(variable as usize)
            {
                cells.flow(*initial, met, graph.nodes[node as usize].span);
            }
            if let Some(carried) = self.carried(graph, variable, node) {
                cells.flow(carried, met, graph.nodes[node as usize].span);
            }
            for &(before, via) in &graph.predecessors[node as usize] {
                if via == Via::Restart {
                    continue;
                }
                let span = graph.nodes[before as usize].span;
                let definition = self.definition(before, variable);
                if let Some(cell) =
                    definition.filter(|_| may_have_happened(&graph.nodes[before as usize], via))
                {
                    cells.flow(cell, met, span);
                }
                if definition.is_none() || is_before(via) {
                    let value = self.at(graph, cells, variable, before);
                    cells.flow(value, met, span);
                }
                if let Some(beside) = self.beside(graph, before, variable) {
                    cells.flow(beside, met, span);
                }
            }
        }
        cell
    }

    /// Goes back along a single way; a new cell where several meet.
    fn at(&mut self, graph: &Graph<'_>, cells: &mut Cells, variable: VariableId, node: NodeId) -> CellId {
        let mut at = node;
        loop {
            if let Some(cell) = self.met.get(&(variable, at)) {
                return *cell;
            }
            if let [(before, via)] = graph.predecessors[at as usize].as_slice()
                && at != graph.start()
                && self.beside(graph, *before, variable).is_none()
                && self.carried(graph, variable, at).is_none()
            {
                match self.definition(*before, variable) {
                    Some(cell) if !is_before(*via) => return cell,
                    Some(_) if may_have_happened(&graph.nodes[*before as usize], *via) => {}
                    _ => {
                        at = *before;
                        continue;
                    }
                }
            }
            let cell = cells.cell(self.roles[variable as usize]);
            self.met.insert((variable, at), cell);
            self.open.push((variable, at, cell));
            return cell;
        }
    }

    /// The cells that an expression of a node reads.
    pub fn reads(&mut self, graph: &Graph<'_>, cells: &mut Cells, expr: &Expr, node: NodeId) -> Vec<CellId> {
        let (mut out, mut work) = (Vec::new(), vec![expr]);
        while let Some(expr) = work.pop() {
            match expr.kind {
                ExprKind::Variable(variable) => {
                    let variable = self.variable(&graph.nodes[node as usize], variable);
                    out.push(self.read(graph, cells, variable, node));
                }
                ExprKind::Wakes => out.push(self.wakes),
                _ => work.extend(closed::parts(expr)),
            }
        }
        out
    }
}

/// Whether an assignment of the step may have happened on an edge: branches and items end one after the other.
pub(in crate::check) fn may_have_happened(node: &Node<'_>, via: Via) -> bool {
    let is_partial = match &node.kind {
        Kind::Step(Step { kind: StepKind::Together(_) | StepKind::Each(_), .. }) => true,
        // What was filled or corrected stays, even if the steps behind it fail.
        Kind::Step(Step { kind: StepKind::Request(step), .. }) => {
            let keeps = matches!(step.request, Request::Fill { .. } | Request::Approve { .. });
            keeps && via == Via::Fail
        }
        _ => false,
    };
    is_partial || !is_before(via)
}

/// Whether the step's own assignments may not have happened on an edge.
fn is_before(via: Via) -> bool {
    matches!(via, Via::Pend | Via::Fail)
}

/// What a node assigns.
fn assigned(kind: &Kind<'_>) -> Vec<Variable> {
    match kind {
        Kind::Arm(_, _, binders) => binders.clone(),
        Kind::Handler(handler) => match &handler.action {
            HandlerAction::Run { binder, .. } => binder.iter().copied().collect(),
            _ => Vec::new(),
        },
        Kind::Step(step) => assigned_by(step),
        _ => Vec::new(),
    }
}

fn assigned_by(step: &Step) -> Vec<Variable> {
    let of_request = |request: &RequestStep| {
        let changed = match &request.request {
            Request::Approve { editing, .. } => *editing,
            Request::Fill { slot, .. } => Some(*slot),
            _ => None,
        };
        request.into.into_iter().chain(changed).collect::<Vec<_>>()
    };
    match &step.kind {
        StepKind::Assign(variable, _) | StepKind::Append(variable, _) => vec![*variable],
        StepKind::PutEntry { map, .. } => vec![*map],
        StepKind::PickValue { into, .. } | StepKind::Write { into, .. } => vec![*into],
        StepKind::Request(request) => of_request(request),
        StepKind::Together(branches) => branches.iter().flat_map(of_request).collect(),
        StepKind::Each(each) => each.results.iter().map(|(results, _)| *results).collect(),
        _ => Vec::new(),
    }
}

/// Whether what a step assigns is added to what was there.
pub(in crate::check) fn adds(step: &Step) -> bool {
    match &step.kind {
        StepKind::Append(..) | StepKind::PutEntry { .. } | StepKind::Each(_) => true,
        StepKind::Request(request) => {
            matches!(request.request, Request::Approve { .. } | Request::Fill { .. })
        }
        _ => false,
    }
}
