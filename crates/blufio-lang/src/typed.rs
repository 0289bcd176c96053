// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program whose names and types are settled. Built by `check`, read by the compiler, the graph and the proofs.
//! Constructs that parse and type-check but do not run yet appear as [`StepKind::Later`], with their arms, so that
//! the proofs still see every path; a program that contains one is refused before it is compiled.

mod declarations;
mod expressions;
mod rest;
mod steps;

pub use declarations::*;
pub use expressions::*;
pub use rest::*;
pub use steps::*;

use crate::source::Span;
use crate::value::Currency;

/// Index into [`Program::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);
/// Index into [`Program::states`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub u32);
/// Index into [`Program::models`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelId(pub u32);

/// A variable: a declared slot, or a local of a state or of `anywhere`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variable {
    /// Index into [`Program::slots`]; kept until the session ends.
    Slot(u32),
    /// Index into the `locals` of the state (or of `anywhere`) that contains the code; kept until the state is left.
    Local(u32),
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Stands where an error was reported; fits everything.
    Unknown,
    /// `text`, at most this many characters.
    Text(Option<u32>),
    /// `int`, within inclusive bounds.
    Int(i64, i64),
    /// `number`.
    Number,
    /// `yesno`.
    YesNo,
    /// `money`, of one currency or of any.
    Money(Option<Currency>),
    /// `duration`.
    Duration,
    /// `moment`.
    Moment,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `json`.
    Json,
    /// `file`.
    File,
    /// `message`.
    Message,
    /// `person`.
    Person,
    /// `list max N of T`.
    List(Box<Type>, u32),
    /// `map max N of T`.
    Map(Box<Type>, u32),
    /// `T?`.
    Optional(Box<Type>),
    /// `T so far`, of a record.
    SoFar(TypeId),
    /// A declared union or record.
    Named(TypeId),
    /// The result of a tool whose manifest is not known, by its name; with a manifest it is a named type.
    ToolResult(String),
    /// `failed why`.
    Failure,
    /// `why.kind`: the closed union of failure kinds.
    FailureKind,
    /// `calls(c)`.
    ToolCalls,
}

/// Default bound of lists and maps without `max`.
pub const COLLECTION_DEFAULT_MAX: u32 = 1_000;

/// A declared type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDef {
    /// Name.
    pub name: String,
    /// `///` above it.
    pub doc: Option<String>,
    /// Shape.
    pub shape: TypeShape,
}

/// Shape of a declared type. Aliases are resolved away, except that `type Label = text max 9` keeps its target here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeShape {
    /// Cases in order.
    Union(Vec<VariantDef>),
    /// Fields in order.
    Record(Vec<FieldDef>),
    /// Another type.
    Alias(Type),
}

/// A union's case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantDef {
    /// Label.
    pub name: String,
    /// `///` above it.
    pub doc: Option<String>,
    /// Payload.
    pub fields: Vec<FieldDef>,
}

/// A field of a record or of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDef {
    /// Name.
    pub name: String,
    /// `///` above it.
    pub doc: Option<String>,
    /// Type.
    pub ty: Type,
}

/// One agent.
#[derive(Debug, Clone)]
pub struct Program {
    /// Name.
    pub name: String,
    /// Version.
    pub version: u32,
    /// `goal` as plain text.
    pub goal: String,
    /// Declared types.
    pub types: Vec<TypeDef>,
    /// Models.
    pub models: Vec<Model>,
    /// `language "de"`: in which values print.
    pub language: Option<String>,
    /// `zone "Europe/Berlin"`: of local times without a zone of their own.
    pub zone: Option<String>,
    /// How many of the first slots are parameters; more than none, or [`Program::gives`], makes an agent that others ask.
    pub parameters: u32,
    /// What `done` gives.
    pub gives: Option<Type>,
    /// Caps on calls, money and time.
    pub budget: Budget,
    /// Agents that may be asked.
    pub asks: Vec<AgentGrant>,
    /// Type of what `wake … with x` carries; absent when no `wake` carries anything.
    pub wake: Option<Type>,
    /// `every …`, with the handlers that they are the triggers of.
    pub schedules: Vec<Schedule>,
    /// `rules`.
    pub rules: Vec<Rule>,
    /// `migrate from`.
    pub migrations: Vec<Migration>,
    /// `test` blocks.
    pub tests: Vec<Test>,
    /// Granted tools.
    pub tools: Vec<ToolGrant>,
    /// What a prompt holds besides what a step names.
    pub context: Context,
    /// Slots of `keep`.
    pub slots: Vec<VariableDef>,
    /// States; [`Program::start`] is one of them.
    pub states: Vec<State>,
    /// Handlers that hold in every state that does not handle the same trigger itself.
    pub anywhere: Vec<Handler>,
    /// Locals used by the `anywhere` handlers.
    pub anywhere_locals: Vec<VariableDef>,
    /// Where a session begins.
    pub start: StateId,
}

/// A slot or a local.
#[derive(Debug, Clone)]
pub struct VariableDef {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Initial value of a slot; locals and optionals have none.
    pub initial: Option<Expr>,
    /// Where it is declared.
    pub span: Span,
}

/// A model name of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Name after `using`.
    pub name: String,
    /// `provider/model`, in the order of fallback. Empty when the complexity decides.
    pub chain: Vec<String>,
    /// `by complexity (…)`: the model of each level.
    pub routing: Option<Routing>,
}

/// `by complexity (simple: a, …) when budget under N% use m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// Level and index of the model.
    pub levels: Vec<(String, u32)>,
    /// Percentage of the budget below which this model is used.
    pub step_down: Option<(u32, u32)>,
}

/// Context policy that runs now: static files and dynamic history.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Files of the static zone, relative to the program's folder.
    pub static_files: Vec<String>,
    /// Cap of the static zone.
    pub static_tokens_max: Option<u32>,
    /// Whether the static zone lists the skills.
    pub skills: bool,
    /// How long the provider may keep the static zone, milliseconds.
    pub static_cache_ms: Option<i64>,
    /// What is recalled for each prompt.
    pub recall: Option<Recall>,
    /// History policy; absent means that the program keeps no history for prompts.
    pub history: Option<History>,
}

/// `conditional recall person top 6 above 0.35 max 1500 tokens`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recall {
    /// Whose memory.
    pub scope: MemoryScope,
    /// Most texts.
    pub top: u32,
    /// Least similarity, thousandths.
    pub above_thousandths: u32,
    /// Token cap.
    pub tokens_max: Option<u32>,
}

/// `dynamic history last N messages max T tokens then summarize using M`.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Newest messages kept.
    pub messages_max: Option<u32>,
    /// Token cap.
    pub tokens_max: Option<u32>,
    /// Model that summarises what falls out, as an index.
    pub summarize: Option<u32>,
}

/// A state.
#[derive(Debug, Clone)]
pub struct State {
    /// Name.
    pub name: String,
    /// Place of its name.
    pub span: Span,
    /// `///` above it.
    pub doc: Option<String>,
    /// Visit cap.
    pub cap: Option<Cap>,
    /// Locals of its body and handlers; each declaration has its own index.
    pub locals: Vec<VariableDef>,
    /// Steps on entry.
    pub body: Vec<Step>,
    /// Its handlers.
    pub handlers: Vec<Handler>,
    /// Its deadlines.
    pub timers: Vec<Timer>,
    /// What sessions carry that wait in it, once the folder is known; absent where none waits.
    pub rest: Option<Rest>,
}

/// `max N per event|session else S`.
#[derive(Debug, Clone, Copy)]
pub struct Cap {
    /// Visits allowed.
    pub visits_max: u32,
    /// Whether the counter resets at each event.
    pub per_event: bool,
    /// Where the next visit goes.
    pub otherwise: StateId,
    /// Place of the clause.
    pub span: Span,
}

/// A handler with exactly one trigger (`on a or b` gives two).
#[derive(Debug, Clone)]
pub struct Handler {
    /// What it waits for.
    pub trigger: Trigger,
    /// What it does.
    pub action: HandlerAction,
    /// Place.
    pub span: Span,
}

/// Triggers that the checker knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Any message.
    Message,
    /// A message whose first word is this (with its slash).
    Word(String),
    /// A failed step without a `failed` arm, or an arithmetic failure.
    Failed,
    /// A `once` effect whose outcome is unknown after a crash.
    Uncertain,
    /// A model step would exceed a budget.
    OverBudget,
    /// A `wake` came due.
    Wake,
    /// An event of a declared type, from a webhook or another agent.
    Declared(TypeId),
    /// `edited`, `reaction`, `joined`, `left`: what happened to the chat, as a message.
    Channel(String),
    /// A schedule: index into [`Program::schedules`].
    Every(u32),
}

impl Trigger {
    /// Whether what it brings is a name: people name themselves, whoever lets them in.
    pub fn brings_a_name(&self) -> bool {
        matches!(self, Self::Channel(word) if word == "joined" || word == "left")
    }
}

/// What a handler does.
#[derive(Debug, Clone)]
pub enum HandlerAction {
    /// Keep the event in its place.
    Hold,
    /// Add the message to the history of the next model step that reads it.
    Join,
    /// Forget the event.
    Drop,
    /// Run steps.
    Run {
        /// Receives the message or the failure.
        binder: Option<Variable>,
        /// Steps.
        steps: Vec<Step>,
    },
}

/// `after D …` or `after 08:00 in "…" …`.
#[derive(Debug, Clone)]
pub struct Timer {
    /// A duration, or a time of day.
    pub after: Expr,
    /// Zone of a time of day.
    pub zone: Option<String>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Place.
    pub span: Span,
}
