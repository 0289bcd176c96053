// SPDX-License-Identifier: MIT OR Apache-2.0
//! The compiler, looked at through the disassembler, and what it refuses.

use super::compile;
use super::fixture::*;
use crate::program::Program;
use crate::program::assemble::assemble;
use crate::typed::{self, CompareOperator, ExprKind, LaterStep, StepKind, Trigger, Type, Variable};

fn compiled(source: &typed::Program) -> Program {
    let (program, diagnostics) = compile(source);
    assert!(!diagnostics.has_errors(), "{:?}", diagnostics.iter().collect::<Vec<_>>());
    program
}

/// The instructions between the label of a handler and the next label.
fn code_after(program: &Program, label: &str) -> Vec<String> {
    let text = program.disassemble();
    let mut lines = text.lines().skip_while(|line| *line != format!("; {label}")).skip(1);
    let mut code = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.starts_with(';')) {
        code.push(line.trim().split_once(' ').map_or("", |(_, rest)| rest).to_string());
    }
    code
}

#[test]
fn disassembled_code_assembles_to_the_same_code() {
    let program = compiled(&support());
    let (code, constants) = assemble(&program.disassemble()).unwrap();
    assert_eq!(code.as_slice(), &*program.code);
    assert_eq!(constants.as_slice(), &*program.scalar_constants);
}

#[test]
fn scalars_stay_unboxed_and_comparisons_fuse_with_their_jump() {
    let small = compare(CompareOperator::Less, slot(0, INT), int(10));
    let count = step(StepKind::If { condition: small, yes: vec![add_to(0, 1)], no: vec![go(0)] });
    let only = state("only", vec![], vec![on(Trigger::Message, None, vec![count])]);
    let program = compiled(&program(vec![variable("n", INT, None)], vec![only], vec![]));
    let code = code_after(&program, "only on Message");
    assert_eq!(code, ["jump.ge.k s0 10 @5", "add.k s0 s0 1", "jump @6", "go q0", "end"]);
    assert_eq!((program.layout.scalars, program.layout.objects), (1, 1));
}

#[test]
fn short_circuits_need_no_truth_value() {
    let less = |k| compare(CompareOperator::Less, slot(0, INT), int(k));
    let or = expr(Type::YesNo, ExprKind::Or(Box::new(less(1)), Box::new(less(2))));
    let both = expr(Type::YesNo, ExprKind::And(Box::new(or), Box::new(less(3))));
    let only =
        state("only", vec![step(StepKind::If { condition: both, yes: vec![go(0)], no: vec![] })], vec![]);
    let program = compiled(&program(vec![variable("n", INT, None)], vec![only], vec![]));
    let code = code_after(&program, "state only");
    assert_eq!(code, ["jump.lt.k s0 1 @3", "jump.ge.k s0 2 @5", "jump.ge.k s0 3 @5", "go q0", "end"]);
}

#[test]
fn locals_of_different_states_share_registers_and_of_one_state_do_not() {
    let locals = || vec![variable("a", INT, None), variable("b", INT, None), variable("c", TEXT, None)];
    let states = vec![
        with_locals(state("x", vec![], vec![]), locals()),
        with_locals(state("y", vec![], vec![]), locals()),
    ];
    let program = compiled(&program(vec![variable("n", INT, None)], states, vec![]));
    assert_eq!(program.states[0].frame, program.states[1].frame);
    assert_eq!((program.states[0].frame.scalar_first, program.states[0].frame.scalars.len()), (1, 2));
    assert_eq!(program.layout.scalars, 3);
}

#[test]
fn every_instruction_has_its_place_in_the_source() {
    let program = compiled(&support());
    assert_eq!(program.spans.len(), program.code.len());
    let written = program.spans.iter().filter(|span| span.end > 0).count();
    assert!(written * 10 > program.spans.len() * 9, "{written} of {}", program.spans.len());
}

#[test]
fn what_does_not_run_yet_is_refused_with_its_place() {
    let later = LaterStep {
        what: "approve by".into(),
        model_calls_max: 0,
        can_fail: false,
        arms: vec![],
        falls_through: true,
    };
    let refused = [
        state("only", vec![step(StepKind::Later(later))], vec![]),
        state("only", vec![step(StepKind::Error)], vec![]),
        state("only", vec![reply(expr(TEXT, ExprKind::Error))], vec![]),
        with_locals(state("only", vec![], vec![]), vec![variable("f", Type::File, None)]),
    ];
    for only in refused {
        let (program, diagnostics) = compile(&program(vec![], vec![only.clone()], vec![]));
        assert!(diagnostics.iter().any(|d| d.code == "E0901"), "{only:?}");
        assert!(program.code.is_empty());
    }
}

#[test]
fn types_that_contain_themselves_are_refused() {
    use crate::typed::{TypeId, TypeShape};
    let kids = field("kids", Type::List(Box::new(Type::Named(TypeId(3))), 3));
    let mut source = program(
        vec![variable("t", optional(Type::Named(TypeId(3))), None)],
        vec![state("only", vec![], vec![])],
        vec![],
    );
    source.types.push(declare("Tree", TypeShape::Record(vec![kids])));
    let (_, diagnostics) = compile(&source);
    assert!(diagnostics.iter().any(|d| d.code == "E0901"));
}

#[test]
fn too_large_programs_are_refused() {
    let body = (0..70_000).map(|_| add_to(0, 1)).collect();
    let (_, diagnostics) =
        compile(&program(vec![variable("n", INT, None)], vec![state("only", body, vec![])], vec![]));
    assert!(diagnostics.iter().any(|d| d.code == "E0902"));
}

#[test]
fn slots_and_metadata_reach_the_program() {
    let program = compiled(&support());
    assert_eq!(
        (program.name.as_str(), program.version, program.calls_per_event_max()),
        ("fixture", 1, Some(8))
    );
    assert_eq!(program.models[0].chain, ["anthropic/claude-haiku-5-5"]);
    assert_eq!(program.tools[0].folder.as_deref(), Some("notes/"));
    let names: Vec<&str> = program.slots.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(names, ["asked", "order", "amount", "notes", "answered"]);
    assert_eq!(program.states[2].name, "answer");
}

#[test]
fn an_assignment_may_read_what_it_assigns() {
    use crate::typed::ArithmeticOperator as A;
    let n = || slot(0, INT);
    let both = calculate(A::Subtract, calculate(A::Multiply, n(), n()), n());
    let maybe =
        expr(INT, ExprKind::Default(Box::new(slot(1, optional(INT))), Box::new(calculate(A::Add, n(), n()))));
    let steps = vec![set(Variable::Slot(0), both), set(Variable::Slot(0), maybe)];
    let source = program(
        vec![variable("n", INT, Some(int(7))), variable("maybe", optional(INT), None)],
        vec![state("only", steps, vec![])],
        vec![],
    );
    let program = compiled(&source);
    let mut machine = crate::machine::Machine::new(&program);
    machine.start(&program, 0);
    assert_eq!(machine.slot(&program, "n"), Some(crate::value::Value::Int(84)));
}
