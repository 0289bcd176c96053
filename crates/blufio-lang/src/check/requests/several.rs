// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two steps that ask several at a time: `each` item of a list, and what is written `together`.

use crate::ast::{self, StepKind as Written};
use crate::check::scope::Checker;
use crate::check::{Construct, flow, report};
use crate::source::Span;
use crate::typed::{EachStep, Step, StepKind, Type, Variable};

/// Most items of one list that run at once.
const ITEMS_AT_ONCE_MAX: u32 = 64;

impl Checker<'_> {
    pub(super) fn each(
        &mut self,
        each: &ast::EachStep,
        target: Option<&ast::Place>,
        span: Span,
        out: &mut Vec<Step>,
    ) -> StepKind {
        self.needs(Construct::Each, "`each`", span);
        let list = self.expr(&each.list, None);
        let list = self.present(list);
        let (element, items_max) = match list.ty.clone() {
            Type::List(of, max) => (*of, max),
            Type::Unknown | Type::ToolResult(_) => (Type::Unknown, 1),
            _ => {
                let found = self.type_name(&list.ty);
                self.push(report::type_mismatch::report("a list", &found, list.span));
                (Type::Unknown, 1)
            }
        };
        let within = self.within(each.within.as_ref());
        let at_once = each.at_once.as_ref().map_or(1, |n| {
            if n.node == 0 || n.node > ITEMS_AT_ONCE_MAX {
                self.push(report::bad_bounds::report(
                    &format!("1 to {ITEMS_AT_ONCE_MAX} may run at once"),
                    n.span,
                ));
            }
            n.node.clamp(1, ITEMS_AT_ONCE_MAX)
        });
        // The results so far are readable in the body by the name that receives them, so it is declared first; what an
        // item gives is known only behind the body.
        let results =
            target.map(|target| self.value_target(target, &Type::List(Box::new(Type::Unknown), items_max)));
        let first = self.locals.len() as u32;
        self.open_scope();
        let variable = self.declare_local(&each.variable, element);
        let steps = self.steps(&each.steps);
        self.close_scope();
        self.straight_line(&steps);
        let last = last_value(&steps);
        let locals = (first, self.locals.len() as u32);
        let mut step =
            EachStep { variable, list, items_max, at_once, within, steps, locals, results: None, span };
        let Some((into, pass_on)) = results else { return StepKind::Each(step) };
        let gives = last.map_or(Type::YesNo, |last| self.type_of(last));
        self.set_type(into, Type::List(Box::new(gives), items_max));
        step.results = Some((into, last));
        match pass_on {
            None => StepKind::Each(step),
            Some(pass_on) => {
                out.push(Step { kind: StepKind::Each(step), span });
                pass_on.kind
            }
        }
    }

    /// The body of `each` has no arrow and no `done`, and does not nest.
    fn straight_line(&mut self, steps: &[Step]) {
        for step in steps {
            if matches!(step.kind, StepKind::Go(_) | StepKind::Done(_)) {
                self.push(report::code_after_arrow::leaves_each(step.span));
            }
            if matches!(step.kind, StepKind::Each(_) | StepKind::Together(_)) {
                self.push(report::type_mismatch::report(
                    "steps one after the other in `each`",
                    "`each` or `together` again",
                    step.span,
                ));
            }
            for block in flow::blocks(step) {
                self.straight_line(block);
            }
        }
    }

    pub(super) fn together(&mut self, steps: &[ast::Step], span: Span) -> StepKind {
        self.needs(Construct::Together, "`together`", span);
        let mut branches = Vec::new();
        for step in steps {
            let mut typed = Vec::new();
            // Names bound in a branch are read behind `together`, so no scope of its own.
            self.together_step(step, &mut typed);
            for inner in typed {
                match inner.kind {
                    StepKind::Request(request) if request.arms.is_empty() && request.otherwise.is_none() => {
                        branches.push(request);
                    }
                    StepKind::Error => {}
                    _ => self.push(report::type_mismatch::report(
                        "calls and questions without arms in `together`",
                        "another step",
                        inner.span,
                    )),
                }
            }
        }
        if steps.is_empty() {
            self.push(report::missing_part::report("`together` is empty", span, "put calls into its braces"));
        }
        StepKind::Together(branches)
    }

    fn together_step(&mut self, step: &ast::Step, out: &mut Vec<Step>) {
        let span = step.span;
        let kind = match &step.kind {
            Written::Assign { target, value: ast::AssignValue::Step(inner) }
                if matches!(inner.kind, Written::Call(_) | Written::Ask(_) | Written::Recall { .. }) =>
            {
                self.request_step(inner, Some(target), out)
            }
            Written::Call(_) | Written::Ask(_) => self.request_step(step, None, out),
            _ => {
                self.push(report::type_mismatch::report(
                    "calls and questions in `together`",
                    "another step",
                    span,
                ));
                StepKind::Error
            }
        };
        out.push(Step { kind, span });
    }
}

/// The value of the last step that gives one: what an item of `each` comes to.
fn last_value(steps: &[Step]) -> Option<Variable> {
    steps.iter().rev().find_map(|step| match &step.kind {
        StepKind::Request(request) => request.into,
        StepKind::PickValue { into, .. } | StepKind::Write { into, .. } => Some(*into),
        StepKind::Assign(variable @ Variable::Local(_), _) => Some(*variable),
        _ => None,
    })
}
