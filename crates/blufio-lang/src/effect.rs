// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract between the machine and whatever drives it: what the machine asks for, what it is told, and what
//! it decides. Both sides (and every fake) read this file and nothing else of each other.

use std::sync::Arc;

use crate::program::shape::ShapeId;
use crate::typed::{Delivery, MemoryScope, Who};
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

/// What an example of something that happens to a chat says: the new words, the sign, the name.
pub(crate) fn happening_sample(what: &str) -> &'static str {
    match what {
        "reaction" => "👍",
        "joined" | "left" => "Ben",
        _ => "hello",
    }
}

/// What happened, as the machine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message; the machine looks at its first word itself.
    Message(Arc<Message>),
    /// An event of a declared type, from a webhook or another agent; already validated.
    Declared {
        /// Index into [`crate::program::Program::events`].
        event: u32,
        /// What it carries.
        value: Value,
    },
    /// Something happened to the chat: `edited`, `reaction`, `joined`, `left`.
    Channel {
        /// The word.
        what: Arc<str>,
        /// Who, and what they wrote.
        message: Arc<Message>,
    },
    /// A wake came due.
    Wake {
        /// Which, as [`Action::SetWake`] numbered it.
        wake: u64,
    },
    /// A schedule fires: index into [`crate::program::Program::schedules`].
    Every(u32),
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
    /// `pick` and `fill`: a value of the type asked for, already validated (see `program::Program::value_from_json`).
    Picked(Value),
    /// `call`, `ask` of an agent, `recall`: a value of the shape that the effect names, already validated.
    Done(Value),
    /// `approve`: yes, with the text that the slot was corrected to, if it was.
    Yes(Option<Arc<str>>),
    /// `approve`: no.
    No,
    /// Nobody answered before the deadline.
    Late,
    /// `write`: the text.
    Wrote(Arc<str>),
    /// `turn`: the model spoke and asked for nothing. `ask` of a person: their answer.
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
    /// A model step that would exceed a budget, which frees up at this time (milliseconds since 1970) if it does.
    OverBudget(Option<i64>),
}

/// What the machine waits for. Deadlines are absolute, milliseconds since 1970, fixed when the step began.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A model step.
    Model(ModelEffect),
    /// `run c`.
    Run {
        /// Calls in order.
        calls: Arc<[ToolCall]>,
        /// Who approves dangerous calls when untrusted text was read.
        approved_by: Option<Who>,
        /// Until when.
        deadline_ms: Option<i64>,
    },
    /// `call`.
    Call {
        /// Index into [`crate::program::Program::tools`].
        grant: u32,
        /// Arguments as one JSON object, as the tool takes them.
        arguments: Arc<str>,
        /// Shape of the result, for [`crate::program::Program::value_of_shape`].
        shape: ShapeId,
        /// Further attempts.
        retries: u32,
    },
    /// `ask` an agent.
    AskAgent {
        /// Index into [`crate::program::Program::asks`].
        grant: u32,
        /// Arguments in the order of its parameters.
        arguments: Arc<[Value]>,
        /// Shape of what it gives.
        shape: ShapeId,
        /// Whether the conversation is handed over.
        here: bool,
        /// Whom it talks to.
        with: Option<Who>,
        /// Until when.
        deadline_ms: Option<i64>,
    },
    /// `ask` a person.
    AskPerson {
        /// Whom.
        whom: Who,
        /// Question.
        question: Arc<str>,
        /// Until when.
        deadline_ms: Option<i64>,
    },
    /// `approve`.
    Approve {
        /// Who decides.
        by: Who,
        /// What they are shown.
        question: Arc<str>,
        /// What they may correct.
        editing: Option<Arc<str>>,
        /// Until when.
        deadline_ms: Option<i64>,
    },
    /// `recall`.
    Recall {
        /// Query.
        query: Arc<str>,
        /// Where.
        scope: MemoryScope,
        /// Most results.
        top: u32,
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
    /// `fill`: a record of which any field may be missing; like a pick of that schema.
    Fill {
        /// Schema index.
        schema: u32,
        /// What is known already, as JSON.
        known: Arc<str>,
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
    /// What is remembered of the person is read.
    pub memory: bool,
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
    /// Message to somebody.
    Send(Who, Arc<str>, Delivery),
    /// The progress line of the conversation, which is edited and not kept in the history.
    Show(Arc<str>),
    /// Keep a text in memory.
    Remember {
        /// What.
        text: Arc<str>,
        /// Whose.
        scope: MemoryScope,
    },
    /// Give up what is remembered in a scope.
    ForgetMemory(MemoryScope),
    /// The transcript begins anew.
    ForgetHistory,
    /// Arm a wake of the session.
    SetWake {
        /// Its number, unique in the session.
        wake: u64,
        /// Absolute, milliseconds since 1970.
        due_ms: i64,
    },
    /// Disarm every wake of the session.
    ClearWakes,
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

/// An effect that the machine waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    /// Coordinate; with agent, version and session it is the idempotency key.
    pub id: EffectId,
    /// What to do.
    pub effect: Effect,
    /// Whether this step asked for it; otherwise it was asked for earlier: do not start it again, unless it was lost in
    /// a restart.
    pub fresh: bool,
}

/// Where the machine stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// Perform what is fresh and come back with [`Event::Resolved`] for each. More than one only within `each` and
    /// `together`.
    Await(Vec<Awaited>),
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
    /// A step that would have broken this rule; nothing of it was done.
    RuleBroken(Arc<str>),
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
