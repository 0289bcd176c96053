// SPDX-License-Identifier: MIT OR Apache-2.0
//! The constructs that ask more of the world than a model and a chat, on the examples as people read them.

use super::front_end::agents;
use super::{Session, failed, message};
use crate::effect::{Action, Disposition, Effect, Event, Outcome, Stop};
use crate::machine::Machine;
use crate::typed::{Delivery, Who};
use crate::value::{FailureKind, Value};

fn example(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/examples");
    std::fs::read_to_string(format!("{folder}/{name}.agent")).unwrap()
}

/// A session of one agent of all examples; what it is asked to do is looked at after every step, and it is put away
/// and taken back each time.
fn session(name: &str) -> Session {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/examples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let agents = agents(&text.join("\n=== file x.agent\n"));
    Session::start(agents.iter().find(|agent| agent.name == name).unwrap())
}

impl Session {
    /// Encodes and decodes the machine: nothing may be lost.
    fn restart(&mut self) {
        let bytes = self.machine.encode();
        let again = Machine::decode(&self.program, &bytes).unwrap();
        assert_eq!(again.encode(), bytes);
        assert_eq!(again.pending(&self.program), self.machine.pending(&self.program));
        self.machine = again;
    }

    fn effects(&self) -> Vec<Effect> {
        self.machine.pending(&self.program).into_iter().map(|(_, effect)| effect).collect()
    }

    fn effect(&mut self) -> Effect {
        self.restart();
        let mut effects = self.effects();
        assert_eq!(effects.len(), 1, "{effects:?}");
        effects.remove(0)
    }

    fn call(&mut self) -> (String, String) {
        match self.effect() {
            Effect::Call { grant, arguments, .. } => {
                (self.program.tools[grant as usize].tool.clone(), arguments.to_string())
            }
            other => panic!("not a call: {other:?}"),
        }
    }

    fn gives(&mut self, tool: &str, json: &str) {
        let Effect::Call { grant, shape, .. } = self.effect() else { panic!("not a call") };
        assert_eq!(self.program.tools[grant as usize].tool, tool);
        let value = self.program.value_of_shape(shape, &serde_json::from_str(json).unwrap()).unwrap();
        self.resolve(Outcome::Done(value));
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_refund_is_looked_up_approved_and_paid_once() {
    let mut s = session("support");
    s.say("refund order 7 please, 20 euros");
    let euro = crate::value::Currency::named("eur").unwrap();
    s.pick(1, vec![text("7"), Value::Money(2_000, euro)]);
    assert_eq!(s.replies(), ["One moment."]);
    assert_eq!(s.call(), ("orders.find".into(), r#"{"order":"7"}"#.into()));
    s.gives("orders.find", r#"{"id":"7","status":"paid"}"#);
    match s.effect() {
        Effect::Approve { by, question, deadline_ms, editing } => {
            assert_eq!((by, &*question, editing), (Who::Owner, "Refund 20.00 EUR on order 7?", None));
            assert_eq!(deadline_ms, Some(s.now_ms + 4 * 3_600_000));
        }
        other => panic!("{other:?}"),
    }
    s.resolve(Outcome::Yes(None));
    assert_eq!(
        s.call(),
        ("orders.refund".into(), r#"{"order":"7","amount":{"amount":"20.00","currency":"eur"}}"#.into())
    );
    s.resolve(Outcome::Uncertain);
    assert_eq!(s.state(), "human");
    assert!(matches!(s.effect(), Effect::AskPerson { whom: Who::Owner, .. }));
    s.resolve(Outcome::Said("I paid by hand.".into()));
    assert_eq!((s.replies(), s.state()), (vec!["I paid by hand."], "idle"));
}

#[test]
fn a_tool_that_lies_about_its_type_fails() {
    let mut s = session("support");
    s.say("refund order 7");
    let euro = crate::value::Currency::named("eur").unwrap();
    s.pick(1, vec![text("7"), Value::Money(2_000, euro)]);
    s.resolve(Outcome::Done(Value::Record([text("7"), Value::Int(5)].into())));
    assert_eq!(s.state(), "human");
}

#[test]
fn another_agent_is_asked_and_its_report_becomes_a_note() {
    let mut s = session("support");
    s.say("how long is the warranty?");
    s.pick(0, vec![]);
    s.gives("kb.search", r#"["Kettles have two years."]"#);
    s.pick(1, vec![]);
    match s.effect() {
        Effect::AskAgent { grant, arguments, deadline_ms, .. } => {
            assert_eq!(s.program.asks[grant as usize].agent, "researcher");
            assert!(matches!(&arguments[..], [Value::Message(_)]));
            assert_eq!(deadline_ms, Some(s.now_ms + 600_000));
        }
        other => panic!("{other:?}"),
    }
    s.resolve(Outcome::Done(text("Two years.")));
    assert_eq!((s.state(), s.slot("notes")), ("answer", text("Two years.")));
}

#[test]
fn an_asked_agent_begins_with_its_parameters_and_ends_with_a_value() {
    let agents = agents(&example("researcher"));
    let program = super::compiled(&agents[0]);
    let mut machine = Machine::new(&program);
    let Event::Message(question) = message("Who?") else { unreachable!() };
    assert!(
        matches!(Machine::new(&program).start(&program, 0).stop, Stop::Fault(_)),
        "parameters are missing"
    );
    machine.start_with(&program, &[Value::Message(question)], 0);
    let [(effect, Effect::Call { .. })] = &machine.pending(&program)[..] else { panic!() };
    let event = Event::Resolved { effect: *effect, outcome: Outcome::Done(text("a page")) };
    machine.step(&program, event, 1);
    let (effect, _) = machine.pending(&program).remove(0);
    let event = Event::Resolved { effect, outcome: Outcome::Wrote("Ada.".into()) };
    assert_eq!(machine.step(&program, event, 2).stop, Stop::Done(Some(text("Ada."))));
}

#[test]
fn a_form_is_filled_field_by_field_and_never_emptied() {
    let mut s = session("booking");
    s.say("a table on Friday please");
    let record = |day, at, people| Value::Record([day, at, people].into());
    s.restart();
    s.resolve(Outcome::Picked(record(Value::Date(20_000), Value::None, Value::None)));
    assert_eq!((s.replies(), s.state()), (vec!["What time?"], "wait"));
    s.say("at eight, four of us");
    s.restart();
    s.resolve(Outcome::Picked(record(Value::None, Value::Time(1_200), Value::Int(4))));
    assert_eq!(s.call(), ("calendar.free".into(), r#"{"day":"2024-10-04","at":"20:00","people":4}"#.into()));
    s.gives("calendar.free", r#"{"free":["20:00"],"near":""}"#);
    let Effect::Approve { by: Who::Sender, question, .. } = s.effect() else { panic!() };
    assert_eq!(&*question, "2024-10-04 at 20:00 for 4: shall I book it?");
    s.say("no, Saturday");
    assert!(s.last.actions.iter().any(|action| matches!(action, Action::CancelEffect(_))));
    assert_eq!(s.state(), "hear");
    s.restart();
    s.resolve(Outcome::Picked(record(Value::None, Value::None, Value::None)));
    assert_eq!(s.replies(), ["I only book tables."]);
}

#[test]
fn items_run_side_by_side_and_failed_ones_cost_only_themselves() {
    let mut s = session("tag");
    s.say("/tag");
    let tickets: Vec<String> = (0..7).map(|n| format!(r#"{{"id":"{n}","text":"t{n}"}}"#)).collect();
    s.gives("tickets.untagged", &format!("[{}]", tickets.join(",")));
    assert_eq!(s.effects().len(), 5, "five at once");
    let mut done = 0;
    while let Stop::Await(_) = &s.last.stop {
        s.restart();
        // The newest first, so that items end in another order than they began.
        let (effect, asked) = s.machine.pending(&s.program).pop().unwrap();
        let outcome = match asked {
            Effect::Model(_) if done == 2 => failed(FailureKind::Timeout),
            Effect::Model(_) => Outcome::Picked(Value::Variant(1, [].into())),
            Effect::Call { arguments, .. } => {
                assert!(arguments.contains(r#""label":"billing""#), "{arguments}");
                Outcome::Done(Value::YesNo(true))
            }
            other => panic!("{other:?}"),
        };
        done += 1;
        s.step(Event::Resolved { effect, outcome });
    }
    assert_eq!((s.replies(), s.state()), (vec!["6 labelled, 1 failed."], "idle"));
}

#[test]
fn progress_is_shown_with_the_results_so_far() {
    let mut s = session("tag");
    s.say("/tag");
    s.gives("tickets.untagged", r#"[{"id":"a","text":"x"},{"id":"b","text":"y"}]"#);
    s.pick(0, vec![]);
    let (effect, _) = s.machine.pending(&s.program).pop().unwrap();
    s.step(Event::Resolved { effect, outcome: Outcome::Done(Value::YesNo(true)) });
    assert!(s.last.actions.contains(&Action::Show("0 of 2".into())), "{:?}", s.last.actions);
}

#[test]
fn leaving_a_loop_cancels_every_item() {
    let mut s = session("tag");
    s.say("/tag");
    s.gives("tickets.untagged", r#"[{"id":"a","text":"x"},{"id":"b","text":"y"}]"#);
    s.say("/stop");
    let cancelled = s.last.actions.iter().filter(|a| matches!(a, Action::CancelEffect(_))).count();
    assert_eq!((cancelled, s.state(), &s.last.stop), (2, "idle", &Stop::Idle));
}

#[test]
fn reminders_are_kept_listed_and_delivered() {
    let mut s = session("remind");
    for minutes in [5, 3] {
        s.say("remind me");
        s.pick(0, vec![Value::Moment(minutes * 60_000), text("water")]);
    }
    s.restart();
    let due: Vec<(u64, i64)> = s.machine.wakes().collect();
    assert_eq!(due, [(0, 300_000), (1, 180_000)]);
    s.say("what is there?");
    s.pick(1, vec![]);
    assert!(s.replies()[0].contains("water"), "{:?}", s.replies());
    s.say("another");
    let event = Event::Wake { wake: 1 };
    assert_eq!(
        s.machine.disposition(&s.program, &event),
        Disposition::Hold,
        "wakes wait while a step is pending"
    );
    s.pick(3, vec![]);
    s.step(event.clone());
    assert_eq!(s.replies(), ["Reminder: water"]);
    assert_eq!(s.machine.disposition(&s.program, &event), Disposition::Stale, "a wake fires once");
    s.say("clear");
    s.pick(2, vec![]);
    assert!(s.last.actions.contains(&Action::ClearWakes) && s.machine.wakes().next().is_none());
}

#[test]
fn an_alert_arrives_is_judged_and_wakes_people_in_turn() {
    let mut s = session("oncall_desk");
    let alert = Value::Record([text("a1"), text("Disk full")].into());
    s.step(Event::Declared { event: 0, value: alert.clone() });
    s.gives("metrics.read", r#""99 %""#);
    assert_eq!(
        s.machine.disposition(&s.program, &Event::Declared { event: 0, value: alert }),
        Disposition::Hold
    );
    s.pick(0, vec![]);
    for whom in ["oncall", "oncall", "backup"] {
        match s.effect() {
            Effect::AskPerson { whom: Who::Person(name), question, .. } => {
                assert_eq!((name.as_str(), &*question), (whom, "Disk full. Reply to take it."));
            }
            other => panic!("{other:?}"),
        }
        s.resolve(Outcome::Late);
    }
    s.resolve(Outcome::Said("on it".into()));
    let sent = Action::Send(Who::Person("ops".into()), "Taken: on it".into(), Delivery::Now);
    assert!(s.last.actions.contains(&sent), "{:?}", s.last.actions);
}

#[test]
fn what_can_wait_waits_for_the_morning() {
    let mut s = session("oncall_desk");
    // 23:30 in Berlin, in winter.
    s.now_ms = 1_700_000_000_000 / 86_400_000 * 86_400_000 + (22 * 60 + 30) * 60_000;
    s.step(Event::Declared { event: 0, value: Value::Record([text("a1"), text("Slow")].into()) });
    s.gives("metrics.read", r#""80 %""#);
    s.pick(1, vec![]);
    assert_eq!(s.state(), "morning");
    let due = s.last.actions.iter().find_map(|action| match action {
        Action::SetTimer { due_ms, .. } => Some(*due_ms),
        _ => None,
    });
    let midnight = s.now_ms / 86_400_000 * 86_400_000;
    assert_eq!(due, Some(midnight + 86_400_000 + 7 * 3_600_000), "08:00 in Berlin is 07:00 UTC");
}

#[test]
fn a_schedule_fires_when_idle_and_is_skipped_while_busy() {
    let mut s = session("support");
    assert_eq!(s.program.schedules.len(), 1);
    s.say("hello");
    let every = Event::Every(0);
    assert_eq!(s.machine.disposition(&s.program, &every), Disposition::Drop);
    s.pick(3, vec![]);
    assert_eq!(s.machine.disposition(&s.program, &every), Disposition::Take);
    s.step(every);
    assert_eq!(s.call().0, "orders.overdue");
    assert_eq!(s.state(), "sweep");
    s.gives("orders.overdue", r#"["7"]"#);
    assert!(matches!(&s.last.actions[..], [Action::Send(Who::Owner, ..), ..]));
}

#[test]
fn branches_are_asked_together_and_joined() {
    let mut s = Session::start(
        &agents(
            r#"agent both v1
goal "g"
can use orders.find, metrics.read, kb.search
keep { n: int = 0 }
start state idle { on message -> ask_all }
state ask_all {
  together {
    a = call orders.find(order: "7")
    b = call metrics.read(id: "x")
  }
  reply "{a.status} {b}"
  -> idle
}
anywhere { on message hold  on failed why { reply "no: {why.kind}" -> idle } }
"#,
        )[0],
    );
    s.say("go");
    assert_eq!(s.effects().len(), 2);
    s.restart();
    let (second, _) = s.machine.pending(&s.program).pop().unwrap();
    s.step(Event::Resolved { effect: second, outcome: Outcome::Done(text("m")) });
    s.restart();
    s.gives("orders.find", r#"{"id":"7","status":"refunded"}"#);
    assert_eq!((s.replies(), s.state()), (vec!["refunded m"], "idle"));
    s.say("again");
    s.resolve(failed(FailureKind::Timeout));
    assert_eq!(s.replies(), ["no: timeout"]);
    assert_eq!(s.last.actions.iter().filter(|a| matches!(a, Action::CancelEffect(_))).count(), 1);
}

#[test]
fn an_unwanted_answer_of_a_trip_undoes_what_was_booked() {
    let mut s = session("trip");
    s.say("Rome on Friday, 300");
    let euro = crate::value::Currency::named("eur").unwrap();
    let fields = [text("Berlin"), text("Rome"), Value::Date(20_000), Value::Money(30_000, euro)];
    s.resolve(Outcome::Picked(Value::Record(fields.into())));
    s.resolve(Outcome::Yes(None));
    s.gives("flights.hold", r#"{"id":"f1","code":"LH1"}"#);
    s.resolve(failed(FailureKind::Refused));
    assert_eq!(s.call(), ("flights.cancel".into(), r#"{"id":"f1"}"#.into()));
    s.resolve(Outcome::Done(Value::YesNo(true)));
    assert_eq!(s.replies(), ["Nothing was booked: refused."]);
}

#[test]
fn a_budget_that_is_used_up_is_an_event() {
    let mut s = session("support");
    s.say("hello");
    s.resolve(Outcome::OverBudget(Some(99)));
    assert_eq!(s.state(), "human");
}

#[test]
fn values_print_in_the_agents_language_and_zone() {
    let text = |head: &str| {
        format!(
            "agent a v1\ngoal \"g\"\n{head}\nkeep {{ b: yesno = yes, o: text? }}\nstart state idle {{ on message m {{ reply \"{{b}} {{o}} {{now}}\" }} }}\n"
        )
    };
    let said = |head: &str| {
        let mut s = Session::start(&agents(&text(head))[0]);
        s.now_ms = 1_700_000_000_000;
        s.say("x");
        s.replies()[0].to_string()
    };
    assert_eq!(said(""), "yes (none) 2023-11-14T22:13:21Z");
    assert_eq!(said("language \"de-AT\"\nzone \"Europe/Berlin\""), "ja (nichts) 2023-11-14 23:13");
}
