// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests in programs, run; agents, explored.

use std::path::{Path, PathBuf};

use blufio_lang::check::{Environment, check};
use blufio_lang::diagnostic::render;
use blufio_lang::manifest::{self, Manifest};
use blufio_lang::simulate::explore::{Exploration, FindingKind, Limits, explore};
use blufio_lang::simulate::test::{Report, run, run_one};
use blufio_lang::simulate::{Folder, Happening};
use blufio_lang::source::SourceMap;
use blufio_lang::typed::{TestLine, TestLineKind};

use crate::examples::examples;
use crate::litmus::environment;

/// Checks and compiles texts; panics when they have errors.
fn folder_of(files: &[(String, String)], manifests: &[Manifest]) -> (SourceMap, Folder) {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.add(name, text).unwrap();
    }
    let mut environment: Environment = environment();
    for manifest in manifests {
        environment.tools.retain(|known| known.name != manifest.info.name);
        environment.tools.push(manifest.info.clone());
    }
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &sources, false));
    let (folder, diagnostics) = Folder::new(&checked, manifests);
    assert!(diagnostics.is_empty(), "{}", render(&diagnostics, &sources, false));
    (sources, folder)
}

fn one(text: &str) -> (SourceMap, Folder) {
    folder_of(&[("a.agent".to_string(), text.to_string())], &[])
}

fn failures(sources: &SourceMap, report: &Report) -> String {
    report.tests.iter().map(|test| render(&test.problems, sources, false)).collect()
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

/// A folder of the teaching set, with its manifests.
fn teaching(folder: &Path) -> (SourceMap, Folder) {
    let texts: Vec<(String, String)> = files(folder, "agent")
        .iter()
        .map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap()))
        .collect();
    let mut manifests = Vec::new();
    for file in files(&folder.join("tools"), "toml") {
        let family = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        manifests.extend(manifest::parse(&file.display().to_string(), family, &text).unwrap());
    }
    folder_of(&texts, &manifests)
}

/// Every folder of programs that has tests.
fn all() -> Vec<(String, SourceMap, Folder)> {
    let (sources, folder) = folder_of(&examples(), &[]);
    let mut out = vec![("examples".to_string(), sources, folder)];
    for path in crate::teaching::folders() {
        let (sources, folder) = teaching(&path);
        out.push((path.file_name().unwrap().to_str().unwrap().to_string(), sources, folder));
    }
    out
}

#[test]
fn the_support_example_passes_its_own_test() {
    let (sources, folder) = folder_of(&examples(), &[]);
    let report = run(&folder, Some("no money without the owner"));
    assert_eq!(report.tests.len(), 1);
    assert!(report.tests[0].passed(), "{}", failures(&sources, &report));
    let called: Vec<&str> = report.tests[0]
        .happened
        .iter()
        .filter_map(|one| match one {
            Happening::Called { tool, .. } => Some(tool.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(called, ["orders.find", "orders.refund"]);
    let support = report.coverage.iter().find(|coverage| coverage.agent == "support").unwrap();
    let missed: Vec<&str> = support.states_missed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(missed, ["answer", "research", "sweep", "human"]);
    assert!(support.arms_missed.iter().any(|(state, label, _)| state == "triage" && label == "angry"));
    assert!(!support.arms_missed.iter().any(|(state, label, _)| state == "confirm" && label == "yes"));
    assert!((1..100).contains(&support.percent()), "{}", support.percent());
}

#[test]
fn every_test_of_the_teaching_set_passes() {
    let (mut count, mut wrong) = (0, String::new());
    for (name, sources, folder) in all() {
        let report = run(&folder, None);
        count += report.tests.len();
        for test in report.tests.iter().filter(|test| !test.passed()) {
            wrong.push_str(&format!("{name}:\n{}", render(&test.problems, &sources, false)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 25, "{count}");
}

#[test]
fn a_crash_at_any_line_changes_nothing() {
    let mut crashes = 0;
    for (name, _, folder) in all() {
        for (at, agent) in folder.agents.iter().enumerate() {
            for test in &agent.typed.tests {
                let calm = run_one(&folder, at, test);
                for place in 0..=test.lines.len() {
                    let mut crashed = test.clone();
                    crashed.lines.insert(place, TestLine { kind: TestLineKind::Crash, span: test.span });
                    let result = run_one(&folder, at, &crashed);
                    assert_eq!(result.happened, calm.happened, "{name}: {} at line {place}", test.name);
                    assert_eq!(result.passed(), calm.passed(), "{name}: {} at line {place}", test.name);
                    crashes += 1;
                }
            }
        }
    }
    assert!(crashes > 150, "{crashes}");
}

fn explored(folder: &Folder, agent: &str) -> Exploration {
    explore(folder, folder.agent(agent).unwrap(), Limits::default())
}

/// What an exploration has to say, line by line.
fn told(found: &Exploration) -> Vec<String> {
    let mut out: Vec<String> = found
        .findings
        .iter()
        .map(|finding| {
            let path = finding.path.join(" / ");
            format!("{} in {}: {} [{path}]", finding.kind.word(), finding.state, finding.why)
        })
        .collect();
    out.extend(found.coverage.states_missed.iter().map(|(state, _)| format!("state {state}")));
    out.extend(found.coverage.arms_missed.iter().map(|(state, label, _)| format!("arm {state}: {label}")));
    if !found.is_complete {
        out.push("not complete".into());
    }
    out
}

#[test]
fn clean_examples_have_nothing_to_find() {
    let mut wrong = Vec::new();
    for (name, _, folder) in all() {
        for (at, agent) in folder.agents.iter().enumerate() {
            let start = std::time::Instant::now();
            let found = explore(&folder, at, Limits::default());
            println!("{name}/{}: {} sessions {} steps depth {} complete {} {:?}", agent.typed.name, found.sessions, found.steps, found.depth, found.is_complete, start.elapsed());
            for line in told(&found) {
                wrong.push(format!("{name}/{}: {line}", agent.typed.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
