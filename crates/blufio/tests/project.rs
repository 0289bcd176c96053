// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of the house that a machine can keep: arrows between crates, licences in every file, few dependencies, short
//! files, a README whose commands exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn arrows_between_crates_are_the_documented_ones() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("blufio-lang", &[][..]),
        ("blufio-core", &[][..]),
        ("blufio-agent", &["blufio-lang", "blufio-core"][..]),
        ("blufio-persist", &["blufio-core"][..]),
        ("blufio-models", &["blufio-core"][..]),
        ("blufio-skills", &["blufio-core"][..]),
        ("blufio-gateway", &["blufio-core"][..]),
        ("blufio-testkit", &["blufio-core"][..]),
    ]);
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(allowed) = allowed.get(name) else {
            assert_eq!(name, "blufio", "a new crate needs a measured reason");
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let is_dev = dependency["kind"] == "dev";
            assert!(
                !to.starts_with("blufio") || is_dev || allowed.contains(&to),
                "{name} must not depend on {to}"
            );
        }
    }
}

#[test]
fn there_are_fewer_than_80_direct_dependencies_each_with_its_reason() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let lines: Vec<&str> = section
        .lines()
        .filter(|l| l.contains('=') && !l.starts_with("blufio") && !l.starts_with('#'))
        .collect();
    assert!(lines.len() < 80, "{}", lines.len());
    for line in lines {
        assert!(line.contains(" # "), "no reason: {line}");
    }
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn every_source_file_has_its_licence_says_why_it_exists_and_is_short() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let mut wrong = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines();
        let is_headed = lines.next() == Some("// SPDX-License-Identifier: MIT OR Apache-2.0")
            && lines.next().is_some_and(|l| l.starts_with("//!"));
        if !is_headed || text.lines().count() > 1_000 {
            wrong.insert(file.display().to_string());
        }
    }
    assert!(files.len() > 50);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readmes_two_commands_are_what_ci_and_the_binary_have() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<&str> =
        readme.lines().filter_map(|l| l.strip_prefix("    ")).filter(|l| l.starts_with("cargo")).collect();
    assert_eq!(commands, ["cargo run --release -- demo", "cargo test --workspace"]);
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.contains(commands[1]));
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(root().join(link).exists(), "README links to {link}");
    }
}
