// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arms: which outcomes a step has, which arm takes which, and whether none is forgotten.

use super::report;
use super::scope::Checker;
use crate::ast::{self, LabelKind};
use crate::source::Span;
use crate::typed::{Step, Type, TypeId, TypeShape, Variable, VariantArm};

/// One outcome of a step.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub name: String,
    pub payload: Vec<Type>,
    /// Whether some arm must take it; otherwise `anywhere` does.
    pub required: bool,
}

impl Outcome {
    pub fn plain(name: &str) -> Self {
        Self { name: name.into(), payload: Vec::new(), required: true }
    }

    pub fn with(name: &str, payload: Vec<Type>) -> Self {
        Self { name: name.into(), payload, required: true }
    }

    pub fn optional(name: &str, payload: Vec<Type>) -> Self {
        Self { name: name.into(), payload, required: false }
    }
}

/// An arm whose labels were matched with outcomes.
#[derive(Debug, Clone)]
pub(super) struct CheckedArm {
    pub cases: Vec<u32>,
    pub is_else: bool,
    pub label: String,
    pub binders: Vec<Variable>,
    pub steps: Vec<Step>,
    pub span: Span,
}

impl CheckedArm {
    pub fn into_variant_arm(self) -> VariantArm {
        VariantArm {
            cases: self.cases,
            label: self.label,
            binders: self.binders,
            steps: self.steps,
            span: self.span,
        }
    }
}

/// A label as written.
pub(super) fn label_text(label: &ast::Label) -> String {
    match &label.kind {
        LabelKind::Name(name) => name.clone(),
        LabelKind::Int(value) => value.to_string(),
        LabelKind::Text(text) => format!("\"{text}\""),
        LabelKind::Else => "else".into(),
    }
}

impl Checker<'_> {
    /// Outcomes of a union: its cases.
    pub fn case_outcomes(&self, id: TypeId) -> Vec<Outcome> {
        match self.shape(id) {
            Some(TypeShape::Union(cases)) => cases
                .iter()
                .map(|c| Outcome::with(&c.name, c.fields.iter().map(|f| f.ty.clone()).collect()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Checks arms against outcomes; wrong and repeated labels are reported, steps are checked in any case.
    pub fn arms(&mut self, what: &str, outcomes: &[Outcome], arms: &[ast::Arm]) -> Vec<CheckedArm> {
        let mut taken = vec![false; outcomes.len()];
        let mut out = Vec::new();
        for arm in arms {
            let mut cases = Vec::new();
            let mut is_else = false;
            for label in &arm.labels {
                if label.kind == LabelKind::Else {
                    is_else = true;
                    continue;
                }
                let text = label_text(label);
                match outcomes.iter().position(|o| o.name == text) {
                    Some(at) if !taken[at] => {
                        taken[at] = true;
                        cases.push(at as u32);
                    }
                    _ => {
                        let open = outcomes
                            .iter()
                            .zip(&taken)
                            .filter(|(_, taken)| !**taken)
                            .map(|(o, _)| o.name.as_str());
                        let near = report::nearest(&text, open);
                        self.push(report::dead_arm::report(&text, what, label.span, near));
                    }
                }
            }
            self.open_scope();
            let (binders, mut steps) = self.binders(outcomes, &cases, arm);
            steps.extend(self.steps(&arm.body.steps));
            self.close_scope();
            let label = arm.labels.iter().map(label_text).collect::<Vec<_>>().join(" or ");
            out.push(CheckedArm { cases, is_else, label, binders, steps, span: arm.span });
        }
        out
    }

    /// Binds the payload names of an arm; slots get an assignment at the beginning of its steps.
    fn binders(&mut self, outcomes: &[Outcome], cases: &[u32], arm: &ast::Arm) -> (Vec<Variable>, Vec<Step>) {
        let (mut binders, mut steps) = (Vec::new(), Vec::new());
        for label in &arm.labels {
            if label.binders.is_empty() {
                continue;
            }
            let case = outcomes.iter().position(|o| o.name == label_text(label)).map(|at| &outcomes[at]);
            let payload = case.map(|c| c.payload.clone()).unwrap_or_default();
            if let Some(case) = case
                && payload.len() != label.binders.len()
            {
                let expected = match payload.len() {
                    0 => "no payload".to_string(),
                    1 => "one value".to_string(),
                    n => format!("{n} values"),
                };
                self.push(report::wrong_count::report(
                    &format!("`{}`", case.name),
                    &expected,
                    label.binders.len(),
                    label.span,
                ));
            }
            if cases.len() > 1 {
                self.push(report::wrong_count::report(
                    "an arm of several labels",
                    "no names in brackets",
                    label.binders.len(),
                    label.span,
                ));
                continue;
            }
            for (at, name) in label.binders.iter().enumerate() {
                let ty = payload.get(at).cloned().unwrap_or(Type::Unknown);
                let (variable, pass_on) = self.bind(name, &ty);
                binders.push(variable);
                steps.extend(pass_on);
            }
        }
        (binders, steps)
    }

    /// Reports required outcomes that no arm takes.
    pub fn require_all(&mut self, what: &str, outcomes: &[Outcome], arms: &[CheckedArm], span: Span) {
        if arms.iter().any(|a| a.is_else) {
            return;
        }
        let missing: Vec<String> = outcomes
            .iter()
            .enumerate()
            .filter(|(at, o)| o.required && !arms.iter().any(|a| a.cases.contains(&(*at as u32))))
            .map(|(_, o)| format!("`{}`", o.name))
            .collect();
        if !missing.is_empty() {
            self.push(report::not_exhaustive::report(what, &missing.join(", "), span));
        }
    }
}
