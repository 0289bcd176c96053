// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program whose names and types are settled. Built by `check`, read by the compiler, the graph and the proofs.
//! Constructs that parse and type-check but do not run yet appear as [`StepKind::Later`], with their arms, so that
//! the proofs still see every path; a program that contains one is refused before it is compiled.

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
    /// The result of a tool, by its name; its shape comes from the manifest (I2).
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
    /// Largest number of model calls that one event may cause, from `budget message = N calls`.
    pub calls_per_event_max: Option<u32>,
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
#[derive(Debug, Clone)]
pub struct Model {
    /// Name after `using`.
    pub name: String,
    /// `provider/model`, in the order of fallback. Empty when it is not a fixed name (refused for now).
    pub chain: Vec<String>,
}

/// A granted tool.
#[derive(Debug, Clone)]
pub struct ToolGrant {
    /// Dotted name.
    pub tool: String,
    /// `in "notes/"`.
    pub folder: Option<String>,
    /// Place of the grant.
    pub span: Span,
}

/// Context policy that runs now: static files and dynamic history.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Files of the static zone, relative to the program's folder.
    pub static_files: Vec<String>,
    /// Cap of the static zone.
    pub static_tokens_max: Option<u32>,
    /// History policy; absent means that the program keeps no history for prompts.
    pub history: Option<History>,
}

/// `dynamic history last N messages max T tokens`.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Newest messages kept.
    pub messages_max: Option<u32>,
    /// Token cap.
    pub tokens_max: Option<u32>,
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
    /// Not supported yet: `wake`, `over_budget`, declared and channel events, `every`. The text is for messages and graphs.
    Later(String),
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

/// `after D …`.
#[derive(Debug, Clone)]
pub struct Timer {
    /// A duration expression.
    pub after: Expr,
    /// Steps.
    pub steps: Vec<Step>,
    /// Place.
    pub span: Span,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which.
    pub kind: StepKind,
    /// Place.
    pub span: Span,
}

/// Common parts of model steps.
#[derive(Debug, Clone)]
pub struct ModelUse {
    /// Which model.
    pub model: ModelId,
    /// Named values, in order: the words written and the value.
    pub from: Vec<(String, Expr)>,
    /// `with history`.
    pub history: bool,
    /// Further attempts when the answer does not fit the type.
    pub retries: u32,
    /// The instruction; empty for `turn` without one.
    pub instruction: Vec<TextPart>,
}

/// Kinds of steps.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Leave for a state.
    Go(StateId),
    /// End the session.
    Done(Option<Expr>),
    /// Assign.
    Assign(Variable, Expr),
    /// Append to a list: `add x to xs`.
    Append(Variable, Expr),
    /// Insert, replace or (with the sum or difference) change a map entry: `m[k] = v`.
    PutEntry {
        /// Map.
        map: Variable,
        /// Key.
        key: Expr,
        /// Value.
        value: Expr,
    },
    /// `when` on a yes/no; either side may be empty and falls through.
    If {
        /// Condition.
        condition: Expr,
        /// `yes`.
        yes: Vec<Step>,
        /// `no`.
        no: Vec<Step>,
    },
    /// `when` on a union or failure kind: arms by case index.
    Match {
        /// Subject, of a union type.
        subject: Expr,
        /// Arms; together with `otherwise` they cover every case.
        arms: Vec<VariantArm>,
        /// `else`.
        otherwise: Option<Vec<Step>>,
    },
    /// `when` on an int or text with literal labels.
    Switch {
        /// Subject.
        subject: Expr,
        /// Literal values and steps.
        arms: Vec<(Vec<SwitchValue>, Vec<Step>)>,
        /// `else`.
        otherwise: Vec<Step>,
    },
    /// `when` on an optional.
    IfSome {
        /// Subject, of an optional type.
        subject: Expr,
        /// Receives the value.
        binder: Option<Variable>,
        /// `some(v)`.
        some: Vec<Step>,
        /// `none`.
        none: Vec<Step>,
    },
    /// `pick` with arms, of a union.
    PickArms {
        /// Union.
        ty: TypeId,
        /// Model parts.
        model: ModelUse,
        /// One arm per case or group of cases; all cases are covered.
        arms: Vec<VariantArm>,
    },
    /// `x = pick T …`.
    PickValue {
        /// Type asked for.
        ty: Type,
        /// Model parts.
        model: ModelUse,
        /// Receives the value.
        into: Variable,
    },
    /// `write x …`.
    Write {
        /// Model parts.
        model: ModelUse,
        /// Receives the text.
        into: Variable,
    },
    /// `turn …`.
    Turn {
        /// Partial text reaches the person.
        stream: bool,
        /// Model parts; history is always read.
        model: ModelUse,
        /// `says(t)`.
        says: (Option<Variable>, Vec<Step>),
        /// `calls(c)`; absent when the program grants no tool.
        calls: Option<(Option<Variable>, Vec<Step>)>,
        /// `refuses(why)`.
        refuses: (Option<Variable>, Vec<Step>),
    },
    /// `run c`.
    Run(Expr),
    /// `reply`.
    Reply(Expr),
    /// `send owner`.
    SendOwner(Expr),
    /// Parses and checks, does not run yet.
    Later(LaterStep),
    /// Stands where an error was reported.
    Error,
}

/// A step that is refused for now, with what the proofs and the graph need of it.
#[derive(Debug, Clone)]
pub struct LaterStep {
    /// Its words: `approve by`, `ask researcher`, `call orders.find`.
    pub what: String,
    /// Model calls that one run of it makes at the most.
    pub model_calls_max: u32,
    /// Whether the step can wait for an unbounded or long time (a person, another agent).
    pub waits: bool,
    /// Whether it can fail without an arm of its own.
    pub can_fail: bool,
    /// Whether its outcome can be uncertain without an arm of its own.
    pub can_be_uncertain: bool,
    /// Labelled arms.
    pub arms: Vec<(String, Vec<Step>)>,
    /// Whether a path goes on behind the step: none of the arms must be taken.
    pub falls_through: bool,
}

/// An arm of a match over cases.
#[derive(Debug, Clone)]
pub struct VariantArm {
    /// Case indexes.
    pub cases: Vec<u32>,
    /// Words as written (`failed or late`).
    pub label: String,
    /// Receives payload fields; one list, valid for each of the cases.
    pub binders: Vec<Variable>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Place.
    pub span: Span,
}

/// A literal label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwitchValue {
    /// Number.
    Int(i64),
    /// Text.
    Text(String),
}

/// Part of an interpolated text.
#[derive(Debug, Clone)]
pub enum TextPart {
    /// Literal.
    Literal(String),
    /// Value, printed as its type prints.
    Value(Expr),
}

/// An expression with its type.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Type.
    pub ty: Type,
    /// Kind.
    pub kind: ExprKind,
    /// Place.
    pub span: Span,
}

/// Kinds of expressions.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// Integer.
    Int(i64),
    /// Decimal.
    Number(f64),
    /// Text with interpolation.
    Text(Vec<TextPart>),
    /// Money, minor units.
    Money(i64, Currency),
    /// Milliseconds.
    Duration(i64),
    /// Minutes after midnight.
    Time(u32),
    /// Days since 1970.
    Date(i32),
    /// `yes`/`no`.
    YesNo(bool),
    /// `none`.
    None,
    /// The event's time.
    Now,
    /// A variable.
    Variable(Variable),
    /// Field of a record (by index).
    Field(Box<Expr>, u32),
    /// `m.text`, `m.sender` of a message; `why.kind`, `why.detail`, `why.until` of a failure.
    Property(Box<Expr>, Property),
    /// `m[k]`: an optional.
    Index(Box<Expr>, Box<Expr>),
    /// A record: fields in declaration order.
    Record(TypeId, Vec<Expr>),
    /// A case: payload in declaration order.
    Variant(TypeId, u32, Vec<Expr>),
    /// A failure kind by name (`why.kind is limited`).
    FailureKind(u32),
    /// A list.
    List(Vec<Expr>),
    /// `not`.
    Not(Box<Expr>),
    /// `-x`.
    Negate(Box<Expr>),
    /// Arithmetic on int, number, money, duration, moment ± duration.
    Arithmetic(ArithmeticOperator, Box<Expr>, Box<Expr>),
    /// Comparison of ordered scalars, or equality of anything.
    Compare(CompareOperator, Box<Expr>, Box<Expr>),
    /// `xs contains x`, `text contains text`.
    Contains(Box<Expr>, Box<Expr>),
    /// `a and b`, short-circuit.
    And(Box<Expr>, Box<Expr>),
    /// `a or b`, short-circuit.
    Or(Box<Expr>, Box<Expr>),
    /// `optional or default`.
    Default(Box<Expr>, Box<Expr>),
    /// `length x`.
    Length(Box<Expr>),
    /// `first xs`: an optional.
    First(Box<Expr>),
    /// Wraps a plain value where an optional is expected.
    ToOptional(Box<Expr>),
    /// Takes the value out of an optional that is proven to hold one here (must-analysis of `check`); a machine
    /// that finds it empty all the same raises `failed(invalid)`.
    Present(Box<Expr>),
    /// Converts to text: the value as it prints.
    Print(Box<Expr>),
    /// Stands where an error was reported, or where a construct does not run yet.
    Error,
}

/// Built-in properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Text of a message.
    MessageText,
    /// Sender's display name.
    MessageSender,
    /// Kind of a failure (a [`Type::FailureKind`]).
    FailureKind,
    /// Detail of a failure (text).
    FailureDetail,
    /// `until` of a failure (moment?).
    FailureUntil,
}

/// Arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOperator {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Remainder,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOperator {
    /// `is`.
    Equal,
    /// `is not`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}
