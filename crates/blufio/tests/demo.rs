// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo keeps what it promises: no key, no network, quick, and it says so with its exit code.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{blufio, code, stderr, stdout};

#[test]
fn the_demo_survives_its_crash_in_time() {
    let home = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let output = blufio(home.path()).arg("demo").output().unwrap();
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let text = stdout(&output);
    let path = "idle → triage → answer → answer → idle → triage → idle";
    for part in ["You are welcome", "flowchart TD", path, "claude-sonnet-5-5"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn the_demo_reports_as_data_too() {
    let home = tempfile::tempdir().unwrap();
    let output = blufio(home.path()).args(["demo", "--json"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["answered_once"], &report["nothing_lost"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(report["path"].as_array().unwrap().len(), 7);
    let bill = report["bill"].as_array().unwrap();
    assert!(!bill.is_empty() && bill.iter().all(|line| line["usd"].as_f64().unwrap() > 0.0), "{bill:?}");
}
