// SPDX-License-Identifier: MIT OR Apache-2.0
//! States, handlers and steps as written.

use super::{BinaryOperator, Expr, Ident, Spanned, Text, TypeExpr};
use crate::source::Span;

/// Steps and handlers of a state, or of `anywhere` (whose `steps` must be empty).
#[derive(Debug, Clone, Default)]
pub struct StateBody {
    /// Steps run on entry, in order.
    pub steps: Vec<Step>,
    /// `on …`.
    pub handlers: Vec<Handler>,
    /// `after …`.
    pub timers: Vec<AfterDecl>,
    /// `every …`.
    pub schedules: Vec<EveryDecl>,
    /// From brace to brace.
    pub span: Span,
}

/// `on TRIGGER or TRIGGER [binder] ACTION`.
#[derive(Debug, Clone)]
pub struct Handler {
    /// One or more triggers.
    pub triggers: Vec<Trigger>,
    /// `m` in `on message m`.
    pub binder: Option<Ident>,
    /// What happens.
    pub action: HandlerAction,
    /// The whole handler.
    pub span: Span,
}

/// What a handler waits for.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Which.
    pub kind: TriggerKind,
    /// Its place.
    pub span: Span,
}

/// Kinds of triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerKind {
    /// `message`.
    Message,
    /// `"/word"`: exact text of a message's first word.
    Word(String),
    /// `wake`.
    Wake,
    /// `failed`.
    Failed,
    /// `uncertain`.
    Uncertain,
    /// `over_budget`.
    OverBudget,
    /// `edited`, `reaction`, `joined`, `left`.
    Channel(String),
    /// A declared type: `on NewOrder o`.
    Declared(String),
}

/// What a handler does.
#[derive(Debug, Clone)]
pub enum HandlerAction {
    /// `hold`: keeps the event, in order.
    Hold,
    /// `join`: adds it to the history for the next model step.
    Join,
    /// `drop`.
    Drop,
    /// Steps, an arrow, or both.
    Body(ArmBody),
}

/// `after WHEN …` in a state.
#[derive(Debug, Clone)]
pub struct AfterDecl {
    /// When.
    pub when: AfterWhen,
    /// What.
    pub body: ArmBody,
    /// The whole.
    pub span: Span,
}

/// Deadline forms.
#[derive(Debug, Clone)]
pub enum AfterWhen {
    /// `24h`.
    Duration(Expr),
    /// `08:00 in "Europe/Berlin"`; the zone may be missing.
    TimeOfDay {
        /// The time.
        time: Expr,
        /// IANA zone.
        zone: Option<Text>,
    },
}

/// `every …` in a state.
#[derive(Debug, Clone)]
pub struct EveryDecl {
    /// `30m`, absent for weekday forms.
    pub period: Option<Expr>,
    /// `monday`, `day`, `weekday`, absent for period forms.
    pub day: Option<Ident>,
    /// `at 09:00`.
    pub at: Option<Expr>,
    /// `from 08:00 to 20:00`.
    pub window: Option<(Expr, Expr)>,
    /// `in "Europe/Berlin"`.
    pub zone: Option<Text>,
    /// `when changed [tool(args), …]`.
    pub when_changed: Vec<ToolInvocation>,
    /// What.
    pub body: ArmBody,
    /// The whole.
    pub span: Span,
}

/// `-> S`, `{ … }`, or a block that ends in an arrow. Both absent never occurs (it is a syntax error).
#[derive(Debug, Clone, Default)]
pub struct ArmBody {
    /// Steps; an arrow written outside of a block becomes one `Go` step here.
    pub steps: Vec<Step>,
    /// The whole.
    pub span: Span,
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which.
    pub kind: StepKind,
    /// The whole step.
    pub span: Span,
}

/// Kinds of steps. Steps that give a value appear as [`StepKind::Assign`] with [`AssignValue::Step`].
#[derive(Debug, Clone)]
pub enum StepKind {
    /// `-> S`.
    Go(Ident),
    /// `done` or `done VALUE`.
    Done(Option<Expr>),
    /// `x = …`, `x.f = …`, `m[k] = …`.
    Assign {
        /// Target.
        target: Place,
        /// Value.
        value: AssignValue,
    },
    /// `x += e`, `m[k] -= e`.
    Change {
        /// Target.
        target: Place,
        /// `+` or `-`.
        operator: BinaryOperator,
        /// Amount.
        value: Expr,
    },
    /// `add x to xs`.
    AddTo {
        /// Element.
        value: Expr,
        /// List.
        list: Place,
    },
    /// `when x { … }`.
    When {
        /// What decides.
        subject: Expr,
        /// Arms.
        arms: Vec<Arm>,
    },
    /// `pick T …`.
    Pick(PickStep),
    /// `fill SLOT …`.
    Fill(FillStep),
    /// `write x …` (also `x = write using …`, which the parser turns into this).
    Write(WriteStep),
    /// `turn …`.
    Turn(TurnStep),
    /// `call tool(args) …`.
    Call(CallStep),
    /// `run c [approved by owner within 10m]`.
    Run(RunStep),
    /// `ask …`.
    Ask(AskStep),
    /// `approve by …`.
    Approve(ApproveStep),
    /// `reply …`.
    Reply(Expr),
    /// `send WHO …`.
    Send {
        /// Person, group, or `owner`.
        to: Ident,
        /// What.
        what: Expr,
        /// `with next message`: not before somebody writes there.
        with_next_message: bool,
    },
    /// `show …`.
    Show(Expr),
    /// `remember …`.
    Remember {
        /// What is stored.
        what: Expr,
        /// `for person|chat|agent|all`.
        scope: Option<Ident>,
    },
    /// `recall QUERY [from SCOPE] [top N]` (only as a value).
    Recall {
        /// Query.
        query: Expr,
        /// Scope.
        scope: Option<Ident>,
        /// `top N`.
        top: Option<Spanned<u32>>,
    },
    /// `forget history`, `forget wakes`, `forget x`.
    Forget(Ident),
    /// `wake at E with V` / `wake after D with V`.
    Wake {
        /// `at` (a moment) or `after` (a duration).
        relative: bool,
        /// When.
        when: Expr,
        /// Payload.
        with: Option<Expr>,
    },
    /// `together { a = call …  b = call … }`.
    Together(Vec<Step>),
    /// `each x in xs, 5 at once [within D] { … }`.
    Each(EachStep),
}

/// Right side of an assignment.
#[derive(Debug, Clone)]
pub enum AssignValue {
    /// An expression.
    Expr(Expr),
    /// A step used as a value: pick, call, ask, each, recall.
    Step(Box<Step>),
}

/// Something assignable.
#[derive(Debug, Clone)]
pub struct Place {
    /// Slot or local.
    pub name: Ident,
    /// `.field` and `[key]`, in order.
    pub path: Vec<PlacePart>,
    /// The whole.
    pub span: Span,
}

/// Part of a [`Place`].
#[derive(Debug, Clone)]
pub enum PlacePart {
    /// `.field`.
    Field(Ident),
    /// `[key]`.
    Index(Expr),
}

/// `label(a, b) or label2 …`.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Labels joined by `or`; `else` is a label of its own.
    pub labels: Vec<Label>,
    /// What happens.
    pub body: ArmBody,
    /// The whole arm.
    pub span: Span,
}

/// A label with its binders.
#[derive(Debug, Clone)]
pub struct Label {
    /// Which.
    pub kind: LabelKind,
    /// `(a, b)`; absent binders give an empty list.
    pub binders: Vec<Ident>,
    /// Its place.
    pub span: Span,
}

/// Kinds of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelKind {
    /// A word: variant, `yes`, `no`, `late`, `done`, `none`, `some` …
    Name(String),
    /// A number.
    Int(i64),
    /// A literal text.
    Text(String),
    /// `else`.
    Else,
}

/// What every model step has.
#[derive(Debug, Clone, Default)]
pub struct ModelParts {
    /// `using M`.
    pub using: Option<Ident>,
    /// `from a, b`.
    pub from: Vec<Expr>,
    /// `with history, memory`.
    pub with: Vec<Ident>,
    /// `retry N`.
    pub retry: Option<Spanned<u32>>,
    /// The instruction.
    pub instruction: Option<Text>,
}

/// `pick T using M from … "…" { arms }`.
#[derive(Debug, Clone)]
pub struct PickStep {
    /// The union or value type.
    pub ty: TypeExpr,
    /// Common parts.
    pub model: ModelParts,
    /// Arms; `None` when the pick is a value.
    pub arms: Option<Vec<Arm>>,
}

/// `fill SLOT using M … { complete … missing(q) … nothing … }`.
#[derive(Debug, Clone)]
pub struct FillStep {
    /// Slot of a `so far` type.
    pub slot: Ident,
    /// Common parts.
    pub model: ModelParts,
    /// Arms.
    pub arms: Vec<Arm>,
}

/// `write x using M from … "…"`.
#[derive(Debug, Clone)]
pub struct WriteStep {
    /// Slot or local that receives the text.
    pub target: Ident,
    /// Common parts.
    pub model: ModelParts,
}

/// `turn [stream] using M with history { says(t) … calls(c) … refuses(why) … }`.
#[derive(Debug, Clone)]
pub struct TurnStep {
    /// Whether text reaches the person while it is produced.
    pub stream: bool,
    /// Common parts.
    pub model: ModelParts,
    /// Arms.
    pub arms: Vec<Arm>,
}

/// `tool(args)`; also in `when changed`.
#[derive(Debug, Clone)]
pub struct ToolInvocation {
    /// Dotted name.
    pub tool: Ident,
    /// Arguments.
    pub arguments: Vec<Argument>,
    /// The whole.
    pub span: Span,
}

/// An argument; a constructor or a tool may name it.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Name before the colon.
    pub name: Option<Ident>,
    /// Value.
    pub value: Expr,
}

/// `call tool(args) retry N { arms } | else …`.
#[derive(Debug, Clone)]
pub struct CallStep {
    /// The call.
    pub invocation: ToolInvocation,
    /// `retry N`.
    pub retry: Option<Spanned<u32>>,
    /// Arms.
    pub arms: Option<Vec<Arm>>,
    /// `else …`.
    pub otherwise: Option<ArmBody>,
}

/// `run c [approved by WHO within D]`.
#[derive(Debug, Clone)]
pub struct RunStep {
    /// The calls.
    pub calls: Expr,
    /// `approved by WHO within D`.
    pub approved_by: Option<(Who, Option<Expr>)>,
}

/// Who answers.
#[derive(Debug, Clone)]
pub enum Who {
    /// `owner`, `sender`, a person or group.
    One(Ident),
    /// `2 of partners`.
    Quorum(Spanned<u32>, Ident),
}

/// `ask AGENT(args) [here] [with PERSON] within D { … }` or `ask PERSON "…" within D { … }`.
#[derive(Debug, Clone)]
pub struct AskStep {
    /// Agent or person.
    pub whom: Ident,
    /// Arguments, for an agent.
    pub arguments: Option<Vec<Argument>>,
    /// The question, for a person.
    pub question: Option<Text>,
    /// `here`.
    pub here: bool,
    /// `with PERSON`.
    pub with: Option<Ident>,
    /// `within D`.
    pub within: Option<Expr>,
    /// Arms.
    pub arms: Option<Vec<Arm>>,
    /// `else …`.
    pub otherwise: Option<ArmBody>,
}

/// `approve by WHO [editing SLOT] "…" within D { yes … no … late … }`.
#[derive(Debug, Clone)]
pub struct ApproveStep {
    /// Who.
    pub by: Who,
    /// Slot they may correct.
    pub editing: Option<Ident>,
    /// What they are shown.
    pub question: Option<Text>,
    /// `within D`.
    pub within: Option<Expr>,
    /// Arms.
    pub arms: Vec<Arm>,
}

/// `each x in xs, 5 at once within D { … }`.
#[derive(Debug, Clone)]
pub struct EachStep {
    /// Loop variable.
    pub variable: Ident,
    /// List.
    pub list: Expr,
    /// `5 at once`.
    pub at_once: Option<Spanned<u32>>,
    /// `within D`.
    pub within: Option<Expr>,
    /// Steps.
    pub steps: Vec<Step>,
}
