// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small programs, each with one way for a label to travel.

mod asked;
mod happenings;
mod runs;

use crate::check::{Checked, Environment, Feature, Prices, Provider, ToolInfo, ToolScope, check};
use crate::diagnostic::Diagnostics;
use crate::source::SourceMap;
use crate::typed::{Danger, EffectClass, Label};

include!("../../../tests/environment.rs");

/// Checks files that are given one behind the other, the first one `a.agent`.
pub(in crate::check) fn check_in(environment: &Environment, text: &str) -> (Checked, Diagnostics) {
    let mut sources = SourceMap::default();
    for (at, part) in text.split("=== file ").enumerate() {
        let (name, body) = if at == 0 { ("a.agent", part) } else { part.split_once('\n').unwrap() };
        sources.add(name, body).unwrap();
    }
    check(&sources, environment)
}

/// Codes and titles of what is found.
pub(in crate::check) fn found(text: &str) -> Vec<(&'static str, String)> {
    let (_, diagnostics) = check_in(&environment(), text);
    diagnostics.iter().map(|d| (d.code, d.title.clone())).collect()
}

/// Only the codes.
pub(in crate::check) fn codes(text: &str) -> Vec<&'static str> {
    found(text).into_iter().map(|(code, _)| code).collect()
}

/// Only the codes of this file's checks.
fn flow_codes(text: &str) -> Vec<&'static str> {
    codes(text).into_iter().filter(|code| code.starts_with("E06")).collect()
}

/// A program of the owner: declarations, states, and the ends that every one needs.
pub(in crate::check) fn owned(states: &str) -> String {
    format!(
        "agent a v1\ngoal \"g\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\nbudget {{ message = 30 calls }}\n\
         can use orders.refund, web.fetch, files.read in \"notes/\"\n\
         context {{ dynamic history last 20 messages max 4000 tokens }}\n\
         keep {{ order: text = \"7\", seen: text = \"\", all: list max 5 of text, by: map max 5 of text, heard: message? }}\n\
         {states}\nanywhere {{ on message hold  on failed or uncertain -> idle }}\n"
    )
}

/// The same, reached by strangers.
pub(in crate::check) fn public(states: &str, per: &str) -> String {
    format!(
        "{}=== file routes.agent\nroutes\n\ntelegram from anyone -> a per {per}\notherwise drop\n",
        owned(states)
    )
}

fn labels_of(checked: &Checked, slot: &str) -> Vec<&'static str> {
    let facts = &checked.agents.iter().find(|agent| agent.program.name == "a").unwrap().facts;
    facts.labels.iter().find(|(name, _)| name == slot).unwrap().1.clone()
}

const PAY: &str = "state pay { call orders.refund(order: order, amount: 5 eur) -> idle }";

#[test]
fn an_explicit_flow_is_found_with_its_path() {
    let text = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ page = call web.fetch(query: \"x\")  seen = page  order = seen -> pay }}\n{PAY}"
    ));
    let (checked, diagnostics) = check_in(&environment(), &text);
    let found: Vec<_> = diagnostics.iter().collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].code, "E0601");
    let hint = found[0].hint.as_deref().unwrap();
    assert!(
        hint.starts_with("`web` comes this way: `web.fetch` → `page` → `seen` → `order` → `orders.refund`"),
        "{hint}"
    );
    assert!(hint.ends_with("way without approval: idle → look → pay"), "{hint}");
    let places: Vec<&str> =
        found[0].more.iter().map(|place| &text[place.span.start as usize..place.span.end as usize]).collect();
    assert!(places.contains(&"seen = page") && places.iter().any(|p| p.contains("web.fetch")), "{places:?}");
    assert_eq!(labels_of(&checked, "order"), ["web"]);
    assert_eq!(labels_of(&checked, "all"), Vec::<&str>::new());
}

#[test]
fn what_the_owner_says_is_trusted_and_what_others_say_is_not() {
    let states = format!("start state idle {{ on message m {{ order = m.text -> pay }} }}\n{PAY}");
    assert_eq!(codes(&owned(&states)), Vec::<&str>::new());
    assert_eq!(codes(&public(&states, "person")), ["E0601"]);
    // The message decides even where it says nothing.
    let states = format!("start state idle {{ on message m -> pay }}\n{PAY}");
    assert_eq!(codes(&public(&states, "person")), ["E0602"]);
}

#[test]
fn a_branch_carries_what_it_reads_and_ends_where_its_ways_meet() {
    let look = |rest: &str| {
        owned(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")  {rest} -> pay }}\n{PAY}"
        ))
    };
    assert_eq!(
        codes(&look("when page contains \"x\" { yes { order = \"8\" } no { order = \"9\" } }")),
        ["E0601"]
    );
    assert_eq!(codes(&look("when page contains \"x\" { yes { reply \"x\" } }")), Vec::<&str>::new());
    // Over states: one arm pays, the other does not.
    assert_eq!(codes(&look("when page contains \"x\" { yes -> idle }")), ["E0602"]);
    // By a model that read it, and by one that did not.
    let picked = |from: &str| {
        let pick = format!("pick Verdict using fast from {from} \"Pay?\" {{ pay_it {{}} leave_it -> idle }}");
        look(&pick).replacen("keep {", "type Verdict = pay_it | leave_it\nkeep {", 1)
    };
    assert_eq!(codes(&picked("page")), ["E0602"]);
    assert_eq!(codes(&picked("order")), Vec::<&str>::new());
}

#[test]
fn a_rest_at_the_start_state_forgets_who_decided() {
    let text = owned(&format!(
        "start state idle {{ on message m -> look  on \"/pay\" -> pay }}\n\
         state look {{ page = call web.fetch(query: \"x\")  when page contains \"x\" {{ yes {{ reply \"x\" -> idle }} no -> idle }} }}\n{PAY}"
    ));
    assert_eq!(codes(&text), Vec::<&str>::new());
    // A state of its own that only the page leads to does not forget.
    let text = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ page = call web.fetch(query: \"x\")  when page contains \"x\" {{ yes -> ready no -> idle }} }}\n\
         state ready {{ on \"/pay\" -> pay  on message drop  after 1h -> idle }}\n{PAY}"
    ));
    assert_eq!(codes(&text), ["E0602"]);
}

#[test]
fn a_new_value_replaces_an_old_label() {
    let states = |second: &str| {
        owned(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ order = call web.fetch(query: \"x\")  {second} -> pay }}\n{PAY}"
        ))
    };
    assert_eq!(codes(&states("order = \"7\"")), Vec::<&str>::new());
    assert_eq!(codes(&states("seen = \"7\"")), ["E0601"]);
}

#[test]
fn lists_maps_and_items_carry_labels() {
    let states = |rest: &str| {
        owned(&format!(
            "start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")  {rest} -> pay }}\n{PAY}"
        ))
    };
    assert_eq!(codes(&states("add page to all  order = first all or \"7\"")), ["E0601"]);
    assert_eq!(codes(&states("add \"8\" to all  order = first all or \"7\"")), Vec::<&str>::new());
    // What was there stays there.
    assert_eq!(codes(&states("add page to all  add \"8\" to all  order = first all or \"7\"")), ["E0601"]);
    assert_eq!(codes(&states("by[\"k\"] = page  order = by[\"j\"] or \"7\"")), ["E0601"]);
    assert_eq!(codes(&states("by[page] = \"8\"  order = by[\"j\"] or \"7\"")), ["E0601"]);
    assert_eq!(codes(&states("add page to all  each x in all { order = x }")), ["E0601"]);
    assert_eq!(
        codes(&states(
            "got = each x in [\"a\"] { y = call web.fetch(query: x) }  order = first got or \"7\""
        )),
        ["E0601"]
    );
}

#[test]
fn errors_carry_the_label_of_what_failed() {
    let armed = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ call web.fetch(query: \"x\") {{ done(p) -> idle  failed(why) {{ order = why.detail -> pay }} }} }}\n{PAY}"
    ));
    assert_eq!(codes(&armed), ["E0601"]);
    let raised = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ call web.fetch(query: \"x\") -> idle  on failed why {{ order = why.detail -> pay }} }}\n{PAY}"
    ));
    assert_eq!(codes(&raised), ["E0601"]);
    let constant = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ call web.fetch(query: \"x\") -> idle  on failed -> pay }}\n{PAY}"
    ));
    assert_eq!(codes(&constant), ["E0602"]);
}

#[test]
fn memory_launders_nothing() {
    let text = owned(&format!(
        "start state idle {{ on message m -> look  on \"/pay\" -> find }}\n\
         state look {{ page = call web.fetch(query: \"x\")  remember page for all -> idle }}\n\
         state find {{ hits = recall \"x\" from all top 2  order = first hits or \"7\" -> pay }}\n{PAY}"
    ));
    let (checked, diagnostics) = check_in(&environment(), &text);
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0601"]);
    assert_eq!(labels_of(&checked, "order"), ["web", "memory"]);
    // A model that reads memory reads all of it.
    let written = text.replace(
        "hits = recall \"x\" from all top 2  order = first hits or \"7\"",
        "write order using fast with memory \"Which?\"",
    );
    assert_eq!(labels_of(&check_in(&environment(), &written).0, "order"), ["web", "memory"]);
    // Of another scope, memory is still memory.
    let text = text.replace("from all", "from person");
    let (checked, diagnostics) = check_in(&environment(), &text);
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0601"]);
    assert_eq!(labels_of(&checked, "order"), ["memory"]);
}

#[test]
fn wakes_carry_labels() {
    let text = |carried: &str| {
        owned(&format!(
            "start state idle {{ on message m -> look  on wake w {{ order = w -> pay }} }}\n\
             state look {{ page = call web.fetch(query: \"x\")  wake after 1d with {carried} -> idle }}\n{PAY}"
        ))
    };
    assert_eq!(codes(&text("page")), ["E0601"]);
    assert_eq!(codes(&text("order")), Vec::<&str>::new());
}

#[test]
fn another_agent_launders_nothing() {
    let text = |answer: &str| {
        format!(
            "{}=== file b.agent\nagent b v1 (q: text) gives text\ngoal \"g\"\ncan use web.fetch\n\
             start state look {{ {answer} }}\n\
             state nothing_found {{ done \"none\" }}\nanywhere {{ on failed -> nothing_found }}\n",
            owned(&format!(
                "can ask b with web.fetch\nstart state idle {{ on message m -> ask_it }}\n\
                 state ask_it {{ ask b(q: \"x\") within 1m {{ done(t) {{ order = t -> pay }} failed or late -> idle }} }}\n{PAY}"
            ))
        )
    };
    let of_order = |answer: &str| {
        let (checked, diagnostics) = check_in(&environment(), &text(answer));
        assert_eq!(
            diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(),
            ["E0601"],
            "{:?}",
            found(&text(answer))
        );
        labels_of(&checked, "order")
    };
    assert_eq!(of_order("page = call web.fetch(query: q)  done page"), ["web", "agent"]);
    // That the page could not be had is told by which answer is given.
    assert_eq!(of_order("page = call web.fetch(query: q)  done q"), ["web", "agent"]);
    assert_eq!(of_order("x = 1 + 1  done q"), ["agent"]);
}

#[test]
fn an_asked_agent_knows_where_its_questions_come_from() {
    let text = |question: &str| {
        format!(
            "{}=== file b.agent\nagent b v1 (q: text) gives text\ngoal \"g\"\ncan use orders.refund\n\
             start state pay {{ call orders.refund(order: q, amount: 5 eur)  done \"paid\" }}\n\
             state not_paid {{ done \"none\" }}\nanywhere {{ on failed or uncertain -> not_paid }}\n",
            owned(&format!(
                "can ask b with orders.refund\nstart state idle {{ on message m -> ask_it }}\n\
                 state ask_it {{ page = call web.fetch(query: \"x\")  ask b(q: {question}) within 1m {{ done(t) {{ reply t -> idle }} failed or late -> idle }} }}\n"
            ))
        )
    };
    assert_eq!(codes(&text("order")), Vec::<&str>::new(), "{:?}", found(&text("order")));
    assert_eq!(codes(&text("page")), ["E0601"]);
    // Asked by nobody whom the folder knows.
    let alone = text("order");
    let (_, alone) = alone.split_once("=== file b.agent\n").unwrap();
    assert_eq!(codes(alone), ["E0601"]);
}

#[test]
fn a_turn_runs_nothing_dangerous_by_itself_after_untrusted_text() {
    let text = |before: &str, run: &str| {
        owned(&format!(
            "start state idle {{ on message m -> read }}\n\
             state read {{ page = call web.fetch(query: \"x\")  reply page  {before} -> think }}\n\
             state think max 3 per event else idle {{ turn using fast with history {{ says(t) {{ reply t -> idle }} \
             calls(c) {{ {run} -> idle }} refuses(w) -> idle }} }}"
        ))
    };
    assert_eq!(codes(&text("", "run c")), ["E0607"]);
    assert_eq!(codes(&text("", "run c approved by owner within 1h")), Vec::<&str>::new());
    assert_eq!(codes(&text("forget history", "run c")), Vec::<&str>::new());
}

#[test]
fn what_a_turn_found_is_untrusted_in_the_next() {
    let text = owned(
        "start state idle { on message m -> think }\n\
         state think max 3 per event else idle { turn using fast with history { says(t) { reply t -> idle } \
         calls(c) { run c -> think } refuses(w) -> idle } }",
    );
    assert_eq!(codes(&text), ["E0607"]);
    // Without a tool that reads the world the owner's own words are all there is.
    let text = text.replace(", web.fetch, files.read in \"notes/\"", "");
    assert_eq!(codes(&text), Vec::<&str>::new(), "{:?}", found(&text));
}

#[test]
fn rules_about_labels_count_decisions_too() {
    let text = |rest: &str| {
        owned(&format!(
            "rules {{ never web reaches orders.refund }}\nstart state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")  {rest} }}"
        ))
    };
    let approved = "approve by owner \"Refund?\" within 1h { yes { call orders.refund(order: order, amount: 5 eur) -> idle } no or late -> idle }";
    assert_eq!(codes(&text(approved)), Vec::<&str>::new(), "{:?}", found(&text(approved)));
    assert_eq!(codes(&text(&format!("when page contains \"x\" {{ no -> idle }} {approved}"))), ["E0608"]);
}

#[test]
fn secrets_leave_neither_openly_nor_by_a_branch() {
    let text = |rest: &str| {
        owned(&format!(
            "can use vault.key\nstart state idle {{ on message m -> look }}\nstate look {{ key = call vault.key()  {rest} -> idle }}"
        ))
    };
    for rest in [
        "reply key",
        "seen = \"The key: {key}\"  send owner seen",
        "write t using fast from key \"?\"",
        "remember key for all",
        "show key",
        "page = call web.fetch(query: key)",
        "when key is \"\" { yes { reply \"No key.\" } }",
    ] {
        assert!(codes(&text(rest)).contains(&"E0609"), "{rest}: {:?}", found(&text(rest)));
    }
    // That the key could not be had may be said.
    assert_eq!(
        codes(&text("call vault.key() { done(k) {} failed(why) { reply \"No key today.\" } }")),
        Vec::<&str>::new()
    );
    // What the failure says is another thing.
    assert_eq!(codes(&text("call vault.key() { done(k) {} failed(why) { reply why.detail } }")), ["E0609"]);
    let raised = text("")
        .replace(" -> idle }\nanywhere", " -> idle  on failed why { reply why.detail -> idle } }\nanywhere");
    assert_eq!(codes(&raised), ["E0609"], "{raised}");
    // Whoever asks this agent is not of this folder.
    let alone = "agent a v1 (q: text) gives text\ngoal \"g\"\ncan use vault.key\n\
                 start state look { key = call vault.key() else -> nothing_found  done key }\nstate nothing_found { done \"none\" }\n";
    assert_eq!(codes(alone), ["E0609"]);
    assert_eq!(codes(&text("when key is \"\" { yes {} } reply \"Looked.\"")), Vec::<&str>::new());
}

#[test]
fn a_tool_that_can_be_taken_back_needs_nobody() {
    let text =
        public(&format!("start state idle {{ on message m {{ order = m.text -> pay }} }}\n{PAY}"), "person");
    let mut environment = environment();
    let refund = environment.tools.iter_mut().find(|tool| tool.name == "orders.refund").unwrap();
    refund.danger = Danger::Reversible;
    assert!(check_in(&environment, &text).1.is_empty());
    let refund = environment.tools.iter_mut().find(|tool| tool.name == "orders.refund").unwrap();
    refund.danger = Danger::Dangerous;
    refund.selects.clear();
    let (_, diagnostics) = check_in(&environment, &text);
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0602"]);
}

#[test]
fn the_examples_carry_what_they_should() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/examples");
    let mut sources = SourceMap::default();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        sources
            .add(path.file_name().unwrap().to_str().unwrap(), &std::fs::read_to_string(&path).unwrap())
            .unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    assert!(diagnostics.is_empty());
    let labels = |agent: &str, slot: &str| {
        let facts = &checked.agents.iter().find(|a| a.program.name == agent).unwrap().facts;
        facts.labels.iter().find(|(name, _)| name == slot).unwrap().1.clone()
    };
    assert_eq!(labels("support", "order"), ["message"]);
    assert_eq!(labels("support", "notes"), ["web", "message", "agent"]);
    assert_eq!(labels("booking", "want"), ["message"]);
    assert_eq!(labels("oncall_desk", "alert"), ["web"]);
}

#[test]
fn what_comes_by_itself_is_not_decided_by_who_wrote_before() {
    let text = |start: &str| {
        public(&format!("start state idle {{ {start}  every monday at 09:00 -> pay }}\n{PAY}"), "person")
    };
    assert_eq!(codes(&text("on message m { reply m }")), Vec::<&str>::new());
    assert_eq!(
        codes(&text("on message m { when length m.text > 3 { yes { reply m } no -> idle } }")),
        Vec::<&str>::new()
    );
    assert_eq!(codes(&text("reply \"Hello.\"  on message m { reply m }")), Vec::<&str>::new());
    // What a message sets up, it decides.
    let text = public(
        &format!(
            "start state idle {{ on message m -> ready }}\nstate ready {{ every monday at 09:00 -> pay  on message drop  after 9d -> idle }}\n{PAY}"
        ),
        "person",
    );
    assert_eq!(codes(&text), ["E0602"]);
}

#[test]
fn a_choice_that_lasts_is_never_forgotten() {
    // Two regions that are never left: each comes to rest in itself.
    let text = |trigger: &str| {
        format!(
            "agent a v1\ngoal \"g\"\ncan use orders.refund\n\
             start state begin {{ on message m -> one  {trigger} -> two }}\n\
             state one {{ on message m {{ reply m }}  every monday at 09:00 -> pause }}\nstate pause {{ reply \"Hm.\" -> one }}\n\
             state two {{ on message drop  every monday at 09:00 -> pay }}\n\
             state pay {{ call orders.refund(order: \"7\", amount: 5 eur) else -> two  -> two  on message drop }}\n\
             === file routes.agent\nroutes\n\ntelegram from anyone -> a per person\notherwise drop\n"
        )
    };
    assert_eq!(codes(&text("on \"/two\"")), ["E0602"], "{:?}", found(&text("on \"/two\"")));
    assert_eq!(
        codes(&text("every monday at 08:00")),
        Vec::<&str>::new(),
        "{:?}",
        found(&text("every monday at 08:00"))
    );
}

#[test]
fn the_only_event_that_a_state_takes_decides_too() {
    let text = public(
        &format!(
            "start state idle {{ every monday at 09:00 -> ready }}\nstate ready {{ on message m -> pay }}\n{PAY}"
        ),
        "person",
    )
    .replace("on message hold  on failed", "on failed");
    assert_eq!(codes(&text), ["E0602"], "{:?}", found(&text));
}

#[test]
fn what_a_handler_assigns_while_a_step_is_pending_is_seen() {
    let text = |handler: &str| {
        public(
            &format!(
                "start state idle {{ every monday at 09:00 -> work }}\n\
                 state work {{ hits = call metrics.read(id: \"x\")  {} {handler} }}",
                "call orders.refund(order: order, amount: 5 eur) -> idle"
            ),
            "person",
        )
        .replace("can use orders", "can use metrics.read, orders")
    };
    assert_eq!(flow_codes(&text("")), Vec::<&str>::new(), "{:?}", found(&text("")));
    assert_eq!(flow_codes(&text("on message m { order = m.text }")), ["E0601"]);
}

#[test]
fn a_step_that_failed_has_assigned_nothing() {
    let text = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ order = call web.fetch(query: \"x\")  order = \"7\" -> idle  on failed -> pay }}\n{PAY}"
    ));
    // The failure decides, the argument is as it was.
    assert_eq!(codes(&text), ["E0602"]);
    let two = "when length seen > 1 { yes { order = call web.fetch(query: \"x\") } no { order = call web.fetch(query: \"y\") } }";
    assert_eq!(codes(&text.replace("order = call web.fetch(query: \"x\")", two)), ["E0602"]);
}

#[test]
fn the_first_message_runs_the_start_state() {
    let text = public(
        "start state idle { call orders.refund(order: \"7\", amount: 5 eur)  on message m { reply m } on failed or uncertain { reply \"Hm.\" } }",
        "person",
    );
    assert!(codes(&text).contains(&"E0602"), "{:?}", found(&text));
}

#[test]
fn a_cap_is_decided_by_who_made_it_run_out() {
    let text = owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ page = call web.fetch(query: \"x\")  when page contains \"x\" {{ yes -> again no -> last }} }}\n\
         state again {{ reply \"Again.\" -> last }}\n\
         state last max 1 per event else pay {{ reply \"Last.\" -> idle }}\n{PAY}"
    ));
    // Both ways come to `last`: that alone decides nothing.
    assert_eq!(codes(&text), Vec::<&str>::new(), "{:?}", found(&text));
    let text = text.replace("yes -> again no -> last", "yes -> again no -> idle");
    assert_eq!(codes(&text), ["E0602"]);
}

#[test]
fn a_joined_message_is_read_by_the_next_turn() {
    let text = |action: &str| {
        public(
            &format!(
                "start state idle {{ every monday at 09:00 -> think }}\n\
                 state think max 3 per event else idle {{ forget history  turn using fast with history {{ says(t) {{ reply t -> idle }} \
                 calls(c) {{ run c -> idle }} refuses(w) -> idle }} on message {action} }}"
            ),
            "person",
        )
        .replace(", web.fetch, files.read in \"notes/\"", "")
        .replace("reply t", "send owner t")
        .replace("on message hold  on failed", "on message drop  on failed")
    };
    assert_eq!(flow_codes(&text("drop")), Vec::<&str>::new(), "{:?}", found(&text("drop")));
    assert_eq!(flow_codes(&text("join")), ["E0607"], "{:?}", found(&text("join")));
    // A handler that takes it while the turn is pending puts it into the history of the next.
    assert_eq!(
        flow_codes(&text("m { send owner m }")),
        Vec::<&str>::new(),
        "{:?}",
        found(&text("m { send owner m }"))
    );
}

#[test]
fn words_of_somebody_else_are_not_the_senders_own() {
    let text = |ask: &str| {
        public(
            &format!(
                "start state idle {{ on message m {{ order = m.text -> pay }} }}\nstate pay {{ {ask} \
                 approve by sender \"Refund on {{order}}?\" within 1h {{ yes {{ call orders.refund(order: order, amount: 5 eur) -> idle }} no or late -> idle }} }}"
            ),
            "person",
        )
        .replace("routes\n", "routes\n\npeople { owner  ben = telegram 2222 }\n")
    };
    assert_eq!(codes(&text("")), Vec::<&str>::new(), "{:?}", found(&text("")));
    assert_eq!(
        codes(&text("ask ben \"Which?\" within 1h { says(t) { order = t } late -> idle }")),
        ["E0606"]
    );
}

#[test]
fn a_message_that_is_taken_while_a_step_is_pending_enters_the_history() {
    let text = |handler: &str| {
        public(
            &format!(
                "start state idle {{ every monday at 09:00 -> think }}\n\
                 state think {{ hits = call metrics.read(id: \"x\")  turn using fast with history {{ says(t) {{ send owner t -> idle }} \
                 calls(c) {{ run c -> idle }} refuses(w) -> idle }} {handler} }}"
            ),
            "person",
        )
        .replace("can use orders.refund, web.fetch, files.read in \"notes/\"", "can use orders.refund, metrics.read")
    };
    assert_eq!(flow_codes(&text("")), Vec::<&str>::new(), "{:?}", found(&text("")));
    assert_eq!(flow_codes(&text("on message m { send owner \"Busy.\" }")), ["E0607"]);
}

#[test]
fn a_sender_approves_what_a_turn_wants_after_their_own_words() {
    let text = |per: &str| {
        public(
            "start state idle { on message m -> think }\n\
             state think { turn using fast with history { says(t) { reply t -> idle } \
             calls(c) { run c approved by sender within 1h -> idle } refuses(w) -> idle } }",
            per,
        )
    };
    // With a tool that reads the web, its words are in the history too.
    assert_eq!(codes(&text("person")), ["E0606"], "{:?}", found(&text("person")));
    let own = |per| text(per).replace(", web.fetch, files.read in \"notes/\"", "");
    assert_eq!(codes(&own("person")), Vec::<&str>::new(), "{:?}", found(&own("person")));
    let mixed = found(&own("chat"));
    assert!(
        mixed.len() == 1 && mixed[0].0 == "E0606" && mixed[0].1.starts_with("unknown whose"),
        "{mixed:?}"
    );
}
