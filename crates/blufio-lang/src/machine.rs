// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: one session of a program. `step` takes one event and runs to the next wait; it is pure, so the same
//! events at the same times give the same states, and all that a suspended session is fits into a few hundred bytes.
//!
//! Code runs in segments: a state's body, a handler, a deadline's steps, or what follows an effect's outcome, each up
//! to its end, its arrow or the next wait. A segment that fails is taken back whole (ruling 6), then the failure
//! handlers are asked.

mod codec;
mod effects;
mod execute;
mod objects;
#[cfg(test)]
mod tests;
mod transition;

pub use codec::DecodeError;

use crate::effect::{Action, Disposition, Effect, EffectId, Event, Fault, StepResult, Stop};
use crate::machine::execute::Context;
use crate::program::{Handler, HandlerAction, Program, Trigger};
use crate::value::{Message, Value};

/// One session of a program.
#[derive(Debug, Clone)]
pub struct Machine {
    /// First bytes of the hash of its program.
    program: [u8; 8],
    status: Status,
    state: u32,
    /// State entries so far.
    visit: u64,
    /// Effects asked for in this visit.
    effects: u32,
    /// Model calls asked for since the last message.
    calls: u32,
    pending: Option<Pending>,
    /// The visit that a failure handler of `anywhere` led to, until the next event; 0 for none (ruling 8).
    failure_visit: u64,
    /// Deadlines of this visit that came due, by bit.
    fired: u64,
    live: Live,
    counters: Vec<u32>,
    scalars: Vec<i64>,
    objects: Vec<Value>,
    before: Before,
}

/// What was alive before the segment that runs now; kept between steps only for its memory.
#[derive(Debug, Clone, Default)]
struct Before {
    scalars: Vec<i64>,
    objects: Vec<Value>,
    actions: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Not started.
    Fresh,
    Running,
    Done,
    /// A fault was returned.
    Parked,
}

/// The effect that the session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    site: u16,
    number: u32,
    origin: Origin,
    /// Value registers that it was asked with.
    objects: u16,
}

/// Which registers are alive at a wait: the frames lie one behind the other from the first register on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Live {
    scalars: u16,
    objects: u16,
    effect_first: u16,
}

/// What kind of code runs, for deciding who takes its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A body, a handler or a deadline.
    Plain,
    /// A state's handler of `failed` or `uncertain`.
    StateFailure,
    /// A handler of `failed` or `uncertain` in `anywhere`.
    AnywhereFailure,
}

/// A segment to run.
#[derive(Debug)]
struct Segment {
    entry: u16,
    /// Value register and what it receives before the first instruction.
    bind: Option<(u16, Value)>,
    origin: Origin,
}

/// What an event meets.
enum Taken<'p> {
    Handler(&'p Handler),
    Timer(u16),
    Outcome,
}

impl Machine {
    /// A session that has not started.
    pub fn new(program: &Program) -> Self {
        Self {
            program: prefix(program),
            status: Status::Fresh,
            state: program.start,
            visit: 0,
            effects: 0,
            calls: 0,
            pending: None,
            failure_visit: 0,
            fired: 0,
            live: live(program, program.start),
            counters: vec![0; usize::from(program.layout.counters)],
            scalars: vec![0; usize::from(program.layout.scalars)],
            objects: vec![Value::None; usize::from(program.layout.objects)],
            before: Before::default(),
        }
    }

    /// Computes the slots' initial values and enters the start state. `now_ms` is in milliseconds since 1970.
    pub fn start(&mut self, program: &Program, now_ms: i64) -> StepResult {
        let mut context = Context::new(program, now_ms);
        let stop = if !self.belongs_to(program) || self.status != Status::Fresh {
            Stop::Fault(Fault::Corrupt("started twice, or with another program"))
        } else {
            self.status = Status::Running;
            self.begin(&mut context)
        };
        self.result(context, stop)
    }

    /// What the session does with an event now.
    pub fn disposition(&self, program: &Program, event: &Event) -> Disposition {
        match self.meet(program, event) {
            Ok(_) => Disposition::Take,
            Err(disposition) => disposition,
        }
    }

    /// Takes one event. An event that [`Machine::disposition`] would not take changes nothing.
    pub fn step(&mut self, program: &Program, event: Event, now_ms: i64) -> StepResult {
        let mut context = Context::new(program, now_ms);
        if !self.belongs_to(program) {
            return self.result(context, Stop::Fault(Fault::Corrupt("stepped with another program")));
        }
        let stop = match (self.meet(program, &event), event) {
            (Ok(Taken::Handler(handler)), Event::Message(message)) => {
                self.take_message(&mut context, handler, message)
            }
            (Ok(Taken::Timer(entry)), Event::Timer { timer, .. }) => {
                self.fired |= 1 << timer.min(63);
                self.failure_visit = 0;
                self.drive(&mut context, Segment { entry, bind: None, origin: Origin::Plain })
            }
            (Ok(Taken::Outcome), Event::Resolved { outcome, .. }) => self.resume(&mut context, outcome),
            _ => self.rest(program),
        };
        self.result(context, stop)
    }

    /// The effect that the session waits for, rebuilt from its registers.
    pub fn pending(&self, program: &Program) -> Option<(EffectId, Effect)> {
        let pending = self.pending?;
        if !self.belongs_to(program) {
            return None;
        }
        Some((EffectId { visit: self.visit, number: pending.number }, self.effect(program, pending.site)?))
    }

    /// Index of the current state.
    pub fn state(&self) -> u32 {
        self.state
    }

    /// State entries so far.
    pub fn visit(&self) -> u64 {
        self.visit
    }

    /// Model calls asked for since the last message that was taken.
    pub fn model_calls(&self) -> u32 {
        self.calls
    }

    /// Whether the session ended.
    pub fn is_finished(&self) -> bool {
        self.status == Status::Done
    }

    /// Whether a fault parked the session.
    pub fn is_parked(&self) -> bool {
        self.status == Status::Parked
    }

    /// A slot's value, for `inspect` and tests.
    pub fn slot(&self, program: &Program, name: &str) -> Option<Value> {
        let slot = program.slots.iter().find(|slot| slot.name == name)?;
        match slot.register {
            crate::program::Register::Object(index) => self.objects.get(usize::from(index)).cloned(),
            crate::program::Register::Scalar(index) => {
                let value = *self.scalars.get(usize::from(index))?;
                objects::wrap(objects::kind_of(program.shape(slot.shape)?), value)
            }
        }
    }

    fn belongs_to(&self, program: &Program) -> bool {
        self.program == prefix(program)
            && self.scalars.len() == usize::from(program.layout.scalars)
            && self.objects.len() == usize::from(program.layout.objects)
            && self.counters.len() == usize::from(program.layout.counters)
            && (self.state as usize) < program.states.len()
    }

    fn result(&mut self, context: Context<'_>, stop: Stop) -> StepResult {
        if matches!(stop, Stop::Fault(_)) {
            self.status = Status::Parked;
        }
        StepResult { actions: context.actions, stop }
    }

    /// Where the session stands when nothing runs.
    fn rest(&self, program: &Program) -> Stop {
        match (self.status, self.pending(program)) {
            (Status::Done, _) => Stop::Done(None),
            (Status::Parked, _) => Stop::Fault(Fault::Corrupt("the session is parked")),
            (_, Some((id, effect))) => Stop::Await { id, effect, fresh: false },
            (_, None) => Stop::Idle,
        }
    }

    /// What takes the event now, or what becomes of it.
    fn meet<'p>(&self, program: &'p Program, event: &Event) -> Result<Taken<'p>, Disposition> {
        let state = program.states.get(self.state as usize).filter(|_| self.status == Status::Running);
        match (event, state) {
            (Event::Message(_), None) => Err(Disposition::Hold),
            (_, None) => Err(Disposition::Stale),
            (Event::Resolved { effect, .. }, Some(_)) => {
                let expected =
                    self.pending.map(|pending| EffectId { visit: self.visit, number: pending.number });
                if expected == Some(*effect) { Ok(Taken::Outcome) } else { Err(Disposition::Stale) }
            }
            (Event::Timer { visit, timer }, Some(state)) => {
                let Some(found) = state.timers.get(*timer as usize) else { return Err(Disposition::Stale) };
                if *visit != self.visit || self.fired >> timer & 1 == 1 {
                    return Err(Disposition::Stale);
                }
                if self.pending.is_some() && !found.quick {
                    Err(Disposition::Hold)
                } else {
                    Ok(Taken::Timer(found.entry))
                }
            }
            (Event::Message(message), Some(_)) => match self.message_handler(program, message) {
                None => Err(Disposition::Drop),
                Some(handler) => match handler.action {
                    HandlerAction::Hold => Err(Disposition::Hold),
                    HandlerAction::Join => Err(Disposition::Join),
                    HandlerAction::Drop => Err(Disposition::Drop),
                    // Ruling 1: while a step is pending, a handler that would wait itself waits its turn.
                    HandlerAction::Run { quick: false, .. } if self.pending.is_some() => {
                        Err(Disposition::Hold)
                    }
                    HandlerAction::Run { .. } => Ok(Taken::Handler(handler)),
                },
            },
        }
    }

    /// An exact word beats `message`; for the same trigger the state beats `anywhere`.
    fn message_handler<'p>(&self, program: &'p Program, message: &Message) -> Option<&'p Handler> {
        let first = message.text.split_whitespace().next();
        let word = |trigger: &Trigger| matches!(trigger, Trigger::Word(word) if Some(word.as_str()) == first);
        let any = |trigger: &Trigger| *trigger == Trigger::Message;
        self.handler(program, word).or_else(|| self.handler(program, any)).map(|(handler, _)| handler)
    }

    /// The handler of a trigger, and whether it is one of `anywhere`.
    fn handler<'p>(
        &self,
        program: &'p Program,
        trigger: impl Fn(&Trigger) -> bool,
    ) -> Option<(&'p Handler, bool)> {
        let state = program.states.get(self.state as usize)?;
        let own =
            state.handlers.iter().find(|handler| trigger(&handler.trigger)).map(|handler| (handler, false));
        own.or_else(|| {
            program.anywhere.iter().find(|handler| trigger(&handler.trigger)).map(|handler| (handler, true))
        })
    }

    fn take_message(
        &mut self,
        context: &mut Context<'_>,
        handler: &Handler,
        message: std::sync::Arc<Message>,
    ) -> Stop {
        // Ruling 10: counters per event reset at messages.
        self.calls = 0;
        self.failure_visit = 0;
        for cap in context.program.states.iter().filter_map(|state| state.cap).filter(|cap| cap.per_event) {
            if let Some(counter) = self.counters.get_mut(usize::from(cap.counter)) {
                *counter = 0;
            }
        }
        let HandlerAction::Run { entry, binder, .. } = handler.action else {
            return self.rest(context.program);
        };
        let bind = binder.map(|register| (register, Value::Message(message)));
        self.drive(context, Segment { entry, bind, origin: Origin::Plain })
    }

    fn cancel_pending(&mut self, context: &mut Context<'_>) {
        if let Some(pending) = self.pending.take() {
            context
                .actions
                .push(Action::CancelEffect(EffectId { visit: self.visit, number: pending.number }));
        }
    }
}

fn live(program: &Program, state: u32) -> Live {
    let layout = &program.layout;
    let frame = program.states.get(state as usize).map_or(&layout.anywhere, |state| &state.frame);
    let (scalars, objects) = frame.ends();
    Live { scalars, objects, effect_first: layout.effect_first }
}

fn prefix(program: &Program) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = program.derived.hash;
    [a, b, c, d, e, f, g, h]
}
