// SPDX-License-Identifier: MIT OR Apache-2.0
//! The labels of what waits while a session rests, and of sessions that move to another version of their program.

use std::sync::Arc;

use super::{Known, Shadow};
use crate::check::labels::places::Labels;
use crate::program::Program;
use crate::source::Span;

impl Shadow {
    /// Of the values that a deadline was worked out from.
    pub fn timer(&self, timer: u32) -> Labels {
        self.timers.get(&timer).copied().unwrap_or_default()
    }

    /// The wakes that are pending, whatever they are asked for.
    pub fn wake(&self, wake: u64) -> Labels {
        self.wakes.get(&wake).copied().unwrap_or_default()
    }

    /// The labels of a session that moves from where it rests to a state of another program. Memory is judged by each
    /// version for itself, as `memory`.
    pub fn moved(&self, old: &Program, known: Arc<Known>, new: &Program, state: u32) -> Self {
        let mut moved = Self::new(new, known);
        for slot in &old.slots {
            let there = new.slots.iter().find(|known| known.name == slot.name);
            if let Some(place) = there.and_then(|there| moved.register(there.register)) {
                *place = self.held(slot.register);
            }
        }
        let (here, there) = (&old.states[self.state as usize], &new.states[state as usize]);
        if !new.is_empty_at(there.body) {
            let (from, to) = (&here.frame, &there.frame);
            let scalars = usize::from(from.scalar_first)..usize::from(from.ends().0);
            let objects = usize::from(from.object_first)..usize::from(from.ends().1);
            moved.scalars[usize::from(to.scalar_first)..][..scalars.len()]
                .copy_from_slice(&self.scalars[scalars]);
            moved.objects[usize::from(to.object_first)..][..objects.len()]
                .copy_from_slice(&self.objects[objects]);
        }
        moved.state = state;
        moved.world.history = self.world.history;
        (moved.sender, moved.joined) = (self.sender, self.joined);
        (moved.timers, moved.wakes) = (self.timers.clone(), self.wakes.clone());
        moved.wakes_cleared = self.wakes_cleared;
        let home = moved.known.ways.home(state, false);
        if home != moved.known.ways.wait(state) {
            moved.decide(self.control(), home, Span::default());
        }
        moved.compared = self.compared;
        moved.violations.clone_from(&self.violations);
        moved
    }
}
