// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps that do not run yet. Their names, types and arms are checked all the same, so that a program written for
//! tomorrow gets today's errors, and the proofs see every path.

use super::arms::{CheckedArm, Outcome};
use super::report;
use super::scope::Checker;
use crate::ast::{self, StepKind as Written, Who};
use crate::source::Span;
use crate::typed::{Expr, ExprKind, LaterStep, Step, StepKind, Type};

/// Shape of a step that does not run yet.
struct Shape {
    what: String,
    gives: Type,
    calls: u32,
    waits: bool,
    can_fail: bool,
    can_be_uncertain: bool,
    arms: Vec<(String, Vec<Step>)>,
    falls_through: bool,
}

impl Shape {
    fn simple(what: &str) -> Self {
        Self {
            what: what.into(),
            gives: Type::Unknown,
            calls: 0,
            waits: false,
            can_fail: false,
            can_be_uncertain: false,
            arms: Vec::new(),
            falls_through: true,
        }
    }
}

fn with_arms(mut shape: Shape, arms: Vec<CheckedArm>) -> Shape {
    let takes = |name: &str| arms.iter().any(|a| a.label.split(" or ").any(|l| l == name));
    shape.can_fail &= !takes("failed") && !takes("else");
    shape.can_be_uncertain &= !takes("uncertain") && !takes("else");
    shape.falls_through = false;
    shape.arms = arms.into_iter().map(|a| (a.label, a.steps)).collect();
    shape
}

impl Checker<'_> {
    /// Checks such a step; with a target its value is assigned behind it.
    pub fn later_step(
        &mut self,
        written: &ast::Step,
        target: Option<&ast::Place>,
        out: &mut Vec<Step>,
    ) -> StepKind {
        let span = written.span;
        let shape = match &written.kind {
            Written::Call(call) => self.call(call, span),
            Written::Ask(ask) => self.ask(ask, span),
            Written::Approve(approve) => self.approve(approve, span),
            Written::Fill(fill) => self.fill(fill, span),
            Written::Each(each) => self.each(each, target),
            Written::Together(steps) => {
                let steps = self.steps(steps);
                Shape {
                    arms: vec![("together".into(), steps)],
                    falls_through: false,
                    can_fail: true,
                    ..Shape::simple("`together`")
                }
            }
            Written::Show(what) => {
                self.printed(what);
                Shape::simple("`show`")
            }
            Written::Remember { what, .. } => {
                self.expr(what, None);
                Shape { can_fail: true, ..Shape::simple("`remember`") }
            }
            Written::Recall { query, .. } => {
                self.expr(query, None);
                Shape { can_fail: true, ..Shape::simple("`recall`") }
            }
            Written::Forget(_) => Shape::simple("`forget`"),
            Written::Wake { relative, when, with } => {
                self.expect(when, if *relative { &Type::Duration } else { &Type::Moment });
                if let Some(with) = with {
                    self.expr(with, None);
                }
                Shape::simple("`wake`")
            }
            _ => Shape::simple("this step"),
        };
        self.later(shape.what.clone(), span);
        let gives = shape.gives.clone();
        let kind = StepKind::Later(LaterStep {
            what: shape.what,
            model_calls_max: shape.calls,
            waits: shape.waits,
            can_fail: shape.can_fail,
            can_be_uncertain: shape.can_be_uncertain,
            arms: shape.arms,
            falls_through: shape.falls_through,
        });
        let Some(target) = target else { return kind };
        out.push(Step { kind, span });
        let (variable, pass_on) = self.value_target(target, &gives);
        match pass_on {
            Some(pass_on) => {
                let value = Expr { ty: gives, kind: ExprKind::Error, span };
                out.push(Step { kind: StepKind::Assign(variable, value), span });
                pass_on.kind
            }
            None => StepKind::Assign(variable, Expr { ty: gives, kind: ExprKind::Error, span }),
        }
    }

    /// A tool's name and arguments.
    pub fn invocation(&mut self, invocation: &ast::ToolInvocation) {
        if !self.grants.contains_key(&invocation.tool.node) {
            let near = report::nearest(&invocation.tool.node, self.grants.keys().map(String::as_str))
                .map(str::to_string);
            self.push_unknown(report::unknown_tool::report(
                &invocation.tool.node,
                invocation.tool.span,
                near.as_deref(),
            ));
        }
        for argument in &invocation.arguments {
            self.expr(&argument.value, None);
        }
    }

    fn call(&mut self, call: &ast::CallStep, span: Span) -> Shape {
        self.invocation(&call.invocation);
        let result = Type::ToolResult(call.invocation.tool.node.clone());
        let shape = Shape {
            gives: result.clone(),
            can_fail: true,
            can_be_uncertain: true,
            ..Shape::simple("`call`")
        };
        if let Some(arms) = &call.arms {
            let outcomes = [
                Outcome::with("done", vec![result]),
                Outcome::optional("failed", vec![Type::Failure]),
                Outcome::optional("uncertain", Vec::new()),
            ];
            let arms = self.arms("`call`", &outcomes, arms);
            self.require_all("this `call`", &outcomes, &arms, span);
            return with_arms(shape, arms);
        }
        match &call.otherwise {
            Some(otherwise) => {
                let steps = self.block(&otherwise.steps);
                Shape {
                    arms: vec![("else".into(), steps)],
                    can_fail: false,
                    can_be_uncertain: false,
                    ..shape
                }
            }
            None => shape,
        }
    }

    fn ask(&mut self, ask: &ast::AskStep, span: Span) -> Shape {
        for argument in ask.arguments.iter().flatten() {
            self.expr(&argument.value, None);
        }
        if let Some(question) = &ask.question {
            self.text(question);
        }
        if let Some(within) = &ask.within {
            self.expect(within, &Type::Duration);
        }
        let is_agent = ask.arguments.is_some();
        let (gives, calls) = if is_agent { self.asked_agent(&ask.whom) } else { (Type::Text(None), 0) };
        if !is_agent {
            self.who(&Who::One(ask.whom.clone()));
        }
        let shape =
            Shape { gives: gives.clone(), calls, waits: true, can_fail: true, ..Shape::simple("`ask`") };
        let answer = if is_agent { "done" } else { "says" };
        if let Some(arms) = &ask.arms {
            let mut outcomes =
                vec![Outcome::with(answer, vec![gives]), Outcome::optional("failed", vec![Type::Failure])];
            outcomes.push(if ask.within.is_some() {
                Outcome::plain("late")
            } else {
                Outcome::optional("late", Vec::new())
            });
            let arms = self.arms("`ask`", &outcomes, arms);
            self.require_all("this `ask`", &outcomes, &arms, span);
            return with_arms(shape, arms);
        }
        match &ask.otherwise {
            Some(otherwise) => {
                let steps = self.block(&otherwise.steps);
                Shape { arms: vec![("else".into(), steps)], can_fail: false, ..shape }
            }
            None => shape,
        }
    }

    /// What an agent gives, and how many model calls asking it may cost.
    fn asked_agent(&mut self, whom: &ast::Ident) -> (Type, u32) {
        let Some(calls) = self.asks.get(&whom.node).copied() else {
            let near = report::nearest(&whom.node, self.asks.keys().map(String::as_str)).map(str::to_string);
            self.push_unknown(report::unknown_agent::report(
                "agent that may be asked",
                &whom.node,
                whom.span,
                near.as_deref(),
            ));
            return (Type::Unknown, 0);
        };
        let gives = self.folder.agents.get(whom.node.as_str()).and_then(|(_, file)| match &file.kind {
            ast::FileKind::Agent { gives, .. } => gives.clone(),
            _ => None,
        });
        let gives = match gives {
            Some(written) if matches!(written.kind, ast::TypeExprKind::Name(ref n) if n == "text") => {
                Type::Text(None)
            }
            _ => Type::Unknown,
        };
        (gives, calls.unwrap_or(1))
    }

    /// Somebody who answers.
    pub fn who(&mut self, who: &Who) {
        let (Who::One(name) | Who::Quorum(_, name)) = who;
        let known = matches!(name.node.as_str(), "owner" | "sender")
            || self.folder.people.contains_key(name.node.as_str());
        if !known {
            let near =
                report::nearest(&name.node, self.folder.people.keys().copied().chain(["owner", "sender"]));
            self.push_unknown(report::unknown_agent::report("person", &name.node, name.span, near));
        }
    }

    fn approve(&mut self, approve: &ast::ApproveStep, span: Span) -> Shape {
        self.who(&approve.by);
        if let Some(question) = &approve.question {
            self.text(question);
        }
        if let Some(within) = &approve.within {
            self.expect(within, &Type::Duration);
        }
        if let Some(slot) = &approve.editing
            && !self.slot_ids.contains_key(&slot.node)
        {
            let near =
                report::nearest(&slot.node, self.slot_ids.keys().map(String::as_str)).map(str::to_string);
            self.push_unknown(report::unknown_name::report(&slot.node, slot.span, near.as_deref()));
        }
        let late = if approve.within.is_some() {
            Outcome::plain("late")
        } else {
            Outcome::optional("late", Vec::new())
        };
        let outcomes = [Outcome::plain("yes"), Outcome::plain("no"), late];
        let arms = self.arms("`approve`", &outcomes, &approve.arms);
        self.require_all("this `approve`", &outcomes, &arms, span);
        with_arms(Shape { waits: true, ..Shape::simple("`approve`") }, arms)
    }

    fn fill(&mut self, fill: &ast::FillStep, span: Span) -> Shape {
        if let Some(name) = &fill.model.using
            && !self.model_ids.contains_key(&name.node)
        {
            let near =
                report::nearest(&name.node, self.model_ids.keys().map(String::as_str)).map(str::to_string);
            self.push_unknown(report::unknown_model::report(&name.node, name.span, near.as_deref()));
        }
        match self.slot_ids.get(&fill.slot.node).map(|at| self.slots[*at as usize].ty.clone()) {
            Some(Type::SoFar(_) | Type::Unknown) => {}
            Some(other) => {
                let found = self.type_name(&other);
                self.push(report::type_mismatch::report("a slot of a `so far` type", &found, fill.slot.span));
            }
            None => {
                let near = report::nearest(&fill.slot.node, self.slot_ids.keys().map(String::as_str))
                    .map(str::to_string);
                self.push_unknown(report::unknown_name::report(
                    &fill.slot.node,
                    fill.slot.span,
                    near.as_deref(),
                ));
            }
        }
        let outcomes = [
            Outcome::plain("complete"),
            Outcome::with("missing", vec![Type::Text(None)]),
            Outcome::plain("nothing"),
        ];
        let arms = self.arms("`fill`", &outcomes, &fill.arms);
        self.require_all("this `fill`", &outcomes, &arms, span);
        let calls = fill.model.retry.as_ref().map_or(1, |r| r.node + 1);
        with_arms(Shape { calls, can_fail: true, ..Shape::simple("`fill`") }, arms)
    }

    fn each(&mut self, each: &ast::EachStep, target: Option<&ast::Place>) -> Shape {
        let list = self.expr(&each.list, None);
        let (element, max) = match list.ty {
            Type::List(of, max) => (*of, max),
            Type::Unknown | Type::ToolResult(_) => (Type::Unknown, 1),
            _ => {
                let found = self.type_name(&list.ty);
                self.push(report::type_mismatch::report("a list", &found, list.span));
                (Type::Unknown, 1)
            }
        };
        self.open_scope();
        self.declare_local(&each.variable, element);
        if let Some(target) = target
            && self.existing(&target.name).is_none()
        {
            self.declare_local(&target.name, Type::Unknown);
        }
        let steps = self.block(&each.steps);
        self.close_scope();
        let calls = super::bounds::calls_of(&steps).saturating_mul(max);
        Shape { calls, can_fail: true, ..Shape::simple("`each`") }
    }
}
