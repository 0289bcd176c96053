// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a stored session of a real program: refused, or it goes on without a panic.
#![no_main]

include!("machine_body.rs");

static PROGRAM: std::sync::LazyLock<Program> = std::sync::LazyLock::new(program);

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(&PROGRAM, data));
