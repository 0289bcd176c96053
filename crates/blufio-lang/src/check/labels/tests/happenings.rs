// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a chat: whose words an edit, a reaction and a name are.

use super::{PAY, codes, flow_codes, found, owned, public};

fn paid(trigger: &str) -> String {
    format!("start state idle {{ on message -> idle  on {trigger} m {{ order = m.text -> pay }} }}\n{PAY}")
}

#[test]
fn an_edit_and_a_reaction_are_words_of_whoever_writes() {
    for trigger in ["edited", "reaction"] {
        let own = owned(&paid(trigger));
        assert_eq!(codes(&own), Vec::<&str>::new(), "{trigger}: {:?}", found(&own));
        assert_eq!(flow_codes(&public(&paid(trigger), "person")), ["E0601"], "{trigger}");
    }
}

#[test]
fn a_name_is_nobodys_own_words() {
    for trigger in ["joined", "left"] {
        assert_eq!(flow_codes(&owned(&paid(trigger))), ["E0601"], "{trigger}");
    }
}

#[test]
fn a_joined_name_is_in_the_history_of_the_next_turn() {
    let text = |handler: &str| {
        owned(&format!(
            "start state idle {{ on message m -> think }}\n\
             state think max 3 per event else idle {{ turn using fast with history {{ says(t) {{ reply t -> idle }} \
             calls(c) {{ run c -> idle }} refuses(w) -> idle }} {handler} }}"
        ))
        .replace(", web.fetch, files.read in \"notes/\"", "")
    };
    assert_eq!(
        flow_codes(&text("on edited join")),
        Vec::<&str>::new(),
        "{:?}",
        found(&text("on edited join"))
    );
    assert_eq!(flow_codes(&text("on joined join")), ["E0607"], "{:?}", found(&text("on joined join")));
}

#[test]
fn a_sender_does_not_approve_a_name() {
    let text = |trigger: &str| {
        public(
            &format!(
                "start state idle {{ on {trigger} m {{ order = m.text -> pay }} on message -> idle }}\nstate pay {{ \
                 approve by sender \"Refund on {{order}}?\" within 1h {{ yes {{ call orders.refund(order: order, amount: 5 eur) -> idle }} no or late -> idle }} }}"
            ),
            "person",
        )
    };
    assert_eq!(codes(&text("edited")), Vec::<&str>::new(), "{:?}", found(&text("edited")));
    assert_eq!(codes(&text("joined")), ["E0606"], "{:?}", found(&text("joined")));
}
