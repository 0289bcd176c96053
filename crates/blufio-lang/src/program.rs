// SPDX-License-Identifier: MIT OR Apache-2.0
//! A compiled program: code for the register machine with everything a machine and its runtime need to know. It is
//! plain data, has an identity (the SHA-256 of its content) and survives as bytes; bytes from outside are verified
//! before they become a program.

pub mod assemble;
pub mod bytes;
pub mod civil;
mod codec;
pub mod instruction;
mod landings;
pub mod monitor;
pub mod operand;
mod print;
pub mod shape;
#[cfg(test)]
mod tests;
mod verify;

pub use codec::{FORMAT_VERSION, ProgramError};
pub use print::NOTHING;
pub use verify::{VerifyError, verify};

use sha2::{Digest, Sha256};

use crate::program::instruction::Instruction;
use crate::program::shape::{Shape, ShapeId};
use crate::source::Span;
pub use crate::typed::{
    Budget, Context, Danger, Days, Delivery, EffectClass, History, Label, Labels, Limits, MemoryScope,
    Migration, Model, OutcomeKind, RatePeriod, Rest, ScheduleWhen, Who,
};
use crate::value::Value;

/// Most instructions that one program may have: a place in the code is 16 bits.
pub const INSTRUCTIONS_MAX: usize = u16::MAX as usize;
/// Most registers of each file.
pub const REGISTERS_MAX: usize = 16_384;
/// Most deadlines of one state.
pub const TIMERS_PER_STATE_MAX: usize = 64;

/// A compiled program. Built by `compile` or [`Program::from_bytes`]; either way it is verified.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Name of the agent.
    pub name: String,
    /// Version of the agent.
    pub version: u32,
    /// `goal`.
    pub goal: String,
    /// States; [`Program::start`] is one of them.
    pub states: Vec<State>,
    /// Index of the state where a session begins.
    pub start: u32,
    /// Model names with their chains of `provider/model`.
    pub models: Vec<Model>,
    /// What a prompt holds besides what a step names.
    pub context: Context,
    /// In which language values print; English without.
    pub language: Option<String>,
    /// Zone of local times without one of their own; UTC without.
    pub zone: Option<String>,
    /// Granted tools.
    pub tools: Vec<Tool>,
    /// Agents that may be asked.
    pub asks: Vec<Ask>,
    /// People and groups that steps name.
    pub people: Vec<Who>,
    /// Events of declared types that some handler waits for.
    pub events: Vec<Event>,
    /// Schedules.
    pub schedules: Vec<Schedule>,
    /// Rules that are watched while the program runs.
    pub monitors: Vec<monitor::Monitor>,
    /// Caps on calls, money and time.
    pub budget: Budget,
    /// How many of the first slots are parameters.
    pub parameters: u16,
    /// Shape of what `done` gives.
    pub gives: Option<ShapeId>,
    /// Shape of what wakes carry.
    pub wake: Option<ShapeId>,
    /// How sessions of other versions become ones of this.
    pub migrations: Vec<Migration>,
    /// Slots in the order of their declaration.
    pub slots: Vec<Slot>,
    /// Shapes that the code and the tables name.
    pub shapes: Vec<Shape>,
    /// What `pick` asks for.
    pub schemas: Vec<Schema>,
    /// Handlers that hold in every state.
    pub anywhere: Vec<Handler>,
    /// Places where a step waits for an effect.
    pub sites: Vec<Site>,
    /// Places where steps run for every item of a list.
    pub loops: Vec<Loop>,
    /// Code.
    pub code: Box<[Instruction]>,
    /// Place in the source of each instruction.
    pub spans: Box<[Span]>,
    /// Scalars that do not fit an instruction.
    pub scalar_constants: Box<[i64]>,
    /// Values that the code loads.
    pub value_constants: Box<[Value]>,
    /// Where everything lives in the register files.
    pub layout: Layout,
    pub(crate) derived: Derived,
}

/// What follows from the content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Derived {
    /// SHA-256 of the content.
    pub hash: [u8; 32],
    /// JSON Schema of each entry of [`Program::schemas`].
    pub schemas: Vec<String>,
    /// Whether any instruction can fail, so that handlers must be undone.
    pub can_fail: bool,
    /// What each monitor looks at.
    pub watch: monitor::Watch,
}

/// Where everything lives in the register files. State locals of different states share their place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Scalar registers in all.
    pub scalars: u16,
    /// Value registers in all.
    pub objects: u16,
    /// Slots.
    pub slots: Frame,
    /// Locals of the `anywhere` handlers.
    pub anywhere: Frame,
    /// First value register of what the pending effect was asked with.
    pub effect_first: u16,
    /// How many value registers that takes at the most.
    pub effect_objects: u16,
    /// Where the initial values of the slots are computed.
    pub initial: u16,
    /// Number of visit counters.
    pub counters: u16,
}

/// Registers that live together, with their shapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// First scalar register.
    pub scalar_first: u16,
    /// Shape of each.
    pub scalars: Vec<ShapeId>,
    /// First value register.
    pub object_first: u16,
    /// Shape of each.
    pub objects: Vec<ShapeId>,
}

impl Frame {
    /// One past the last register of each file: scalars, values.
    pub fn ends(&self) -> (u16, u16) {
        let end = |first: u16, count: usize| first.saturating_add(u16::try_from(count).unwrap_or(u16::MAX));
        (end(self.scalar_first, self.scalars.len()), end(self.object_first, self.objects.len()))
    }
}

/// A register of either file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Register {
    /// Scalar file.
    Scalar(u16),
    /// Value file.
    Object(u16),
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: ShapeId,
    /// Where it lives.
    pub register: Register,
}

/// A state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Name.
    pub name: String,
    /// Place of the name.
    pub span: Span,
    /// Visit cap.
    pub cap: Option<Cap>,
    /// Locals of body and handlers.
    pub frame: Frame,
    /// Where the deadlines are armed; absent without any.
    pub arm: Option<u16>,
    /// Where the body begins.
    pub body: u16,
    /// Handlers.
    pub handlers: Vec<Handler>,
    /// Deadlines.
    pub timers: Vec<Timer>,
    /// From where what sessions carry may come that wait in it; absent where none waits.
    pub rest: Option<Rest>,
}

/// `max N per event|session else S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Which counter of the machine.
    pub counter: u16,
    /// Visits allowed.
    pub visits_max: u32,
    /// Whether the counter resets at each event.
    pub per_event: bool,
    /// State entered instead.
    pub otherwise: u16,
}

/// A handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// What it waits for.
    pub trigger: Trigger,
    /// What it does.
    pub action: HandlerAction,
    /// Place.
    pub span: Span,
}

/// What a handler waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Any message.
    Message,
    /// A message whose first word is this.
    Word(String),
    /// A failure.
    Failed,
    /// An effect whose outcome is unknown.
    Uncertain,
    /// A model step that would exceed a budget.
    OverBudget,
    /// A wake.
    Wake,
    /// Index into [`Program::events`].
    Declared(u16),
    /// `edited`, `reaction`, `joined`, `left`.
    Channel(String),
    /// Index into [`Program::schedules`].
    Every(u16),
}

/// What a handler does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerAction {
    /// Keep the event in its place.
    Hold,
    /// Add the message to the history of the next model step.
    Join,
    /// Forget the event.
    Drop,
    /// Run code.
    Run {
        /// Where it begins.
        entry: u16,
        /// Register that receives the payload.
        binder: Option<Register>,
        /// Whether it contains no step that waits, so that it may run while another step is pending (ruling 1).
        quick: bool,
    },
}

/// `after D …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Where its steps begin.
    pub entry: u16,
    /// As in [`HandlerAction::Run`].
    pub quick: bool,
    /// Place.
    pub span: Span,
}

/// A place where a step waits for an effect. What the effect is asked with lies in the value registers from
/// [`Layout::effect_first`] on when it is asked for: of a model step the instruction, then the named values, then for
/// `fill` what is known; of a `run` the calls; of a request its values in the order of [`Asked`]; a deadline last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Which step, and where its outcome goes.
    pub purpose: Purpose,
    /// Index into [`Program::models`]; 0 for `run`.
    pub model: u16,
    /// Words written after `from`.
    pub from: Vec<String>,
    /// `with history`.
    pub history: bool,
    /// `with memory`.
    pub memory: bool,
    /// Further attempts.
    pub retries: u32,
    /// Place.
    pub span: Span,
}

/// Kinds of effect sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// `pick`.
    Pick {
        /// Index into [`Program::schemas`].
        schema: u16,
        /// Receives the value.
        into: Register,
        /// Where it goes on.
        resume: u16,
    },
    /// `write`.
    Write {
        /// Receives the text.
        into: Register,
        /// Where it goes on.
        resume: u16,
    },
    /// `fill`.
    Fill {
        /// Index into [`Program::schemas`]: the `so far` record.
        schema: u16,
        /// The slot.
        slot: u16,
        /// `complete`, `missing(q)`, `nothing`.
        landings: [Landing; 3],
    },
    /// `call`, `ask`, `approve`, `recall`.
    Request {
        /// What is asked.
        asked: Asked,
        /// Arms.
        landings: Vec<(OutcomeKind, Landing)>,
        /// Receives the value of `done` and `says` when no arm takes it.
        into: Option<Register>,
        /// Where it goes on then.
        resume: u16,
        /// Where outcomes without an arm go.
        otherwise: Option<u16>,
    },
    /// `turn`.
    Turn {
        /// Partial text reaches the person.
        stream: bool,
        /// `says`.
        says: Landing,
        /// `calls`.
        calls: Option<Landing>,
        /// `refuses`.
        refuses: Landing,
    },
    /// `run`.
    Run {
        /// Who approves dangerous calls, as an index into [`Program::people`].
        approved_by: Option<u16>,
        /// Whether there is a deadline.
        deadline: bool,
        /// Where it goes on.
        resume: u16,
    },
}

/// What a request asks. People are indexes into [`Program::people`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A tool; its values are the arguments in the order of its parameters.
    Call {
        /// Index into [`Program::tools`].
        grant: u16,
    },
    /// An agent; its values are the arguments in the order of its parameters.
    Agent {
        /// Index into [`Program::asks`].
        grant: u16,
        /// Whether the conversation is handed over.
        here: bool,
        /// Whom it talks to.
        with: Option<u16>,
        /// Whether there is a deadline.
        deadline: bool,
    },
    /// A person; its value is the question.
    Person {
        /// Whom.
        whom: u16,
        /// Whether there is a deadline.
        deadline: bool,
    },
    /// An approval; its values are the question and, when it may be corrected, the slot's text.
    Approval {
        /// Who.
        by: u16,
        /// Value register of the slot that may be corrected.
        editing: Option<u16>,
        /// Whether there is a deadline.
        deadline: bool,
    },
    /// Memory; its value is the query.
    Recall {
        /// Where.
        scope: MemoryScope,
        /// Most results.
        top: u16,
    },
}

/// A place where steps run for every item of a list. The list lies in the first effect register when it begins, the
/// deadline in the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// Receives the item.
    pub variable: Register,
    /// Where the steps begin.
    pub body: u16,
    /// Registers of one item's own.
    pub frame: Frame,
    /// Items at the same time.
    pub at_once: u16,
    /// Whether there is a deadline.
    pub deadline: bool,
    /// Value register of the list of results, and where an item's result lies at the end of its steps with its kind
    /// when it is a scalar.
    pub results: Option<(u16, Option<Register>, Option<ShapeId>)>,
    /// Where it goes on.
    pub resume: u16,
    /// Place.
    pub span: Span,
}

/// A granted tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Dotted name.
    pub tool: String,
    /// `in "notes/"`.
    pub folder: Option<String>,
    /// `to [...]`.
    pub to: Vec<String>,
    /// `only [...]`.
    pub only: Vec<String>,
    /// Most calls in a period.
    pub rate: Option<(u32, RatePeriod)>,
    /// Parameters in the manifest's order.
    pub parameters: Vec<Parameter>,
    /// Shape of the result; absent when the manifest names a type that has none.
    pub gives: Option<ShapeId>,
    /// What repeating a call does.
    pub effect: EffectClass,
    /// How much harm a call can do.
    pub danger: Danger,
    /// Label of the result.
    pub label: Option<Label>,
}

/// A parameter of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: ShapeId,
    /// Whether it selects what the call acts on.
    pub selects: bool,
}

/// An agent that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Agent.
    pub agent: String,
    /// Shapes of its parameters.
    pub parameters: Vec<ShapeId>,
    /// Shape of what it gives.
    pub gives: ShapeId,
    /// Tools passed on.
    pub with: Vec<String>,
    /// Most model calls.
    pub calls_max: Option<u32>,
}

/// An event of a declared type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Name of the type.
    pub name: String,
    /// Shape.
    pub shape: ShapeId,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// When it fires.
    pub when: ScheduleWhen,
    /// Zone.
    pub zone: Option<String>,
    /// Fingerprint calls: index into [`Program::tools`], arguments as JSON.
    pub when_changed: Vec<(u16, String)>,
    /// State in which it counts; anywhere without.
    pub state: Option<u16>,
}

/// Where one outcome of a `turn` goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landing {
    /// Register that receives the payload.
    pub into: Option<Register>,
    /// Where it goes on.
    pub at: u16,
}

/// What a `pick` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Shape of the answer.
    pub shape: ShapeId,
}

/// How many value registers the effect of a site is asked with.
pub(crate) fn asked_with(program: &Program, site: &Site) -> u16 {
    let named = u16::try_from(site.from.len()).unwrap_or(u16::MAX);
    match &site.purpose {
        Purpose::Pick { .. } | Purpose::Write { .. } | Purpose::Turn { .. } => named.saturating_add(1),
        Purpose::Fill { .. } => named.saturating_add(2),
        Purpose::Run { deadline, .. } => 1 + u16::from(*deadline),
        Purpose::Request { asked, .. } => match asked {
            Asked::Call { grant } => {
                program.tools.get(usize::from(*grant)).map_or(0, |tool| tool.parameters.len() as u16)
            }
            Asked::Agent { grant, deadline, .. } => {
                let given =
                    program.asks.get(usize::from(*grant)).map_or(0, |ask| ask.parameters.len() as u16);
                given + u16::from(*deadline)
            }
            Asked::Person { deadline, .. } => 1 + u16::from(*deadline),
            Asked::Approval { editing, deadline, .. } => {
                1 + u16::from(editing.is_some()) + u16::from(*deadline)
            }
            Asked::Recall { .. } => 1,
        },
    }
}

impl Program {
    /// Identity: the SHA-256 of the content.
    pub fn hash(&self) -> [u8; 32] {
        self.derived.hash
    }

    /// Instructions, schemas, slots and states as text; `assemble` reads the code back.
    pub fn disassemble(&self) -> String {
        assemble::disassemble(self)
    }

    /// Place in the source of an instruction.
    pub fn span_at(&self, at: u16) -> Span {
        self.spans.get(usize::from(at)).copied().unwrap_or_default()
    }

    /// Whether anything waits for what happens to a chat: `edited`, `reaction`, `joined`, `left`.
    pub fn listens(&self, what: &str) -> bool {
        let mut handlers = self.states.iter().flat_map(|state| &state.handlers).chain(&self.anywhere);
        handlers.any(|handler| matches!(&handler.trigger, Trigger::Channel(word) if word == what))
    }

    /// Largest number of model calls that one event may cause.
    pub fn calls_per_event_max(&self) -> Option<u32> {
        self.budget.message.calls.map(|(calls, _)| calls)
    }

    /// Whether nothing happens from this place on.
    pub(crate) fn is_empty_at(&self, at: u16) -> bool {
        self.code.get(usize::from(at)) == Some(&Instruction::End())
    }

    /// The shape with this index, if there is one.
    pub fn shape(&self, id: ShapeId) -> Option<&Shape> {
        self.shapes.get(usize::from(id.0))
    }

    /// Verifies the content and computes what follows from it.
    pub(crate) fn seal(mut self) -> Result<Self, VerifyError> {
        verify(&self)?;
        self.derived.schemas = crate::schema::generate(&self);
        self.derived.can_fail = self.code.iter().any(|instruction| instruction.can_fail());
        self.derived.watch = monitor::Watch::of(&self);
        self.derived.hash = Sha256::digest(self.content()).into();
        Ok(self)
    }
}
