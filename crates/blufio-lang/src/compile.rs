// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a checked program to bytecode. The static type of an expression decides its register file once, here, so that
//! the machine never asks what a scalar is.
//!
//! Registers of each file, in order: slots, locals of `anywhere`, locals of the state (states share the place, since
//! only one is current), what the pending effect was asked with, temporaries. Locals of one state never share a
//! register with each other, so that a handler can run while its state's body is suspended. Temporaries never live
//! across a wait.

mod condition;
mod emit;
mod expression;
#[cfg(test)]
pub(crate) mod fixture;
mod model;
mod monitors;
mod request;
mod shapes;
mod step;
mod tables;
#[cfg(test)]
mod tests;

use crate::compile::emit::Emitter;
use crate::compile::shapes::Shapes;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::program::instruction::Instruction;
use crate::program::operand::{Object, Scalar, TimerIndex, ValueConstant};
use crate::program::{self, Frame, Layout, Program, Register, Schema, Site};
use crate::source::Span;
use crate::typed::{self, Rest, Step, StepKind, Type, Variable, VariableDef};
use crate::value::Value;

/// Compiles a program in which `check` found no error. With a finding in the diagnostics the program is empty.
pub fn compile(source: &typed::Program) -> (Program, Diagnostics) {
    let mut compiler = Compiler::new(source);
    let program = compiler.program();
    if program::shape::recursive(&program.shapes) {
        let span = source.states.first().map(|state| state.span).unwrap_or_default();
        compiler.later(span, "a type that contains itself, or nests very deep,");
    }
    let mut diagnostics = compiler.diagnostics;
    if diagnostics.has_errors() {
        return (Program::default(), diagnostics.sorted());
    }
    match program.seal() {
        Ok(program) => (program, diagnostics),
        Err(error) => {
            let span = source.states.first().map(|state| state.span).unwrap_or_default();
            diagnostics.push(too_large(span, &error.to_string()));
            (Program::default(), diagnostics)
        }
    }
}

/// Registers of the slots, then of the locals of each state, and of `anywhere` at the end.
#[cfg(test)]
pub(crate) fn registers(source: &typed::Program) -> (Vec<Register>, Vec<Vec<Register>>) {
    let mut compiler = Compiler::new(source);
    let (slots, slot_registers) = compiler.frame(&source.slots, 0, 0);
    let (scalars, objects) = slots.ends();
    let (anywhere, last) = compiler.frame(&source.anywhere_locals, scalars, objects);
    let (scalars, objects) = anywhere.ends();
    let states = source.states.iter().map(|state| compiler.frame(&state.locals, scalars, objects).1);
    let mut locals: Vec<Vec<Register>> = states.collect();
    locals.push(last);
    (slot_registers, locals)
}

fn too_large(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("E0902", span, "the program is too large to compile", what.to_string())
        .hint("split it into several agents")
}

struct Compiler<'a> {
    source: &'a typed::Program,
    diagnostics: Diagnostics,
    emitter: Emitter,
    shapes: Shapes,
    sites: Vec<Site>,
    loops: Vec<program::Loop>,
    people: Vec<typed::Who>,
    event_ids: Vec<typed::TypeId>,
    schemas: Vec<Schema>,
    slots: Vec<Register>,
    anywhere: Vec<Register>,
    /// Locals of the state (or of `anywhere`) whose code is compiled now, with their declarations.
    locals: Vec<Register>,
    local_types: &'a [VariableDef],
    effect_first: u16,
    temporaries: Temporaries,
}

/// The temporaries in use: next free register of each file, and the most there ever were.
#[derive(Debug, Clone, Copy, Default)]
struct Temporaries {
    scalar_next: u16,
    object_next: u16,
    scalar_end: u16,
    object_end: u16,
}

impl<'a> Compiler<'a> {
    fn new(source: &'a typed::Program) -> Self {
        Self {
            source,
            diagnostics: Diagnostics::default(),
            emitter: Emitter::default(),
            shapes: Shapes::default(),
            sites: Vec::new(),
            loops: Vec::new(),
            people: Vec::new(),
            event_ids: Vec::new(),
            schemas: Vec::new(),
            slots: Vec::new(),
            anywhere: Vec::new(),
            locals: Vec::new(),
            local_types: &[],
            effect_first: 0,
            temporaries: Temporaries::default(),
        }
    }

    fn program(&mut self) -> Program {
        let source = self.source;
        let mut layout = Layout::default();
        (layout.slots, self.slots) = self.frame(&source.slots, 0, 0);
        let (scalar_next, object_next) = layout.slots.ends();
        (layout.anywhere, self.anywhere) = self.frame(&source.anywhere_locals, scalar_next, object_next);
        let (scalar_first, object_first) = layout.anywhere.ends();
        let frames: Vec<(Frame, Vec<Register>)> =
            source.states.iter().map(|state| self.frame(&state.locals, scalar_first, object_first)).collect();
        let scalar_end = frames.iter().map(|(frame, _)| frame.ends().0).max().unwrap_or(scalar_first);
        self.effect_first = frames.iter().map(|(frame, _)| frame.ends().1).max().unwrap_or(object_first);
        layout.effect_first = self.effect_first;
        layout.effect_objects = effect_objects(source);
        let object_end = self.effect_first.saturating_add(layout.effect_objects);
        self.temporaries =
            Temporaries { scalar_next: scalar_end, object_next: object_end, scalar_end, object_end };
        layout.initial = self.initial_values();
        let events = self.declared_events();
        let states = self.states(frames, &mut layout);
        self.locals = self.anywhere.clone();
        self.local_types = &source.anywhere_locals;
        let anywhere = source.anywhere.iter().map(|handler| self.handler(handler)).collect();
        layout.scalars = self.temporaries.scalar_end;
        layout.objects = self.temporaries.object_end;
        let slots = self.slot_table();
        let (tools, asks, schedules) = (self.tools(), self.asks(), self.schedules());
        let span = source.states.first().map(|state| state.span).unwrap_or_default();
        let gives = source.gives.as_ref().map(|ty| self.shape(ty, span));
        let wake = source.wake.as_ref().map(|ty| self.shape(ty, span));
        let monitors = self.monitors();
        let (code, spans) = self.emitter.finish(&mut self.diagnostics);
        Program {
            name: source.name.clone(),
            version: source.version,
            goal: source.goal.clone(),
            states,
            start: source.start.0,
            models: source.models.clone(),
            context: source.context.clone(),
            language: source.language.clone(),
            zone: source.zone.clone(),
            tools,
            asks,
            people: std::mem::take(&mut self.people),
            events,
            schedules,
            monitors,
            budget: source.budget,
            parameters: u16::try_from(source.parameters).unwrap_or(u16::MAX),
            gives,
            wake,
            migrations: source.migrations.clone(),
            slots,
            shapes: std::mem::take(&mut self.shapes).finish(),
            schemas: std::mem::take(&mut self.schemas),
            anywhere,
            sites: std::mem::take(&mut self.sites),
            loops: std::mem::take(&mut self.loops),
            code,
            spans,
            scalar_constants: std::mem::take(&mut self.emitter.scalar_constants).into(),
            value_constants: std::mem::take(&mut self.emitter.value_constants).into(),
            layout,
            derived: program::Derived::default(),
        }
    }

    /// Gives each variable a register, from these on.
    fn frame(
        &mut self,
        variables: &[VariableDef],
        scalar_first: u16,
        object_first: u16,
    ) -> (Frame, Vec<Register>) {
        let mut frame = Frame { scalar_first, object_first, ..Frame::default() };
        let mut registers = Vec::with_capacity(variables.len());
        for variable in variables {
            let shape = self.shape(&variable.ty, variable.span);
            let (scalars, objects) = frame.ends();
            if self.shapes.is_scalar(shape) {
                frame.scalars.push(shape);
                registers.push(Register::Scalar(scalars));
            } else {
                frame.objects.push(shape);
                registers.push(Register::Object(objects));
            }
        }
        (frame, registers)
    }

    fn slot_table(&mut self) -> Vec<program::Slot> {
        let source = self.source;
        let registers = self.slots.clone();
        source
            .slots
            .iter()
            .zip(registers)
            .map(|(slot, register)| program::Slot {
                name: slot.name.clone(),
                shape: self.shape(&slot.ty, slot.span),
                register,
            })
            .collect()
    }

    fn initial_values(&mut self) -> u16 {
        let entry = self.emitter.here();
        // Parameters come first and hold what the asking agent gives.
        for (index, slot) in self.source.slots.iter().enumerate().skip(self.source.parameters as usize) {
            self.emitter.at(slot.span);
            let variable = Variable::Slot(index as u32);
            match (&slot.initial, self.register(variable)) {
                (Some(initial), _) => self.assign(variable, initial),
                (None, Register::Object(to)) => {
                    if let Some(value) = self.empty(&slot.ty) {
                        let constant = self.emitter.value_constant(value);
                        self.emit(Instruction::LoadValue(Object(to), ValueConstant(constant)));
                    }
                }
                (None, Register::Scalar(_)) => {}
            }
        }
        self.emit(Instruction::End());
        entry
    }

    /// What a slot of the type holds before anything was assigned, when that is more than nothing.
    fn empty(&self, ty: &Type) -> Option<Value> {
        match ty {
            Type::List(..) => Some(Value::List([].into())),
            Type::Map(..) => Some(Value::Map([].into())),
            Type::SoFar(id) => match &self.source.types.get(id.0 as usize)?.shape {
                typed::TypeShape::Record(fields) => {
                    Some(Value::Record(vec![Value::None; fields.len()].into()))
                }
                _ => None,
            },
            Type::Named(id) => match &self.source.types.get(id.0 as usize)?.shape {
                typed::TypeShape::Alias(target) => self.empty(target),
                _ => None,
            },
            _ => None,
        }
    }

    fn states(&mut self, frames: Vec<(Frame, Vec<Register>)>, layout: &mut Layout) -> Vec<program::State> {
        let source = self.source;
        let mut states = Vec::with_capacity(source.states.len());
        for (state, (frame, registers)) in source.states.iter().zip(frames) {
            let rest = state.rest.clone().map(|rest| in_frame_order(rest, &registers));
            self.locals = registers;
            self.local_types = &state.locals;
            let cap = state.cap.map(|cap| {
                layout.counters += 1;
                program::Cap {
                    counter: layout.counters - 1,
                    visits_max: cap.visits_max,
                    per_event: cap.per_event,
                    otherwise: cap.otherwise.0 as u16,
                }
            });
            let arm = self.deadlines(state);
            let body = self.block(state.span, &state.body);
            let handlers = state.handlers.iter().map(|handler| self.handler(handler)).collect();
            let timers = state
                .timers
                .iter()
                .map(|timer| program::Timer {
                    entry: self.block(timer.span, &timer.steps),
                    quick: !waits(&timer.steps),
                    span: timer.span,
                })
                .collect();
            states.push(program::State {
                name: state.name.clone(),
                span: state.span,
                cap,
                frame,
                arm,
                body,
                handlers,
                timers,
                rest,
            });
        }
        states
    }

    /// Code that arms the state's deadlines. It stands apart from the body, because a failing body must not disarm them.
    fn deadlines(&mut self, state: &typed::State) -> Option<u16> {
        if state.timers.is_empty() {
            return None;
        }
        let entry = self.emitter.here();
        for (index, timer) in state.timers.iter().enumerate() {
            self.emitter.at(timer.span);
            let mark = self.temporaries;
            let after = if timer.after.ty == Type::Time {
                let (minutes, until) = (self.scalar(&timer.after, None), self.scalar_temporary());
                let zone = self.zone_constant(timer.zone.as_deref());
                self.emit(Instruction::UntilTime(Scalar(until), Scalar(minutes), zone));
                until
            } else {
                self.scalar(&timer.after, None)
            };
            self.emit(Instruction::SetTimer(TimerIndex(index as u16), Scalar(after)));
            self.release(mark);
        }
        self.emit(Instruction::End());
        Some(entry)
    }

    /// Steps as a piece of code of their own.
    fn block(&mut self, span: Span, steps: &[Step]) -> u16 {
        self.emitter.at(span);
        let entry = self.emitter.here();
        if self.steps(steps) {
            self.emit(Instruction::End());
        }
        entry
    }

    fn handler(&mut self, handler: &typed::Handler) -> program::Handler {
        let trigger = self.trigger(&handler.trigger);
        let action = match &handler.action {
            typed::HandlerAction::Hold => program::HandlerAction::Hold,
            typed::HandlerAction::Join => program::HandlerAction::Join,
            typed::HandlerAction::Drop => program::HandlerAction::Drop,
            typed::HandlerAction::Run { binder, steps } => {
                let binder = binder.map(|binder| self.register(binder));
                program::HandlerAction::Run {
                    entry: self.block(handler.span, steps),
                    binder,
                    quick: !waits(steps),
                }
            }
        };
        program::Handler { trigger, action, span: handler.span }
    }

    /// A node that must not reach the compiler: `check` refuses it.
    fn later(&mut self, span: Span, what: &str) {
        self.diagnostics.push(Diagnostic::error(
            "E0901",
            span,
            format!("{what} does not run yet"),
            "needs a later version",
        ));
    }

    fn emit(&mut self, instruction: Instruction) {
        self.emitter.push(instruction);
    }

    fn register(&self, variable: Variable) -> Register {
        let (registers, index) = match variable {
            Variable::Slot(index) => (&self.slots, index),
            Variable::Local(index) => (&self.locals, index),
        };
        registers.get(index as usize).copied().unwrap_or(Register::Object(0))
    }

    fn variable_type(&self, variable: Variable) -> Type {
        let (variables, index) = match variable {
            Variable::Slot(index) => (self.source.slots.as_slice(), index),
            Variable::Local(index) => (self.local_types, index),
        };
        variables.get(index as usize).map_or(Type::Unknown, |variable| variable.ty.clone())
    }

    fn scalar_temporary(&mut self) -> u16 {
        let index = self.temporaries.scalar_next;
        self.temporaries.scalar_next = index.saturating_add(1);
        self.temporaries.scalar_end = self.temporaries.scalar_end.max(self.temporaries.scalar_next);
        index
    }

    fn object_temporary(&mut self) -> u16 {
        self.object_temporaries(1)
    }

    /// The first of `count` value registers in a row.
    fn object_temporaries(&mut self, count: u16) -> u16 {
        let index = self.temporaries.object_next;
        self.temporaries.object_next = index.saturating_add(count);
        self.temporaries.object_end = self.temporaries.object_end.max(self.temporaries.object_next);
        index
    }

    /// Frees every temporary taken since `mark` was copied.
    fn release(&mut self, mark: Temporaries) {
        self.temporaries.scalar_next = mark.scalar_next;
        self.temporaries.object_next = mark.object_next;
    }
}

/// The labels of locals as their registers lie: scalars, then values.
fn in_frame_order(mut rest: Rest, registers: &[Register]) -> Rest {
    let (scalars, objects): (Vec<_>, Vec<_>) =
        rest.locals.iter().zip(registers).partition(|(_, register)| matches!(register, Register::Scalar(_)));
    rest.locals = scalars.into_iter().chain(objects).map(|(labels, _)| *labels).collect();
    rest
}

/// Whether any step waits for an effect.
fn waits(steps: &[Step]) -> bool {
    let mut found = false;
    for_each_step(steps, &mut |step| {
        found |= matches!(
            step.kind,
            StepKind::PickArms { .. }
                | StepKind::PickValue { .. }
                | StepKind::Write { .. }
                | StepKind::Turn { .. }
                | StepKind::Run { .. }
                | StepKind::Request(_)
                | StepKind::Each(_)
                | StepKind::Together(_)
                | StepKind::Later(_)
        );
    });
    found
}

/// How many value registers the largest effect needs.
fn effect_objects(source: &typed::Program) -> u16 {
    let mut most = 1;
    let request = |request: &typed::Request| match request {
        typed::Request::Call { arguments, .. } => arguments.len(),
        typed::Request::AskAgent { arguments, .. } => arguments.len() + 1,
        typed::Request::Fill { model, .. } => model.from.len() + 2,
        _ => 3,
    };
    let mut see = |step: &Step| {
        most = most.max(match &step.kind {
            StepKind::PickArms { model, .. }
            | StepKind::PickValue { model, .. }
            | StepKind::Write { model, .. }
            | StepKind::Turn { model, .. } => model.from.len() + 1,
            StepKind::Request(step) => request(&step.request),
            StepKind::Run { approved_by, .. } => {
                1 + usize::from(approved_by.as_ref().is_some_and(|(_, within)| within.is_some()))
            }
            StepKind::Each(each) => 1 + usize::from(each.within.is_some()),
            StepKind::Together(branches) => branches.iter().map(|b| request(&b.request)).max().unwrap_or(0),
            _ => 0,
        });
    };
    let handlers = source.anywhere.iter().chain(source.states.iter().flat_map(|state| &state.handlers));
    for handler in handlers {
        if let typed::HandlerAction::Run { steps, .. } = &handler.action {
            for_each_step(steps, &mut see);
        }
    }
    for state in &source.states {
        for_each_step(&state.body, &mut see);
        state.timers.iter().for_each(|timer| for_each_step(&timer.steps, &mut see));
    }
    u16::try_from(most).unwrap_or(u16::MAX)
}

/// Shows every step, also those inside others.
fn for_each_step(steps: &[Step], see: &mut impl FnMut(&Step)) {
    for step in steps {
        see(step);
        match &step.kind {
            StepKind::If { yes, no, .. } => [yes, no].into_iter().for_each(|s| for_each_step(s, see)),
            StepKind::IfSome { some, none, .. } => {
                [some, none].into_iter().for_each(|s| for_each_step(s, see))
            }
            StepKind::Match { arms, otherwise, .. } => {
                arms.iter().for_each(|arm| for_each_step(&arm.steps, see));
                otherwise.iter().for_each(|s| for_each_step(s, see));
            }
            StepKind::PickArms { arms, .. } => arms.iter().for_each(|arm| for_each_step(&arm.steps, see)),
            StepKind::Switch { arms, otherwise, .. } => {
                arms.iter().for_each(|(_, steps)| for_each_step(steps, see));
                for_each_step(otherwise, see);
            }
            StepKind::Turn { says, calls, refuses, .. } => {
                [says, refuses].into_iter().chain(calls).for_each(|(_, steps)| for_each_step(steps, see));
            }
            StepKind::Request(request) => {
                request.arms.iter().for_each(|arm| for_each_step(&arm.steps, see));
                request.otherwise.iter().for_each(|steps| for_each_step(steps, see));
            }
            StepKind::Each(each) => for_each_step(&each.steps, see),
            _ => {}
        }
    }
}
