// SPDX-License-Identifier: MIT OR Apache-2.0
//! From text to steps: programs as people write them, through parser, checker, compiler and machine.

use super::{Session, failed};
use crate::check::{Environment, Feature, Prices, Provider, ToolInfo, ToolScope, check};
use crate::compile::compile;
use crate::effect::{Action, Event, Outcome};
use crate::program::Program;
use crate::program::assemble::assemble;
use crate::source::SourceMap;
use crate::typed::{Danger, Delivery, EffectClass, Label, Who};
use crate::value::{Currency, FailureKind, ToolCall, Value};

include!("../../../tests/environment.rs");

/// The agents of a folder given as files separated by `=== file NAME` lines; panics with the findings if there are any.
pub fn agents(text: &str) -> Vec<crate::typed::Program> {
    checked(text).into_iter().map(|agent| agent.program).collect()
}

/// Like [`agents`], with what the proofs found out.
pub fn checked(text: &str) -> Vec<crate::check::CheckedAgent> {
    let mut sources = SourceMap::default();
    for (index, file) in text.split("=== file ").enumerate() {
        let (name, body) = if index == 0 { ("a.agent", file) } else { file.split_once('\n').unwrap() };
        sources.add(name, body).unwrap();
    }
    let (checked, diagnostics) = check(&sources, &environment());
    assert!(!diagnostics.has_errors(), "{}", crate::diagnostic::render(&diagnostics, &sources, false));
    checked.agents
}

fn session(text: &str) -> Session {
    Session::start(&agents(text)[0])
}

#[test]
fn every_program_that_passes_the_checker_compiles() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/litmus");
    let mut compiled = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let pass = text.split("=== fail ").next().unwrap().strip_prefix("=== pass\n").unwrap().to_string();
        for agent in agents(&pass) {
            let (program, diagnostics) = compile(&agent);
            let found: Vec<String> =
                diagnostics.iter().map(|d| format!("{}: {}", d.title, d.label.message)).collect();
            assert!(found.is_empty(), "{}: {found:?}", path.display());
            assert_eq!(
                assemble(&program.disassemble()).unwrap().0.as_slice(),
                &*program.code,
                "{}",
                path.display()
            );
            assert_eq!(Program::from_bytes(&program.to_bytes()).unwrap().hash(), program.hash());
            compiled += 1;
        }
    }
    assert!(compiled > 30, "{compiled}");
}

/// A program that uses every construct that runs.
pub const DESK: &str = r#"agent desk v1
goal "Answer."
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 9 calls }
can use time.now, files.read in "notes/"
context { static "persona.md" max 500 tokens  dynamic history last 20 messages max 4000 tokens }

type Wish = question | refund(order: text max 20, amount: money eur, days: int 1 to 30) | other
type Mood = calm | angry

keep { asked: message?, order: text = "", amount: money eur = 0 eur, mood: Mood = calm, tries: int = 0, seen: list max 3 of text, due: moment? }

start state idle {
  on message m { asked = m  tries = tries + 1 -> triage }
  on "/count" { reply "{tries} tries, {length seen} seen, due {due}" }
  after 30m { reply "Still there?" }
}

state triage max 3 per event else give_up {
  mood = pick Mood using fast from asked "What mood?"
  when mood { calm { } angry { send owner "Angry: {asked}" } }
  pick Wish using fast from asked with history retry 1 "What is wanted?" {
    question -> answer
    refund(order, amount, days) {
      when amount > 50 eur and days < 10 or order is "X" { yes { reply "Too much: {amount}" -> idle } }
      due = now + 24h * days
      add order to seen
      reply "Noted {order} for {amount}."
      -> idle
    }
    other { reply "I can help with orders." -> idle }
  }
}

state answer max 3 per event else give_up {
  turn stream using fast with history {
    says(text) { reply text -> idle }
    calls(c) { run c -> answer }
    refuses(why) { reply "No: {why}" -> idle }
  }
  on "/hurry" { reply "I hurry." }
  on message join
  after 10m -> give_up
}

state give_up { reply "Given up." -> idle }

anywhere {
  on "/stop" { reply "Stopped." -> idle }
  on message hold
  on failed why { when why.kind { limited { reply "Later." } else { reply "Failed: {why.kind}" } } -> idle }
  on uncertain -> idle
}
"#;

fn mood(session: &mut Session, case: u32) {
    session.pick(case, vec![]);
}

fn refund(session: &mut Session, order: &str, minor: i64, days: i64) {
    let euro = Currency::named("eur").unwrap();
    session.pick(1, vec![Value::Text(order.into()), Value::Money(minor, euro), Value::Int(days)]);
}

#[test]
fn a_program_with_everything_that_runs_now() {
    let mut session = session(DESK);
    session.say("hello");
    mood(&mut session, 1);
    assert!(session.last.actions.contains(&Action::Send(Who::Owner, "Angry: hello".into(), Delivery::Now)));
    refund(&mut session, "A7", 2_000, 2);
    assert_eq!((session.replies(), session.state()), (vec!["Noted A7 for 20.00 EUR."], "idle"));
    assert_eq!(session.slot("due"), Value::Moment(session.now_ms + 2 * 86_400_000));
    session.say("/count");
    assert_eq!(session.replies(), ["1 tries, 1 seen, due 1970-01-03T00:00:04Z"]);
    session.say("again");
    mood(&mut session, 0);
    assert!(session.last.actions.is_empty());
    refund(&mut session, "B2", 6_000, 2);
    assert_eq!(session.replies(), ["Too much: 60.00 EUR"]);
    for order in ["X", "C", "D"] {
        session.say("again");
        mood(&mut session, 0);
        refund(&mut session, order, 1, 20);
    }
    assert_eq!(session.replies(), ["Noted D for 0.01 EUR."]);
    session.say("one more");
    mood(&mut session, 0);
    refund(&mut session, "E", 1, 20);
    assert_eq!(session.replies(), ["Failed: invalid"], "the list is full");
    assert_eq!(session.slot("tries"), Value::Int(6));
}

#[test]
fn the_loop_of_an_assistant_in_text() {
    let mut session = session(DESK);
    session.say("what is in my notes?");
    mood(&mut session, 0);
    session.pick(0, vec![]);
    assert_eq!(session.state(), "answer");
    session.say("/hurry");
    assert_eq!(session.replies(), ["I hurry."]);
    let call = ToolCall { id: "1".into(), tool: "files.read".into(), arguments: "{}".into() };
    // The cap of three counts from the last message, and "/hurry" was one.
    for _ in 0..4 {
        assert_eq!(session.state(), "answer");
        session.resolve(Outcome::Called([call.clone()].into()));
        session.resolve(Outcome::Ran);
    }
    assert_eq!((session.replies(), session.state()), (vec!["Given up."], "idle"));
    session.say("again");
    mood(&mut session, 0);
    session.pick(0, vec![]);
    let visit = session.machine.visit();
    session.step(Event::Timer { visit, timer: 0 });
    assert_eq!(session.replies(), ["Given up."]);
    session.say("again");
    session.resolve(failed(FailureKind::Limited));
    assert_eq!(session.replies(), ["Later."]);
    session.say("again");
    session.resolve(failed(FailureKind::Denied));
    assert_eq!(session.replies(), ["Failed: denied"]);
}

#[test]
fn encoded_sessions_of_a_whole_program_are_small() {
    let mut session = session(DESK);
    session.say("A message of the length that people write when something went wrong with their order.");
    mood(&mut session, 0);
    let bytes = session.machine.encode();
    assert!(bytes.len() < 400, "{}", bytes.len());
    session.machine = super::Machine::decode(&session.program, &bytes).unwrap();
    session.pick(2, vec![]);
    assert_eq!(session.replies(), ["I can help with orders."]);
}

#[test]
fn schemas_come_from_the_declared_types() {
    let session = session(DESK);
    let asked: Vec<&str> = (0..2).map(|index| session.program.schema_json(index)).collect();
    assert!(asked[0].contains(r#""enum":["calm","angry"]"#), "{}", asked[0]);
    assert!(asked[1].contains(r#""refund""#) && asked[1].contains("from 1 to 30"), "{}", asked[1]);
    let answer = serde_json::json!({ "choice": "refund", "refund": { "order": "A", "amount": { "amount": "1.00", "currency": "eur" }, "days": 31 } });
    let wrong = session.program.value_from_json(1, &answer).unwrap_err();
    assert_eq!(wrong[0].to_string(), "refund.days: must be from 1 to 30");
}
