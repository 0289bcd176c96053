// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an agent declares besides states: tools, delegation, budgets, schedules, rules, migrations, tests.

use super::{Expr, StateId, Type, TypeId};
use crate::source::Span;
use crate::value::Currency;

/// What a repeated call of a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EffectClass {
    /// Depends on its arguments alone.
    Pure,
    /// Reads the world and changes nothing.
    Read,
    /// May be repeated: the second time changes nothing more.
    Idempotent,
    /// Must not be repeated: a crash in between makes it uncertain.
    Once,
}

/// How much harm a call can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Danger {
    /// None worth asking about.
    Safe,
    /// It can be taken back.
    Reversible,
    /// It moves money, speaks to others, destroys.
    Dangerous,
}

/// Where information comes from, and so whether it may decide (the labels of the information-flow checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// From the open web.
    Web,
    /// Words of a sender who is not the owner, or forwarded ones.
    Message,
    /// From files.
    File,
    /// From memory.
    Memory,
    /// From another agent.
    Agent,
    /// Must not leave.
    Secret,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 6] =
        [Self::Web, Self::Message, Self::File, Self::Memory, Self::Agent, Self::Secret];

    /// The word that programs and manifests use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Message => "message",
            Self::File => "file",
            Self::Memory => "memory",
            Self::Agent => "agent",
            Self::Secret => "secret",
        }
    }
}

/// A parameter of a tool.
#[derive(Debug, Clone)]
pub struct ToolParameter {
    /// Name.
    pub name: String,
    /// Type; an optional one may be left out.
    pub ty: Type,
    /// Whether it selects what the call acts on: recipient, host, path, amount.
    pub selects: bool,
}

/// A granted tool with what its manifest says.
#[derive(Debug, Clone)]
pub struct ToolGrant {
    /// Dotted name.
    pub tool: String,
    /// `in "notes/"`.
    pub folder: Option<String>,
    /// `to [...]`: hosts or recipients.
    pub to: Vec<String>,
    /// `only [...]`: commands.
    pub only: Vec<String>,
    /// `max N per day|hour|event|session`: count and period.
    pub rate: Option<(u32, RatePeriod)>,
    /// Parameters in the manifest's order.
    pub parameters: Vec<ToolParameter>,
    /// Type of the result.
    pub gives: Type,
    /// What repeating a call does.
    pub effect: EffectClass,
    /// How much harm it can do.
    pub danger: Danger,
    /// Label of the result.
    pub label: Option<Label>,
    /// Place of the grant.
    pub span: Span,
}

/// Period of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RatePeriod {
    /// One event.
    Event,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// The session.
    Session,
}

/// `can ask AGENT with TOOLS max N calls`.
#[derive(Debug, Clone)]
pub struct AgentGrant {
    /// Agent.
    pub agent: String,
    /// Types of its parameters.
    pub parameters: Vec<(String, Type)>,
    /// What it gives.
    pub gives: Type,
    /// Tools passed on; nothing else runs in the callee.
    pub with: Vec<String>,
    /// Cap on its model calls.
    pub calls_max: Option<u32>,
    /// Its own bound per event, once the folder is known.
    pub calls_bound: Option<u32>,
    /// Place of the grant.
    pub span: Span,
}

/// Caps of one scope of `budget`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Model calls, with the place.
    pub calls: Option<(u32, Span)>,
    /// Money in millionths of the unit, its currency, and the place.
    pub money: Option<(i64, Currency, Span)>,
    /// Wall time, milliseconds, with the place.
    pub time_ms: Option<(i64, Span)>,
}

/// `budget { … }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// One event from outside.
    pub message: Limits,
    /// One heartbeat.
    pub heartbeat: Limits,
    /// A day.
    pub day: Limits,
    /// A month.
    pub month: Limits,
}

/// On which days a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Days {
    /// Every day.
    All,
    /// Monday to Friday.
    Weekdays,
    /// One day of the week: 0 is Monday.
    One(u8),
}

/// `every …`.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// When it fires.
    pub when: ScheduleWhen,
    /// Zone of its local times; the agent's or UTC otherwise.
    pub zone: Option<String>,
    /// Fingerprint calls: grant index and arguments (literals only).
    pub when_changed: Vec<(u32, Vec<(String, Expr)>)>,
    /// State in which it counts; `None` in `anywhere`.
    pub state: Option<StateId>,
    /// Place.
    pub span: Span,
}

/// When a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleWhen {
    /// Every so many milliseconds, counted from the beginning of the window or of the day.
    Period {
        /// Milliseconds.
        period_ms: i64,
        /// From and to, minutes after midnight; the end is not included.
        window: Option<(u32, u32)>,
    },
    /// At a time of certain days.
    At {
        /// Days.
        days: Days,
        /// Minutes after midnight.
        minutes: u32,
    },
}

/// What a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A call of a granted tool, by step or by a model.
    Tool(u32),
    /// A reply.
    Reply,
    /// A message that was taken.
    Message,
    /// A state that is entered.
    State(StateId),
    /// `send` to anybody.
    Send,
    /// A `wake` that came due.
    Wake,
    /// An event of a declared type.
    Declared(TypeId),
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it demands.
    pub kind: RuleKind,
    /// As written.
    pub text: String,
    /// Place.
    pub span: Span,
}

/// Forms of rules.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// `never X unless approved by W`.
    NeverUnlessApproved(Subject, Who),
    /// `never X unless Y`.
    NeverUnless(Subject, Subject),
    /// `every X leads to Y or Z`.
    LeadsTo(Subject, Vec<Subject>),
    /// `at most N X per event|session`.
    AtMost {
        /// N.
        count: u32,
        /// X.
        subject: Subject,
        /// Whether the count begins again at each event.
        per_event: bool,
    },
    /// `never LABEL reaches TOOL`.
    NeverReaches(Label, u32),
}

/// Who answers or receives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// The owner.
    Owner,
    /// Who wrote the message that was taken last.
    Sender,
    /// Somebody, or a group, of `people`.
    Person(String),
    /// N of a group.
    Quorum(u32, String),
}

/// `migrate from vN { old -> new  drop x }`.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The version moved from.
    pub from: u32,
    /// Old names of states and slots, new ones.
    pub moves: Vec<(String, String)>,
    /// Slots that are given up.
    pub drops: Vec<String>,
    /// Place.
    pub span: Span,
}

/// `test "…" { … }`.
#[derive(Debug, Clone)]
pub struct Test {
    /// Title.
    pub name: String,
    /// Lines in order.
    pub lines: Vec<TestLine>,
    /// Place.
    pub span: Span,
}

/// A line of a test with its place.
#[derive(Debug, Clone)]
pub struct TestLine {
    /// What.
    pub kind: TestLineKind,
    /// Place.
    pub span: Span,
}

/// Lines of tests. Values are constant expressions.
#[derive(Debug, Clone)]
pub enum TestLineKind {
    /// A message arrives.
    Say(String),
    /// Something happens to the chat: `edited`, `reaction`, `joined` or `left`, and what.
    Happens(String, String),
    /// An event of a declared type arrives.
    Event(TypeId, Expr),
    /// The next `turn` asks for this call: grant and arguments.
    ModelCalls(u32, Vec<(String, Expr)>),
    /// The next `pick` or `fill` gives this value; a record may lack fields then.
    ModelPicks(Expr),
    /// The next `write` or `turn` gives this text.
    ModelSays(String),
    /// Every further call of a tool gives this value (of its result type).
    ToolGives(u32, Expr),
    /// Every further call of a tool fails.
    ToolFails(u32),
    /// What must (not) have happened since the last line that acts, or be true now.
    Expect {
        /// Whether it must not.
        negated: bool,
        /// What.
        what: Expected,
    },
    /// The process dies here and starts again.
    Crash,
    /// Time passes, milliseconds.
    Wait(i64),
    /// Somebody answers an approval.
    Answers(Who, bool),
    /// Somebody answers a question in words.
    Says(Who, String),
}

/// What a test expects.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A call of a tool.
    Call(u32),
    /// A reply, with this text or any.
    Reply(Option<String>),
    /// A message to somebody, with this text or any.
    Sent(Option<String>),
    /// The state in which the session stands.
    State(StateId),
}
