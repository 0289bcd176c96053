// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happened can be taken again, and what a new version would do to running sessions is known before it runs.

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, blufio, code, stderr, stdout};

const OWNER: i64 = 77;
const KEY: &str = "assistant/owner";

/// A world in which one message was answered; the server has stopped.
fn after_one_message() -> World {
    let world = World::new();
    let mut server = world.serve(|command| {
        command.env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string());
    });
    world.telegram.say(OWNER, "hello");
    world.seen(OWNER, |text| text == "echo: hello");
    let again = world.run(&["replay", KEY]);
    assert_eq!(code(&again), 0, "also while the server runs: {}{}", stdout(&again), stderr(&again));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    world
}

/// The agents' folder with a change, elsewhere.
fn changed(world: &World, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(world.path().join("agents")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::create_dir(folder.path().join(path.file_name().unwrap())).unwrap();
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(folder.path().join(path.file_name().unwrap()), text.replace(from, to)).unwrap();
    }
    folder
}

#[test]
fn a_journal_is_what_its_program_does_and_shows_where_another_one_differs() {
    let world = after_one_message();
    let same = world.run(&["replay", KEY]);
    assert_eq!(code(&same), 0, "{}{}", stdout(&same), stderr(&same));
    assert!(stdout(&same).contains("no difference"), "{}", stdout(&same));

    let folder = world.path().join("agents");
    let with = |folder: &std::path::Path, more: &[&str]| {
        let folder = folder.to_str().unwrap();
        world.run(&[&["replay", KEY, "--with", folder], more].concat())
    };
    assert_eq!(code(&with(&folder, &[])), 0);
    let other = changed(&world, "on message m -> think", "on message m { reply \"one moment\" -> think }");
    let differs = with(other.path(), &[]);
    assert_eq!(code(&differs), 1, "{}", stderr(&differs));
    let words = stdout(&differs);
    assert!(words.contains("first difference") && words.contains("reply \"one moment\""), "{words}");
    let data: Value = serde_json::from_str(&stdout(&with(other.path(), &["--json"]))).unwrap();
    assert_eq!(data["same"], false);
    assert_eq!(data["kind"], "event");

    let unknown = world.run(&["replay", "assistant/telegram:1"]);
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("blufio sessions --all"), "{}", stderr(&unknown));
}

#[test]
fn what_a_new_version_does_to_sessions_is_known_before() {
    let world = after_one_message();
    let data = world.path().join("data");
    let fit = |folder: &std::path::Path| {
        let run = blufio(world.path())
            .args(["check", folder.to_str().unwrap(), "--db", data.to_str().unwrap(), "--json"])
            .output()
            .unwrap();
        let rows: Value = serde_json::from_str(&stdout(&run)).unwrap_or_default();
        (code(&run), rows[0]["fate"].as_str().unwrap_or_default().to_string(), stderr(&run))
    };
    assert_eq!(fit(&world.path().join("agents")), (0, "same".into(), String::new()));
    let renamed = changed(&world, "assistant v1", "assistant v2");
    assert_eq!(fit(renamed.path()), (0, "moves".into(), String::new()));
    let deadline =
        changed(&world, "on message m -> think", "on message m -> think  after 1h { send owner \"quiet\" }");
    assert_eq!(fit(deadline.path()), (1, "stays".into(), String::new()));
    let gone = changed(&world, "assistant v1", "helper v1");
    let routes = gone.path().join("routes.agent");
    let text = std::fs::read_to_string(&routes).unwrap();
    std::fs::write(&routes, text.replace("-> assistant", "-> helper")).unwrap();
    assert_eq!(fit(gone.path()), (1, "no agent".into(), String::new()));
}
