// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio fmt`: in place, as a check, as a filter; what does not parse is never touched.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::world::{blufio, code, root, stderr, stdout};

const UGLY: &str = "agent a v1\n\nstart state x{\n-> y }// why\nstate y { -> x }";
const NEAT: &str = "agent a v1\n\nstart state x {\n  -> y\n}  // why\nstate y { -> x }\n";

fn fmt(home: &Path, arguments: &[&str]) -> Output {
    blufio(home).arg("fmt").args(arguments).output().unwrap()
}

fn filter(home: &Path, arguments: &[&str], text: &str) -> Output {
    let mut child = blufio(home)
        .arg("fmt")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn files_are_formatted_in_place_below_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let below = home.path().join("agents/below");
    std::fs::create_dir_all(below.join(".hidden")).unwrap();
    let file = below.join("a.agent");
    for name in ["a.agent", ".hidden/b.agent", "notes.md", "c.agent"] {
        std::fs::write(below.join(name), if name == "c.agent" { NEAT } else { UGLY }).unwrap();
    }
    std::fs::write(home.path().join("outside.agent"), UGLY).unwrap();
    symlink(home.path().join("outside.agent"), below.join("link.agent")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();

    let check = fmt(home.path(), &["--check"]);
    assert_eq!(code(&check), 1);
    assert_eq!(
        stdout(&check),
        "--- agents/below/a.agent\n+++ agents/below/a.agent\n@@ -1,5 +1,6 @@\n agent a v1\n \n-start state x{\n--> y }// why\n-state y { -> x }\n\\ No newline at end of file\n+start state x {\n+  -> y\n+}  // why\n+state y { -> x }\n"
    );
    assert_eq!(stderr(&check), "1 of 2 files would change\n");
    assert_eq!(read(&file), UGLY, "--check changes nothing");

    let run = fmt(home.path(), &[]);
    assert_eq!((code(&run), stdout(&run).as_str()), (0, "agents/below/a.agent\n"), "{}", stderr(&run));
    assert_eq!(read(&file), NEAT);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    for name in [".hidden/b.agent", "notes.md", "link.agent"] {
        assert_eq!(read(&below.join(name)), UGLY, "{name}");
    }
    assert_eq!(std::fs::read_dir(&below).unwrap().count(), 5, "nothing is left behind");

    let again = fmt(home.path(), &["--check", "agents"]);
    assert_eq!((code(&again), stdout(&again).as_str()), (0, ""));
    // A link that is named is followed and stays a link.
    assert_eq!(code(&fmt(home.path(), &["agents/below/link.agent"])), 0);
    assert_eq!(read(&home.path().join("outside.agent")), NEAT);
    assert!(below.join("link.agent").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn what_does_not_parse_is_not_touched() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(home.path().join(name), bytes).unwrap();
    let broken = "agent a v1\nstate x { nonsense }\n";
    write("broken.agent", broken.as_bytes());
    write("bytes.agent", b"agent a v1\n\xff");
    write("ugly.agent", UGLY.as_bytes());
    let run = fmt(home.path(), &["."]);
    assert_eq!(code(&run), 1);
    assert_eq!(stdout(&run), "ugly.agent\n", "the others are formatted");
    assert!(stderr(&run).contains("broken.agent:2"), "{}", stderr(&run));
    assert!(stderr(&run).contains("bytes.agent: 2:1: error[E0002]"), "{}", stderr(&run));
    assert!(stderr(&run).ends_with("1 of 3 files changed, 2 left alone\n"), "{}", stderr(&run));
    assert_eq!(read(&home.path().join("broken.agent")), broken);

    let run = fmt(home.path(), &["--json", "broken.agent", "ugly.agent"]);
    assert_eq!(code(&run), 1);
    let data: Value = serde_json::from_str(&stdout(&run)).unwrap();
    assert_eq!(data["ok"], false);
    assert_eq!(data["files"][0]["diagnostics"][0]["line"], 2);
    assert_eq!(data["files"][1], serde_json::json!({ "file": "ugly.agent", "changed": false }));

    let run = filter(home.path(), &["-"], broken);
    assert_eq!((code(&run), stdout(&run).as_str()), (1, ""));
    assert!(stderr(&run).contains("<stdin>:2"), "{}", stderr(&run));
    assert_eq!(code(&fmt(home.path(), &["nowhere"])), 2);
}

#[test]
fn standard_input_is_filtered() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["-"][..], &["--stdin"], &["--stdin", "name.agent"]] {
        for text in [UGLY, NEAT] {
            let run = filter(home.path(), arguments, text);
            assert_eq!((code(&run), stdout(&run).as_str(), stderr(&run).as_str()), (0, NEAT, ""));
        }
    }
    let check = filter(home.path(), &["--stdin", "--check", "name.agent"], UGLY);
    assert_eq!(code(&check), 1);
    assert!(stdout(&check).starts_with("--- name.agent\n"), "{}", stdout(&check));
    assert_eq!(code(&filter(home.path(), &["--check", "-"], NEAT)), 0);
    let data = filter(home.path(), &["--json", "-"], UGLY);
    assert_eq!(serde_json::from_str::<Value>(&stdout(&data)).unwrap()["files"][0]["text"], NEAT);
}

#[test]
fn a_formatted_program_passes_check_as_before() {
    let home = tempfile::tempdir().unwrap();
    for folder in ["assistant", "demo"] {
        let to = home.path().join(folder);
        std::fs::create_dir(&to).unwrap();
        for entry in std::fs::read_dir(root().join("agents").join(folder)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
            }
        }
        let check = || stdout(&blufio(home.path()).args(["check", folder]).output().unwrap());
        let before = check();
        assert!(before.ends_with("ok\n"), "{before}");
        assert_eq!(code(&fmt(home.path(), &[folder])), 0);
        assert_eq!(check(), before);
    }
}
