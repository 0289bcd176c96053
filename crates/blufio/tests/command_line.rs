// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit codes, diagnostics and pictures of the commands that need no server.

use serde_json::Value;

use crate::support::{echo_agent, err, out, run, write};

#[test]
fn check_is_0_for_a_clean_folder_and_1_with_the_place_for_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "agents/echo.agent", &echo_agent());
    let clean = run(folder.path(), &["check", "agents"]);
    assert_eq!(clean.status.code(), Some(0), "{}", err(&clean));
    write(folder.path(), "agents/echo.agent", &echo_agent().replace("-> idle }\nkeep", "-> idel }\nkeep"));
    let wrong = run(folder.path(), &["check", "agents", "--format", "json"]);
    assert_eq!(wrong.status.code(), Some(1));
    let found: Value = serde_json::from_str(&out(&wrong)).unwrap();
    let text = found.to_string();
    assert!(text.contains("E0103") && text.contains("did you mean `idle`?"), "{text}");
}

#[test]
fn usage_errors_are_2_and_unknown_words_get_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = run(folder.path(), &["chekc"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("check"), "{}", err(&unknown));
    assert_eq!(run(folder.path(), &["check", "nowhere"]).status.code(), Some(2));
}

#[test]
fn every_code_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for code in ["E0001", "E0003", "E0103", "E0303", "E0901", "E0902"] {
        let page = run(folder.path(), &["explain", code]);
        assert_eq!(page.status.code(), Some(0), "{code}");
        assert!(out(&page).contains(code) || out(&page).len() > 80, "{}", out(&page));
    }
    assert_ne!(run(folder.path(), &["explain", "E9999"]).status.code(), Some(0));
}

#[test]
fn graphs_have_the_programs_states_and_arrows() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "agents/echo.agent", &echo_agent());
    let json: Value =
        serde_json::from_str(&out(&run(folder.path(), &["graph", "agents", "--json"]))).unwrap();
    let graph = &json[0];
    let names: Vec<&str> =
        graph["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["idle", "work"]);
    assert!(
        graph["edges"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["from"] == 0 && e["to"] == 1 && e["label"] == "on message")
    );
    assert!(out(&run(folder.path(), &["graph", "agents"])).starts_with("flowchart TD"));
    assert!(out(&run(folder.path(), &["graph", "agents", "--format", "dot"])).starts_with("digraph"));
}

#[test]
fn init_writes_a_folder_that_checks() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &["init", "mine"]);
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let checked = run(&folder.path().join("mine"), &["check", "agents"]);
    assert_eq!(checked.status.code(), Some(0), "{}{}", out(&checked), err(&checked));
    assert_ne!(run(folder.path(), &["init", "mine"]).status.code(), Some(0), "nothing is overwritten");
}

#[test]
fn serve_names_each_missing_thing_and_what_fixes_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "agents/echo.agent", &echo_agent());
    write(folder.path(), "agents/routes.agent", crate::support::ROUTES);
    let missing = run(folder.path(), &["serve", "agents", "--data", "data"]);
    assert_ne!(missing.status.code(), Some(0));
    let words = err(&missing);
    assert!(words.contains("TELEGRAM_BOT_TOKEN") && words.contains("ANTHROPIC_API_KEY"), "{words}");
}

#[test]
fn an_unknown_configuration_key_is_refused_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), "blufio.toml", "[telegram]\nownr = 5\n");
    let refused = run(folder.path(), &["--config", config.to_str().unwrap(), "status", "--data", "data"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("owner"), "{}", err(&refused));
}

#[test]
fn the_demo_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    let demo = run(folder.path(), &["demo", "--json"]);
    assert_eq!(demo.status.code(), Some(0), "{}{}", out(&demo), err(&demo));
    let report: Value = serde_json::from_str(&out(&demo)).unwrap();
    assert_eq!(report["answered_once"], true);
    assert_eq!(report["path"].as_array().unwrap().len(), 7);
    assert!(report["seconds"].as_f64().unwrap() < 15.0);
}
