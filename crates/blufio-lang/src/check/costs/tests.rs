// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounds computed by hand, with the price of the tests: 0.10 usd per million tokens in, 0.50 out, 8,000 out at the most.

use super::Bound;
use crate::check::{CheckedAgent, Environment, Feature, Prices, Provider, ToolInfo, ToolScope, check};
use crate::source::SourceMap;
use crate::typed::{Danger, EffectClass, Label};

include!("../../../tests/environment.rs");

/// What one answer costs at the longest, millionths of a US dollar.
const ANSWER: u64 = 4_000;

fn checked(text: &str) -> (Vec<CheckedAgent>, Vec<(&'static str, String)>) {
    let mut sources = SourceMap::default();
    for (at, file) in text.split("=== file\n").enumerate() {
        sources.add(&format!("{at}.agent"), file).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    let found = diagnostics.iter().map(|d| (d.code, d.title.clone())).collect();
    (checked.agents, found)
}

fn agent(budget: &str, states: &str) -> String {
    format!(
        "agent a v1\ngoal \"1234567890\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\nbudget {{ message = 90 calls{budget} }}
context {{ dynamic history max 1000 tokens }}\ncan use kb.search, tickets.untagged, tickets.tag\ntype Wish = question | other
type Label = text max 9\n{states}\nanywhere {{ on failed or uncertain -> idle }}\n"
    )
}

fn facts(states: &str) -> crate::check::Facts {
    let (agents, found) = checked(&agent("", states));
    assert!(found.is_empty(), "{found:?}");
    agents[0].facts.clone()
}

const fn bound(expected: u64, worst: u64) -> Option<Bound> {
    Some(Bound { expected, worst })
}

#[test]
fn a_call_costs_its_prompt_at_the_caps_and_the_longest_answer() {
    // 10 bytes of goal, 1 of the value's name, 2,000 of the message, 4 of the instruction.
    let states =
        "start state idle { on message m { pick Wish using fast from m \"1234\" { question or other {} } } }";
    let one = (10u64 + 1 + 2_000 + 4).div_ceil(10) + ANSWER;
    assert_eq!(facts(states).money_per_event_micro_usd, bound(one, one));
    // History adds its cap, a retry another attempt.
    let more = states.replace("from m ", "from m with history retry 2 ");
    let one = (10u64 + 1 + 2_000 + 4 + 1_000).div_ceil(10) + ANSWER;
    let three = one * 3;
    assert_eq!(facts(&more).money_per_event_micro_usd, bound(one, three));
    assert_eq!(facts(&more).time_per_event_ms, bound(5_000, 360_000));
}

#[test]
fn loops_lists_and_waits_multiply() {
    let capped = "start state idle { on message m -> look }\nstate look max 4 per event else idle { pick Wish using fast \"1234\" { question -> look other -> idle } }";
    let one = (10u64 + 4).div_ceil(10) + ANSWER;
    assert_eq!(facts(capped).money_per_event_micro_usd, bound(one, one * 4));
    let each = "start state idle { on message m { todo = call tickets.untagged(limit: 9) did = each t in todo, 50 at once { write w using fast \"1234\" } } }";
    let found = checked(&agent("", each).replace("90 calls", "200 calls")).0.remove(0).facts;
    assert_eq!(found.money_per_event_micro_usd, bound(one * 200, one * 200));
    // The tool, then four rounds of fifty.
    assert_eq!(found.time_per_event_ms, bound(1_000 + 4 * 5_000, 30_000 + 4 * 120_000));
    let wait = |within: &str, late: &str| {
        format!(
            "start state idle {{ on message m {{ approve by owner \"?\" {within} {{ yes {{ reply \"y\" }} no {{}} {late} }} }} }}"
        )
    };
    assert_eq!(facts(&wait("within 1h", "late {}")).time_per_event_ms, bound(0, 3_600_000));
    assert_eq!(facts(&wait("", "")).time_per_event_ms, None);
}

#[test]
fn an_agent_that_is_asked_is_part_of_the_bound() {
    let asks = agent(
        "",
        "can ask b max 2 calls\nstart state idle { on message m { ask b(q: m) within 1h { done(x) { reply x } failed or late {} } } }",
    );
    let b = "agent b v1 (q: message) gives text\ngoal \"\"\nmodels { fast = \"anthropic/claude-haiku-5-5\" }\nbudget { message = 2 calls }\nstart state s { write w using fast \"12\" retry 1  done w }\nstate n { done \"\" }\nanywhere { on failed -> n }\n";
    let (agents, found) = checked(&format!("{asks}=== file\n{b}"));
    assert!(found.is_empty(), "{found:?}");
    let (a, b) = (&agents[0].facts, &agents[1].facts);
    assert_eq!(b.money_per_event_micro_usd, bound(ANSWER + 1, 2 * (ANSWER + 1)));
    assert_eq!(a.money_per_event_micro_usd, b.money_per_event_micro_usd);
    assert_eq!(a.time_per_event_ms, bound(5_000, 240_000));
}

#[test]
fn budgets_are_compared_where_nobody_takes_the_rest() {
    let states = "start state idle { on message m { pick Wish using fast \"1234\" { question {} other {} } }  every 1h -> beat }\nstate beat { pick Wish using fast \"1234\" { question or other -> idle } }";
    let codes = |budget: &str| checked(&agent(budget, states)).1;
    assert_eq!(codes(", 0.004002 usd"), vec![]);
    let found = codes(", 0.004001 usd");
    assert_eq!(
        found,
        [("E0505", "one message may cost 0.004002 usd, and nothing takes `over_budget`".to_string())]
    );
    // 24 beats, and a failing beat may begin anew in its target.
    assert_eq!(codes("  day = 0.096048 usd"), vec![]);
    assert_eq!(codes("  day = 0.096047 usd")[0].0, "E0505");
    assert_eq!(codes("  heartbeat = 0.004 usd")[0].0, "E0505");
    assert_eq!(codes(", 1 eur")[0].0, "E0507");
    let taken = agent(", 0.001 usd, 1s", states).replace("on failed or", "on failed or over_budget or");
    assert_eq!(checked(&taken).1, vec![]);
}

#[test]
fn every_model_that_may_be_asked_needs_a_price() {
    let models = "models { fast = \"anthropic/claude-haiku-5-5\"  other = \"anthropic/unpriced\"  auto = by complexity (simple: fast, complex: other) }";
    let states =
        "start state idle { on message m { pick Wish using auto \"1234\" { question {} other {} } } }";
    let text = agent(", 1 usd", states).replace("models { fast = \"anthropic/claude-haiku-5-5\" }", models);
    let found = checked(&text).1;
    assert_eq!(found, [("E0507", "`anthropic/unpriced` has no price".to_string())]);
    assert_eq!(
        checked(&text.replace("using auto", "using fast")).1,
        vec![],
        "nothing is spent on the other one"
    );
}

#[test]
fn a_heartbeat_has_calls_of_its_own() {
    let states = "start state idle { on message m { reply \"x\" }  every 1h -> beat }
state beat { pick Wish using fast \"1\" { question -> deeper other -> idle } }
state deeper { pick Wish using fast \"1\" { question or other -> idle } }";
    assert_eq!(checked(&agent("  heartbeat = 2 calls", states)).1, vec![]);
    let found = checked(&agent("  heartbeat = 1 calls", states)).1;
    assert_eq!(found, [("E0401", "one event may cause 2 model calls, the budget allows 1".to_string())]);
}

#[test]
fn what_interrupts_begins_anew_and_the_rest_counts_then() {
    let states = |handler: &str| {
        format!(
            "start state idle {{ on message m -> two }}
state two max 2 per event else idle {{ pick Wish using fast \"1\" {{ question or other {{}} }}  pick Wish using fast \"2\" {{ question -> two other -> idle }} {handler} }}"
        )
    };
    assert_eq!(facts(&states("")).calls_per_event, Some(4));
    // While the first answer is pending somebody asks how it goes: the second question belongs to that event.
    assert_eq!(facts(&states("on \"/status\" { reply \"Soon.\" }")).calls_per_event, Some(5));
    assert_eq!(facts(&states("on \"/stop\" -> idle")).calls_per_event, Some(4));
}

/// With prices by name: `…/dear` costs ten times as much.
fn priced(text: &str) -> (Vec<CheckedAgent>, Vec<&'static str>) {
    let mut sources = SourceMap::default();
    sources.add("a.agent", text).unwrap();
    let prices = Prices::new(|name, prompt| {
        let price = Prices::any().of(name, prompt).filter(|_| !name.ends_with("/unpriced"))?;
        let times = if name.ends_with("/dear") { 10 } else { 1 };
        Some(crate::check::ModelPrice {
            input_micro_usd_per_million: price.input_micro_usd_per_million * times,
            kept_input_micro_usd_per_million: price.kept_input_micro_usd_per_million * times,
            output_micro_usd_per_million: price.output_micro_usd_per_million * times,
            ..price
        })
    });
    let (checked, diagnostics) = check(&sources, &Environment { prices, ..environment() });
    (checked.agents, diagnostics.iter().map(|d| d.code).collect())
}

#[test]
fn the_first_of_a_chain_is_expected_and_the_dearest_is_the_worst() {
    let states = "start state idle { on message m { write w using fast \"1234\" } }";
    let text = agent("", states).replace("-haiku-5-5\"", "-haiku-5-5\" else \"anthropic/dear\"");
    let (agents, codes) = priced(&text);
    assert_eq!(codes, Vec::<&str>::new());
    let one = 2 + ANSWER;
    assert_eq!(agents[0].facts.money_per_event_micro_usd, bound(one, 10 * (ANSWER + 1) + 4));
}

#[test]
fn summarising_costs_at_worst_and_only_where_the_history_is_read() {
    let states =
        |with: &str| format!("start state idle {{ on message m {{ write w using fast {with}\"1234\" }} }}");
    let summarise = |text: String| text.replace("1000 tokens }", "1000 tokens then summarize using fast }");
    assert_eq!(
        priced(&summarise(agent("", &states("")))).0[0].facts.money_per_event_micro_usd,
        bound(2 + ANSWER, 2 + ANSWER)
    );
    let one = (10u64 + 4 + 1_000).div_ceil(10) + ANSWER;
    assert_eq!(
        priced(&summarise(agent("", &states("with history ")))).0[0].facts.money_per_event_micro_usd,
        bound(one, one + 100 + ANSWER)
    );
    // Its price must be known, too.
    let unpriced = agent(", 1 usd", &states("with history "))
        .replace("models { ", "models { dear = \"anthropic/unpriced\" ")
        .replace("1000 tokens }", "1000 tokens then summarize using dear }");
    assert_eq!(priced(&unpriced).1, ["E0507"]);
}

#[test]
fn what_is_kept_for_an_hour_costs_what_that_costs() {
    let states = "start state idle { on message m { write w using fast \"1234\" } }";
    let cached = |cache: &str| {
        let zone = format!("context {{ static \"persona.md\" max 500 tokens{cache} ");
        let text = agent("", states).replace("context { ", &zone);
        assert!(text.contains(&zone), "{text}");
        priced(&text).0[0].facts.money_per_event_micro_usd
    };
    // Goal, zone and instruction; the first two are kept.
    let (kept, rest) = (10u64 + 500, 4);
    let one = |micros: u64| micros.div_ceil(10) + ANSWER;
    assert_eq!(cached(""), bound(one(kept + rest), one(kept + rest)));
    assert_eq!(cached(" cache 1h"), bound(one(2 * kept + rest), one(2 * kept + rest)));
}

#[test]
fn heartbeats_have_bounds_of_their_own() {
    let beats = "start state idle { on message m { reply m }  every 1h -> beat }\nstate beat { write w using fast \"1234\"  reply w -> rest }\nstate rest { on message m -> idle }";
    let found = facts(beats);
    assert_eq!(found.money_per_event_micro_usd, bound(0, 0));
    assert_eq!(found.money_per_heartbeat_micro_usd, bound(2 + ANSWER, 2 + ANSWER));
    assert_eq!(found.time_per_heartbeat_ms, bound(5_000, 120_000));
    let none = facts("start state idle { on message m { write w using fast \"1234\" } }");
    assert_eq!((none.money_per_heartbeat_micro_usd, none.time_per_heartbeat_ms), (None, None));
}

#[test]
fn a_budget_of_heartbeats_needs_heartbeats() {
    let states =
        "start state idle { write w using fast \"1\"  write v using fast \"2\"  on message m { reply m } }";
    assert_eq!(checked(&agent("  heartbeat = 1 calls", states)).1, vec![]);
}

#[test]
fn every_prompt_must_fit() {
    let large = |states: &str| {
        let text = agent("", states).replace("max 1000 tokens", "max 300000 tokens");
        checked(&text.replace("type Wish", "type Want = { id: text }\nkeep { want: Want so far }\ntype Wish"))
            .1
            .into_iter()
            .map(|(code, _)| code)
            .collect::<Vec<_>>()
    };
    let write = "write w using fast with history \"1\"";
    assert_eq!(large(&format!("start state idle {{ on message m {{ {write} }} }}")), ["E0508"]);
    assert_eq!(
        large(&format!(
            "start state idle {{ on message m -> nap }}\nstate nap {{ after 1h {{ when now between 08:00 and 09:00 {{ yes {{ {write} }} }} -> idle }} }}"
        )),
        ["E0508"]
    );
    let turn = "turn using fast with history { says(t) {} calls(c) {} refuses(w) {} }";
    assert_eq!(large(&format!("start state idle {{ on message m {{ {turn} }} }}")), ["E0508"]);
    let fill = "fill want using fast with history \"1\" { complete {} missing(q) {} nothing {} }";
    assert_eq!(large(&format!("start state idle {{ on message m {{ {fill} }} }}")), ["E0508"]);
    assert_eq!(large("start state idle { on message m { write w using fast \"1\" } }"), Vec::<&str>::new());
}

#[test]
fn over_budget_is_taken_in_every_state_or_not_at_all() {
    let one = "start state idle { on message m -> two  on over_budget { reply \"x\" } }\nstate two { write w using fast \"1234\" -> idle";
    assert_eq!(checked(&agent(", 0.001 usd", &format!("{one} }}"))).1[0].0, "E0505");
    let both = format!("{one}  on over_budget {{ reply \"y\" }} }}");
    assert_eq!(checked(&agent(", 0.001 usd", &both)).1, vec![]);
}

#[test]
fn a_schedule_belongs_to_the_state_that_it_stands_in() {
    let states = "start state idle { on message m -> two }\nstate two { on message m -> idle  every 1h -> idle }\nanywhere { every 2h -> idle }";
    let agents = checked(&agent("", states).replace("anywhere { on failed or uncertain -> idle }\n", "")).0;
    let states: Vec<Option<u32>> =
        agents[0].program.schedules.iter().map(|schedule| schedule.state.map(|state| state.0)).collect();
    assert_eq!(states, [Some(1), None]);
    // Looked at twice, because what a wake carries is said behind: once is enough for the schedule.
    let states = "start state idle { on wake w { reply \"{w + 1}\" } on message m -> two  every 1h -> two }\nstate two { wake after 1h with 5 -> idle }";
    assert_eq!(checked(&agent("", states)).0[0].program.schedules.len(), 1);
}
