// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio cost`: the same numbers as a table, as bars, as CSV and as JSON, with and without a server.

use std::time::SystemTime;

use blufio_agent::caps::Period;
use blufio_core::model::Usage;
use blufio_core::store::{Announced, Announcement, Cap, LedgerRow, OPEN, Store};
use blufio_persist::{Options, SqliteStore};
use blufio_testkit::anthropic::{Answer, Script};
use serde_json::Value;

use crate::world::{Server, World, blufio, code, stderr, stdout, until};

const DESK: &str = r#"agent desk v1
goal "Answer."
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 2 calls  day = 0.5 usd, 40 calls  month = 20 usd }
start state idle { on message m { asked = m -> work } }
state work { write t using fast from asked "Answer it." reply t -> idle }
keep { asked: message? }
anywhere { on message hold  on failed -> idle  on over_budget { reply "not now" -> idle } }
"#;

/// 2026-10-01 in milliseconds.
const OCTOBER_MS: i64 = 1_790_812_800_000;
const DAY_MS: i64 = 86_400_000;

fn world() -> World {
    let world = World::new();
    let agents = world.path().join("agents");
    std::fs::remove_dir_all(&agents).unwrap();
    std::fs::create_dir(&agents).unwrap();
    std::fs::write(agents.join("desk.agent"), DESK).unwrap();
    std::fs::write(
        agents.join("routes.agent"),
        "routes\n\ntelegram from anyone -> desk per person\notherwise drop\n",
    )
    .unwrap();
    world
}

fn owned(world: &World) -> Server {
    world.serve(|command| {
        command.env("BLUFIO_TELEGRAM__OWNER", "1");
    })
}

/// A world whose programs were installed by a server that is gone.
fn rested() -> World {
    let world = world();
    let mut server = world.serve(|_| {});
    assert_eq!(code(&world.run(&["stop"])), 0);
    assert_eq!(server.exit_code(), Some(0));
    world
}

fn row(agent: &str, state: &str, model: &str, usd_micros: Option<i64>, day: i64) -> LedgerRow {
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 50,
        cache_read_tokens: 800,
        cache_write_tokens: 100,
        ..Usage::default()
    };
    LedgerRow {
        session: None,
        agent: agent.into(),
        state: state.into(),
        purpose: "write".into(),
        model_asked: model.into(),
        model_used: model.into(),
        reason: None,
        usage,
        estimated_tokens: 0,
        static_fingerprint: String::new(),
        usage_known: true,
        usd_micros,
        latency_ms: 1_000,
        outcome: "ok".into(),
        at_ms: OCTOBER_MS + day * DAY_MS,
    }
}

/// Four attempts that ended and one that is open.
fn spend(world: &World) {
    let write = async {
        let store = SqliteStore::open(&world.data(), &Options::default()).unwrap();
        let silent = LedgerRow {
            usage: Usage::default(),
            usage_known: false,
            ..row("desk", "work", "p/a", Some(9_000), 1)
        };
        let rows = [
            row("desk", "work", "p/a", Some(1_234), 0),
            silent,
            row("a, \"b\"", "idle", "p/b", Some(20_500_000), 2),
            row("a, \"b\"", "idle", "p/free", None, 2),
        ];
        for row in rows {
            store.record_attempt(row.into()).await.unwrap();
        }
        let cap = |what: &str, most_usd_micros, period| Cap {
            what: what.into(),
            most_usd_micros,
            period,
            warns: false,
            frees_up_ms: Some(period),
        };
        // This day and the next one, as midnight may come before it is read.
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let now_ms = i64::try_from(since_1970.as_millis()).unwrap();
        let [today, this_month] = [Period::Day.end(now_ms), Period::Month.end(now_ms)];
        let [tomorrow, next_month] = [Period::Day.end(today), Period::Month.end(this_month)];
        let days = [today, tomorrow].map(|period| cap("desk/usd/day", 500_000, period));
        let months = [this_month, next_month].map(|period| cap("desk/usd/month", 20_000_000, period));
        let open = LedgerRow {
            outcome: OPEN.into(),
            usage_known: false,
            ..row("desk", "work", "p/a", Some(400_000), 2)
        };
        let announcement =
            Announcement { row: open, worst_usd_micros: 400_000, caps: [days, months].concat() };
        assert!(matches!(store.announce_attempt(announcement).await.unwrap(), Announced::Granted { .. }));
        for period in [today, tomorrow] {
            assert!(store.reserve("desk/calls/day", period, "1", 40).await.unwrap());
        }
        store.close().await.unwrap();
    };
    world.runtime.block_on(write);
}

/// What it prints, without the days at which caps begin anew.
fn costs(world: &World, arguments: &[&str]) -> String {
    let output = world.run(&[&["cost"], arguments].concat());
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    let plain = |line: &str| match line.rsplit_once("  ") {
        Some((rest, day)) if line.contains('%') && day.len() == 10 => format!("{rest}  DAY"),
        _ => line.to_string(),
    };
    stdout(&output).lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&costs(world, &[&["--json"], arguments].concat())).unwrap()
}

#[test]
fn every_form_tells_the_same() {
    let world = rested();
    spend(&world);
    let table = costs(&world, &[]);
    println!("{table}");
    assert_eq!(table, include_str!("snapshots/cost_table.txt").trim_end());
    let chart = costs(&world, &["--chart", "--by", "state"]);
    println!("{chart}");
    assert_eq!(chart, include_str!("snapshots/cost_chart.txt").trim_end());
    let csv = costs(&world, &["--csv", "--by", "agent"]);
    println!("{csv}");
    assert_eq!(csv, include_str!("snapshots/cost.csv").trim_end());
    let report = json(&world, &["--by", "day"]);
    let days: Vec<&str> =
        report["groups"].as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-10-01", "2026-10-02", "2026-10-03"]);
    let mut total = report["total"].clone();
    assert_eq!(total["unknown_share"].take(), 0.25);
    assert_eq!(total["cache_read_share"].take(), 0.8);
    assert_eq!(
        total,
        serde_json::json!({
            "name": "", "calls": 4, "unknown_calls": 1, "unpriced_calls": 1, "open_calls": 1,
            "input_tokens": 300, "output_tokens": 150, "cache_read_tokens": 2_400, "cache_write_tokens": 300,
            "usd_micros": 20_510_234, "unknown_usd_micros": 9_000, "open_usd_micros": 400_000,
            "cache_read_share": null, "unknown_share": null,
        })
    );
    let caps: Vec<(&str, &str, i64, i64)> = report["caps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cap| {
            let text = |key: &str| cap[key].as_str().unwrap();
            (text("period"), text("counted"), cap["used"].as_i64().unwrap(), cap["most"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(
        caps,
        [
            ("day", "usd_micros", 400_000, 500_000),
            ("day", "calls", 1, 40),
            ("month", "usd_micros", 400_000, 20_000_000)
        ]
    );
}

#[test]
fn the_lines_of_every_grouping_add_up_to_the_total() {
    let world = rested();
    spend(&world);
    let keys = ["calls", "open_calls", "unknown_calls", "usd_micros", "cache_read_tokens", "open_usd_micros"];
    for narrow in [vec![], vec!["--agent", "desk"], vec!["--since", "2026-10-02"]] {
        for by in ["agent", "model", "state", "day", "purpose", "session"] {
            let arguments = [vec!["--by", by], narrow.clone()].concat();
            let report = json(&world, &arguments);
            for key in keys {
                let sum: i64 =
                    report["groups"].as_array().unwrap().iter().map(|g| g[key].as_i64().unwrap()).sum();
                assert_eq!(sum, report["total"][key].as_i64().unwrap(), "{key} {arguments:?}");
            }
            let csv = costs(&world, &[vec!["--csv"], arguments].concat());
            assert_eq!(csv.lines().count(), report["groups"].as_array().unwrap().len() + 1);
        }
    }
    assert_eq!(json(&world, &["--agent", "desk"])["total"]["calls"], 2);
    assert_eq!(json(&world, &["--agent", "desk", "--since", "2026-10-02"])["total"]["calls"], 1);
}

#[test]
fn a_server_and_its_database_say_the_same() {
    let world = world();
    let mut server = owned(&world);
    world.anthropic.push(Script::Answer(Answer::text("hello")));
    world.telegram.say(5, "hello");
    world.seen(5, |text| text == "hello");
    // The row lands with the step's result, and so before the reply.
    let live = json(&world, &["--by", "session"]);
    assert_eq!(live["groups"][0]["name"], "desk/telegram:5");
    assert_eq!(live["total"]["calls"], 1);
    assert_eq!(
        (live["total"]["input_tokens"].clone(), live["total"]["usd_micros"].clone()),
        (120.into(), 22.into())
    );
    let used = live["caps"].as_array().unwrap().iter().map(|cap| cap["used"].as_i64().unwrap());
    assert_eq!(used.collect::<Vec<_>>(), [22, 1, 22]);
    assert_eq!(code(&world.run(&["stop"])), 0);
    assert_eq!(server.exit_code(), Some(0));
    assert_eq!(json(&world, &["--by", "session"]), live);
}

#[test]
fn nothing_on_record_is_said_in_words() {
    let world = rested();
    let output = world.run(&["cost"]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).starts_with("CAP"), "the caps are shown: {}", stdout(&output));
    assert!(stderr(&output).contains("no model call is on record"), "{}", stderr(&output));
    let output = world.run(&["cost", "--csv", "--agent", "nobody", "--since", "7d"]);
    assert_eq!((code(&output), stdout(&output).lines().count()), (0, 1), "a head without lines");
    assert!(
        stderr(&output).contains("of `nobody`") && stderr(&output).contains("--since"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn wrong_arguments_and_folders_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for wrong in [
        vec!["--since", "yesterday"],
        vec!["--since", "2026-02-30"],
        vec!["--since", "-7d"],
        vec!["--since", "9999999999999999999d"],
        vec!["--since", ""],
        vec!["--by", "mood"],
        vec!["--json", "--csv"],
        vec!["--csv", "--chart"],
    ] {
        let output = blufio(home.path()).arg("cost").args(&wrong).output().unwrap();
        assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{wrong:?}");
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    }
    for command in [vec!["cost"], vec!["kill"], vec!["kill", "--release"]] {
        let output = blufio(home.path()).args(&command).args(["--data", "nowhere"]).output().unwrap();
        assert_eq!(code(&output), 2, "{command:?}");
        assert!(stderr(&output).contains("no database here yet"), "{}", stderr(&output));
    }
    assert!(!home.path().join("nowhere").exists(), "nothing was created");
}

#[test]
fn kill_stops_a_call_under_way_and_holds_until_it_is_released() {
    let world = world();
    let mut server = owned(&world);
    world.anthropic.push(Script::Stall);
    world.telegram.say(5, "hello");
    until("the model is asked", || (world.anthropic.requests().len() == 1).then_some(()));
    let begun = std::time::Instant::now();
    let killed = world.run(&["kill", "--reason", "the\u{1b}[2J bill"]);
    let told = begun.elapsed();
    assert_eq!((code(&killed), stdout(&killed).as_str()), (0, ""), "{}", stderr(&killed));
    assert!(stderr(&killed).contains("model calls are stopped since"), "{}", stderr(&killed));
    until("the call is over", || (json(&world, &[])["total"]["calls"] == 1).then_some(()));
    println!("the command took {told:?}; the call was cut after {:?} at the latest", begun.elapsed());
    world.seen(5, |text| text == "not now");
    world.seen(1, |text| text.starts_with("Model calls are stopped."));
    let status = world.run(&["status"]);
    assert!(
        stdout(&status).contains("models    stopped since") && stdout(&status).contains("\\u{1b}[2J bill")
    );
    assert_eq!(code(&world.run(&["stop"])), 0);
    assert_eq!(server.exit_code(), Some(0));
    let status = world.run(&["status"]);
    assert!(code(&status) == 1 && stderr(&status).contains("model calls are stopped since"));
    // A restart does not forget it.
    let mut server = owned(&world);
    world.telegram.say(6, "hello");
    world.seen(6, |text| text == "not now");
    assert_eq!(world.anthropic.requests().len(), 1);
    assert_eq!(code(&world.run(&["kill", "--release"])), 0);
    assert_eq!(code(&world.run(&["kill", "--release"])), 1, "there is nothing to release");
    world.telegram.say(6, "again");
    world.seen(6, |text| text.starts_with("echo: "));
    assert_eq!(world.telegram.texts(1).len(), 1, "the owner was told once");
    assert_eq!(code(&world.run(&["stop"])), 0);
    assert_eq!(server.exit_code(), Some(0));
    // Where nothing runs it is thrown and released in the database.
    assert_eq!(code(&world.run(&["kill"])), 0);
    let status: Value = serde_json::from_str(&stdout(&world.run(&["status", "--json"]))).unwrap();
    assert_eq!((&status["running"], &status["models_killed"]["reason"]), (&Value::Bool(false), &Value::Null));
    assert!(status["models_killed"]["since_ms"].is_i64());
    assert_eq!(code(&world.run(&["kill", "--release"])), 0);
    let both = world.run(&["kill", "--release", "--reason", "x"]);
    assert_eq!(code(&both), 2);
}
