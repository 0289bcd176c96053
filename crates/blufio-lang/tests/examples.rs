// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example parses and passes the checker as one folder.

use std::collections::BTreeSet;

use blufio_lang::ast::{FileKind, ItemKind};
use blufio_lang::check::check;
use blufio_lang::parse::parse;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;

pub fn examples() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/examples");
    let mut out: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_string(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    out.sort();
    out
}

#[test]
fn every_example_parses() {
    let mut states = Vec::new();
    for (name, text) in examples() {
        let (file, diagnostics) = parse(&name, &text, 0);
        let mut sources = SourceMap::default();
        sources.add(&name, &text).unwrap();
        assert!(diagnostics.is_empty(), "{}", blufio_lang::diagnostic::render(&diagnostics, &sources, false));
        assert!(!file.recovered);
        let count = file.items.iter().filter(|i| matches!(i.kind, ItemKind::State(_))).count();
        states.push((name, count, file.items.len()));
        if let FileKind::Agent { version, .. } = file.kind {
            assert!(version.node >= 1);
        }
    }
    let shape: Vec<String> =
        states.iter().map(|(name, states, items)| format!("{name} {states} {items}")).collect();
    assert_eq!(
        shape,
        [
            "assistant.agent 4 11",
            "batch.agent 2 8",
            "booking.agent 4 12",
            "desk.agent 0 1",
            "oncall.agent 5 12",
            "remind.agent 1 6",
            "researcher.agent 2 7",
            "routes.agent 0 8",
            "support.agent 8 20",
            "trip.agent 7 14",
        ]
    );
}

#[test]
fn a_folder_of_all_examples_is_clean() {
    let mut sources = SourceMap::default();
    for (name, text) in examples() {
        sources.add(&name, &text).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    let codes: BTreeSet<_> = diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, BTreeSet::new(), "{}", blufio_lang::diagnostic::render(&diagnostics, &sources, false));
    assert_eq!(checked.agents.len(), 8);
    let calls =
        |name: &str| checked.agents.iter().find(|a| a.program.name == name).unwrap().facts.calls_per_event;
    assert_eq!(calls("assistant"), Some(10));
    assert_eq!(calls("remind"), Some(1));
    assert_eq!(calls("support"), Some(5));
}
