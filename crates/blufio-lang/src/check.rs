// SPDX-License-Identifier: MIT OR Apache-2.0
//! From parsed files to checked programs: names, types, and the first proofs. A folder is one program; all errors
//! of all files are reported in one run.

pub mod report;

mod agent;
mod approvals;
mod arms;
mod assigned;
mod bounds;
mod capabilities;
mod closed;
pub mod costs;
mod declared_tests;
mod expressions;
mod flow;
mod folder;
pub(crate) mod labels;
mod mailbox;
mod model_steps;
pub(crate) mod monitors;
mod reach;
mod requests;
pub mod routes;
mod rules;
mod scope;
mod steps;
mod timers;
mod tools;
mod types;
mod unused;

pub use types::BUILT_IN as BUILT_IN_TYPES;

use std::fmt;
use std::sync::Arc;

use crate::ast;
use crate::diagnostic::Diagnostics;
use crate::parse::parse;
use crate::source::{SourceMap, Span};
use crate::typed::{self, Danger, EffectClass, Label};

/// What the checker must know of the world: a plain value, so that checking stays pure.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Tools that can run, with their effect class as far as proofs need it.
    pub tools: Vec<ToolInfo>,
    /// Providers that can be used (`anthropic`), and what they cannot do.
    pub providers: Vec<Provider>,
    /// Channels that messages come from (`telegram`, `shell`).
    pub channels: Vec<String>,
    /// Whether a time zone of this name exists.
    pub zone_exists: fn(&str) -> bool,
    /// Whether what runs the program can perform a construct; it is refused otherwise, never accepted and ignored.
    pub performs: fn(Construct) -> bool,
    /// What models cost and hold.
    pub prices: Prices,
}

impl Environment {
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }
}

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The part before the slash of a model's name.
    pub name: String,
    /// What no model of it can do; a step that needs it is refused.
    pub lacks: Vec<Feature>,
}

impl From<&str> for Provider {
    /// One that can do everything.
    fn from(name: &str) -> Self {
        Self { name: name.to_string(), lacks: Vec::new() }
    }
}

/// What a step needs of its model besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Calling tools: `turn` of an agent with tools.
    Tools,
    /// Answers that fit a schema: `pick`, `fill`.
    StructuredOutput,
}

/// What models cost and hold, by `provider/model` and the longest prompt that is sent; `None` where that is not known.
#[derive(Clone)]
pub struct Prices(Arc<PriceList>);

type PriceList = dyn Fn(&str, u64) -> Option<ModelPrice> + Send + Sync;

impl Prices {
    /// Prices from a list.
    pub fn new(of: impl Fn(&str, u64) -> Option<ModelPrice> + Send + Sync + 'static) -> Self {
        Self(Arc::new(of))
    }

    /// One small price for every model, for checks without a price list.
    pub fn any() -> Self {
        Self::new(|_, _| {
            Some(ModelPrice {
                input_micro_usd_per_million: 100_000,
                kept_input_micro_usd_per_million: 200_000,
                output_micro_usd_per_million: 500_000,
                window_tokens: 200_000,
                output_tokens_max: 8_000,
            })
        })
    }

    /// What a model costs at the most with prompts up to so many tokens.
    pub fn of(&self, model: &str, prompt_tokens_max: u64) -> Option<ModelPrice> {
        (self.0)(model, prompt_tokens_max)
    }
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prices")
    }
}

/// What a model costs and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelPrice {
    /// Millionths of a US dollar per million tokens of the prompt.
    pub input_micro_usd_per_million: u64,
    /// The same for what the provider is to keep in its cache for an hour.
    pub kept_input_micro_usd_per_million: u64,
    /// Millionths of a US dollar per million tokens of the answer.
    pub output_micro_usd_per_million: u64,
    /// Prompt and answer together, tokens.
    pub window_tokens: u32,
    /// Longest answer that is asked for, tokens.
    pub output_tokens_max: u32,
}

/// Constructs that need more of their host than messages, models, replies and deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Construct {
    /// `call`.
    Call,
    /// `ask` of an agent, `can ask`, parameters and `gives`.
    AskAgent,
    /// `ask` of a person.
    AskPerson,
    /// `approve`, `run … approved by`.
    Approve,
    /// `fill` and `so far`.
    Fill,
    /// `each`.
    Each,
    /// `together`.
    Together,
    /// `show`.
    Show,
    /// `send` to others than the owner.
    Send,
    /// `remember`, `recall`, `forget` of memory, `with memory`.
    Memory,
    /// `forget history`.
    ForgetHistory,
    /// `wake`, `wakes`, `on wake`.
    Wake,
    /// `every`.
    Every,
    /// `after` a time of day and `now between` times of day.
    TimeOfDay,
    /// Events of declared types, webhooks.
    Declared,
    /// `edited`, `reaction`, `joined`, `left`.
    Channel,
    /// `on over_budget` and budgets in calls of heartbeats, days and months.
    Budget,
    /// Budgets in money and time.
    Money,
    /// Rates of tools.
    Rate,
    /// `rules` as monitors.
    Rules,
    /// `migrate`.
    Migrate,
    /// `by complexity`.
    Routing,
    /// `skills`, the conditional zone, `cache`, `then summarize`.
    Context,
    /// `language` and `zone` of an agent.
    Locale,
    /// Groups in `routes`.
    Routes,
    /// Webhooks, and session keys of their fields.
    Webhooks,
    /// People that a tool names.
    People,
}

impl Construct {
    /// Every construct.
    pub const ALL: [Self; 27] = [
        Self::Call,
        Self::AskAgent,
        Self::AskPerson,
        Self::Approve,
        Self::Fill,
        Self::Each,
        Self::Together,
        Self::Show,
        Self::Send,
        Self::Memory,
        Self::ForgetHistory,
        Self::Wake,
        Self::Every,
        Self::TimeOfDay,
        Self::Declared,
        Self::Channel,
        Self::Budget,
        Self::Money,
        Self::Rate,
        Self::Rules,
        Self::Migrate,
        Self::Routing,
        Self::Context,
        Self::Locale,
        Self::Routes,
        Self::Webhooks,
        Self::People,
    ];

    /// The construct in the words of programs.
    pub fn words(self) -> &'static str {
        match self {
            Self::Call => "`call`",
            Self::AskAgent => "`ask` of an agent, `can ask`, parameters, `gives`",
            Self::AskPerson => "`ask` of a person",
            Self::Approve => "`approve`, `approved by`",
            Self::Fill => "`fill`, `so far`",
            Self::Each => "`each`",
            Self::Together => "`together`",
            Self::Show => "`show`",
            Self::Send => "`send` to others than the owner",
            Self::Memory => "`remember`, `recall`, `forget`, `with memory`",
            Self::ForgetHistory => "`forget history`",
            Self::Wake => "`wake`, `wakes`, `on wake`",
            Self::Every => "`every`",
            Self::TimeOfDay => "`after` and `between` times of day",
            Self::Declared => "events of declared types",
            Self::Channel => "`on edited`, `reaction`, `joined`, `left`",
            Self::Budget => "`on over_budget`, budgets of heartbeats, days and months",
            Self::Money => "budgets in money and time",
            Self::Rate => "rates of tools",
            Self::Rules => "`rules`",
            Self::Migrate => "`migrate`",
            Self::Routing => "`by complexity`",
            Self::Context => "`skills`, `conditional`, `cache`, `then summarize`",
            Self::Locale => "`language` and `zone` of an agent",
            Self::Routes => "groups in `routes`",
            Self::Webhooks => "webhooks, session keys of their fields",
            Self::People => "people that a tool names",
        }
    }
}

/// A tool that can run, as its manifest describes it. Types are written as programs write them.
#[derive(Debug, Clone)]
pub struct ToolInfo {
    /// Dotted name.
    pub name: String,
    /// Declarations that the types below use, each `type NAME = …` on lines of its own.
    pub types: String,
    /// Parameters: name and type; an optional one may be left out.
    pub parameters: Vec<(String, String)>,
    /// Type of the result.
    pub gives: String,
    /// What repeating a call does.
    pub effect: EffectClass,
    /// How much harm a call can do.
    pub danger: Danger,
    /// Label of the result.
    pub label: Option<Label>,
    /// Parameters that select what the call acts on.
    pub selects: Vec<String>,
    /// Which scope a grant must have.
    pub scope: ToolScope,
}

/// States that steps can lead to, by index.
pub(crate) fn step_targets(steps: &[typed::Step]) -> Vec<u32> {
    flow::targets(steps).into_iter().map(|state| state.0).collect()
}

/// Blocks directly inside a step.
pub(crate) fn step_blocks(step: &typed::Step) -> Vec<&[typed::Step]> {
    flow::blocks(step)
}

/// Most model calls on one way through steps.
pub(crate) fn model_calls(program: &typed::Program, steps: &[typed::Step]) -> u32 {
    bounds::calls_of(program, steps)
}

/// What is wrong with the types of a manifest; for those who load it.
pub(crate) fn manifest_errors(info: &ToolInfo) -> Vec<String> {
    tools::manifest_errors(info)
}

/// Which scope a grant of a tool must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolScope {
    /// None.
    Free,
    /// `in "folder/"`.
    Folder,
    /// `to ["host"]`.
    Hosts,
    /// `only ["command"]`.
    Commands,
}

impl ToolInfo {
    /// A harmless tool that reads and has no parameters.
    pub fn new(name: &str, gives: &str) -> Self {
        Self {
            name: name.into(),
            types: String::new(),
            parameters: Vec::new(),
            gives: gives.into(),
            effect: EffectClass::Read,
            danger: Danger::Safe,
            label: None,
            selects: Vec::new(),
            scope: ToolScope::Free,
        }
    }

    /// With one more parameter.
    pub fn with(mut self, parameter: &str, ty: &str) -> Self {
        self.parameters.push((parameter.into(), ty.into()));
        self
    }
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
    /// What one message costs, millionths of a US dollar; `None` without a bound or a price.
    pub money_per_event_micro_usd: Option<costs::Bound>,
    /// How long one message can take, milliseconds; `None` without a bound.
    pub time_per_event_ms: Option<costs::Bound>,
    /// As of a message, of the dearest heartbeat; `None` without schedules.
    pub money_per_heartbeat_micro_usd: Option<costs::Bound>,
    /// What all heartbeats of a month cost at the most, millionths of a US dollar; `None` without schedules, a bound and a
    /// budget.
    pub money_heartbeats_month_micro_usd: Option<u64>,
    /// As of a message, of the slowest heartbeat; `None` without schedules.
    pub time_per_heartbeat_ms: Option<costs::Bound>,
    /// From where each slot may hold something: its name and the words of its labels.
    pub labels: Vec<(String, Vec<&'static str>)>,
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
    let checked = folder::check_folder(&files, sources, environment, &mut diagnostics);
    (checked, diagnostics.sorted())
}
