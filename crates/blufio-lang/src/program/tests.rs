// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs as bytes: identity, and refusal of everything that is not one.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::assemble::{AssembleError, assemble, program as assembled};
use super::{Program, ProgramError, VerifyError, verify};
use crate::compile::compile;
use crate::compile::fixture::support;
use crate::machine::Machine;
use crate::program::instruction::Instruction;
use crate::program::operand::{
    Object, Position, Scalar, ScalarConstant, SiteId, StateIndex, Target, ValueConstant,
};
use crate::source::Span;

fn compiled() -> Program {
    compile(&support()).0
}

/// The bytes of a content with a matching identity: what an attacker who can compute SHA-256 would send.
fn with_identity(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"BLUF".to_vec();
    bytes.extend_from_slice(&super::FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&Sha256::digest(content));
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn bytes_go_both_ways_and_the_identity_is_stable() {
    let program = compiled();
    let bytes = program.to_bytes();
    assert_eq!(bytes, compiled().to_bytes(), "the same source gives the same bytes");
    let again = Program::from_bytes(&bytes).unwrap();
    assert_eq!((again.to_bytes(), again.hash()), (bytes, program.hash()));
    assert_eq!(again.disassemble(), program.disassemble());
    assert_eq!(again.schema_json(0), program.schema_json(0));
    let mut other = support();
    other.goal.push('!');
    assert_ne!(compile(&other).0.hash(), program.hash());
}

#[test]
fn other_formats_are_refused() {
    let bytes = compiled().to_bytes();
    let refused = |bytes: &[u8]| Program::from_bytes(bytes).unwrap_err();
    assert_eq!(refused(b""), ProgramError::Magic);
    assert_eq!(refused(b"PK\x03\x04 an archive"), ProgramError::Magic);
    let mut version = bytes.clone();
    version[4] = 9;
    assert_eq!(refused(&version), ProgramError::Version(9));
    let mut damaged = bytes.clone();
    damaged[60] ^= 1;
    assert_eq!(refused(&damaged), ProgramError::Hash);
    let content = [&bytes[38..], &[0]].concat();
    assert_eq!(refused(&with_identity(&content)), ProgramError::Trailing);
    for length in 0..bytes.len() {
        assert!(Program::from_bytes(&bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn a_lying_length_allocates_nothing() {
    // A name of four gigabytes in a content of six bytes.
    assert!(Program::from_bytes(&with_identity(&[0xff, 0xff, 0xff, 0xff, 0x0f, b'a'])).is_err());
}

#[test]
fn the_verifier_refuses_code_that_names_what_does_not_exist() {
    use Instruction as I;
    let bad = [
        I::Jump(Target(60_000)),
        I::JumpIf(Scalar(0), Target(60_000)),
        I::LoadScalar(Scalar(0), ScalarConstant(60_000)),
        I::LoadValue(Object(0), ValueConstant(60_000)),
        I::Move(Scalar(60_000), Scalar(0)),
        I::Field(Object(0), Object(60_000), Position(0)),
        I::Await(SiteId(60_000)),
        I::Go(StateIndex(60_000)),
        I::Print(Object(0), Object(0), super::ShapeId(60_000)),
        I::MakeList(Object(0), Object(0), super::operand::Count(60_000)),
    ];
    for instruction in bad {
        let mut program = compiled();
        program.code[0] = instruction;
        assert!(matches!(verify(&program), Err(VerifyError::Operand { at: 0, .. })), "{instruction:?}");
    }
}

#[test]
fn the_verifier_refuses_tables_that_do_not_fit() {
    let breaks: [fn(&mut Program); 10] = [
        |p| p.code = p.code.iter().copied().chain([Instruction::Now(Scalar(0))]).collect(),
        |p| p.spans = Box::from([Span::default()]),
        |p| p.states[0].body = u16::MAX,
        |p| p.start = 99,
        |p| p.states[2].frame.object_first += 1,
        |p| p.layout.effect_objects = u16::MAX,
        |p| p.slots[0].register = super::Register::Scalar(0),
        |p| p.states[1].timers[0].entry = u16::MAX,
        |p| p.schemas[0].shape = super::ShapeId(999),
        |p| p.states[0].rest = Some(super::Rest::default()),
    ];
    for (index, break_it) in breaks.into_iter().enumerate() {
        let mut program = compiled();
        assert_eq!(verify(&program), Ok(()));
        break_it(&mut program);
        assert!(verify(&program).is_err(), "damage {index}");
    }
}

#[test]
fn the_verifier_refuses_loops_that_build_values() {
    let wrapping = assembled("record v0 v0 #1\njump @0", 0).unwrap_err();
    assert_eq!(wrapping, AssembleError::Verify(VerifyError::Loop { at: 1, target: 0 }));
    assert!(assembled("record v0 v0 #1\nadd.k s0 s0 1\njump @1", 1).is_ok());
}

#[test]
fn the_verifier_refuses_shapes_that_contain_themselves() {
    let mut program = compiled();
    program.shapes.push(super::Shape::List(super::ShapeId(program.shapes.len() as u16), 3));
    assert_eq!(verify(&program), Err(VerifyError::Confused { table: "a shape" }));
}

#[test]
fn the_assembler_names_the_line_it_does_not_know() {
    let wrong = assemble("move s0 s1\n  7 add s0 v1 s2 ; no\n").unwrap_err();
    assert_eq!(wrong, AssembleError::Line { line: 2, text: "7 add s0 v1 s2 ; no".into() });
    assert!(matches!(assembled("jump @9", 0), Err(AssembleError::Verify(_))));
    assert!(assembled(".scalar 5000000000\nload.scalar s0 k0\nend", 1).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is changed in the content: refused, or a program that runs without a panic.
    #[test]
    fn mutated_bytes_are_refused_or_run(changes in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..6)) {
        let mut content = compiled().to_bytes()[38..].to_vec();
        for (at, byte) in changes {
            let at = at as usize % content.len();
            content[at] = byte;
        }
        if let Ok(program) = Program::from_bytes(&with_identity(&content)) {
            prop_assert_eq!(verify(&program), Ok(()));
            let mut machine = Machine::new(&program);
            machine.start(&program, 0);
            for text in ["hello", "/hurry", "/stop"] {
                let message = crate::value::Message { inbox_id: 1, text: text.into(), sender: "x".into(), own_words: true };
                machine.step(&program, crate::effect::Event::Message(message.into()), 1);
            }
            if let Ok(again) = Machine::decode(&program, &machine.encode()) {
                prop_assert_eq!(again.encode(), machine.encode());
            }
        }
    }

    #[test]
    fn random_bytes_are_refused(content in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Program::from_bytes(&content).is_err());
        prop_assert!(Program::from_bytes(&with_identity(&content)).is_err());
    }
}
