// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules that are proved never break in random runs, and rules that are refused often do: proof and monitor judge every
//! rule that can be written about the examples, and neither knows of the other.

use std::collections::BTreeSet;

use blufio_lang::check::check;
use blufio_lang::compile::compile;
use blufio_lang::source::SourceMap;
use blufio_lang::typed::Program;

use crate::litmus::environment;
use crate::runs::Run;

/// Rules that are looked at in one run of the checker: each may give a finding, which are limited.
const RULES_AT_ONCE: usize = 200;

/// What the examples have little of: steps side by side, items that send, deadlines that leave nothing behind, handlers
/// that run while a step is pending, sums that fail behind a reply, caps per session, failure handlers of states.
const MIX: &str = r#"agent mix v1
goal "g"
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 60 calls }
can use kb.search, orders.refund, tickets.untagged, tickets.tag
context { dynamic history last 20 messages max 4000 tokens }
type Wish = batch | both | pay | count
keep { n: int = 9223372036854775000, wish: Wish?, seen: message? }
start state idle {
  on message m { seen = m -> sort }
  on "/status" { reply "Idle." }
}
state sort {
  pick Wish using fast from seen "?" { batch -> batch  both -> both  pay -> pay  count -> count }
  on "/status" { reply "Sorting." }
  on message m { send owner "Wait." }
  on failed { reply "Not sorted." }
  after 5m { send owner "Slow." }
  after 9m -> idle
}
state batch max 3 per session else rest {
  todo = call tickets.untagged(limit: 9) retry 1
  did = each t in todo, 2 at once { send owner "One."  call tickets.tag(id: t.id, label: "x")  reply "Tagged." }
  when length did > 2 { yes -> both }
  -> idle
}
state both {
  together { a = call kb.search(query: "a")  b = call kb.search(query: "b") }
  approve by owner "Go on?" within 10m { yes -> pay  no { reply "No." -> idle }  late -> rest }
  on "/stop" -> rest
}
state pay max 2 per event else rest {
  approve by sender "Pay?" within 1h { yes {}  no or late -> idle }
  call orders.refund(order: "1", amount: 1 eur) { done(x) { reply "Paid." -> idle }  failed(w) -> pay  uncertain { send owner "Look." -> rest } }
}
state count {
  reply "Counting."
  n = n + 400
  send owner "Counted."
  -> idle
}
state rest {
  reply "Resting."
  after 5m { reply "Still resting." }
  on message m -> sort
}
anywhere { on message hold  on "/quick" { reply "Here." }  on failed { send owner "Failed." -> rest }  on uncertain or over_budget -> rest }
"#;

/// Everything that can be said about a program.
fn rules(program: &Program) -> Vec<String> {
    let mut names: Vec<String> = ["reply", "message", "send"].map(String::from).into();
    names.extend(program.tools.iter().map(|tool| tool.tool.clone()).filter(|name| !name.contains(' ')));
    names.extend(program.states.iter().map(|state| state.name.clone()));
    let mut out = Vec::new();
    for x in &names {
        out.extend(["owner", "sender"].map(|who| format!("never {x} unless approved by {who}")));
        for count in 1..=3 {
            out.extend(["event", "session"].map(|per| format!("at most {count} {x} per {per}")));
        }
        for y in &names {
            out.push(format!("never {x} unless {y}"));
            out.push(format!("every {x} leads to {y}"));
        }
    }
    out
}

/// The agent with those of the rules that hold, and those that do not.
fn judged(name: &str, texts: &[(String, String)], rules: &[String]) -> (Option<Program>, BTreeSet<String>) {
    let mut sources = SourceMap::default();
    for (file, text) in texts {
        let own = text.starts_with(&format!("agent {name} "));
        let text = if own { format!("{text}\nrules {{\n{}\n}}\n", rules.join("\n")) } else { text.clone() };
        sources.add(file, &text).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    let refused = |code: &str| -> BTreeSet<String> {
        let found = diagnostics.iter().filter(|d| d.code == code);
        found.filter_map(|d| d.title.split('`').nth(1).map(str::to_string)).collect()
    };
    let others: Vec<_> = diagnostics
        .iter()
        .filter(|d| !d.code.starts_with("E07") && !d.code.starts_with("E06"))
        .map(|d| format!("{} {}", d.code, d.title))
        .collect();
    assert!(others.is_empty(), "{name}: {others:?}");
    let (broken, about_nothing) = (refused("E0702"), refused("E0701"));
    let agent = checked.agents.into_iter().map(|agent| agent.program).find(|program| program.name == name);
    let agent = agent.map(|mut program| {
        program.rules.retain(|rule| !about_nothing.contains(&rule.text));
        program
    });
    (agent, broken)
}

#[test]
fn what_is_proved_never_breaks_and_what_is_refused_often_does() {
    let mut texts = crate::examples::examples();
    texts.push(("mix.agent".into(), MIX.into()));
    let (mut held, mut refused, mut shown) = (0, 0, 0);
    let mut never_shown = Vec::new();
    for name in
        ["assistant", "booking", "mix", "oncall_desk", "remind", "researcher", "support", "tag", "trip"]
    {
        let (bare, _) = judged(name, &texts, &[]);
        for batch in rules(&bare.unwrap()).chunks(RULES_AT_ONCE) {
            let (program, broken) = judged(name, &texts, batch);
            let program = program.unwrap();
            let mut proved = program.clone();
            proved.rules.retain(|rule| !broken.contains(&rule.text));
            held += proved.rules.len();
            let (compiled, _) = compile(&proved);
            assert!(!compiled.monitors.is_empty());
            for seed in 1..=100 {
                let mut run = Run::new(&compiled, seed, false);
                for _ in 0..80 {
                    if run.machine.is_finished() || run.machine.is_parked() {
                        break;
                    }
                    run.step();
                }
            }
            for rule in program.rules.iter().filter(|rule| broken.contains(&rule.text)).step_by(9) {
                refused += 1;
                let mut alone = program.clone();
                alone.rules = vec![rule.clone()];
                let (compiled, _) = compile(&alone);
                let breaks = (1..=60).any(|seed| {
                    let mut run = Run::new(&compiled, seed, true);
                    for _ in 0..80 {
                        if run.machine.is_finished() || run.machine.is_parked() {
                            break;
                        }
                        run.step();
                    }
                    run.broken.is_some()
                });
                shown += usize::from(breaks);
                if !breaks {
                    never_shown.push(format!("{name}: {}", rule.text));
                }
            }
        }
    }
    assert!(held > 300, "{held} rules hold");
    // What data rules out is refused as well: the proof does not look at values.
    assert!(shown * 100 >= refused * 80, "{shown} of {refused} broke: {never_shown:#?}");
}
