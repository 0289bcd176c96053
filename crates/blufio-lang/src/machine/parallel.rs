// SPDX-License-Identifier: MIT OR Apache-2.0
//! `each`: the steps of an item run like a small thread of their own. Between two steps of an item its locals are put
//! aside, so that many items share the registers; whichever effect ends first goes on first.

use std::sync::Arc;

use super::execute::{Context, Exit, Trap};
use super::{Machine, Origin, Place, Segment};
use crate::effect::{Action, Fault, Stop};
use crate::program::{Loop, Program, Register};
use crate::value::Value;

/// Deadlines of loops have numbers from here on, so that they are never those of a state.
pub(super) const TIMER_FIRST: u32 = 1 << 16;

/// A loop under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parallel {
    pub each: u16,
    pub origin: Origin,
    pub items: Arc<[Value]>,
    /// Next item that begins.
    pub next: u32,
    /// Items that wait for an effect, with their locals.
    pub waiting: Vec<Strand>,
    /// Results by item.
    pub results: Vec<(u32, Value)>,
    /// Number of its deadline.
    pub timer: Option<u32>,
}

/// Locals of an item that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Strand {
    pub item: u32,
    pub scalars: Box<[i64]>,
    pub objects: Box<[Value]>,
}

impl Machine {
    /// Begins a loop over the list in the first effect register.
    pub(super) fn begin_each(&mut self, context: &mut Context<'_>, each: u16, origin: Origin) -> Stop {
        let program = context.program;
        let first = usize::from(program.layout.effect_first);
        let Some(described) = program.loops.get(usize::from(each)) else {
            return Stop::Fault(Fault::Corrupt("no such loop"));
        };
        if self.each.is_some() || !self.pending.is_empty() {
            return Stop::Fault(Fault::Corrupt("a loop while an effect is pending"));
        }
        let Some(Value::List(items)) = self.objects.get(first).cloned() else {
            return Stop::Fault(Fault::Corrupt("a loop over no list"));
        };
        let mut timer = None;
        if described.deadline {
            let Some(Value::Moment(due_ms)) = self.objects.get(first + 1) else {
                return Stop::Fault(Fault::Corrupt("a loop without its deadline"));
            };
            let number = TIMER_FIRST.saturating_add(self.effects);
            context.actions.push(Action::SetTimer { visit: self.visit, timer: number, due_ms: *due_ms });
            timer = Some(number);
        }
        self.each =
            Some(Parallel { each, origin, items, next: 0, waiting: Vec::new(), results: Vec::new(), timer });
        self.publish(program);
        #[cfg(test)]
        self.shadowed(|shadow| shadow.begins_each(program, described));
        self.advance_each(context)
    }

    /// Begins items while there is room; ends the loop when none is left.
    fn advance_each(&mut self, context: &mut Context<'_>) -> Stop {
        let program = context.program;
        loop {
            let Some((parallel, described)) = self.current_loop(program) else {
                return Stop::Fault(Fault::Corrupt("no loop is under way"));
            };
            let has_room = parallel.waiting.len() < usize::from(described.at_once);
            if has_room && (parallel.next as usize) < parallel.items.len() {
                let item = parallel.next;
                let value = parallel.items[item as usize].clone();
                let (variable, body, frame) = (described.variable, described.body, described.frame.clone());
                if let Some(parallel) = &mut self.each {
                    parallel.next += 1;
                }
                self.clear(&frame);
                #[cfg(test)]
                self.shadowed(|shadow| shadow.back_at_each(true));
                if let Err(stop) = self.run_item(context, item, body, Some((variable, value))) {
                    return stop;
                }
            } else if parallel.waiting.is_empty() {
                return self.finish_each(context);
            } else {
                return self.rest(program);
            }
        }
    }

    fn current_loop<'p>(&self, program: &'p Program) -> Option<(&Parallel, &'p Loop)> {
        let parallel = self.each.as_ref()?;
        Some((parallel, program.loops.get(usize::from(parallel.each))?))
    }

    /// Runs an item to its next wait or its end.
    fn run_item(
        &mut self,
        context: &mut Context<'_>,
        item: u32,
        entry: u16,
        bind: Option<(Register, Value)>,
    ) -> Result<(), Stop> {
        self.remember(context);
        if let Some((register, value)) = bind
            && !self.store(register, value)
        {
            return Err(Stop::Fault(Fault::Corrupt("a register of another kind")));
        }
        match self.execute(context, entry) {
            Exit::End => {
                self.collect(context.program, item);
                Ok(())
            }
            Exit::Await(site) => {
                let origin = self.each.as_ref().map_or(Origin::Plain, |parallel| parallel.origin);
                self.ask(context.program, site, origin, Place::Item(item)).map_err(Stop::Fault)?;
                self.put_aside(context.program, item);
                Ok(())
            }
            Exit::Trap(Trap::Arithmetic(_) | Trap::Invalid(_)) => {
                self.undo(context);
                #[cfg(test)]
                self.shadow_collects(context.program, true);
                Ok(())
            }
            Exit::Trap(Trap::OutOfFuel) => Err(Stop::Fault(Fault::OutOfFuel)),
            Exit::Trap(Trap::Corrupt(what)) => Err(Stop::Fault(Fault::Corrupt(what))),
            Exit::Go(_) | Exit::Done(_) | Exit::Each(_) | Exit::Gather(_) => {
                Err(Stop::Fault(Fault::Corrupt("an item of a loop may not leave it")))
            }
        }
    }

    fn put_aside(&mut self, program: &Program, item: u32) {
        let Some((_, described)) = self.current_loop(program) else { return };
        let frame = &described.frame;
        let (scalar, object) = (usize::from(frame.scalar_first), usize::from(frame.object_first));
        let scalars = self.scalars.get(scalar..scalar + frame.scalars.len()).unwrap_or(&[]).into();
        let objects = self.objects.get(object..object + frame.objects.len()).unwrap_or(&[]).into();
        #[cfg(test)]
        let frame = frame.clone();
        #[cfg(test)]
        self.shadowed(|shadow| shadow.put_aside(item, &frame));
        if let Some(parallel) = &mut self.each {
            parallel.waiting.push(Strand { item, scalars, objects });
        }
    }

    fn take_up(&mut self, program: &Program, item: u32) -> bool {
        let Some((parallel, described)) = self.current_loop(program) else { return false };
        let Some(at) = parallel.waiting.iter().position(|strand| strand.item == item) else { return false };
        let frame = described.frame.clone();
        let Some(strand) = self.each.as_mut().map(|parallel| parallel.waiting.remove(at)) else {
            return false;
        };
        let (scalar, object) = (usize::from(frame.scalar_first), usize::from(frame.object_first));
        for (place, value) in self.scalars.iter_mut().skip(scalar).zip(strand.scalars) {
            *place = value;
        }
        for (place, value) in self.objects.iter_mut().skip(object).zip(strand.objects) {
            *place = value;
        }
        #[cfg(test)]
        self.shadowed(|shadow| shadow.taken_up(item, &frame));
        true
    }

    /// An item's effect ended well.
    pub(super) fn go_on_with_item(
        &mut self,
        context: &mut Context<'_>,
        item: u32,
        entry: u16,
        bind: Option<(Register, Value)>,
    ) -> Stop {
        if !self.take_up(context.program, item) {
            return Stop::Fault(Fault::Corrupt("an item that does not wait"));
        }
        match self.run_item(context, item, entry, bind) {
            Ok(()) => self.advance_each(context),
            Err(stop) => stop,
        }
    }

    /// An item failed: it has no result.
    pub(super) fn drop_item(&mut self, context: &mut Context<'_>, item: u32) -> Stop {
        if !self.take_up(context.program, item) {
            return Stop::Fault(Fault::Corrupt("an item that does not wait"));
        }
        #[cfg(test)]
        self.shadow_collects(context.program, true);
        self.advance_each(context)
    }

    /// Notes the result of an item that came to its end.
    fn collect(&mut self, program: &Program, item: u32) {
        let Some((_, described)) = self.current_loop(program) else { return };
        let value = match described.results {
            Some((_, Some(Register::Object(last)), _)) => self.objects.get(usize::from(last)).cloned(),
            Some((_, Some(Register::Scalar(last)), Some(shape))) => {
                let kind = program.shape(shape).map(super::objects::kind_of);
                let scalar = self.scalars.get(usize::from(last)).copied();
                kind.zip(scalar).and_then(|(kind, scalar)| super::objects::wrap(kind, scalar))
            }
            _ => None,
        };
        if let Some(parallel) = &mut self.each {
            let at = parallel.results.partition_point(|(known, _)| *known < item);
            parallel.results.insert(at, (item, value.unwrap_or(Value::YesNo(true))));
        }
        #[cfg(test)]
        self.shadow_collects(program, false);
        self.publish(program);
    }

    /// Lets the program read the results so far.
    fn publish(&mut self, program: &Program) {
        let Some((parallel, described)) = self.current_loop(program) else { return };
        let Some((list, ..)) = described.results else { return };
        let results = Value::List(parallel.results.iter().map(|(_, value)| value.clone()).collect());
        if let Some(place) = self.objects.get_mut(usize::from(list)) {
            *place = results;
        }
    }

    /// The loop's time is over: what is pending of it is not wanted any more.
    pub(super) fn end_each_late(&mut self, context: &mut Context<'_>) -> Stop {
        let each = self.each.take();
        self.cancel_pending(context);
        self.each = each;
        self.finish_each(context)
    }

    fn finish_each(&mut self, context: &mut Context<'_>) -> Stop {
        let program = context.program;
        let Some((parallel, described)) = self.current_loop(program) else {
            return Stop::Fault(Fault::Corrupt("no loop is under way"));
        };
        let segment = Segment { entry: described.resume, bind: None, origin: parallel.origin };
        self.each = None;
        #[cfg(test)]
        self.shadowed(|shadow| shadow.back_at_each(false));
        self.drive(context, segment)
    }
}
