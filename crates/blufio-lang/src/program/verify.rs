// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proves that code keeps the machine's rules, so that the machine need not look: every register, constant, shape,
//! site, state and target exists, no path runs off the end, and every table points into the code. Registers need no
//! initialisation analysis: each one is defined from the start (0, or nothing).

mod sites;

use super::{
    Frame, Handler, HandlerAction, INSTRUCTIONS_MAX, Program, REGISTERS_MAX, Register, Schema, State,
    TIMERS_PER_STATE_MAX, Trigger,
};
use crate::program::instruction::Instruction;
use crate::program::operand::{Count, Object, Role};
use crate::program::shape::{Shape, ShapeId, recursive};
use crate::value::Value;

/// Which rule a program breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// More of something than the format can name.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// An instruction refers to something that does not exist.
    #[error("instruction {at} names {what} {index}, which does not exist")]
    Operand {
        /// Instruction.
        at: usize,
        /// What it names.
        what: &'static str,
        /// Index named.
        index: u16,
    },
    /// The code ends without a terminator.
    #[error("control runs off the end of the code")]
    OffTheEnd,
    /// A loop that builds values.
    #[error("instruction {at} jumps back to {target} over instructions that build values")]
    Loop {
        /// The jump.
        at: usize,
        /// Where it goes.
        target: u16,
    },
    /// Each instruction needs its place.
    #[error("{instructions} instructions with {spans} places")]
    Spans {
        /// Instructions.
        instructions: usize,
        /// Places.
        spans: usize,
    },
    /// A table entry refers to something that does not exist.
    #[error("{table} names {what} {index}, which does not exist")]
    Table {
        /// Table.
        table: &'static str,
        /// What it names.
        what: &'static str,
        /// Index named.
        index: u32,
    },
    /// A shape stands where another file or form is needed.
    #[error("{table} holds a shape that does not belong there")]
    Confused {
        /// Table.
        table: &'static str,
    },
}

/// Checks a program against the rules of the machine.
pub fn verify(program: &Program) -> Result<(), VerifyError> {
    sizes(program)?;
    for (at, instruction) in program.code.iter().enumerate() {
        operands(program, at, *instruction)?;
    }
    match program.code.last() {
        Some(last) if last.is_terminator() => {}
        _ => return Err(VerifyError::OffTheEnd),
    }
    loops(program)?;
    shapes(program)?;
    tables(program)?;
    for state in &program.states {
        check_state(program, state)?;
    }
    program.anywhere.iter().try_for_each(|handler| check_handler(program, handler))?;
    super::monitor::verify(program)?;
    sites::verify(program)
}

fn sizes(program: &Program) -> Result<(), VerifyError> {
    let counts = [
        ("instructions", program.code.len(), INSTRUCTIONS_MAX),
        ("registers", usize::from(program.layout.scalars.max(program.layout.objects)), REGISTERS_MAX),
        ("states", program.states.len(), u16::MAX as usize),
        ("shapes", program.shapes.len(), u16::MAX as usize),
        ("visit counters", usize::from(program.layout.counters), program.states.len()),
    ];
    for (what, count, max) in counts {
        if count > max {
            return Err(VerifyError::TooMany(what));
        }
    }
    if program.spans.len() != program.code.len() {
        return Err(VerifyError::Spans { instructions: program.code.len(), spans: program.spans.len() });
    }
    Ok(())
}

fn operands(program: &Program, at: usize, instruction: Instruction) -> Result<(), VerifyError> {
    let mut wrong = None;
    let mut look = |what: &'static str, index: u16, length: usize| {
        if usize::from(index) >= length {
            wrong = Some(VerifyError::Operand { at, what, index });
        }
    };
    instruction.operands(|role| match role {
        Role::Scalar(index) => look("scalar register", index, usize::from(program.layout.scalars)),
        Role::Value(index) => look("value register", index, usize::from(program.layout.objects)),
        Role::Target(index) => look("place", index, program.code.len()),
        Role::ScalarConstant(index) => look("scalar constant", index, program.scalar_constants.len()),
        Role::ValueConstant(index) => look("value constant", index, program.value_constants.len()),
        Role::Shape(index) => look("shape", index, program.shapes.len()),
        Role::Site(index) => look("effect site", index, program.sites.len()),
        Role::State(index) => look("state", index, program.states.len()),
        Role::Person(index) => look("person", index, program.people.len()),
        Role::Loop(index) => look("loop", index, program.loops.len()),
        Role::Plain => {}
    });
    if let Instruction::Join(_, Object(first), Count(count))
    | Instruction::MakeRecord(_, Object(first), Count(count))
    | Instruction::MakeList(_, Object(first), Count(count)) = instruction
        && usize::from(first) + usize::from(count) > usize::from(program.layout.objects)
    {
        return Err(VerifyError::Operand { at, what: "value register", index: first.saturating_add(count) });
    }
    if let Instruction::UntilTime(_, _, zone) | Instruction::TimeOfDay(_, _, zone) = instruction
        && !matches!(program.value_constants.get(usize::from(zone.0)), Some(Value::Text(_)))
    {
        return Err(VerifyError::Operand { at, what: "zone", index: zone.0 });
    }
    if let Instruction::SetTimer(timer, _) = instruction
        && usize::from(timer.0) >= TIMERS_PER_STATE_MAX
    {
        return Err(VerifyError::Operand { at, what: "deadline", index: timer.0 });
    }
    wrong.map_or(Ok(()), Err)
}

/// A loop must not build values: one that wraps a record into a record, or doubles a list, would exhaust stack or
/// memory long before the fuel. The compiler emits no backward jump at all.
fn loops(program: &Program) -> Result<(), VerifyError> {
    let builds = |instruction: &Instruction| {
        use Instruction as I;
        matches!(
            instruction,
            I::MakeRecord(..) | I::MakeList(..) | I::MakeVariant(..) | I::Append(..) | I::PutEntry(..)
        )
    };
    // How many such instructions stand before each place.
    let mut before = Vec::with_capacity(program.code.len() + 1);
    let mut count = 0u32;
    before.push(count);
    for instruction in &program.code {
        count += u32::from(builds(instruction));
        before.push(count);
    }
    for (at, instruction) in program.code.iter().enumerate() {
        let mut back = None;
        instruction.operands(|role| match role {
            Role::Target(target) if usize::from(target) <= at => back = Some(target),
            _ => {}
        });
        if let Some(target) = back
            && before.get(usize::from(target)) != before.get(at)
        {
            return Err(VerifyError::Loop { at, target });
        }
    }
    Ok(())
}

fn exists(table: &'static str, what: &'static str, index: u32, length: usize) -> Result<(), VerifyError> {
    if (index as usize) < length { Ok(()) } else { Err(VerifyError::Table { table, what, index }) }
}

fn shapes(program: &Program) -> Result<(), VerifyError> {
    for shape in &program.shapes {
        for named in shape.names() {
            exists("a shape", "shape", u32::from(named.0), program.shapes.len())?;
        }
        // INVARIANT: an optional never holds an optional, so that every step into a shape is a step into the value.
        if let Shape::Optional(of) = shape
            && matches!(program.shape(*of), Some(Shape::Optional(_)))
        {
            return Err(VerifyError::Confused { table: "an optional" });
        }
    }
    // INVARIANT: no shape contains itself, so that values are never deeper than the types that were written.
    if recursive(&program.shapes) {
        return Err(VerifyError::Confused { table: "a shape" });
    }
    let schema =
        |schema: &Schema| exists("a schema", "shape", u32::from(schema.shape.0), program.shapes.len());
    program.schemas.iter().try_for_each(schema)
}

fn tables(program: &Program) -> Result<(), VerifyError> {
    let layout = &program.layout;
    exists("the program", "state", program.start, program.states.len())?;
    exists("the layout", "place", u32::from(layout.initial), program.code.len())?;
    if program.states.iter().any(|state| state.frame.ends().1 > layout.effect_first) {
        return Err(VerifyError::Confused { table: "the layout" });
    }
    let effect_end = usize::from(layout.effect_first) + usize::from(layout.effect_objects);
    if effect_end > usize::from(layout.objects) {
        return Err(VerifyError::Table {
            table: "the layout",
            what: "value register",
            index: effect_end as u32,
        });
    }
    frame(program, &layout.slots, (0, 0))?;
    frame(program, &layout.anywhere, layout.slots.ends())?;
    for slot in &program.slots {
        let shape = program.shape(slot.shape);
        exists("a slot", "shape", u32::from(slot.shape.0), program.shapes.len())?;
        register(program, "a slot", slot.register)?;
        if shape.is_some_and(Shape::is_scalar) != matches!(slot.register, Register::Scalar(_)) {
            return Err(VerifyError::Confused { table: "a slot" });
        }
    }
    Ok(())
}

fn register(program: &Program, table: &'static str, register: Register) -> Result<(), VerifyError> {
    match register {
        Register::Scalar(index) => {
            exists(table, "scalar register", u32::from(index), usize::from(program.layout.scalars))
        }
        Register::Object(index) => {
            exists(table, "value register", u32::from(index), usize::from(program.layout.objects))
        }
    }
}

/// Frames lie one behind the other from the first register on: what is alive at a wait is a prefix of each file.
fn frame(program: &Program, frame: &Frame, begin: (u16, u16)) -> Result<(), VerifyError> {
    if (frame.scalar_first, frame.object_first) != begin {
        return Err(VerifyError::Confused { table: "a frame" });
    }
    let ends = [
        (usize::from(frame.scalar_first) + frame.scalars.len(), program.layout.scalars, "scalar register"),
        (usize::from(frame.object_first) + frame.objects.len(), program.layout.objects, "value register"),
    ];
    for (end, length, what) in ends {
        if end > usize::from(length) {
            return Err(VerifyError::Table { table: "a frame", what, index: end as u32 });
        }
    }
    let scalar = |id: &ShapeId| program.shape(*id).map(Shape::is_scalar);
    if frame.scalars.iter().any(|id| scalar(id) != Some(true))
        || frame.objects.iter().any(|id| scalar(id) != Some(false))
    {
        return Err(VerifyError::Confused { table: "a frame" });
    }
    Ok(())
}

fn place(program: &Program, table: &'static str, at: u16) -> Result<(), VerifyError> {
    exists(table, "place", u32::from(at), program.code.len())
}

fn check_state(program: &Program, state: &State) -> Result<(), VerifyError> {
    place(program, "a state", state.body)?;
    if let Some(arm) = state.arm {
        place(program, "a state", arm)?;
    }
    frame(program, &state.frame, program.layout.anywhere.ends())?;
    if let Some(cap) = state.cap {
        exists("a visit cap", "counter", u32::from(cap.counter), usize::from(program.layout.counters))?;
        exists("a visit cap", "state", u32::from(cap.otherwise), program.states.len())?;
    }
    if state.timers.len() > TIMERS_PER_STATE_MAX {
        return Err(VerifyError::TooMany("deadlines of one state"));
    }
    if let Some(rest) = &state.rest {
        let locals = state.frame.scalars.len() + state.frame.objects.len();
        let counts = (rest.slots.len(), rest.locals.len(), rest.timers.len());
        if counts != (program.slots.len(), locals, state.timers.len()) {
            return Err(VerifyError::Confused { table: "the labels of a state" });
        }
    }
    state.timers.iter().try_for_each(|timer| place(program, "a deadline", timer.entry))?;
    state.handlers.iter().try_for_each(|handler| check_handler(program, handler))
}

fn check_handler(program: &Program, handler: &Handler) -> Result<(), VerifyError> {
    let HandlerAction::Run { entry, binder, .. } = handler.action else { return Ok(()) };
    place(program, "a handler", entry)?;
    match handler.trigger {
        Trigger::Declared(event) => exists("a handler", "event", u32::from(event), program.events.len())?,
        Trigger::Every(at) => exists("a handler", "schedule", u32::from(at), program.schedules.len())?,
        _ => {}
    }
    binder.map_or(Ok(()), |binder| register(program, "a handler", binder))
}
