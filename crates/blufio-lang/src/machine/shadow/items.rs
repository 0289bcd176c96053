// SPDX-License-Identifier: MIT OR Apache-2.0
//! Items that run side by side: each has registers of its own, and what is collected of them says which failed.

use super::Shadow;
use crate::program::{Frame, Loop};

impl Shadow {
    pub fn taken_up(&mut self, item: u32, frame: &Frame) {
        if let Some((scalars, objects)) = self.strands.remove(&item) {
            let (scalar, object) = (usize::from(frame.scalar_first), usize::from(frame.object_first));
            self.scalars[scalar..scalar + scalars.len()].copy_from_slice(&scalars);
            self.objects[object..object + objects.len()].copy_from_slice(&objects);
        }
    }

    /// An item ends, with a result or without.
    pub fn collected(&mut self, each: &Loop, failed: bool) {
        let control = self.control();
        if let Some((list, last, _)) = each.results {
            let result = if failed {
                self.incoming.untrusted()
            } else {
                last.map(|last| self.held(last)).unwrap_or_default()
            };
            let held = &mut self.objects[usize::from(list)];
            *held = held.union(result).union(control);
        }
    }
}
