// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rulings that the machine decides.

use super::{Session, failed, message};
use crate::compile::fixture::*;
use crate::effect::{Action, Disposition, Event, Fault, Outcome, Stop};
use crate::typed::{ArithmeticOperator, Delivery, HandlerAction, Trigger, Variable, Who};
use crate::value::{FailureKind, Value};

#[test]
fn start_computes_slots_and_enters_the_start_state() {
    let session = Session::start(&support());
    assert_eq!(session.last.stop, Stop::Idle);
    let armed = Action::SetTimer { visit: 1, timer: 0, due_ms: 1_000 + 30 * 60_000 };
    assert_eq!(session.last.actions, [Action::Moved { from: None, to: 0 }, armed]);
    assert_eq!(session.slot("order"), Value::Text("".into()));
    assert_eq!(session.slot("answered"), Value::Int(0));
}

#[test]
fn ruling_1_runs_to_completion_up_to_the_pending_effect() {
    let mut session = Session::start(&support());
    session.say("where is my order?");
    assert_eq!(session.state(), "triage");
    let (id, model, fresh) = session.asked();
    assert!(fresh);
    assert_eq!((id.visit, id.number), (2, 0));
    assert_eq!(model.instruction.as_ref(), "What is wanted?");
    session.pick(0, vec![]);
    assert_eq!(session.state(), "answer");
    assert_eq!(session.machine.model_calls(), 2);
    session.resolve(Outcome::Wrote("On its way.".into()));
    assert_eq!(session.replies(), ["On its way."]);
    assert_eq!((session.state(), &session.last.stop), ("idle", &Stop::Idle));
    assert_eq!(session.slot("answered"), Value::Int(1));
}

#[test]
fn ruling_1_quick_handler_runs_while_an_effect_is_pending_and_the_effect_stays_as_asked() {
    let mut session = Session::start(&support());
    session.say("hello");
    let before = session.machine.pending(&session.program);
    assert_eq!(session.machine.disposition(&session.program, &message("/hurry up")), Disposition::Take);
    session.say("/hurry up");
    assert_eq!(session.replies(), ["Noted."]);
    let (_, model, fresh) = session.asked();
    assert!(!fresh);
    assert_eq!(session.slot("notes"), Value::Text("in a hurry".into()));
    assert_eq!(model.from[1].1.as_ref(), "", "the value named when the model was asked");
    assert_eq!(session.machine.pending(&session.program), before);
}

#[test]
fn ruling_1_handler_that_would_wait_itself_is_held_while_an_effect_is_pending() {
    let ask = step(crate::typed::StepKind::Write {
        model: model(vec![], false, literal("Say something.")),
        into: Variable::Local(0),
    });
    let asking = with_locals(
        state("asking", vec![], vec![on(Trigger::Message, None, vec![ask])]),
        vec![variable("out", TEXT, None)],
    );
    let mut session = Session::start(&program(vec![], vec![asking], vec![]));
    session.say("one");
    assert!(session.asked().2);
    assert_eq!(session.machine.disposition(&session.program, &message("two")), Disposition::Hold);
    let before = session.machine.encode();
    session.say("two");
    assert_eq!(session.machine.encode(), before, "an event that is not taken changes nothing");
    session.resolve(Outcome::Wrote("done".into()));
    assert_eq!(session.machine.disposition(&session.program, &message("two")), Disposition::Take);
}

#[test]
fn ruling_1_leaving_cancels_and_the_late_result_is_stale() {
    let mut session = Session::start(&support());
    session.say("hello");
    let (id, _, _) = session.asked();
    session.say("/stop");
    assert_eq!(session.state(), "idle");
    assert!(session.last.actions.contains(&Action::CancelEffect(id)));
    let late = Event::Resolved { effect: id, outcome: Outcome::Picked(Value::Variant(0, [].into())) };
    assert_eq!(session.machine.disposition(&session.program, &late), Disposition::Stale);
    let before = session.machine.encode();
    session.step(late);
    assert_eq!((session.machine.encode(), session.state()), (before, "idle"));
}

#[test]
fn ruling_2_hold_join_and_drop_leave_the_event_to_the_mailbox() {
    let joining = state("joining", vec![], vec![keep(Trigger::Message, HandlerAction::Join)]);
    let dropping = state("dropping", vec![], vec![keep(Trigger::Message, HandlerAction::Drop)]);
    for (first, expected) in [(joining, Disposition::Join), (dropping, Disposition::Drop)] {
        let session = Session::start(&program(vec![], vec![first], vec![]));
        assert_eq!(session.machine.disposition(&session.program, &message("x")), expected);
    }
    let mut session = Session::start(&support());
    session.say("hello");
    assert_eq!(session.machine.disposition(&session.program, &message("more")), Disposition::Hold);
    let deaf = Session::start(&program(vec![], vec![state("deaf", vec![], vec![])], vec![]));
    assert_eq!(deaf.machine.disposition(&deaf.program, &message("x")), Disposition::Drop);
}

#[test]
fn ruling_3_arrow_to_itself_leaves_and_enters_again() {
    let again = on_word("/again", vec![go(0)]);
    let stay = on_word("/stay", vec![set(Variable::Local(0), int(5))]);
    let only = after(state("only", vec![], vec![again, stay]), minutes(1), vec![]);
    let only = with_locals(only, vec![variable("n", INT, None)]);
    let mut session = Session::start(&program(vec![], vec![only], vec![]));
    session.say("/stay");
    assert_eq!(
        (session.machine.visit(), session.last.actions.len()),
        (1, 0),
        "a handler without an arrow stays, timers run"
    );
    let kept = session.machine.encode();
    session.say("/again");
    assert_eq!(session.machine.visit(), 2);
    let due_ms = session.now_ms + 60_000;
    let expected = [
        Action::ClearTimers,
        Action::Moved { from: Some(0), to: 0 },
        Action::SetTimer { visit: 2, timer: 0, due_ms },
    ];
    assert_eq!(session.last.actions, expected);
    session.say("/stay");
    assert_ne!(session.machine.encode(), kept);
    let old = Event::Timer { visit: 1, timer: 0 };
    assert_eq!(session.machine.disposition(&session.program, &old), Disposition::Stale);
}

#[test]
fn ruling_3_locals_end_when_the_state_is_left() {
    let show =
        on_word("/show", vec![reply(expr(TEXT, crate::typed::ExprKind::Print(Box::new(local(0, INT)))))]);
    let stay = on_word("/set", vec![set(Variable::Local(0), int(5))]);
    let only = state("only", vec![], vec![show, stay, on_word("/again", vec![go(0)])]);
    let only = with_locals(only, vec![variable("n", INT, None)]);
    let mut session = Session::start(&program(vec![], vec![only], vec![]));
    session.say("/set");
    session.say("/show");
    assert_eq!(session.replies(), ["5"]);
    session.say("/again");
    session.say("/show");
    assert_eq!(session.replies(), ["0"]);
}

#[test]
fn ruling_4_messages_named_in_from_are_told_apart() {
    let mut session = Session::start(&support());
    session.say("hello");
    let (_, model, _) = session.asked();
    assert_eq!(model.from_messages, [7]);
    assert_eq!((model.from[0].0.as_ref(), model.from[0].1.as_ref()), ("asked", "hello"));
    assert!(model.history);
}

#[test]
fn ruling_5_payload_named_like_slots_assigns_them() {
    let mut session = Session::start(&support());
    session.say("my money back");
    let euro = crate::value::Currency::named("eur").unwrap();
    session.pick(1, vec![Value::Text("A7".into()), Value::Money(2_000, euro)]);
    assert_eq!(session.replies(), ["One moment."]);
    assert!(session.last.actions.contains(&Action::Send(
        Who::Owner,
        "Refund of 20.00 EUR for A7".into(),
        Delivery::Now
    )));
    assert_eq!((session.slot("order"), session.state()), (Value::Text("A7".into()), "idle"));
}

#[test]
fn ruling_6_failing_handler_is_taken_back_whole() {
    let divide = set(Variable::Slot(0), calculate(ArithmeticOperator::Divide, int(1), slot(1, INT)));
    let breaking = on_word("/break", vec![add_to(0, 5), reply(text("never seen")), divide]);
    let why = on(
        Trigger::Failed,
        Some(Variable::Local(0)),
        vec![reply(expr(TEXT, crate::typed::ExprKind::Print(Box::new(kind_of_failure()))))],
    );
    let mut source = program(
        vec![variable("n", INT, Some(int(1))), variable("zero", INT, None)],
        vec![state("only", vec![], vec![breaking])],
        vec![why],
    );
    source.anywhere_locals = vec![variable("why", Type::Failure, None)];
    let mut session = Session::start(&source);
    session.say("/break");
    assert_eq!(session.replies(), ["arithmetic"]);
    assert_eq!((session.slot("n"), session.machine.visit()), (Value::Int(1), 1));
}

#[test]
fn overflow_division_by_zero_and_mixed_currencies_fail_with_arithmetic() {
    use crate::typed::ExprKind;
    let dollars = expr(Type::Money(None), ExprKind::Money(1, crate::value::Currency::named("usd").unwrap()));
    let any = |e: Expr| Expr { ty: Type::Money(None), ..e };
    let bad = [
        (0, calculate(ArithmeticOperator::Add, slot(0, INT), int(i64::MAX))),
        (0, calculate(ArithmeticOperator::Remainder, slot(0, INT), int(0))),
        (1, calculate(ArithmeticOperator::Add, any(euros(5)), dollars)),
    ];
    for (index, value) in bad {
        let own = on(Trigger::Failed, None, vec![reply(text("caught"))]);
        let handler = on(Trigger::Message, None, vec![set(Variable::Slot(index), value)]);
        let slots =
            vec![variable("n", INT, Some(int(1))), variable("m", Type::Money(None), Some(any(euros(1))))];
        let mut session =
            Session::start(&program(slots, vec![state("only", vec![], vec![handler, own])], vec![]));
        session.say("go");
        assert_eq!(session.replies(), ["caught"]);
        assert_eq!(session.slot("n"), Value::Int(1));
    }
}

#[test]
fn ruling_8_failure_goes_to_the_state_before_anywhere() {
    let mut source = support();
    source.states[1].handlers.push(on(Trigger::Failed, None, vec![reply(text("triage failed")), go(4)]));
    let mut session = Session::start(&source);
    session.say("hello");
    session.resolve(failed(FailureKind::Timeout));
    assert_eq!((session.replies().remove(0), session.state()), ("triage failed", "human"));
}

#[test]
fn ruling_8_failure_in_the_target_of_a_failure_handler_parks() {
    let mut source = support();
    // `anywhere on failed` leads to `answer`, which asks a model again.
    source.anywhere[3] = on(Trigger::Failed, Some(Variable::Local(0)), vec![go(2)]);
    let mut session = Session::start(&source);
    session.say("hello");
    session.resolve(failed(FailureKind::Broken));
    assert_eq!(session.state(), "answer");
    session.resolve(failed(FailureKind::Broken));
    assert!(
        matches!(&session.last.stop, Stop::Fault(Fault::FailedTwice(why)) if why.kind == FailureKind::Broken)
    );
    assert!(session.machine.is_parked());
    assert_eq!(session.machine.disposition(&session.program, &message("x")), Disposition::Hold);
}

#[test]
fn ruling_8_the_next_event_is_not_the_target_any_more() {
    let mut session = Session::start(&support());
    for _ in 0..3 {
        session.say("hello");
        session.resolve(failed(FailureKind::Broken));
        assert_eq!((session.replies(), session.state()), (vec!["Failed: broken"], "idle"));
    }
}

#[test]
fn failures_and_uncertainty_that_nobody_takes_park() {
    let mut source = support();
    source.anywhere.truncate(3);
    let mut session = Session::start(&source);
    session.say("hello");
    session.resolve(failed(FailureKind::Denied));
    assert!(matches!(session.last.stop, Stop::Fault(Fault::Unhandled(_))));
    let mut session = Session::start(&source);
    session.say("hello");
    session.resolve(Outcome::Uncertain);
    assert_eq!(session.last.stop, Stop::Fault(Fault::UnhandledUncertain));
    let mut session = Session::start(&support());
    session.say("hello");
    session.resolve(Outcome::Uncertain);
    assert_eq!((session.state(), session.replies()), ("human", vec!["A human will answer."]));
}

#[test]
fn ruling_9_deadlines_fire_once_and_may_cancel_the_pending_step() {
    let mut session = Session::start(&support());
    let first = Event::Timer { visit: 1, timer: 0 };
    session.step(first.clone());
    assert_eq!((session.replies(), session.state()), (vec!["Still here."], "idle"));
    assert_eq!(session.machine.disposition(&session.program, &first), Disposition::Stale);
    session.say("hello");
    let (id, _, _) = session.asked();
    session.step(Event::Timer { visit: 2, timer: 0 });
    assert_eq!(session.state(), "human");
    assert!(session.last.actions.contains(&Action::CancelEffect(id)));
    let unknown = Event::Timer { visit: session.machine.visit(), timer: 9 };
    assert_eq!(session.machine.disposition(&session.program, &unknown), Disposition::Stale);
}

#[test]
fn ruling_10_counters_per_event_reset_at_messages_only() {
    let counted = after(
        capped(state("counted", vec![], vec![on(Trigger::Message, None, vec![go(0)])]), 2, true, 1),
        minutes(1),
        vec![go(0)],
    );
    let over = state("over", vec![], vec![on(Trigger::Message, None, vec![go(0)])]);
    let mut session = Session::start(&program(vec![], vec![counted, over], vec![]));
    for _ in 0..5 {
        session.say("again");
        assert_eq!(session.state(), "counted");
    }
    let visit = session.machine.visit();
    session.step(Event::Timer { visit, timer: 0 });
    assert_eq!(session.state(), "counted");
    session.step(Event::Timer { visit: visit + 1, timer: 0 });
    assert_eq!(session.state(), "over", "the third visit since the message goes to `else`");
    session.say("again");
    assert_eq!(session.state(), "counted");
}

#[test]
fn caps_per_session_never_reset_and_capped_circles_park() {
    let once = capped(state("once", vec![], vec![on(Trigger::Message, None, vec![go(0)])]), 1, false, 1);
    let over = state("over", vec![], vec![on(Trigger::Message, None, vec![go(0)])]);
    let mut session = Session::start(&program(vec![], vec![once, over], vec![]));
    for _ in 0..3 {
        session.say("again");
        assert_eq!(session.state(), "over");
    }
    let a = capped(state("a", vec![], vec![on(Trigger::Message, None, vec![go(0)])]), 1, false, 1);
    let b = capped(state("b", vec![], vec![]), 0, false, 0);
    let mut session = Session::start(&program(vec![], vec![a, b], vec![]));
    session.say("x");
    assert_eq!(session.last.stop, Stop::Fault(Fault::TooManyTransitions));
}

#[test]
fn exact_words_beat_message_and_the_state_beats_anywhere() {
    let own = vec![
        on(Trigger::Message, None, vec![reply(text("state message"))]),
        on_word("/a", vec![reply(text("state /a"))]),
    ];
    let anywhere = vec![
        on_word("/a", vec![reply(text("anywhere /a"))]),
        on_word("/b", vec![reply(text("anywhere /b"))]),
        on(Trigger::Message, None, vec![reply(text("anywhere message"))]),
    ];
    let mut session = Session::start(&program(vec![], vec![state("only", vec![], own)], anywhere));
    for (said, answer) in
        [("/a now", "state /a"), ("/b", "anywhere /b"), ("/c", "state message"), ("x /a", "state message")]
    {
        session.say(said);
        assert_eq!(session.replies(), [answer], "{said}");
    }
}

#[test]
fn ruling_15_done_ends_the_session() {
    let last = on(Trigger::Message, None, vec![step(crate::typed::StepKind::Done(Some(int(3))))]);
    let mut session = Session::start(&program(vec![], vec![state("only", vec![], vec![last])], vec![]));
    session.say("x");
    assert_eq!(session.last.stop, Stop::Done(Some(Value::Int(3))));
    assert!(session.machine.is_finished());
    assert_eq!(session.last.actions, [Action::ClearTimers]);
    assert_eq!(session.machine.disposition(&session.program, &message("next")), Disposition::Hold);
}

#[test]
fn a_restart_rebuilds_the_pending_effect() {
    let mut session = Session::start(&support());
    session.say("hello");
    let bytes = session.machine.encode();
    let program = crate::program::Program::from_bytes(&session.program.to_bytes()).unwrap();
    let again = super::Machine::decode(&program, &bytes).unwrap();
    assert_eq!(again.pending(&program), session.machine.pending(&session.program));
    assert_eq!(again.pending(&program)[0].0, session.asked().0);
}

use crate::typed::{Expr, Type};
