// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that the checker refuses, compiled all the same: the monitors stop the step that would break the rule.

use crate::check::{Environment, Feature, Prices, Provider, ToolInfo, ToolScope, check};
use crate::effect::{Effect, Event, Fault, Outcome, Stop};
use crate::machine::Machine;
use crate::machine::tests::{Session, message};
use crate::program::monitor::{Monitor, MonitorKind, Watched};
use crate::program::{Program, VerifyError, verify};
use crate::source::{SourceMap, Span};
use crate::typed::{self, Danger, EffectClass, Label};
use crate::value::{ToolCall, Value};

include!("../../../tests/environment.rs");

const HEAD: &str = "agent a v1
goal \"g\"
models { fast = \"anthropic/claude-haiku-5-5\" }
budget { message = 60 calls }
can use orders.refund, kb.search
context { dynamic history last 20 messages max 4000 tokens }
type Wish = question | other
type Alert = { id: text }
keep { seen: message?, n: int = 0 }
";

/// The typed program with its rules, whatever the proofs say; the codes that they gave.
fn typed(rules: &str, states: &str) -> (typed::Program, Vec<&'static str>) {
    let text =
        format!("{HEAD}rules {{ {rules} }}\n{states}\nanywhere {{ on failed or uncertain -> idle }}\n");
    let mut sources = SourceMap::default();
    sources.add("a.agent", &text).unwrap();
    let (mut checked, diagnostics) = check(&sources, &environment());
    let codes = diagnostics.iter().map(|d| d.code).collect();
    let others = diagnostics.iter().any(|d| !d.code.starts_with("E07") && !d.code.starts_with("E06"));
    assert!(!others, "{}", crate::diagnostic::render(&diagnostics, &sources, false));
    (checked.agents.remove(0).program, codes)
}

fn refused(rules: &str, states: &str) -> Session {
    let (program, codes) = typed(rules, states);
    assert!(codes.contains(&"E0702"), "the proof must fail for the monitor to be needed: {codes:?}");
    Session::start(&program)
}

fn proved(rules: &str, states: &str) -> Session {
    let (program, codes) = typed(rules, states);
    assert!(!codes.contains(&"E0702"), "{codes:?}");
    Session::start(&program)
}

impl Session {
    /// Puts the session away and takes it back.
    fn put_away(&mut self) {
        let bytes = self.machine.encode();
        self.machine = Machine::decode(&self.program, &bytes).unwrap();
        assert_eq!(self.machine.encode(), bytes);
    }

    fn broke(&self, rule: &str) -> bool {
        let broke = self.last.stop == Stop::Fault(Fault::RuleBroken(rule.into()));
        assert!(!broke || self.last.actions.is_empty(), "nothing of the step is done");
        assert!(!broke || (self.machine.is_parked() && self.machine.pending(&self.program).is_empty()));
        broke
    }
}

const APPROVAL: &str = "never orders.refund unless approved by owner";

#[test]
fn a_call_without_its_yes_is_never_asked_for() {
    let states = "start state idle { on message m -> confirm }
state confirm { approve by owner \"?\" within 1h {
  yes { call orders.refund(order: \"7\", amount: 1 eur)  reply \"a\" -> idle }
  no -> idle
  late { reply \"b\"  call orders.refund(order: \"7\", amount: 1 eur) -> idle } } }";
    let mut s = refused(APPROVAL, states);
    s.say("refund");
    s.put_away();
    s.resolve(Outcome::Yes(None));
    s.put_away();
    assert!(matches!(s.machine.pending(&s.program)[0].1, Effect::Call { .. }));
    s.resolve(Outcome::Done(Value::Record([Value::Text("7".into())].into())));
    assert_eq!((s.state(), s.replies()), ("idle", vec!["a"]));
    s.say("refund");
    s.resolve(Outcome::Late);
    assert!(s.broke(APPROVAL), "{:?}", s.last);
    s.put_away();
    assert!(matches!(s.say("more").stop, Stop::Fault(_)));
}

#[test]
fn somebody_elses_yes_and_an_old_one_do_not_count() {
    let twice = "start state idle { on message m -> confirm }
state confirm { approve by WHO \"?\" within 1h { yes -> pay  no or late -> idle } }
state pay { call orders.refund(order: \"7\", amount: 1 eur)  call orders.refund(order: \"8\", amount: 1 eur) -> idle }";
    let mut s = refused(APPROVAL, &twice.replace("WHO", "sender"));
    s.say("refund");
    s.resolve(Outcome::Yes(None));
    assert!(s.broke(APPROVAL));
    let mut s = refused(APPROVAL, &twice.replace("WHO", "owner"));
    s.say("refund");
    s.resolve(Outcome::Yes(None));
    s.put_away();
    s.resolve(Outcome::Done(Value::Record([Value::Text("7".into())].into())));
    assert!(s.broke(APPROVAL), "one yes is good for one call");
}

#[test]
fn what_a_model_wants_to_run_is_looked_at_by_name() {
    let states = "start state idle { on message m -> think }
state think max 3 per event else idle { turn using fast with history { says(t) { reply t -> idle } calls(c) { run c -> think } refuses(w) -> idle } }";
    let call = |tool: &str| {
        Outcome::Called([ToolCall { id: "1".into(), tool: tool.into(), arguments: "{}".into() }].into())
    };
    let mut s = refused(APPROVAL, states);
    s.say("go");
    s.resolve(call("kb.search"));
    assert!(matches!(s.machine.pending(&s.program)[0].1, Effect::Run { .. }));
    s.resolve(Outcome::Ran);
    s.resolve(call("orders.refund"));
    assert!(s.broke(APPROVAL));
}

#[test]
fn a_message_that_is_never_answered_parks_the_session() {
    let rule = "every message leads to reply";
    let states = "start state idle { on message m { seen = m -> work } }
state work { pick Wish using fast from seen \"?\" { question { reply \"x\" -> idle } other -> idle } }";
    let mut s = refused(rule, states);
    s.say("one");
    s.put_away();
    s.pick(0, vec![]);
    assert_eq!(s.replies(), ["x"]);
    s.say("two");
    s.pick(1, vec![]);
    assert!(s.broke(rule));
    // A wait that nothing ends owes for ever.
    let mut s = refused(
        rule,
        "start state idle { on message m { approve by owner \"?\" { yes { reply \"y\" } no { reply \"n\" } } } }",
    );
    s.say("one");
    assert!(s.broke(rule));
    // A deadline may still bring the answer; when it is spent, nothing will.
    let nap = "start state idle { on message m -> nap  on \"/hi\" { reply \"hi\" } }\nstate nap { after 5m { n = 1 } }";
    let mut s = refused(rule, nap);
    s.say("one");
    assert_eq!(s.last.stop, Stop::Idle);
    let visit = s.machine.visit();
    s.step(Event::Timer { visit, timer: 0 });
    assert!(s.broke(rule));
}

#[test]
fn counts_begin_again_where_the_rule_says_so() {
    let states =
        "start state idle { on message m { reply \"1\"  when n > 0 { yes { reply \"2\" } }  n = 1 } }";
    let mut s = refused("at most 1 reply per event", states);
    s.say("one");
    s.put_away();
    assert_eq!(s.last.stop, Stop::Idle);
    s.say("two");
    assert!(s.broke("at most 1 reply per event"));
    let mut s = refused("at most 2 reply per session", "start state idle { on message m { reply \"1\" } }");
    for _ in 0..2 {
        s.say("x");
        s.put_away();
        assert_eq!(s.last.stop, Stop::Idle);
    }
    s.say("three");
    assert!(s.broke("at most 2 reply per session"));
}

#[test]
fn something_must_have_come_before() {
    let rule = "never send unless work";
    let states = "start state idle { on message m -> work  on Alert a { send owner \"x\" } }\nstate work { send owner \"y\" -> idle }";
    let mut s = refused(rule, states);
    s.say("one");
    s.put_away();
    s.step(Event::Declared { event: 0, value: Value::Record([Value::Text("1".into())].into()) });
    assert_eq!(s.last.stop, Stop::Idle, "a state was there before");
    let mut s = refused(rule, states);
    s.step(Event::Declared { event: 0, value: Value::Record([Value::Text("1".into())].into()) });
    assert!(s.broke(rule));
}

#[test]
fn a_proved_program_is_never_stopped() {
    let states = "start state idle { on message m { seen = m -> work } }
state work { pick Wish using fast from seen \"?\" { question { reply \"x\" -> idle } other { reply \"y\" -> idle } } }";
    let mut s = proved("at most 1 reply per event  never reply unless work", states);
    for case in [0, 1, 0] {
        s.say("hello");
        s.put_away();
        s.pick(case, vec![]);
        assert_eq!((s.last.stop.clone(), s.replies().len()), (Stop::Idle, 1));
    }
    let before = s.machine.encode().len();
    let mut without = Session::start(&typed("", states).0);
    without.step(message("hello"));
    without.pick(0, vec![]);
    assert!(before <= without.machine.encode().len() + 4, "a byte per rule");
}

#[test]
fn monitors_survive_as_bytes_and_name_what_exists() {
    let (source, _) = typed(
        "never orders.refund unless approved by owner  never reply unless confirm  every message leads to reply or confirm  at most 3 reply per event",
        "start state idle { on message m -> confirm }\nstate confirm { approve by owner \"?\" within 1h { yes { call orders.refund(order: \"7\", amount: 1 eur)  reply \"x\" -> idle } no or late -> idle } }",
    );
    let (program, _) = crate::compile::compile(&source);
    assert_eq!(program.monitors.len(), 4);
    assert_eq!(Program::from_bytes(&program.to_bytes()).unwrap().monitors, program.monitors);
    let wrong = |kind: MonitorKind| {
        let mut program = program.clone();
        program.monitors = vec![Monitor { kind, text: "x".into(), span: Span::default() }];
        verify(&program)
    };
    let table = |what, index| Err(VerifyError::Table { table: "a rule", what, index });
    let count = |what| MonitorKind::AtMost { what, count: 1, per_event: true };
    assert_eq!(wrong(count(Watched::Tool(2))), table("tool", 2));
    assert_eq!(wrong(count(Watched::State(9))), table("state", 9));
    assert_eq!(wrong(count(Watched::Declared(0))), table("event", 0));
    assert_eq!(wrong(MonitorKind::Approved { what: Watched::Reply, by: vec![7] }), table("person", 7));
    let rests = MonitorKind::LeadsTo { what: Watched::Message, to: vec![], rests: vec![5] };
    assert_eq!(wrong(rests), table("state", 5));
}
