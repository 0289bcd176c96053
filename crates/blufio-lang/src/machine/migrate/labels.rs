// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the proofs of another version still hold for a session that moves to it.
//!
//! INVARIANT: whatever a session carries where it rests, its labels lie within the [`Rest`] of that state in the program
//! that it runs. The analysis of a program shows this for the sessions that began with it. It starts from fresh slots and
//! follows the program alone, so of a session that moves it knows nothing; but it is monotone and follows every way
//! from each wait, so its results hold for any session that waits there within the same labels. Hence a move keeps
//! the invariant, and with it every proof, when the old `Rest` lies within the new one, part by part:
//!
//! * slots that come over, each with the slot that it becomes; others begin anew. Labels at the wait count, not those of
//!   all values that a slot ever holds: a value that is put there on a way that never comes here proves nothing;
//! * locals of the state, register by register, where any come over; those of `anywhere` never live across a wait;
//! * the history, pending wakes, and the times of deadlines, which go on as they are;
//! * what waits in the mailbox, by who may write to the agent: routes are part of the proofs;
//! * whether a sender may speak for every word of a person in it. With a migration nothing that comes over is the words
//!   of people alone, so nobody speaks for it;
//! * what decided that the session waits here, unless nothing there depends on it.
//!
//! Steps do not rest half done: a session moves only while nothing is pending. An approval must not be counted on by what
//! comes after the wait, since the session never passed it. Memory is shared by all versions and outlives them, whether
//! sessions move or not: what is read from it is `memory`, never trusted, and no program may put a secret there.
//!
//! With a migration the checker has let all that comes over carry every label (`check::labels::versions`), except for
//! secrets in programs without tools of secrets; the comparison is the same.

use std::fmt;

use super::{Stays, is_dropped, slot_there, takes_locals};
use crate::program::{Labels, Migration, Program, Rest, State};

/// What a session carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A slot of the old version.
    Slot(String),
    /// A local of a state.
    Local(String),
    /// The time of a deadline of a state.
    Deadline(String),
    /// The history.
    History,
    /// Pending wakes.
    Wakes,
    /// What waits in the mailbox.
    Mailbox,
    /// The decision that led to a state.
    State(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(name) => write!(f, "slot `{name}`"),
            Self::Local(state) => write!(f, "what the steps of state `{state}` left behind"),
            Self::Deadline(state) => write!(f, "a deadline of state `{state}`"),
            Self::History => f.write_str("its history"),
            Self::Wakes => f.write_str("a wake"),
            Self::Mailbox => f.write_str("a message that waits"),
            Self::State(state) => write!(f, "the decision that led to state `{state}`"),
        }
    }
}

/// Whether what a session carries in a state of one program is within what the proofs of another count on.
pub(super) fn fit(
    (old, from): (&Program, u32),
    (new, to): (&Program, u32),
    migration: Option<&Migration>,
) -> Result<(), Stays> {
    let (here, was) = rest_of(old, from).ok_or(Stays::Damaged)?;
    // Where no session of its own ever waits, a program proves nothing.
    let (there, is) = rest_of(new, to).ok_or_else(|| Stays::State(here.name.clone()))?;
    if is.relies {
        return Err(Stays::Approval(there.name.clone()));
    }
    for (slot, was) in old.slots.iter().zip(&was.slots) {
        if is_dropped(migration, slot) {
            continue;
        }
        let slot_is = slot_there(new, migration, slot).and_then(|(at, _)| is.slots.get(at));
        within(*was, slot_is.copied(), || Holder::Slot(slot.name.clone()))?;
    }
    if takes_locals(new, there) {
        for (at, was) in was.locals.iter().enumerate() {
            within(*was, is.locals.get(at).copied(), || Holder::Local(here.name.clone()))?;
        }
    }
    for (at, was) in was.timers.iter().enumerate() {
        within(*was, is.timers.get(at).copied(), || Holder::Deadline(here.name.clone()))?;
    }
    within(was.history, Some(is.history), || Holder::History)?;
    within(was.wakes, Some(is.wakes), || Holder::Wakes)?;
    within(was.sender, Some(is.sender), || Holder::Mailbox)?;
    if was.mixed && !is.mixed && migration.is_none() {
        return Err(Stays::SeveralPeople);
    }
    if is.forgets {
        return Ok(());
    }
    within(was.control, Some(is.control), || Holder::State(here.name.clone()))
}

fn rest_of(program: &Program, state: u32) -> Option<(&State, &Rest)> {
    let state = program.states.get(state as usize)?;
    Some((state, state.rest.as_ref()?))
}

fn within(was: Labels, is: Option<Labels>, holder: impl FnOnce() -> Holder) -> Result<(), Stays> {
    match was.but(is.unwrap_or_default()).iter().next() {
        Some(label) => Err(Stays::Label(holder(), label)),
        None => Ok(()),
    }
}
