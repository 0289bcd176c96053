// SPDX-License-Identifier: MIT OR Apache-2.0
//! A path that breaks a rule, for people: as states with lines, and as a `test` block to paste that fails because of it.
//! What the path leaves to data is chosen as well as the written conditions let one see.

use super::steps::{Choice, Node, What};
use crate::effect::happening_sample;
use crate::program::civil::{print_date, print_time};
use crate::source::SourceMap;
use crate::typed::{
    Expr, ExprKind, ModelUse, OutcomeKind, Program, Request, RequestStep, Rule, RuleKind, ScheduleWhen, Step,
    StepKind, Subject, Trigger, Type, TypeId, TypeShape, Variable, Who,
};

/// Deepest nesting of values that are made up; types that contain themselves are refused elsewhere.
const DEPTH_MAX: u32 = 6;

/// `triage:41 → check_order:63`: each state with the line at which it was left, or at which the rule breaks.
pub(super) fn path(program: &Program, sources: &SourceMap, path: &[&Node<'_>]) -> String {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut entered = true;
    for node in path {
        if matches!(node.what, What::Start | What::Arrow) {
            continue;
        }
        let line = sources.position_of(node.span).map_or(0, |(_, position)| position.line);
        let name = program.states.get(node.state).map_or("", |state| state.name.as_str());
        let words = format!("{name}:{line}");
        match out.last_mut() {
            Some(last) if last.0 == node.state && !entered => last.1 = words,
            _ => out.push((node.state, words)),
        }
        entered = matches!(node.what, What::Did(Step { kind: StepKind::Go(_), .. }));
        if matches!(node.what, What::Rest { .. } | What::Wait { .. }) {
            entered = false;
        }
    }
    out.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join(" → ")
}

/// A line of a test; the fields can still be changed by what the path demands of them.
struct Line {
    before: String,
    fields: Vec<(String, String)>,
    after: String,
    /// What the value was bound to.
    bound: Option<Variable>,
}

/// A `test` block that shows the path.
pub(super) fn test(program: &Program, rule: &Rule, path: &[&Node<'_>]) -> String {
    let mut writer = Writer { program, lines: Vec::new() };
    for node in path {
        writer.node(node);
    }
    let expected = match &rule.kind {
        RuleKind::LeadsTo(_, to) => {
            to.first().map(|subject| format!("expect {}", expectation(program, subject)))
        }
        // The session is parked where the count is exceeded, and a parked session fails its test.
        RuleKind::AtMost { count: 1.., .. } => None,
        kind => super::first(kind).map(|subject| format!("expect no {}", expectation(program, subject))),
    };
    let mut out = format!("test \"{}\" {{\n", rule.text);
    for line in writer.lines {
        let fields: Vec<String> = line
            .fields
            .iter()
            .map(|(name, value)| if name.is_empty() { value.clone() } else { format!("{name}: {value}") })
            .collect();
        out.push_str(&format!("  {}{}{}\n", line.before, fields.join(", "), line.after));
    }
    if let Some(expected) = expected {
        out.push_str(&format!("  {expected}\n"));
    }
    out.push('}');
    out
}

fn expectation(program: &Program, subject: &Subject) -> String {
    let words = super::words(program, subject);
    if matches!(subject, Subject::State(_)) { format!("state {words}") } else { words }
}

struct Writer<'p> {
    program: &'p Program,
    lines: Vec<Line>,
}

impl<'p> Writer<'p> {
    fn plain(&mut self, line: impl Into<String>) {
        self.lines.push(Line { before: line.into(), fields: Vec::new(), after: String::new(), bound: None });
    }

    fn node(&mut self, node: &Node<'p>) {
        match node.what {
            What::Took(handler) => match &handler.trigger {
                Trigger::Message => self.plain("say \"hello\""),
                Trigger::Word(word) => self.plain(format!("say \"{word}\"")),
                Trigger::Wake => self.plain("wait 24h // until the wake comes due"),
                Trigger::Every(at) => {
                    let period = match self.program.schedules.get(*at as usize).map(|schedule| schedule.when)
                    {
                        Some(ScheduleWhen::Period { period_ms, .. }) => duration(period_ms),
                        _ => "24h".into(),
                    };
                    self.plain(format!("wait {period} // until the schedule fires"));
                }
                Trigger::Declared(id) => {
                    let (name, fields) = (self.type_name(*id), self.fields_of(*id));
                    self.value(format!("event {name}("), fields, ")", None);
                }
                Trigger::Channel(word) => self.plain(format!("{word} \"{}\"", happening_sample(word))),
                _ => {}
            },
            What::Raised(handler) => match handler.trigger {
                Trigger::Uncertain => self.plain("crash // while the call is under way"),
                Trigger::OverBudget => self.plain("// here the budget is used up"),
                _ => self.plain("// here the step before fails"),
            },
            What::Fired(timer) => {
                let after = match timer.after.kind {
                    ExprKind::Duration(ms) => duration(ms),
                    _ => "24h".into(),
                };
                self.plain(format!("wait {after}"));
            }
            What::Arm(step, choice) => self.arm(step, choice),
            _ => {}
        }
    }

    fn value(&mut self, before: String, fields: Vec<(String, String)>, after: &str, bound: Option<Variable>) {
        self.lines.push(Line { before, fields, after: after.into(), bound });
    }

    fn arm(&mut self, step: &'p Step, choice: Choice) {
        match (&step.kind, choice) {
            (StepKind::PickArms { ty, arms, .. }, Choice::Arm(at)) => {
                if let Some(case) = arms.get(at).and_then(|arm| arm.cases.first()) {
                    let (name, fields) = self.case(*ty, *case, 0);
                    self.picked(&name, fields, None);
                }
            }
            (StepKind::PickValue { ty, into, .. }, _) => match ty {
                Type::Named(id) if matches!(self.shape(*id), Some(TypeShape::Record(_))) => {
                    let (name, fields) = (self.type_name(*id), self.fields_of(*id));
                    self.picked(&name, fields, Some(*into));
                }
                ty => {
                    let value = self.made_up(ty, 0);
                    self.plain(format!("model picks {value}"));
                }
            },
            (StepKind::Write { .. }, _) | (StepKind::Turn { .. }, Choice::Arm(0)) => {
                self.plain("model says \"text\"")
            }
            (StepKind::Turn { .. }, Choice::Arm(1)) => self.model_calls(),
            (StepKind::Turn { .. }, _) => self.plain("// here the model declines"),
            (StepKind::Request(request), Choice::Outcome(outcome)) => self.outcome(request, outcome),
            (StepKind::Request(request), Choice::Otherwise) => self.outcome(request, OutcomeKind::Failed),
            (StepKind::Match { subject, arms, .. }, Choice::Arm(at)) => {
                if let (Some(case), Type::Named(id)) =
                    (arms.get(at).and_then(|arm| arm.cases.first()), &subject.ty)
                {
                    let (name, fields) = self.case(*id, *case, 0);
                    self.demand(subject, &written(&name, &fields));
                }
            }
            (StepKind::If { condition, .. }, Choice::Arm(at)) => {
                let line = if at == 0 {
                    "// here the condition holds"
                } else {
                    "// here the condition does not hold"
                };
                if !matches!(condition.kind, ExprKind::YesNo(_)) {
                    self.plain(line);
                }
            }
            _ => {}
        }
    }

    /// The first tool that a rule could mean is not known here: any granted one stands for it.
    fn model_calls(&mut self) {
        let Some(tool) = self.program.tools.first() else { return };
        let required = tool.parameters.iter().filter(|parameter| !matches!(parameter.ty, Type::Optional(_)));
        let fields =
            required.map(|parameter| (parameter.name.clone(), self.made_up(&parameter.ty, 0))).collect();
        self.value(format!("model calls {}(", tool.tool), fields, ")", None);
    }

    fn picked(&mut self, name: &str, fields: Vec<(String, String)>, bound: Option<Variable>) {
        if fields.is_empty() && bound.is_none() {
            self.plain(format!("model picks {name}"));
        } else {
            self.value(format!("model picks {name}("), fields, ")", bound);
        }
    }

    fn outcome(&mut self, request: &'p RequestStep, outcome: OutcomeKind) {
        let within = |within: &Option<Expr>| match within.as_ref().map(|within| &within.kind) {
            Some(ExprKind::Duration(ms)) => duration(*ms),
            _ => "24h".into(),
        };
        match (&request.request, outcome) {
            (Request::Call { grant, .. }, outcome) => self.tool(*grant, request, outcome),
            (Request::Approve { by, .. }, OutcomeKind::Yes) => self.plain(format!("{} yes", who(by))),
            (Request::Approve { by, .. }, OutcomeKind::No) => self.plain(format!("{} no", who(by))),
            (Request::AskPerson { whom, .. }, OutcomeKind::Says) => {
                self.plain(format!("{} says \"text\"", who(whom)))
            }
            (Request::Approve { within: limit, .. }, OutcomeKind::Late)
            | (Request::AskPerson { within: limit, .. }, OutcomeKind::Late)
            | (Request::AskAgent { within: limit, .. }, OutcomeKind::Late) => {
                let limit = within(limit);
                self.plain(format!("wait {limit}"));
            }
            (Request::Fill { record, model, .. }, outcome) => self.filled(*record, model, outcome),
            (Request::AskAgent { .. }, _) => {
                self.plain(format!("// here the agent answers: {}", outcome.word()))
            }
            _ => {}
        }
    }

    fn filled(&mut self, record: TypeId, _model: &ModelUse, outcome: OutcomeKind) {
        let mut fields = self.fields_of(record);
        match outcome {
            OutcomeKind::Complete => {}
            OutcomeKind::Missing => fields.truncate(1),
            _ => fields.clear(),
        }
        let name = self.type_name(record);
        self.value(format!("model picks {name}("), fields, ")", None);
    }

    fn tool(&mut self, grant: u32, request: &'p RequestStep, outcome: OutcomeKind) {
        let Some(tool) = self.program.tools.get(grant as usize) else { return };
        match outcome {
            OutcomeKind::Done => {
                let arm = request.arms.iter().find(|arm| arm.outcomes.contains(&OutcomeKind::Done));
                let bound = arm.map_or(request.into, |arm| arm.binder);
                let fields = match &tool.gives {
                    Type::Named(id) if matches!(self.shape(*id), Some(TypeShape::Record(_))) => {
                        self.fields_of(*id)
                    }
                    ty => vec![("value".to_string(), self.made_up(ty, 0))],
                };
                self.value(format!("tool {} gives (", tool.tool), fields, ")", bound);
            }
            OutcomeKind::Uncertain => self.plain("crash // while the call is under way"),
            _ => self.plain(format!("tool {} fails", tool.tool)),
        }
    }

    /// A condition further on needs a field of a value that was made up before.
    fn demand(&mut self, subject: &Expr, value: &str) {
        let mut subject = subject;
        while let ExprKind::Present(inner) | ExprKind::ToOptional(inner) = &subject.kind {
            subject = inner;
        }
        let ExprKind::Field(of, field) = &subject.kind else {
            return self.plain(format!("// here the value is {value}"));
        };
        let mut of = of.as_ref();
        while let ExprKind::Present(inner) | ExprKind::ToOptional(inner) = &of.kind {
            of = inner;
        }
        let ExprKind::Variable(variable) = of.kind else { return };
        let line = self.lines.iter_mut().rev().find(|line| line.bound == Some(variable));
        if let Some(place) = line.and_then(|line| line.fields.get_mut(*field as usize)) {
            place.1 = value.to_string();
        }
    }

    fn shape(&self, id: TypeId) -> Option<&'p TypeShape> {
        self.program.types.get(id.0 as usize).map(|ty| &ty.shape)
    }

    fn type_name(&self, id: TypeId) -> String {
        self.program.types.get(id.0 as usize).map_or_else(String::new, |ty| ty.name.clone())
    }

    fn fields_of(&self, id: TypeId) -> Vec<(String, String)> {
        match self.shape(id) {
            Some(TypeShape::Record(fields)) => {
                fields.iter().map(|field| (field.name.clone(), self.made_up(&field.ty, 1))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A case with made-up values.
    fn case(&self, id: TypeId, case: u32, depth: u32) -> (String, Vec<(String, String)>) {
        match self.shape(id) {
            Some(TypeShape::Union(cases)) => cases.get(case as usize).map_or_else(Default::default, |case| {
                let field = |f: &crate::typed::FieldDef| (f.name.clone(), self.made_up(&f.ty, depth + 1));
                (case.name.clone(), case.fields.iter().map(field).collect())
            }),
            Some(TypeShape::Alias(Type::Named(target))) if depth < DEPTH_MAX => {
                self.case(*target, case, depth + 1)
            }
            _ => Default::default(),
        }
    }

    /// A value of a type, as programs write it.
    fn made_up(&self, ty: &Type, depth: u32) -> String {
        if depth > DEPTH_MAX {
            return "none".into();
        }
        match ty {
            Type::Int(low, high) => 1.clamp(*low, *high).to_string(),
            Type::Number => "1.0".into(),
            Type::YesNo => "yes".into(),
            Type::Money(currency) => format!("1 {}", currency.map_or("eur", |currency| currency.code())),
            Type::Duration => "1h".into(),
            Type::Moment => "now".into(),
            Type::Date => print_date(20_454),
            Type::Time => print_time(540),
            Type::List(..) => "[]".into(),
            Type::Optional(_) => "none".into(),
            Type::Named(id) => match self.shape(*id) {
                Some(TypeShape::Union(_)) => {
                    let (name, fields) = self.case(*id, 0, depth);
                    written(&name, &fields)
                }
                Some(TypeShape::Record(_)) => {
                    format!("{}({})", self.type_name(*id), joined(&self.fields_of(*id)))
                }
                Some(TypeShape::Alias(target)) => self.made_up(target, depth + 1),
                None => "none".into(),
            },
            _ => "\"text\"".into(),
        }
    }
}

fn written(name: &str, fields: &[(String, String)]) -> String {
    if fields.is_empty() { name.to_string() } else { format!("{name}({})", joined(fields)) }
}

fn joined(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

fn who(who: &Who) -> String {
    match who {
        Who::Owner => "owner".into(),
        Who::Sender => "sender".into(),
        Who::Person(name) | Who::Quorum(_, name) => name.clone(),
    }
}

/// A duration as programs write it, in the largest unit that is exact.
fn duration(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(unit, _)| ms > 0 && ms % unit == 0);
    unit.map_or_else(|| format!("{}s", ms / 1_000 + 1), |(unit, word)| format!("{}{word}", ms / unit))
}
