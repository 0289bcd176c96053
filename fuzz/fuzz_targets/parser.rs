// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes: decoding, parsing, checking and, without errors, compiling never panic.
#![no_main]

use blufio_lang::check::{Environment, ToolInfo, check};
use blufio_lang::compile::compile;
use blufio_lang::parse::decode;
use blufio_lang::source::SourceMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = decode(data) else { return };
    let mut sources = SourceMap::default();
    if sources.add("fuzz.agent", &text).is_none() {
        return;
    }
    let environment = Environment {
        tools: vec![ToolInfo::new("kb.search", "list max 5 of text").with("query", "text")],
        providers: vec!["anthropic".into()],
        channels: vec!["telegram".into(), "shell".into()],
        zone_exists: |zone| zone == "UTC",
        performs: |_| true,
        prices: blufio_lang::check::Prices::any(),
    };
    let (checked, diagnostics) = check(&sources, &environment);
    let _ = blufio_lang::diagnostic::render(&diagnostics, &sources, false);
    if !diagnostics.has_errors() {
        for agent in &checked.agents {
            let _ = compile(&agent.program);
        }
    }
});
