// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps in which a model is asked: `pick`, `write`, `turn`, and `run`, which does what it asked for.

use super::arms::Outcome;
use super::scope::Checker;
use super::{Construct, report};
use crate::ast;
use crate::source::Span;
use crate::typed::{Expr, ExprKind, LaterStep, ModelId, ModelUse, Step, StepKind, Type, TypeShape, Variable};

impl Checker<'_> {
    pub fn model_use(&mut self, parts: &ast::ModelParts, step: &str, span: Span) -> ModelUse {
        let model = match &parts.using {
            Some(name) => self.model_ids.get(&name.node).copied().unwrap_or_else(|| {
                let near = report::nearest(&name.node, self.model_ids.keys().map(String::as_str))
                    .map(str::to_string);
                self.push_unknown(report::unknown_model::report(&name.node, name.span, near.as_deref()));
                ModelId(0)
            }),
            None => {
                let title = format!("`{step}` does not say which model to use");
                self.push(report::missing_part::report(
                    &title,
                    span,
                    "add `using NAME`, with NAME from `models { … }`",
                ));
                ModelId(0)
            }
        };
        let from = parts.from.iter().map(|e| (describe(e), self.expr(e, None))).collect();
        let (mut history, mut memory) = (false, false);
        for word in &parts.with {
            match word.node.as_str() {
                "history" => history = true,
                "memory" => {
                    self.needs(Construct::Memory, "`with memory`", word.span);
                    memory = true;
                }
                other => {
                    let near = report::nearest(other, ["history", "memory"]);
                    self.push(report::unknown_name::report(other, word.span, near));
                }
            }
        }
        if history && !self.has_history {
            self.push(report::missing_part::report(
                "there is no history to read",
                span,
                "add `context { dynamic history last 20 messages max 4000 tokens }`",
            ));
        }
        let instruction = parts.instruction.as_ref().map(|t| self.text_parts(t)).unwrap_or_default();
        ModelUse {
            model,
            from,
            history,
            memory,
            retries: parts.retry.as_ref().map_or(0, |r| r.node),
            instruction,
        }
    }

    pub fn needs_instruction(&mut self, parts: &ast::ModelParts, step: &str, span: Span) {
        if parts.instruction.is_none() {
            let title = format!("`{step}` has no instruction");
            self.push(report::missing_part::report(&title, span, "say in quotes what the model shall do"));
        }
    }

    pub fn pick_arms(&mut self, pick: &ast::PickStep, span: Span) -> StepKind {
        let ty = self.resolve_type(&pick.ty);
        let model = self.model_use(&pick.model, "pick", span);
        self.needs_instruction(&pick.model, "pick", span);
        let written = pick.arms.as_deref().unwrap_or_default();
        if pick.arms.is_none() {
            self.push(report::missing_part::report(
                "this `pick` has neither arms nor a name for its value",
                span,
                "add arms in `{ … }`, or write `x = pick …`",
            ));
        }
        match ty {
            Type::Named(id) if matches!(self.shape(id), Some(TypeShape::Union(_))) => {
                let outcomes = self.case_outcomes(id);
                let name = self.type_name(&ty);
                let checked = self.arms(&name, &outcomes, written);
                if pick.arms.is_some() {
                    self.require_all("this `pick`", &outcomes, &checked, span);
                }
                if let Some(other) = checked.iter().find(|a| a.is_else) {
                    self.push(report::dead_arm::report(
                        "else",
                        "`pick` (every case has its own arm)",
                        other.span,
                        None,
                    ));
                }
                let arms = checked
                    .into_iter()
                    .filter(|a| !a.is_else)
                    .map(super::arms::CheckedArm::into_variant_arm)
                    .collect();
                StepKind::PickArms { ty: id, model, arms }
            }
            Type::Unknown => {
                // The arms are checked for their own sake; their labels cannot be.
                let mut arms = Vec::new();
                for arm in written {
                    self.open_scope();
                    for binder in arm.labels.iter().flat_map(|l| &l.binders) {
                        self.bind(binder, &Type::Unknown);
                    }
                    arms.push((String::new(), self.steps(&arm.body.steps)));
                    self.close_scope();
                }
                let calls = model.retries + 1;
                StepKind::Later(LaterStep {
                    what: "pick".into(),
                    model_calls_max: calls,
                    can_fail: true,
                    falls_through: arms.is_empty(),
                    arms,
                })
            }
            other => {
                let found = self.type_name(&other);
                self.push(report::type_mismatch::report(
                    "a union (or `x = pick …` for a value)",
                    &found,
                    pick.ty.span,
                ));
                StepKind::Error
            }
        }
    }

    pub fn pick_value(
        &mut self,
        pick: &ast::PickStep,
        target: &ast::Place,
        span: Span,
        out: &mut Vec<Step>,
    ) -> StepKind {
        let ty = self.resolve_type(&pick.ty);
        let model = self.model_use(&pick.model, "pick", span);
        self.needs_instruction(&pick.model, "pick", span);
        match &ty {
            Type::Json | Type::Message | Type::SoFar(_) | Type::Map(..) => {
                let name = self.type_name(&ty);
                self.push(report::type_mismatch::report(
                    "a type that a model can give (text, numbers, times, money, lists, unions, records)",
                    &name,
                    pick.ty.span,
                ));
            }
            _ => {}
        }
        let (into, pass_on) = self.value_target(target, &ty);
        match pass_on {
            None => StepKind::PickValue { ty, model, into },
            Some(pass_on) => {
                out.push(Step { kind: StepKind::PickValue { ty, model, into }, span });
                pass_on.kind
            }
        }
    }

    /// Where the value of a step goes: a new local, or by way of a hidden one into an existing variable.
    pub fn value_target(&mut self, target: &ast::Place, ty: &Type) -> (Variable, Option<Step>) {
        if !target.path.is_empty() {
            self.later("assigning a part of a value", target.span);
        }
        if let Some(at) = self.local(&target.name.node) {
            let existing = Variable::Local(at);
            let into = self.type_of(existing);
            if target.path.is_empty() {
                let value = Expr { ty: ty.clone(), kind: ExprKind::Error, span: target.span };
                self.coerce(value, &into);
            }
            return (existing, None);
        }
        if self.slot_ids.contains_key(&target.name.node) {
            return self.bind(&target.name, ty);
        }
        (self.declare_checked(&target.name, ty.clone()), None)
    }

    pub fn write(&mut self, write: &ast::WriteStep, span: Span, out: &mut Vec<Step>) -> StepKind {
        let model = self.model_use(&write.model, "write", span);
        self.needs_instruction(&write.model, "write", span);
        let target = ast::Place { name: write.target.clone(), path: Vec::new(), span: write.target.span };
        let (into, pass_on) = self.value_target(&target, &Type::Text(None));
        match pass_on {
            None => StepKind::Write { model, into },
            Some(pass_on) => {
                out.push(Step { kind: StepKind::Write { model, into }, span });
                pass_on.kind
            }
        }
    }

    pub fn turn(&mut self, turn: &ast::TurnStep, span: Span) -> StepKind {
        let model = self.model_use(&turn.model, "turn", span);
        if !model.history {
            self.push(report::missing_part::report(
                "`turn` continues the conversation",
                span,
                "add `with history`",
            ));
        }
        let has_tools = !self.grants.is_empty();
        let outcomes = [
            Outcome::with("says", vec![Type::Text(None)]),
            if has_tools {
                Outcome::with("calls", vec![Type::ToolCalls])
            } else {
                Outcome::optional("calls", vec![Type::ToolCalls])
            },
            Outcome::with("refuses", vec![Type::Text(None)]),
        ];
        let checked = self.arms("`turn`", &outcomes, &turn.arms);
        self.require_all("this `turn`", &outcomes, &checked, span);
        let find = |case: u32| {
            checked
                .iter()
                .find(|a| a.cases.contains(&case))
                .map(|a| (a.binders.first().copied(), a.steps.clone()))
        };
        StepKind::Turn {
            stream: turn.stream,
            model,
            says: find(0).unwrap_or_default(),
            calls: find(1),
            refuses: find(2).unwrap_or_default(),
        }
    }

    pub fn run(&mut self, run: &ast::RunStep, span: Span) -> StepKind {
        let calls = self.expr(&run.calls, None);
        if !matches!(calls.ty, Type::ToolCalls | Type::Unknown) {
            let found = self.type_name(&calls.ty);
            self.push(report::type_mismatch::report("the calls of a `turn`", &found, calls.span));
        }
        let approved_by = run.approved_by.as_ref().and_then(|(who, within)| {
            self.needs(Construct::Approve, "`approved by`", span);
            let who = self.who(who)?;
            Some((who, within.as_ref().map(|within| self.expect(within, &Type::Duration))))
        });
        StepKind::Run { calls, approved_by }
    }
}

/// Words for a named value in a prompt: `asked`, `bill.status`, `now`.
fn describe(expr: &ast::Expr) -> String {
    match &expr.kind {
        ast::ExprKind::Name(name) => name.clone(),
        ast::ExprKind::Field(base, field) => format!("{}.{}", describe(base), field.node),
        ast::ExprKind::Now => "now".into(),
        ast::ExprKind::First(inner) => format!("first {}", describe(inner)),
        ast::ExprKind::Length(inner) => format!("length {}", describe(inner)),
        ast::ExprKind::Index(base, _) => describe(base),
        _ => "value".into(),
    }
}
