// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a provider's stream: the same however they are split, and nothing of it that cannot be used.
#![no_main]

include!("streams_body.rs");

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
