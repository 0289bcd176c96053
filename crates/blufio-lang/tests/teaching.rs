// SPDX-License-Identifier: MIT OR Apache-2.0
//! The teaching set: every program of `examples/` passes the checker with the manifests beside it and compiles.

use std::path::{Path, PathBuf};

use blufio_lang::check::{Checked, Environment, check};
use blufio_lang::compile::compile;
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::manifest;
use blufio_lang::source::SourceMap;

/// The example folders.
pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut out: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    out.sort();
    out
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut out: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    out.sort();
    out
}

/// Checks a folder as the command line does.
pub fn check_example(folder: &Path) -> (SourceMap, Checked, Diagnostics) {
    let mut sources = SourceMap::default();
    for file in files(folder, "agent") {
        sources.add(&file.display().to_string(), &std::fs::read_to_string(&file).unwrap()).unwrap();
    }
    let mut tools = Vec::new();
    for file in files(&folder.join("tools"), "toml") {
        let family = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let found = manifest::parse(&file.display().to_string(), family, &text);
        tools.extend(found.unwrap_or_else(|error| panic!("{error}")).into_iter().map(|m| m.info));
    }
    let environment = Environment { tools, ..crate::litmus::environment() };
    let (checked, diagnostics) = check(&sources, &environment);
    (sources, checked, diagnostics)
}

#[test]
fn every_example_passes_and_compiles() {
    let folders = folders();
    assert!(folders.len() >= 10, "{}", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        let (sources, checked, diagnostics) = check_example(&folder);
        if !diagnostics.is_empty() {
            wrong.push(blufio_lang::diagnostic::render(&diagnostics, &sources, false));
            continue;
        }
        for agent in &checked.agents {
            let (_, found) = compile(&agent.program);
            wrong.extend(found.iter().map(|d| format!("{}: {}", agent.program.name, d.title)));
            let is_asked = agent.program.gives.is_some();
            assert!(is_asked || !agent.program.tests.is_empty(), "{} has no test", agent.program.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
