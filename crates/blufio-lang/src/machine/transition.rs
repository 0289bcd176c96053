// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments, state changes and failures: the part of the semantics that is not arithmetic.

use std::sync::Arc;

use super::effects::asked_with;
use super::execute::{Context, Exit, Trap, execute};
use super::{Machine, Origin, Pending, Segment, Status};
use crate::effect::{Action, EffectId, Fault, Stop, TRANSITIONS_PER_STEP_MAX};
use crate::program::{Frame, HandlerAction, Purpose, Trigger};
use crate::value::{Failure, FailureKind, Value};

impl Machine {
    /// Initial values, then the start state.
    pub(super) fn begin(&mut self, context: &mut Context<'_>) -> Stop {
        match self.execute(context, context.program.layout.initial) {
            Exit::End => {}
            Exit::Trap(Trap::Arithmetic(detail) | Trap::Invalid(detail)) => {
                return Stop::Fault(Fault::Unhandled(Arc::new(failure(FailureKind::Arithmetic, detail))));
            }
            _ => return Stop::Fault(Fault::Corrupt("initial values must end")),
        }
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
                return self.rest(context.program);
            }
            self.remember(context);
            if let Some((register, value)) = segment.bind
                && let Some(place) = self.objects.get_mut(usize::from(register))
            {
                *place = value;
            }
            let next = match self.execute(context, segment.entry) {
                Exit::End => return self.rest(context.program),
                Exit::Await(site) => return self.wait(context, site, origin),
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

    fn execute(&mut self, context: &mut Context<'_>, entry: u16) -> Exit {
        execute(context, self.visit, &mut self.scalars, &mut self.objects, entry)
    }

    /// Notes what the next segment may change. Nothing else is alive then: temporaries are dead, and a segment that
    /// writes what an effect is asked with runs only while none is pending.
    fn remember(&mut self, context: &Context<'_>) {
        if !context.program.derived.can_fail {
            return;
        }
        let (scalars, objects) = (usize::from(self.live.scalars), usize::from(self.live.objects));
        self.before.scalars.clear();
        self.before.scalars.extend_from_slice(self.scalars.get(..scalars).unwrap_or(&[]));
        self.before.objects.clear();
        self.before.objects.extend_from_slice(self.objects.get(..objects).unwrap_or(&[]));
        self.before.actions = context.actions.len();
    }

    /// Takes back what the segment did.
    fn undo(&mut self, context: &mut Context<'_>) {
        for (place, value) in self.scalars.iter_mut().zip(&self.before.scalars) {
            *place = *value;
        }
        for (place, value) in self.objects.iter_mut().zip(&self.before.objects) {
            place.clone_from(value);
        }
        context.actions.truncate(self.before.actions);
    }

    /// Waits for the effect of a site.
    fn wait(&mut self, context: &Context<'_>, site: u16, origin: Origin) -> Stop {
        if self.pending.is_some() {
            return Stop::Fault(Fault::Corrupt("a second effect while one is pending"));
        }
        let Some(effect) = self.effect(context.program, site) else {
            return Stop::Fault(Fault::Corrupt("an effect without its values"));
        };
        let id = EffectId { visit: self.visit, number: self.effects };
        let objects = asked_with(context.program, site);
        self.pending = Some(Pending { site, number: self.effects, origin, objects });
        self.effects = self.effects.saturating_add(1);
        let purpose = context.program.sites.get(usize::from(site)).map(|site| &site.purpose);
        if !matches!(purpose, Some(Purpose::Run { .. })) {
            self.calls = self.calls.saturating_add(1);
        }
        Stop::Await { id, effect, fresh: true }
    }

    fn finish(&mut self, context: &mut Context<'_>, value: Option<Value>) -> Stop {
        self.cancel_pending(context);
        context.actions.push(Action::ClearTimers);
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
            match self.execute(context, arm) {
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

    fn clear(&mut self, frame: &Frame) {
        let scalar_first = usize::from(frame.scalar_first);
        if let Some(scalars) = self.scalars.get_mut(scalar_first..scalar_first + frame.scalars.len()) {
            scalars.fill(0);
        }
        let object_first = usize::from(frame.object_first);
        if let Some(objects) = self.objects.get_mut(object_first..object_first + frame.objects.len()) {
            objects.fill(Value::None);
        }
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
