// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code as text and back. The disassembler is the oracle of the compiler's tests; the assembler writes code by hand
//! for tests and benchmarks. A line is an instruction with its operands, `.scalar N` adds a constant, text behind `;`
//! and a leading line number are for people.

use super::{Frame, HandlerAction, Program, State, VerifyError};
use crate::program::instruction::Instruction;
use crate::program::operand::Role;
use crate::source::Span;

/// Why text is not code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A line that is no instruction.
    #[error("line {line}: `{text}` is not an instruction")]
    Line {
        /// Line, from 1.
        line: usize,
        /// Its text.
        text: String,
    },
    /// The code breaks the rules of the machine.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Instructions and scalar constants of an assembler text.
pub fn assemble(text: &str) -> Result<(Vec<Instruction>, Vec<i64>), AssembleError> {
    let (mut code, mut constants) = (Vec::new(), Vec::new());
    for (number, whole) in text.lines().enumerate() {
        let line = whole.split(';').next().unwrap_or_default().trim();
        let line = line
            .split_once(' ')
            .filter(|(first, _)| first.bytes().all(|b| b.is_ascii_digit()))
            .map_or(line, |(_, rest)| rest.trim());
        let wrong = || AssembleError::Line { line: number + 1, text: whole.trim().to_string() };
        if line.is_empty() {
            continue;
        }
        match line.strip_prefix(".scalar ") {
            Some(constant) => constants.push(constant.trim().parse().map_err(|_| wrong())?),
            None => code.push(Instruction::parse(line).ok_or_else(wrong)?),
        }
    }
    Ok((code, constants))
}

/// A program of one state whose body is the assembled code; `scalars` of its first scalar registers are slots of type
/// `int`, named `s0`, `s1`, …
pub fn program(text: &str, scalars: u16) -> Result<Program, AssembleError> {
    let (mut code, constants) = assemble(text)?;
    let initial = code.len() as u16;
    code.push(Instruction::End());
    let (mut scalar_count, mut object_count) = (scalars, 1);
    for instruction in &code {
        instruction.operands(|role| match role {
            Role::Scalar(index) => scalar_count = scalar_count.max(index.saturating_add(1)),
            Role::Value(index) => object_count = object_count.max(index.saturating_add(1)),
            _ => {}
        });
    }
    let shape = super::ShapeId(0);
    let mut program = Program {
        name: "assembled".into(),
        version: 1,
        spans: vec![Span::default(); code.len()].into(),
        code: code.into(),
        scalar_constants: constants.into(),
        shapes: vec![super::Shape::Int(i64::MIN, i64::MAX)],
        states: vec![State {
            name: "only".into(),
            span: Span::default(),
            cap: None,
            frame: Frame { scalar_first: scalars, ..Frame::default() },
            arm: None,
            body: 0,
            handlers: Vec::new(),
            timers: Vec::new(),
            rest: None,
        }],
        ..Program::default()
    };
    program.slots = (0..scalars)
        .map(|index| super::Slot {
            name: format!("s{index}"),
            shape,
            register: super::Register::Scalar(index),
        })
        .collect();
    program.layout.scalars = scalar_count;
    program.layout.objects = object_count;
    program.layout.initial = initial;
    program.layout.slots.scalars = vec![shape; usize::from(scalars)];
    program.layout.anywhere.scalar_first = scalars;
    Ok(program.seal()?)
}

/// The whole program as text; [`assemble`] gives the same code and scalar constants back.
pub(super) fn disassemble(program: &Program) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "; agent {} v{}", program.name, program.version);
    for slot in &program.slots {
        let _ = writeln!(out, "; slot {} in {:?} of t{}", slot.name, slot.register, slot.shape.0);
    }
    for (index, shape) in program.shapes.iter().enumerate() {
        let _ = writeln!(out, "; t{index} {}", one_line(&format!("{shape:?}")));
    }
    for (index, value) in program.value_constants.iter().enumerate() {
        let _ = writeln!(out, "; c{index} {}", one_line(&format!("{value:?}")));
    }
    for (index, site) in program.sites.iter().enumerate() {
        let _ = writeln!(out, "; e{index} {}", one_line(&format!("{:?} from {:?}", site.purpose, site.from)));
    }
    for constant in &program.scalar_constants {
        let _ = writeln!(out, ".scalar {constant}");
    }
    let labels = labels(program);
    for (at, instruction) in program.code.iter().enumerate() {
        for (_, label) in labels.iter().filter(|(place, _)| usize::from(*place) == at) {
            let _ = writeln!(out, "; {label}");
        }
        let _ = write!(out, "{at:5} ");
        instruction.print(&mut out);
        out.push('\n');
    }
    out
}

/// A dump must stay one comment: no line breaks, no second `;`.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'], " ")
}

fn labels(program: &Program) -> Vec<(u16, String)> {
    let mut labels = vec![(program.layout.initial, "initial values".to_string())];
    let handler = |owner: &str, handler: &super::Handler| match handler.action {
        HandlerAction::Run { entry, .. } => Some((entry, format!("{owner} on {:?}", handler.trigger))),
        _ => None,
    };
    for state in &program.states {
        labels.extend(state.arm.map(|arm| (arm, format!("state {} deadlines", state.name))));
        labels.push((state.body, format!("state {}", state.name)));
        labels.extend(state.handlers.iter().filter_map(|h| handler(&state.name, h)));
        labels.extend(
            state.timers.iter().enumerate().map(|(n, t)| (t.entry, format!("{} after{n}", state.name))),
        );
    }
    labels.extend(program.anywhere.iter().filter_map(|h| handler("anywhere", h)));
    labels.into_iter().map(|(at, label)| (at, one_line(&label))).collect()
}
