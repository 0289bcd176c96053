// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text that parses: the formatter keeps its meaning and is idempotent.
#![no_main]

use blufio_lang::format::format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // What does not parse is refused.
    let Ok(once) = format("fuzz.agent", text, 0) else { return };
    match format("fuzz.agent", &once, 0) {
        Ok(twice) => assert_eq!(twice, once),
        Err(error) => panic!("{error}: {once}"),
    }
});
