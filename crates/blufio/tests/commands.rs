// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands that need no server: exit codes, data on standard output, talk on standard error.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::world::{blufio, code, root, stderr, stdout};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn init_writes_agents_that_pass_check_and_overwrites_nothing() {
    let home = home();
    let written = blufio(home.path()).args(["init", "new"]).output().unwrap();
    assert_eq!(code(&written), 0, "{}", stderr(&written));
    for line in stdout(&written).lines() {
        assert!(home.path().join(line).is_file(), "{line}");
    }
    let check = blufio(home.path()).args(["check", "new/agents"]).output().unwrap();
    assert_eq!((code(&check), stderr(&check).as_str()), (0, ""), "{}", stdout(&check));
    std::fs::remove_file(home.path().join("new/blufio.toml")).unwrap();
    let persona = home.path().join("new/agents/persona.md");
    std::fs::write(&persona, "mine").unwrap();
    let again = blufio(home.path()).args(["init", "new"]).output().unwrap();
    assert_eq!(code(&again), 2);
    assert!(stderr(&again).contains("exists already"));
    assert_eq!(std::fs::read_to_string(&persona).unwrap(), "mine");
    assert!(!home.path().join("new/blufio.toml").exists(), "nothing was written");
}

#[test]
fn shipped_programs_pass_check() {
    let home = home();
    for folder in ["agents/assistant", "agents/demo"] {
        let output = blufio(home.path()).arg("check").arg(root().join(folder)).output().unwrap();
        assert_eq!(code(&output), 0, "{folder}: {}", stdout(&output));
    }
}

#[test]
fn check_reports_every_mistake_with_its_line_in_one_run() {
    let home = home();
    let good = std::fs::read_to_string(root().join("agents/demo/kettle.agent")).unwrap();
    let bad = good
        .replace("-> triage }", "-> triaje }")
        .replace("    angry                                                -> human\n", "")
        .replace("state answer max 3 per event else human {", "state answer {")
        .replace("asked: message?", "asked: int?");
    write(home.path(), "kettle.agent", &bad);
    write(home.path(), "policy.md", "p");
    let output = blufio(home.path()).args(["check", ".", "--format", "json"]).output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["ok"], false);
    let found: Vec<(String, String)> = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            (
                d["title"].as_str().unwrap().to_string(),
                bad.lines().nth(d["line"].as_u64().unwrap() as usize - 1).unwrap().to_string(),
            )
        })
        .collect();
    let has = |title: &str, line: &str| found.iter().any(|(t, l)| t.contains(title) && l.contains(line));
    assert!(has("triaje", "-> triaje"), "{found:?}");
    assert!(has("angry", "pick Wish"), "{found:?}");
    assert!(found.iter().any(|(_, line)| line.contains("asked = m")), "the wrong type: {found:?}");
    assert!(
        report["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["code"] == "E0303" || d["title"].as_str().unwrap().contains("bound")),
        "{found:?}"
    );
    let same = blufio(home.path()).args(["check", ".", "--json"]).output().unwrap();
    assert_eq!(same.stdout, output.stdout, "both spellings, byte for byte");
}

#[test]
fn a_missing_static_file_is_an_error_where_it_is_named() {
    let home = home();
    let good = std::fs::read_to_string(root().join("agents/demo/kettle.agent")).unwrap();
    write(home.path(), "kettle.agent", &good);
    let output = blufio(home.path()).args(["check", "kettle.agent"]).output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).contains("no such file") && stdout(&output).contains("static  \"policy.md\""),
        "{}",
        stdout(&output)
    );
}

#[test]
fn check_cannot_be_fooled_by_what_is_no_folder() {
    let home = home();
    for path in ["/nonexistent", "/dev/zero", "/proc/self/mem", "."] {
        let output = blufio(home.path()).args(["check", path]).output().unwrap();
        assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{path}");
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    }
    std::fs::write(home.path().join("x.agent"), b"PK\x03\x04").unwrap();
    let output = blufio(home.path()).args(["check", "x.agent", "--json"]).output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("ZIP"));
}

#[test]
fn graph_speaks_mermaid_dot_json_and_terminal() {
    let home = home();
    let agents = root().join("agents/demo");
    let draw = |arguments: &[&str]| {
        let output = blufio(home.path()).arg("graph").arg(&agents).args(arguments).output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    };
    assert!(draw(&[]).starts_with("flowchart TD\n"));
    assert!(draw(&["--format", "dot"]).starts_with("digraph"));
    assert!(draw(&["--format", "text"]).contains("triage"));
    let graphs: Value = serde_json::from_str(&draw(&["--json"])).unwrap();
    let names: Vec<&str> =
        graphs[0]["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["idle", "triage", "answer", "human"]);
    let dot = draw(&["--format", "dot"]);
    assert!(names.iter().all(|name| dot.contains(name)));
    let unknown = blufio(home.path()).arg("graph").arg(&agents).args(["--agent", "nobody"]).output().unwrap();
    assert_eq!(code(&unknown), 2);
}

#[test]
fn every_code_has_a_page() {
    let home = home();
    let list = blufio(home.path()).args(["explain", "--json"]).output().unwrap();
    let pages: Value = serde_json::from_str(&stdout(&list)).unwrap();
    let pages = pages.as_array().unwrap();
    assert!(pages.len() > 30);
    let mut codes: Vec<&str> = pages.iter().map(|page| page["code"].as_str().unwrap()).collect();
    let output = blufio(home.path()).args(["explain", &codes[0].to_lowercase()]).output().unwrap();
    assert!(code(&output) == 0 && stdout(&output).starts_with(codes[0]));
    codes.dedup();
    assert_eq!(codes.len(), pages.len(), "codes are unique");
    assert_eq!(code(&blufio(home.path()).args(["explain", "E9999"]).output().unwrap()), 1);
}

#[test]
fn l01_to_l04_wrong_arguments_are_refused_with_a_suggestion() {
    let home = home();
    let typo = blufio(home.path()).arg("chek").output().unwrap();
    assert_eq!((code(&typo), stdout(&typo).as_str()), (2, ""));
    assert!(stderr(&typo).contains("check"), "{}", stderr(&typo));
    assert_eq!(code(&blufio(home.path()).args(["check", "--formt", "json"]).output().unwrap()), 2);
    assert_eq!(code(&blufio(home.path()).args(["check", "--", "-x"]).output().unwrap()), 2);
    assert_eq!(
        code(
            &blufio(home.path()).arg("check").arg(std::ffi::OsStr::from_bytes(b"\xff\xfe")).output().unwrap()
        ),
        2
    );
    assert_eq!(code(&blufio(home.path()).arg("check").arg("x".repeat(100_000)).output().unwrap()), 2);
    assert_eq!(code(&blufio(home.path()).output().unwrap()), 2);
    let help = blufio(home.path()).arg("--help").output().unwrap();
    assert_eq!((code(&help), stderr(&help).as_str()), (0, ""));
}

#[test]
fn l07_output_to_a_file_has_no_escape_sequences_even_without_an_environment() {
    let home = home();
    write(home.path(), "x.agent", "agent x v1\nstate");
    let output = blufio(home.path())
        .env_remove("HOME")
        .env("TERM", "xterm-256color")
        .args(["check", "x.agent"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let home = home();
    let mut child =
        blufio(home.path()).arg("explain").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}
