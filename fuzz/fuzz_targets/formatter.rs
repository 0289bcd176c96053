// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text that parses: the formatter keeps its meaning and is idempotent.
#![no_main]

use blufio_lang::format::format;
use blufio_lang::parse::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (_, diagnostics) = parse("fuzz.agent", text, 0);
    if diagnostics.has_errors() {
        return;
    }
    let once = format(text);
    let (_, diagnostics) = parse("fuzz.agent", &once, 0);
    assert!(!diagnostics.has_errors(), "{once}");
    assert_eq!(format(&once), once);
});
