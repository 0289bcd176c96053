// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lies above a single agent: names of the folder, shared declarations, routes.

use std::collections::BTreeMap;

use super::report;
use super::{Checked, Environment, agent, bounds, capabilities, costs, labels, routes};
use crate::ast;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::source::{SourceMap, Span};

/// Most states of one agent.
const STATES_MAX: usize = 20_000;

/// Names that every file of the folder sees.
#[derive(Debug, Default)]
pub(super) struct FolderNames<'a> {
    /// Agents: place of the name, file.
    pub agents: BTreeMap<&'a str, (Span, &'a ast::File)>,
    /// Names of people and groups.
    pub people: BTreeMap<&'a str, Span>,
    /// Groups of people with their size.
    pub groups: BTreeMap<&'a str, usize>,
    /// Declarations of all `shared` files.
    pub shared: Vec<&'a ast::Item>,
    /// Whether any file lost declarations to recovery.
    pub recovered: bool,
}

impl FolderNames<'_> {
    /// How many people a group of `people` has; `None` for what is no group.
    pub fn group_size(&self, name: &str) -> Option<usize> {
        self.groups.get(name).copied()
    }
}

/// Checks all files.
pub(super) fn check_folder(
    files: &[ast::File],
    sources: &SourceMap,
    environment: &Environment,
    diagnostics: &mut Diagnostics,
) -> Checked {
    let names = collect(files, diagnostics);
    let mut checked = Checked::default();
    for file in files {
        if let Some(extra) = first_state_too_many(file) {
            let label = format!("{STATES_MAX} states are the limit");
            let code = report::TOO_LARGE.code;
            let found = Diagnostic::error(code, extra, "the program is too large", label);
            diagnostics.push(found.hint("split it into several agents"));
            continue;
        }
        if let ast::FileKind::Agent { name, version, parameters, gives } = &file.kind {
            let header = agent::Header { name, version, parameters, gives: gives.as_ref() };
            checked.agents.push(agent::check_agent(
                file,
                header,
                &names,
                (sources, environment),
                diagnostics,
            ));
        }
    }
    checked.agents.sort_by(|a, b| a.program.name.cmp(&b.program.name));
    // A file of which nothing could be read is no routes file, whatever stands in for its kind.
    let is_routes =
        |file: &&ast::File| matches!(file.kind, ast::FileKind::Routes) && !file.kind_span.is_empty();
    let routes_files: Vec<&ast::File> = files.iter().filter(is_routes).collect();
    if let [first, second, ..] = routes_files.as_slice() {
        diagnostics.push(report::duplicate::report("file", "routes", second.kind_span, first.kind_span));
    }
    checked.routes =
        routes_files.first().map(|file| routes::check_routes(file, &names, environment, diagnostics));
    if checked.routes.is_none() && !names.recovered {
        let talkable: Vec<_> =
            checked.agents.iter().filter(|a| !is_askable(&names, &a.program.name)).collect();
        if let [first, second, ..] = talkable.as_slice()
            && first.program.name != second.program.name
        {
            diagnostics.push(report::no_routes::report(second.span, &first.program.name));
        }
    }
    // What is missing in a program would be missing in its proofs: they wait until names and types are settled.
    let is_settled = |code: &str| ("E0300".."E0900").contains(&code);
    if !names.recovered && diagnostics.iter().all(|d| d.severity == Severity::Warning || is_settled(d.code)) {
        bounds::callees::check(&mut checked.agents, diagnostics);
        capabilities::check(&checked.agents, diagnostics);
        labels::check(&mut checked, diagnostics);
        costs::check(&mut checked.agents, environment, diagnostics);
        routes::check_awaited(&checked, diagnostics);
    }
    checked
}

/// The state beyond the limit: what is larger is refused before the proofs, which would take long for nothing.
fn first_state_too_many(file: &ast::File) -> Option<Span> {
    let states = file.items.iter().filter(|item| matches!(item.kind, ast::ItemKind::State(_)));
    states.map(|item| item.span).nth(STATES_MAX)
}

fn is_askable(names: &FolderNames<'_>, agent: &str) -> bool {
    names.agents.get(agent).is_some_and(|(_, file)| match &file.kind {
        ast::FileKind::Agent { parameters, gives, .. } => !parameters.is_empty() || gives.is_some(),
        _ => false,
    })
}

fn collect<'a>(files: &'a [ast::File], diagnostics: &mut Diagnostics) -> FolderNames<'a> {
    let mut names = FolderNames::default();
    let mut shared_names: BTreeMap<&str, Span> = BTreeMap::new();
    for file in files {
        names.recovered |= file.recovered;
        match &file.kind {
            ast::FileKind::Agent { name, .. } => {
                if let Some((first, _)) = names.agents.get(name.node.as_str()) {
                    diagnostics.push(report::same_agent::report(&name.node, name.span, *first));
                } else {
                    names.agents.insert(&name.node, (name.span, file));
                }
            }
            ast::FileKind::Shared { name } => {
                if let Some(first) = shared_names.insert(&name.node, name.span) {
                    diagnostics.push(report::same_agent::report(&name.node, name.span, first));
                }
                names.shared.extend(&file.items);
            }
            ast::FileKind::Routes => {
                for item in &file.items {
                    if let ast::ItemKind::People(people) = &item.kind {
                        for person in people {
                            names.people.insert(&person.name.node, person.name.span);
                            if let Some(ast::PersonIdentity::People(members)) = &person.identity {
                                names.groups.insert(&person.name.node, members.len());
                            }
                        }
                    }
                }
            }
        }
    }
    names
}
