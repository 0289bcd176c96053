// SPDX-License-Identifier: MIT OR Apache-2.0
//! One agent: declarations first, then states, then the proofs over the whole graph.

mod declarations;
mod handlers;

use super::expressions::literal;
use super::folder::FolderNames;
use super::scope::Checker;
use super::{CheckedAgent, Environment, Facts, assigned, bounds, closed, mailbox, reach, report};
use crate::ast::{self, AfterWhen, ItemKind, TriggerKind};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{
    self, Cap, Context, Handler, HandlerAction, History, StateId, Timer, ToolGrant, Trigger, Type,
    VariableDef,
};

/// First line of an agent file.
pub(super) struct Header<'a> {
    pub name: &'a ast::Ident,
    pub version: &'a ast::Spanned<u32>,
    pub parameters: &'a [ast::Field],
    pub gives: Option<&'a ast::TypeExpr>,
}

/// What the declarations outside of states say.
#[derive(Default)]
struct Declared {
    goal: String,
    budget: Option<(u32, Span)>,
    tools: Vec<ToolGrant>,
    context: Context,
    anywhere: Vec<Handler>,
    anywhere_locals: Vec<VariableDef>,
}

/// Checks an agent.
pub(super) fn check_agent(
    file: &ast::File,
    header: Header<'_>,
    names: &FolderNames<'_>,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
) -> CheckedAgent {
    let items: Vec<&ast::Item> = names.shared.iter().copied().chain(&file.items).collect();
    let mut checker = Checker::new(environment, names, diagnostics, names.recovered);
    let mut declared = Declared::default();
    let states: Vec<(&ast::StateDecl, Option<&String>)> = file
        .items
        .iter()
        .filter_map(|item| match &item.kind {
            ItemKind::State(state) => Some((state, item.doc.as_ref())),
            _ => None,
        })
        .collect();
    checker.declare_states(&states);
    checker.declare_grants(&items, &mut declared);
    checker.declare_types(&items);
    checker.declare_models(&items);
    checker.declare_rest(&items, &mut declared);
    checker.declare_slots(&items, &header);
    let typed_states = checker.states(&states);
    checker.anywhere(&file.items, &mut declared);
    checker.report_later();
    let start = checker.start(&states, file.kind_span);
    let program = typed::Program {
        name: header.name.node.clone(),
        version: header.version.node,
        goal: declared.goal,
        types: checker.types,
        models: checker.models,
        calls_per_event_max: declared.budget.map(|b| b.0),
        tools: declared.tools,
        context: declared.context,
        slots: checker.slots,
        states: typed_states,
        anywhere: declared.anywhere,
        anywhere_locals: declared.anywhere_locals,
        start,
    };
    let facts = prove(&program, declared.budget, environment, diagnostics, names.recovered);
    CheckedAgent { program, span: file.kind_span, facts }
}

fn prove(
    program: &typed::Program,
    budget: Option<(u32, Span)>,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
    recovered: bool,
) -> Facts {
    if program.states.is_empty() {
        return Facts::default();
    }
    let has_broken_arrows =
        recovered || diagnostics.iter().any(|d| d.code == report::unknown_state::PAGE.code);
    let flow = super::flow::flow(program);
    if !has_broken_arrows {
        reach::check(program, &flow, diagnostics);
        mailbox::check(program, &flow, diagnostics);
        assigned::check(program, &flow, diagnostics);
    }
    if !recovered {
        closed::check(program, environment, diagnostics);
    }
    bounds::check(program, &flow, budget, diagnostics)
}

impl Checker<'_> {
    fn declare_states(&mut self, states: &[(&ast::StateDecl, Option<&String>)]) {
        for (at, (state, _)) in states.iter().enumerate() {
            if self.states.contains_key(&state.name.node) {
                let first = states
                    .iter()
                    .find(|(s, _)| s.name.node == state.name.node)
                    .map_or(state.name.span, |(s, _)| s.name.span);
                self.push(report::duplicate::report("state", &state.name.node, state.name.span, first));
            } else {
                self.states.insert(state.name.node.clone(), StateId(at as u32));
            }
        }
    }

    fn start(&mut self, states: &[(&ast::StateDecl, Option<&String>)], header: Span) -> StateId {
        let starts: Vec<usize> = (0..states.len()).filter(|at| states[*at].0.start.is_some()).collect();
        match starts.as_slice() {
            [] => self.push_unknown(report::start_state::report("no start state", header)),
            [_] => {}
            [_, second, ..] => self
                .push(report::start_state::report("more than one start state", states[*second].0.name.span)),
        }
        StateId(starts.first().copied().unwrap_or(0) as u32)
    }
}

/// A trigger as it is written.
pub(super) fn trigger_text(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Message => "message".into(),
        Trigger::Word(word) => format!("\"{word}\""),
        Trigger::Failed => "failed".into(),
        Trigger::Uncertain => "uncertain".into(),
        Trigger::Later(what) => what.clone(),
    }
}
