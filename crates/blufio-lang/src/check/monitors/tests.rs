// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules on small programs: what holds, what does not, and the path that shows it.

use crate::check::{Environment, Feature, Prices, Provider, ToolInfo, ToolScope, check};
use crate::source::SourceMap;
use crate::typed::{Danger, EffectClass, Label};

include!("../../../tests/environment.rs");

const HEAD: &str = "agent a v1
goal \"g\"
models { fast = \"anthropic/claude-haiku-5-5\" }
budget { message = 60 calls }
can use orders.find, orders.refund, kb.search, tickets.untagged, tickets.tag
context { dynamic history last 20 messages max 4000 tokens }
type Wish = question | refund(order: text, amount: money eur) | other
keep { seen: message?, order: text = \"\", amount: money eur = 0 eur, n: int = 0 }
";
const TAIL: &str = "anywhere { on message hold  on failed or uncertain -> idle }\n";

/// The findings about rules: code, label and hint.
fn found(text: &str) -> Vec<(&'static str, String, String)> {
    let mut sources = SourceMap::default();
    sources.add("a.agent", text).unwrap();
    let (_, diagnostics) = check(&sources, &environment());
    let shown = crate::diagnostic::render(&diagnostics, &sources, false);
    let others = diagnostics.iter().filter(|d| !d.code.starts_with("E07") && d.code != "E0602");
    assert_eq!(others.count(), 0, "{shown}");
    let rules = diagnostics.iter().filter(|d| d.code.starts_with("E07"));
    rules.map(|d| (d.code, d.label.message.clone(), d.hint.clone().unwrap_or_default())).collect()
}

fn program(rules: &str, states: &str) -> String {
    format!("{HEAD}rules {{ {rules} }}\n{states}\n{TAIL}")
}

/// Codes of the findings.
fn codes(rules: &str, states: &str) -> Vec<&'static str> {
    found(&program(rules, states)).into_iter().map(|(code, ..)| code).collect()
}

/// The path of the only finding.
fn path(rules: &str, states: &str) -> (String, String) {
    let mut found = found(&program(rules, states));
    assert_eq!(found.len(), 1, "{found:?}");
    let (code, why, hint) = found.remove(0);
    assert_eq!(code, "E0702");
    (why, hint)
}

const REFUND: &str = "start state idle { on message m { seen = m -> triage } }
state triage { pick Wish using fast from seen \"?\" {
  question -> idle
  refund(order, amount) -> look
  other -> idle } }
state look { bill = call orders.find(order: order)
  when bill.status { paid -> confirm  refunded or missing -> idle } }
";

#[test]
fn a_refund_without_the_owner_is_found_with_its_path() {
    let rule = "never orders.refund unless approved by owner";
    let good = format!(
        "{REFUND}state confirm {{ approve by owner \"?\" within 4h {{ yes {{ call orders.refund(order: order, amount: amount) -> idle }} no or late -> idle }} }}"
    );
    assert_eq!(codes(rule, &good), Vec::<&str>::new());
    let bad = good.replace(
        "no or late -> idle",
        "no -> idle  late { call orders.refund(order: order, amount: amount) -> idle }",
    );
    let (why, hint) = path(rule, &bad);
    assert_eq!(why, "it happens here without that");
    assert_eq!(
        hint,
        "shortest path: idle:10 → triage:13 → look:16 → confirm:17

test \"never orders.refund unless approved by owner\" {
  say \"hello\"
  model picks refund(order: \"text\", amount: 1 eur)
  tool orders.find gives (id: \"text\", status: paid)
  wait 4h
  expect no orders.refund
}"
    );
    // Somebody else's yes is none of the owner's, and one yes is good for one call.
    assert_eq!(codes(rule, &good.replace("approve by owner", "approve by sender")), ["E0702"]);
    let twice = good.replace(
        "amount: amount) -> idle",
        "amount: amount) call orders.refund(order: order, amount: amount) -> idle",
    );
    assert_eq!(codes(rule, &twice), ["E0702"]);
}

/// Runs the only test of a program, whatever the proofs say of it; what it finds wrong.
fn simulated(text: &str) -> Vec<String> {
    let mut sources = SourceMap::default();
    sources.add("a.agent", text).unwrap();
    let (checked, diagnostics) = check(&sources, &environment());
    let shown = crate::diagnostic::render(&diagnostics, &sources, false);
    assert!(diagnostics.iter().all(|d| ["E0702", "E0602"].contains(&d.code)), "{shown}");
    let (folder, found) = crate::simulate::Folder::new(&checked, &[]);
    assert!(found.is_empty());
    let report = crate::simulate::test::run(&folder, None);
    assert_eq!(report.tests.len(), 1);
    report.tests[0].problems.iter().map(|d| format!("{}: {}", d.title, d.label.message)).collect()
}

#[test]
fn the_pasted_test_fails_where_the_rule_breaks_and_passes_where_it_holds() {
    let answers = |other: &str| {
        format!("start state idle {{ on message m {{ seen = m -> triage }} }}
state triage {{ pick Wish using fast from seen \"?\" {{ question {{ reply \"a\" -> idle }} refund(o, a) {{ reply \"b\" -> idle }} other {{ {other} -> idle }} }} }}")
    };
    let pay = "call orders.refund(order: order, amount: amount) -> idle";
    let confirm = |late: &str| {
        format!(
            "{REFUND}state confirm {{ approve by owner \"?\" within 4h {{ yes {{ {pay} }} no -> idle late {{ {late} }} }} }}"
        )
    };
    let sorry = "anywhere { on message hold  on failed or uncertain { reply \"sorry\" -> idle } }\n";
    let cases = [
        ("never orders.refund unless approved by owner", confirm(pay), confirm("-> idle")),
        ("every message leads to reply", answers(""), answers("reply \"c\"")),
        ("at most 1 reply per event", answers("reply \"c\" reply \"d\""), answers("reply \"c\"")),
    ];
    for (rule, bad, good) in cases {
        let whole = |states: &str| program(rule, states).replace(TAIL, sorry);
        let (code, _, hint) = found(&whole(&bad)).remove(0);
        assert_eq!(code, "E0702");
        let (_, test) = hint.split_once("\n\n").unwrap();
        let problems = simulated(&format!("{}{test}\n", whole(&bad)));
        assert!(problems.iter().any(|problem| problem.contains(rule)), "{test}\n{problems:?}");
        assert_eq!(simulated(&format!("{}{test}\n", whole(&good))), Vec::<String>::new(), "{test}");
    }
}

#[test]
fn a_run_may_call_everything() {
    let states = "start state idle { on message m -> think }
state think max 3 per event else idle { turn using fast with history { says(t) { reply t -> idle } calls(c) { run c approved by owner within 1h -> think } refuses(w) -> idle } }";
    let (why, hint) = path("never orders.refund unless approved by owner", states);
    assert_eq!(why, "`run` may call every granted tool");
    assert!(hint.starts_with("shortest path: idle:10 → think:11\n"), "{hint}");
    assert_eq!(codes("at most 5 kb.search per event", states), ["E0702"]);
}

#[test]
fn something_must_have_come_before() {
    let rule = "never reply unless triage";
    assert_eq!(
        codes(rule, "start state idle { on message m -> triage }\nstate triage { reply \"x\" -> idle }"),
        Vec::<&str>::new()
    );
    let early =
        "start state idle { on message m { reply \"x\" -> triage } }\nstate triage { reply \"x\" -> idle }";
    assert_eq!(path(rule, early).1.lines().next(), Some("shortest path: idle:10"));
    assert_eq!(codes("never reply unless idle", early), ["E0703"]);
}

#[test]
fn every_message_leads_to_an_answer() {
    let rule = "every message leads to reply or human";
    let human = "state human { ask owner \"?\" within 1h { says(t) { reply t -> idle } late -> idle } }";
    let states = |arms: &str| {
        format!(
            "start state idle {{ on message m {{ seen = m -> triage }} }}\nstate triage {{ pick Wish using fast from seen \"?\" {{ {arms} }} }}\n{human}"
        )
    };
    let answered = "question { reply \"a\" -> idle } refund(o, a) -> human other { reply \"c\" -> idle }";
    // A failing model leads back to `idle` without a word.
    let (why, hint) = path(rule, &states(answered));
    assert_eq!(why, "the session waits for the next one here");
    assert!(hint.contains("// here the step before fails"), "{hint}");
    let to_human = |text: String| text.replace("uncertain -> idle", "uncertain -> human");
    assert_eq!(found(&to_human(program(rule, &states(answered)))), vec![]);
    let silent = answered.replace("other { reply \"c\" -> idle }", "other -> idle");
    let found = found(&to_human(program(rule, &states(&silent))));
    assert!(found[0].2.starts_with("shortest path: idle:10 → triage:11 → idle:10\n"), "{found:?}");
}

#[test]
fn a_wait_without_end_answers_nobody() {
    let states = |within: &str| {
        format!(
            "start state idle {{ on message m -> judge }}\nstate judge {{ approve by owner \"?\" {within} {{ yes {{ reply \"y\" -> idle }} no {{ reply \"n\" -> idle }} {} }} }}",
            if within.is_empty() { "" } else { "late { reply \"l\" -> idle }" }
        )
    };
    assert_eq!(codes("every message leads to reply", &states("within 1h")), Vec::<&str>::new());
    assert_eq!(path("every message leads to reply", &states("")).0, "nothing ends this wait");
    // A state may rest as long as a deadline ends it.
    let rests = "start state idle { on message m -> nap }\nstate nap { after 5m { reply \"x\" -> idle } }";
    assert_eq!(codes("every message leads to reply", rests), Vec::<&str>::new());
    let asleep = "start state idle { on message m -> nap }\nstate nap { on \"/x\" { reply \"x\" -> idle } }";
    assert_eq!(path("every message leads to reply", asleep).0, "nothing ends this wait");
}

#[test]
fn what_a_failure_takes_back_was_not_said() {
    let states = "start state idle { on message m { reply \"x\"  n = n + 1 -> idle } }";
    let text = program("every message leads to reply", states);
    assert_eq!(found(&text).len(), 1, "the sum may overflow, and takes the reply back");
    let first = program(
        "every message leads to reply",
        "start state idle { on message m { reply \"x\"  n = 1 -> idle } }",
    );
    assert_eq!(found(&first.replace("on failed or uncertain", "on uncertain")).len(), 0);
}

#[test]
fn counts_follow_caps_loops_and_lists() {
    let capped = "start state idle { on message m -> look }
state look max 3 per event else idle { kb = call kb.search(query: \"x\") -> look }";
    assert_eq!(codes("at most 3 kb.search per event", capped), Vec::<&str>::new());
    assert_eq!(codes("at most 2 kb.search per event", capped), ["E0702"]);
    assert_eq!(codes("at most 9 kb.search per session", capped), ["E0702"]);
    let once = capped.replace("per event", "per session");
    assert_eq!(codes("at most 3 kb.search per session", &once), Vec::<&str>::new());
    let each = "start state idle { on message m { todo = call tickets.untagged(limit: 9) did = each t in todo, 5 at once { call tickets.tag(id: t.id, label: \"x\") } } }";
    assert_eq!(codes("at most 200 tickets.tag per event", each), Vec::<&str>::new());
    assert_eq!(codes("at most 199 tickets.tag per event", each), ["E0702"]);
}

#[test]
fn a_reply_beside_a_pending_step_counts_too() {
    let states = "start state idle { on message m { pick Wish using fast from m \"?\" { question { reply \"x\" } refund(o, a) { reply \"y\" } other { } } }  on \"/status\" { reply \"I am here.\" } }";
    assert_eq!(codes("at most 2 reply per event", states), Vec::<&str>::new());
    assert_eq!(codes("at most 1 reply per event", states), ["E0702"]);
}

#[test]
fn rules_about_nothing_are_refused_and_empty_ones_warned_about() {
    let states = "start state idle { on message m { reply \"x\" } }";
    assert_eq!(codes("never orders.refund unless approved by owner", states), ["E0701"]);
    assert_eq!(codes("every wake leads to reply", states), ["E0701"]);
    assert_eq!(codes("every message leads to send", states), ["E0701"]);
    assert_eq!(codes("every message leads to message", states), ["E0703"]);
}
