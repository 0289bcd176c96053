// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps that every program has: arrows, assignments, `when`, replies.

use super::arms::Outcome;
use super::scope::Checker;
use super::{Construct, report};
use crate::ast::{self, AssignValue, LabelKind, PlacePart};
use crate::source::Span;
use crate::typed::{
    ArithmeticOperator, Expr, ExprKind, OutcomeKind, Request, Step, StepKind, SwitchValue, Type, TypeShape,
    Variable,
};

impl Checker<'_> {
    /// A block: its own scope.
    pub fn block(&mut self, steps: &[ast::Step]) -> Vec<Step> {
        self.open_scope();
        let out = self.steps(steps);
        self.close_scope();
        out
    }

    /// Steps in the current scope.
    pub fn steps(&mut self, steps: &[ast::Step]) -> Vec<Step> {
        let mut out: Vec<Step> = Vec::with_capacity(steps.len());
        for (at, written) in steps.iter().enumerate() {
            if out.last().is_some_and(always_leaves) {
                let last = steps.last().map_or(written.span, |s| s.span);
                self.push(report::code_after_arrow::report(steps[at].span.to(last)));
                break;
            }
            self.step(written, &mut out);
        }
        out
    }

    fn step(&mut self, written: &ast::Step, out: &mut Vec<Step>) {
        let span = written.span;
        let kind = match &written.kind {
            ast::StepKind::Go(name) => self.go(name),
            ast::StepKind::Done(value) => self.done(value.as_ref(), span),
            ast::StepKind::Assign { target, value } => return self.assign(target, value, span, out),
            ast::StepKind::Change { target, operator, value } => self.change(target, *operator, value, span),
            ast::StepKind::AddTo { value, list } => self.append(value, list),
            ast::StepKind::When { subject, arms } => self.when(subject, arms, span),
            ast::StepKind::Pick(pick) => self.pick_arms(pick, span),
            ast::StepKind::Write(write) => self.write(write, span, out),
            ast::StepKind::Turn(turn) => self.turn(turn, span),
            ast::StepKind::Run(run) => self.run(run, span),
            ast::StepKind::Reply(what) => StepKind::Reply(self.printed(what)),
            ast::StepKind::Send { to, what, with_next_message } => self.send(to, what, *with_next_message),
            ast::StepKind::Show(what) => {
                self.needs(Construct::Show, "`show`", span);
                StepKind::Show(self.printed(what))
            }
            ast::StepKind::Remember { what, scope } => {
                self.needs(Construct::Memory, "`remember`", span);
                let scope = self.memory_scope(scope.as_ref());
                StepKind::Remember(self.printed(what), scope)
            }
            ast::StepKind::Forget(what) => self.forget(what),
            ast::StepKind::Wake { relative, when, with } => self.wake(*relative, when, with.as_ref(), span),
            _ => self.request_step(written, None, out),
        };
        out.push(Step { kind, span });
    }

    fn go(&mut self, name: &ast::Ident) -> StepKind {
        match self.states.get(&name.node) {
            Some(id) => StepKind::Go(*id),
            None => {
                let near =
                    report::nearest(&name.node, self.states.keys().map(String::as_str)).map(str::to_string);
                self.push_unknown(report::unknown_state::report(&name.node, name.span, near.as_deref()));
                StepKind::Error
            }
        }
    }

    fn done(&mut self, value: Option<&ast::Expr>, span: Span) -> StepKind {
        let gives = self.gives.clone();
        match (value, gives) {
            (Some(value), Some(ty)) => StepKind::Done(Some(self.expect(value, &ty))),
            (None, None) => StepKind::Done(None),
            (Some(value), None) => {
                self.expr(value, None);
                self.push(report::type_mismatch::report(
                    "`done` without a value (the agent gives nothing)",
                    "a value",
                    value.span,
                ));
                StepKind::Done(None)
            }
            (None, Some(ty)) => {
                let name = self.type_name(&ty);
                self.push(report::type_mismatch::report(&format!("`done` with {name}"), "no value", span));
                StepKind::Done(None)
            }
        }
    }

    fn assign(&mut self, target: &ast::Place, value: &AssignValue, span: Span, out: &mut Vec<Step>) {
        let kind = match value {
            AssignValue::Expr(value) => self.assign_expr(target, value),
            AssignValue::Step(step) => match &step.kind {
                ast::StepKind::Pick(pick) => self.pick_value(pick, target, step.span, out),
                _ => self.request_step(step, Some(target), out),
            },
        };
        out.push(Step { kind, span });
    }

    fn assign_expr(&mut self, target: &ast::Place, value: &ast::Expr) -> StepKind {
        match target.path.as_slice() {
            [] => match self.existing(&target.name) {
                Some(variable) => {
                    let ty = self.type_of(variable);
                    StepKind::Assign(variable, self.expect(value, &ty))
                }
                None => {
                    let value = self.expr(value, None);
                    let ty = super::expressions::widen(&value.ty);
                    let variable = self.declare_checked(&target.name, ty);
                    StepKind::Assign(variable, value)
                }
            },
            [PlacePart::Index(key)] => {
                let Some((map, of)) = self.map_target(&target.name) else { return StepKind::Error };
                let key = self.expect(key, &Type::Text(None));
                StepKind::PutEntry { map, key, value: self.expect(value, &of) }
            }
            _ => {
                self.expr(value, None);
                self.later("assigning a part of a value", target.span);
                StepKind::Error
            }
        }
    }

    /// A slot or a visible local.
    pub fn existing(&self, name: &ast::Ident) -> Option<Variable> {
        self.local(&name.node)
            .map(Variable::Local)
            .or_else(|| self.slot_ids.get(&name.node).map(|at| Variable::Slot(*at)))
    }

    /// Declares a local for an assignment, unless the name means something else.
    pub fn declare_checked(&mut self, name: &ast::Ident, ty: Type) -> Variable {
        let why = if self.states.contains_key(&name.node) {
            Some("it is a state")
        } else if self.type_ids.contains_key(&name.node) {
            Some("it is a type")
        } else if self.model_ids.contains_key(&name.node) {
            Some("it is a model")
        } else {
            None
        };
        if let Some(why) = why {
            self.push(report::not_assignable::report(&name.node, name.span, why));
        }
        self.declare_local(name, ty)
    }

    fn map_target(&mut self, name: &ast::Ident) -> Option<(Variable, Type)> {
        let Some(variable) = self.existing(name) else {
            self.push_unknown(report::unknown_name::report(&name.node, name.span, None));
            return None;
        };
        match self.type_of(variable) {
            Type::Map(of, _) => Some((variable, *of)),
            Type::Unknown => None,
            other => {
                let found = self.type_name(&other);
                self.push(report::type_mismatch::report("a map", &found, name.span));
                None
            }
        }
    }

    fn change(
        &mut self,
        target: &ast::Place,
        operator: ast::BinaryOperator,
        value: &ast::Expr,
        span: Span,
    ) -> StepKind {
        let operator = if operator == ast::BinaryOperator::Subtract {
            ArithmeticOperator::Subtract
        } else {
            ArithmeticOperator::Add
        };
        match target.path.as_slice() {
            [] => {
                let Some(variable) = self.existing(&target.name) else {
                    self.push_unknown(report::unknown_name::report(
                        &target.name.node,
                        target.name.span,
                        None,
                    ));
                    return StepKind::Error;
                };
                let ty = self.type_of(variable);
                let left = Expr { ty: ty.clone(), kind: ExprKind::Variable(variable), span: target.span };
                let left = self.present(left);
                let right = self.expr(value, Some(&ty));
                let sum = self.arithmetic_typed(operator, left, right, span);
                StepKind::Assign(variable, self.coerce(sum, &ty))
            }
            [PlacePart::Index(key)] => {
                let Some((map, of)) = self.map_target(&target.name) else { return StepKind::Error };
                let key = self.expect(key, &Type::Text(None));
                let zero = match &of {
                    Type::Int(..) => ExprKind::Int(0),
                    Type::Number => ExprKind::Number(0.0),
                    Type::Money(Some(currency)) => ExprKind::Money(0, *currency),
                    Type::Duration => ExprKind::Duration(0),
                    other => {
                        let found = self.type_name(other);
                        self.push(report::type_mismatch::report(
                            "a map of numbers, money or durations",
                            &found,
                            target.span,
                        ));
                        return StepKind::Error;
                    }
                };
                let map_expr =
                    Expr { ty: self.type_of(map), kind: ExprKind::Variable(map), span: target.span };
                let entry = Expr {
                    ty: Type::Optional(Box::new(of.clone())),
                    kind: ExprKind::Index(Box::new(map_expr), Box::new(key.clone())),
                    span,
                };
                let zero = Expr { ty: of.clone(), kind: zero, span };
                let left =
                    Expr { ty: of.clone(), kind: ExprKind::Default(Box::new(entry), Box::new(zero)), span };
                let right = self.expr(value, Some(&of));
                let sum = self.arithmetic_typed(operator, left, right, span);
                StepKind::PutEntry { map, key, value: self.coerce(sum, &of) }
            }
            _ => {
                self.later("assigning a part of a value", target.span);
                StepKind::Error
            }
        }
    }

    fn append(&mut self, value: &ast::Expr, list: &ast::Place) -> StepKind {
        let variable = self.existing(&list.name);
        match variable.map(|v| (v, self.type_of(v))) {
            Some((variable, Type::List(of, _))) if list.path.is_empty() => {
                StepKind::Append(variable, self.expect(value, &of))
            }
            Some((_, Type::Unknown)) => StepKind::Error,
            Some((_, other)) => {
                let found = self.type_name(&other);
                self.push(report::type_mismatch::report("a list", &found, list.span));
                StepKind::Error
            }
            None => {
                self.push_unknown(report::unknown_name::report(&list.name.node, list.name.span, None));
                StepKind::Error
            }
        }
    }

    fn when(&mut self, subject: &ast::Expr, arms: &[ast::Arm], span: Span) -> StepKind {
        let subject = self.expr(subject, None);
        match subject.ty.clone() {
            Type::YesNo => self.when_yes_no(subject, arms),
            Type::Named(id) if matches!(self.shape(id), Some(TypeShape::Union(_))) => {
                self.when_union(subject, arms, span)
            }
            Type::FailureKind => self.when_union(subject, arms, span),
            Type::Int(..) | Type::Text(_) => self.when_literal(subject, arms, span),
            Type::Optional(_) => self.when_optional(subject, arms, span),
            Type::Unknown | Type::ToolResult(_) => self.when_unknown(arms),
            other => {
                let found = self.type_name(&other);
                self.push(report::type_mismatch::report(
                    "a yes/no, a union, a number, a text or an optional",
                    &found,
                    subject.span,
                ));
                self.when_unknown(arms)
            }
        }
    }

    fn when_yes_no(&mut self, condition: Expr, arms: &[ast::Arm]) -> StepKind {
        let outcomes = [Outcome::plain("yes"), Outcome::plain("no")];
        let mut sides: [Option<Vec<Step>>; 2] = [None, None];
        let mut otherwise = None;
        for arm in self.arms("a yes/no", &outcomes, arms) {
            for case in &arm.cases {
                if let Some(side) = sides.get_mut(*case as usize) {
                    *side = Some(arm.steps.clone());
                }
            }
            if arm.is_else {
                otherwise = Some(arm.steps);
            }
        }
        let [yes, no] = sides;
        let other = otherwise.unwrap_or_default();
        StepKind::If { condition, yes: yes.unwrap_or_else(|| other.clone()), no: no.unwrap_or(other) }
    }

    fn when_union(&mut self, subject: Expr, arms: &[ast::Arm], span: Span) -> StepKind {
        let (outcomes, what) = match &subject.ty {
            Type::Named(id) => (self.case_outcomes(*id), self.type_name(&subject.ty)),
            _ => (
                crate::value::FailureKind::ALL.iter().map(|k| Outcome::plain(k.word())).collect(),
                "a failure's kind".to_string(),
            ),
        };
        let checked = self.arms(&what, &outcomes, arms);
        self.require_all("this `when`", &outcomes, &checked, span);
        let otherwise = checked.iter().find(|a| a.is_else).map(|a| a.steps.clone());
        let arms = checked
            .into_iter()
            .filter(|a| !a.is_else)
            .map(super::arms::CheckedArm::into_variant_arm)
            .collect();
        StepKind::Match { subject, arms, otherwise }
    }

    fn when_literal(&mut self, subject: Expr, arms: &[ast::Arm], span: Span) -> StepKind {
        let (mut out, mut otherwise, mut seen) = (Vec::new(), None, Vec::new());
        for arm in arms {
            let mut values = Vec::new();
            let mut is_else = false;
            for label in &arm.labels {
                let value = match (&label.kind, &subject.ty) {
                    (LabelKind::Int(value), Type::Int(..)) => SwitchValue::Int(*value),
                    (LabelKind::Text(value), Type::Text(_)) => SwitchValue::Text(value.clone()),
                    (LabelKind::Else, _) => {
                        is_else = true;
                        continue;
                    }
                    _ => {
                        let expected = self.type_name(&super::expressions::widen(&subject.ty));
                        self.push(report::type_mismatch::report(
                            &format!("a label of type {expected}"),
                            "another label",
                            label.span,
                        ));
                        continue;
                    }
                };
                if seen.contains(&value) {
                    self.push(report::dead_arm::report(
                        &super::arms::label_text(label),
                        "this `when`",
                        label.span,
                        None,
                    ));
                }
                seen.push(value.clone());
                values.push(value);
            }
            let steps = self.block(&arm.body.steps);
            if is_else {
                otherwise = Some(steps);
            } else {
                out.push((values, steps));
            }
        }
        if otherwise.is_none() && !covers_range(&subject.ty, &seen) {
            self.push(report::not_exhaustive::report("this `when`", "else", span));
        }
        StepKind::Switch { subject, arms: out, otherwise: otherwise.unwrap_or_default() }
    }

    fn when_optional(&mut self, subject: Expr, arms: &[ast::Arm], span: Span) -> StepKind {
        let of = match &subject.ty {
            Type::Optional(of) => of.as_ref().clone(),
            _ => Type::Unknown,
        };
        let outcomes = [Outcome::plain("none"), Outcome::with("some", vec![of])];
        let checked = self.arms("an optional", &outcomes, arms);
        self.require_all("this `when`", &outcomes, &checked, span);
        let (mut some, mut none, mut binder) = (Vec::new(), Vec::new(), None);
        for arm in checked {
            if arm.is_else || arm.cases.contains(&0) {
                none = arm.steps.clone();
            }
            if arm.is_else || arm.cases.contains(&1) {
                some = arm.steps;
                binder = arm.binders.first().copied();
            }
        }
        StepKind::IfSome { subject, binder, some, none }
    }

    /// `when` on something whose type is not known: the arms are still checked.
    fn when_unknown(&mut self, arms: &[ast::Arm]) -> StepKind {
        let mut out = Vec::new();
        for arm in arms {
            self.open_scope();
            for binder in arm.labels.iter().flat_map(|l| &l.binders) {
                self.bind(binder, &Type::Unknown);
            }
            let steps = self.steps(&arm.body.steps);
            self.close_scope();
            out.push((
                arm.labels.iter().map(super::arms::label_text).collect::<Vec<_>>().join(" or "),
                steps,
            ));
        }
        let total = out.iter().any(|(label, _)| label == "else") || out.len() > 1;
        StepKind::Later(crate::typed::LaterStep {
            what: "when".into(),
            model_calls_max: 0,
            can_fail: false,
            arms: out,
            falls_through: !total,
        })
    }
}

/// Whether literal labels cover every value of a bounded int.
fn covers_range(ty: &Type, seen: &[SwitchValue]) -> bool {
    match ty {
        Type::Int(low, high) if high.saturating_sub(*low) < 1_000 => {
            (*low..=*high).all(|value| seen.contains(&SwitchValue::Int(value)))
        }
        _ => false,
    }
}

/// Whether no path goes on behind a step.
pub(super) fn always_leaves(step: &Step) -> bool {
    let all = |steps: &Vec<Step>| steps.iter().any(always_leaves);
    match &step.kind {
        StepKind::Go(_) | StepKind::Done(_) => true,
        StepKind::If { yes, no, .. } => all(yes) && all(no),
        StepKind::Match { arms, otherwise, .. } => {
            !arms.is_empty() && arms.iter().all(|a| all(&a.steps)) && otherwise.as_ref().is_none_or(all)
        }
        StepKind::Switch { arms, otherwise, .. } => {
            arms.iter().all(|(_, steps)| all(steps)) && all(otherwise)
        }
        StepKind::IfSome { some, none, .. } => all(some) && all(none),
        StepKind::PickArms { arms, .. } => !arms.is_empty() && arms.iter().all(|a| all(&a.steps)),
        StepKind::Turn { says, calls, refuses, .. } => {
            all(&says.1) && all(&refuses.1) && calls.as_ref().is_none_or(|c| all(&c.1))
        }
        StepKind::Request(request) => {
            let takes = |kind| request.arms.iter().any(|a| a.outcomes.contains(&kind));
            let answers = [OutcomeKind::Done, OutcomeKind::Says];
            let decides = matches!(request.request, Request::Approve { .. } | Request::Fill { .. });
            (decides || answers.into_iter().any(takes))
                && request.arms.iter().all(|a| all(&a.steps))
                && request.otherwise.as_ref().is_none_or(all)
        }
        StepKind::Later(later) => {
            !later.falls_through && !later.arms.is_empty() && later.arms.iter().all(|(_, steps)| all(steps))
        }
        _ => false,
    }
}
