// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files that programs name: what `check` says of a bad one, what a running server does with it, and the versions
//! that are kept.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{World, blufio, code, root, stderr, stdout, until};

const OLD: &str = "You are calm.\nYou answer in one sentence.\n";
const NEW: &str = "You are calm.\nYou answer in two sentences.\nYou like tea.\n";

fn persona(world: &World) -> PathBuf {
    world.path().join("agents/persona.md")
}

fn put(world: &World, text: impl AsRef<[u8]>) {
    std::fs::write(persona(world), text).unwrap();
}

fn served(world: &World) -> crate::world::Server {
    world.serve(|command| {
        command.env("BLUFIO_TELEGRAM__OWNER", "77");
    })
}

fn versions(world: &World) -> Vec<Value> {
    let output = world.run(&["history", "assistant", "persona.md", "--json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    serde_json::from_str::<Value>(&stdout(&output)).unwrap().as_array().unwrap().clone()
}

fn notices(world: &World) -> Vec<String> {
    let report: Value = serde_json::from_str(&stdout(&world.run(&["status", "--json"]))).unwrap();
    report["notices"].as_array().unwrap().iter().map(|notice| notice.as_str().unwrap().to_string()).collect()
}

/// A server that loaded the old persona, then the new one.
fn changed() -> (World, crate::world::Server) {
    let world = World::new();
    put(&world, OLD);
    let server = served(&world);
    assert_eq!(notices(&world), Vec::<String>::new());
    put(&world, NEW);
    until("the change is told", || {
        let told = "assistant: persona.md changed since it was loaded; `blufio reload` takes it";
        (notices(&world) == [told]).then_some(())
    });
    let reload = world.run(&["reload"]);
    assert_eq!(code(&reload), 0, "{}", stderr(&reload));
    until("it is taken", || notices(&world).is_empty().then_some(()));
    (world, server)
}

#[test]
fn versions_are_listed_compared_and_brought_back_with_nothing_lost() {
    let (world, _server) = changed();
    let kept = versions(&world);
    assert_eq!(kept.len(), 2);
    assert_eq!((&kept[0]["lines_added"], &kept[0]["lines_removed"]), (&2.into(), &1.into()));
    assert_eq!((&kept[0]["bytes"], &kept[1]["lines_added"]), (&NEW.len().into(), &2.into()));
    let list = stdout(&world.run(&["history"]));
    assert!(list.lines().next().unwrap().starts_with("KEPT (UTC)"), "{list}");
    assert!(list.contains("assistant  persona.md") && list.contains("+2 -1"), "{list}");
    let hash = |at: usize| kept[at]["hash"].as_str().unwrap()[..8].to_string();
    let diff = world.run(&["history", "assistant", "persona.md", "--diff", &hash(1), &hash(0)]);
    assert_eq!(code(&diff), 0, "{}", stderr(&diff));
    assert!(stdout(&diff).contains("-You answer in one sentence.\n+You answer in two sentences.\n"));
    // Words that nobody has loaded yet are kept too before they are replaced.
    put(&world, "Half a thought.\n");
    let restored = world.run(&["history", "assistant", "persona.md", "--restore", &hash(1)]);
    assert_eq!(code(&restored), 0, "{}", stderr(&restored));
    assert!(stdout(&restored).contains("-Half a thought."), "{}", stdout(&restored));
    assert!(stderr(&restored).contains("`blufio reload` applies it"));
    assert_eq!(std::fs::read_to_string(persona(&world)).unwrap(), OLD);
    assert_eq!(versions(&world).len(), 3, "what the file held");
    assert!(
        !world
            .path()
            .join("agents")
            .read_dir()
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with(".blufio-") })
    );
    assert_eq!(code(&world.run(&["reload"])), 0);
    assert_eq!(versions(&world).len(), 4);
    let half = versions(&world)[1]["hash"].as_str().unwrap().to_string();
    let again = world.run(&["history", "assistant", "persona.md", "--restore", &half, "--json"]);
    let again: Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!((&again["changed"], &again["restored"]), (&true.into(), &half.clone().into()));
    assert_eq!(std::fs::read_to_string(persona(&world)).unwrap(), "Half a thought.\n");
    let same = world.run(&["history", "assistant", "persona.md", "--restore", &half]);
    assert!(stderr(&same).contains("already"), "{}", stderr(&same));
}

#[test]
fn versions_are_there_when_no_server_runs_and_a_file_that_is_gone_comes_back() {
    let (world, mut server) = changed();
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let kept = versions(&world);
    assert_eq!(kept.len(), 2);
    let old = kept[1]["hash"].as_str().unwrap();
    std::fs::remove_file(persona(&world)).unwrap();
    let restored = world.run(&["history", "assistant", "persona.md", "--restore", old]);
    assert_eq!(code(&restored), 0, "{}", stderr(&restored));
    assert_eq!(std::fs::read_to_string(persona(&world)).unwrap(), OLD);
    put(&world, "Mine.\n");
    let restored = world.run(&["history", "assistant", "persona.md", "--restore", old]);
    assert_eq!(code(&restored), 0, "{}", stderr(&restored));
    assert_eq!(versions(&world).len(), 3);
}

#[test]
fn what_is_not_kept_or_cannot_be_kept_is_refused() {
    let (world, _server) = changed();
    let old = versions(&world)[1]["hash"].as_str().unwrap().to_string();
    let refused = |arguments: &[&str], words: &str| {
        let output = world.run(arguments);
        assert_ne!(code(&output), 0, "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    };
    refused(&["history", "nobody"], "no version is kept");
    refused(&["history", "assistant", "persona.md", "--restore", "00000000"], "lists them");
    refused(&["history", "assistant", "persona.md", "--restore", "0"], "too short");
    refused(&["history", "assistant", "../blufio.toml", "--restore", &old], "no version of");
    refused(&["history", "--restore", &old], "required");
    put(&world, b"\xff\xfe not text");
    refused(&["history", "assistant", "persona.md", "--restore", &old], "not UTF-8");
    assert_eq!(std::fs::read(persona(&world)).unwrap(), b"\xff\xfe not text", "it is still there");
}

/// What a persona can be wrong with, and the words for it.
const BAD: &[(&str, &str)] = &[
    ("missing", "there is no such file"),
    ("empty", "it is empty"),
    ("blank", "it is empty"),
    ("huge", "it is larger than 1 MiB"),
    ("binary", "it is not UTF-8 text (byte 5)"),
    ("folder", "it is not a plain file"),
    ("link", "links are not followed"),
    ("link out", "links are not followed"),
];

fn spoil(path: &Path, how: &str) {
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_dir(path);
    match how {
        "missing" => {}
        "empty" => std::fs::write(path, "").unwrap(),
        "blank" => std::fs::write(path, "\n  \n").unwrap(),
        "huge" => std::fs::write(path, vec![b'a'; (1 << 20) + 1]).unwrap(),
        "binary" => std::fs::write(path, b"calm \xff").unwrap(),
        "folder" => std::fs::create_dir(path).unwrap(),
        "link" => std::os::unix::fs::symlink("assistant.agent", path).unwrap(),
        "link out" => std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_bad_persona_is_an_error_of_check_and_at_reload_the_old_one_stays() {
    let world = World::new();
    put(&world, OLD);
    let _server = served(&world);
    for (how, words) in BAD {
        spoil(&persona(&world), how);
        let check = blufio(world.path()).args(["check", "agents", "--json"]).output().unwrap();
        assert_eq!(code(&check), 1, "{how}");
        let report: Value = serde_json::from_str(&stdout(&check)).unwrap();
        let found = &report["diagnostics"][0];
        assert_eq!((&report["errors"], &found["code"]), (&1.into(), &"E0111".into()), "{how}");
        assert!(found["title"].as_str().unwrap().contains(words), "{how}: {found}");
        let reload = world.run(&["reload"]);
        assert_eq!(code(&reload), 1, "{how}");
        assert!(stderr(&reload).contains("the old programs keep running"), "{}", stderr(&reload));
        until("it is told", || {
            let told = notices(&world);
            (told.len() == 1 && told[0].contains(words) && told[0].contains("what was loaded stays"))
                .then_some(())
        });
    }
    assert_eq!(versions(&world).len(), 1, "nothing bad was kept");
    world.shell("hello\n");
    let request = world.anthropic.requests().pop().unwrap();
    assert!(request["system"].to_string().contains("You are calm."), "{}", request["system"]);
    spoil(&persona(&world), "missing");
    put(&world, NEW);
    assert_eq!(code(&world.run(&["reload"])), 0);
    until("all is well", || notices(&world).is_empty().then_some(()));
}

#[test]
fn a_persona_that_does_not_fit_its_zone_is_cut_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    for file in ["assistant.agent", "routes.agent"] {
        std::fs::copy(root().join("agents/assistant").join(file), home.path().join(file)).unwrap();
    }
    std::fs::write(home.path().join("persona.md"), "word ".repeat(20_000)).unwrap();
    let check = || blufio(home.path()).args(["check", "."]).output().unwrap();
    let output = check();
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("warning[E0111]: `persona.md` is cut"), "{}", stdout(&output));
    assert!(stdout(&output).contains("6000 tokens"), "{}", stdout(&output));
    std::fs::write(home.path().join("persona.md"), "word ".repeat(1_000)).unwrap();
    assert!(!stdout(&check()).contains("E0111"));
}

#[test]
fn check_says_what_heartbeats_cost_a_month_at_the_most() {
    let home = tempfile::tempdir().unwrap();
    let agent = |budget: &str, every: &str| {
        format!(
            "agent watch v1\ngoal \"Watch.\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\nbudget {{ {budget} }}\n\
             can use time.now\nstart state idle {{\n  every {every} -> sweep\n}}\n\
             state sweep {{\n  told = write using fast \"Tell the time.\"\n  send owner told -> idle\n}}\n\
             anywhere {{ on failed -> idle  on over_budget -> idle }}\n"
        )
    };
    let usd = |budget: &str, every: &str| {
        std::fs::write(home.path().join("watch.agent"), agent(budget, every)).unwrap();
        let output = blufio(home.path()).args(["check", ".", "--json"]).output().unwrap();
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(report["errors"], 0, "{report}");
        report["agents"][0]["heartbeats_usd_per_month_max"].as_f64().unwrap()
    };
    let one = usd("message = 1 calls", "day at 08:00") / 31.0;
    assert!((0.002..0.02).contains(&one), "{one}");
    // 288 a day, and two hours more when clocks change.
    let all = usd("message = 1 calls", "5m");
    assert!((all - one * f64::from(288 * 31 + 24)).abs() < 1e-4, "{all}");
    let capped = |budget: &str| usd(&format!("message = 1 calls  {budget}"), "5m");
    assert!((capped("month = 10 usd") - 9.0).abs() < 1e-9, "the last tenth is for people");
    assert!((capped("day = 0.1 usd") - 0.09 * 31.0).abs() < 1e-9);
    assert!((capped("heartbeat = 0.001 usd") - 0.001 * f64::from(288 * 31 + 24)).abs() < 1e-9);
    let output = blufio(home.path()).args(["check", "."]).output().unwrap();
    assert!(
        stdout(&output).contains("watch v1: at most 8.95 usd a month for heartbeats"),
        "{}",
        stdout(&output)
    );
}
