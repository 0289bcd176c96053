// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract between the machine and whatever drives it: what the machine asks for, what it is told, and what
//! it decides. Both sides (and every fake) read this file and nothing else of each other.

use std::sync::Arc;

use crate::value::{Failure, Message, ToolCall, Value};

/// Names one effect of a session: the visit (state entries counted from 1 over the session's life) and the number
/// of the effect within that visit. Results with an older coordinate are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EffectId {
    /// Visit number.
    pub visit: u64,
    /// Number within the visit, from 0.
    pub number: u32,
}

/// What happened, as the machine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message; the machine looks at its first word itself.
    Message(Arc<Message>),
    /// A deadline of the current state came due.
    Timer {
        /// Visit in which it was set.
        visit: u64,
        /// Which `after` of the state.
        timer: u32,
    },
    /// The pending effect ended.
    Resolved {
        /// Which effect.
        effect: EffectId,
        /// How.
        outcome: Outcome,
    },
}

/// What the current state does with an event that has not been taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Step it now.
    Take,
    /// `hold`, or a handler that must wait for the pending step: leave it in the mailbox, offer it again after the
    /// next step.
    Hold,
    /// `join`: mark it joined (sticky). The next effect with `history` absorbs it; a state that handles messages
    /// takes it as an event.
    Join,
    /// `drop`, or no handler at all: consume it.
    Drop,
    /// The event is stale (an old timer or result): consume it and journal that it came late.
    Stale,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// `pick`: a value of the type asked for, already validated (see `program::Program::value_from_json`).
    Picked(Value),
    /// `write`: the text.
    Wrote(Arc<str>),
    /// `turn`: the model spoke and asked for nothing.
    Said(Arc<str>),
    /// `turn`: the model wants tools.
    Called(Arc<[ToolCall]>),
    /// `turn`: the model declined.
    Refused(Arc<str>),
    /// `run`: every call has its result in the history.
    Ran,
    /// Any step.
    Failed(Arc<Failure>),
    /// A `once` effect whose outcome is unknown.
    Uncertain,
}

/// What the machine waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A model step.
    Model(ModelEffect),
    /// `run c`.
    Run {
        /// Calls in order.
        calls: Arc<[ToolCall]>,
    },
}

/// Which model step it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPurpose {
    /// `pick`: index into the program's schema table.
    Pick {
        /// Schema index (`program::Program::schema_json`, `value_from_json`).
        schema: u32,
    },
    /// `write`.
    Write,
    /// `turn`.
    Turn {
        /// Partial text goes to the person.
        stream: bool,
    },
}

/// A model step, with everything a prompt may hold that the context policy does not add.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEffect {
    /// Which step.
    pub purpose: ModelPurpose,
    /// Index into the program's model table.
    pub model: u32,
    /// Named values: the words written after `from`, and the value printed for a prompt (JSON for compound values).
    pub from: Vec<(Arc<str>, Arc<str>)>,
    /// Inbox ids of messages named in `from`, so that `with history` does not repeat them (ruling 4).
    pub from_messages: Vec<i64>,
    /// The transcript is read (and, for `turn`, extended).
    pub history: bool,
    /// Further attempts when the answer does not fit.
    pub retries: u32,
    /// Instruction.
    pub instruction: Arc<str>,
}

/// What a step decided besides its effect; applied in the same transaction, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answer in the conversation of the last taken message.
    Reply(Arc<str>),
    /// Message to the owner.
    SendOwner(Arc<str>),
    /// Arm a deadline of the current visit.
    SetTimer {
        /// Visit.
        visit: u64,
        /// Which `after`.
        timer: u32,
        /// Absolute, milliseconds since 1970.
        due_ms: i64,
    },
    /// Disarm every deadline of the session (a state was left).
    ClearTimers,
    /// The pending effect is no longer wanted (a handler or a deadline left the state): cancel it, drop its result.
    CancelEffect(EffectId),
    /// The session went from one state to another; for the journal, `status` and diagrams.
    Moved {
        /// State left; `None` at the start.
        from: Option<u32>,
        /// State entered.
        to: u32,
    },
}

/// Where the machine stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// Perform this and come back with [`Event::Resolved`]. Also returned while an effect of an earlier step is
    /// still pending (`fresh` is false then: do not start it again, unless it is lost after a restart).
    Await {
        /// Coordinate; with agent, version and session it is the idempotency key.
        id: EffectId,
        /// What to do.
        effect: Effect,
        /// Whether this step asked for it.
        fresh: bool,
    },
    /// Nothing pending; the session waits for events.
    Idle,
    /// The session ended.
    Done(Option<Value>),
    /// The session cannot go on: it is parked and the owner is told (ruling 8).
    Fault(Fault),
}

/// Why a session is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A failure inside the target of a failure handler.
    FailedTwice(Arc<Failure>),
    /// A failure that no handler takes (cannot happen in a checked program).
    Unhandled(Arc<Failure>),
    /// An uncertain effect that no handler takes (cannot happen in a checked program).
    UnhandledUncertain,
    /// One step used more instructions than [`FUEL_PER_STEP`].
    OutOfFuel,
    /// A visit cap whose target is capped too, back and forth, or more than [`TRANSITIONS_PER_STEP_MAX`] transitions
    /// without waiting.
    TooManyTransitions,
    /// The bytecode broke its own rules (cannot happen after verification).
    Corrupt(&'static str),
}

/// What one step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    /// Decisions, in order.
    pub actions: Vec<Action>,
    /// Where it stopped.
    pub stop: Stop,
}

/// Instructions that one step may execute.
pub const FUEL_PER_STEP: u64 = 10_000_000;
/// Transitions that one step may make without waiting.
pub const TRANSITIONS_PER_STEP_MAX: u32 = 10_000;
