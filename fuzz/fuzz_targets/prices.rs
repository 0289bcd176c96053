// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as an operator's table of prices: refused, or one that bounds can be made of.
#![no_main]

include!("prices_body.rs");

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
