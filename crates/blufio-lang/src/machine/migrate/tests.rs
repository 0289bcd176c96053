// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions that rest in one program and are asked to go on with another, each pair with its smallest difference.

use super::{Holder, Stays};
use crate::check::check;
use crate::check::labels::tests::environment;
use crate::compile::compile;
use crate::machine::Machine;
use crate::machine::tests::message;
use crate::program::{Label, Program};
use crate::source::SourceMap;

/// Files one behind the other, the first one `a.agent`; the program of agent `a`.
fn program(text: &str) -> Program {
    let mut sources = SourceMap::default();
    for (at, part) in text.split("=== file ").enumerate() {
        let (name, body) = if at == 0 { ("a.agent", part) } else { part.split_once('\n').unwrap() };
        sources.add(name, body).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    let found: Vec<_> = diagnostics.iter().map(|found| (found.code, &found.title)).collect();
    assert!(!diagnostics.has_errors(), "{found:?}\n{text}");
    let agent = checked.agents.iter().find(|agent| agent.program.name == "a").unwrap();
    let (program, diagnostics) = compile(&agent.program);
    assert!(!diagnostics.has_errors());
    let again = Program::from_bytes(&program.to_bytes()).unwrap();
    assert_eq!(again.states, program.states, "labels survive as bytes");
    again
}

/// A program of the owner around some states.
fn owned(states: &str) -> Program {
    program(&text(states))
}

fn text(states: &str) -> String {
    format!(
        "agent a v1\ngoal \"g\"\nmodels {{ fast = \"anthropic/claude-haiku-5-5\" }}\nbudget {{ message = 30 calls }}\n\
         can use orders.refund, web.fetch, vault.key, vault.sign\n\
         context {{ dynamic history last 20 messages max 4000 tokens }}\n\
         keep {{ order: text = \"7\", seen: text = \"\", long: duration = 1h }}\n\
         {states}\nanywhere {{ on message hold  on failed or uncertain -> idle }}\n"
    )
}

/// What a session of the first program that rests at its start does when it is shown the other.
fn shown(old: &Program, new: &Program) -> Result<Machine, Stays> {
    let mut machine = Machine::new(old);
    machine.start(old, 1_000);
    let migration = new.migrations.iter().find(|migration| migration.from == old.version);
    machine.migrate(old, new, migration)
}

fn stays(old: &Program, new: &Program) -> Stays {
    shown(old, new).map(|_| ()).expect_err("it moves")
}

const LOOK: &str = "state look { page = call web.fetch(query: \"x\")  KEEPS -> idle }\n";
const PAY: &str = "state pay { call orders.refund(order: order, amount: 5 eur) -> idle }\n";

fn looks(keeps: &str, states: &str) -> Program {
    owned(&format!("start state idle {{ on message m -> look }}\n{}{states}", LOOK.replace("KEEPS", keeps)))
}

/// Every order of it is paid.
fn pays() -> Program {
    owned(&format!("start state idle {{ on message m -> pay }}\n{PAY}"))
}

#[test]
fn what_untrusted_text_has_filled_stays_with_its_version() {
    let old = looks("order = page", "");
    let why = stays(&old, &pays());
    assert_eq!(why, Stays::Label(Holder::Slot("order".into()), Label::Web));
    assert_eq!(
        why.to_string(),
        "slot `order` may carry `web`, which the proofs of that version do not count on"
    );
    // In another slot it stays as well: what is proved of that one is that it is trusted.
    let old = looks("seen = page", "");
    assert_eq!(stays(&old, &pays()), Stays::Label(Holder::Slot("seen".into()), Label::Web));
    // What is gone before the session rests again does no harm.
    assert!(shown(&looks("seen = page  seen = \"\"", ""), &pays()).is_ok());
}

#[test]
fn sessions_move_where_the_proofs_count_on_what_they_carry() {
    let old = looks("order = page", "");
    let same = looks("order = page  seen = \"\"", "");
    assert_ne!(old.hash(), same.hash());
    let moved = shown(&old, &same).unwrap();
    assert!(moved.belongs_to(&same));
    // Less may come over than is counted on, not more.
    let more = looks("order = page  seen = page", "");
    assert!(shown(&old, &more).is_ok());
    assert_eq!(stays(&more, &old), Stays::Label(Holder::Slot("seen".into()), Label::Web));
}

#[test]
fn values_of_a_real_session_come_over_or_stay() {
    let old = owned("start state idle { on message m { order = m.text } }\n");
    let mut machine = Machine::new(&old);
    machine.start(&old, 1_000);
    machine.step(&old, message("8"), 2_000);
    let moved = machine.migrate(&old, &pays(), None).unwrap();
    assert_eq!(moved.slot(&pays(), "order"), machine.slot(&old, "order"));
    // The same words of strangers do not.
    let public = "=== file routes.agent\nroutes\n\ntelegram from anyone -> a per person\notherwise drop\n";
    let old = program(&format!("{}{public}", text("start state idle { on message m { order = m.text } }\n")));
    assert_eq!(stays(&old, &pays()), Stays::Label(Holder::Slot("order".into()), Label::Message));
}

/// A slot that carries a label somewhere need not carry it where the session rests.
#[test]
fn labels_count_where_the_session_rests() {
    let elsewhere = owned(&format!(
        "start state idle {{ on message m -> pay  on \"/look\" -> look }}\n{PAY}\
         state look {{ page = call web.fetch(query: \"x\")  order = page  order = \"7\" -> idle }}\n"
    ));
    assert_eq!(
        stays(&looks("order = page", ""), &elsewhere),
        Stays::Label(Holder::Slot("order".into()), Label::Web)
    );
    assert!(shown(&elsewhere, &pays()).is_ok());
}

#[test]
fn secrets_stay_where_nothing_knows_of_them() {
    let keeps = |states: &str| owned(&format!("{states}state open {{ seen = call vault.key() -> idle }}\n"));
    let old = keeps("start state idle { on message m -> open }\n");
    let new = owned("start state idle { on message m { reply seen } }\n");
    assert_eq!(stays(&old, &new), Stays::Label(Holder::Slot("seen".into()), Label::Secret));
    // Nor with a migration into a program without tools of secrets, unless it drops them.
    let migrates =
        |migrate: &str| second(&format!("{migrate}start state idle {{ on message m {{ reply seen }} }}\n"));
    let moves = migrates("migrate from v1 { drop order }\n");
    assert_eq!(stays(&old, &moves), Stays::Label(Holder::Slot("seen".into()), Label::Secret));
    assert!(shown(&old, &migrates("migrate from v1 { drop seen }\n")).is_ok());
    assert!(shown(&keeps("start state idle { on message m -> open }\n"), &old).is_ok());
}

/// The second version, without tools of secrets.
fn second(states: &str) -> Program {
    program(&text(states).replace("agent a v1", "agent a v2").replace(", vault.key, vault.sign", ""))
}

#[test]
fn a_migration_lets_untrusted_text_come_over_as_such() {
    let new = second("migrate from v1 { drop long }\nstart state idle { on message m { reply order } }\n");
    assert!(shown(&looks("order = page", ""), &new).is_ok());
}

/// The time of a deadline is not among what the checker lets come over with a migration.
#[test]
fn a_deadline_that_untrusted_text_has_set_stays() {
    let armed = |migrate: &str, pause: &str| {
        format!(
            "{migrate}type Pause = pause(d: duration)\n\
             start state idle {{ on message m -> look  on \"/x\" drop  after {pause} -> other }}\n             state other {{ on message m -> idle }}\n\
             state look {{ page = call web.fetch(query: \"x\")\n\
             pick Pause using fast from page \"How long?\" {{ pause(d) {{ long = d -> idle }} }} }}\n"
        )
    };
    let old = owned(&armed("", "long"));
    let migrate = "migrate from v1 { drop order }\n";
    assert_eq!(
        stays(&old, &second(&armed(migrate, "1h"))),
        Stays::Label(Holder::Deadline("idle".into()), Label::Web)
    );
    assert_eq!(
        stays(&old, &owned(&armed("", "1h"))),
        Stays::Label(Holder::Deadline("idle".into()), Label::Web)
    );
}

#[test]
fn history_wakes_and_words_of_others_count_as_slots_do() {
    let told = looks("reply page", "");
    let asks = owned(
        "start state idle { on message m -> think }\n\
         state think { write seen using fast with history \"?\" -> idle }\n",
    );
    assert_eq!(stays(&told, &asks), Stays::Label(Holder::History, Label::Web));
    let wakes = |with: &str| {
        owned(&format!(
            "start state idle {{ on message m -> look  on wake w {{ show w }} }}\n\
             state look {{ page = call web.fetch(query: \"x\")  wake after 1d with {with} -> idle }}\n"
        ))
    };
    let pays = owned(&format!(
        "start state idle {{ on message m {{ wake after 1d with order }}  on wake w -> pay }}\n{PAY}"
    ));
    assert_eq!(stays(&wakes("page"), &pays), Stays::Label(Holder::Wakes, Label::Web));
    assert!(shown(&wakes("order"), &pays).is_ok());
    // What strangers wrote waits in the mailbox where nobody but the owner is thought to write.
    let drops = "start state idle { on \"/x\" -> idle  on message drop }\n";
    let public = "=== file routes.agent\nroutes\n\ntelegram from anyone -> a per person\notherwise drop\n";
    let open = program(&format!("{}{public}", text(drops)));
    assert!(matches!(
        stays(&open, &owned(drops)),
        Stays::Label(Holder::Mailbox | Holder::History, Label::Message)
    ));
    assert!(shown(&owned(drops), &open).is_ok());
}

#[test]
fn what_steps_left_behind_counts_by_its_place() {
    let text = |from: &str| {
        let states = format!(
            "start state idle {{ word = {from}  on message m -> look  on \"/show\" {{ show word }} }}\n"
        );
        owned(&format!("{states}{}", LOOK.replace("KEEPS", "order = page")))
    };
    let (old, new) = (text("order"), text("\"x\""));
    assert_eq!(stays(&old, &new), Stays::Label(Holder::Local("idle".into()), Label::Web));
    assert!(shown(&new, &old).is_ok());
}

#[test]
fn an_approval_that_a_session_never_passed_is_not_counted_on() {
    let old = owned("start state idle { on message m -> ready }\nstate ready { on message m -> idle }\n");
    let mut machine = Machine::new(&old);
    machine.start(&old, 1_000);
    machine.step(&old, message("a"), 2_000);
    assert_eq!(machine.state(), 1);
    let text = |first: &str, then: &str| {
        second(&format!(
            "migrate from v1 {{ drop order }}\nstart state idle {{ on message m -> check }}\n\
             state check {{ {first} -> ready }}\n\
             state ready {{ on message m -> idle\n\
             on \"/pay\" -> pay }}\n\
             state pay {{ {then}  call orders.refund(order: order, amount: 5 eur) -> idle }}\n"
        ))
    };
    let approve = "approve by owner \"Refund {order}, 5 eur?\" within 1h { yes {} no or late -> idle }";
    let (outside, inside) = (text(approve, ""), text("", approve));
    let relies = |program: &Program| program.states[2].rest.as_ref().unwrap().relies;
    assert!(relies(&outside) && !relies(&inside));
    let moved = |new: &Program| machine.migrate(&old, new, new.migrations.first()).map(|_| ());
    assert_eq!(moved(&outside), Err(Stays::Approval("ready".into())));
    assert_eq!(moved(&inside), Ok(()));
}

#[test]
fn who_speaks_for_words_of_several_people_stays() {
    let states = |asks: &str| {
        format!(
            "start state idle {{ on message m {{ seen = m.text -> talk }} }}\nstate talk {{ {asks} -> idle }}\n"
        )
    };
    let folder = |asks: &str| {
        program(&format!(
            "{}=== file routes.agent\nroutes\n\npeople {{ ada = telegram 5 }}\n\
             telegram from anyone -> a per person\notherwise drop\n",
            text(&states(asks))
        ))
    };
    let asks = "ask ada \"Well?\" within 1h { says(t) { seen = t } failed or late {} }";
    let (old, new) = (folder(asks), folder("reply seen"));
    assert_eq!(stays(&old, &new), Stays::SeveralPeople);
    assert!(shown(&new, &old).is_ok());
}

#[test]
fn the_decision_that_led_to_a_state_comes_over_unless_all_come_back_there() {
    let text = |head: &str, migrate: &str| {
        format!(
            "{head}{migrate}start state idle {{ on message m -> look }}\n\
             state look {{ page = call web.fetch(query: \"x\")\n\
             when page contains \"x\" {{ yes -> ready  no -> idle }} }}\n\
             state ready {{ on message m -> idle  after 1h -> idle }}\n"
        )
    };
    let old = owned(&text("", ""));
    let ready = old.states[2].rest.clone().unwrap();
    assert!(ready.control.contains(Label::Web) && !ready.forgets);
    assert!(old.states[0].rest.as_ref().unwrap().forgets);
    assert!(old.states[1].rest.is_none(), "nobody waits there");
}
