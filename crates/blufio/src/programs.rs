// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder from its files to what the runtime takes: checked, compiled, with its static files and its routes. Used by
//! every command that looks at programs, so that all of them see the same.

use std::collections::BTreeSet;
use std::path::Path;

use blufio_agent::routes::{From, Group, KeyPer, Person, Routes, Rule, Target, Webhook};
use blufio_agent::{AgentProgram, SKILLS};
use blufio_core::files::FileProblem;
use blufio_core::tokens;
use blufio_lang::check::routes::{
    From as CheckedFrom, Per, Person as CheckedPerson, Routes as CheckedRoutes, Rule as CheckedRule, To,
};
use blufio_lang::check::{Checked, CheckedAgent, Environment, ToolInfo, ToolScope, check, report};
use blufio_lang::compile::compile;
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::manifest::Manifest;
use blufio_lang::program::Program;
use blufio_lang::source::{SourceMap, Span};
use blufio_lang::typed::Label;

use crate::models::Models;
use crate::skills;
use crate::sources::{self, SourceError, Sources};

/// Channel on which the owner is paired.
const PAIRING_CHANNEL: &str = "telegram";
/// Channels that routes can name.
pub const CHANNELS: &[&str] = &["telegram", "shell"];

/// A folder after checking.
pub struct ProgramSet {
    /// Its files.
    pub sources: Sources,
    /// Its agents and routes. Usable only when the diagnostics have no errors.
    pub checked: Checked,
    /// What is wrong.
    pub diagnostics: Diagnostics,
    /// Compiled agents; empty when there are errors.
    pub programs: Vec<AgentProgram>,
}

/// What the checker must know of this build, of the models of this machine, and of the manifests beside a program.
pub fn environment(manifests: &[Manifest], models: &Models) -> Environment {
    let read = |name: &str| ToolInfo::new(name, "text");
    let builtin = [
        read("time.now").with("zone", "text?"),
        ToolInfo {
            scope: ToolScope::Folder,
            label: Some(Label::File),
            ..read("files.read").with("path", "text")
        },
    ];
    Environment {
        tools: builtin.into_iter().chain(manifests.iter().map(|manifest| manifest.info.clone())).collect(),
        providers: models.for_checker(),
        channels: CHANNELS.iter().map(|name| name.to_string()).collect(),
        zone_exists: blufio_skills::zone_exists,
        // The runtime of this build performs every construct.
        performs: |_| true,
        prices: models.prices_for_checker(),
    }
}

/// Reads, checks and compiles a folder (or one file).
pub fn load(path: &Path, models: &Models) -> Result<ProgramSet, SourceError> {
    let sources = sources::load(path)?;
    let (checked, mut diagnostics) = check(&sources.map, &environment(&sources.manifests, models));
    let mut programs = Vec::new();
    for agent in &checked.agents {
        let (mut files, found) = static_files(agent, &sources);
        diagnostics.extend(found);
        if agent.program.context.skills {
            let (index, found) = skills::index(&sources.folder, agent.span);
            diagnostics.extend(found);
            files.push((SKILLS.to_string(), index));
        }
        if diagnostics.has_errors() {
            continue;
        }
        let (program, found) = compile(&agent.program);
        diagnostics.extend(found);
        diagnostics.extend(cut_files(agent, &program, &files, &sources.map));
        let source =
            sources.map.source_of(agent.span).map(|source| source.text.to_string()).unwrap_or_default();
        programs.push(AgentProgram { program, source, static_files: files, folder: sources.folder.clone() });
    }
    if diagnostics.has_errors() {
        programs.clear();
    }
    Ok(ProgramSet { checked, diagnostics: diagnostics.sorted(), programs, sources })
}

/// The static files of an agent; one that cannot be read is an error at the place that names it.
fn static_files(agent: &CheckedAgent, sources: &Sources) -> (Vec<(String, String)>, Diagnostics) {
    let mut files = Vec::new();
    let mut diagnostics = Diagnostics::default();
    for name in &agent.program.context.static_files {
        match blufio_skills::read_static(&sources.folder, name) {
            Ok(text) => files.push((name.clone(), text)),
            Err(problem) => {
                let span = place_of(&sources.map, agent.span, name);
                let hint = match problem {
                    FileProblem::Missing | FileProblem::Empty => {
                        format!("write the file {}", sources.folder.join(name).display())
                    }
                    FileProblem::NotText(_) => "save it as UTF-8".to_string(),
                    FileProblem::TooLarge => {
                        "what belongs into every prompt is short; the rest is for `files.read`".to_string()
                    }
                    _ => "it must be a plain file that this user can read".to_string(),
                };
                diagnostics.push(report::bad_path::file(name, span, &problem.to_string(), hint));
            }
        }
    }
    (files, diagnostics)
}

/// A warning for every file of which the static zone holds a part only.
fn cut_files(
    agent: &CheckedAgent,
    program: &Program,
    files: &[(String, String)],
    map: &SourceMap,
) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let zone = blufio_agent::static_tokens_max(program);
    let mut left = zone;
    for (name, text) in files {
        let tokens = usize::try_from(tokens::estimate_text(text.trim())).unwrap_or(usize::MAX);
        if tokens > left {
            let span = place_of(map, agent.span, name);
            diagnostics.push(report::bad_path::cut(name, span, tokens, left, zone));
        }
        left = left.saturating_sub(tokens);
    }
    diagnostics
}

/// Where an agent's file writes a quoted text.
fn place_of(map: &SourceMap, agent: Span, text: &str) -> Span {
    let Some(source) = map.source_of(agent) else { return agent };
    let quoted = format!("\"{text}\"");
    let found =
        source.text.find(&quoted).and_then(|at| u32::try_from(at).ok()).zip(u32::try_from(quoted.len()).ok());
    found.map_or(agent, |(at, length)| Span::new(source.base + at, source.base + at + length))
}

impl ProgramSet {
    /// The routing table. Without a routes file the only agent gets the owner's messages (with several the checker
    /// has asked for one).
    pub fn routes(&self) -> Routes {
        match (&self.checked.routes, self.checked.agents.first()) {
            (Some(routes), _) => convert(routes),
            (None, Some(agent)) => Routes::owner_only(&agent.program.name),
            (None, None) => Routes::default(),
        }
    }

    /// Whether any route, anybody whom programs write to, or the lack of routes needs a channel.
    pub fn uses_channel(&self, channel: &str) -> bool {
        let Some(routes) = &self.checked.routes else { return true };
        let is_reached = |person: &CheckedPerson| {
            let is_here = person.identities.iter().any(|(known, _)| known == channel)
                || person.group.as_ref().is_some_and(|(known, _)| known == channel);
            // Who the owner is comes from pairing.
            is_here || (person.name == "owner" && channel == PAIRING_CHANNEL)
        };
        routes.rules.iter().any(|rule| rule.channel.as_deref() == Some(channel))
            || routes.people.iter().any(is_reached)
    }

    /// What is posted: paths, and the keys that sign.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.checked.routes.as_ref().map(webhooks).unwrap_or_default()
    }

    /// Providers whose models the agents name.
    pub fn providers(&self) -> BTreeSet<String> {
        let models = self.programs.iter().flat_map(|agent| &agent.program.models);
        let names = models.flat_map(|model| &model.chain).filter_map(|name| name.split_once('/'));
        names.map(|(provider, _)| provider.to_string()).collect()
    }
}

/// The routes of what is posted. Two of one path are an error, so their order does not matter.
fn webhooks(routes: &CheckedRoutes) -> Vec<Webhook> {
    let webhook = |rule: &CheckedRule| {
        let (Some(webhook), To::Agent { agent, per }) = (&rule.webhook, &rule.to) else { return None };
        Some(Webhook {
            path: webhook.path.clone(),
            key_name: webhook.signed_by.clone(),
            event: webhook.event.clone(),
            agent: agent.clone(),
            per: match per {
                Per::Value(path) => path.last().cloned(),
                Per::Person | Per::Chat => None,
            },
        })
    };
    routes.rules.iter().filter_map(webhook).collect()
}

fn convert(routes: &CheckedRoutes) -> Routes {
    let person = |name: &String| {
        let known = routes.people.iter().find(|person| person.name == *name);
        Person {
            name: name.clone(),
            identities: known.map(|person| person.identities.clone()).unwrap_or_default(),
            tool: known.and_then(|person| person.tool.clone()),
        }
    };
    let rule = |rule: &CheckedRule| Rule {
        channel: rule.channel.clone(),
        from: match &rule.from {
            CheckedFrom::Anyone => From::Anyone,
            CheckedFrom::Owner => From::Owner,
            CheckedFrom::People(names) => From::People(names.iter().map(person).collect()),
        },
        group: rule.group.clone(),
        to: match &rule.to {
            To::Drop(text) => Target::Drop(text.clone()),
            To::Agent { agent, per } => {
                let key = match per {
                    Per::Person => KeyPer::Person,
                    Per::Chat => KeyPer::Chat,
                    // Only what is posted has values.
                    Per::Value(_) => KeyPer::One,
                };
                Target::Agent { agent: agent.clone(), key }
            }
        },
    };
    let is_group = |person: &&CheckedPerson| !person.members.is_empty();
    let group = |person: &CheckedPerson| Group { name: person.name.clone(), members: person.members.clone() };
    let room = |person: &CheckedPerson| {
        let (channel, title) = person.group.clone()?;
        Some(blufio_agent::routes::Room { name: person.name.clone(), channel, title })
    };
    Routes {
        rules: routes.rules.iter().filter(|rule| rule.webhook.is_none()).map(rule).collect(),
        people: routes.people.iter().filter(|p| !is_group(p)).map(|p| person(&p.name)).collect(),
        groups: routes.people.iter().filter(is_group).map(group).collect(),
        rooms: routes.people.iter().filter_map(room).collect(),
        webhooks: webhooks(routes),
    }
}
