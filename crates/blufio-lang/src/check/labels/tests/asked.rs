// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an asked agent inherits from whoever asks it.

use super::{flow_codes, found, owned};

/// An owner's or a public program that asks `b`, and `b` with this start state.
fn asking(head: &str, ask: &str, start: &str) -> String {
    let asker = owned(&format!(
        "can ask b with orders.refund\nstart state idle {{ on message m -> ask_it }}\n\
         state ask_it {{ page = call web.fetch(query: \"x\")  {ask} }}"
    ))
    .replace("on message hold  on failed", "on message drop  on failed");
    format!(
        "{asker}=== file b.agent\nagent b v1 (q: text) gives text\ngoal \"g\"\ncan use orders.refund\n\
         {start}\nstate not_paid {{ done \"none\" }}\nanywhere {{ on failed or uncertain -> not_paid }}\n\
         === file routes.agent\nroutes\n\npeople {{ owner  ben = telegram 2222 }}\n\n{head} -> a\notherwise drop\n"
    )
}

#[test]
fn that_an_agent_is_asked_decides_what_it_does() {
    let pay = "start state pay { call orders.refund(order: \"7\", amount: 5 eur)  done \"paid\" }";
    let ask = "ask b(q: order) within 1m { done(t) { reply t -> idle } failed or late -> idle }";
    let text = asking("telegram from owner", ask, pay);
    assert_eq!(flow_codes(&text), Vec::<&str>::new(), "{:?}", found(&text));
    let text =
        asking("telegram from owner", &format!("when page contains \"x\" {{ no -> idle }} {ask}"), pay);
    assert_eq!(flow_codes(&text), ["E0602"], "{:?}", found(&text));
}

#[test]
fn an_asked_agent_talks_to_whom_it_is_given() {
    let talk = "start state talk { on message m { call orders.refund(order: m.text, amount: 5 eur)  done \"paid\" } }";
    let ask = |how: &str| {
        format!("ask b(q: order) {how} within 1m {{ done(t) {{ reply t -> idle }} failed or late -> idle }}")
    };
    let codes = |head: &str, how: &str| flow_codes(&asking(head, &ask(how), talk));
    assert_eq!(codes("telegram from owner", "here"), Vec::<&str>::new());
    assert_eq!(codes("telegram from anyone", "here"), ["E0601"]);
    assert_eq!(codes("telegram from owner", "with owner"), Vec::<&str>::new());
    assert_eq!(codes("telegram from owner", "with ben"), ["E0601"]);
}
