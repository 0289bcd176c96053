// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties over random sessions and random bytes.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::front_end::{DESK, agents};
use super::{compiled, failed, message};
use crate::compile::fixture::support;
use crate::effect::{Disposition, Effect, EffectId, Event, ModelPurpose, Outcome, Stop};
use crate::machine::Machine;
use crate::program::Program;
use crate::value::{Currency, FailureKind, Value};

/// A random event: late and wrong ones included.
#[derive(Debug, Clone)]
enum Move {
    Say(u8),
    Resolve(u8),
    Late(u8),
    Timer(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0u8..4).prop_map(Move::Say),
        (0u8..6).prop_map(Move::Resolve),
        (0u8..4).prop_map(Move::Late),
        (0u8..3).prop_map(Move::Timer),
    ];
    proptest::collection::vec(one, 0..40)
}

/// A program written by hand, and one from text with locals of both files.
fn programs() -> &'static [Program; 2] {
    static PROGRAMS: OnceLock<[Program; 2]> = OnceLock::new();
    PROGRAMS.get_or_init(|| [compiled(&support()), compiled(&agents(DESK)[0])])
}

fn event(program: &Program, machine: &Machine, chosen: &Move) -> Event {
    match chosen {
        Move::Say(which) => message(["hello", "/stop", "/hurry", "/count"][usize::from(*which)]),
        Move::Timer(back) => {
            Event::Timer { visit: machine.visit().saturating_sub(u64::from(*back)), timer: 0 }
        }
        Move::Late(which) => {
            let visit = machine.visit().saturating_sub(u64::from(*which) + 1);
            Event::Resolved { effect: EffectId { visit, number: 0 }, outcome: Outcome::Ran }
        }
        Move::Resolve(which) => {
            let Some((effect, asked)) = machine.pending(program).into_iter().next() else {
                return message("hello");
            };
            let euro = Currency::named("eur").unwrap();
            let outcome = match (which, asked) {
                (0, _) => failed(FailureKind::Timeout),
                (1, _) => Outcome::Uncertain,
                (_, Effect::Model(model)) if model.purpose == ModelPurpose::Write => {
                    Outcome::Wrote("text".into())
                }
                (2, _) => Outcome::Picked(Value::Variant(
                    1,
                    [Value::Text("A7".into()), Value::Money(5, euro)].into(),
                )),
                (3, _) => Outcome::Picked(Value::Variant(2, [].into())),
                _ => Outcome::Picked(Value::Variant(0, [].into())),
            };
            Event::Resolved { effect, outcome }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// encode ∘ decode is the identity at every wait, and a session that is put away and taken back at every step does
    /// what one that stays in memory does.
    #[test]
    fn suspended_sessions_go_on_as_if_they_had_stayed(moves in moves(), which in 0usize..2) {
        let program = &programs()[which];
        let mut kept = Machine::new(program);
        kept.start(program, 0);
        let mut now = 0;
        for chosen in &moves {
            let bytes = kept.encode();
            prop_assert!(bytes.len() <= 1_024);
            let mut restored = Machine::decode(program, &bytes).unwrap();
            prop_assert_eq!(&restored.encode(), &bytes);
            prop_assert_eq!(restored.pending(program), kept.pending(program));
            now += 1_000;
            let event = event(program, &kept, chosen);
            let taken = kept.disposition(program, &event);
            prop_assert_eq!(restored.disposition(program, &event), taken);
            let before = kept.encode();
            let result = kept.step(program, event.clone(), now);
            prop_assert_eq!(&restored.step(program, event, now), &result);
            prop_assert_eq!(restored.encode(), kept.encode());
            if taken != Disposition::Take {
                prop_assert_eq!(before, kept.encode());
                prop_assert!(result.actions.is_empty());
            }
            if let Stop::Await(awaited) = &result.stop {
                let ids: Vec<EffectId> = awaited.iter().map(|awaited| awaited.id).collect();
                let pending: Vec<EffectId> = kept.pending(program).into_iter().map(|(id, _)| id).collect();
                prop_assert_eq!(ids, pending);
            }
        }
    }

    /// Results of earlier visits are stale and change nothing, whatever happens in between.
    #[test]
    fn late_results_are_stale(moves in moves(), which in 0usize..2, back in 1u64..5, number in 0u32..3) {
        let program = &programs()[which];
        let mut machine = Machine::new(program);
        machine.start(program, 0);
        for chosen in &moves {
            let event = event(program, &machine, chosen);
            machine.step(program, event, 1_000);
            let effect = EffectId { visit: machine.visit().saturating_sub(back), number };
            let late = Event::Resolved { effect, outcome: Outcome::Wrote("late".into()) };
            prop_assert_eq!(machine.disposition(program, &late), Disposition::Stale);
        }
    }

    /// Leaving while an effect is pending always cancels exactly that effect.
    #[test]
    fn leaving_cancels_what_is_pending(moves in moves(), which in 0usize..2) {
        let program = &programs()[which];
        let mut machine = Machine::new(program);
        machine.start(program, 0);
        for chosen in &moves {
            let pending = machine.pending(program).first().map(|(id, _)| *id);
            let event = event(program, &machine, chosen);
            let resolved = matches!(event, Event::Resolved { .. });
            let visit = machine.visit();
            let result = machine.step(program, event, 1_000);
            let cancelled: Vec<EffectId> = result.actions.iter().filter_map(|action| match action {
                crate::effect::Action::CancelEffect(id) => Some(*id),
                _ => None,
            }).collect();
            let left = machine.visit() != visit;
            let expected: Vec<EffectId> = pending.filter(|_| left && !resolved).into_iter().collect();
            prop_assert_eq!(cancelled, expected);
        }
    }

    #[test]
    fn decode_never_panics_on_garbage(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let program = &programs()[0];
        prop_assert!(Machine::decode(program, &bytes).is_err());
    }

    /// A damaged session is refused, or it is a session that can be stepped.
    #[test]
    fn damaged_sessions_are_refused_or_run(which in 0usize..2, at in 9usize..200, byte in any::<u8>(), cut in any::<bool>()) {
        let program = &programs()[which];
        let mut machine = Machine::new(program);
        machine.start(program, 0);
        machine.step(program, message("hello"), 1_000);
        let mut bytes = machine.encode();
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        if let Ok(mut damaged) = Machine::decode(program, &bytes) {
            prop_assert!(!cut);
            prop_assert_eq!(Machine::decode(program, &damaged.encode()).map(|m| m.encode()), Ok(damaged.encode()));
            for text in ["/hurry", "/stop", "hello"] {
                damaged.step(program, message(text), 2_000);
            }
        }
    }
}
