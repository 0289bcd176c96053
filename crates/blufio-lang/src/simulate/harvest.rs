// SPDX-License-Identifier: MIT OR Apache-2.0
//! The values that a program compares with: they decide which way it goes, so they are worth trying.

use crate::typed::{
    Expr, ExprKind as E, Handler, HandlerAction, Program, Request, RequestStep, Step, StepKind as S,
    SwitchValue, TextPart, Trigger,
};
use crate::value::Currency;

/// Most values of a kind that are kept.
const LITERALS_MAX: usize = 8;

/// Literals that stand in comparisons, and the words of handlers.
#[derive(Debug, Clone, Default)]
pub(super) struct Literals {
    pub texts: Vec<String>,
    pub ints: Vec<i64>,
    pub numbers: Vec<f64>,
    pub money: Vec<(i64, Currency)>,
    pub durations: Vec<i64>,
    pub dates: Vec<i32>,
    pub times: Vec<u32>,
    /// Whether the time of the day decides anything.
    pub reads_time: bool,
    /// Whether the kind of a failure decides anything.
    pub reads_failure: bool,
}

/// Collects them from everything that runs.
pub(super) fn harvest(program: &Program) -> Literals {
    let mut out = Literals::default();
    let handlers = |out: &mut Literals, handlers: &[Handler]| {
        for handler in handlers {
            if let Trigger::Word(word) = &handler.trigger {
                keep(&mut out.texts, word.clone());
            }
            if let HandlerAction::Run { steps, .. } = &handler.action {
                out.block(steps);
            }
        }
    };
    for state in &program.states {
        out.block(&state.body);
        handlers(&mut out, &state.handlers);
        for timer in &state.timers {
            out.block(&timer.steps);
        }
    }
    handlers(&mut out, &program.anywhere);
    out
}

fn keep<T: PartialEq>(known: &mut Vec<T>, value: T) {
    if known.len() < LITERALS_MAX && !known.contains(&value) {
        known.push(value);
    }
}

impl Literals {
    fn block(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        match &step.kind {
            S::If { condition, yes, no } => {
                self.expression(condition);
                self.block(yes);
                self.block(no);
            }
            S::Match { subject, arms, otherwise } => {
                self.expression(subject);
                arms.iter().for_each(|arm| self.block(&arm.steps));
                self.block(otherwise.as_deref().unwrap_or(&[]));
            }
            S::Switch { subject, arms, otherwise } => {
                self.expression(subject);
                for (values, steps) in arms {
                    for value in values {
                        match value {
                            SwitchValue::Int(value) => keep(&mut self.ints, *value),
                            SwitchValue::Text(text) => keep(&mut self.texts, text.clone()),
                        }
                    }
                    self.block(steps);
                }
                self.block(otherwise);
            }
            S::IfSome { subject, some, none, .. } => {
                self.expression(subject);
                self.block(some);
                self.block(none);
            }
            S::PickArms { arms, .. } => arms.iter().for_each(|arm| self.block(&arm.steps)),
            S::Turn { says, calls, refuses, .. } => {
                self.block(&says.1);
                self.block(&refuses.1);
                self.block(calls.as_ref().map_or(&[], |(_, steps)| steps));
            }
            S::Request(request) => self.request(request),
            S::Together(requests) => requests.iter().for_each(|request| self.request(request)),
            S::Each(each) => {
                self.expression(&each.list);
                self.block(&each.steps);
            }
            S::Done(Some(expr))
            | S::Assign(_, expr)
            | S::Append(_, expr)
            | S::Reply(expr)
            | S::Send(_, expr, _)
            | S::Show(expr)
            | S::Remember(expr, _)
            | S::Wake { when: expr, .. } => self.expression(expr),
            S::PutEntry { key, value, .. } => {
                self.expression(key);
                self.expression(value);
            }
            _ => {}
        }
    }

    fn request(&mut self, request: &RequestStep) {
        match &request.request {
            Request::Call { arguments, .. } => arguments.iter().for_each(|(_, value)| self.expression(value)),
            Request::AskAgent { arguments, .. } => arguments.iter().for_each(|value| self.expression(value)),
            _ => {}
        }
        request.arms.iter().for_each(|arm| self.block(&arm.steps));
        self.block(request.otherwise.as_deref().unwrap_or(&[]));
    }

    fn expression(&mut self, expr: &Expr) {
        match &expr.kind {
            E::Compare(_, left, right) => {
                self.literal(left);
                self.literal(right);
                self.expression(left);
                self.expression(right);
            }
            E::Contains(left, right) => {
                self.literal(right);
                self.expression(left);
                self.expression(right);
            }
            E::TimeBetween(moment, from, to, _) => {
                self.reads_time = true;
                self.literal(from);
                self.literal(to);
                self.expression(moment);
            }
            E::Property(of, property) => {
                self.reads_failure |= *property == crate::typed::Property::FailureKind;
                self.expression(of);
            }
            E::Index(left, right)
            | E::And(left, right)
            | E::Or(left, right)
            | E::Default(left, right)
            | E::Arithmetic(_, left, right) => {
                self.expression(left);
                self.expression(right);
            }
            E::Field(of, _)
            | E::Not(of)
            | E::Negate(of)
            | E::Length(of)
            | E::First(of)
            | E::ToOptional(of)
            | E::Present(of)
            | E::Print(of) => self.expression(of),
            E::Record(_, items) | E::Variant(_, _, items) | E::List(items) => {
                items.iter().for_each(|item| self.expression(item));
            }
            E::Text(parts) => {
                for part in parts {
                    if let TextPart::Value(value) = part {
                        self.expression(value);
                    }
                }
            }
            _ => {}
        }
    }

    fn literal(&mut self, expr: &Expr) {
        match &expr.kind {
            E::Int(value) => keep(&mut self.ints, *value),
            E::Number(value) => keep(&mut self.numbers, *value),
            E::Money(minor, currency) => keep(&mut self.money, (*minor, *currency)),
            E::Duration(ms) => keep(&mut self.durations, *ms),
            E::Date(days) => keep(&mut self.dates, *days),
            E::Time(minutes) => keep(&mut self.times, *minutes),
            E::ToOptional(inner) => self.literal(inner),
            E::Text(parts) => {
                if let [TextPart::Literal(text)] = parts.as_slice() {
                    keep(&mut self.texts, text.clone());
                }
            }
            _ => {}
        }
    }
}
