// SPDX-License-Identifier: MIT OR Apache-2.0
//! `test` blocks, run line by line. A line that expects looks at what happened since the last line that acts (`say`, an
//! event, a decision, an answer, `wait`); `model` lines answer the step that waits; a call that no `tool` line answers
//! takes the recorded answer, or a plain value of its type, as soon as the test goes on with another line.

use std::collections::BTreeSet;

use super::evaluate::{evaluate, label_of};
use super::session::{Happening, Session};
use super::world::{Given, World};
use super::{Agent, Folder, describe};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::effect::{Effect, Event, ModelPurpose, Outcome};
use crate::program::Program;
use crate::program::shape::{Shape, conforms};
use crate::source::Span;
use crate::typed::{Expected, Expr, Test, TestLine, TestLineKind, TypeId, Who};
use crate::value::{ToolCall, Value};

mod coverage;

pub use coverage::Coverage;
pub(super) use coverage::missed;

/// Code of failed tests in diagnostics.
pub const CODE: &str = "test";

/// How one test went.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Agent.
    pub agent: String,
    /// Title.
    pub name: String,
    /// Place of the title.
    pub span: Span,
    /// What is not as expected; empty when the test passed.
    pub problems: Diagnostics,
    /// `expect reply "…"` and `expect send "…"` lines whose words are others now.
    pub updates: Vec<Update>,
    /// Everything that happened.
    pub happened: Vec<Happening>,
}

impl TestResult {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// New words for an expected text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Place of the line.
    pub span: Span,
    /// What is said now, in quotes as programs write it.
    pub text: String,
}

/// How all tests went.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Tests, by agent, in the order of the source.
    pub tests: Vec<TestResult>,
    /// Arms and states that the tests took.
    pub coverage: Vec<Coverage>,
}

/// Runs the tests whose agent or title contains the filter.
pub fn run(folder: &Folder, filter: Option<&str>) -> Report {
    let mut tests = Vec::new();
    for (at, agent) in folder.agents.iter().enumerate() {
        for test in &agent.typed.tests {
            let is_wanted =
                filter.is_none_or(|words| test.name.contains(words) || agent.typed.name.contains(words));
            if is_wanted {
                tests.extend(run_one(folder, at, test));
            }
        }
    }
    let happened = tests.iter().flat_map(|test| &test.happened);
    let coverage = coverage::coverage(folder, happened);
    Report { tests, coverage }
}

/// Runs one test of an agent; `None` when there is no such agent.
pub fn run_one(folder: &Folder, agent: usize, test: &Test) -> Option<TestResult> {
    let mut runner = Runner {
        agent: folder.agents.get(agent)?,
        test,
        session: Session::new(folder, agent),
        world: World::default(),
        happened: Vec::new(),
        window: 0,
        acted: test.span,
        problems: Diagnostics::default(),
        updates: Vec::new(),
    };
    let mut last = test.span;
    for line in &test.lines {
        last = line.span;
        let going_on = runner.line(line);
        runner.collect();
        if !going_on || runner.is_parked(line.span) {
            break;
        }
    }
    runner.session.settle(&runner.world, false);
    runner.collect();
    if runner.problems.is_empty() {
        runner.is_parked(last);
    }
    Some(TestResult {
        agent: runner.agent.typed.name.clone(),
        name: test.name.clone(),
        span: test.span,
        problems: runner.problems,
        updates: runner.updates,
        happened: runner.happened,
    })
}

/// What a line answers a step with: nothing when the step is of another kind, an error when the answer does not fit.
type Answer<'a> = dyn Fn(&Program, &ModelPurpose) -> Option<Result<Outcome, String>> + 'a;

struct Runner<'f> {
    agent: &'f Agent,
    test: &'f Test,
    session: Session<'f>,
    world: World,
    happened: Vec<Happening>,
    /// Where in `happened` the last line that acts began.
    window: usize,
    /// That line.
    acted: Span,
    problems: Diagnostics,
    updates: Vec<Update>,
}

impl Runner<'_> {
    fn collect(&mut self) {
        self.happened.append(&mut self.session.take_happened());
    }

    fn problem(&mut self, span: Span, title: String, label: String) {
        let title = format!("test \"{}\": {title}", self.test.name);
        let mut diagnostic = Diagnostic::error(CODE, span, title, label);
        if self.acted != span && self.acted != self.test.span {
            diagnostic = diagnostic.also(self.acted, "since here");
        }
        self.problems.push(diagnostic);
    }

    fn is_parked(&mut self, span: Span) -> bool {
        let Some(why) = self.session.parked().map(str::to_string) else { return false };
        self.problem(span, "the session is parked".into(), why);
        true
    }

    /// One line; false when the test cannot go on.
    fn line(&mut self, line: &TestLine) -> bool {
        let quiet = matches!(
            line.kind,
            TestLineKind::ToolGives(..) | TestLineKind::ToolFails(_) | TestLineKind::Crash
        );
        if !quiet {
            self.session.settle(&self.world, false);
            self.collect();
        }
        let acts = matches!(
            line.kind,
            TestLineKind::Say(_)
                | TestLineKind::Happens(..)
                | TestLineKind::Event(..)
                | TestLineKind::Wait(_)
                | TestLineKind::Answers(..)
                | TestLineKind::Says(..)
        );
        if acts {
            self.window = self.happened.len();
            self.acted = line.span;
        }
        match self.perform(&line.kind, line.span) {
            Ok(()) => true,
            Err((title, label)) => {
                self.problem(line.span, title, label);
                false
            }
        }
    }

    fn perform(&mut self, kind: &TestLineKind, span: Span) -> Result<(), (String, String)> {
        match kind {
            TestLineKind::Say(text) => self.session.say(text),
            TestLineKind::Happens(what, text) => {
                if !self.session.happens(what, text) {
                    let title = format!("no handler waits for `{what}`");
                    return Err((title, "nothing would happen".into()));
                }
            }
            TestLineKind::Event(id, value) => self.event(*id, value)?,
            TestLineKind::ModelPicks(value) => self.model_picks(value)?,
            TestLineKind::ModelSays(text) => self.model("write` or `turn", &|_, purpose| match purpose {
                ModelPurpose::Write => Some(Ok(Outcome::Wrote(text.as_str().into()))),
                ModelPurpose::Turn { .. } => Some(Ok(Outcome::Said(text.as_str().into()))),
                _ => None,
            })?,
            TestLineKind::ModelCalls(grant, arguments) => self.model_calls(*grant, arguments)?,
            TestLineKind::ToolGives(grant, value) => {
                let (name, json) = self.tool_result(*grant, value)?;
                self.world.give(&name, Given::Gives(json));
                self.session.settle(&self.world, true);
            }
            TestLineKind::ToolFails(grant) => {
                let name = describe::tool(self.session.program(), *grant).to_string();
                self.world.give(&name, Given::Fails);
                self.session.settle(&self.world, true);
            }
            TestLineKind::Expect { negated, what } => self.expect(*negated, what, span),
            TestLineKind::Crash => self
                .session
                .crash()
                .map_err(|why| ("the session does not survive the crash".to_string(), why))?,
            TestLineKind::Wait(ms) => self.session.wait(&self.world, *ms),
            TestLineKind::Answers(who, yes) => {
                if !self.session.decide(who, *yes) {
                    let title = format!("`{}` is not asked to decide anything", describe::who(who));
                    return Err((title, self.situation()));
                }
            }
            TestLineKind::Says(who, text) => self.says(who, text)?,
        }
        Ok(())
    }

    fn situation(&self) -> String {
        format!("the session is {}", self.session.situation())
    }

    fn event(&mut self, id: TypeId, value: &Expr) -> Result<(), (String, String)> {
        let name = self.agent.typed.types.get(id.0 as usize).map_or("", |ty| ty.name.as_str());
        let program = self.session.program();
        let Some(at) = program.events.iter().position(|event| event.name == name) else {
            return Err((format!("no handler waits for `{name}`"), "nothing would happen".into()));
        };
        let value = evaluated(value, self.session.now_ms())?;
        self.session.deliver(Event::Declared { event: u32::try_from(at).unwrap_or(u32::MAX), value });
        Ok(())
    }

    /// The next step of a kind gets its answer.
    fn model(&mut self, steps: &str, answer: &Answer<'_>) -> Result<(), (String, String)> {
        let mut wrong = None;
        let found = self.session.any_open(&mut |session, at| {
            let program = session.program();
            let Some(open) = session.open.get(at) else { return false };
            let Effect::Model(model) = &open.effect else { return false };
            let id = open.id;
            match answer(program, &model.purpose) {
                None => return false,
                Some(Ok(outcome)) => session.resolve(id, outcome),
                Some(Err(why)) => wrong = Some((describe::effect(program, &open.effect), why)),
            }
            true
        });
        match (found, wrong) {
            (_, Some((step, why))) => Err((format!("the answer does not fit `{step}`"), why)),
            (true, None) => Ok(()),
            (false, None) => Err((format!("no `{steps}` waits for an answer"), self.situation())),
        }
    }

    fn model_picks(&mut self, expr: &Expr) -> Result<(), (String, String)> {
        let value = evaluated(expr, self.session.now_ms())?;
        let label = label_of(&self.agent.typed, expr);
        self.model("pick` or `fill", &|program, purpose| match purpose {
            ModelPurpose::Pick { schema } | ModelPurpose::Fill { schema, .. } => {
                Some(picked(program, *schema, label, &value).map(Outcome::Picked))
            }
            _ => None,
        })
    }

    fn model_calls(&mut self, grant: u32, arguments: &[(String, Expr)]) -> Result<(), (String, String)> {
        let program = self.session.program();
        let Some(tool) = program.tools.get(grant as usize) else { return Ok(()) };
        let mut object = serde_json::Map::new();
        for (name, expr) in arguments {
            let value = evaluated(expr, self.session.now_ms())?;
            if let Some(parameter) = tool.parameters.iter().find(|p| p.name == *name)
                && value != Value::None
            {
                object.insert(name.clone(), program.json_of_shape(parameter.shape, &value));
            }
        }
        let call = ToolCall {
            id: "call_1".into(),
            tool: tool.tool.as_str().into(),
            arguments: serde_json::Value::Object(object).to_string().into(),
        };
        self.model("turn", &|_, purpose| {
            matches!(purpose, ModelPurpose::Turn { .. }).then(|| Ok(Outcome::Called([call.clone()].into())))
        })
    }

    fn tool_result(&self, grant: u32, expr: &Expr) -> Result<(String, serde_json::Value), (String, String)> {
        let program = self.session.program();
        let value = evaluated(expr, self.session.now_ms())?;
        let name = describe::tool(program, grant).to_string();
        let shape = program.tools.get(grant as usize).and_then(|tool| tool.gives);
        match shape.filter(|shape| conforms(&program.shapes, *shape, &value)) {
            Some(shape) => Ok((name, program.json_of_shape(shape, &value))),
            None => Err((format!("this is not what `{name}` gives"), "another type".into())),
        }
    }

    fn says(&mut self, who: &Who, text: &str) -> Result<(), (String, String)> {
        if self.session.answer(who, text) {
            return Ok(());
        }
        if *who == Who::Sender {
            self.session.say(text);
            return Ok(());
        }
        Err((format!("`{}` is not asked anything", describe::who(who)), self.situation()))
    }

    fn expect(&mut self, negated: bool, what: &Expected, span: Span) {
        let recent: Vec<Happening> = self.happened.iter().skip(self.window).cloned().collect();
        let program = self.session.program();
        let found: Vec<String> = recent.iter().filter_map(|one| meets(program, what, one)).collect();
        let (is_so, name) = match what {
            Expected::State(state) => (self.session.state() == state.0, self.state_name(state.0)),
            Expected::Call(grant) => (!found.is_empty(), describe::tool(program, *grant).to_string()),
            Expected::Reply(text) => (
                !found.is_empty(),
                text.as_deref().map_or("reply".into(), |text| format!("reply {}", describe::quoted(text))),
            ),
            Expected::Sent(text) => (
                !found.is_empty(),
                text.as_deref().map_or("send".into(), |text| format!("send {}", describe::quoted(text))),
            ),
        };
        if is_so != negated {
            return;
        }
        if !negated {
            self.updates.extend(update(&recent, what, span));
        }
        let (title, label) = match (what, negated) {
            (Expected::State(_), false) => (format!("expected state `{name}`"), self.situation()),
            (Expected::State(_), true) => (format!("expected another state than `{name}`"), self.situation()),
            (_, false) => (format!("expected `{name}`"), self.instead(&recent)),
            (_, true) => (format!("expected no `{name}`"), format!("it happened: {}", found.join("; "))),
        };
        self.problem(span, title, label);
    }

    fn state_name(&self, state: u32) -> String {
        self.session.program().states.get(state as usize).map_or_else(String::new, |state| state.name.clone())
    }

    fn instead(&self, recent: &[Happening]) -> String {
        let told: Vec<String> = recent.iter().filter_map(tell).collect();
        let what = if told.is_empty() { "nothing".to_string() } else { told.join("; ") };
        format!("instead: {what}; {}", self.situation())
    }
}

fn evaluated(expr: &Expr, now_ms: i64) -> Result<Value, (String, String)> {
    evaluate(expr, now_ms).map_err(|why| ("a value of the test cannot be had".to_string(), why))
}

/// The value that a model's answer stands for, held to the type that the step asks for. A case goes by its label: the
/// step may belong to another agent.
fn picked(program: &Program, schema: u32, label: Option<&str>, value: &Value) -> Result<Value, String> {
    let shape = program.schemas.get(schema as usize).map(|schema| schema.shape);
    let Some(id) = shape else { return Err("the step asks for nothing".into()) };
    let mut value = value.clone();
    if let (Some(label), Some(Shape::Union(union)), Value::Variant(_, payload)) =
        (label, program.shape(id), &value)
    {
        let Some(case) = union.members.iter().position(|case| case.name == label) else {
            let labels: Vec<&str> = union.members.iter().map(|case| case.name.as_str()).collect();
            return Err(format!("`{label}` is none of {}", labels.join(", ")));
        };
        value = Value::Variant(u32::try_from(case).unwrap_or(u32::MAX), payload.clone());
    }
    if !conforms(&program.shapes, id, &value) {
        return Err("a value of another type".into());
    }
    let json = program.json_of_shape(id, &value);
    program
        .value_of_shape(id, &json)
        .map_err(|violations| violations.first().map(ToString::to_string).unwrap_or_default())
}

/// What happened, if it is what is expected.
fn meets(program: &Program, what: &Expected, one: &Happening) -> Option<String> {
    let is_it = match (what, one) {
        (Expected::Call(grant), Happening::Called { tool, .. }) => describe::tool(program, *grant) == tool,
        (Expected::Reply(text), Happening::Replied(said))
        | (Expected::Sent(text), Happening::Sent(_, said, _)) => {
            text.as_deref().is_none_or(|text| text == &**said)
        }
        _ => false,
    };
    if is_it { tell(one) } else { None }
}

/// A line of what happened; nothing for what programs do not see.
fn tell(one: &Happening) -> Option<String> {
    Some(match one {
        Happening::Entered { .. } | Happening::Arm { .. } | Happening::Parked(_) => return None,
        Happening::ModelAsked(step) => format!("`{step}` asked a model"),
        Happening::Called { tool, arguments } => format!("call of `{tool}` with {arguments}"),
        Happening::Replied(text) => format!("reply {}", describe::quoted(text)),
        Happening::Sent(who, text, delivery) => {
            format!("send {} {}{}", describe::who(who), describe::quoted(text), delivery.words())
        }
        Happening::Asked(who, text) => format!("{} was asked {}", describe::who(who), describe::quoted(text)),
        Happening::Dropped(text) => format!("{} was dropped", describe::quoted(text)),
        Happening::Ended => "the session ended".into(),
    })
}

/// The words that are said now, where one text is expected.
fn update(recent: &[Happening], what: &Expected, span: Span) -> Option<Update> {
    let said = |one: &Happening| match (what, one) {
        (Expected::Reply(Some(_)), Happening::Replied(said))
        | (Expected::Sent(Some(_)), Happening::Sent(_, said, _)) => Some(describe::quoted(said)),
        _ => None,
    };
    let said: BTreeSet<String> = recent.iter().filter_map(said).collect();
    let mut said = said.into_iter();
    match (said.next(), said.next()) {
        (Some(text), None) => Some(Update { span, text }),
        _ => None,
    }
}
