// SPDX-License-Identifier: MIT OR Apache-2.0
// Included by the fuzz target `machine` and by the tests of blufio-lang: a stored session, then events, whatever they are.

use blufio_lang::check::{Environment, Prices, ToolInfo, check};
use blufio_lang::compile::compile;
use blufio_lang::effect::{Event, Outcome};
use blufio_lang::machine::Machine;
use blufio_lang::program::Program;
use blufio_lang::source::SourceMap;
use blufio_lang::value::{Message, Value};

/// The program whose sessions these are.
pub fn program() -> Program {
    let mut sources = SourceMap::default();
    sources.add("machine.agent", include_str!("machine.agent")).expect("small");
    let environment = Environment {
        tools: vec![ToolInfo::new("kb.search", "list max 5 of text").with("query", "text")],
        providers: vec!["anthropic".into()],
        channels: vec!["shell".into()],
        zone_exists: |_| true,
        performs: |_| true,
        prices: Prices::any(),
    };
    let (checked, diagnostics) = check(&sources, &environment);
    assert!(!diagnostics.has_errors(), "{}", blufio_lang::diagnostic::render(&diagnostics, &sources, false));
    compile(&checked.agents[0].program).0
}

/// The first byte says how much of the rest is a session, what is left are events.
pub fn run(program: &Program, data: &[u8]) {
    let Some((cut, rest)) = data.split_first() else { return };
    let (stored, moves) = rest.split_at((usize::from(*cut) * rest.len()) / 256);
    let mut bytes = Machine::new(program).encode();
    bytes.truncate(9);
    bytes.extend(stored);
    let mut machine = Machine::decode(program, &bytes).unwrap_or_else(|_| {
        let mut machine = Machine::new(program);
        machine.start(program, 0);
        machine
    });
    for (now_ms, chosen) in moves.iter().enumerate() {
        let event = event(program, &machine, *chosen);
        machine.step(program, event, now_ms as i64 * 1_000);
        let stored = machine.encode();
        let again = Machine::decode(program, &stored).expect("what a machine writes it reads");
        assert_eq!(again.encode(), stored);
    }
}

fn event(program: &Program, machine: &Machine, chosen: u8) -> Event {
    let pending = machine.pending(program);
    match (chosen % 8, pending.get(usize::from(chosen / 8) % pending.len().max(1))) {
        (0..=4, Some((effect, _))) => {
            let outcome = match chosen % 5 {
                0 => Outcome::Wrote("w".into()),
                1 => Outcome::Picked(Value::Variant(u32::from(chosen / 64), [].into())),
                2 => Outcome::Uncertain,
                3 => Outcome::Done(Value::List([Value::Text("a".into())].into())),
                _ => Outcome::Late,
            };
            Event::Resolved { effect: *effect, outcome }
        }
        (5, _) => Event::Timer { visit: machine.visit(), timer: u32::from(chosen / 64) },
        (6, _) => Event::Wake { wake: u64::from(chosen / 64) },
        _ => {
            let text = ["/all", "hello", "/stop"][usize::from(chosen / 8) % 3];
            let message = Message { inbox_id: 1, text: text.into(), sender: "s".into(), own_words: true };
            Event::Message(message.into())
        }
    }
}
