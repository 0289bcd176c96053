// SPDX-License-Identifier: MIT OR Apache-2.0
//! The growing code: instructions with their places, constants, and jumps whose target is not known yet.

use std::collections::HashMap;

use crate::diagnostic::Diagnostics;
use crate::program::INSTRUCTIONS_MAX;
use crate::program::instruction::Instruction;
use crate::program::operand::Target;
use crate::source::Span;
use crate::value::Value;

/// A place in the code that may not be known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

#[derive(Debug, Default)]
pub(super) struct Emitter {
    code: Vec<Instruction>,
    spans: Vec<Span>,
    span: Span,
    labels: Vec<Option<u16>>,
    jumps: Vec<(usize, Label)>,
    pub scalar_constants: Vec<i64>,
    pub value_constants: Vec<Value>,
    scalar_indexes: HashMap<i64, u16>,
    text_indexes: HashMap<std::sync::Arc<str>, u16>,
    needs_end: bool,
}

impl Emitter {
    /// Instructions from now on belong to this place.
    pub fn at(&mut self, span: Span) {
        self.span = span;
    }

    pub fn span(&self) -> Span {
        self.span
    }

    /// Where the next instruction will stand.
    pub fn here(&self) -> u16 {
        u16::try_from(self.code.len()).unwrap_or(u16::MAX)
    }

    /// Makes sure that a place at which a step goes on is not the end of the code: what follows decides, and when
    /// nothing follows, [`Emitter::finish`] ends it.
    pub fn resumable(&mut self) {
        self.needs_end = true;
    }

    pub fn push(&mut self, instruction: Instruction) {
        self.code.push(instruction);
        self.spans.push(self.span);
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label stands here.
    pub fn place(&mut self, label: Label) {
        let here = self.here();
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(here);
        }
    }

    /// Emits a jump; `make` receives the target, now or when it is known.
    pub fn jump(&mut self, label: Label, make: impl FnOnce(Target) -> Instruction) {
        self.jumps.push((self.code.len(), label));
        self.push(make(Target(0)));
    }

    pub fn scalar_constant(&mut self, value: i64) -> u16 {
        let next = u16::try_from(self.scalar_constants.len()).unwrap_or(u16::MAX);
        let index = *self.scalar_indexes.entry(value).or_insert(next);
        if index == next {
            self.scalar_constants.push(value);
        }
        index
    }

    pub fn value_constant(&mut self, value: Value) -> u16 {
        let next = u16::try_from(self.value_constants.len()).unwrap_or(u16::MAX);
        if let Value::Text(text) = &value {
            let index = *self.text_indexes.entry(text.clone()).or_insert(next);
            if index != next {
                return index;
            }
        }
        self.value_constants.push(value);
        next
    }

    /// All code with every jump resolved.
    pub fn finish(&mut self, diagnostics: &mut Diagnostics) -> (Box<[Instruction]>, Box<[Span]>) {
        if self.needs_end {
            self.push(Instruction::End());
        }
        let mut code = std::mem::take(&mut self.code);
        if code.len() > INSTRUCTIONS_MAX
            || self.value_constants.len().max(self.scalar_constants.len()) > u16::MAX as usize
        {
            let what = format!("{} instructions, {INSTRUCTIONS_MAX} are the limit", code.len());
            diagnostics.push(super::too_large(self.span, &what));
        }
        for (at, label) in self.jumps.drain(..) {
            let target = self.labels.get(label.0).copied().flatten().unwrap_or(u16::MAX);
            if let Some(instruction) = code.get_mut(at) {
                *instruction = redirect(*instruction, Target(target));
            }
        }
        (code.into(), std::mem::take(&mut self.spans).into())
    }
}

fn redirect(instruction: Instruction, to: Target) -> Instruction {
    use Instruction as I;
    match instruction {
        I::Jump(_) => I::Jump(to),
        I::JumpIf(a, _) => I::JumpIf(a, to),
        I::JumpUnless(a, _) => I::JumpUnless(a, to),
        I::JumpEqual(a, b, _) => I::JumpEqual(a, b, to),
        I::JumpNotEqual(a, b, _) => I::JumpNotEqual(a, b, to),
        I::JumpLess(a, b, _) => I::JumpLess(a, b, to),
        I::JumpNotLess(a, b, _) => I::JumpNotLess(a, b, to),
        I::JumpEqualK(a, k, _) => I::JumpEqualK(a, k, to),
        I::JumpNotEqualK(a, k, _) => I::JumpNotEqualK(a, k, to),
        I::JumpLessK(a, k, _) => I::JumpLessK(a, k, to),
        I::JumpNotLessK(a, k, _) => I::JumpNotLessK(a, k, to),
        I::JumpGreaterK(a, k, _) => I::JumpGreaterK(a, k, to),
        I::JumpNotGreaterK(a, k, _) => I::JumpNotGreaterK(a, k, to),
        I::JumpNone(a, _) => I::JumpNone(a, to),
        I::JumpSome(a, _) => I::JumpSome(a, to),
        other => other,
    }
}
