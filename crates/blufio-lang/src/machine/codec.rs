// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session as bytes: what it needs to go on and nothing else. Temporaries are dead at every wait, so only slots,
//! locals and what the pending effect was asked with are written. Reading checks everything against the program:
//! bytes that are damaged or belong to another program are refused.

use super::effects::can_ask;
use super::execute::{WAKES_MAX, Wake};
use super::parallel::{Parallel, Strand};
use super::{Machine, Origin, Pending, Place, Status, prefix};
use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::monitor::Monitor;
use crate::program::shape::{Shape, conforms};
use crate::program::{Program, Register};
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
        w.each(&self.rules, |w, state| w.unsigned(u64::from(*state)));
        w.each(&self.pending, |w, pending| {
            w.unsigned(u64::from(pending.site));
            w.unsigned(u64::from(pending.number));
            w.byte(pending.origin as u8);
            match pending.place {
                Place::Alone => w.unsigned(0),
                Place::Branch => w.unsigned(1),
                Place::Item(item) => w.unsigned(u64::from(item) + 2),
            }
            w.each(&pending.values, Writer::value);
        });
        w.optional(self.gather, |w, resume| w.unsigned(u64::from(resume)));
        w.optional(self.each.as_ref(), write_parallel);
        w.each(&self.wakes, |w, wake| {
            w.unsigned(wake.number);
            w.signed(wake.due_ms);
            w.value(&wake.with);
        });
        w.unsigned(self.wake_next);
        for value in self.scalars.iter().take(usize::from(self.live.scalars)) {
            w.signed(*value);
        }
        for value in self.objects.iter().take(usize::from(self.live.objects)) {
            w.value(value);
        }
        out.bytes
    }

    /// Bytes that are equal for sessions that differ only in numbers that grow for ever: of visits, effects, model
    /// calls, wakes, and slots that count beyond `int_max` either way. What such sessions do next is the same, as long as
    /// the program compares slots with smaller numbers only.
    pub fn canonical(&self, program: &Program, int_max: i64) -> Vec<u8> {
        let mut alike = self.clone();
        for slot in &program.slots {
            if let (Register::Scalar(at), Some(Shape::Int(..))) = (slot.register, program.shape(slot.shape))
                && let Some(place) = alike.scalars.get_mut(usize::from(at))
            {
                *place = (*place).clamp(-int_max.abs(), int_max.abs());
            }
        }
        let is_after_failure = self.failure_visit == self.visit && self.visit > 0;
        alike.visit = 1;
        alike.failure_visit = u64::from(is_after_failure);
        (alike.effects, alike.calls) = (0, 0);
        for (number, pending) in (0..).zip(&mut alike.pending) {
            pending.number = number;
        }
        for (number, wake) in (0..).zip(&mut alike.wakes) {
            wake.number = number;
        }
        alike.wake_next = 0;
        if let Some(timer) = alike.each.as_mut().and_then(|parallel| parallel.timer.as_mut()) {
            *timer = super::parallel::TIMER_FIRST;
        }
        alike.encode()
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
        machine.rules = r.each(Reader::narrow)?;
        let fits = |(state, monitor): (&u32, &Monitor)| *state <= monitor.state_max();
        if machine.rules.len() != program.monitors.len()
            || !machine.rules.iter().zip(&program.monitors).all(fits)
        {
            return Err(DecodeError::Mismatch("the rules"));
        }
        machine.pending = r.each(read_pending)?;
        machine.gather = r.optional(Reader::narrow)?;
        machine.each = r.optional(read_parallel)?;
        machine.wakes =
            r.each(|r| Ok(Wake { number: r.unsigned()?, due_ms: r.signed()?, with: r.value()? }))?;
        machine.wake_next = r.unsigned()?;
        machine.read_registers(program, r)?;
        machine.check_waiting(program)?;
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
        Ok(())
    }

    /// What is waited for fits the program and itself.
    fn check_waiting(&self, program: &Program) -> Result<(), DecodeError> {
        let wrong = DecodeError::Mismatch("the pending effect");
        let is_running = self.status == Status::Running;
        for (at, pending) in self.pending.iter().enumerate() {
            let belongs = match pending.place {
                Place::Alone => self.pending.len() == 1 && self.each.is_none() && self.gather.is_none(),
                Place::Branch => self.gather.is_some() && self.each.is_none(),
                Place::Item(item) => self.each.as_ref().is_some_and(|parallel| {
                    parallel.waiting.iter().filter(|strand| strand.item == item).count() == 1
                }),
            };
            let is_new = self.pending.iter().take(at).all(|other| other.number != pending.number);
            let is_asked = pending.number < self.effects && can_ask(program, pending.site, &pending.values);
            if !(is_running && belongs && is_new && is_asked) {
                return Err(wrong);
            }
        }
        if let Some(resume) = self.gather
            && (usize::from(resume) >= program.code.len() || self.pending.is_empty())
        {
            return Err(wrong);
        }
        let wakes = self.wakes.len() <= WAKES_MAX
            && self.wakes.iter().all(|wake| {
                let fits = |shape| wake.with == Value::None || conforms(&program.shapes, shape, &wake.with);
                wake.number < self.wake_next && program.wake.map_or(wake.with == Value::None, fits)
            });
        if !wakes {
            return Err(DecodeError::Mismatch("a wake"));
        }
        self.each.as_ref().map_or(Ok(()), |parallel| self.check_parallel(program, parallel))
    }

    fn check_parallel(&self, program: &Program, parallel: &Parallel) -> Result<(), DecodeError> {
        let wrong = DecodeError::Mismatch("the loop");
        let Some(each) = program.loops.get(usize::from(parallel.each)) else { return Err(wrong) };
        let count = parallel.items.len() as u64;
        let strands = parallel.waiting.iter().all(|strand| {
            let scalars = each.frame.scalars.iter().zip(&strand.scalars);
            let objects = each.frame.objects.iter().zip(&strand.objects);
            u64::from(strand.item) < count
                && strand.scalars.len() == each.frame.scalars.len()
                && strand.objects.len() == each.frame.objects.len()
                && scalars.into_iter().all(|(id, v)| program.shape(*id).is_some_and(|s| s.admits_scalar(*v)))
                && objects.into_iter().all(|(id, v)| *v == Value::None || conforms(&program.shapes, *id, v))
        });
        let waits = self.pending.iter().filter(|p| matches!(p.place, Place::Item(_))).count();
        let shape = match each.variable {
            Register::Scalar(at) => each.frame.scalars.get(usize::from(at - each.frame.scalar_first)),
            Register::Object(at) => each.frame.objects.get(usize::from(at - each.frame.object_first)),
        };
        let items = shape
            .is_some_and(|shape| parallel.items.iter().all(|item| conforms(&program.shapes, *shape, item)));
        let results = parallel.results.iter().all(|(item, _)| u64::from(*item) < count);
        let begun = u64::from(parallel.next) <= count && !parallel.waiting.is_empty();
        if strands && items && results && begun && waits == parallel.waiting.len() {
            Ok(())
        } else {
            Err(wrong)
        }
    }
}

fn write_parallel(w: &mut Writer, parallel: &Parallel) {
    w.unsigned(u64::from(parallel.each));
    w.byte(parallel.origin as u8);
    w.each(&parallel.items, Writer::value);
    w.unsigned(u64::from(parallel.next));
    w.each(&parallel.waiting, |w, strand| {
        w.unsigned(u64::from(strand.item));
        w.each(&strand.scalars, |w, value| w.signed(*value));
        w.each(&strand.objects, Writer::value);
    });
    w.each(&parallel.results, |w, (item, value)| {
        w.unsigned(u64::from(*item));
        w.value(value);
    });
    w.optional(parallel.timer, |w, timer| w.unsigned(u64::from(timer)));
}

fn read_parallel(r: &mut Reader<'_>) -> Result<Parallel, BytesError> {
    Ok(Parallel {
        each: r.narrow()?,
        origin: read_origin(r)?,
        items: r.each(Reader::value)?.into(),
        next: r.narrow()?,
        waiting: r.each(|r| {
            Ok(Strand {
                item: r.narrow()?,
                scalars: r.each(Reader::signed)?.into(),
                objects: r.each(Reader::value)?.into(),
            })
        })?,
        results: r.each(|r| Ok((r.narrow()?, r.value()?)))?,
        timer: r.optional(Reader::narrow)?,
    })
}

fn read_origin(r: &mut Reader<'_>) -> Result<Origin, BytesError> {
    match r.byte()? {
        0 => Ok(Origin::Plain),
        1 => Ok(Origin::StateFailure),
        2 => Ok(Origin::AnywhereFailure),
        _ => Err(BytesError::Unknown),
    }
}

fn read_pending(r: &mut Reader<'_>) -> Result<Pending, BytesError> {
    Ok(Pending {
        site: r.narrow()?,
        number: r.narrow()?,
        origin: read_origin(r)?,
        place: match r.unsigned()? {
            0 => Place::Alone,
            1 => Place::Branch,
            item => Place::Item(u32::try_from(item - 2).map_err(|_| BytesError::Unknown)?),
        },
        values: r.each(Reader::value)?.into(),
        fresh: false,
    })
}
