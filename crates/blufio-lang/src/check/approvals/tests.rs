// SPDX-License-Identifier: MIT OR Apache-2.0
//! Approvals that endorse a call, and all the ways not to.

use super::super::labels::tests::{codes, found, owned, public};

const NONE: [&str; 0] = [];

/// A stranger's words in `order`, then these steps.
fn asked(steps: &str) -> String {
    public(
        &format!(
            "start state idle {{ on message m {{ order = m.text -> pay }} }}\nstate pay {{ {steps} -> idle }}"
        ),
        "person",
    )
}

/// The page of the web in `seen`, the owner's program, then these steps.
fn read(steps: &str) -> String {
    owned(&format!(
        "start state idle {{ on message m -> look }}\n\
         state look {{ seen = call web.fetch(query: \"x\") -> pay }}\nstate pay {{ {steps} -> idle }}"
    ))
}

fn approve(by: &str, question: &str, yes: &str) -> String {
    format!("approve by {by} \"{question}\" within 1h {{ yes {{ {yes} }} no or late -> idle }}")
}

const PAY: &str = "call orders.refund(order: order, amount: 5 eur)";

#[test]
fn an_approval_that_shows_the_argument_endorses_the_call() {
    assert_eq!(codes(&asked(&approve("owner", "Refund on {order}?", PAY))), NONE);
    // Behind the question as well as inside of its arm.
    assert_eq!(codes(&asked(&format!("{} {PAY}", approve("owner", "Refund on {order}?", "")))), NONE);
    // On every way, not on one.
    let one_way =
        format!("when length order > 3 {{ yes {{ {} }} }} {PAY}", approve("owner", "Refund on {order}?", ""));
    assert_eq!(codes(&asked(&one_way)), ["E0601"]);
    let both = approve("owner", "Refund on {order}?", "");
    let both = format!("when length order > 3 {{ yes {{ {both} }} no {{ {both} }} }} {PAY}");
    assert_eq!(codes(&asked(&both)), NONE);
    // Silence is no yes.
    let late = format!(
        "approve by owner \"Refund on {{order}}?\" within 1h {{ yes or late {{ {PAY} }} no -> idle }}"
    );
    assert_eq!(codes(&asked(&late)), ["E0601"]);
}

#[test]
fn an_approval_shows_every_untrusted_argument() {
    assert_eq!(codes(&asked(&approve("owner", "Refund 5 eur?", PAY))), ["E0603"]);
    assert_eq!(codes(&asked(&approve("owner", "Refund on {seen}?", PAY))), ["E0603"]);
    // A text put together from what is shown is shown.
    let composed = "call orders.refund(order: \"no. {order}\", amount: 5 eur)";
    assert_eq!(codes(&asked(&approve("owner", "Refund on {order}?", composed))), NONE);
    // An approval in front that shows it endorses, whatever is asked in between.
    let two = format!("{} {}", approve("owner", "Refund on {order}?", ""), approve("owner", "Really?", PAY));
    assert_eq!(codes(&asked(&two)), NONE);
}

#[test]
fn a_value_that_is_worked_out_is_unknown_and_so_refused() {
    let steps = approve(
        "owner",
        "Refund on {first all}?",
        "call orders.refund(order: by[order] or \"7\", amount: 5 eur)",
    );
    let found = found(&asked(&steps));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "E0603" && found[0].1.starts_with("unknown whether"), "{found:?}");
}

#[test]
fn nothing_shown_is_assigned_in_between() {
    let between = format!("{} order = seen {PAY}", approve("owner", "Refund on {order}?", ""));
    assert_eq!(codes(&read(&format!("order = seen {between}"))), ["E0604"]);
    let before = format!("order = seen {} {PAY}", approve("owner", "Refund on {order}?", ""));
    assert_eq!(codes(&read(&before)), NONE);
    // Something else may be.
    let other = format!("order = seen {} seen = \"\" {PAY}", approve("owner", "Refund on {order}?", ""));
    assert_eq!(codes(&read(&other)), NONE);
}

#[test]
fn nobody_assigns_while_the_question_is_open() {
    let pay = approve("owner", "Refund on {order}?", PAY);
    let text = |handler: &str| {
        public(
            &format!(
                "start state idle {{ on message m {{ order = m.text -> pay }} }}\n\
                 state pay {{ {pay} -> idle {handler} }}"
            ),
            "person",
        )
    };
    assert_eq!(codes(&text("on message m { order = m.text }")), ["E0604"]);
    assert_eq!(codes(&text("on message m { order = m.text -> pay }")), NONE);
    assert_eq!(codes(&text("on message m { seen = m.text }")), NONE);
    // The same between the yes and the call, while another step is pending.
    let later =
        format!("{} page = call web.fetch(query: \"x\") {PAY}", approve("owner", "Refund on {order}?", ""));
    let text = |handler: &str| {
        public(
            &format!(
                "start state idle {{ on message m {{ order = m.text -> ask_it }} }}\n\
                 state ask_it {{ {} -> pay }}\nstate pay {{ page = call web.fetch(query: \"x\") {PAY} -> idle {handler} }}",
                approve("owner", "Refund on {order}?", "")
            ),
            "person",
        )
    };
    assert_eq!(codes(&asked(&later)), NONE);
    assert_eq!(codes(&text("")), NONE);
    assert_eq!(codes(&text("on message m { order = m.text }")), ["E0604"]);
}

#[test]
fn a_correction_by_the_approver_is_what_is_approved() {
    let steps = "approve by owner editing order \"Refund?\" within 1h { yes { call orders.refund(order: order, amount: 5 eur) } no or late -> idle }";
    assert_eq!(codes(&asked(steps)), NONE);
}

#[test]
fn a_sender_approves_their_own_words_and_nothing_else() {
    assert_eq!(codes(&asked(&approve("sender", "Refund on {order}?", PAY))), NONE);
    // The sender of a program that only the owner reaches is the owner.
    assert_eq!(codes(&read(&format!("order = seen {}", approve("sender", "Refund on {order}?", PAY)))), NONE);
    let web =
        format!("order = call web.fetch(query: order) {}", approve("sender", "Refund on {order}?", PAY));
    assert_eq!(codes(&asked(&web)), ["E0606"]);
    let steps = approve("sender", "Refund on {order}?", PAY);
    let text = public(
        &format!(
            "start state idle {{ on message m {{ order = m.text -> pay }} }}\nstate pay {{ {steps} -> idle }}"
        ),
        "chat",
    );
    let found = found(&text);
    assert!(
        found.len() == 1 && found[0].0 == "E0606" && found[0].1.starts_with("unknown whose"),
        "{found:?}"
    );
}

#[test]
fn one_yes_is_one_call() {
    let outside =
        format!("{} each x in [\"a\", \"b\"] {{ {PAY} }}", approve("owner", "Refund on {order}?", ""));
    assert_eq!(codes(&asked(&outside)), ["E0605"]);
    let twice = approve("owner", "Refund on {order}?", &format!("{PAY} {PAY}"));
    assert_eq!(codes(&asked(&twice)), ["E0605"]);
    let side_by_side = approve("owner", "Refund on {order}?", &format!("together {{ {PAY} {PAY} }}"));
    assert!(codes(&asked(&side_by_side)).iter().all(|code| *code == "E0605"));
    assert!(!codes(&asked(&side_by_side)).is_empty());
    // Over states: the loop comes back behind the question.
    let text = public(
        &format!(
            "start state idle {{ on message m {{ order = m.text -> ask_it }} }}\n\
             state ask_it {{ {} -> pay }}\nstate pay max 3 per event else idle {{ {PAY} -> pay }}",
            approve("owner", "Refund on {order}?", "")
        ),
        "person",
    );
    assert_eq!(codes(&text), ["E0605"]);
    let text = text.replace("-> pay }\nanywhere", "-> ask_it }\nanywhere");
    assert_eq!(codes(&text), NONE, "{text}");
}

#[test]
fn a_question_at_one_state_endorses_a_call_at_another() {
    let text = public(
        &format!(
            "start state idle {{ on message m {{ order = m.text -> ask_it }} }}\n\
             state ask_it {{ {} -> note }}\nstate note {{ reply \"One moment.\" -> pay }}\nstate pay {{ {PAY} -> idle }}",
            approve("owner", "Refund on {order}?", "")
        ),
        "person",
    );
    assert_eq!(codes(&text), NONE);
    // Another way to the call, without the question.
    let text = text.replace("-> ask_it } }", "-> ask_it } on \"/pay\" m { order = m.text -> pay } }");
    assert_eq!(codes(&text), ["E0601"]);
}

#[test]
fn a_record_that_is_shown_shows_its_fields() {
    let text = |question: &str| {
        asked(&format!(
            "bill = call orders.find(order: order) {}",
            approve("owner", question, "call orders.refund(order: bill.id, amount: 5 eur)")
        ))
        .replace("can use orders", "can use orders.find, orders")
    };
    assert_eq!(codes(&text("Refund {bill.id}?")), NONE, "{:?}", found(&text("Refund {bill.id}?")));
    assert_eq!(codes(&text("Refund {bill}?")), NONE);
    assert_eq!(codes(&text("Refund {bill.status}?")), ["E0603"]);
}

#[test]
fn a_way_that_something_overtook_is_told_from_one_that_nothing_did() {
    // Both ways come from the same yes; on one of them the order is another one by then.
    let steps = format!(
        "{} when length order > 3 {{ yes {{ order = seen }} }} {PAY}",
        approve("owner", "Refund on {order}?", "")
    );
    assert_eq!(codes(&read(&format!("order = seen {steps}"))), ["E0604"]);
}

#[test]
fn items_side_by_side_overtake_one_another() {
    let text = |at_once: &str| {
        read(&format!(
            "order = seen  each x in [\"a\", \"b\"]{at_once} {{ approve by owner \"Refund on {{order}}?\" within 1h \
             {{ yes {{ {PAY} }} no or late {{}} }} order = call web.fetch(query: x) }}"
        ))
    };
    assert_eq!(codes(&text("")), NONE, "{:?}", found(&text("")));
    assert_eq!(codes(&text(", 2 at once")), ["E0604"]);
}
