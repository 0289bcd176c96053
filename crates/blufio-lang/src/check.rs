// SPDX-License-Identifier: MIT OR Apache-2.0
//! From parsed files to checked programs: names, types, and the first proofs. A folder is one program; all errors
//! of all files are reported in one run.

pub mod report;

mod agent;
mod arms;
mod assigned;
mod bounds;
mod closed;
mod expressions;
mod flow;
mod folder;
mod later_steps;
mod mailbox;
mod model_steps;
mod reach;
pub mod routes;
mod scope;
mod steps;
mod types;

use crate::ast;
use crate::diagnostic::Diagnostics;
use crate::parse::parse;
use crate::source::{SourceMap, Span};
use crate::typed;

/// What the checker must know of the world: a plain value, so that checking stays pure.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Tools that can run, with their effect class as far as proofs need it.
    pub tools: Vec<ToolInfo>,
    /// Providers that can be used (`anthropic`).
    pub providers: Vec<String>,
    /// Channels that messages come from (`telegram`, `shell`).
    pub channels: Vec<String>,
    /// Whether a time zone of this name exists.
    pub zone_exists: fn(&str) -> bool,
}

/// A tool that can run.
#[derive(Debug, Clone)]
pub struct ToolInfo {
    /// Dotted name.
    pub name: String,
    /// Whether a call must not be repeated, so that a crash makes it uncertain.
    pub once: bool,
    /// Whether a grant needs `in "folder/"`.
    pub needs_folder: bool,
}

/// One checked agent.
#[derive(Debug, Clone)]
pub struct CheckedAgent {
    /// The typed program.
    pub program: typed::Program,
    /// Place of its first line.
    pub span: Span,
    /// What the proofs found out, for people.
    pub facts: Facts,
}

/// What the proofs found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Model calls that one event can cause at the most; `None` when a loop has no bound.
    pub calls_per_event: Option<u32>,
    /// The states of the path that causes them.
    pub worst_path: Vec<String>,
}

/// A checked folder. Usable only when the diagnostics have no errors.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Agents, by name.
    pub agents: Vec<CheckedAgent>,
    /// The routes file.
    pub routes: Option<routes::Routes>,
}

/// Parses and checks every file of a folder. Never fails: what is wrong is in the diagnostics, sorted by place.
pub fn check(sources: &SourceMap, environment: &Environment) -> (Checked, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let files: Vec<ast::File> = sources
        .sources()
        .iter()
        .map(|source| {
            let (file, found) = parse(&source.path, &source.text, source.base);
            diagnostics.extend(found);
            file
        })
        .collect();
    let checked = folder::check_folder(&files, environment, &mut diagnostics);
    (checked, diagnostics.sorted())
}
