// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a compiled program: what the verifier lets pass runs without a panic.
#![no_main]

use blufio_lang::effect::{Event, Outcome};
use blufio_lang::machine::Machine;
use blufio_lang::program::{FORMAT_VERSION, Program};
use blufio_lang::value::Message;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|content: &[u8]| {
    let mut bytes = b"BLUF".to_vec();
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend(Sha256::digest(content));
    bytes.extend(content);
    let Ok(program) = Program::from_bytes(&bytes) else { return };
    let mut machine = Machine::new(&program);
    machine.start(&program, 0);
    for at in 0..4 {
        let message = Message { inbox_id: at, text: "/x y".into(), sender: "s".into(), own_words: true };
        machine.step(&program, Event::Message(message.into()), at);
        if let Some((effect, _)) = machine.pending(&program).first() {
            let event = Event::Resolved { effect: *effect, outcome: Outcome::Wrote("w".into()) };
            machine.step(&program, event, at);
        }
        let stored = machine.encode();
        if let Ok(again) = Machine::decode(&program, &stored) {
            assert_eq!(again.encode(), stored);
        }
    }
    let _ = program.disassemble();
});
