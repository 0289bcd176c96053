// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random runs of real programs: whatever the world answers, the worst case that `check` computed is never exceeded,
//! sessions survive being put away at every step, and nothing that a checked program cannot do happens.

use blufio_lang::check::check;
use blufio_lang::compile::compile;
use blufio_lang::effect::{
    Action, Disposition, Effect, Event, Fault, ModelPurpose, Outcome, StepResult, Stop,
};
use blufio_lang::machine::Machine;
use blufio_lang::program::shape::{Shape, ShapeId};
use blufio_lang::program::{HandlerAction, Program, Trigger};
use blufio_lang::source::SourceMap;
use blufio_lang::value::{Currency, Failure, FailureKind, Message, ToolCall, Value};

use crate::litmus::environment;
use crate::teaching::{check_example, folders};

/// Xorshift (Marsaglia 2003): the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Agents of the examples with the bound that `check` computed.
pub fn programs() -> Vec<(Program, u32)> {
    let mut out = Vec::new();
    let mut add = |checked: blufio_lang::check::Checked| {
        for agent in checked.agents {
            let (mut program, diagnostics) = compile(&agent.program);
            assert!(!diagnostics.has_errors(), "{}", agent.program.name);
            // Whoever is asked makes no more calls than was proved of it.
            for (ask, proved) in program.asks.iter_mut().zip(&agent.program.asks) {
                ask.calls_max = ask.calls_max.into_iter().chain(proved.calls_bound).min();
            }
            out.push((program, agent.facts.calls_per_event.unwrap()));
        }
    };
    for folder in folders() {
        add(check_example(&folder).1);
    }
    let mut sources = SourceMap::default();
    for (name, text) in crate::examples::examples() {
        sources.add(&name, &text).unwrap();
    }
    add(check(&sources, &environment()).0);
    out
}

/// A value of a shape.
fn value(program: &Program, shape: ShapeId, random: &mut Random, depth: u32) -> Value {
    let text = |random: &mut Random| {
        Value::Text(["", "x", "seven words of no use to anybody", "ü"][random.below(4)].into())
    };
    match program.shape(shape).unwrap() {
        Shape::Text(max) => match (text(random), max) {
            (Value::Text(text), Some(max)) => {
                Value::Text(text.chars().take(*max as usize).collect::<String>().into())
            }
            (text, _) => text,
        },
        Shape::Int(low, high) => {
            let span = high.saturating_sub(*low).clamp(0, 1_000) as usize + 1;
            Value::Int((*low).max(-500).saturating_add(random.below(span) as i64).clamp(*low, *high))
        }
        Shape::Number => Value::Number(random.below(100) as f64 / 4.0),
        Shape::YesNo => Value::YesNo(random.below(2) == 1),
        Shape::Money(currency) => Value::Money(
            random.below(100_000) as i64,
            currency.unwrap_or_else(|| Currency::named("eur").unwrap()),
        ),
        Shape::Duration => Value::Duration(random.below(1_000_000) as i64),
        Shape::Moment => Value::Moment(1_700_000_000_000 + random.below(1_000_000_000) as i64),
        Shape::Date => Value::Date(20_000 + random.below(400) as i32),
        Shape::Time => Value::Time(random.below(1_440) as u32),
        Shape::Json => Value::Json("{}".into()),
        Shape::Message => Value::Message(message("asked").into()),
        Shape::List(of, max) => {
            let count = random.below((*max as usize).min(if depth > 2 { 1 } else { 9 }) + 1);
            Value::List((0..count).map(|_| value(program, *of, random, depth + 1)).collect())
        }
        Shape::Map(of, _) => Value::Map([("k".into(), value(program, *of, random, depth + 1))].into()),
        Shape::Optional(of) => {
            if random.below(3) == 0 {
                Value::None
            } else {
                value(program, *of, random, depth + 1)
            }
        }
        Shape::Record(record) => {
            Value::Record(record.members.iter().map(|f| value(program, f.shape, random, depth + 1)).collect())
        }
        Shape::Union(union) => {
            let case = random.below(union.members.len());
            let fields = &union.members[case].fields;
            Value::Variant(
                case as u32,
                fields.iter().map(|f| value(program, f.shape, random, depth + 1)).collect(),
            )
        }
        Shape::Failure | Shape::FailureKind | Shape::ToolCalls => Value::None,
    }
}

fn message(text: &str) -> Message {
    Message { inbox_id: 1, text: text.into(), sender: "Ada".into(), own_words: true }
}

fn failure(random: &mut Random) -> Outcome {
    let kind = FailureKind::ALL[random.below(FailureKind::ALL.len())];
    Outcome::Failed(Failure { kind, detail: "random".into(), until_ms: None }.into())
}

/// What the world may answer.
fn outcome(program: &Program, effect: &Effect, random: &mut Random) -> Outcome {
    if random.below(6) == 0 {
        return failure(random);
    }
    match effect {
        Effect::Model(model) if random.below(20) == 0 => {
            let _ = model;
            Outcome::OverBudget(None)
        }
        Effect::Model(model) => match &model.purpose {
            ModelPurpose::Pick { schema } | ModelPurpose::Fill { schema, .. } => {
                Outcome::Picked(value(program, program.schemas[*schema as usize].shape, random, 0))
            }
            ModelPurpose::Write => Outcome::Wrote("written".into()),
            ModelPurpose::Turn { .. } => match random.below(4) {
                0 => Outcome::Said("said".into()),
                1 => Outcome::Refused("no".into()),
                _ => Outcome::Called(
                    [ToolCall { id: "1".into(), tool: "time.now".into(), arguments: "{}".into() }].into(),
                ),
            },
        },
        Effect::Run { .. } if random.below(5) == 0 => Outcome::Uncertain,
        Effect::Run { .. } => Outcome::Ran,
        Effect::Call { grant, shape, .. } => {
            let once = program.tools[*grant as usize].effect == blufio_lang::typed::EffectClass::Once;
            if once && random.below(4) == 0 {
                Outcome::Uncertain
            } else {
                Outcome::Done(value(program, *shape, random, 0))
            }
        }
        Effect::AskAgent { shape, .. } if random.below(4) > 0 => {
            Outcome::Done(value(program, *shape, random, 0))
        }
        Effect::AskPerson { .. } if random.below(4) > 0 => Outcome::Said("an answer".into()),
        Effect::Approve { editing, .. } => match random.below(3) {
            0 => Outcome::Yes(editing.as_ref().map(|_| "corrected".into())),
            1 => Outcome::No,
            _ => Outcome::Late,
        },
        Effect::Recall { .. } => {
            Outcome::Done(Value::List(["a memory"].map(|t| Value::Text(t.into())).into()))
        }
        Effect::AskAgent { .. } | Effect::AskPerson { .. } => Outcome::Late,
    }
}

/// A session in a world that answers at random.
pub struct Run<'p> {
    program: &'p Program,
    pub machine: Machine,
    random: Random,
    now_ms: i64,
    /// Deadlines that are armed: visit, number, due.
    timers: Vec<(u64, u32, i64)>,
    /// Model calls that the last event has cost so far.
    calls: u32,
    calls_max: u32,
    /// Whether a rule may break, and the one that did.
    pub tolerates_rules: bool,
    pub broken: Option<String>,
}

impl<'p> Run<'p> {
    pub fn new(program: &'p Program, seed: u64, tolerates_rules: bool) -> Self {
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let machine = Machine::new(program);
        let (now_ms, timers) = (1_700_000_000_000, Vec::new());
        let mut run = Self {
            program,
            machine,
            random,
            now_ms,
            timers,
            calls: 0,
            calls_max: 0,
            tolerates_rules,
            broken: None,
        };
        let parameters: Vec<Value> = program.slots[..usize::from(program.parameters)]
            .iter()
            .map(|slot| value(program, slot.shape, &mut run.random, 0))
            .collect();
        let result = run.machine.start_with(program, &parameters, run.now_ms);
        run.take(&result);
        run
    }

    /// Looks at what a step did.
    fn take(&mut self, result: &StepResult) {
        for action in &result.actions {
            match action {
                Action::SetTimer { visit, timer, due_ms } => self.timers.push((*visit, *timer, *due_ms)),
                Action::ClearTimers => self.timers.clear(),
                _ => {}
            }
        }
        match &result.stop {
            Stop::Await(awaited) => {
                for fresh in awaited.iter().filter(|awaited| awaited.fresh) {
                    match &fresh.effect {
                        Effect::Model(model) => self.calls += model.retries + 1,
                        Effect::AskAgent { grant, .. } => {
                            self.calls += self.program.asks[*grant as usize].calls_max.unwrap_or(0);
                        }
                        _ => {}
                    }
                }
            }
            Stop::Fault(Fault::FailedTwice(_)) | Stop::Idle | Stop::Done(_) => {}
            Stop::Fault(Fault::RuleBroken(rule)) if self.tolerates_rules => {
                self.broken = Some(rule.to_string())
            }
            Stop::Fault(fault) => panic!("{}: {fault:?}", self.program.name),
        }
        self.calls_max = self.calls_max.max(self.calls);
    }

    /// Something that may happen now.
    fn event(&mut self) -> Event {
        let pending = self.machine.pending(self.program);
        if !pending.is_empty() && self.random.below(5) > 0 {
            let at = self.random.below(pending.len());
            let (effect, asked) = &pending[at];
            return Event::Resolved {
                effect: *effect,
                outcome: outcome(self.program, asked, &mut self.random),
            };
        }
        let wakes: Vec<u64> = self.machine.wakes().map(|(number, _)| number).collect();
        match self.random.below(8) {
            0 if !self.timers.is_empty() => {
                let (visit, timer, due_ms) = self.timers.remove(self.random.below(self.timers.len()));
                self.now_ms = self.now_ms.max(due_ms);
                Event::Timer { visit, timer }
            }
            1 if !wakes.is_empty() => Event::Wake { wake: wakes[self.random.below(wakes.len())] },
            2 if !self.program.schedules.is_empty() => {
                Event::Every(self.random.below(self.program.schedules.len()) as u32)
            }
            3 | 4 if !self.program.events.is_empty() => {
                let event = self.random.below(self.program.events.len());
                let shape = self.program.events[event].shape;
                Event::Declared {
                    event: event as u32,
                    value: value(self.program, shape, &mut self.random, 0),
                }
            }
            _ => {
                let words: Vec<&str> = self
                    .program
                    .anywhere
                    .iter()
                    .chain(self.program.states.iter().flat_map(|s| &s.handlers))
                    .filter_map(|handler| match (&handler.trigger, &handler.action) {
                        (Trigger::Word(word), HandlerAction::Run { .. }) => Some(word.as_str()),
                        _ => None,
                    })
                    .collect();
                let at = self.random.below(words.len() + 3);
                let text = words.get(at).copied().unwrap_or("some words");
                Event::Message(message(text).into())
            }
        }
    }

    /// The next thing that happens.
    pub fn step(&mut self) {
        self.now_ms += 1 + self.random.below(60_000) as i64;
        let bytes = self.machine.encode();
        let mut again = Machine::decode(self.program, &bytes).unwrap();
        assert_eq!(again.encode(), bytes);
        let event = self.event();
        let is_outside = !matches!(event, Event::Resolved { .. } | Event::Timer { .. });
        if self.machine.disposition(self.program, &event) == Disposition::Take && is_outside {
            self.calls = 0;
        }
        let result = self.machine.step(self.program, event.clone(), self.now_ms);
        assert_eq!(again.step(self.program, event, self.now_ms), result, "{}", self.program.name);
        assert_eq!(again.encode(), self.machine.encode());
        self.take(&result);
    }
}

#[test]
fn the_worst_case_is_never_exceeded_and_sessions_survive_every_wait() {
    let programs = programs();
    assert!(programs.len() >= 15);
    let (runs, steps) = if cfg!(debug_assertions) { (120, 60) } else { (6_000, 120) };
    let mut tight = Vec::new();
    for (program, bound) in &programs {
        let mut reached = 0;
        for seed in 1..=runs {
            let mut run = Run::new(program, seed, false);
            for _ in 0..steps {
                if run.machine.is_finished() || run.machine.is_parked() {
                    break;
                }
                run.step();
                assert!(
                    run.calls <= *bound,
                    "{}: {} calls, {bound} were proved (seed {seed})",
                    program.name,
                    run.calls
                );
            }
            reached = reached.max(run.calls_max);
        }
        tight.push((program.name.as_str(), *bound, reached));
    }
    let never: Vec<_> = tight.iter().filter(|(_, bound, reached)| reached < bound).collect();
    // Bounds over items of lists and over failure handlers' own failures are above what these runs meet.
    assert!(never.len() * 2 <= tight.len(), "bounds that no run reached: {never:?}");
}
