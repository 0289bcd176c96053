// SPDX-License-Identifier: MIT OR Apache-2.0
//! `send … with next message`: its three words are reserved nowhere else, it may be said to everybody, it is judged like
//! any `send`, and what is decided says when it is to arrive.

use blufio_lang::authority::{authority, diff};
use blufio_lang::check::{CheckedAgent, check};
use blufio_lang::compile::compile;
use blufio_lang::diagnostic::{Diagnostics, render};
use blufio_lang::format::format;
use blufio_lang::program::Program;
use blufio_lang::simulate::Folder;
use blufio_lang::simulate::test::run;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;
use crate::support::parsed;

const HEAD: &str = "agent a v1\ngoal \"g\"\nmodels { fast = \"anthropic/claude-haiku-5-5\" }\nbudget { message = 9 calls }\ncan use vault.key\ncontext { dynamic history last 9 messages max 900 tokens }\n";
const ROUTES: &str = "routes\npeople { owner  ben = telegram 22  two = owner, ben  team = telegram group \"G\" }\ntelegram from anyone -> a per person\nshell -> a\ngateway -> a\n";

fn checked(rest: &str) -> (SourceMap, Vec<CheckedAgent>, Diagnostics) {
    let mut sources = SourceMap::default();
    sources.add("a.agent", &format!("{HEAD}{rest}")).unwrap();
    sources.add("routes.agent", ROUTES).unwrap();
    let (checked, diagnostics) = check(&sources, &environment());
    (sources, checked.agents, diagnostics)
}

fn agent(rest: &str) -> (CheckedAgent, Program) {
    let (sources, mut agents, diagnostics) = checked(rest);
    assert!(!diagnostics.has_errors(), "{}", render(&diagnostics, &sources, false));
    let agent = agents.remove(0);
    let (program, found) = compile(&agent.program);
    assert!(found.is_empty());
    (agent, program)
}

fn body(step: &str) -> String {
    format!("start state idle {{ on message m {{ {step} }} }}\n")
}

#[test]
fn it_may_be_said_to_everybody_a_text_may_be_sent_to() {
    for who in ["owner", "sender", "ben", "team"] {
        let later = agent(&body(&format!("send {who} \"{{m}}!\" with next message"))).1;
        let now = agent(&body(&format!("send {who} \"{{m}}!\""))).1;
        let sends = |program: &Program| -> Vec<String> {
            let text = program.disassemble();
            text.lines().filter(|line| line.contains(" send ")).map(str::to_string).collect()
        };
        let ends = |program: &Program, word: &str| sends(program).iter().all(|line| line.contains(word));
        assert_eq!((sends(&later).len(), sends(&now).len()), (1, 1), "{}", later.disassemble());
        assert!(ends(&later, " next") && ends(&now, " now"), "{:?} {:?}", sends(&later), sends(&now));
        assert_ne!(later.hash(), now.hash());
    }
}

#[test]
fn its_words_are_names_everywhere_else() {
    let slots = "keep { with: text = \"\", next: text = \"\" }\n";
    for (step, sends_later) in [
        ("send owner with  with = next", false),
        ("send owner next with next message  with = \"x\"", true),
        ("send owner \"x\"  next = \"y\"", false),
        ("send owner with with next message", true),
        ("send owner with  with = \"b\"", false),
    ] {
        let rest = format!("{slots}{}", body(step));
        let text = agent(&rest).1.disassemble();
        let is_later = text.lines().any(|line| line.contains(" send ") && line.ends_with(" next"));
        assert_eq!(is_later, sends_later, "{step}\n{text}");
    }
    let (_, diagnostics) = parsed(&format!("{HEAD}{}", body("send owner \"x\" with next week")));
    let first = diagnostics.iter().next().unwrap();
    assert_eq!((first.code, first.label.message.as_str()), ("E0003", "expected `message`"));
}

#[test]
fn it_is_laid_out_like_any_step() {
    let text = "agent a v1\n\nstate x { send owner note   with  next message reply \"x\" -> x }\n";
    let laid = format("a.agent", text, 0).unwrap();
    assert_eq!(laid, "agent a v1\n\nstate x { send owner note with next message  reply \"x\"  -> x }\n");
    assert_eq!(format("a.agent", &laid, 0).unwrap(), laid);
}

#[test]
fn what_it_may_hold_and_whom_it_reaches_is_judged_as_if_it_arrived_now() {
    // A secret may leave by neither, the power is the same, and a rule counts both as a send.
    let secret = |when: &str| {
        let step = format!("key = call vault.key()  send ben \"{{key}}\"{when}");
        let rest = format!("{}anywhere {{ on message hold  on failed or uncertain -> idle }}\n", body(&step));
        checked(&rest).2.iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!((secret(" with next message"), secret("")), (vec!["E0609"], vec!["E0609"]));
    let powers = |when: &str| authority(&agent(&body(&format!("send ben \"x\"{when}"))).0);
    assert!(diff(&powers(""), &powers(" with next message")).is_empty());
    let rule = |when: &str| {
        let step = body(&format!("send owner \"1\"{when}  send owner \"2\""));
        let (_, _, found) = checked(&format!("rules {{ at most 1 send per event }}\n{step}"));
        found.iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!((rule(" with next message"), rule("")), (vec!["E0702"], vec!["E0702"]));
    let leads = |step: &str| {
        let (_, _, found) = checked(&format!("rules {{ every message leads to send }}\n{}", body(step)));
        found.iter().map(|d| d.code).collect::<Vec<_>>()
    };
    assert_eq!(leads("send owner \"1\" with next message"), Vec::<&str>::new());
    assert_eq!(leads("reply \"1\""), ["E0701"]);
}

#[test]
fn tests_expect_it_and_say_when_it_arrives() {
    let test = "test \"t\" { say \"x\" expect send \"x!\"  crash  expect no reply }\ntest \"u\" { say \"x\" expect send \"y\" }\n";
    let (sources, agents, _) = checked(&format!("{}{test}", body("send owner \"{m}!\" with next message")));
    let (folder, found) = Folder::new(&blufio_lang::check::Checked { agents, ..Default::default() }, &[]);
    assert!(found.is_empty());
    let report = run(&folder, None);
    assert!(report.tests[0].passed(), "{}", render(&report.tests[0].problems, &sources, false));
    let told = render(&report.tests[1].problems, &sources, false);
    assert!(told.contains("send owner \"x!\" with next message"), "{told}");
}
