// SPDX-License-Identifier: MIT OR Apache-2.0
//! A compiled program: code for the register machine with everything a machine and its runtime need to know. It is
//! plain data, has an identity (the SHA-256 of its content) and survives as bytes; bytes from outside are verified
//! before they become a program.

pub mod assemble;
pub mod bytes;
pub mod civil;
mod codec;
pub mod instruction;
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
pub use crate::typed::{Context, History, Model, ToolGrant};
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
    /// Granted tools.
    pub tools: Vec<ToolGrant>,
    /// Largest number of model calls that one event may cause.
    pub calls_per_event_max: Option<u32>,
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
        /// Value register that receives the message or the failure.
        binder: Option<u16>,
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

/// A place where a step waits for an effect. What the effect was asked with lies in the value registers from
/// [`Layout::effect_first`] on: the calls of a `run`; else the instruction, then the named values.
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
        into: u16,
        /// Where it goes on.
        resume: u16,
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
        /// Where it goes on.
        resume: u16,
    },
}

/// Where one outcome of a `turn` goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landing {
    /// Value register that receives the payload.
    pub into: Option<u16>,
    /// Where it goes on.
    pub at: u16,
}

/// What a `pick` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Shape of the answer.
    pub shape: ShapeId,
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
        self.derived.hash = Sha256::digest(self.content()).into();
        Ok(self)
    }
}
