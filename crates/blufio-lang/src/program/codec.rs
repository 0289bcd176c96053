// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program as bytes: magic, format version, SHA-256 of the content, content. The same program always gives the same
//! bytes; bytes that are damaged, cut, from another format or that do not verify are refused.

mod sites;
mod tables;

use sha2::{Digest, Sha256};

use super::{
    Cap, Frame, Handler, HandlerAction, Layout, Program, Register, Schema, Slot, State, Timer, Trigger,
    VerifyError,
};
use crate::program::bytes::{BytesError, Reader, Writer};
use crate::program::instruction::Instruction;
use crate::program::shape::{Shape, ShapeId};
use crate::source::Span;
use crate::typed::Model;

/// First bytes of every compiled program.
const MAGIC: &[u8; 4] = b"BLUF";
/// Version of the format that this build writes and reads.
pub const FORMAT_VERSION: u16 = 3;

/// Why bytes are not a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// The first bytes are not those of a compiled program.
    #[error("not a compiled program")]
    Magic,
    /// Another format version.
    #[error("compiled format {0}, this build reads {FORMAT_VERSION}")]
    Version(u16),
    /// The content does not match its identity.
    #[error("the content does not match its SHA-256")]
    Hash,
    /// The content does not follow the format.
    #[error("damaged content: {0}")]
    Content(#[from] BytesError),
    /// Bytes behind the content.
    #[error("bytes behind the end")]
    Trailing,
    /// The code breaks the rules of the machine.
    #[error("refused by the verifier: {0}")]
    Verify(#[from] VerifyError),
}

impl Program {
    /// Bytes that [`Program::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let content = self.content();
        let mut bytes = Vec::with_capacity(content.len() + 38);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&content));
        bytes.extend_from_slice(&content);
        bytes
    }

    /// Reads and verifies a program.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
        let mut input = Reader::new(bytes);
        if input.take(4).map_err(|_| ProgramError::Magic)? != MAGIC {
            return Err(ProgramError::Magic);
        }
        let version = u16::from_le_bytes([input.byte()?, input.byte()?]);
        if version != FORMAT_VERSION {
            return Err(ProgramError::Version(version));
        }
        let hash: [u8; 32] = input.take(32)?.try_into().map_err(|_| BytesError::Truncated)?;
        let content = bytes.get(38..).ok_or(BytesError::Truncated)?;
        if <[u8; 32]>::from(Sha256::digest(content)) != hash {
            return Err(ProgramError::Hash);
        }
        let program = read_program(&mut input)?;
        if !input.is_empty() {
            return Err(ProgramError::Trailing);
        }
        Ok(program.seal()?)
    }

    /// Everything that the identity covers.
    pub(super) fn content(&self) -> Vec<u8> {
        let mut out = Writer { bytes: Vec::with_capacity(1_024 + self.code.len() * 8) };
        let w = &mut out;
        w.text(&self.name);
        w.unsigned(u64::from(self.version));
        w.text(&self.goal);
        w.each(&self.states, write_state);
        w.unsigned(u64::from(self.start));
        w.each(&self.models, |w, model| {
            w.text(&model.name);
            w.each(&model.chain, |w, name| w.text(name));
            w.optional(model.routing.as_ref(), tables::write_routing);
        });
        tables::write_context(w, &self.context);
        tables::write(w, self);
        w.each(&self.slots, |w, slot| {
            w.text(&slot.name);
            w.unsigned(u64::from(slot.shape.0));
            write_register(w, slot.register);
        });
        w.each(&self.shapes, |w, shape| shape.write(w));
        w.each(&self.schemas, |w, schema| w.unsigned(u64::from(schema.shape.0)));
        w.each(&self.anywhere, write_handler);
        w.each(&self.sites, sites::write);
        w.each(&self.loops, sites::write_loop);
        w.each(&self.code, |w, instruction| instruction.write(w));
        let mut last = 0i64;
        w.each(&self.spans, |w, span| {
            w.signed(i64::from(span.start) - last);
            w.unsigned(u64::from(span.end.wrapping_sub(span.start)));
            last = i64::from(span.start);
        });
        w.each(&self.scalar_constants, |w, value| w.signed(*value));
        w.each(&self.value_constants, Writer::value);
        write_layout(w, &self.layout);
        out.bytes
    }
}

fn read_program(r: &mut Reader<'_>) -> Result<Program, BytesError> {
    let name = r.text()?.to_string();
    let version = r.narrow()?;
    let goal = r.text()?.to_string();
    let states = r.each(read_state)?;
    let start = r.narrow()?;
    let models = r.each(|r| {
        Ok(Model {
            name: r.text()?.to_string(),
            chain: r.each(|r| r.text().map(str::to_string))?,
            routing: r.optional(tables::read_routing)?,
        })
    })?;
    let context = tables::read_context(r)?;
    let mut program = Program::default();
    tables::read(r, &mut program)?;
    let slots = r.each(|r| {
        Ok(Slot { name: r.text()?.to_string(), shape: ShapeId(r.narrow()?), register: read_register(r)? })
    })?;
    let shapes = r.each(Shape::read)?;
    let schemas = r.each(|r| Ok(Schema { shape: ShapeId(r.narrow()?) }))?;
    let anywhere = r.each(read_handler)?;
    let sites = r.each(sites::read)?;
    let loops = r.each(sites::read_loop)?;
    let code = r.each(Instruction::read)?.into();
    let mut last = 0i64;
    let spans = r
        .each(|r| {
            last = last.wrapping_add(r.signed()?);
            let start = u32::try_from(last).map_err(|_| BytesError::Unknown)?;
            Ok(Span { start, end: start.wrapping_add(r.narrow()?) })
        })?
        .into();
    let scalar_constants = r.each(Reader::signed)?.into();
    let value_constants = r.each(Reader::value)?.into();
    Ok(Program {
        name,
        version,
        goal,
        states,
        start,
        models,
        context,
        slots,
        shapes,
        schemas,
        anywhere,
        sites,
        loops,
        code,
        spans,
        scalar_constants,
        value_constants,
        layout: read_layout(r)?,
        ..program
    })
}

fn write_span(w: &mut Writer, span: Span) {
    w.unsigned(u64::from(span.start));
    w.unsigned(u64::from(span.end));
}

fn read_span(r: &mut Reader<'_>) -> Result<Span, BytesError> {
    Ok(Span { start: r.narrow()?, end: r.narrow()? })
}

fn short(w: &mut Writer, value: u16) {
    w.unsigned(u64::from(value));
}

fn write_register(w: &mut Writer, register: Register) {
    match register {
        Register::Scalar(index) => {
            w.byte(0);
            short(w, index);
        }
        Register::Object(index) => {
            w.byte(1);
            short(w, index);
        }
    }
}

fn read_register(r: &mut Reader<'_>) -> Result<Register, BytesError> {
    Ok(if r.flag()? { Register::Object(r.narrow()?) } else { Register::Scalar(r.narrow()?) })
}

fn write_frame(w: &mut Writer, frame: &Frame) {
    short(w, frame.scalar_first);
    w.each(&frame.scalars, |w, shape| short(w, shape.0));
    short(w, frame.object_first);
    w.each(&frame.objects, |w, shape| short(w, shape.0));
}

fn read_frame(r: &mut Reader<'_>) -> Result<Frame, BytesError> {
    Ok(Frame {
        scalar_first: r.narrow()?,
        scalars: r.each(|r| Ok(ShapeId(r.narrow()?)))?,
        object_first: r.narrow()?,
        objects: r.each(|r| Ok(ShapeId(r.narrow()?)))?,
    })
}

fn write_layout(w: &mut Writer, layout: &Layout) {
    short(w, layout.scalars);
    short(w, layout.objects);
    write_frame(w, &layout.slots);
    write_frame(w, &layout.anywhere);
    short(w, layout.effect_first);
    short(w, layout.effect_objects);
    short(w, layout.initial);
    short(w, layout.counters);
}

fn read_layout(r: &mut Reader<'_>) -> Result<Layout, BytesError> {
    Ok(Layout {
        scalars: r.narrow()?,
        objects: r.narrow()?,
        slots: read_frame(r)?,
        anywhere: read_frame(r)?,
        effect_first: r.narrow()?,
        effect_objects: r.narrow()?,
        initial: r.narrow()?,
        counters: r.narrow()?,
    })
}

fn write_state(w: &mut Writer, state: &State) {
    w.text(&state.name);
    write_span(w, state.span);
    w.optional(state.cap, |w, cap| {
        short(w, cap.counter);
        w.unsigned(u64::from(cap.visits_max));
        w.byte(u8::from(cap.per_event));
        short(w, cap.otherwise);
    });
    write_frame(w, &state.frame);
    w.optional(state.arm, short);
    short(w, state.body);
    w.each(&state.handlers, write_handler);
    w.each(&state.timers, |w, timer| {
        short(w, timer.entry);
        w.byte(u8::from(timer.quick));
        write_span(w, timer.span);
    });
    w.optional(state.rest.as_ref(), tables::write_rest);
}

fn read_state(r: &mut Reader<'_>) -> Result<State, BytesError> {
    Ok(State {
        name: r.text()?.to_string(),
        span: read_span(r)?,
        cap: r.optional(|r| {
            Ok(Cap {
                counter: r.narrow()?,
                visits_max: r.narrow()?,
                per_event: r.flag()?,
                otherwise: r.narrow()?,
            })
        })?,
        frame: read_frame(r)?,
        arm: r.optional(Reader::narrow)?,
        body: r.narrow()?,
        handlers: r.each(read_handler)?,
        timers: r.each(|r| Ok(Timer { entry: r.narrow()?, quick: r.flag()?, span: read_span(r)? }))?,
        rest: r.optional(tables::read_rest)?,
    })
}

fn write_handler(w: &mut Writer, handler: &Handler) {
    match &handler.trigger {
        Trigger::Message => w.byte(0),
        Trigger::Word(word) => {
            w.byte(1);
            w.text(word);
        }
        Trigger::Failed => w.byte(2),
        Trigger::Uncertain => w.byte(3),
        Trigger::OverBudget => w.byte(4),
        Trigger::Wake => w.byte(5),
        Trigger::Declared(event) => {
            w.byte(6);
            short(w, *event);
        }
        Trigger::Channel(word) => {
            w.byte(7);
            w.text(word);
        }
        Trigger::Every(schedule) => {
            w.byte(8);
            short(w, *schedule);
        }
    }
    match handler.action {
        HandlerAction::Hold => w.byte(0),
        HandlerAction::Join => w.byte(1),
        HandlerAction::Drop => w.byte(2),
        HandlerAction::Run { entry, binder, quick } => {
            w.byte(3);
            short(w, entry);
            w.optional(binder, write_register);
            w.byte(u8::from(quick));
        }
    }
    write_span(w, handler.span);
}

fn read_handler(r: &mut Reader<'_>) -> Result<Handler, BytesError> {
    let trigger = match r.byte()? {
        0 => Trigger::Message,
        1 => Trigger::Word(r.text()?.to_string()),
        2 => Trigger::Failed,
        3 => Trigger::Uncertain,
        4 => Trigger::OverBudget,
        5 => Trigger::Wake,
        6 => Trigger::Declared(r.narrow()?),
        7 => Trigger::Channel(r.text()?.to_string()),
        8 => Trigger::Every(r.narrow()?),
        _ => return Err(BytesError::Unknown),
    };
    let action = match r.byte()? {
        0 => HandlerAction::Hold,
        1 => HandlerAction::Join,
        2 => HandlerAction::Drop,
        3 => HandlerAction::Run { entry: r.narrow()?, binder: r.optional(read_register)?, quick: r.flag()? },
        _ => return Err(BytesError::Unknown),
    };
    Ok(Handler { trigger, action, span: read_span(r)? })
}
