// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the checker proves, held against what programs really do: generated programs run under labels, with a model
//! that does what injected text asks for, and against the bounds.

mod case;
mod dice;
mod generate;
mod play;

use std::collections::BTreeMap;

use case::Case;
use dice::Dice;
use play::Player;

use crate::check::labels::tests::environment;

/// Programs of a seed that pass `check`, with what was tried.
fn programs(seed: u64, count: usize, tried: &mut BTreeMap<String, usize>) -> Vec<(u64, Case)> {
    let environment = environment();
    let mut out = Vec::new();
    let mut at = seed;
    while out.len() < count {
        at += 1;
        let text = generate::folder(&mut Dice::new(at), false);
        match Case::new(&text, &environment) {
            Ok(case) => out.push((at, case)),
            Err(found) => {
                if std::env::var("WHY").is_ok() {
                    let sources = case::sources(&text);
                    let (_, diagnostics) = crate::check::check(&sources, &environment);
                    eprintln!("{}", crate::diagnostic::render(&diagnostics, &sources, false));
                }
                for (code, title) in found {
                    let key = if code < "E06" { format!("{code} {title}") } else { code.to_string() };
                    *tried.entry(key).or_default() += 1;
                }
            }
        }
    }
    out
}

#[test]
fn labels_of_runs_are_within_those_of_the_checker() {
    let count: usize = std::env::var("PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let runs_each: usize = std::env::var("RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let steps_max = 8;
    let first: u64 = std::env::var("FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let began = std::time::Instant::now();
    let mut tried = BTreeMap::new();
    let cases = programs(first, count, &mut tried);
    eprintln!("generated after {:?}", began.elapsed());
    for (code, count) in tried.iter() {
        eprintln!("{count} {code}");
    }
    let (mut runs, mut compared, mut steps, mut bad) = (0, 0, 0, 0);
    for construct in generate::CONSTRUCTS {
        let held = cases.iter().filter(|(_, case)| case.text.contains(construct)).count();
        eprintln!("{held} {construct}");
    }
    let mut kinds = BTreeMap::new();
    for (seed, case) in &cases {
        let mut player = Player::new(case, *seed);
        for _ in 0..runs_each {
            player.run(steps_max);
        }
        runs += player.seen.runs;
        compared += player.seen.compared;
        steps += player.seen.steps;
        if let Some(first) = player.seen.violations.first() {
            bad += 1;
            let kind: String = first.chars().skip_while(|c| *c != ':').collect();
            let known = kinds.entry(kind).or_insert((0, *seed));
            known.0 += 1;
            if bad < 4 {
                let place: Vec<usize> = first.split([' ', '.']).filter_map(|n| n.parse().ok()).take(2).collect();
                let [from, to, ..] = place[..] else { panic!("{first}\n{}", case.text) };
                let part = case.flat().get(from..to).unwrap_or("?").to_string();
                eprintln!("seed {seed}: {} violations, first: {first} [{part}]\n{}", player.seen.violations.len(), case.text);
            }
        }
    }
    eprintln!("{runs} runs, {steps} steps, {compared} compared, {bad} bad, {:?}", began.elapsed());
    eprintln!("{kinds:#?}");
    assert_eq!(bad, 0);
}
