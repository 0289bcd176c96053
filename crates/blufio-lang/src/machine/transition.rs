// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments, state changes and failures: the part of the semantics that is not arithmetic.

use std::sync::Arc;

use super::effects::{asked_values, can_ask};
use super::execute::{Context, Exit, Trap, execute};
use super::{Machine, Origin, Pending, Place, Segment, Status};
use crate::effect::{Action, Fault, Stop, TRANSITIONS_PER_STEP_MAX};
use crate::program::{Frame, HandlerAction, Program, Purpose, Trigger};
use crate::value::{Failure, FailureKind, Value};

impl Machine {
    /// Initial values, then the start state.
    pub(super) fn begin(&mut self, context: &mut Context<'_>, parameters: &[Value]) -> Stop {
        #[cfg(test)]
        self.shadowed(|shadow| shadow.silent = true);
        let exit = self.execute(context, context.program.layout.initial);
        #[cfg(test)]
        self.shadowed(|shadow| shadow.silent = false);
        match exit {
            Exit::End => {}
            Exit::Trap(Trap::Arithmetic(detail) | Trap::Invalid(detail)) => {
                return Stop::Fault(Fault::Unhandled(Arc::new(failure(FailureKind::Arithmetic, detail))));
            }
            _ => return Stop::Fault(Fault::Corrupt("initial values must end")),
        }
        let program = context.program;
        if parameters.len() != usize::from(program.parameters) {
            return Stop::Fault(Fault::Corrupt("another number of parameters"));
        }
        for (slot, value) in program.slots.iter().zip(parameters) {
            let fits = crate::program::shape::conforms(&program.shapes, slot.shape, value);
            if !fits || !self.store(slot.register, value.clone()) {
                return Stop::Fault(Fault::Corrupt("a parameter of another type"));
            }
        }
        #[cfg(test)]
        self.shadowed(|shadow| shadow.begins(program));
        let start = context.program.start as u16;
        match self.enter(context, start, None, Origin::Plain) {
            Ok(segment) => self.drive(context, segment),
            Err(fault) => Stop::Fault(fault),
        }
    }

    /// Runs segments until the session waits, ends or faults.
    pub(super) fn drive(&mut self, context: &mut Context<'_>, first: Segment) -> Stop {
        let mut segment = first;
        loop {
            let origin = segment.origin;
            if segment.bind.is_none() && context.program.is_empty_at(segment.entry) {
                #[cfg(test)]
                self.shadowed(|shadow| shadow.rests_at(segment.entry));
                return self.rest(context.program);
            }
            self.remember(context);
            if let Some((register, value)) = segment.bind
                && !self.store(register, value)
            {
                return Stop::Fault(Fault::Corrupt("a register of another kind"));
            }
            let next = match self.execute(context, segment.entry) {
                Exit::End => {
                    #[cfg(test)]
                    self.shadowed(|shadow| shadow.rests());
                    return self.rest(context.program);
                }
                Exit::Await(site) => return self.wait(context, site, origin),
                Exit::Gather(resume) => match self.gather(context, resume, origin) {
                    Some(stop) => return stop,
                    None => Ok(Segment { entry: resume, bind: None, origin }),
                },
                Exit::Each(each) => return self.begin_each(context, each, origin),
                Exit::Done(value) => return self.finish(context, value),
                Exit::Go(state) => {
                    let from = self.state;
                    self.enter(context, state, Some(from), origin)
                }
                Exit::Trap(Trap::OutOfFuel) => Err(Fault::OutOfFuel),
                Exit::Trap(Trap::Corrupt(what)) => Err(Fault::Corrupt(what)),
                Exit::Trap(Trap::Arithmetic(detail)) => {
                    self.undo(context);
                    self.fail(context, failure(FailureKind::Arithmetic, detail), origin)
                }
                Exit::Trap(Trap::Invalid(detail)) => {
                    self.undo(context);
                    self.fail(context, failure(FailureKind::Invalid, detail), origin)
                }
            };
            segment = match next {
                Ok(next) => next,
                Err(fault) => return Stop::Fault(fault),
            };
        }
    }

    pub(super) fn execute(&mut self, context: &mut Context<'_>, entry: u16) -> Exit {
        #[cfg(test)]
        std::mem::swap(&mut context.shadow, &mut self.shadow);
        let exit = execute(context, self.visit, &mut self.scalars, &mut self.objects, entry);
        #[cfg(test)]
        std::mem::swap(&mut context.shadow, &mut self.shadow);
        exit
    }

    /// Notes what the next segment may change. Nothing else is alive then: temporaries are dead, and a segment that
    /// writes what an effect is asked with runs only while none is pending.
    pub(super) fn remember(&mut self, context: &mut Context<'_>) {
        context.forked.clear();
        if !context.program.derived.can_fail {
            return;
        }
        let (scalars, objects) = (usize::from(self.live.scalars), usize::from(self.live.objects));
        self.before.scalars.clear();
        self.before.scalars.extend_from_slice(self.scalars.get(..scalars).unwrap_or(&[]));
        self.before.objects.clear();
        self.before.objects.extend_from_slice(self.objects.get(..objects).unwrap_or(&[]));
        self.before.actions = context.actions.len();
        #[cfg(test)]
        self.shadowed(|shadow| shadow.remembers());
        self.before.wakes.clone_from(&context.wakes);
    }

    /// Takes back what the segment did.
    pub(super) fn undo(&mut self, context: &mut Context<'_>) {
        for (place, value) in self.scalars.iter_mut().zip(&self.before.scalars) {
            *place = *value;
        }
        for (place, value) in self.objects.iter_mut().zip(&self.before.objects) {
            place.clone_from(value);
        }
        context.actions.truncate(self.before.actions);
        context.wakes.clone_from(&self.before.wakes);
        context.forked.clear();
        #[cfg(test)]
        self.shadowed(|shadow| {
            shadow.undone();
            shadow.failed();
        });
    }

    /// Waits for the effect of a site.
    fn wait(&mut self, context: &Context<'_>, site: u16, origin: Origin) -> Stop {
        if !self.pending.is_empty() {
            return Stop::Fault(Fault::Corrupt("a second effect while one is pending"));
        }
        match self.ask(context.program, site, origin, Place::Alone) {
            Ok(()) => self.rest(context.program),
            Err(fault) => Stop::Fault(fault),
        }
    }

    /// Notes that the effect of a site is wanted, with the values in the effect registers.
    pub(super) fn ask(
        &mut self,
        program: &Program,
        site: u16,
        origin: Origin,
        place: Place,
    ) -> Result<(), Fault> {
        let values = asked_values(program, &self.objects, site);
        self.ask_with(program, site, values, origin, place)
    }

    fn ask_with(
        &mut self,
        program: &Program,
        site: u16,
        values: Box<[Value]>,
        origin: Origin,
        place: Place,
    ) -> Result<(), Fault> {
        if !can_ask(program, site, &values) {
            return Err(Fault::Corrupt("an effect without its values"));
        }
        #[cfg(test)]
        {
            let number = self.effects;
            self.shadowed(|shadow| shadow.asks(program, site, number, place == Place::Branch));
        }
        self.pending.push(Pending { site, number: self.effects, origin, place, values, fresh: true });
        self.effects = self.effects.saturating_add(1);
        let purpose = program.sites.get(usize::from(site)).map(|site| &site.purpose);
        if !matches!(purpose, Some(Purpose::Run { .. } | Purpose::Request { .. })) {
            self.calls = self.calls.saturating_add(1);
        }
        Ok(())
    }

    /// Waits for what `together` forked; `None` when that is nothing.
    fn gather(&mut self, context: &mut Context<'_>, resume: u16, origin: Origin) -> Option<Stop> {
        if !self.pending.is_empty() {
            return Some(Stop::Fault(Fault::Corrupt("a second effect while one is pending")));
        }
        for (site, values) in std::mem::take(&mut context.forked) {
            if let Err(fault) = self.ask_with(context.program, site, values, origin, Place::Branch) {
                return Some(Stop::Fault(fault));
            }
        }
        if self.pending.is_empty() {
            return None;
        }
        self.gather = Some(resume);
        Some(self.rest(context.program))
    }

    fn finish(&mut self, context: &mut Context<'_>, value: Option<Value>) -> Stop {
        self.cancel_pending(context);
        context.actions.push(Action::ClearTimers);
        if !context.wakes.is_empty() {
            context.wakes.clear();
            context.actions.push(Action::ClearWakes);
        }
        self.status = Status::Done;
        Stop::Done(value)
    }

    /// Enters a state, or what its cap says instead; gives its body. Its deadlines are armed first, apart from the
    /// body, so that they stay armed when the body fails.
    pub(super) fn enter(
        &mut self,
        context: &mut Context<'_>,
        target: u16,
        from: Option<u32>,
        origin: Origin,
    ) -> Result<Segment, Fault> {
        let program = context.program;
        let target = self.capped(context, target)?;
        let state = program.states.get(usize::from(target)).ok_or(Fault::Corrupt("no such state"))?;
        self.cancel_pending(context);
        if from.is_some() {
            context.actions.push(Action::ClearTimers);
        }
        context.actions.push(Action::Moved { from, to: u32::from(target) });
        self.state = u32::from(target);
        self.visit = self.visit.saturating_add(1);
        self.effects = 0;
        self.fired = 0;
        self.live = super::live(program, self.state);
        // Ruling 8: where a failure handler of `anywhere` leads, the next failure parks the session.
        self.failure_visit = if origin == Origin::AnywhereFailure { self.visit } else { 0 };
        self.clear(&program.layout.anywhere);
        self.clear(&state.frame);
        if let Some(arm) = state.arm {
            #[cfg(test)]
            self.shadowed(|shadow| shadow.silent = true);
            let exit = self.execute(context, arm);
            #[cfg(test)]
            self.shadowed(|shadow| shadow.silent = false);
            match exit {
                Exit::End => {}
                Exit::Trap(Trap::Arithmetic(detail) | Trap::Invalid(detail)) => {
                    return self.fail(context, failure(FailureKind::Arithmetic, detail), Origin::Plain);
                }
                _ => return Err(Fault::Corrupt("deadlines must be armed without waiting")),
            }
        }
        Ok(Segment { entry: state.body, bind: None, origin: Origin::Plain })
    }

    /// Counts the visit; the state that a visit beyond its cap goes to.
    fn capped(&mut self, context: &mut Context<'_>, target: u16) -> Result<u16, Fault> {
        let mut target = target;
        for _ in 0..=context.program.states.len() {
            context.transitions += 1;
            if context.transitions > TRANSITIONS_PER_STEP_MAX {
                return Err(Fault::TooManyTransitions);
            }
            let state =
                context.program.states.get(usize::from(target)).ok_or(Fault::Corrupt("no such state"))?;
            #[cfg(test)]
            self.shadowed(|shadow| shadow.entered(u32::from(target), state.cap.map(|cap| cap.counter)));
            let Some(cap) = state.cap else { return Ok(target) };
            let counter =
                self.counters.get_mut(usize::from(cap.counter)).ok_or(Fault::Corrupt("no such counter"))?;
            if *counter < cap.visits_max {
                *counter += 1;
                return Ok(target);
            }
            target = cap.otherwise;
        }
        Err(Fault::TooManyTransitions)
    }

    pub(super) fn clear(&mut self, frame: &Frame) {
        let scalar_first = usize::from(frame.scalar_first);
        if let Some(scalars) = self.scalars.get_mut(scalar_first..scalar_first + frame.scalars.len()) {
            scalars.fill(0);
        }
        let object_first = usize::from(frame.object_first);
        if let Some(objects) = self.objects.get_mut(object_first..object_first + frame.objects.len()) {
            objects.fill(Value::None);
        }
        #[cfg(test)]
        self.shadowed(|shadow| shadow.cleared(frame));
    }

    /// Who takes a failure: the state, then `anywhere`; a failure of the state's own handler goes to `anywhere`, a
    /// failure of that one parks the session.
    pub(super) fn fail(
        &mut self,
        context: &mut Context<'_>,
        failure: Failure,
        origin: Origin,
    ) -> Result<Segment, Fault> {
        let failure = Arc::new(failure);
        let bound = Value::Failure(failure.clone());
        let unhandled = Fault::Unhandled(failure.clone());
        self.raise(context, &Trigger::Failed, bound, origin, (Fault::FailedTwice(failure), unhandled))
    }

    /// Who takes an effect whose outcome is unknown; like [`Machine::fail`].
    pub(super) fn uncertain(&mut self, context: &mut Context<'_>, origin: Origin) -> Result<Segment, Fault> {
        let twice = Arc::new(failure(FailureKind::Broken, "the outcome of a step is unknown"));
        let bound = Value::Failure(twice.clone());
        self.raise(
            context,
            &Trigger::Uncertain,
            bound,
            origin,
            (Fault::FailedTwice(twice), Fault::UnhandledUncertain),
        )
    }

    /// Who takes a model step that would exceed a budget; without such a handler it is a failure.
    pub(super) fn over_budget(
        &mut self,
        context: &mut Context<'_>,
        until_ms: Option<i64>,
        origin: Origin,
    ) -> Result<Segment, Fault> {
        let why = Failure { until_ms, ..failure(FailureKind::Limited, "the budget is used up") };
        let has_handler = |handlers: &[crate::program::Handler]| {
            handlers.iter().any(|handler| handler.trigger == Trigger::OverBudget)
        };
        let own = context.program.states.get(self.state as usize).is_some_and(|s| has_handler(&s.handlers));
        if !own && !has_handler(&context.program.anywhere) {
            return self.fail(context, why, origin);
        }
        let why = Arc::new(why);
        let bound = Value::Failure(why.clone());
        let unhandled = Fault::Unhandled(why.clone());
        self.raise(context, &Trigger::OverBudget, bound, origin, (Fault::FailedTwice(why), unhandled))
    }

    fn raise(
        &mut self,
        context: &mut Context<'_>,
        trigger: &Trigger,
        bound: Value,
        origin: Origin,
        (twice, unhandled): (Fault, Fault),
    ) -> Result<Segment, Fault> {
        // A failing handler of one state that fails again and again would never stop by itself.
        context.transitions += 1;
        if context.transitions > TRANSITIONS_PER_STEP_MAX {
            return Err(Fault::TooManyTransitions);
        }
        let program = context.program;
        let own = program.states.get(self.state as usize).filter(|_| origin == Origin::Plain);
        let own = own.and_then(|state| state.handlers.iter().find(|handler| handler.trigger == *trigger));
        let (handler, origin) = match own {
            Some(handler) => (handler, Origin::StateFailure),
            None if origin == Origin::AnywhereFailure || self.failure_visit == self.visit => {
                return Err(twice);
            }
            None => match program.anywhere.iter().find(|handler| handler.trigger == *trigger) {
                Some(handler) => (handler, Origin::AnywhereFailure),
                None => return Err(unhandled),
            },
        };
        match handler.action {
            HandlerAction::Run { entry, binder, quick } => {
                if !quick {
                    self.cancel_pending(context);
                }
                #[cfg(test)]
                {
                    let is_busy = !self.pending.is_empty();
                    self.shadowed(|shadow| shadow.raised(program, entry, is_busy));
                }
                Ok(Segment { entry, bind: binder.map(|register| (register, bound)), origin })
            }
            // The checker lets nobody hold, join or drop a failure.
            _ => Err(unhandled),
        }
    }
}

pub(super) fn failure(kind: FailureKind, detail: &str) -> Failure {
    Failure { kind, detail: detail.into(), until_ms: None }
}
