// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session as bytes: what it needs to go on and nothing else. Temporaries are dead at every wait, so only slots,
//! locals and what the pending effect was asked with are written. Reading checks everything against the program:
//! bytes that are damaged or belong to another program are refused.

use super::effects::asked_with;
use super::{Machine, Origin, Pending, Status, prefix};
use crate::program::Program;
use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::shape::conforms;
use crate::value::Value;

/// Version of the format.
const VERSION: u8 = 1;

/// Why bytes are not a session of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by another version.
    #[error("session format {0}, this build reads {VERSION}")]
    Version(u8),
    /// The session runs on another program.
    #[error("the session belongs to another program")]
    OtherProgram,
    /// The bytes do not follow the format.
    #[error("damaged session: {0}")]
    Bytes(#[from] BytesError),
    /// A register, state, site or counter does not fit the program.
    #[error("damaged session: {0} does not fit the program")]
    Mismatch(&'static str),
}

impl Machine {
    /// The session as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer { bytes: Vec::with_capacity(128) };
        let w = &mut out;
        w.byte(VERSION);
        w.bytes.extend_from_slice(&self.program);
        w.byte(self.status as u8);
        w.unsigned(u64::from(self.state));
        w.unsigned(self.visit);
        w.unsigned(u64::from(self.effects));
        w.unsigned(u64::from(self.calls));
        w.unsigned(self.visit - self.failure_visit.min(self.visit));
        w.unsigned(self.fired);
        w.each(&self.counters, |w, counter| w.unsigned(u64::from(*counter)));
        w.optional(self.pending, |w, pending| {
            w.unsigned(u64::from(pending.site));
            w.unsigned(u64::from(pending.number));
            w.byte(pending.origin as u8);
        });
        for value in self.scalars.iter().take(usize::from(self.live.scalars)) {
            w.signed(*value);
        }
        for value in self.objects.iter().take(usize::from(self.live.objects)) {
            w.value(value);
        }
        let asked = self.pending.map_or(0, |pending| pending.objects);
        for value in self.objects.iter().skip(usize::from(self.live.effect_first)).take(usize::from(asked)) {
            w.value(value);
        }
        out.bytes
    }

    /// Reads what [`Machine::encode`] wrote for a session of this program.
    pub fn decode(program: &Program, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let r = &mut input;
        let version = r.byte()?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        if r.take(8)? != prefix(program) {
            return Err(DecodeError::OtherProgram);
        }
        let mut machine = Self::new(program);
        machine.status = match r.byte()? {
            0 => Status::Fresh,
            1 => Status::Running,
            2 => Status::Done,
            3 => Status::Parked,
            _ => return Err(DecodeError::Mismatch("the status")),
        };
        machine.state = r.narrow()?;
        if machine.state as usize >= program.states.len() {
            return Err(DecodeError::Mismatch("the state"));
        }
        machine.visit = r.unsigned()?;
        machine.effects = r.narrow()?;
        machine.calls = r.narrow()?;
        machine.failure_visit =
            machine.visit.checked_sub(r.unsigned()?).ok_or(DecodeError::Mismatch("the failure's visit"))?;
        machine.fired = r.unsigned()?;
        machine.live = super::live(program, machine.state);
        machine.counters = r.each(Reader::narrow)?;
        if machine.counters.len() != usize::from(program.layout.counters) {
            return Err(DecodeError::Mismatch("the counters"));
        }
        machine.pending = r.optional(read_pending)?;
        machine.read_registers(program, r)?;
        if r.is_empty() { Ok(machine) } else { Err(DecodeError::Bytes(BytesError::TooLong)) }
    }

    fn read_registers(&mut self, program: &Program, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let frames =
            [&program.layout.slots, &program.layout.anywhere, &program.states[self.state as usize].frame];
        for frame in frames {
            for (offset, shape) in frame.scalars.iter().enumerate() {
                let value = r.signed()?;
                let admitted = program.shape(*shape).is_some_and(|shape| shape.admits_scalar(value));
                match self.scalars.get_mut(usize::from(frame.scalar_first) + offset).filter(|_| admitted) {
                    Some(place) => *place = value,
                    None => return Err(DecodeError::Mismatch("a number")),
                }
            }
        }
        for frame in frames {
            for (offset, shape) in frame.objects.iter().enumerate() {
                let value = r.value()?;
                // Nothing was assigned yet, or the type allows the value.
                let admitted = value == Value::None || conforms(&program.shapes, *shape, &value);
                match self.objects.get_mut(usize::from(frame.object_first) + offset).filter(|_| admitted) {
                    Some(place) => *place = value,
                    None => return Err(DecodeError::Mismatch("a value")),
                }
            }
        }
        let first = usize::from(program.layout.effect_first);
        let asked = self.pending.map_or(0, |pending| asked_with(program, pending.site));
        for offset in 0..usize::from(asked) {
            let value = r.value()?;
            match self.objects.get_mut(first + offset) {
                Some(place) => *place = value,
                None => return Err(DecodeError::Mismatch("the pending effect")),
            }
        }
        if let Some(pending) = &mut self.pending {
            pending.objects = asked;
        }
        if let Some(pending) = self.pending
            && (!self.can_ask(program, pending.site)
                || self.status != Status::Running
                || pending.number >= self.effects)
        {
            return Err(DecodeError::Mismatch("the pending effect"));
        }
        Ok(())
    }
}

fn read_pending(r: &mut Reader<'_>) -> Result<Pending, BytesError> {
    Ok(Pending {
        site: r.narrow()?,
        number: r.narrow()?,
        origin: match r.byte()? {
            0 => Origin::Plain,
            1 => Origin::StateFailure,
            2 => Origin::AnywhereFailure,
            _ => return Err(BytesError::Unknown),
        },
        objects: 0,
    })
}
