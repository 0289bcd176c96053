// SPDX-License-Identifier: MIT OR Apache-2.0
//! What running sessions have found (`simulate::soundness`), each as a program that passes and one that must not.

use super::{codes, found, owned};

/// A state that pays, and an owner who may ask for it.
const PAY: &str = "state pay { call orders.refund(order: order, amount: 5 eur) else -> idle  -> idle }";

/// The owner looks something up first.
fn looks(states: &str) -> String {
    owned(&format!("{states}\n{PAY}"))
}

#[test]
fn a_handler_beside_a_pending_step_chooses_by_what_it_reads() {
    let text = |seen: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")  seen = {seen}  hits = call web.fetch(query: \"y\")  reply \"Hm.\" -> idle\n\
             on \"/note\" m {{ when seen contains \"x\" {{ yes -> pay }} reply \"Noted.\" }} }}"
        ))
    };
    assert_eq!(codes(&text("\"x\"")), Vec::<&str>::new(), "{:?}", found(&text("\"x\"")));
    assert_eq!(codes(&text("page")), ["E0602"]);
}

#[test]
fn what_fails_is_taken_back_and_what_was_there_before_is_there_again() {
    let text = |before: &str, failed: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look  on \"/add\" {{ order = \"7\"  add \"x\" to all -> idle }}  on failed {failed} }}\n\
             state look {{ page = call web.fetch(query: \"x\")  order = {before} -> idle }}"
        ))
    };
    assert_eq!(codes(&text("\"8\"", "-> pay")), Vec::<&str>::new(), "{:?}", found(&text("\"8\"", "-> pay")));
    assert_eq!(codes(&text("page", "{ order = \"9\" -> pay }")), Vec::<&str>::new());
    assert_eq!(codes(&text("page", "-> pay")), ["E0601"]);
}

#[test]
fn what_an_item_has_assigned_before_it_failed_is_taken_back() {
    let text = |first: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")  order = \"1\"\n\
             each x in [\"a\", \"b\"] {{ order = {first}  z = call metrics.read(id: \"x\")  order = \"2\"  add \"y\" to all }} -> pay }}"
        ))
        .replace("can use orders.refund,", "can use metrics.read, orders.refund,")
    };
    assert_eq!(codes(&text("\"3\"")), Vec::<&str>::new(), "{:?}", found(&text("\"3\"")));
    assert_eq!(codes(&text("page")), ["E0601"]);
}

#[test]
fn that_a_map_is_full_tells_of_its_keys() {
    let text = |key: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\") -> note }}\n\
             state note {{ by[{key}] = \"x\" -> idle  on failed -> pay }}"
        ))
        .replace("page = call", "seen = call")
    };
    assert_eq!(codes(&text("\"k\"")), Vec::<&str>::new(), "{:?}", found(&text("\"k\"")));
    assert_eq!(codes(&text("seen")), ["E0602"]);
}

#[test]
fn a_form_is_complete_by_what_it_held_before() {
    let text = |from: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")\n\
             fill want using fast from {from} \"Which?\" {{ complete {{}} missing(q) {{}} nothing {{}} }}\n\
             fill want using fast from order \"Which?\" {{ complete -> pay  missing(q) -> idle  nothing -> idle }} }}"
        ))
        .replacen("keep {", "type Want = {\n  /// Which?\n  a: text\n  /// What?\n  b: text\n}\nkeep { want: Want so far,", 1)
    };
    assert_eq!(codes(&text("order")), Vec::<&str>::new(), "{:?}", found(&text("order")));
    assert_eq!(codes(&text("page")), ["E0602"]);
}

#[test]
fn results_so_far_are_seen_while_the_loop_runs() {
    let text = |query: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ got = []  got = each x in [\"a\"] {{ y = call {query} }}  reply \"{{length got}}\" -> idle\n\
             on \"/now\" {{ order = first all or \"7\" -> pay }} }}"
        ))
        .replace("got", "all")
        .replace("all = []", "seen = \"\"")
        .replace("can use orders.refund,", "can use metrics.read, orders.refund,")
    };
    let clean = text("metrics.read(id: x)");
    assert_eq!(codes(&clean), Vec::<&str>::new(), "{:?}", found(&clean));
    assert_eq!(codes(&text("web.fetch(query: x)")), ["E0601"]);
}

#[test]
fn that_an_item_failed_is_told_by_the_number_of_results() {
    let text = |tool: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ got = each x in [\"a\", \"b\"] {{ z = call {tool}  y = \"1\" }}\n\
             when length got > 1 {{ yes -> pay  no -> idle }} }}"
        ))
        .replace("can use orders.refund,", "can use metrics.read, orders.refund,")
    };
    let clean = text("metrics.read(id: x)");
    assert_eq!(codes(&clean), Vec::<&str>::new(), "{:?}", found(&clean));
    assert_eq!(codes(&text("web.fetch(query: x)")), ["E0602"]);
}

#[test]
fn wakes_that_were_given_up_tell_why() {
    let text = |read: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look  on wake {{ reply \"Up.\" }} }}\n\
             state look {{ wake after 1d  page = call web.fetch(query: \"x\")\n\
             when {read} contains \"x\" {{ yes {{ forget wakes }} }}\n\
             when length wakes > 0 {{ yes -> pay  no -> idle }} }}"
        ))
    };
    assert_eq!(codes(&text("seen")), Vec::<&str>::new(), "{:?}", found(&text("seen")));
    assert_eq!(codes(&text("page")), ["E0602"]);
}

#[test]
fn a_failure_handler_that_fails_leads_on_to_the_one_of_anywhere() {
    let text = |detail: &str| {
        looks(&format!(
            "start state idle {{ on Alarm x {{ seen = x.host }}  on message m -> note  on \"/pay\" -> pay }}\n\
             state note {{ x = 1 + 1 -> idle  on failed {{ by[{detail}] = \"x\" -> idle }} }}"
        ))
        .replacen("keep {", "type Alarm = { host: text }\nkeep {", 1)
        .replace("on failed or uncertain -> idle", "on failed -> pay  on uncertain -> idle")
    };
    assert_eq!(codes(&text("\"k\"")), Vec::<&str>::new(), "{:?}", found(&text("\"k\"")));
    assert_eq!(codes(&text("seen")), ["E0602"]);
}

#[test]
fn a_deadline_is_worked_out_when_its_state_is_entered() {
    let text = |from: &str| {
        looks(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")\n\
             pick Pause using fast from {from} \"How long?\" {{ pause(d) {{ long = d -> ready }} }} }}\n\
             state ready {{ long = 1h  on message drop  after long -> pay }}"
        ))
        .replacen("keep {", "type Pause = pause(d: duration)\nkeep { long: duration = 1h,", 1)
    };
    assert_eq!(codes(&text("order")), Vec::<&str>::new(), "{:?}", found(&text("order")));
    assert_eq!(codes(&text("page")), ["E0602"]);
}

#[test]
fn what_another_version_has_kept_is_trusted_by_nobody() {
    let text = |migrate: &str, state: &str| {
        owned(&format!("{migrate}start state idle {{ on message m -> {state} }}\nstate fresh {{ order = \"7\" -> pay }}\n{PAY}"))
            .replace("agent a v1", "agent a v2")
    };
    assert_eq!(codes(&text("", "fresh")), Vec::<&str>::new(), "{:?}", found(&text("", "fresh")));
    let migrate = "migrate from v1 { old -> order }\n";
    assert_eq!(codes(&text(migrate, "fresh")), Vec::<&str>::new(), "{:?}", found(&text(migrate, "fresh")));
    let unassigned =
        |migrate| codes(&text(migrate, "pay").replace("state fresh { order = \"7\" -> pay }\n", ""));
    assert_eq!(unassigned(migrate), ["E0601"]);
    assert_eq!(unassigned("migrate from v1 { bill -> seen }\n"), ["E0601"]);
    // A slot that nothing can come into is fresh.
    assert_eq!(unassigned("migrate from v1 { drop order }\n"), Vec::<&str>::new());
    assert_eq!(unassigned("migrate from v1 { order -> seen }\n"), Vec::<&str>::new());
}

#[test]
fn where_another_version_has_led_a_session_nobody_trusts() {
    let text = |migrate: &str| {
        owned(&format!(
            "{migrate}start state idle {{ on message m -> ready }}\n\
             state ready {{ on \"/pay\" {{ order = \"7\" -> pay }}  on message drop  after 1h -> idle }}\n{PAY}"
        ))
    };
    assert_eq!(codes(&text("")), Vec::<&str>::new(), "{:?}", found(&text("")));
    assert_eq!(codes(&text("migrate from v0 { drop old }\n")), ["E0601"]);
}

#[test]
fn what_was_taken_back_holds_nothing() {
    let text = |body: &str| {
        looks(&format!(
            "start state idle {{ on message m -> note  on \"/pay\" -> pay }}\n\
             state note {{ {body}  page = call web.fetch(query: \"x\") -> idle  on failed {{ reply word -> idle }} }}"
        ))
    };
    assert_eq!(codes(&text("word = \"x\"")), Vec::<&str>::new(), "{:?}", found(&text("word = \"x\"")));
    assert_eq!(codes(&text("word = \"x\"  add word to all")), ["E0206"]);
    let heard = |empties: &str| {
        looks(&format!(
            "start state idle {{ on message m {{ heard = m -> note }}  on \"/pay\" -> pay }}\n\
             state note {{ page = call web.fetch(query: \"x\")  {empties}  more = call web.fetch(query: \"y\") -> idle\n\
             on \"/who\" {{ reply heard.text }} }}"
        ))
    };
    assert_eq!(codes(&heard("")), Vec::<&str>::new(), "{:?}", found(&heard("")));
    assert_eq!(codes(&heard("heard = none")), ["E0206"]);
}

#[test]
fn a_refused_visit_bounds_nothing() {
    let text = |otherwise: &str, then: &str| {
        owned(&format!(
            "type Choice = again | enough\nstart state idle {{ on message m -> think }}\n\
             state think {{ pick Choice using fast from order \"More?\" {{ again -> more  enough -> idle }} }}\n\
             state more max 2 per event else {otherwise} {{ -> {then} }}\n\
             state over {{ reply \"Enough.\" -> idle }}\n"
        ))
        .replace("can use orders.refund, web.fetch, files.read in \"notes/\"\n", "")
        .replace("on failed or uncertain -> idle", "on failed -> over")
    };
    assert_eq!(codes(&text("over", "think")), Vec::<&str>::new(), "{:?}", found(&text("over", "think")));
    assert_eq!(codes(&text("think", "think")), ["E0303"]);
    assert_eq!(codes(&text("think", "idle")), ["E0303"]);
}

#[test]
fn the_first_failure_of_a_state_that_failures_lead_to_counts() {
    let text = |budget: usize| {
        owned(
            "start state idle { on message m -> think }\n\
             state think { write seen using fast from order \"?\" -> idle  on failed -> third }\n\
             state third { write seen using fast from order \"?\" -> idle }\n",
        )
        .replace("message = 30 calls", &format!("message = {budget} calls"))
        .replace("can use orders.refund, web.fetch, files.read in \"notes/\"\n", "")
        .replace("on failed or uncertain -> idle", "on failed -> think")
    };
    // think fails → third fails → think again, which parks when it fails and goes to third when its own handler takes it.
    assert_eq!(codes(&text(30)), ["E0303"]);
}

#[test]
fn an_asked_agent_costs_what_its_own_bound_says() {
    let text = |budget: &str, with: &str| {
        format!(
            "{}=== file b.agent\nagent b v1 (q: text) gives text\ngoal \"g\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\n\
             budget {{ message = 3 calls }}\nstart state look {{ write t using fast from q retry 2 \"?\"  done t }}\n\
             state nothing_found {{ done \"none\" }}\nanywhere {{ on failed -> nothing_found }}\n",
            owned(&format!(
                "can ask b{with}\nstart state idle {{ on message m -> ask_it }}\n\
                 state ask_it {{ ask b(q: order) within 10m {{ done(t) {{ reply t -> idle }} failed or late -> idle }} }}\n"
            ))
            .replace("message = 30 calls", budget)
        )
    };
    let clean = text("message = 3 calls", "");
    assert_eq!(codes(&clean), Vec::<&str>::new(), "{:?}", found(&clean));
    assert_eq!(codes(&text("message = 2 calls", "")), ["E0401"]);
    // A larger grant costs no more than the agent does.
    assert_eq!(codes(&text("message = 3 calls", " max 3 calls")), Vec::<&str>::new());
}
