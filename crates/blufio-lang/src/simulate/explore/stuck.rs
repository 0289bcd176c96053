// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions that can never leave their state: found backwards from those that can.

use super::{Explorer, FindingKind};

impl Explorer<'_> {
    /// Reports every state in which a session is caught. The start state may keep its session for ever, as long as
    /// anything can happen there.
    pub(super) fn report_stuck(&mut self) {
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); self.places.len()];
        for (at, place) in self.places.iter().enumerate() {
            for next in &place.next {
                if let Some(known) = before.get_mut(*next) {
                    known.push(at);
                }
            }
        }
        let mut is_free: Vec<bool> =
            self.places.iter().map(|place| place.leaves || place.is_finished).collect();
        let mut work: Vec<usize> = (0..is_free.len()).filter(|at| is_free[*at]).collect();
        while let Some(at) = work.pop() {
            for from in before.get(at).into_iter().flatten() {
                if let Some(known) = is_free.get_mut(*from).filter(|known| !**known) {
                    *known = true;
                    work.push(*from);
                }
            }
        }
        for at in 0..self.places.len() {
            let Some(place) = self.places.get(at) else { break };
            let keeps_going = place.state == self.program.start && place.has_choices;
            if is_free.get(at) == Some(&false) && !keeps_going {
                let why = if place.has_choices {
                    "no handler, deadline or outcome ever leaves this state".to_string()
                } else {
                    "nothing can happen to the session any more".to_string()
                };
                self.find(FindingKind::Stuck, at, None, why);
            }
        }
    }
}
