// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock of a session: deadlines of states and of effects, wakes, schedules.

use super::Session;
use crate::effect::{Disposition, Effect, EffectId, Event, Outcome};
use crate::program::shape::ShapeId;
use crate::simulate::schedule::next_due;
use crate::simulate::world::{Call, World};

impl Session<'_> {
    /// Time passes. What comes due on the way happens at its time; tools answer on the way.
    pub fn wait(&mut self, world: &World, duration_ms: i64) {
        let until_ms = self.now_ms.saturating_add(duration_ms.max(0));
        self.settle(world, false);
        while let Some(due_ms) = self.next_due().filter(|due_ms| *due_ms <= until_ms && self.parked.is_none())
        {
            self.set_clock(due_ms.max(self.now_ms));
            self.end_late();
            self.fire_schedules(world);
            self.pump();
            self.settle(world, false);
        }
        self.set_clock(until_ms);
        self.pump();
    }

    fn set_clock(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        for child in self.open.iter_mut().filter_map(|open| open.child.as_mut()) {
            child.set_clock(now_ms);
        }
    }

    /// When something happens next by itself.
    pub(in crate::simulate) fn next_due(&self) -> Option<i64> {
        let deadlines = self.deadlines.iter().map(|deadline| deadline.due_ms);
        let wakes = self.machine.wakes().map(|(_, due_ms)| due_ms);
        // One that is overdue and waits for a state that takes it comes with that state.
        let coming = deadlines.chain(wakes).filter(|due_ms| *due_ms > self.now_ms);
        let undecided = self.open.iter().filter(|open| open.run.1.is_none());
        let effects = undecided.filter_map(|open| deadline_of(&open.effect));
        let children = self.open.iter().filter_map(|open| open.child.as_ref()?.next_due());
        let program = self.program();
        let schedules = program
            .schedules
            .iter()
            .filter(|_| !self.is_asked)
            .filter_map(|schedule| next_due(program, schedule, self.schedules_ms));
        coming.chain(effects).chain(children).chain(schedules).min()
    }

    /// Deadlines of states and wakes that are due, oldest first; true when one was taken.
    pub(super) fn offer_due(&mut self) -> bool {
        let program = self.program();
        let mut due: Vec<(i64, Event)> = Vec::new();
        for deadline in self.deadlines.iter().filter(|deadline| deadline.due_ms <= self.now_ms) {
            due.push((deadline.due_ms, Event::Timer { visit: deadline.visit, timer: deadline.timer }));
        }
        for (wake, due_ms) in self.machine.wakes().filter(|(_, due_ms)| *due_ms <= self.now_ms) {
            due.push((due_ms, Event::Wake { wake }));
        }
        due.sort_by_key(|(due_ms, _)| *due_ms);
        for (_, event) in due {
            let disposition = self.machine.disposition(program, &event);
            if let (Event::Timer { visit, timer }, true) =
                (&event, matches!(disposition, Disposition::Take | Disposition::Stale | Disposition::Drop))
            {
                self.deadlines.retain(|known| (known.visit, known.timer) != (*visit, *timer));
            }
            if disposition == Disposition::Take {
                self.step(event);
                return true;
            }
        }
        false
    }

    /// Effects whose time is over.
    fn end_late(&mut self) {
        for child in self.open.iter_mut().filter_map(|open| open.child.as_mut()) {
            child.end_late();
            child.pump();
        }
        while let Some((id, is_run)) = self.late_effect() {
            if is_run {
                // Ruling 12: an approval that comes too late is the result of the call, not an event.
                if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
                    open.run.1 = Some(false);
                }
                return;
            }
            self.resolve(id, Outcome::Late);
        }
    }

    fn late_effect(&self) -> Option<(EffectId, bool)> {
        let late = self.open.iter().find(|open| {
            open.run.1.is_none() && deadline_of(&open.effect).is_some_and(|due_ms| due_ms <= self.now_ms)
        })?;
        Some((late.id, matches!(late.effect, Effect::Run { .. })))
    }

    /// Schedules of this moment. One with a fingerprint fires only when that is another one than the last time.
    fn fire_schedules(&mut self, world: &World) {
        if self.is_asked {
            return;
        }
        let program = self.program();
        for (at, schedule) in program.schedules.iter().enumerate() {
            if next_due(program, schedule, self.schedules_ms).is_none_or(|due_ms| due_ms > self.now_ms) {
                continue;
            }
            if !schedule.when_changed.is_empty() {
                let print = self.fingerprint(world, &schedule.when_changed);
                let Some(last) = self.fingerprints.get_mut(at) else { continue };
                if last.as_ref() == Some(&print) {
                    continue;
                }
                *last = Some(print);
            }
            let event = Event::Every(u32::try_from(at).unwrap_or(u32::MAX));
            if self.machine.disposition(program, &event) == Disposition::Take {
                self.step(event);
                self.pump();
            }
        }
        self.schedules_ms = self.now_ms;
    }

    fn fingerprint(&self, world: &World, calls: &[(u16, String)]) -> String {
        let program = self.program();
        let mut out = String::new();
        for (grant, arguments) in calls {
            let Some(tool) = program.tools.get(usize::from(*grant)) else { continue };
            let shape = tool.gives.unwrap_or(ShapeId(u16::MAX));
            let call = Call { tool: &tool.tool, arguments, shape };
            out.push_str(&format!("{:?}\n", world.answer(self.folder, program, call, false)));
        }
        out
    }
}

/// Until when an effect waits, milliseconds since 1970.
pub(in crate::simulate) fn deadline_of(effect: &Effect) -> Option<i64> {
    match effect {
        Effect::Run { deadline_ms, .. }
        | Effect::AskAgent { deadline_ms, .. }
        | Effect::AskPerson { deadline_ms, .. }
        | Effect::Approve { deadline_ms, .. } => *deadline_ms,
        Effect::Model(_) | Effect::Call { .. } | Effect::Recall { .. } => None,
    }
}
