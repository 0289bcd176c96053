// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single steps: turns and runs, values picked, limits of one step.

use super::{Session, compiled};
use crate::compile::fixture::*;
use crate::effect::{Awaited, Effect, Event, Fault, ModelPurpose, Outcome, Stop};
use crate::machine::Machine;
use crate::program::assemble;
use crate::typed::{CompareOperator, ExprKind, StepKind, TextPart, Trigger, Type, Variable};
use crate::value::{FailureKind, ToolCall, Value};

/// `think`: the loop of an assistant with tools.
fn assistant() -> crate::typed::Program {
    let (answer, calls, why) = (Variable::Local(0), Variable::Local(1), Variable::Local(2));
    let turn = StepKind::Turn {
        stream: true,
        model: model(vec![], true, vec![]),
        says: (Some(answer), vec![reply(local(0, TEXT)), go(0)]),
        calls: Some((
            Some(calls),
            vec![step(StepKind::Run { calls: local(1, Type::ToolCalls), approved_by: None }), go(1)],
        )),
        refuses: (Some(why), vec![reply(local(2, TEXT)), go(0)]),
    };
    let think = capped(state("think", vec![step(turn)], vec![]), 3, true, 2);
    let locals = vec![
        variable("answer", TEXT, None),
        variable("calls", Type::ToolCalls, None),
        variable("why", TEXT, None),
    ];
    program(
        vec![],
        vec![
            state("idle", vec![], vec![on(Trigger::Message, None, vec![go(1)])]),
            with_locals(think, locals),
            state("give_up", vec![reply(text("I could not finish.")), go(0)], vec![]),
        ],
        vec![on(Trigger::Failed, None, vec![go(0)])],
    )
}

fn calls() -> Outcome {
    Outcome::Called([ToolCall { id: "1".into(), tool: "time.now".into(), arguments: "{}".into() }].into())
}

#[test]
fn turn_goes_through_calls_and_run_until_it_says_something() {
    let mut session = Session::start(&assistant());
    session.say("what time is it?");
    let (_, model, _) = session.asked();
    assert_eq!((model.purpose, model.history), (ModelPurpose::Turn { stream: true }, true));
    session.resolve(calls());
    let Stop::Await(awaited) = &session.last.stop else { panic!("no wait") };
    let [Awaited { effect: Effect::Run { calls, .. }, fresh: true, id }] = awaited.as_slice() else {
        panic!("no run")
    };
    assert_eq!((calls.len(), id.number), (1, 1));
    session.resolve(Outcome::Ran);
    assert_eq!((session.state(), session.machine.model_calls()), ("think", 2));
    session.resolve(Outcome::Said("Noon.".into()));
    assert_eq!((session.replies(), session.state()), (vec!["Noon."], "idle"));
}

#[test]
fn turn_refused_and_capped() {
    let mut session = Session::start(&assistant());
    session.say("x");
    session.resolve(Outcome::Refused("no".into()));
    assert_eq!(session.replies(), ["no"]);
    session.say("y");
    for _ in 0..3 {
        session.resolve(calls());
        session.resolve(Outcome::Ran);
    }
    assert_eq!((session.replies(), session.state()), (vec!["I could not finish."], "idle"));
}

#[test]
fn picked_values_of_another_type_fail_as_invalid() {
    let mut session = Session::start(&support());
    session.say("hello");
    session.resolve(Outcome::Picked(Value::Int(3)));
    assert_eq!(session.replies(), ["Failed: invalid"]);
    session.say("hello");
    session.resolve(Outcome::Wrote("text".into()));
    assert_eq!(session.replies(), ["Failed: invalid"]);
    session.say("hello");
    session.resolve(Outcome::Refused("not me".into()));
    assert_eq!(session.replies(), ["Failed: refused"]);
    session.say("hello");
    session.resolve(super::failed(FailureKind::Limited));
    assert_eq!(session.replies(), ["Failed: limited"]);
}

#[test]
fn pick_as_a_value_of_a_union_without_payload_is_a_scalar() {
    let label = Variable::Local(0);
    let pick = StepKind::PickValue {
        ty: Type::Named(LABEL),
        model: model(vec![], false, literal("Which?")),
        into: label,
    };
    let show =
        reply(parts(vec![TextPart::Literal("It is ".into()), TextPart::Value(local(0, Type::Named(LABEL)))]));
    let only = with_locals(
        state("only", vec![step(pick), show], vec![]),
        vec![variable("label", Type::Named(LABEL), None)],
    );
    let mut session = Session::start(&program(vec![], vec![only], vec![]));
    session.pick(1, vec![]);
    assert_eq!(session.replies(), ["It is praise"]);
}

#[test]
fn printing_an_empty_optional_and_a_record() {
    let record =
        expr(Type::Named(TABLE), ExprKind::Record(TABLE, vec![expr(Type::Date, ExprKind::Date(0)), int(4)]));
    let show = vec![
        reply(parts(vec![TextPart::Value(slot(0, optional(Type::Message)))])),
        reply(parts(vec![TextPart::Value(record.clone())])),
        reply(expr(TEXT, ExprKind::Print(Box::new(expr(INT, ExprKind::Field(Box::new(record), 1)))))),
    ];
    let only = state("only", show, vec![]);
    let session =
        Session::start(&program(vec![variable("asked", optional(Type::Message), None)], vec![only], vec![]));
    assert_eq!(session.replies(), ["(none)", "day: 1970-01-01, people: 4", "4"]);
}

#[test]
fn lists_and_maps_are_bounded() {
    let list = || Type::List(Box::new(INT), 2);
    let map = || Type::Map(Box::new(INT), 2);
    let add = step(StepKind::Append(Variable::Slot(0), int(5)));
    let key = parts(vec![TextPart::Value(slot(2, INT))]);
    let put = step(StepKind::PutEntry { map: Variable::Slot(1), key, value: int(9) });
    let full = on(Trigger::Failed, None, vec![reply(text("full"))]);
    let handlers = vec![on_word("/add", vec![add]), on_word("/put", vec![add_to(2, 1), put]), full];
    let slots = vec![variable("xs", list(), None), variable("m", map(), None), variable("n", INT, None)];
    let mut session = Session::start(&program(slots, vec![state("only", vec![], handlers)], vec![]));
    for _ in 0..2 {
        session.say("/add");
        session.say("/put");
        assert!(session.replies().is_empty());
    }
    for word in ["/add", "/put"] {
        session.say(word);
        assert_eq!(session.replies(), ["full"]);
    }
    assert_eq!(session.slot("xs"), Value::List([Value::Int(5), Value::Int(5)].into()));
    assert_eq!(session.slot("n"), Value::Int(2), "the failing handler is taken back");
}

#[test]
fn when_on_numbers_texts_optionals_and_conditions() {
    use crate::typed::SwitchValue;
    let on_number = step(StepKind::Switch {
        subject: slot(0, INT),
        arms: vec![(vec![SwitchValue::Int(1), SwitchValue::Int(100_000)], vec![reply(text("one or many"))])],
        otherwise: vec![reply(text("other"))],
    });
    let on_text = step(StepKind::Switch {
        subject: expr(
            TEXT,
            ExprKind::Property(Box::new(local(0, Type::Message)), crate::typed::Property::MessageText),
        ),
        arms: vec![(vec![SwitchValue::Text("yes".into())], vec![reply(text("said yes"))])],
        otherwise: vec![],
    });
    let on_optional = step(StepKind::IfSome {
        subject: slot(1, optional(INT)),
        binder: Some(Variable::Slot(0)),
        some: vec![reply(text("some"))],
        none: vec![set(Variable::Slot(1), some(int(100_000)))],
    });
    let condition = expr(
        Type::YesNo,
        ExprKind::And(
            Box::new(compare(CompareOperator::Less, slot(0, INT), int(5))),
            Box::new(expr(
                Type::YesNo,
                ExprKind::Not(Box::new(compare(CompareOperator::Equal, slot(0, INT), int(2)))),
            )),
        ),
    );
    let on_condition =
        step(StepKind::If { condition, yes: vec![reply(text("small"))], no: vec![reply(text("large"))] });
    let handler =
        on(Trigger::Message, Some(Variable::Local(0)), vec![on_number, on_text, on_optional, on_condition]);
    let only = with_locals(state("only", vec![], vec![handler]), vec![variable("m", Type::Message, None)]);
    let slots = vec![variable("n", INT, Some(int(1))), variable("maybe", optional(INT), None)];
    let mut session = Session::start(&program(slots, vec![only], vec![]));
    session.say("yes");
    assert_eq!(session.replies(), ["one or many", "said yes", "small"]);
    session.say("no");
    assert_eq!(session.replies(), ["one or many", "some", "large"]);
    assert_eq!(session.slot("n"), Value::Int(100_000));
}

#[test]
fn one_step_has_limits() {
    let looping = assemble::program("add.k s0 s0 1\njump @0", 1).unwrap();
    let mut machine = Machine::new(&looping);
    assert_eq!(machine.start(&looping, 0).stop, Stop::Fault(Fault::OutOfFuel));
    let circle =
        program(vec![], vec![state("a", vec![go(1)], vec![]), state("b", vec![go(0)], vec![])], vec![]);
    assert_eq!(Session::start(&circle).last.stop, Stop::Fault(Fault::TooManyTransitions));
}

#[test]
fn a_machine_refuses_another_program() {
    let (first, second) = (compiled(&support()), compiled(&assistant()));
    let mut machine = Machine::new(&first);
    machine.start(&first, 0);
    let event = Event::Timer { visit: 1, timer: 0 };
    assert!(matches!(machine.step(&second, event, 0).stop, Stop::Fault(Fault::Corrupt(_))));
    assert!(Machine::decode(&second, &Machine::new(&first).encode()).is_err());
}

#[test]
fn a_text_that_doubles_at_every_message_is_cut() {
    let twice = parts(vec![TextPart::Value(slot(0, TEXT)), TextPart::Value(slot(0, TEXT))]);
    let handler = on(Trigger::Message, None, vec![set(Variable::Slot(0), twice)]);
    let slots = vec![variable("t", TEXT, Some(text("é")))];
    let mut session = Session::start(&program(slots, vec![state("only", vec![], vec![handler])], vec![]));
    for _ in 0..40 {
        session.say("more");
    }
    let Value::Text(text) = session.slot("t") else { panic!("not a text") };
    assert!(text.len() < 66_000 && text.ends_with("é […]"), "{}", text.len());
}

#[test]
fn a_circle_of_states_costs_what_its_bodies_cost() {
    let body = |next| (0..5_000).map(|_| set(Variable::Slot(0), int(1))).chain([go(next)]).collect();
    let circle = program(
        vec![variable("n", INT, None)],
        vec![state("a", body(1), vec![]), state("b", body(0), vec![])],
        vec![],
    );
    assert_eq!(Session::start(&circle).last.stop, Stop::Fault(Fault::OutOfFuel));
}
