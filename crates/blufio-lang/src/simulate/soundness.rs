// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the checker proves, held against what programs really do: generated programs run under labels, with a model
//! that does what injected text asks for, and against the bounds.

mod bounds;
mod case;
mod dice;
mod generate;
mod hostile;
mod play;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use case::Case;
use dice::Dice;
use hostile::Hostile;
use play::{Player, Seen};

use crate::check::check;
use crate::check::labels::tests::environment;

/// Programs of the tests.
const PROGRAMS: usize = 250;
/// Runs of each of them.
const RUNS: usize = 400;
/// Threads that share the work.
const THREADS: usize = 2;

/// A number from the environment, for longer runs by hand.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a piece of work for each thread.
fn spread<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS)
            .map(|at| {
                scope.spawn({
                    let work = &work;
                    move || work(at)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Generated programs that pass `check`, with the seed of each.
fn programs() -> &'static [(u64, Case)] {
    static PROGRAMS_ONCE: OnceLock<Vec<(u64, Case)>> = OnceLock::new();
    PROGRAMS_ONCE.get_or_init(|| {
        let (first, count) = (number("FIRST", 0), number("PROGRAMS", PROGRAMS));
        let found = spread(|thread| {
            let environment = environment();
            let mut out = Vec::new();
            let mut seed = (first + thread) as u64;
            while out.len() < count / THREADS {
                seed += THREADS as u64;
                let text = generate::folder(&mut Dice::new(seed), false);
                out.extend(Case::new(&text, &environment).map(|case| (seed, case)));
            }
            out
        });
        found.into_iter().flatten().collect()
    })
}

/// The part of a program that a violation speaks of.
fn quoted<'t>(text: &'t str, violation: &str) -> &'t str {
    let place: Vec<usize> = violation
        .split([' ', '.'])
        .map_while(|n| if n.is_empty() { Some(None) } else { n.parse().ok().map(Some) })
        .flatten()
        .collect();
    if let [from, to, ..] = place[..] { text.get(from..to).unwrap_or("") } else { "" }
}

#[test]
fn generated_programs_say_everything_that_programs_can_say() {
    for construct in generate::CONSTRUCTS {
        let held = programs().iter().filter(|(_, case)| case.text.contains(construct)).count();
        assert!(held >= 5, "{construct}: {held}");
    }
}

/// The labels that a run really meets lie within those of the checker, at every instruction; and no event asks models
/// more often than the bound allows.
#[test]
fn labels_and_calls_of_runs_are_within_what_was_proved() {
    let (runs, steps_max) = (number("RUNS", RUNS), 8);
    let programs = programs();
    let all = spread(|thread| {
        let mut seen = Seen::default();
        let mut wrong: BTreeMap<String, String> = BTreeMap::new();
        for (seed, case) in programs.iter().skip(thread).step_by(THREADS) {
            let mut player = Player::new(case, *seed);
            for _ in 0..runs {
                player.run(steps_max);
            }
            for violation in &player.seen.violations {
                let part = quoted(&case.flat(), violation).to_string();
                let what = violation.split_once(": ").map_or("", |(_, what)| what).to_string();
                wrong
                    .entry(what)
                    .or_insert_with(|| format!("seed {seed}: {violation} [{part}]\n{}", case.text));
            }
            seen.runs += player.seen.runs;
            seen.steps += player.seen.steps;
            seen.compared += player.seen.compared;
            seen.children += player.seen.children;
            seen.finished += player.seen.finished;
        }
        (seen, wrong)
    });
    let total = |of: fn(&Seen) -> u64| all.iter().map(|(seen, _)| of(seen)).sum::<u64>();
    for (what, example) in all.iter().flat_map(|(_, wrong)| wrong).take(3) {
        eprintln!("{what}: {example}");
    }
    let kinds: Vec<&String> = all.iter().flat_map(|(_, wrong)| wrong.keys()).collect();
    assert!(kinds.is_empty(), "{kinds:#?}");
    let (ran, compared) = (total(|seen| seen.runs), total(|seen| seen.compared));
    eprintln!("{ran} runs, {} steps, {compared} instructions compared", total(|seen| seen.steps));
    assert!(ran as usize >= programs.len() * runs && compared > 10 * ran, "{ran} {compared}");
    assert!(total(|seen| seen.children) > ran / 1_000 && total(|seen| seen.finished) > 0);
}

/// The comparison sees what it is there for.
#[test]
fn labels_that_the_checker_forgets_are_seen() {
    let mut seen = 0;
    for (seed, case) in programs().iter().take(20) {
        let case = case.trusting();
        let mut player = Player::new(&case, *seed);
        for _ in 0..20 {
            player.run(8);
        }
        seen += usize::from(!player.seen.violations.is_empty());
    }
    assert!(seen >= 12, "{seen} of 20");
}

/// Runs that move to the other program of each pair; how many moved, and what they met that was not proved.
fn moving<'c>(pairs: impl Iterator<Item = (&'c Case, &'c Case, u64)>) -> (u64, Vec<String>) {
    let (mut moved, mut violations) = (0, Vec::new());
    for (old, new, seed) in pairs {
        let mut player = Player::new(old, seed);
        player.next = Some(Box::new(Player::new(new, seed + 1)));
        for _ in 0..20 {
            player.run(16);
        }
        let next = player.next.unwrap();
        moved += next.seen.moved;
        let told = |violation: &String| format!("{violation}\n{}\n--- moved to\n{}", old.text, new.text);
        violations.extend(next.seen.violations.iter().map(told));
    }
    (moved, violations)
}

/// Sessions that move to any other program meet there what is proved of it; if they moved whatever they carry, they
/// would meet more.
#[test]
fn what_moves_to_another_program_is_within_what_was_proved_there() {
    let cases = &programs()[..programs().len().min(60)];
    let pairs = || {
        let pair = |(at, (seed, old)): (usize, &'static (u64, Case))| {
            let others = cases.iter().skip(at % 3).step_by(3).map(|(_, new)| new);
            others.filter(move |new| !std::ptr::eq(*new, old)).map(move |new| (old, new, *seed))
        };
        cases.iter().enumerate().flat_map(pair)
    };
    let (moved, violations) = moving(pairs());
    eprintln!("{moved} sessions moved");
    assert!(violations.is_empty(), "{} violations, {}", violations.len(), violations[0]);
    assert!(moved >= 200, "{moved}");
    let welcoming: Vec<Case> = cases.iter().map(|(_, case)| case.welcoming()).collect();
    let all = cases.iter().zip(welcoming.iter().rev()).map(|((seed, old), new)| (old, new, *seed));
    let (moved, violations) = moving(all);
    eprintln!("{moved} sessions moved, {} violations", violations.len());
    assert!(!violations.is_empty());
}

/// Dangerous calls of 1,000 scenarios: how many were made, how many of them needed a yes, and those without one.
fn attacked(cases: &[(u64, Case)], scenarios: usize, counts_approvals: bool) -> Hostile {
    let mut sum = Hostile::new(counts_approvals);
    for at in 0..scenarios {
        let (seed, case) = &cases[at % cases.len()];
        let mut player = Player::new(case, seed.wrapping_mul(31).wrapping_add(at as u64));
        player.hostile = Some(Hostile::new(counts_approvals));
        for _ in 0..5 {
            player.run(20);
        }
        let found = player.hostile.unwrap_or_default();
        sum.dangerous += found.dangerous;
        sum.needed += found.needed;
        sum.unapproved.extend(found.unapproved);
    }
    sum
}

#[test]
fn a_model_that_obeys_injected_text_gets_no_dangerous_call_without_a_yes() {
    let found = attacked(programs(), 1_000, true);
    eprintln!("{} dangerous calls, {} needed a yes", found.dangerous, found.needed);
    assert!(found.unapproved.is_empty(), "{}: {}", found.unapproved.len(), found.unapproved[0]);
    assert!(found.needed >= 100, "{}", found.needed);
}

/// The same scenarios with every yes taken away, and programs that `check` refuses: both are seen.
#[test]
fn the_attack_succeeds_where_nothing_is_approved_or_proved() {
    let found = attacked(programs(), 200, false);
    assert!(found.unapproved.len() >= 20, "{}", found.unapproved.len());
    let environment = environment();
    let mut refused = Vec::new();
    for seed in 0.. {
        let text = generate::folder(&mut Dice::new(seed), true);
        let (checked, diagnostics) = check(&case::sources(&text), &environment);
        let codes: Vec<&str> = diagnostics.iter().map(|found| found.code).collect();
        if !codes.is_empty() && codes.iter().all(|code| ["E0601", "E0602", "E0607"].contains(code)) {
            refused.push((seed, Case::of(&text, &checked)));
        }
        if refused.len() == 20 {
            break;
        }
    }
    let found = attacked(&refused, 200, true);
    eprintln!("{} of {} dangerous calls without a yes", found.unapproved.len(), found.dangerous);
    assert!(found.unapproved.len() >= 50, "{}", found.unapproved.len());
}
