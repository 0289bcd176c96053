// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests in programs, run; agents, explored.

use std::path::{Path, PathBuf};

use blufio_lang::check::{Environment, check};
use blufio_lang::diagnostic::render;
use blufio_lang::manifest::{self, Manifest};
use blufio_lang::simulate::explore::{Exploration, FindingKind, Limits, explore};
use blufio_lang::simulate::test::{Report, run, run_one};
use blufio_lang::simulate::{Folder, Happening};
use blufio_lang::source::SourceMap;
use blufio_lang::typed::{TestLine, TestLineKind};

use crate::examples::examples;
use crate::litmus::environment;

/// Checks and compiles texts; panics when they have errors.
fn folder_of(files: &[(String, String)], manifests: &[Manifest]) -> (SourceMap, Folder) {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.add(name, text).unwrap();
    }
    let mut environment: Environment = environment();
    for manifest in manifests {
        environment.tools.retain(|known| known.name != manifest.info.name);
        environment.tools.push(manifest.info.clone());
    }
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &sources, false));
    let (folder, diagnostics) = Folder::new(&checked, manifests);
    assert!(diagnostics.is_empty(), "{}", render(&diagnostics, &sources, false));
    (sources, folder)
}

fn one(text: &str) -> (SourceMap, Folder) {
    folder_of(&[("a.agent".to_string(), text.to_string())], &[])
}

fn failures(sources: &SourceMap, report: &Report) -> String {
    report.tests.iter().map(|test| render(&test.problems, sources, false)).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut out: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    out.sort();
    out
}

/// A folder of the teaching set, with its manifests.
fn teaching(folder: &Path) -> (SourceMap, Folder) {
    let texts: Vec<(String, String)> = files(folder, "agent")
        .iter()
        .map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap()))
        .collect();
    let mut manifests = Vec::new();
    for file in files(&folder.join("tools"), "toml") {
        let family = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        manifests.extend(manifest::parse(&file.display().to_string(), family, &text).unwrap());
    }
    folder_of(&texts, &manifests)
}

/// Every folder of programs that has tests.
fn all() -> Vec<(String, SourceMap, Folder)> {
    let (sources, folder) = folder_of(&examples(), &[]);
    let mut out = vec![("examples".to_string(), sources, folder)];
    for path in crate::teaching::folders() {
        let (sources, folder) = teaching(&path);
        out.push((path.file_name().unwrap().to_str().unwrap().to_string(), sources, folder));
    }
    out
}

#[test]
fn the_support_example_passes_its_own_test() {
    let (sources, folder) = folder_of(&examples(), &[]);
    let report = run(&folder, Some("no money without the owner"));
    assert_eq!(report.tests.len(), 1);
    assert!(report.tests[0].passed(), "{}", failures(&sources, &report));
    let called: Vec<&str> = report.tests[0]
        .happened
        .iter()
        .filter_map(|one| match one {
            Happening::Called { tool, .. } => Some(tool.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(called, ["orders.find", "orders.refund"]);
    let support = report.coverage.iter().find(|coverage| coverage.agent == "support").unwrap();
    let missed: Vec<&str> = support.states_missed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(missed, ["answer", "research", "sweep", "human"]);
    assert!(support.arms_missed.iter().any(|(state, label, _)| state == "triage" && label == "angry"));
    assert!(!support.arms_missed.iter().any(|(state, label, _)| state == "confirm" && label == "yes"));
    assert!((1..100).contains(&support.percent()), "{}", support.percent());
}

#[test]
fn every_test_of_the_teaching_set_passes() {
    let (mut count, mut wrong) = (0, String::new());
    for (name, sources, folder) in all() {
        let report = run(&folder, None);
        count += report.tests.len();
        for test in report.tests.iter().filter(|test| !test.passed()) {
            wrong.push_str(&format!("{name}:\n{}", render(&test.problems, &sources, false)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 25, "{count}");
}

#[test]
fn a_crash_at_any_line_changes_nothing() {
    let mut crashes = 0;
    for (name, _, folder) in all() {
        for (at, agent) in folder.agents.iter().enumerate() {
            for test in &agent.typed.tests {
                let calm = run_one(&folder, at, test).unwrap();
                for place in 0..=test.lines.len() {
                    let mut crashed = test.clone();
                    crashed.lines.insert(place, TestLine { kind: TestLineKind::Crash, span: test.span });
                    let result = run_one(&folder, at, &crashed).unwrap();
                    assert_eq!(result.happened, calm.happened, "{name}: {} at line {place}", test.name);
                    assert_eq!(result.passed(), calm.passed(), "{name}: {} at line {place}", test.name);
                    crashes += 1;
                }
            }
        }
    }
    assert!(crashes > 150, "{crashes}");
}

fn explored(folder: &Folder, agent: &str) -> Exploration {
    explore(folder, folder.agent(agent).unwrap(), Limits::default())
}

/// What an exploration has to say, line by line.
fn told(found: &Exploration) -> Vec<String> {
    let mut out: Vec<String> = found
        .findings
        .iter()
        .map(|finding| {
            let path = finding.path.join(" / ");
            format!("{} in {}: {} [{path}]", finding.kind.word(), finding.state, finding.why)
        })
        .collect();
    out.extend(found.coverage.states_missed.iter().map(|(state, _)| format!("state {state}")));
    out.extend(found.coverage.arms_missed.iter().map(|(state, label, _)| format!("arm {state}: {label}")));
    if !found.is_complete {
        out.push("not complete".into());
    }
    out
}

#[test]
fn clean_examples_have_nothing_to_find() {
    let (mut wrong, mut sessions) = (Vec::new(), 0);
    for (name, _, folder) in all() {
        for (at, agent) in folder.agents.iter().enumerate() {
            let found = explore(&folder, at, Limits::default());
            sessions += found.sessions;
            for line in told(&found) {
                wrong.push(format!("{name}/{}: {line}", agent.typed.name));
            }
        }
    }
    // True, both: the assistant sets no wake, and a tool that is idempotent is never uncertain.
    assert_eq!(
        wrong,
        ["examples/assistant: arm idle: on wake", "moderation/moderation: arm remove: uncertain"]
    );
    assert!(sessions > 1_000, "{sessions}");
}

const HEAD: &str = "agent a v1\ngoal \"x\"\nmodels { fast = \"anthropic/claude-haiku-5-5\" }\nbudget { message = 3 calls }\n";

#[test]
fn a_planted_dead_end_is_found() {
    let (_, folder) = one(&format!(
        "{HEAD}type Mood = good | bad\nstart state idle {{ on message m -> work }}\nstate work {{ pick Mood using fast from now \"How?\" {{ good -> idle  bad -> dead }} }}\nstate dead {{ on message hold  on \"/back\" -> idle2 }}\nstate idle2 {{ on message m {{ reply \"caught\" }} }}\nanywhere {{ on message hold  on failed -> idle }}\n"
    ));
    let found = explored(&folder, "a");
    assert_eq!(
        told(&found),
        [
            "stuck in idle2: no handler, deadline or outcome ever leaves this state [say \"hello\" / model picks bad / say \"/back\"]"
        ]
    );
    assert_eq!(
        found.findings[0].test_block(),
        "test \"stuck in idle2\" {\n  say \"hello\"\n  model picks bad\n  say \"/back\"\n  expect state idle2\n}\n"
    );
}

#[test]
fn a_planted_fault_is_found_with_its_shortest_path() {
    let (_, folder) = one(&format!(
        "{HEAD}keep {{ n: int = 0 }}\nstart state idle {{ on message m {{ n = 0 -> work }} }}\nstate work {{ write t using fast from n \"Say.\"  reply t -> idle }}\nstate sorry {{ n = 1 / n  reply \"{{n}}\" -> idle }}\nanywhere {{ on message hold  on failed -> sorry }}\n"
    ));
    let found = explored(&folder, "a");
    let parked: Vec<_> = found.findings.iter().filter(|f| f.kind == FindingKind::Parked).collect();
    assert_eq!(parked.len(), 1, "{:?}", told(&found));
    assert_eq!(parked[0].state, "sorry");
    assert_eq!(parked[0].path, ["say \"hello\"", "// `write` fails: broken"]);
    assert!(parked[0].why.contains("division by zero"), "{}", parked[0].why);
}

#[test]
fn a_planted_unreached_arm_is_found() {
    let (_, folder) = one(&format!(
        "{HEAD}keep {{ n: int = 0 }}\nstart state idle {{ on message m {{ n = 1 -> look }} }}\nstate look {{ when n {{ 1 -> idle  else -> lost }} }}\nstate lost {{ reply \"Never.\" -> idle }}\nanywhere {{ on message hold }}\n"
    ));
    let found = explored(&folder, "a");
    assert_eq!(told(&found), ["state lost", "arm look: else"]);
}

#[test]
fn bounds_are_kept_and_said() {
    let (_, folder) = one(&format!(
        "{HEAD}keep {{ said: list max 500 of text }}\nstart state idle {{ on message m {{ add m.text to said }} }}\nanywhere {{ on failed -> idle }}\n"
    ));
    let found = explore(&folder, 0, Limits { depth_max: 10, sessions_max: 1_000 });
    assert!(!found.is_complete);
    assert_eq!((found.sessions, found.depth), (11, 10));
    assert_eq!(found.findings, []);
}

/// Runs the test of a program and compares what it says with what is expected, without the excerpt.
fn says(program: &str, test: &str, title: &str, label: &str) {
    let (sources, folder) = one(&format!("{program}\ntest \"t\" {{\n{test}\n}}\n"));
    let report = run(&folder, None);
    let found: Vec<(String, String)> = report.tests[0]
        .problems
        .iter()
        .map(|problem| (problem.title.clone(), problem.label.message.clone()))
        .collect();
    let expected = (format!("test \"t\": {title}"), label.to_string());
    assert_eq!(found, [expected], "{}", failures(&sources, &report));
}

fn desk() -> String {
    format!(
        "{HEAD}can use orders.find, orders.refund\ntype Wish = refund(order: text max 20) | other\ntype Colour = red | green\nkeep {{ order: text = \"\" }}\nstart state idle {{ on message m -> triage }}\nstate triage {{ pick Wish using fast from now \"What?\" {{ refund(order) {{ reply \"One moment.\" -> confirm }}  other {{ reply \"Hello.\" -> idle }} }} }}\nstate confirm {{ approve by owner \"Refund {{order}}?\" within 4h {{ yes {{ call orders.refund(order: order, amount: 5 eur)  reply \"Done.\" -> idle }}  no or late {{ reply \"No.\" -> idle }} }} }}\nanywhere {{ on message hold  on failed or uncertain {{ reply \"Sorry.\" -> idle }} }}\n"
    )
}

#[test]
fn a_failed_line_says_what_happened_instead() {
    let desk = desk();
    let asked = "say \"hi\"\nmodel picks refund(order: \"7\")";
    let waits = "the session is in state `confirm`, where it waits for `approve by owner`";
    says(&desk, &format!("{asked}\nexpect state idle"), "expected state `idle`", waits);
    says(&desk, &format!("{asked}\nexpect no state confirm"), "expected another state than `confirm`", waits);
    says(
        &desk,
        &format!("{asked}\nexpect reply \"Hello.\""),
        "expected `reply \"Hello.\"`",
        &format!(
            "instead: `pick Wish` asked a model; reply \"One moment.\"; owner was asked \"Refund 7?\"; {waits}"
        ),
    );
    says(
        &desk,
        &format!("{asked}\nexpect no reply"),
        "expected no `reply`",
        "it happened: reply \"One moment.\"",
    );
    says(
        &desk,
        &format!("{asked}\nowner no\nexpect orders.refund"),
        "expected `orders.refund`",
        "instead: reply \"No.\"; the session is in state `idle`, where it waits for nothing but events",
    );
    says(
        &desk,
        &format!("{asked}\nowner yes\nexpect no orders.refund"),
        "expected no `orders.refund`",
        "it happened: call of `orders.refund` with {\"order\":\"7\",\"amount\":{\"amount\":\"5.00\",\"currency\":\"eur\"}}",
    );
    says(
        &desk,
        &format!("{asked}\nexpect send"),
        "expected `send`",
        &format!(
            "instead: `pick Wish` asked a model; reply \"One moment.\"; owner was asked \"Refund 7?\"; {waits}"
        ),
    );
}

#[test]
fn a_line_for_which_nothing_waits_says_who_waits_for_what() {
    let desk = desk();
    let idle = "the session is in state `idle`, where it waits for nothing but events";
    let pick = "the session is in state `triage`, where it waits for `pick Wish`";
    says(&desk, "model picks other", "no `pick` or `fill` waits for an answer", idle);
    says(&desk, "say \"hi\"\nmodel says \"x\"", "no `write` or `turn` waits for an answer", pick);
    says(&desk, "say \"hi\"\nowner yes", "`owner` is not asked to decide anything", pick);
    says(&desk, "say \"hi\"\nowner says \"x\"", "`owner` is not asked anything", pick);
    says(
        &desk,
        "say \"hi\"\nmodel picks red",
        "the answer does not fit `pick Wish`",
        "`red` is none of refund, other",
    );
}

#[test]
fn a_parked_session_fails_its_test() {
    let program = format!(
        "{HEAD}keep {{ n: int = 0 }}\nstart state idle {{ on message m -> work }}\nstate work {{ call time_of -> idle }}\n"
    )
    .replace("call time_of -> idle", "n = 1 / n -> idle");
    let program = format!(
        "{program}state sorry {{ n = 1 / n -> idle }}\nanywhere {{ on message hold  on failed -> sorry }}\n"
    );
    says(
        &program,
        "say \"hi\"\nexpect state idle",
        "the session is parked",
        "a step failed again while a failure was handled: arithmetic (division by zero)",
    );
}

#[test]
fn a_failure_is_shown_in_its_source() {
    let (sources, folder) = one(&format!(
        "{}test \"wrong words\" {{\n  say \"hi\"\n  model picks other\n  expect reply \"Hullo.\"\n}}\n",
        desk()
    ));
    let report = run(&folder, None);
    assert_eq!(
        failures(&sources, &report),
        "error[test]: test \"wrong words\": expected `reply \"Hullo.\"`\n  --> a.agent:16:3\n   |\n14 |   say \"hi\"\n   |   -------- since here\n15 |   model picks other\n16 |   expect reply \"Hullo.\"\n   |   ^^^^^^^^^^^^^^^^^^^^^ instead: `pick Wish` asked a model; reply \"Hello.\"; the session is in state `idle`, where it waits for nothing but events\n\n"
    );
    let updates = &report.tests[0].updates;
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].text, "\"Hello.\"");
    assert_eq!(sources.text_of(updates[0].span), "expect reply \"Hullo.\"");
}

#[test]
fn time_decides_what_nobody_decides() {
    let (sources, folder) = one(&format!(
        "{HEAD}start state idle {{ on message m -> work }}\nstate work {{ approve by owner \"Sure?\" within 4h {{ yes {{ reply \"Yes.\" -> idle }}  no {{ reply \"No.\" -> idle }}  late {{ reply \"Late.\" -> idle }} }} }}\nanywhere {{ on message hold }}\ntest \"late\" {{\n say \"x\"\n wait 3h\n expect state work\n wait 1h\n expect reply \"Late.\"\n}}\ntest \"held\" {{\n say \"x\"\n say \"y\"\n owner no\n expect reply \"No.\"\n expect state work\n owner yes\n expect reply \"Yes.\"\n expect state idle\n}}\n"
    ));
    let report = run(&folder, None);
    assert!(report.tests.iter().all(|test| test.passed()), "{}", failures(&sources, &report));
    assert_eq!(report.coverage[0].percent(), 100);
}

#[test]
fn groups_decide_when_enough_agree_or_too_few_are_left() {
    let agent = format!(
        "{HEAD}start state idle {{ on message m -> vote }}\nstate vote {{ approve by 2 of partners \"Sure?\" within 4h {{ yes {{ reply \"Yes.\" -> idle }}  no or late {{ reply \"No.\" -> idle }} }} }}\nanywhere {{ on message hold }}\ntest \"two agree\" {{\n say \"x\"\n ben yes\n ben yes\n cleo no\n expect state vote\n crash\n owner yes\n expect reply \"Yes.\"\n}}\ntest \"two refuse\" {{\n say \"x\"\n ben no\n expect state vote\n cleo no\n expect reply \"No.\"\n}}\ntest \"a stranger\" {{\n say \"x\"\n dora yes\n}}\n"
    );
    let routes = "routes\npeople {\n owner zone \"Europe/Berlin\"\n ben = telegram 2\n cleo = telegram 3\n dora = telegram 4\n partners = owner, ben, cleo\n}\ntelegram from owner -> a\notherwise drop\n";
    let (sources, folder) =
        folder_of(&[("a.agent".into(), agent), ("routes.agent".into(), routes.into())], &[]);
    let report = run(&folder, None);
    let passed: Vec<bool> = report.tests.iter().map(|test| test.passed()).collect();
    assert_eq!(passed, [true, true, false], "{}", failures(&sources, &report));
    assert!(failures(&sources, &report).contains("`dora` is not asked to decide anything"));
}

#[test]
fn what_happens_to_a_chat_is_said_and_explored() {
    let agent = format!(
        r#"{HEAD}keep {{ t: text = "" }}
start state idle {{
  on message m {{ t = m.text -> sure }}
  on edited m {{ reply "You mean {{m}}." }}
  on reaction m {{ reply "{{m.sender}}: {{m}}" }}
  on joined or left {{ reply "Hello and goodbye." }}
}}
state sure {{ approve by owner "Sure?" within 4h {{ yes {{ reply "Yes: {{t}}." -> idle }}  no or late -> idle }} }}
anywhere {{ on message hold }}
"#
    );
    let tests = r#"test "all four" {
  edited "tea"
  expect reply "You mean tea."
  reaction "👍"
  expect reply "Ada: 👍"
  joined "Ben"
  expect reply "Hello and goodbye."
  left "Ben"
  expect reply
}
test "unread" {
  say "one"
  say "two"
  edited "three"
  expect no reply
  owner yes
  expect reply "Yes: one."
  owner yes
  expect reply "Yes: three."
}
"#;
    let (sources, folder) = one(&format!("{agent}{tests}"));
    let report = run(&folder, None);
    assert_eq!(failures(&sources, &report), "");
    assert_eq!(told(&explored(&folder, "a")), Vec::<String>::new());
    let planted = agent.replace("on joined or left { reply \"Hello and goodbye.\" }", "on left -> dead").replace(
        "anywhere {",
        "state dead { on reaction -> idle2  on message drop }\nstate idle2 { on message m { reply m } }\nanywhere {",
    );
    let (_, folder) = one(&planted);
    assert_eq!(
        told(&explored(&folder, "a")),
        [
            "stuck in idle2: no handler, deadline or outcome ever leaves this state [left \"Ben\" / reaction \"👍\"]"
        ]
    );
}

#[test]
fn what_nobody_listens_to_cannot_be_tested() {
    says(&desk(), "reaction \"👍\"", "no handler waits for `reaction`", "nothing would happen");
}
