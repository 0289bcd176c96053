// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder from its files to what the runtime takes: checked, compiled, with its static files and its routes. Used by
//! every command that looks at programs, so that all of them see the same.

use std::path::Path;

use blufio_agent::routes::{From, Group, KeyPer, Person, Routes, Rule, Target};
use blufio_agent::{AgentProgram, Limits, SKILLS};
use blufio_core::files::FileProblem;
use blufio_core::model::Usage;
use blufio_core::tokens;
use blufio_lang::check::routes::{From as CheckedFrom, Per, Routes as CheckedRoutes, To};
use blufio_lang::check::{
    Checked, CheckedAgent, Construct, Environment, ModelPrice, ToolInfo, ToolScope, check, report,
};
use blufio_lang::compile::compile;
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::manifest::Manifest;
use blufio_lang::program::Program;
use blufio_lang::source::{SourceMap, Span};
use blufio_lang::typed::Label;
use blufio_models::prices::usd_micros;

use crate::skills;
use crate::sources::{self, SourceError, Sources};

/// Providers that programs can name.
pub const PROVIDERS: &[&str] = &["anthropic"];
/// What every known model holds at the least, prompt and answer together.
const WINDOW_TOKENS: u32 = 200_000;
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

/// What the checker must know of this build and of the manifests beside a program.
pub fn environment(manifests: &[Manifest]) -> Environment {
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
        providers: PROVIDERS.iter().map(|name| name.to_string()).collect(),
        channels: CHANNELS.iter().map(|name| name.to_string()).collect(),
        zone_exists: blufio_skills::zone_exists,
        performs,
        prices,
    }
}

/// Price and size of a model. A bound takes the dearest way: a prompt that is written to the cache.
fn prices(model: &str) -> Option<ModelPrice> {
    const MILLION: u64 = 1_000_000;
    // Asked for in parts that are priced as ordinary prompts.
    let part = MILLION / 10;
    let input = Usage { cache_write_tokens: part, ..Usage::default() };
    let output = Usage { output_tokens: part, ..Usage::default() };
    let price = |usage: &Usage| u64::try_from(usd_micros(model, usage)?).ok()?.checked_mul(MILLION / part);
    Some(ModelPrice {
        input_micro_usd_per_million: price(&input)?,
        output_micro_usd_per_million: price(&output)?,
        window_tokens: WINDOW_TOKENS,
        output_tokens_max: Limits::default().turn_tokens_max,
    })
}

/// What the runtime of this build performs; the checker refuses the rest.
fn performs(construct: Construct) -> bool {
    match construct {
        Construct::Call
        | Construct::AskAgent
        | Construct::AskPerson
        | Construct::Approve
        | Construct::Fill
        | Construct::Each
        | Construct::Together
        | Construct::Show
        | Construct::Send
        | Construct::Memory
        | Construct::ForgetHistory
        | Construct::Wake
        | Construct::Every
        | Construct::TimeOfDay
        | Construct::Declared
        | Construct::Budget
        | Construct::Money
        | Construct::Rate
        | Construct::Rules
        | Construct::Migrate
        | Construct::Locale
        | Construct::Channel
        | Construct::Routing
        | Construct::Context
        | Construct::Routes => true,
        Construct::Webhooks => false,
    }
}

/// Reads, checks and compiles a folder (or one file).
pub fn load(path: &Path) -> Result<ProgramSet, SourceError> {
    let sources = sources::load(path)?;
    let (checked, mut diagnostics) = check(&sources.map, &environment(&sources.manifests));
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

    /// Whether any route or the lack of routes needs a channel.
    pub fn uses_channel(&self, channel: &str) -> bool {
        self.checked
            .routes
            .as_ref()
            .is_none_or(|routes| routes.rules.iter().any(|rule| rule.channel.as_deref() == Some(channel)))
    }

    /// Whether any agent names a model of a provider.
    pub fn uses_provider(&self, provider: &str) -> bool {
        let of = |model: &String| model.split('/').next() == Some(provider);
        self.programs.iter().flat_map(|agent| &agent.program.models).any(|model| model.chain.iter().any(of))
    }
}

fn convert(routes: &CheckedRoutes) -> Routes {
    let person = |name: &String| {
        let known = routes.people.iter().find(|person| person.name == *name);
        Person {
            name: name.clone(),
            identities: known.map(|person| person.identities.clone()).unwrap_or_default(),
        }
    };
    let rule = |rule: &blufio_lang::check::routes::Rule| Rule {
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
                    // Webhooks are refused until something receives them.
                    Per::Value(_) => KeyPer::One,
                };
                Target::Agent { agent: agent.clone(), key }
            }
        },
    };
    let is_group = |person: &&blufio_lang::check::routes::Person| !person.members.is_empty();
    let group = |person: &blufio_lang::check::routes::Person| Group {
        name: person.name.clone(),
        members: person.members.clone(),
    };
    let room = |person: &blufio_lang::check::routes::Person| {
        let (channel, title) = person.group.clone()?;
        Some(blufio_agent::routes::Room { name: person.name.clone(), channel, title })
    };
    Routes {
        rules: routes.rules.iter().map(rule).collect(),
        people: routes.people.iter().filter(|p| !is_group(p)).map(|p| person(&p.name)).collect(),
        groups: routes.people.iter().filter(is_group).map(group).collect(),
        rooms: routes.people.iter().filter_map(room).collect(),
    }
}
