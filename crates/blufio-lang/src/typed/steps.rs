// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps whose names and types are settled.

use super::{Expr, ModelId, StateId, TextPart, Type, TypeId, Variable, Who};
use crate::source::Span;

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
    /// `with memory`.
    pub memory: bool,
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
    /// `run c [approved by W within D]`.
    Run {
        /// The calls.
        calls: Expr,
        /// Who approves dangerous calls when untrusted text was read, and how long that may take.
        approved_by: Option<(Who, Option<Expr>)>,
    },
    /// Asks the world (a tool, a person, another agent, memory) and goes on by what became of it.
    Request(RequestStep),
    /// `each x in xs`.
    Each(EachStep),
    /// `together { … }`: requests without arms, side by side.
    Together(Vec<RequestStep>),
    /// `reply`.
    Reply(Expr),
    /// `send W`, `send W … with next message`.
    Send(Who, Expr, Delivery),
    /// `show`: an edited progress line.
    Show(Expr),
    /// `remember x for S`.
    Remember(Expr, MemoryScope),
    /// `forget history`.
    ForgetHistory,
    /// `forget wakes`.
    ForgetWakes,
    /// `forget "query"`-like: everything remembered in a scope.
    ForgetMemory(MemoryScope),
    /// `wake at E with V`, `wake after D with V`.
    Wake {
        /// Whether `when` is a duration.
        relative: bool,
        /// A moment or a duration.
        when: Expr,
        /// What it carries.
        with: Option<Expr>,
    },
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
    /// Whether it can fail without an arm of its own.
    pub can_fail: bool,
    /// Labelled arms.
    pub arms: Vec<(String, Vec<Step>)>,
    /// Whether a path goes on behind the step: none of the arms must be taken.
    pub falls_through: bool,
}

/// A step that asks the world. An outcome that no arm takes: `done` and `says` go on behind the step with their value in
/// `into`, the others go to `otherwise`; without that, `failed` and `uncertain` are raised.
#[derive(Debug, Clone)]
pub struct RequestStep {
    /// What is asked.
    pub request: Request,
    /// Arms.
    pub arms: Vec<OutcomeArm>,
    /// Receives the value of `done` or `says` when no arm takes it.
    pub into: Option<Variable>,
    /// `else`.
    pub otherwise: Option<Vec<Step>>,
    /// Place.
    pub span: Span,
}

/// An arm of a request.
#[derive(Debug, Clone)]
pub struct OutcomeArm {
    /// Outcomes that it takes.
    pub outcomes: Vec<OutcomeKind>,
    /// Words as written.
    pub label: String,
    /// Receives the payload; only with one outcome.
    pub binder: Option<Variable>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Place.
    pub span: Span,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// `done(x)`: of a tool, of an agent.
    Done,
    /// `says(t)`: words of a person.
    Says,
    /// `yes`.
    Yes,
    /// `no`.
    No,
    /// `late`: nobody answered in time.
    Late,
    /// `failed(why)`.
    Failed,
    /// `uncertain`.
    Uncertain,
    /// `complete`: every field of the `so far` slot is there.
    Complete,
    /// `missing(q)`: `q` is the question of the first missing field.
    Missing,
    /// `nothing`: the words held nothing for the slot.
    Nothing,
}

impl OutcomeKind {
    /// The label that programs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Says => "says",
            Self::Yes => "yes",
            Self::No => "no",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
            Self::Complete => "complete",
            Self::Missing => "missing",
            Self::Nothing => "nothing",
        }
    }
}

/// What is asked of the world.
#[derive(Debug, Clone)]
pub enum Request {
    /// `call tool(a: x) retry N`.
    Call {
        /// Index into [`super::Program::tools`].
        grant: u32,
        /// Arguments by name, in the manifest's order.
        arguments: Vec<(String, Expr)>,
        /// Further attempts; none for `once` tools.
        retries: u32,
    },
    /// `ask AGENT(args) [here] [with W] within D`.
    AskAgent {
        /// Index into [`super::Program::asks`].
        grant: u32,
        /// Arguments in the order of the parameters.
        arguments: Vec<Expr>,
        /// Whether the conversation is handed over.
        here: bool,
        /// Whom it talks to instead of the sender.
        with: Option<Who>,
        /// How long, a duration.
        within: Option<Expr>,
    },
    /// `ask PERSON "…" within D`.
    AskPerson {
        /// Whom.
        whom: Who,
        /// Question, a text.
        question: Expr,
        /// How long, a duration.
        within: Option<Expr>,
    },
    /// `approve by W "…" within D`.
    Approve {
        /// Who decides.
        by: Who,
        /// Slot that they may correct.
        editing: Option<Variable>,
        /// What they are shown, a text.
        question: Expr,
        /// How long, a duration.
        within: Option<Expr>,
    },
    /// `fill SLOT using M …`.
    Fill {
        /// Slot of a `so far` type.
        slot: Variable,
        /// Its record.
        record: TypeId,
        /// Model parts.
        model: ModelUse,
    },
    /// `recall QUERY from S top N`: a list of texts.
    Recall {
        /// Query, a text.
        query: Expr,
        /// Where.
        scope: MemoryScope,
        /// Most results.
        top: u32,
    },
}

/// Whose memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryScope {
    /// The person of the conversation.
    Person,
    /// The chat.
    Chat,
    /// The agent.
    Agent,
    /// Everybody's.
    All,
}

impl MemoryScope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Person, Self::Chat, Self::Agent, Self::All];

    /// The word that programs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Chat => "chat",
            Self::Agent => "agent",
            Self::All => "all",
        }
    }
}

/// When a text that is sent reaches whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// At once.
    Now,
    /// Not before somebody writes in its chat; then ahead of the answer to that.
    NextMessage,
}

impl Delivery {
    /// What a program writes behind the text.
    pub fn words(self) -> &'static str {
        match self {
            Self::Now => "",
            Self::NextMessage => " with next message",
        }
    }
}

/// `each x in xs, N at once within D { … }`: straight-line steps for each item, so many at a time.
#[derive(Debug, Clone)]
pub struct EachStep {
    /// Receives the item.
    pub variable: Variable,
    /// The list.
    pub list: Expr,
    /// Bound of the list, for the cost.
    pub items_max: u32,
    /// Items at the same time.
    pub at_once: u32,
    /// How long the whole may take, a duration.
    pub within: Option<Expr>,
    /// Steps of one item.
    pub steps: Vec<Step>,
    /// Locals of the steps: first, and one past the last, of the frame that holds this code.
    pub locals: (u32, u32),
    /// The list of results, and the local in the steps that holds an item's result at their end.
    pub results: Option<(Variable, Option<Variable>)>,
    /// Place.
    pub span: Span,
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
