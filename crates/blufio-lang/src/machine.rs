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
mod migrate;
mod monitors;
mod objects;
mod parallel;
#[cfg(test)]
pub(crate) mod shadow;
#[cfg(test)]
pub(crate) mod tests;
mod transition;

pub use codec::DecodeError;
pub use migrate::{Holder, Stays};

use crate::effect::{Action, Awaited, Disposition, Effect, EffectId, Event, Fault, StepResult, Stop};
use crate::machine::execute::{Context, Wake};
use crate::machine::monitors::Happened;
use crate::machine::parallel::Parallel;
use crate::program::{Handler, HandlerAction, Program, Register, Trigger};
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
    /// Effects that are waited for: one, or several within `each` and `together`.
    pending: Vec<Pending>,
    /// Where `together` goes on.
    gather: Option<u16>,
    /// The loop under way.
    each: Option<Parallel>,
    wakes: Vec<Wake>,
    /// Number of the next wake.
    wake_next: u64,
    /// The visit that a failure handler of `anywhere` led to, until the next event; 0 for none (ruling 8).
    failure_visit: u64,
    /// Deadlines of this visit that came due, by bit.
    fired: u64,
    live: Live,
    counters: Vec<u32>,
    /// The number of each monitor.
    rules: Vec<u32>,
    scalars: Vec<i64>,
    objects: Vec<Value>,
    before: Before,
    /// Labels that the session really meets.
    #[cfg(test)]
    shadow: Option<Box<shadow::Shadow>>,
}

/// What was alive before the segment that runs now; kept between steps only for its memory.
#[derive(Debug, Clone, Default)]
struct Before {
    scalars: Vec<i64>,
    objects: Vec<Value>,
    actions: usize,
    wakes: Vec<Wake>,
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

/// An effect that the session waits for.
#[derive(Debug, Clone, PartialEq)]
struct Pending {
    site: u16,
    number: u32,
    origin: Origin,
    place: Place,
    /// What it is asked with.
    values: Box<[Value]>,
    /// Whether the step that runs now asked for it.
    fresh: bool,
}

/// For whom an effect is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The code that waits.
    Alone,
    /// A branch of `together`.
    Branch,
    /// An item of `each`.
    Item(u32),
}

/// Which registers are alive at a wait: the frames lie one behind the other from the first register on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Live {
    scalars: u16,
    objects: u16,
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
    /// Register and what it receives before the first instruction.
    bind: Option<(Register, Value)>,
    origin: Origin,
}

/// What an event meets.
enum Taken<'p> {
    Handler(&'p Handler),
    Timer(u16),
    /// The time of the loop under way is over.
    Late,
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
            pending: Vec::new(),
            gather: None,
            each: None,
            wakes: Vec::new(),
            wake_next: 0,
            failure_visit: 0,
            fired: 0,
            live: live(program, program.start),
            counters: vec![0; usize::from(program.layout.counters)],
            rules: vec![0; program.monitors.len()],
            scalars: vec![0; usize::from(program.layout.scalars)],
            objects: vec![Value::None; usize::from(program.layout.objects)],
            before: Before::default(),
            #[cfg(test)]
            shadow: None,
        }
    }

    /// Computes the slots' initial values and enters the start state. `now_ms` is in milliseconds since 1970.
    pub fn start(&mut self, program: &Program, now_ms: i64) -> StepResult {
        self.start_with(program, &[], now_ms)
    }

    /// Like [`Machine::start`], with the values of the parameters in their order.
    pub fn start_with(&mut self, program: &Program, parameters: &[Value], now_ms: i64) -> StepResult {
        let mut context = Context::new(program, now_ms);
        let stop = if !self.belongs_to(program) || self.status != Status::Fresh {
            Stop::Fault(Fault::Corrupt("started twice, or with another program"))
        } else {
            self.status = Status::Running;
            self.begin(&mut context, parameters)
        };
        self.result(context, stop)
    }

    /// What the session does with an event now.
    pub fn disposition(&self, program: &Program, event: &Event) -> Disposition {
        match self.meet(program, event, &self.wakes) {
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
        context.wakes = std::mem::take(&mut self.wakes);
        context.wake_next = self.wake_next;
        let stop = match (self.meet(program, &event, &context.wakes), event) {
            (Ok(Taken::Handler(handler)), event) => {
                context.happened = Happened::event(&event);
                let value = match event {
                    Event::Message(message) | Event::Channel { message, .. } => Value::Message(message),
                    Event::Declared { value, .. } => value,
                    Event::Wake { wake } => {
                        let at = context.wakes.iter().position(|known| known.number == wake);
                        at.map_or(Value::None, |at| context.wakes.remove(at).with)
                    }
                    _ => Value::None,
                };
                self.take_event(&mut context, handler, value)
            }
            (Ok(Taken::Late), _) => self.end_each_late(&mut context),
            (Ok(Taken::Timer(entry)), Event::Timer { timer, .. }) => {
                self.fired |= 1 << timer.min(63);
                self.failure_visit = 0;
                #[cfg(test)]
                self.shadow_takes(program, entry);
                self.drive(&mut context, Segment { entry, bind: None, origin: Origin::Plain })
            }
            (Ok(Taken::Outcome), Event::Resolved { effect, outcome }) => {
                context.happened = Happened::outcome(program, &self.pending, effect.number, &outcome);
                self.resume(&mut context, effect.number, outcome)
            }
            _ => self.rest(program),
        };
        self.result(context, stop)
    }

    /// The effects that the session waits for, rebuilt from what they were asked with.
    pub fn pending(&self, program: &Program) -> Vec<(EffectId, Effect)> {
        if !self.belongs_to(program) {
            return Vec::new();
        }
        let effect = |pending: &Pending| {
            let effect = effects::effect(program, pending.site, &pending.values)?;
            Some((EffectId { visit: self.visit, number: pending.number }, effect))
        };
        self.pending.iter().filter_map(effect).collect()
    }

    /// Pending wakes: number and when they are due, milliseconds since 1970.
    pub fn wakes(&self) -> impl Iterator<Item = (u64, i64)> {
        self.wakes.iter().map(|wake| (wake.number, wake.due_ms))
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
            Register::Object(index) => self.objects.get(usize::from(index)).cloned(),
            Register::Scalar(index) => {
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
            && self.rules.len() == program.monitors.len()
            && (self.state as usize) < program.states.len()
    }

    fn result(&mut self, mut context: Context<'_>, mut stop: Stop) -> StepResult {
        if !context.program.monitors.is_empty()
            && !matches!(stop, Stop::Fault(_))
            && let Some(fault) = self.watch(&context, &stop)
        {
            context.actions.clear();
            self.pending.clear();
            self.gather = None;
            self.each = None;
            stop = Stop::Fault(fault);
        }
        self.wakes = context.wakes;
        self.wake_next = context.wake_next;
        if matches!(stop, Stop::Fault(_)) {
            self.status = Status::Parked;
        }
        StepResult { actions: context.actions, stop }
    }

    /// Where the session stands when nothing runs.
    fn rest(&mut self, program: &Program) -> Stop {
        match self.status {
            Status::Done => return Stop::Done(None),
            Status::Parked => return Stop::Fault(Fault::Corrupt("the session is parked")),
            _ => {}
        }
        let visit = self.visit;
        let mut awaited = Vec::with_capacity(self.pending.len());
        for pending in &mut self.pending {
            let Some(effect) = effects::effect(program, pending.site, &pending.values) else {
                return Stop::Fault(Fault::Corrupt("an effect without its values"));
            };
            let id = EffectId { visit, number: pending.number };
            awaited.push(Awaited { id, effect, fresh: std::mem::take(&mut pending.fresh) });
        }
        if awaited.is_empty() { Stop::Idle } else { Stop::Await(awaited) }
    }

    /// What takes the event now, or what becomes of it.
    fn meet<'p>(
        &self,
        program: &'p Program,
        event: &Event,
        wakes: &[Wake],
    ) -> Result<Taken<'p>, Disposition> {
        let state = program.states.get(self.state as usize).filter(|_| self.status == Status::Running);
        let Some(state) = state else {
            return Err(match event {
                Event::Message(_) | Event::Declared { .. } => Disposition::Hold,
                Event::Channel { .. } | Event::Every(_) => Disposition::Drop,
                _ => Disposition::Stale,
            });
        };
        let is_busy = !self.pending.is_empty();
        match event {
            Event::Resolved { effect, .. } => {
                let is_pending = self.pending.iter().any(|pending| pending.number == effect.number);
                if effect.visit == self.visit && is_pending {
                    Ok(Taken::Outcome)
                } else {
                    Err(Disposition::Stale)
                }
            }
            Event::Timer { visit, timer } => self.meet_timer(state, *visit, *timer),
            Event::Message(message) => {
                let handler = self.message_handler(program, message);
                handler.map_or(Err(Disposition::Drop), |handler| met(handler, is_busy))
            }
            Event::Declared { event, .. } => {
                let trigger = Trigger::Declared(u16::try_from(*event).unwrap_or(u16::MAX));
                let handler = self.handler(program, |known| *known == trigger);
                handler.map_or(Err(Disposition::Drop), |(handler, _)| met(handler, is_busy))
            }
            Event::Channel { what, .. } => {
                let is_it = |known: &Trigger| matches!(known, Trigger::Channel(word) if **word == **what);
                let handler = self.handler(program, is_it);
                handler.map_or(Err(Disposition::Drop), |(handler, _)| met(handler, is_busy))
            }
            // Ruling 9: wakes wait while a step is pending, and for a state that takes them.
            Event::Wake { wake } if !wakes.iter().any(|known| known.number == *wake) => {
                Err(Disposition::Stale)
            }
            Event::Wake { .. } => {
                let handler = self.handler(program, |known| *known == Trigger::Wake).filter(|_| !is_busy);
                handler.map_or(Err(Disposition::Hold), |(handler, _)| met(handler, is_busy))
            }
            // Ruling 9: schedules are skipped while busy.
            Event::Every(schedule) => {
                let trigger = Trigger::Every(u16::try_from(*schedule).unwrap_or(u16::MAX));
                let handler = self.handler(program, |known| *known == trigger).filter(|_| !is_busy);
                handler.map_or(Err(Disposition::Drop), |(handler, _)| met(handler, is_busy))
            }
        }
    }

    fn meet_timer<'p>(
        &self,
        state: &crate::program::State,
        visit: u64,
        timer: u32,
    ) -> Result<Taken<'p>, Disposition> {
        if visit == self.visit
            && let Some(parallel) = &self.each
            && parallel.timer == Some(timer)
        {
            return Ok(Taken::Late);
        }
        let Some(found) = state.timers.get(timer as usize) else { return Err(Disposition::Stale) };
        if visit != self.visit || self.fired >> timer & 1 == 1 {
            return Err(Disposition::Stale);
        }
        if !self.pending.is_empty() && !found.quick {
            Err(Disposition::Hold)
        } else {
            Ok(Taken::Timer(found.entry))
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

    fn take_event(&mut self, context: &mut Context<'_>, handler: &Handler, value: Value) -> Stop {
        // Ruling 10: counters per event reset at messages, webhooks, schedules and wakes.
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
        #[cfg(test)]
        self.shadow_takes(context.program, entry);
        let bind = binder.map(|register| (register, value));
        self.drive(context, Segment { entry, bind, origin: Origin::Plain })
    }

    /// Gives up every pending effect, and the loop or the branches that they belong to.
    fn cancel_pending(&mut self, context: &mut Context<'_>) {
        for pending in self.pending.drain(..) {
            let id = EffectId { visit: self.visit, number: pending.number };
            context.actions.push(Action::CancelEffect(id));
        }
        self.gather = None;
        self.each = None;
    }
}

/// What a handler does with an event of the world (ruling 1): while a step is pending, a handler that would wait itself
/// waits its turn.
fn met(handler: &Handler, is_busy: bool) -> Result<Taken<'_>, Disposition> {
    match handler.action {
        HandlerAction::Hold => Err(Disposition::Hold),
        HandlerAction::Join => Err(Disposition::Join),
        HandlerAction::Drop => Err(Disposition::Drop),
        HandlerAction::Run { quick: false, .. } if is_busy => Err(Disposition::Hold),
        HandlerAction::Run { .. } => Ok(Taken::Handler(handler)),
    }
}

fn live(program: &Program, state: u32) -> Live {
    let layout = &program.layout;
    let frame = program.states.get(state as usize).map_or(&layout.anywhere, |state| &state.frame);
    let (scalars, objects) = frame.ends();
    Live { scalars, objects }
}

fn prefix(program: &Program) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = program.derived.hash;
    [a, b, c, d, e, f, g, h]
}
