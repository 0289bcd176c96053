// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arrows that the nodes of one agent draw: what each step reads, gives, remembers and decides.

use super::super::closed;
use super::cells::{CellId, Cells, Role};
use super::control;
use super::graph::{EXIT, Graph, Kind, NodeId, Via, waits};
use super::values::{Values, VariableId, adds};
use crate::source::Span;
use crate::typed::{
    Expr, Handler, HandlerAction, Label, MemoryScope, ModelUse, Program, Request, RequestStep, Step,
    StepKind, Trigger, Variable, Who,
};

/// What other agents see of one.
#[derive(Debug, Clone)]
pub(in crate::check) struct Interface {
    pub agent: String,
    pub parameters: Vec<CellId>,
    pub gives: CellId,
    /// Words of those who talk to it.
    pub sender: CellId,
    /// Whether it is asked at all.
    pub control: CellId,
}

/// A call of a tool by a step.
#[derive(Debug)]
pub(in crate::check) struct CallSite<'p> {
    pub node: NodeId,
    pub grant: u32,
    pub arguments: Vec<(&'p str, &'p Expr, CellId)>,
    pub span: Span,
}

/// `run`.
#[derive(Debug)]
pub(in crate::check) struct RunSite<'p> {
    pub node: NodeId,
    pub calls: CellId,
    pub approved_by: Option<&'p Who>,
    pub span: Span,
}

/// Something that leaves the agent.
#[derive(Debug)]
pub(in crate::check) struct Leak {
    pub cell: CellId,
    pub what: &'static str,
    pub span: Span,
}

/// One agent in the fixpoint.
#[derive(Debug)]
pub(in crate::check) struct AgentFlow<'p> {
    pub graph: Graph<'p>,
    pub values: Values,
    pub interface: Interface,
    /// First of the cells of nodes: three for each.
    first: CellId,
    pub calls: Vec<CallSite<'p>>,
    pub runs: Vec<RunSite<'p>>,
    pub leaks: Vec<Leak>,
}

impl<'p> AgentFlow<'p> {
    pub fn new(program: &'p Program, answers: bool, cells: &mut Cells) -> Self {
        let graph = Graph::new(program, answers);
        let wakes = cells.cell(Role::Wakes);
        let values = Values::new(&graph, cells, wakes);
        let parameters = (0..program.parameters as usize).filter_map(|at| values.parameter(at)).collect();
        let interface = Interface {
            agent: program.name.clone(),
            parameters,
            gives: cells.cell(Role::Gives),
            sender: cells.cell(Role::Sender),
            control: cells.cell(Role::Control),
        };
        let first = cells.cell(Role::Control);
        for at in 1..graph.nodes.len() * 3 {
            cells.cell([Role::Control, Role::History, Role::Result][at % 3]);
        }
        Self { graph, values, interface, first, calls: Vec::new(), runs: Vec::new(), leaks: Vec::new() }
    }

    /// What decides whether a node runs.
    pub fn control(&self, node: NodeId) -> CellId {
        self.first + node * 3
    }

    /// The history when a node begins.
    pub fn history(&self, node: NodeId) -> CellId {
        self.first + node * 3 + 1
    }

    /// What a node reads, and so gives.
    pub fn result(&self, node: NodeId) -> CellId {
        self.first + node * 3 + 2
    }
}

/// Memory that agents share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub person: CellId,
    pub chat: CellId,
    pub agent: CellId,
    pub all: CellId,
}

impl Memory {
    fn scope(&self, scope: MemoryScope) -> CellId {
        match scope {
            MemoryScope::Person => self.person,
            MemoryScope::Chat => self.chat,
            MemoryScope::Agent => self.agent,
            MemoryScope::All => self.all,
        }
    }
}

/// Draws the arrows of one agent.
pub(super) struct Artist<'a, 'p> {
    pub cells: &'a mut Cells,
    pub flow: &'a mut AgentFlow<'p>,
    pub agents: &'a [Interface],
    pub memory: Memory,
    /// Whether `done` answers somebody whom the folder does not know.
    pub answers_outside: bool,
    /// Whether a message may join the history at any step that reads it.
    pub joins: bool,
    /// Whether names of people enter it so.
    pub joins_names: bool,
    /// Nodes that may run while a step is pending.
    pub beside: Vec<bool>,
}

impl<'p> Artist<'_, 'p> {
    pub fn draw(&mut self, answers: bool) {
        let program = self.flow.graph.program;
        let handlers = || program.states.iter().flat_map(|s| &s.handlers).chain(&program.anywhere);
        self.joins = handlers().any(|h| matches!(h.action, HandlerAction::Join));
        self.joins_names =
            handlers().any(|h| matches!(h.action, HandlerAction::Join) && h.trigger.brings_a_name());
        self.beside = vec![false; self.flow.graph.nodes.len()];
        for at in self.flow.graph.beside.values().flatten().cloned().flatten() {
            self.beside[at as usize] = true;
        }
        self.draw_control(answers);
        self.other_versions();
        let nodes: Vec<NodeId> = self.flow.graph.ids().collect();
        for at in nodes {
            self.draw_edges(at);
            match self.flow.graph.nodes[at as usize].kind.clone() {
                Kind::Handler(handler) => self.handler(at, handler),
                // A deadline is worked out when its state is entered.
                Kind::Timer(timer) => {
                    let entry = Graph::entry(self.flow.graph.nodes[at as usize].state as usize);
                    self.read(&timer.after, entry, self.flow.result(at));
                }
                Kind::Arm(..) => self.arm(at),
                Kind::Step(step) => self.step(at, step),
                // How often a capped state was entered is decided by what decides whether it is entered.
                Kind::Exit | Kind::Entry | Kind::Wait | Kind::Pending | Kind::Failing => {}
            }
        }
    }

    fn span(&self, node: NodeId) -> Span {
        self.flow.graph.nodes[node as usize].span
    }

    fn read(&mut self, expr: &Expr, node: NodeId, to: CellId) {
        for cell in self.flow.values.reads(&self.flow.graph, self.cells, expr, node) {
            self.cells.flow(cell, to, expr.span);
        }
    }

    fn is_request(&self, node: NodeId) -> bool {
        let kind = &self.flow.graph.nodes[node as usize].kind;
        matches!(kind, Kind::Step(Step { kind: StepKind::Request(_) | StepKind::Together(_), .. }))
    }

    fn variable(&self, node: NodeId, variable: Variable) -> VariableId {
        self.flow.values.variable(&self.flow.graph.nodes[node as usize], variable)
    }

    /// What a node assigns to a variable.
    fn define(&mut self, node: NodeId, variable: Variable, from: CellId) {
        let variable = self.variable(node, variable);
        let span = self.span(node);
        if let Some(cell) = self.flow.values.definition(node, variable) {
            self.cells.flow(from, cell, span);
            self.cells.flow(self.flow.control(node), cell, span);
        }
    }

    fn draw_control(&mut self, answers: bool) {
        let mut found = Vec::new();
        control::dependences(&self.flow.graph, |decider, out, node| found.push((decider, out, node)));
        for (decider, out, node) in found {
            let to = self.flow.control(node);
            self.cells.flow(self.flow.control(decider), to, self.span(decider));
            match out.via {
                // That a request failed, or did not, tells nothing of a secret that it gives.
                Via::Own | Via::Fail if self.is_request(decider) => {
                    self.cells.flow_but_secret(self.flow.result(decider), to, self.span(decider));
                }
                Via::Own | Via::Fail => self.cells.flow(self.flow.result(decider), to, self.span(decider)),
                Via::Target => self.cells.flow(self.flow.result(out.to), to, self.span(out.to)),
                Via::Plain | Via::Pend | Via::Restart => {}
            }
        }
        if answers {
            for at in self.flow.graph.ids() {
                let span = self.flow.graph.nodes[at as usize].span;
                self.cells.flow(self.flow.interface.control, self.flow.control(at), span);
            }
        }
        // The first message opens the session, and so runs the start state up to its first wait.
        let start = self.flow.graph.start();
        let mut seen = vec![false; self.flow.graph.nodes.len()];
        let mut work = vec![start];
        while let Some(at) = work.pop() {
            for out in self.flow.graph.nodes[at as usize].out.clone() {
                let next = &self.flow.graph.nodes[out.to as usize];
                let stops =
                    matches!(next.kind, Kind::Wait | Kind::Exit) || out.via == Via::Pend || out.to == start;
                if !stops && !std::mem::replace(&mut seen[out.to as usize], true) {
                    let span = next.span;
                    self.cells.flow(self.flow.interface.sender, self.flow.control(out.to), span);
                    work.push(out.to);
                }
            }
        }
    }

    /// What the edges of a node carry: history, failures.
    fn draw_edges(&mut self, at: NodeId) {
        let node = &self.flow.graph.nodes[at as usize];
        let (span, outs, state) = (node.span, node.out.clone(), node.state as usize);
        let step = match node.kind {
            Kind::Step(step) => Some(step),
            _ => None,
        };
        let forgets = step.is_some_and(|step| matches!(step.kind, StepKind::ForgetHistory));
        let is_pending = step.is_some_and(waits);
        let pending = self.flow.result(Graph::entry(state) + 2);
        for out in outs {
            if !forgets && out.to != EXIT {
                self.cells.flow(self.flow.history(at), self.flow.history(out.to), span);
            }
            if is_pending && out.via != Via::Pend {
                self.cells.flow(pending, self.flow.history(out.to), span);
            }
            if out.via == Via::Fail && step.is_some() {
                // An item that fails has no result, so the list of results tells of it, though of no secret.
                let costs_item = matches!(self.flow.graph.nodes[out.to as usize].kind, Kind::Step(_));
                let (from, to) = (self.flow.result(at), self.flow.result(out.to));
                if costs_item {
                    self.cells.flow_but_secret(from, to, span);
                } else {
                    self.cells.flow(from, to, span);
                }
            }
        }
    }

    /// What a node writes into the history.
    fn enters_history(&mut self, at: NodeId, cell: CellId) {
        let span = self.span(at);
        for out in self.flow.graph.nodes[at as usize].out.clone() {
            self.cells.flow(cell, self.flow.history(out.to), span);
        }
        if self.beside[at as usize] {
            let state = self.flow.graph.nodes[at as usize].state as usize;
            self.cells.flow(cell, self.flow.result(Graph::entry(state) + 2), span);
        }
    }

    fn handler(&mut self, at: NodeId, handler: &'p Handler) {
        let (result, span) = (self.flow.result(at), handler.span);
        match &handler.trigger {
            Trigger::Message | Trigger::Word(_) | Trigger::Channel(_) => {
                self.cells.flow(self.flow.interface.sender, result, span);
                if handler.trigger.brings_a_name() {
                    let name = self.cells.source(Label::Message, span, "the name of somebody");
                    self.cells.flow(name, result, span);
                }
                self.enters_history(at, result);
            }
            // Whoever posts may sign, but what it says comes from elsewhere.
            Trigger::Declared(_) => {
                let source = self.cells.source(Label::Web, span, "an event from outside");
                self.cells.flow(source, result, span);
            }
            Trigger::Wake => self.cells.flow(self.flow.values.wakes, result, span),
            Trigger::Every(schedule) => {
                let program = self.flow.graph.program;
                let calls = program.schedules.get(*schedule as usize).map_or(&[][..], |s| &s.when_changed);
                for (grant, _) in calls {
                    self.tool_label(*grant, span, result);
                }
            }
            Trigger::Failed | Trigger::Uncertain | Trigger::OverBudget => {
                let state = self.flow.graph.nodes[at as usize].state as usize;
                self.cells.flow(self.flow.result(Graph::entry(state) + 3), result, span);
            }
        }
        if let HandlerAction::Run { binder: Some(binder), .. } = handler.action {
            self.define(at, binder, result);
        }
    }

    fn arm(&mut self, at: NodeId) {
        let Some((step, _)) = self.flow.graph.predecessors[at as usize].first().copied() else { return };
        let (from, control, span) = (self.flow.result(step), self.flow.control(at), self.span(at));
        for (_, cell) in self.flow.values.definitions(at).to_vec() {
            self.cells.flow(from, cell, span);
            self.cells.flow(control, cell, span);
        }
    }

    fn step(&mut self, at: NodeId, step: &'p Step) {
        let (result, control, span) = (self.flow.result(at), self.flow.control(at), step.span);
        match &step.kind {
            StepKind::Request(request) => {
                self.request(at, request, result);
                if let Some(variable) = request.into {
                    self.define(at, variable, result);
                }
            }
            StepKind::Together(branches) => {
                for branch in branches {
                    let own = self.cells.cell(Role::Result);
                    self.request(at, branch, own);
                    self.cells.flow(own, result, branch.span);
                    if let Some(variable) = branch.into {
                        self.define(at, variable, own);
                    }
                }
            }
            StepKind::PickArms { model, .. } => self.prompt(at, model, result, false),
            StepKind::PickValue { model, into, .. } | StepKind::Write { model, into } => {
                self.prompt(at, model, result, false);
                self.define(at, *into, result);
            }
            StepKind::Turn { model, .. } => {
                self.prompt(at, model, result, true);
                self.enters_history(at, result);
            }
            StepKind::Run { calls, approved_by } => {
                self.run(at, calls, approved_by.as_ref().map(|(who, _)| who), span)
            }
            _ => self.plain(at, step),
        }
        if adds(step) {
            for (variable, cell) in self.flow.values.definitions(at).to_vec() {
                let before = self.flow.values.read(&self.flow.graph, self.cells, variable, at);
                self.cells.flow(before, cell, span);
                // Whether it is full, or complete, is told by what it held.
                if !matches!(
                    step.kind,
                    StepKind::Request(RequestStep { request: Request::Approve { .. }, .. })
                ) {
                    self.cells.flow(before, result, span);
                }
            }
        }
        if waits(step)
            && !matches!(step.kind, StepKind::Each(_) | StepKind::Request(_) | StepKind::Together(_))
        {
            self.cells.flow(control, result, span);
        }
    }

    /// Steps that ask nobody.
    fn plain(&mut self, at: NodeId, step: &'p Step) {
        let (result, control, span) = (self.flow.result(at), self.flow.control(at), step.span);
        for expr in closed::step_expressions(step) {
            self.read(expr, at, result);
        }
        match &step.kind {
            StepKind::Assign(variable, _) | StepKind::Append(variable, _) => {
                self.define(at, *variable, result)
            }
            StepKind::PutEntry { map, .. } => self.define(at, *map, result),
            StepKind::Reply(_) => {
                self.leaves(result, control, "a reply", span);
                self.enters_history(at, result);
            }
            StepKind::Send(..) => self.leaves(result, control, "a message", span),
            StepKind::Show(_) => self.leaves(result, control, "a progress line", span),
            StepKind::Remember(_, scope) => {
                self.leaves(result, control, "memory", span);
                self.cells.flow(result, self.memory.scope(*scope), span);
            }
            // That something was given up is told by its not being there.
            StepKind::ForgetHistory => self.enters_history(at, control),
            StepKind::ForgetWakes => self.cells.flow(control, self.flow.values.wakes, span),
            StepKind::ForgetMemory(scope) => self.cells.flow(control, self.memory.scope(*scope), span),
            StepKind::Wake { .. } => {
                self.cells.flow(result, self.flow.values.wakes, span);
                self.cells.flow(control, self.flow.values.wakes, span);
            }
            StepKind::Done(_) => {
                self.cells.flow(result, self.flow.interface.gives, span);
                self.cells.flow(control, self.flow.interface.gives, span);
                if self.answers_outside {
                    self.leaves(result, control, "an answer", span);
                }
            }
            StepKind::Each(each) => {
                if let Some((results, item)) = each.results {
                    if let Some(item) = item {
                        let item = self.variable(at, item);
                        let value = self.flow.values.read(&self.flow.graph, self.cells, item, at);
                        self.cells.flow(value, result, span);
                    }
                    self.define(at, results, result);
                }
            }
            _ => {}
        }
    }

    fn leaves(&mut self, result: CellId, control: CellId, what: &'static str, span: Span) {
        self.cells.flow(control, result, span);
        self.flow.leaks.push(Leak { cell: result, what, span });
    }

    fn prompt(&mut self, at: NodeId, model: &ModelUse, result: CellId, reads_history: bool) {
        let span = self.span(at);
        for expr in closed::model_expressions(model) {
            self.read(expr, at, result);
        }
        if model.history || reads_history {
            self.cells.flow(self.flow.history(at), result, span);
            if self.joins {
                self.cells.flow(self.flow.interface.sender, result, span);
                self.enters_history(at, self.flow.interface.sender);
            }
            if self.joins_names {
                let name = self.cells.source(Label::Message, span, "the name of somebody");
                self.cells.flow(name, result, span);
                self.enters_history(at, name);
            }
        }
        if model.memory {
            let source = self.cells.source(Label::Memory, span, "what is remembered");
            let Memory { person, chat, agent, all } = self.memory;
            for cell in [source, person, chat, agent, all] {
                self.cells.flow(cell, result, span);
            }
        }
        self.cells.flow(self.flow.control(at), result, span);
        self.flow.leaks.push(Leak { cell: result, what: "a prompt", span });
    }

    fn run(&mut self, at: NodeId, calls: &'p Expr, approved_by: Option<&'p Who>, span: Span) {
        let result = self.flow.result(at);
        let asked = self.cells.cell(Role::Argument);
        self.read(calls, at, asked);
        self.cells.flow_but_secret(asked, result, span);
        for grant in 0..self.flow.graph.program.tools.len() {
            self.tool_label(grant as u32, span, result);
        }
        self.enters_history(at, result);
        self.flow.runs.push(RunSite { node: at, calls: asked, approved_by, span });
    }

    /// The label of a tool's result.
    fn tool_label(&mut self, grant: u32, span: Span, to: CellId) {
        if let Some(tool) = self.flow.graph.program.tools.get(grant as usize)
            && let Some(label) = tool.label
        {
            let source = self.cells.source(label, span, format!("`{}`", tool.tool));
            self.cells.flow(source, to, span);
        }
    }

    /// Words of somebody.
    fn words_of(&mut self, who: &Who, span: Span, to: CellId) {
        match who {
            Who::Owner => {}
            Who::Sender => self.cells.flow(self.flow.interface.sender, to, span),
            Who::Person(name) | Who::Quorum(_, name) => {
                let source = self.cells.source(Label::Message, span, format!("words of {name}"));
                self.cells.flow(source, to, span);
            }
        }
    }

    fn request(&mut self, at: NodeId, step: &'p RequestStep, result: CellId) {
        let (control, span) = (self.flow.control(at), step.span);
        match &step.request {
            Request::Call { grant, arguments, .. } => {
                let mut site = CallSite { node: at, grant: *grant, arguments: Vec::new(), span };
                for (name, value) in arguments {
                    let cell = self.cells.cell(Role::Argument);
                    self.read(value, at, cell);
                    self.cells.flow_but_secret(cell, result, value.span);
                    site.arguments.push((name, value, cell));
                }
                self.flow.calls.push(site);
                self.tool_label(*grant, span, result);
                self.cells.flow(control, result, span);
            }
            Request::AskAgent { grant, arguments, here, with, .. } => {
                self.ask_agent(at, *grant, arguments, result, span);
                self.let_talk(*grant, *here, with.as_ref(), span);
            }
            Request::AskPerson { whom, question, .. } => {
                let shown = self.cells.cell(Role::Result);
                self.read(question, at, shown);
                self.leaves(shown, control, "a question", span);
                self.words_of(whom, span, result);
                self.cells.flow(control, result, span);
                self.enters_history(at, result);
            }
            Request::Approve { by, editing, question, .. } => {
                let shown = self.cells.cell(Role::Result);
                self.read(question, at, shown);
                self.leaves(shown, control, "a question", span);
                // People who are named to decide are trusted to decide; a sender decides as a sender.
                if *by == Who::Sender {
                    self.words_of(by, span, result);
                }
                if let Some(slot) = *editing {
                    self.define(at, slot, result);
                }
            }
            Request::Fill { slot, model, .. } => {
                self.prompt(at, model, result, false);
                self.define(at, *slot, result);
            }
            Request::Recall { query, scope, .. } => {
                self.read(query, at, result);
                let source = self.cells.source(Label::Memory, span, "what is remembered");
                for cell in [source, self.memory.scope(*scope), control] {
                    self.cells.flow(cell, result, span);
                }
            }
        }
    }

    fn ask_agent(&mut self, at: NodeId, grant: u32, arguments: &[Expr], result: CellId, span: Span) {
        let asked = self.asked(grant).cloned();
        for (index, argument) in arguments.iter().enumerate() {
            let cell = self.cells.cell(Role::Argument);
            self.read(argument, at, cell);
            self.cells.flow(cell, result, argument.span);
            if let Some(parameter) = asked.as_ref().and_then(|asked| asked.parameters.get(index)) {
                self.cells.flow(cell, *parameter, argument.span);
                self.cells.flow(self.flow.control(at), *parameter, argument.span);
            }
        }
        let name = self.flow.graph.program.asks.get(grant as usize).map_or("", |ask| ask.agent.as_str());
        let source = self.cells.source(Label::Agent, span, format!("agent `{name}`"));
        self.cells.flow(source, result, span);
        self.cells.flow(self.flow.control(at), result, span);
        if let Some(asked) = asked {
            self.cells.flow(asked.gives, result, span);
            self.cells.flow(self.flow.control(at), asked.control, span);
        }
    }

    fn let_talk(&mut self, grant: u32, here: bool, with: Option<&Who>, span: Span) {
        let Some(sender) = self.asked(grant).map(|asked| asked.sender) else { return };
        match with {
            Some(who) => self.words_of(who, span, sender),
            None if here => self.cells.flow(self.flow.interface.sender, sender, span),
            None => {}
        }
    }

    fn asked(&self, grant: u32) -> Option<&Interface> {
        let name = &self.flow.graph.program.asks.get(grant as usize)?.agent;
        self.agents.iter().find(|agent| agent.agent == *name)
    }
}
