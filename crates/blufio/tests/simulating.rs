// SPDX-License-Identifier: MIT OR Apache-2.0
//! `test` and `explore`: exit codes, reports, updates.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::world::{blufio, code, root, stderr, stdout};

/// A copy of the support example.
fn support() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    copy(&root().join("examples/support"), home.path());
    home
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    blufio(home).args(arguments).output().unwrap()
}

/// Replaces words of the support program.
fn change(home: &Path, from: &str, to: &str) {
    let file = home.join("support.agent");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

#[test]
fn tests_of_a_program_pass_and_their_coverage_is_told() {
    let home = support();
    let output = run(home.path(), &["test", "."]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{}", stdout(&output));
    assert!(stdout(&output).contains("✓ support: no money without the owner\n"), "{}", stdout(&output));
    let json: Value = serde_json::from_str(&stdout(&run(home.path(), &["test", ".", "--json"]))).unwrap();
    assert_eq!(json["ok"], true);
    assert!(json["tests"].as_array().unwrap().len() >= 5);
    let percent = json["coverage_percent"].as_u64().unwrap();
    assert!((50..=100).contains(&percent));
    let missed = json["coverage"][0]["arms_missed"].as_array().unwrap();
    assert!(missed.iter().all(|arm| arm["line"].as_u64().unwrap() > 0));
    let least = (percent + 1).min(100).to_string();
    let strict = run(home.path(), &["test", ".", "--coverage-min", &least]);
    assert_eq!(code(&strict), i32::from(percent < 100), "{}", stdout(&strict));
    assert_eq!(code(&run(home.path(), &["test", ".", "--coverage-min", "1"])), 0);
}

#[test]
fn a_failed_test_shows_its_line_and_fails() {
    let home = support();
    change(home.path(), "expect reply \"Done, refunded.\"", "expect reply \"Refunded.\"");
    let output = run(home.path(), &["test", ".", "--filter", "no money", "--junit", "out.xml"]);
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    assert!(text.contains("✗ support: no money without the owner"), "{text}");
    assert!(text.contains("expect reply \"Refunded.\"") && text.contains("Done, refunded."), "{text}");
    assert!(text.ends_with("1 of 1 test failed\n"), "{text}");
    let xml = std::fs::read_to_string(home.path().join("out.xml")).unwrap();
    assert!(xml.contains("<testsuite name=\"support\" tests=\"1\" failures=\"1\">"), "{xml}");
    assert!(
        xml.contains("<failure message=\"test &quot;no money without the owner&quot;: expected"),
        "{xml}"
    );
}

#[test]
fn update_writes_what_is_said_now() {
    let home = support();
    let before = std::fs::read_to_string(home.path().join("support.agent")).unwrap();
    change(home.path(), "expect reply \"Done, refunded.\"", "expect reply \"Refunded.\"");
    let output = run(home.path(), &["test", ".", "--update"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert_eq!(stderr(&output), "1 line brought up to date\n");
    assert_eq!(std::fs::read_to_string(home.path().join("support.agent")).unwrap(), before);
}

#[test]
fn wrong_programs_and_wrong_wishes_have_their_codes() {
    let home = support();
    assert_eq!(code(&run(home.path(), &["test", ".", "--filter", "no such test"])), 2);
    assert_eq!(code(&run(home.path(), &["test", "nowhere"])), 2);
    assert_eq!(code(&run(home.path(), &["test", ".", "--coverage-min", "101"])), 2);
    assert_eq!(code(&run(home.path(), &["explore", ".", "--agent", "nobody"])), 2);
    change(home.path(), "start state idle", "start state triaje");
    let output = run(home.path(), &["test", "."]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("error["), "{}", stderr(&output));
    assert_eq!(code(&run(home.path(), &["explore", "."])), 1);
}

#[test]
fn exploration_reaches_everything_and_finds_what_is_planted() {
    let home = support();
    let output = run(home.path(), &["explore", ".", "--json"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let json: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&json[0]["agent"], &json[0]["complete"]), (&Value::from("support"), &Value::from(true)));
    assert_eq!(json[0]["findings"], Value::Array(Vec::new()));
    std::fs::write(
        home.path().join("support.agent"),
        "agent support v1\ngoal \"x\"\nmodels { fast = \"anthropic/claude-haiku-5-5\" }\nbudget { message = 1 calls }\n\
         keep { n: int = 0 }\nstart state idle { on message m -> half }\nstate half { n = 1 / n -> idle }\n\
         state sorry { n = 1 / n -> idle }\nanywhere { on message hold  on failed -> sorry }\n",
    )
    .unwrap();
    let output = run(home.path(), &["explore", "."]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    let text = stdout(&output);
    assert!(text.contains("parked in state `sorry`") && text.contains("  say \"hello\"\n"), "{text}");
}
