// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was written, before any name has a meaning. Every node has a span; equality of programs ignores spans by
//! comparing the typed form instead. The parser fills this tree and nothing else does.

mod expressions;
mod steps;

pub use expressions::*;
pub use steps::*;

use crate::source::Span;

/// A value with the place it was written.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// The value.
    pub node: T,
    /// Its place.
    pub span: Span,
}

/// A name with its place. Dotted names (`orders.find`) keep their dots.
pub type Ident = Spanned<String>;

/// One file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its first line.
    pub kind: FileKind,
    /// Place of the first line.
    pub kind_span: Span,
    /// Declarations in order. A declaration that did not parse is absent (its error is in the diagnostics).
    pub items: Vec<Item>,
    /// Whether any declaration was dropped by recovery: "unknown name" errors are then held back where the lost
    /// declaration could have declared the name.
    pub recovered: bool,
}

/// What the first line says a file is.
#[derive(Debug, Clone)]
pub enum FileKind {
    /// `agent NAME vN (p: T, …) gives T`.
    Agent {
        /// Its name.
        name: Ident,
        /// Its version, from `vN`.
        version: Spanned<u32>,
        /// Parameters; empty for an agent that people talk to.
        parameters: Vec<Field>,
        /// What `done` must give, when the agent can be asked.
        gives: Option<TypeExpr>,
    },
    /// `routes`.
    Routes,
    /// `shared NAME`.
    Shared {
        /// Its name.
        name: Ident,
    },
}

/// One declaration.
#[derive(Debug, Clone)]
pub struct Item {
    /// Which one.
    pub kind: ItemKind,
    /// The whole declaration.
    pub span: Span,
    /// Text of the `///` lines above it, without the slashes.
    pub doc: Option<String>,
}

/// The declarations of section 3 of the language's design.
#[derive(Debug, Clone)]
pub enum ItemKind {
    /// `goal "…"`.
    Goal(Text),
    /// `language "en"`.
    Language(Text),
    /// `zone "Europe/Berlin"`.
    Zone(Text),
    /// `models { … }`.
    Models(Vec<ModelDecl>),
    /// `budget { … }`.
    Budget(Vec<BudgetLine>),
    /// `can use …`.
    CanUse(Vec<Grant>),
    /// `can ask AGENT with TOOL, … max N calls`.
    CanAsk(Vec<AskGrant>),
    /// `context { … }`.
    Context(Vec<ContextZone>),
    /// `type NAME = …`.
    Type(TypeDecl),
    /// `keep { … }`.
    Keep(Vec<SlotDecl>),
    /// `rules { … }`.
    Rules(Vec<Rule>),
    /// `start state S …` or `state S …`.
    State(StateDecl),
    /// `anywhere { … }`.
    Anywhere(StateBody),
    /// `migrate from vN { … }`.
    Migrate {
        /// The version moved from.
        from: Spanned<u32>,
        /// `old -> new` pairs.
        moves: Vec<(Ident, Ident)>,
        /// `drop x`.
        drops: Vec<Ident>,
    },
    /// `test "…" { … }`.
    Test(TestDecl),
    /// `people { … }` in a routes file.
    People(Vec<PersonDecl>),
    /// One line of a routes file.
    Route(RouteDecl),
}

/// `name: type = default` with an optional doc line above (also parameters, record fields, variant payloads).
#[derive(Debug, Clone)]
pub struct Field {
    /// Name.
    pub name: Ident,
    /// Type.
    pub ty: TypeExpr,
    /// Question or explanation from `///`.
    pub doc: Option<String>,
}

/// A slot of `keep`.
#[derive(Debug, Clone)]
pub struct SlotDecl {
    /// Name and type.
    pub field: Field,
    /// Initial value.
    pub initial: Option<Expr>,
}

/// `type NAME = …`.
#[derive(Debug, Clone)]
pub struct TypeDecl {
    /// Name.
    pub name: Ident,
    /// What it is.
    pub body: TypeBody,
}

/// Right side of a type declaration.
#[derive(Debug, Clone)]
pub enum TypeBody {
    /// `a | b(x: T) | c`.
    Union(Vec<Variant>),
    /// `{ a: T  b: T }`.
    Record(Vec<Field>),
    /// Another type, perhaps bounded.
    Alias(TypeExpr),
}

/// One case of a union.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its label.
    pub name: Ident,
    /// Its payload.
    pub fields: Vec<Field>,
    /// `///` above it.
    pub doc: Option<String>,
}

/// A type as written.
#[derive(Debug, Clone)]
pub struct TypeExpr {
    /// Which type.
    pub kind: TypeExprKind,
    /// Its place.
    pub span: Span,
}

/// Forms of type expressions.
#[derive(Debug, Clone)]
pub enum TypeExprKind {
    /// A name: built in (`text`, `int`, `money` …), declared, or a tool's result (`orders.find`).
    Name(String),
    /// `text max 200`.
    TextMax(u32),
    /// `int 1 to 5`.
    IntRange(i64, i64),
    /// `money eur`.
    Money(String),
    /// `list max N of T` (or `list of T`).
    List {
        /// Bound.
        max: Option<u32>,
        /// Element.
        of: Box<TypeExpr>,
    },
    /// `map max N of T` (or `map of T`); keys are text.
    Map {
        /// Bound.
        max: Option<u32>,
        /// Element.
        of: Box<TypeExpr>,
    },
    /// `T?`.
    Optional(Box<TypeExpr>),
    /// `T so far`.
    SoFar(Box<TypeExpr>),
}

/// A line of `models`.
#[derive(Debug, Clone)]
pub struct ModelDecl {
    /// The name used after `using`.
    pub name: Ident,
    /// What it stands for.
    pub kind: ModelDeclKind,
}

/// What a model name stands for.
#[derive(Debug, Clone)]
pub enum ModelDeclKind {
    /// `"provider/model" else "provider/model" …`.
    Fixed(Vec<Text>),
    /// `by complexity (simple: a, standard: b, complex: c) [when budget under N% use m]`.
    ByComplexity {
        /// (`simple`|`standard`|`complex`, model name) pairs.
        levels: Vec<(Ident, Ident)>,
        /// Percentage and model for a low budget.
        step_down: Option<(Spanned<u32>, Ident)>,
    },
}

/// `message = 8 calls, 0.06 usd`.
#[derive(Debug, Clone)]
pub struct BudgetLine {
    /// `message`, `heartbeat`, `day`, `month`.
    pub scope: Ident,
    /// Limits, comma separated.
    pub limits: Vec<BudgetLimit>,
    /// The line.
    pub span: Span,
}

/// One limit of a budget line.
#[derive(Debug, Clone)]
pub enum BudgetLimit {
    /// `8 calls`.
    Calls(Spanned<u32>),
    /// `0.06 usd`; amount in the currency's smallest unit × 10 000 (so 0.0001 usd is exact).
    Money {
        /// The literal, as written (`0.06`).
        amount: Spanned<String>,
        /// Currency, lower case.
        currency: Ident,
    },
    /// `3 minutes` or `30s`: wall time.
    Time(Spanned<i64>),
}

/// One item of `can use`.
#[derive(Debug, Clone)]
pub struct Grant {
    /// `tool` for `NAME`, `skill`/`mcp` for those prefixes.
    pub prefix: Option<Ident>,
    /// Tool, skill or server name (dotted).
    pub name: Ident,
    /// Scope words: `to ["h"]`, `in "notes/"`, `only [..]`, in order.
    pub scopes: Vec<GrantScope>,
    /// `max 5 per day`.
    pub rate: Option<(Spanned<u32>, Ident)>,
    /// The item.
    pub span: Span,
}

/// Scope of a grant.
#[derive(Debug, Clone)]
pub enum GrantScope {
    /// `to ["api.example.com"]`.
    To(Vec<Text>),
    /// `in "notes/"`.
    In(Text),
    /// `only ["git status", "ls"]` or `only [search_issues]` (names come as text).
    Only(Vec<Text>),
}

/// `can ask AGENT with TOOL, TOOL max N calls`.
#[derive(Debug, Clone)]
pub struct AskGrant {
    /// Agent.
    pub agent: Ident,
    /// Tools passed on.
    pub with: Vec<Ident>,
    /// Cap on the callee's model calls.
    pub calls_max: Option<Spanned<u32>>,
    /// The item.
    pub span: Span,
}

/// A line of `context`.
#[derive(Debug, Clone)]
pub struct ContextZone {
    /// Which zone and what it holds.
    pub kind: ContextZoneKind,
    /// `max N tokens`.
    pub tokens_max: Option<Spanned<u32>>,
    /// The line.
    pub span: Span,
}

/// The three zones.
#[derive(Debug, Clone)]
pub enum ContextZoneKind {
    /// `static "persona.md", skills max 6000 tokens cache 1h`.
    Static {
        /// Files and the word `skills`, in order.
        items: Vec<StaticItem>,
        /// `cache 1h` in milliseconds.
        cache_ms: Option<Spanned<i64>>,
    },
    /// `conditional recall person top 6 above 0.35`.
    Conditional {
        /// `person`, `chat`, `agent`, `all`.
        scope: Ident,
        /// `top N`.
        top: Option<Spanned<u32>>,
        /// `above 0.35`, as written.
        above: Option<Spanned<String>>,
    },
    /// `dynamic history last 40 messages max 8000 tokens then summarize using fast`.
    Dynamic {
        /// `last N messages`.
        messages_max: Option<Spanned<u32>>,
        /// Model of `then summarize using M`.
        summarize: Option<Ident>,
    },
}

/// An item of the static zone.
#[derive(Debug, Clone)]
pub enum StaticItem {
    /// A file beside the program.
    File(Text),
    /// The index of skills.
    Skills(Span),
}

/// One rule, kept as its words: `never orders.refund unless approved by owner`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Which form.
    pub kind: RuleKind,
    /// The line.
    pub span: Span,
}

/// Forms of rules.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// `never X unless approved by W`.
    NeverUnlessApproved {
        /// Tool or event.
        what: Ident,
        /// Approver.
        by: Who,
    },
    /// `never X unless Y`.
    NeverUnless {
        /// Tool or event.
        what: Ident,
        /// What must have come before.
        unless: Ident,
    },
    /// `every X leads to Y or Z`.
    LeadsTo {
        /// Trigger.
        what: Ident,
        /// Acceptable outcomes.
        to: Vec<Ident>,
    },
    /// `at most N X per event`.
    AtMost {
        /// Bound.
        count: Spanned<u32>,
        /// What is counted.
        what: Ident,
        /// `event` or `session`.
        per: Ident,
    },
    /// `never LABEL reaches TOOL`.
    NeverReaches {
        /// Flow label.
        label: Ident,
        /// Tool.
        tool: Ident,
    },
}

/// `state S max N per event else S2 { … }`.
#[derive(Debug, Clone)]
pub struct StateDecl {
    /// Name.
    pub name: Ident,
    /// Whether `start` stands before it.
    pub start: Option<Span>,
    /// The visit cap.
    pub cap: Option<VisitCap>,
    /// What is between its braces.
    pub body: StateBody,
}

/// `max N per event|session else S`.
#[derive(Debug, Clone)]
pub struct VisitCap {
    /// N.
    pub count: Spanned<u32>,
    /// `event` or `session`.
    pub per: Ident,
    /// Where the next visit goes instead.
    pub otherwise: Option<Ident>,
    /// The clause.
    pub span: Span,
}

/// `test "…" { … }`.
#[derive(Debug, Clone)]
pub struct TestDecl {
    /// Its title.
    pub name: Text,
    /// Its lines.
    pub lines: Vec<TestLine>,
}

/// A line of a test.
#[derive(Debug, Clone)]
pub struct TestLine {
    /// Which.
    pub kind: TestLineKind,
    /// Its place.
    pub span: Span,
}

/// Lines of tests.
#[derive(Debug, Clone)]
pub enum TestLineKind {
    /// `say "…"`.
    Say(Text),
    /// `edited "…"`, `reaction "…"`, `joined "…"`, `left "…"`.
    Happens(Ident, Text),
    /// `event Alert(id: "1")`.
    Event {
        /// Declared type.
        event: Ident,
        /// Its fields.
        fields: Vec<Argument>,
    },
    /// `model calls tool(a: v)`.
    ModelCalls(ToolInvocation),
    /// `model picks V`.
    ModelPicks(Expr),
    /// `model says "…"`.
    ModelSays(Text),
    /// `tool X gives (a: v)` / `tool X fails`.
    Tool {
        /// Tool.
        tool: Ident,
        /// Fields; `None` for `fails`.
        gives: Option<Vec<Argument>>,
    },
    /// `expect [no] X` / `expect state S` / `expect reply "…"`.
    Expect {
        /// `no`.
        negated: bool,
        /// First word: a tool name, `state`, `reply`.
        what: Ident,
        /// State name or text.
        value: Option<Expr>,
    },
    /// `crash`.
    Crash,
    /// `wait 5h`.
    Wait(Expr),
    /// `owner yes`, `owner no`, `owner says "…"`.
    Person {
        /// Who.
        who: Ident,
        /// What they answer.
        answer: Expr,
    },
}

/// A line of `people`.
#[derive(Debug, Clone)]
pub struct PersonDecl {
    /// Name.
    pub name: Ident,
    /// What follows `=`; `None` for `owner`, who comes from pairing.
    pub identity: Option<PersonIdentity>,
    /// `zone "…"`.
    pub zone: Option<Text>,
    /// The line.
    pub span: Span,
}

/// Who a person is.
#[derive(Debug, Clone)]
pub enum PersonIdentity {
    /// `telegram 2222`.
    Channel {
        /// Channel name.
        channel: Ident,
        /// Numeric id.
        id: Spanned<i64>,
    },
    /// `telegram group "Ops"`.
    Group {
        /// Channel name.
        channel: Ident,
        /// Title.
        title: Text,
    },
    /// `owner, ben, cleo` (or an alias of one person).
    People(Vec<Ident>),
    /// `from rota.current`.
    Tool(Ident),
}

/// `telegram from owner -> assistant per person`, `otherwise drop "…"`, `http post "/p" …`.
#[derive(Debug, Clone)]
pub struct RouteDecl {
    /// Where it comes from; empty for `otherwise`.
    pub from: Vec<RouteSource>,
    /// Where it goes.
    pub to: RouteTarget,
    /// The line.
    pub span: Span,
}

/// Left side of a route.
#[derive(Debug, Clone)]
pub enum RouteSource {
    /// `telegram [from WHO] [in group "T"]`, `shell`, `gateway`.
    Channel {
        /// Channel name.
        channel: Ident,
        /// `from owner|anyone|ben`.
        from: Option<Ident>,
        /// `in group "…"`.
        group: Option<Text>,
    },
    /// `http post "/alerts" signed by KEY as Alert a`.
    Webhook {
        /// Path.
        path: Text,
        /// Key name.
        signed_by: Option<Ident>,
        /// Declared type of the body.
        ty: Ident,
        /// Name of the body in `per`.
        binder: Option<Ident>,
    },
}

/// Right side of a route.
#[derive(Debug, Clone)]
pub enum RouteTarget {
    /// `-> AGENT [per person|chat|a.id]`.
    Agent {
        /// Agent.
        agent: Ident,
        /// Key: `person`, `chat`, or a field path.
        per: Option<Expr>,
    },
    /// `drop ["…"]`.
    Drop(Option<Text>),
}
