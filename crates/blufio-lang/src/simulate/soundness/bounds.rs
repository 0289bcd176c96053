// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounds are tight: of every example some run asks models exactly as often as the checker allows per event.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::check::labels::tests::environment;
use crate::check::{Checked, Environment, check};
use crate::compile::compile;
use crate::diagnostic::render;
use crate::effect::{Action, Effect, Event, Outcome, StepResult, Stop};
use crate::machine::Machine;
use crate::program::Program;
use crate::program::shape::Shape;
use crate::simulate::BEGINNING_MS;
use crate::simulate::explore::Deadline;
use crate::simulate::explore::choices::{Choice, Menu};
use crate::source::SourceMap;
use crate::typed;
use crate::value::Value;

/// Most distinct sessions that are looked at for one agent.
const SESSIONS_MAX: usize = 40_000;

/// Bounds that no run reaches, and why: agent, calls that are reached, reason.
const LOOSE: &[(&str, u32, &str)] = &[];

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut out: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    out.sort();
    out
}

/// A folder of programs with the manifests beside it.
fn checked(folder: &Path) -> Checked {
    let mut sources = SourceMap::default();
    for file in files(folder, "agent") {
        sources.add(&file.display().to_string(), &std::fs::read_to_string(&file).unwrap()).unwrap();
    }
    let mut environment: Environment = environment();
    for file in files(&folder.join("tools"), "toml") {
        let family = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let manifests = crate::manifest::parse(&file.display().to_string(), family, &text).unwrap();
        environment.tools.retain(|known| manifests.iter().all(|manifest| manifest.info.name != known.name));
        environment.tools.extend(manifests.into_iter().map(|manifest| manifest.info));
    }
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &sources, false));
    checked
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join("../../examples")).unwrap();
    let mut out: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    out.push(root.join("tests/fixtures/examples"));
    out.sort();
    out
}

/// Most model calls of one event over every session that can be reached; attempts count.
fn most_calls(typed: &typed::Program, program: &Program, asked: &HashMap<String, u32>, bound: u32) -> u32 {
    let menu = Menu::new(typed, program);
    let cost = |result: &StepResult| -> u32 {
        let Stop::Await(awaited) = &result.stop else { return 0 };
        let of = |effect: &Effect| match effect {
            Effect::Model(model) => model.retries + 1,
            Effect::AskAgent { grant, .. } => {
                let ask = &program.asks[*grant as usize];
                let most = asked.get(&ask.agent).copied().unwrap_or(0);
                ask.calls_max.map_or(most, |max| max.min(most))
            }
            _ => 0,
        };
        awaited.iter().filter(|awaited| awaited.fresh).map(|awaited| of(&awaited.effect)).sum()
    };
    let follow = |deadlines: &[Deadline], result: &StepResult| {
        let mut out = deadlines.to_vec();
        for action in &result.actions {
            match action {
                Action::SetTimer { visit, timer, due_ms } => {
                    out.push(Deadline { due_ms: *due_ms, timer: *timer, visit: *visit });
                }
                Action::ClearTimers => out.clear(),
                _ => {}
            }
        }
        out
    };
    let (mut most, mut known, mut queue) = (0, HashSet::new(), VecDeque::new());
    let mut arrive = |machine: Machine, deadlines: Vec<Deadline>, spent: u32, queue: &mut VecDeque<_>| {
        most = most.max(spent);
        let armed: Vec<u32> = deadlines.iter().map(|deadline| deadline.timer).collect();
        if known.len() < SESSIONS_MAX
            && known.insert((machine.canonical(program, menu.int_max()), armed, spent))
        {
            queue.push_back((machine, deadlines, spent));
        }
        most
    };
    let mut machine = Machine::new(program);
    let result = machine.start_with(program, &menu.parameters(), BEGINNING_MS);
    let (deadlines, spent) = (follow(&[], &result), cost(&result));
    let (mut reached, mut best) = (arrive(machine, deadlines, spent, &mut queue), 0);
    while let Some((machine, deadlines, spent)) = queue.pop_front() {
        for choice in menu.choices(&machine, &deadlines) {
            if let Some(full) = full(program, &choice.event) {
                best = best.max(spent + greedy(&menu, program, machine.clone(), full, &cost));
            }
            let mut next: Machine = machine.clone();
            let goes_on = matches!(choice.event, Event::Timer { .. } | Event::Resolved { .. });
            let fired = if let Event::Timer { timer, .. } = choice.event { Some(timer) } else { None };
            let result = next.step(program, choice.event, choice.now_ms);
            let spent = if goes_on { spent } else { 0 } + cost(&result);
            assert!(spent <= bound, "{}: {spent} model calls, {bound} are proved", program.name);
            let open: Vec<Deadline> = deadlines.iter().filter(|d| Some(d.timer) != fired).copied().collect();
            let deadlines = follow(&open, &result);
            reached = arrive(next, deadlines, spent, &mut queue);
        }
        if reached.max(best) >= bound {
            break;
        }
    }
    reached.max(best)
}

/// The same event with as many items as its list may have.
fn full(program: &Program, event: &Event) -> Option<Event> {
    let Event::Resolved { effect, outcome: Outcome::Done(Value::List(items)) } = event else { return None };
    let item = items.first()?;
    let maxima = program.shapes.iter().filter_map(|shape| match shape {
        Shape::List(_, max) => Some(*max as usize),
        _ => None,
    });
    let items: Vec<Value> = vec![item.clone(); maxima.max()?];
    Some(Event::Resolved { effect: *effect, outcome: Outcome::Done(Value::List(items.into())) })
}

/// What a session costs from an event on in which everything goes well.
fn greedy(
    menu: &Menu<'_>,
    program: &Program,
    mut machine: Machine,
    event: Event,
    cost: &impl Fn(&StepResult) -> u32,
) -> u32 {
    let mut spent = cost(&machine.step(program, event, BEGINNING_MS));
    for _ in 0..10_000 {
        let goes_well =
            |choice: &Choice| !choice.is_failure && matches!(choice.event, Event::Resolved { .. });
        let Some(choice) = menu.choices(&machine, &[]).into_iter().find(goes_well) else { break };
        spent += cost(&machine.step(program, choice.event, BEGINNING_MS));
    }
    spent
}

#[test]
fn the_bound_of_every_example_is_reached_by_some_run() {
    let mut loose = BTreeMap::new();
    let mut agents = 0;
    for folder in folders() {
        let mut checked = checked(&folder);
        // Those that are asked come first.
        checked.agents.sort_by_key(|agent| !agent.program.asks.is_empty());
        let mut asked = HashMap::new();
        for agent in &checked.agents {
            let (program, _) = compile(&agent.program);
            let bound = agent.facts.calls_per_event.unwrap();
            let reached = most_calls(&agent.program, &program, &asked, bound);
            asked.insert(agent.program.name.clone(), reached);
            agents += 1;
            if reached < bound {
                let name = folder.file_name().unwrap().to_str().unwrap();
                let key = format!("{name}/{}", agent.program.name);
                loose.insert(key, (reached, bound, agent.facts.worst_path.join(" → ")));
            }
        }
    }
    assert!(agents >= 20, "{agents}");
    let listed: BTreeMap<String, u32> =
        LOOSE.iter().map(|(name, reached, _)| (name.to_string(), *reached)).collect();
    let found: BTreeMap<String, u32> =
        loose.iter().map(|(name, (reached, ..))| (name.clone(), *reached)).collect();
    assert_eq!(found, listed, "{loose:#?}");
}
