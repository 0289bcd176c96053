// SPDX-License-Identifier: MIT OR Apache-2.0
//! One agent: declarations first, then states, then the proofs over the whole graph.

mod declarations;
mod handlers;

use super::expressions::literal;
use super::folder::FolderNames;
use super::scope::Checker;
use super::{
    CheckedAgent, Construct, Environment, Facts, assigned, bounds, closed, mailbox, monitors, reach, report,
    unused,
};
use crate::ast::{self, AfterWhen, ItemKind, TriggerKind};
use crate::diagnostic::Diagnostics;
use crate::source::{SourceMap, Span};
use crate::typed::{
    self, Budget, Cap, Context, Handler, HandlerAction, History, Migration, Recall, StateId, Timer, Trigger,
    Type, VariableDef,
};
use crate::value::Currency;

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
    language: Option<String>,
    budget: Budget,
    /// Lines of `budget`, with their places.
    budget_lines: Vec<(String, Span)>,
    /// Zones of `context`, with their places.
    zones: Vec<(&'static str, Span)>,
    migrations: Vec<Migration>,
    context: Context,
    anywhere: Vec<Handler>,
    anywhere_locals: Vec<VariableDef>,
}

/// Checks an agent.
pub(super) fn check_agent(
    file: &ast::File,
    header: Header<'_>,
    names: &FolderNames<'_>,
    (sources, environment): (&SourceMap, &Environment),
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
    checker.declare_grants(&items);
    checker.declare_types(&items);
    checker.declare_asks(&items);
    checker.declare_models(&items);
    checker.declare_rest(&items, &mut declared);
    checker.declare_slots(&items, &header);
    let typed_states = checker.all_states(&file.items, &states, &mut declared);
    let rules = checker.rules(&items);
    let tests = checker.tests(&file.items);
    checker.report_later();
    let start = checker.start(&states, file.kind_span);
    let program = typed::Program {
        name: header.name.node.clone(),
        version: header.version.node,
        goal: declared.goal,
        types: checker.types,
        models: checker.models,
        language: declared.language,
        zone: checker.zone,
        parameters: header.parameters.len() as u32,
        gives: checker.gives,
        budget: declared.budget,
        tools: checker.tools,
        asks: checker.asks,
        wake: checker.wake,
        schedules: checker.schedules,
        rules,
        migrations: declared.migrations,
        tests,
        context: declared.context,
        slots: checker.slots,
        states: typed_states,
        anywhere: declared.anywhere,
        anywhere_locals: declared.anywhere_locals,
        start,
    };
    if !names.recovered {
        unused::check(&program, &file.items, diagnostics);
    }
    let facts = prove(&program, sources, diagnostics, names.recovered);
    CheckedAgent { program, span: file.kind_span, facts }
}

fn prove(
    program: &typed::Program,
    sources: &SourceMap,
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
        closed::check(program, diagnostics);
    }
    if !has_broken_arrows {
        monitors::check(program, sources, &flow, diagnostics);
    }
    bounds::check(program, &flow, diagnostics)
}

impl Checker<'_> {
    /// States and `anywhere`. What a `wake` carries may be known only behind the place that reads it, so they are
    /// checked again then.
    fn all_states(
        &mut self,
        items: &[ast::Item],
        states: &[(&ast::StateDecl, Option<&String>)],
        declared: &mut Declared,
    ) -> Vec<typed::State> {
        let own = std::mem::take(self.diagnostics);
        let mut typed = self.states(states);
        self.anywhere(items, declared);
        if self.guessed_wake {
            *self.diagnostics = Diagnostics::default();
            self.schedules.clear();
            declared.anywhere.clear();
            typed = self.states(states);
            self.anywhere(items, declared);
        }
        let found = std::mem::replace(self.diagnostics, own);
        self.diagnostics.extend(found);
        typed
    }

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
pub(super) fn trigger_text(program: &typed::Program, trigger: &Trigger) -> String {
    match trigger {
        Trigger::Message => "message".into(),
        Trigger::Word(word) => format!("\"{word}\""),
        Trigger::Failed => "failed".into(),
        Trigger::Uncertain => "uncertain".into(),
        Trigger::OverBudget => "over_budget".into(),
        Trigger::Wake => "wake".into(),
        Trigger::Declared(id) => {
            program.types.get(id.0 as usize).map_or_else(String::new, |ty| ty.name.clone())
        }
        Trigger::Channel(word) => word.clone(),
        Trigger::Every(_) => "every".into(),
    }
}
