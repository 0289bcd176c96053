// SPDX-License-Identifier: MIT OR Apache-2.0
//! An idle session moves to another version of its program (ruling 17): states and slots keep their names unless the
//! program says how they are called now. Values go over by the names of their types' cases and fields, not by their
//! places. What does not fit leaves the session where it is, and so does what the proofs of the other version do not
//! count on: see `labels`.

mod labels;
#[cfg(test)]
mod tests;

pub use labels::Holder;

use super::execute::{Context, Exit, Wake};
use super::{Machine, Status, live, objects};
use crate::program::instruction::Instruction;
use crate::program::operand::Role;
use crate::program::shape::ShapeId;
use crate::program::shape::conforms;
use crate::program::{Frame, Label, Migration, Program, Register, Slot, State};
use crate::value::Value;

/// Why a session stays on its version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stays {
    /// Something is pending; it moves when it rests.
    #[error("it is at work; it is looked at again when it rests")]
    Busy,
    /// It ended, is parked, or belongs to another program.
    #[error("it does not run on the program that it is said to run on")]
    NotRunning,
    /// No migration says where this state went.
    #[error("it is in state `{0}` and nothing says where that went")]
    State(String),
    /// The state has another number of deadlines there.
    #[error("state `{0}` has another number of deadlines there")]
    Deadlines(String),
    /// A slot is gone or its value does not fit.
    #[error("slot `{0}` is not there, or its value does not fit there")]
    Slot(String),
    /// A wake carries a value of another type there.
    #[error("its wakes carry values that do not fit there")]
    Wakes,
    /// Values that the state's steps left behind do not fit.
    #[error("what the steps of state `{0}` left behind does not fit there")]
    Locals(String),
    /// What comes over may come from where the proofs there do not expect it.
    #[error("{0} may carry `{word}`, which the proofs of that version do not count on", word = .1.word())]
    Label(Holder, Label),
    /// Whoever writes speaks there for every word of a person that the session holds.
    #[error("it may hold words of several people, and the proofs of that version count on one")]
    SeveralPeople,
    /// A dangerous call there counts on an approval that the session has not come by.
    #[error("state `{0}` waits behind an approval there, which the session never got")]
    Approval(String),
    /// A program is damaged.
    #[error("a program is damaged")]
    Damaged,
}

impl Machine {
    /// The session on another program, or why it stays. Without a migration it moves only from start state to start
    /// state, with all its slots. Either way what it carries must lie within what the proofs of the other program
    /// count on.
    pub fn migrate(
        &self,
        old: &Program,
        new: &Program,
        migration: Option<&Migration>,
    ) -> Result<Self, Stays> {
        if !self.belongs_to(old) || self.status != Status::Running {
            return Err(Stays::NotRunning);
        }
        if !self.pending.is_empty() || self.each.is_some() || self.gather.is_some() {
            return Err(Stays::Busy);
        }
        let state = self.state_there(old, new, migration)?;
        let mut moved = Self::new(new);
        let mut context = Context::new(new, 0);
        if !matches!(moved.execute(&mut context, new.layout.initial), Exit::End) {
            return Err(Stays::Damaged);
        }
        self.move_slots(old, new, migration, &mut moved)?;
        moved.status = Status::Running;
        moved.state = state;
        moved.live = live(new, state);
        let here = || old.states.get(self.state as usize).map(|state| state.name.clone()).unwrap_or_default();
        self.move_locals(old, new, &mut moved).ok_or_else(|| Stays::Locals(here()))?;
        labels::fit((old, self.state), (new, state), migration)?;
        (moved.visit, moved.effects, moved.calls) = (self.visit, self.effects, self.calls);
        (moved.failure_visit, moved.fired, moved.wake_next) =
            (self.failure_visit, self.fired, self.wake_next);
        for wake in &self.wakes {
            let with = match (&wake.with, old.wake, new.wake) {
                (Value::None, ..) => Value::None,
                (value, Some(from), Some(to)) => carried(old, from, new, to, value).ok_or(Stays::Wakes)?,
                _ => return Err(Stays::Wakes),
            };
            moved.wakes.push(Wake { with, ..wake.clone() });
        }
        Ok(moved)
    }

    fn state_there(&self, old: &Program, new: &Program, migration: Option<&Migration>) -> Result<u32, Stays> {
        let here = old.states.get(self.state as usize).ok_or(Stays::Damaged)?;
        let gone = || Stays::State(here.name.clone());
        let name = match migration {
            Some(migration) => renamed(migration, &here.name),
            None if self.state == old.start => {
                new.states.get(new.start as usize).ok_or(Stays::Damaged)?.name.as_str()
            }
            None => return Err(gone()),
        };
        let mut known = new.states.iter().enumerate();
        let (at, there) = known.find(|(_, state)| state.name == name).ok_or_else(gone)?;
        // The proofs look at a state that waits only where its steps come to their end.
        if !comes_to_rest(new, there.body) {
            return Err(gone());
        }
        // A deadline is known by its place in the state.
        if there.timers.len() != here.timers.len() {
            return Err(Stays::Deadlines(here.name.clone()));
        }
        u32::try_from(at).map_err(|_| Stays::Damaged)
    }

    fn move_slots(
        &self,
        old: &Program,
        new: &Program,
        migration: Option<&Migration>,
        moved: &mut Self,
    ) -> Result<(), Stays> {
        for slot in &old.slots {
            if is_dropped(migration, slot) {
                continue;
            }
            let there = slot_there(new, migration, slot).map(|(_, there)| there);
            let value = self.value_of(old, slot).ok_or(Stays::Damaged)?;
            let fits =
                there.and_then(|there| Some((there, carried(old, slot.shape, new, there.shape, &value)?)));
            let (there, value) = fits.ok_or_else(|| Stays::Slot(slot.name.clone()))?;
            if !moved.store(there.register, value) {
                return Err(Stays::Slot(slot.name.clone()));
            }
        }
        Ok(())
    }

    fn value_of(&self, program: &Program, slot: &Slot) -> Option<Value> {
        match slot.register {
            Register::Object(index) => self.objects.get(usize::from(index)).cloned(),
            Register::Scalar(index) => {
                let scalar = *self.scalars.get(usize::from(index))?;
                objects::wrap(objects::kind_of(program.shape(slot.shape)?), scalar)
            }
        }
    }

    /// Locals have no names any more: a body that may have left some behind must have the same ones there. Those of
    /// handlers alone are written before they are read.
    fn move_locals(&self, old: &Program, new: &Program, moved: &mut Self) -> Option<()> {
        let (here, there) = (old.states.get(self.state as usize)?, new.states.get(moved.state as usize)?);
        if !takes_locals(new, there) {
            return Some(());
        }
        let (from, to): (&Frame, &Frame) = (&here.frame, &there.frame);
        if from.scalars.len() != to.scalars.len() || from.objects.len() != to.objects.len() {
            return None;
        }
        for (at, (a, b)) in from.scalars.iter().zip(&to.scalars).enumerate() {
            if old.shape(*a)? != new.shape(*b)? {
                return None;
            }
            let scalar = *self.scalars.get(usize::from(from.scalar_first) + at)?;
            *moved.scalars.get_mut(usize::from(to.scalar_first) + at)? = scalar;
        }
        for (at, (a, b)) in from.objects.iter().zip(&to.objects).enumerate() {
            let value = self.objects.get(usize::from(from.object_first) + at)?;
            let value = if *value == Value::None { Value::None } else { carried(old, *a, new, *b, value)? };
            *moved.objects.get_mut(usize::from(to.object_first) + at)? = value;
        }
        Some(())
    }
}

/// Whether steps may come to their end, so that a session waits in their state.
fn comes_to_rest(program: &Program, body: u16) -> bool {
    let (mut seen, mut work) = (vec![false; program.code.len()], vec![body]);
    while let Some(at) = work.pop() {
        let (Some(&instruction), Some(seen)) =
            (program.code.get(usize::from(at)), seen.get_mut(usize::from(at)))
        else {
            continue;
        };
        if std::mem::replace(seen, true) {
            continue;
        }
        match instruction {
            Instruction::End() => return true,
            Instruction::Go(_) | Instruction::Done(_) | Instruction::DoneEmpty() => {}
            Instruction::Jump(to) => work.push(to.0),
            Instruction::Await(site) => work.extend(program.landings(site.0)),
            Instruction::Each(each) => {
                work.extend(program.loops.get(usize::from(each.0)).map(|each| each.resume))
            }
            other => {
                work.push(at.saturating_add(1));
                other.operands(|role| {
                    if let Role::Target(to) = role {
                        work.push(to);
                    }
                });
            }
        }
    }
    false
}

fn is_dropped(migration: Option<&Migration>, slot: &Slot) -> bool {
    migration.is_some_and(|migration| migration.drops.contains(&slot.name))
}

/// What a slot is there, with its index.
fn slot_there<'a>(new: &'a Program, migration: Option<&Migration>, slot: &Slot) -> Option<(usize, &'a Slot)> {
    let name = migration.map_or(slot.name.as_str(), |migration| renamed(migration, &slot.name));
    new.slots.iter().enumerate().find(|(_, known)| known.name == name)
}

/// Whether anything can read there what the steps of a state have left behind.
fn takes_locals(new: &Program, there: &State) -> bool {
    !new.is_empty_at(there.body)
}

fn renamed<'a>(migration: &'a Migration, name: &'a str) -> &'a str {
    migration.moves.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new.as_str())
}

/// A value of one program as a value of another.
fn carried(old: &Program, from: ShapeId, new: &Program, to: ShapeId, value: &Value) -> Option<Value> {
    let value = match value {
        Value::None | Value::Message(_) | Value::Json(_) | Value::Text(_) => value.clone(),
        value => new.value_of_shape(to, &old.json_of_shape(from, value)).ok()?,
    };
    conforms(&new.shapes, to, &value).then_some(value)
}
