// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules of the repository that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::world::root;

/// Which crate may depend on which in its ordinary code; the binary may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("blufio-lang", &[]),
    ("blufio-core", &[]),
    ("blufio-agent", &["blufio-lang", "blufio-core"]),
    ("blufio-persist", &["blufio-core"]),
    ("blufio-models", &["blufio-core"]),
    ("blufio-skills", &["blufio-core"]),
    ("blufio-gateway", &["blufio-core"]),
    ("blufio-testkit", &["blufio-core"]),
];

/// Most direct dependencies over the workspace.
const DEPENDENCIES_MAX: usize = 80;
/// Most lines of a source file.
const LINES_MAX: usize = 600;

fn packages() -> Vec<Value> {
    let arguments = ["metadata", "--offline", "--no-deps", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn dependencies(package: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.map(|d| (d["name"].as_str().unwrap(), d["kind"].as_str().unwrap_or("normal")))
}

#[test]
fn crates_depend_on_each_other_as_drawn() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in &packages() {
        let name = package["name"].as_str().unwrap();
        let Some(allowed) = allowed.get(name) else {
            assert_eq!(name, "blufio", "a new crate needs a measured reason");
            continue;
        };
        for (dependency, kind) in dependencies(package) {
            let is_ours = dependency.starts_with("blufio") && kind != "dev";
            assert!(!is_ours || allowed.contains(&dependency), "{name} → {dependency} is not in the drawing");
        }
    }
}

#[test]
fn direct_dependencies_are_few_and_explained() {
    let packages = packages();
    let names = packages.iter().flat_map(dependencies).map(|(name, _)| name);
    let used: BTreeSet<&str> = names.filter(|name| !name.starts_with("blufio")).collect();
    assert!(used.len() < DEPENDENCIES_MAX, "{} direct dependencies", used.len());
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    for name in used {
        let line = section.lines().find(|line| line.split(['=', ' ']).next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("`{name}` is not in [workspace.dependencies]"));
        assert!(line.contains(" # "), "`{name}` has no reason beside it");
    }
}

#[test]
fn there_is_one_program_so_that_cargo_run_needs_no_name() {
    let packages = packages();
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    let programs: Vec<&str> = targets
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(programs, ["blufio"]);
}

#[test]
fn the_readme_names_two_commands_and_links_to_what_exists() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with("cargo"))
        .collect();
    assert_eq!(commands, ["cargo run --release -- demo", "cargo test --workspace"]);
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.contains(commands[1]), "CI runs the README's command");
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(link.contains("://") || root().join(link).exists(), "the README links to {link}");
    }
}

#[test]
fn every_source_file_names_its_licence_and_rust_files_say_why_they_exist() {
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    walk(&root(), &mut |path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !["rs", "toml", "pest", "sh", "c", "py", "mjs", "js", "yml"].contains(&extension) {
            return;
        }
        seen += 1;
        let text = std::fs::read_to_string(path).unwrap();
        let licence = |line: &str| line.contains("SPDX-License-Identifier: MIT OR Apache-2.0");
        let is_headed = text.lines().take(3).any(licence);
        let is_explained = extension != "rs"
            || text
                .lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("//!") || line.starts_with("// Included"));
        if !is_headed || !is_explained || extension == "rs" && text.lines().count() > LINES_MAX {
            wrong.insert(path.strip_prefix(root()).unwrap().to_path_buf());
        }
    });
    assert!(seen > 100, "{seen} files were looked at");
    assert_eq!(wrong, BTreeSet::<PathBuf>::new());
}

#[test]
fn the_picture_of_the_readme_is_the_demo() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let picture = readme.split("```mermaid\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let drawn = Command::new(env!("CARGO_BIN_EXE_blufio"))
        .args(["graph", "--agent", "kettle"])
        .arg(root().join("agents/demo"))
        .output()
        .unwrap();
    assert_eq!(picture, String::from_utf8(drawn.stdout).unwrap());
}

#[test]
fn every_entry_of_the_catalogue_of_models_has_its_tests_and_they_exist() {
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    walk(&root().join("crates"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let stem = path.file_stem().unwrap().to_string_lossy().to_string();
            sources.entry(stem).or_default().push_str(&std::fs::read_to_string(path).unwrap());
        }
    });
    let manual = std::fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let rows: Vec<Vec<&str>> = manual
        .lines()
        .filter(|line| line.starts_with("| M-"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let entries: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let expected = (1..=20).chain([22, 24, 25, 27, 28, 29, 30, 31]).map(|entry| format!("M-{entry}"));
    assert_eq!(entries, expected.collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for row in &rows {
        let [entry, _, providers @ .., runtime] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(providers.len(), 3, "{entry}: a cell for each provider");
        if providers.iter().any(|cell| cell.is_empty()) {
            wrong.push(format!("{entry}: neither a test nor why there is none"));
        }
        let named = providers.iter().chain([runtime]).flat_map(|cell| cell.split('`').skip(1).step_by(2));
        for test in named {
            let (file, function) = test.split_once("::").unwrap_or_else(|| panic!("{entry}: {test}"));
            let exists = sources.get(file).is_some_and(|text| text.contains(&format!("fn {function}(")));
            if !exists {
                wrong.push(format!("{entry}: there is no {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Looks at every file of ours; what operators get as their own (starter configuration) names no licence.
fn walk(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_string();
        if path.is_dir() && !path.is_symlink() {
            if !["target", ".git", "node_modules", "data", "__pycache__"].contains(&name.as_str()) {
                walk(&path, look);
            }
        } else if !["rustfmt.toml", "clippy.toml", "blufio.toml"].contains(&name.as_str()) {
            look(&path);
        }
    }
}
