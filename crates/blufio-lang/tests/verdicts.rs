// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small programs with exactly what the checker finds in them: for every rule the near misses on both sides. Each file
//! of `verdicts/` begins with what its programs have in common; `CASE` marks where the text of a case goes. A case is
//! `=== CODES: what it shows`, its text, and behind `---` what must stand in the findings (`says WORDS`, `never WORDS`,
//! `calls N` for the bound of agent `a`, `path STATES` for the worst path, `labels SLOT WORDS` for what a slot may hold).
//! `clean` stands for no finding.

use blufio_lang::check::{Facts, check};
use blufio_lang::compile::compile;
use blufio_lang::diagnostic::render;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;

struct Case<'t> {
    codes: Vec<&'t str>,
    shows: &'t str,
    text: String,
    expected: &'t str,
}

fn cases<'t>(file: &'t str) -> Vec<Case<'t>> {
    let mut parts = file.split("=== ");
    let common = parts.next().unwrap();
    let case = |part: &'t str| {
        let (head, body) = part.split_once('\n').unwrap();
        let (codes, shows) = head.split_once(": ").unwrap();
        let (text, expected) = body.split_once("---\n").unwrap_or((body, ""));
        let codes = codes.split(' ').filter(|code| *code != "clean").collect();
        Case { codes, shows, text: common.replace("CASE\n", text), expected }
    };
    parts.map(case).collect()
}

/// What is wrong with the verdict on a case.
fn faults(case: &Case<'_>) -> Vec<String> {
    let mut sources = SourceMap::default();
    for (at, part) in case.text.split("=> file ").enumerate() {
        let (name, body) = if at == 0 { ("a.agent", part) } else { part.split_once('\n').unwrap() };
        sources.add(name, body).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    let mut found: Vec<&str> = diagnostics.iter().map(|d| d.code).collect();
    found.sort_unstable();
    let shown = render(&diagnostics, &sources, false);
    let mut wrong = Vec::new();
    if found != case.codes {
        wrong.push(format!("expected {:?}, found {found:?}", case.codes));
    }
    // What the checker accepts, the compiler compiles.
    for agent in checked.agents.iter().filter(|_| !diagnostics.has_errors()) {
        let (_, found) = compile(&agent.program);
        wrong.extend(found.iter().map(|d| format!("does not compile: {}", d.title)));
    }
    if !checked.agents.is_sorted_by_key(|agent| &agent.program.name) {
        wrong.push("agents come by name".to_string());
    }
    let facts = checked.agents.iter().find(|a| a.program.name == "a").map(|a| a.facts.clone());
    let Facts { calls_per_event, worst_path, labels, .. } = facts.unwrap_or_default();
    let labels: Vec<String> =
        labels.iter().map(|(slot, words)| format!("{slot} {}", words.join(" "))).collect();
    for line in case.expected.lines() {
        let is_right = match line.split_once(' ').unwrap() {
            ("says", words) => shown.contains(words),
            ("never", words) => !shown.contains(words),
            ("calls", number) => calls_per_event == Some(number.parse().unwrap()),
            ("labels", slot_and_words) => labels.iter().any(|found| found == slot_and_words),
            ("path", states) => worst_path.join(" → ") == states,
            _ => false,
        };
        if !is_right {
            wrong.push(format!("not so: {line} ({calls_per_event:?}, {worst_path:?}, {labels:?})"));
        }
    }
    wrong.iter_mut().for_each(|fault| fault.push_str(&format!("\n{shown}")));
    wrong
}

#[test]
fn every_program_gets_its_verdict() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verdicts");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read_to_string(&path).unwrap();
        for case in cases(&file) {
            let name = path.file_name().unwrap().to_str().unwrap();
            wrong.extend(faults(&case).iter().map(|fault| format!("{name}: {}: {fault}", case.shows)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_program_of_too_many_states_is_refused_before_the_proofs() {
    let mut text = "agent a v1\ngoal \"g\"\nstart state s0 { on message -> s1 }\n".to_string();
    for at in 1..=20_000 {
        text.push_str(&format!("state s{at} {{ -> nowhere }}\n"));
    }
    let mut sources = SourceMap::default();
    sources.add("a.agent", &text).unwrap();
    let (checked, diagnostics) = check(&sources, &environment());
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0902"]);
    assert!(checked.agents.is_empty());
}
