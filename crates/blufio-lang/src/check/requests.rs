// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps that ask the world: tools, people, other agents, memory.

mod several;

use super::arms::{CheckedArm, Outcome};
use super::expressions::written_ms;
use super::scope::Checker;
use super::{Construct, report};
use crate::ast::{self, StepKind as Written};
use crate::source::Span;
use crate::typed::{
    Delivery, EffectClass, Expr, ExprKind, MemoryScope, OutcomeArm, OutcomeKind, Request, RequestStep, Step,
    StepKind, TextPart, Type, Variable, Who,
};

/// Most results of `recall`.
const RECALL_MAX: u32 = 50;

/// A request before its arms are looked at.
struct Asked {
    request: Request,
    /// What `done` or `says` gives; nothing for decisions.
    gives: Type,
    /// Outcomes in the order of their arms, with whether some arm must take each.
    outcomes: Vec<(OutcomeKind, Outcome)>,
}

fn outcome(kind: OutcomeKind, payload: Vec<Type>, required: bool) -> (OutcomeKind, Outcome) {
    (kind, Outcome { name: kind.word().into(), payload, required })
}

impl Checker<'_> {
    /// Checks a step of these kinds; with a target its value is assigned behind it.
    pub fn request_step(
        &mut self,
        written: &ast::Step,
        target: Option<&ast::Place>,
        out: &mut Vec<Step>,
    ) -> StepKind {
        let span = written.span;
        match &written.kind {
            Written::Call(call) => {
                let asked = self.call(call, span);
                self.finish(asked, call.arms.as_deref(), call.otherwise.as_ref(), target, "`call`", span, out)
            }
            Written::Ask(ask) => {
                let asked = self.ask(ask, span);
                self.finish(asked, ask.arms.as_deref(), ask.otherwise.as_ref(), target, "`ask`", span, out)
            }
            Written::Approve(approve) => {
                let asked = self.approve(approve, span);
                self.finish(asked, Some(&approve.arms), None, target, "`approve`", span, out)
            }
            Written::Fill(fill) => {
                let asked = self.fill(fill, span);
                self.finish(asked, Some(&fill.arms), None, target, "`fill`", span, out)
            }
            Written::Recall { query, scope, top } => {
                let asked = self.recall(query, scope.as_ref(), top.as_ref(), span);
                self.finish(Some(asked), None, None, target, "`recall`", span, out)
            }
            Written::Each(each) => self.each(each, target, span, out),
            Written::Together(steps) => self.together(steps, span),
            _ => StepKind::Error,
        }
    }

    /// Arms, `else` and the value of a request.
    #[allow(clippy::too_many_arguments, reason = "the parts of one step")]
    fn finish(
        &mut self,
        asked: Option<Asked>,
        arms: Option<&[ast::Arm]>,
        otherwise: Option<&ast::ArmBody>,
        target: Option<&ast::Place>,
        what: &str,
        span: Span,
        out: &mut Vec<Step>,
    ) -> StepKind {
        let asked = asked.unwrap_or_else(|| Asked {
            request: Request::Recall {
                query: Expr { ty: Type::Unknown, kind: ExprKind::Error, span },
                scope: MemoryScope::Person,
                top: 0,
            },
            gives: Type::Unknown,
            outcomes: [
                OutcomeKind::Done,
                OutcomeKind::Says,
                OutcomeKind::Late,
                OutcomeKind::Failed,
                OutcomeKind::Uncertain,
            ]
            .map(|kind| outcome(kind, vec![Type::Unknown], false))
            .into(),
        });
        let outcomes: Vec<Outcome> = asked.outcomes.iter().map(|(_, o)| o.clone()).collect();
        let checked = arms.map(|arms| self.arms(what, &outcomes, arms));
        if let Some(checked) = &checked {
            self.require_all(&format!("this {what}"), &outcomes, checked, span);
        }
        let (mut typed_arms, mut rest) = (Vec::new(), None);
        for arm in checked.into_iter().flatten() {
            if arm.is_else {
                rest = Some(arm.steps.clone());
            }
            typed_arms.extend(outcome_arm(arm, &asked.outcomes));
        }
        let rest = rest.or_else(|| otherwise.map(|body| self.block(&body.steps)));
        let mut step =
            RequestStep { request: asked.request, arms: typed_arms, into: None, otherwise: rest, span };
        let Some(target) = target else { return StepKind::Request(step) };
        let (into, pass_on) = self.value_target(target, &asked.gives);
        step.into = Some(into);
        match pass_on {
            None => StepKind::Request(step),
            Some(pass_on) => {
                out.push(Step { kind: StepKind::Request(step), span });
                pass_on.kind
            }
        }
    }

    fn call(&mut self, call: &ast::CallStep, span: Span) -> Option<Asked> {
        self.needs(Construct::Call, "`call`", span);
        let (grant, arguments) = self.invocation(&call.invocation)?;
        let tool = self.tools[grant as usize].clone();
        let retries = call.retry.as_ref().map_or(0, |r| r.node);
        if let Some(retry) = &call.retry
            && tool.effect == EffectClass::Once
        {
            let title = format!("`{}` must not be repeated", tool.tool);
            self.push(report::missing_part::report(
                &title,
                retry.span,
                "leave `retry` out: its manifest says `once`",
            ));
        }
        let gives = tool.gives.clone();
        let outcomes = vec![
            outcome(OutcomeKind::Done, vec![gives.clone()], true),
            outcome(OutcomeKind::Failed, vec![Type::Failure], false),
            outcome(OutcomeKind::Uncertain, Vec::new(), false),
        ];
        Some(Asked { request: Request::Call { grant, arguments, retries }, gives, outcomes })
    }

    /// A granted tool and its arguments, in the manifest's order.
    pub fn invocation(&mut self, invocation: &ast::ToolInvocation) -> Option<(u32, Vec<(String, Expr)>)> {
        let name = &invocation.tool;
        let grant = match self.grants.get(&name.node) {
            Some(Some(grant)) => *grant,
            known => {
                if known.is_none() {
                    let near = report::nearest(&name.node, self.grants.keys().map(String::as_str))
                        .map(str::to_string);
                    self.push_unknown(report::unknown_tool::report(&name.node, name.span, near.as_deref()));
                }
                for argument in &invocation.arguments {
                    self.expr(&argument.value, None);
                }
                return None;
            }
        };
        let fields: Vec<crate::typed::FieldDef> = self.tools[grant as usize]
            .parameters
            .iter()
            .map(|p| crate::typed::FieldDef { name: p.name.clone(), doc: None, ty: p.ty.clone() })
            .collect();
        let values = self.arguments(&name.node, &fields, &invocation.arguments, invocation.span);
        Some((grant, fields.into_iter().map(|f| f.name).zip(values).collect()))
    }

    fn within(&mut self, within: Option<&ast::Expr>) -> Option<Expr> {
        within.map(|written| {
            let within = self.expect(written, &Type::Duration);
            if written_ms(&within).is_some_and(|ms| ms <= 0) {
                self.push(report::bad_bounds::report("`within 0s` is late at once", within.span));
            }
            within
        })
    }

    fn ask(&mut self, ask: &ast::AskStep, span: Span) -> Option<Asked> {
        let within = self.within(ask.within.as_ref());
        let is_late = within.is_some();
        let tail = |gives: &Type, answer| {
            vec![
                outcome(answer, vec![gives.clone()], true),
                outcome(OutcomeKind::Failed, vec![Type::Failure], false),
                outcome(OutcomeKind::Late, Vec::new(), is_late),
            ]
        };
        let Some(arguments) = &ask.arguments else {
            self.needs(Construct::AskPerson, "`ask` of a person", span);
            let question = match &ask.question {
                Some(question) => self.text(question),
                None => {
                    self.push(report::missing_part::report(
                        "`ask` has no question",
                        span,
                        "say in quotes what you ask",
                    ));
                    Expr { ty: Type::Text(None), kind: ExprKind::Error, span }
                }
            };
            if ask.here || ask.with.is_some() {
                self.push(report::type_mismatch::report(
                    "an agent before `here` and `with`",
                    "a person",
                    ask.whom.span,
                ));
            }
            let whom = self.who(&ast::Who::One(ask.whom.clone()))?;
            let gives = Type::Text(None);
            return Some(Asked {
                request: Request::AskPerson { whom, question, within },
                outcomes: tail(&gives, OutcomeKind::Says),
                gives,
            });
        };
        self.needs(Construct::AskAgent, "`ask` of an agent", span);
        let Some(grant) = self.ask_ids.get(&ask.whom.node).copied() else {
            let near =
                report::nearest(&ask.whom.node, self.ask_ids.keys().map(String::as_str)).map(str::to_string);
            self.push_unknown(report::unknown_agent::report(
                "agent that may be asked",
                &ask.whom.node,
                ask.whom.span,
                near.as_deref(),
            ));
            for argument in arguments {
                self.expr(&argument.value, None);
            }
            return None;
        };
        let asked = self.asks[grant as usize].clone();
        let fields: Vec<crate::typed::FieldDef> = asked
            .parameters
            .iter()
            .map(|(name, ty)| crate::typed::FieldDef { name: name.clone(), doc: None, ty: ty.clone() })
            .collect();
        let arguments = self.arguments(&asked.agent, &fields, arguments, span);
        let with = match &ask.with {
            Some(person) => self.who(&ast::Who::One(person.clone())),
            None => None,
        };
        Some(Asked {
            request: Request::AskAgent { grant, arguments, here: ask.here, with, within },
            outcomes: tail(&asked.gives, OutcomeKind::Done),
            gives: asked.gives,
        })
    }

    /// Somebody who answers or receives.
    pub fn who(&mut self, who: &ast::Who) -> Option<Who> {
        let (ast::Who::One(name) | ast::Who::Quorum(_, name)) = who;
        let known = self.folder.people.contains_key(name.node.as_str());
        let single = match name.node.as_str() {
            "owner" => Some(Who::Owner),
            "sender" => Some(Who::Sender),
            _ if known => Some(Who::Person(name.node.clone())),
            _ => None,
        };
        match (who, single) {
            (ast::Who::One(_), Some(single)) => Some(single),
            (ast::Who::Quorum(count, name), Some(Who::Person(_))) => {
                if count.node == 0 {
                    self.push(report::bad_bounds::report("`0 of` a group needs nobody", count.span));
                }
                if let Some(size) = self.folder.group_size(&name.node)
                    && count.node as usize > size
                {
                    let title =
                        format!("`{}` has {size} members, {} are never reached", name.node, count.node);
                    self.push(report::bad_bounds::report(&title, count.span));
                }
                Some(Who::Quorum(count.node, name.node.clone()))
            }
            (ast::Who::Quorum(..), Some(_)) => {
                self.push(report::type_mismatch::report(
                    "a group of `people` after `of`",
                    "one person",
                    name.span,
                ));
                None
            }
            (_, None) => {
                let near = report::nearest(
                    &name.node,
                    self.folder.people.keys().copied().chain(["owner", "sender"]),
                );
                self.push_unknown(report::unknown_agent::report("person", &name.node, name.span, near));
                None
            }
        }
    }

    fn approve(&mut self, approve: &ast::ApproveStep, span: Span) -> Option<Asked> {
        self.needs(Construct::Approve, "`approve`", span);
        let by = self.who(&approve.by);
        let question = match &approve.question {
            Some(question) => self.text(question),
            None => {
                self.push(report::missing_part::report(
                    "`approve` shows nothing",
                    span,
                    "say in quotes what is approved",
                ));
                Expr { ty: Type::Text(None), kind: ExprKind::Text(Vec::new()), span }
            }
        };
        let within = self.within(approve.within.as_ref());
        let editing = approve.editing.as_ref().and_then(|slot| self.edited_slot(slot));
        let outcomes = vec![
            outcome(OutcomeKind::Yes, Vec::new(), true),
            outcome(OutcomeKind::No, Vec::new(), true),
            outcome(OutcomeKind::Late, Vec::new(), within.is_some()),
        ];
        Some(Asked {
            request: Request::Approve { by: by?, editing, question, within },
            gives: Type::Unknown,
            outcomes,
        })
    }

    /// A slot of a text type that the person who approves may correct.
    fn edited_slot(&mut self, slot: &ast::Ident) -> Option<Variable> {
        let Some(at) = self.slot_ids.get(&slot.node).copied() else {
            let near =
                report::nearest(&slot.node, self.slot_ids.keys().map(String::as_str)).map(str::to_string);
            self.push_unknown(report::unknown_name::report(&slot.node, slot.span, near.as_deref()));
            return None;
        };
        let ty = self.slots[at as usize].ty.clone();
        if !matches!(ty, Type::Text(_) | Type::Unknown) {
            let found = self.type_name(&ty);
            self.push(report::type_mismatch::report(
                "a slot of type text after `editing`",
                &found,
                slot.span,
            ));
        }
        Some(Variable::Slot(at))
    }

    fn fill(&mut self, fill: &ast::FillStep, span: Span) -> Option<Asked> {
        self.needs(Construct::Fill, "`fill`", span);
        let model = self.model_use(&fill.model, "fill", span);
        self.needs_instruction(&fill.model, "fill", span);
        let outcomes = vec![
            outcome(OutcomeKind::Complete, Vec::new(), true),
            outcome(OutcomeKind::Missing, vec![Type::Text(None)], true),
            outcome(OutcomeKind::Nothing, Vec::new(), true),
        ];
        let slot = self.slot_ids.get(&fill.slot.node).copied();
        let request = match slot.map(|at| (at, self.slots[at as usize].ty.clone())) {
            Some((at, Type::SoFar(record))) => {
                Some(Request::Fill { slot: Variable::Slot(at), record, model })
            }
            Some((_, Type::Unknown)) => None,
            Some((_, other)) => {
                let found = self.type_name(&other);
                self.push(report::type_mismatch::report("a slot of a `so far` type", &found, fill.slot.span));
                None
            }
            None => {
                let near = report::nearest(&fill.slot.node, self.slot_ids.keys().map(String::as_str))
                    .map(str::to_string);
                self.push_unknown(report::unknown_name::report(
                    &fill.slot.node,
                    fill.slot.span,
                    near.as_deref(),
                ));
                None
            }
        };
        // The arms are checked all the same, against a request that is never compiled.
        let request = request.unwrap_or(Request::Recall {
            query: Expr { ty: Type::Unknown, kind: ExprKind::Error, span },
            scope: MemoryScope::Person,
            top: 0,
        });
        Some(Asked { request, gives: Type::Unknown, outcomes })
    }

    fn recall(
        &mut self,
        query: &ast::Expr,
        scope: Option<&ast::Ident>,
        top: Option<&ast::Spanned<u32>>,
        span: Span,
    ) -> Asked {
        self.needs(Construct::Memory, "`recall`", span);
        let query = self.printed(query);
        let scope = self.memory_scope(scope);
        let top = top.map_or(5, |top| {
            if top.node == 0 || top.node > RECALL_MAX {
                self.push(report::bad_bounds::report(&format!("`top` is 1 to {RECALL_MAX}"), top.span));
            }
            top.node.clamp(1, RECALL_MAX)
        });
        let gives = Type::List(Box::new(Type::Text(None)), top);
        let outcomes = vec![outcome(OutcomeKind::Done, vec![gives.clone()], true)];
        Asked { request: Request::Recall { query, scope, top }, gives, outcomes }
    }

    /// `for person`, `from all`; the person's without a word.
    pub fn memory_scope(&mut self, scope: Option<&ast::Ident>) -> MemoryScope {
        let Some(scope) = scope else { return MemoryScope::Person };
        MemoryScope::ALL.into_iter().find(|s| s.word() == scope.node).unwrap_or_else(|| {
            let near = report::nearest(&scope.node, MemoryScope::ALL.iter().map(|s| s.word()));
            self.push(report::unknown_name::report(&scope.node, scope.span, near));
            MemoryScope::Person
        })
    }

    /// `send W …`. When it arrives changes nothing of what it may hold.
    pub fn send(&mut self, to: &ast::Ident, what: &ast::Expr, with_next_message: bool) -> StepKind {
        let what = self.printed(what);
        if to.node != "owner" {
            self.needs(Construct::Send, "`send` to anybody but the owner", to.span);
        }
        match self.who(&ast::Who::One(to.clone())) {
            Some(who) => {
                let delivery = if with_next_message { Delivery::NextMessage } else { Delivery::Now };
                StepKind::Send(who, what, delivery)
            }
            None => StepKind::Error,
        }
    }

    /// `wake at E with V`, `wake after D with V`.
    pub fn wake(
        &mut self,
        relative: bool,
        when: &ast::Expr,
        with: Option<&ast::Expr>,
        span: Span,
    ) -> StepKind {
        self.needs(Construct::Wake, "`wake`", span);
        let when = self.expect(when, if relative { &Type::Duration } else { &Type::Moment });
        let with = with.map(|with| match self.wake.clone() {
            Some(ty) if ty != Type::Unknown => self.expect(with, &ty),
            _ => {
                let with = self.expr(with, None);
                let with = self.as_text(with);
                self.wake = Some(super::expressions::widen(&with.ty));
                with
            }
        });
        if with.is_none()
            && let Some(ty) = self.wake.clone().filter(|ty| *ty != Type::Unknown)
        {
            let expected = format!("`with` and a {}, as every other `wake`", self.type_name(&ty));
            self.push(report::type_mismatch::report(&expected, "nothing", span));
        }
        StepKind::Wake { relative, when, with }
    }

    /// `forget history`, `forget wakes`, `forget person`.
    pub fn forget(&mut self, what: &ast::Ident) -> StepKind {
        match what.node.as_str() {
            "history" => {
                self.needs(Construct::ForgetHistory, "`forget history`", what.span);
                StepKind::ForgetHistory
            }
            "wakes" => {
                self.needs(Construct::Wake, "`forget wakes`", what.span);
                StepKind::ForgetWakes
            }
            word => {
                self.needs(Construct::Memory, "`forget` of memory", what.span);
                match MemoryScope::ALL.into_iter().find(|scope| scope.word() == word) {
                    Some(scope) => StepKind::ForgetMemory(scope),
                    None => {
                        let known = MemoryScope::ALL.iter().map(|s| s.word()).chain(["history", "wakes"]);
                        self.push(report::unknown_name::report(
                            word,
                            what.span,
                            report::nearest(word, known),
                        ));
                        StepKind::Error
                    }
                }
            }
        }
    }
}

fn outcome_arm(arm: CheckedArm, outcomes: &[(OutcomeKind, Outcome)]) -> Option<OutcomeArm> {
    let kinds: Vec<OutcomeKind> =
        arm.cases.iter().filter_map(|case| outcomes.get(*case as usize)).map(|(kind, _)| *kind).collect();
    (!kinds.is_empty()).then(|| OutcomeArm {
        outcomes: kinds,
        label: arm.label,
        binder: arm.binders.first().copied(),
        steps: arm.steps,
        span: arm.span,
    })
}

/// The values that an approval shows.
pub(super) fn shown(question: &Expr) -> Vec<&Expr> {
    match &question.kind {
        ExprKind::Text(parts) => parts
            .iter()
            .filter_map(|part| match part {
                TextPart::Value(value) => Some(value),
                TextPart::Literal(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
