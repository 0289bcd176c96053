// SPDX-License-Identifier: MIT OR Apache-2.0
//! The litmus pair of every check: a program that passes and its minimal mutant that fails with exactly that code.

use std::collections::BTreeSet;

use blufio_lang::check::{Environment, Feature, Prices, Provider, ToolInfo, ToolScope, check, report};
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::source::SourceMap;
use blufio_lang::typed::{Danger, EffectClass, Label};

include!("environment.rs");

/// Checks one program given as files separated by `=== file NAME` lines.
pub fn check_text(text: &str) -> (SourceMap, Diagnostics) {
    let mut sources = SourceMap::default();
    let mut name = "a.agent".to_string();
    let mut body = String::new();
    for line in text.lines() {
        if let Some(next) = line.strip_prefix("=== file ") {
            sources.add(&name, &body).unwrap();
            name = next.to_string();
            body.clear();
        } else {
            body.push_str(line);
            body.push('\n');
        }
    }
    sources.add(&name, &body).unwrap();
    let (_, diagnostics) = check(&sources, &environment());
    (sources, diagnostics)
}

fn codes(diagnostics: &Diagnostics) -> BTreeSet<&'static str> {
    diagnostics.iter().map(|d| d.code).collect()
}

#[test]
fn every_code_has_its_pair() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/litmus");
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let (pass, fail) = text.split_once(&format!("=== fail {code}\n")).unwrap();
        let pass = pass.strip_prefix("=== pass\n").unwrap();
        let (sources, diagnostics) = check_text(pass);
        if !diagnostics.is_empty() {
            wrong.push(format!(
                "{code}: the passing program fails:\n{}",
                blufio_lang::diagnostic::render(&diagnostics, &sources, false)
            ));
        }
        let (sources, diagnostics) = check_text(fail);
        if codes(&diagnostics) != BTreeSet::from([code.as_str()]) {
            wrong.push(format!(
                "{code}: found {:?}\n{}",
                codes(&diagnostics),
                blufio_lang::diagnostic::render(&diagnostics, &sources, false)
            ));
        }
        seen.insert(code);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The compiler's size limit has its test beside the compiler.
    let pages: BTreeSet<String> =
        report::PAGES.iter().map(|p| p.code.to_string()).filter(|c| c != "E0902").collect();
    assert_eq!(pages, seen, "every page has a pair and every pair a page");
}
