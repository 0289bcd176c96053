// SPDX-License-Identifier: MIT OR Apache-2.0
//! What fuzzing found once: the program of the fuzz target stays one that the checker takes, and each finding is taken again.

/// The body of the fuzz target `machine`.
mod machine {
    include!("../../../fuzz/fuzz_targets/machine_body.rs");
}

#[test]
fn findings_of_the_machine_stay_found() {
    let program = machine::program();
    let findings: [&[u8]; 1] = [&[1, 0x7f, 0, 0x32, 0xab, 0xab, 0xab, 0xc9, 0xab, 0xe4, 0xe4, 0xe4]];
    for finding in findings {
        machine::run(&program, finding);
    }
}
