// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long an event can take. A model call and a tool are taken at a usual limit of a host, people and agents at their
//! `within`; a wait without one has no bound.

use super::{Pricing, UNBOUNDED, visits_max};
use crate::check::bounds::Measure;
use crate::check::flow::blocks;
use crate::typed::{EachStep, Expr, ExprKind, HandlerAction, Program, Request, RequestStep, Step, StepKind};

/// One attempt of a model, milliseconds: usual, and the most that is reckoned with.
const MODEL_MS: [u64; 2] = [5_000, 120_000];
/// One attempt of a tool, milliseconds: usual, and the most that is reckoned with.
const TOOL_MS: [u64; 2] = [1_000, 30_000];

/// Wall time, milliseconds.
pub(in crate::check) struct Time<'a> {
    pub pricing: &'a Pricing<'a>,
    pub is_worst: bool,
    /// Whether waits for people count.
    pub with_people: bool,
}

impl Time<'_> {
    fn attempts(&self, [usual, worst]: [u64; 2], retries: u32) -> u64 {
        if self.is_worst { worst.saturating_mul(u64::from(retries) + 1) } else { usual }
    }

    /// A wait for people, which is not reckoned with when things go as usual.
    fn people(&self, within: Option<&Expr>) -> u64 {
        if self.is_worst && self.with_people { within.map_or(UNBOUNDED, limit) } else { 0 }
    }

    pub fn request(&self, request: &RequestStep) -> u64 {
        match &request.request {
            Request::Call { retries, .. } => self.attempts(TOOL_MS, *retries),
            Request::Fill { model, .. } => self.attempts(MODEL_MS, model.retries),
            Request::Recall { .. } => self.attempts(TOOL_MS, 0),
            Request::AskPerson { within, .. } | Request::Approve { within, .. } => {
                self.people(within.as_ref())
            }
            Request::AskAgent { grant, within, .. } => {
                let ask = self.pricing.program.asks.get(*grant as usize);
                let costs =
                    ask.and_then(|ask| self.pricing.known.get(&ask.agent)).and_then(|costs| costs.time);
                let own =
                    costs.map_or(UNBOUNDED, |time| if self.is_worst { time.worst } else { time.expected });
                own.min(within.as_ref().map_or(UNBOUNDED, limit))
            }
        }
    }
}

/// A duration that is written as one; what is computed has no bound that could be known.
pub(in crate::check) fn limit(within: &Expr) -> u64 {
    match within.kind {
        ExprKind::Duration(ms) => u64::try_from(ms).unwrap_or(0),
        _ => UNBOUNDED,
    }
}

impl Measure for Time<'_> {
    fn own(&self, step: &Step) -> u64 {
        match &step.kind {
            StepKind::PickArms { model, .. }
            | StepKind::PickValue { model, .. }
            | StepKind::Write { model, .. }
            | StepKind::Turn { model, .. } => self.attempts(MODEL_MS, model.retries),
            StepKind::Run { approved_by, .. } => {
                let asks = approved_by.as_ref().map_or(0, |(_, within)| self.people(within.as_ref()));
                self.attempts(TOOL_MS, 0).saturating_add(asks)
            }
            StepKind::Request(request) => self.request(request),
            StepKind::Together(branches) => {
                branches.iter().map(|branch| self.request(branch)).max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn items(&self, each: &EachStep, one: u64) -> u64 {
        let rounds = u64::from(each.items_max).div_ceil(u64::from(each.at_once.max(1)));
        one.saturating_mul(rounds).min(each.within.as_ref().map_or(UNBOUNDED, limit))
    }

    fn visits_max(&self, program: &Program, state: usize) -> Option<u32> {
        visits_max(program, state, self.is_worst)
    }
}

/// Every step of a program, also those inside others.
pub(in crate::check) fn every_step(program: &Program) -> Vec<&Step> {
    let handlers = program.anywhere.iter().chain(program.states.iter().flat_map(|state| &state.handlers));
    let mut stack: Vec<&[Step]> = handlers
        .filter_map(|handler| match &handler.action {
            HandlerAction::Run { steps, .. } => Some(steps.as_slice()),
            _ => None,
        })
        .collect();
    for state in &program.states {
        stack.push(&state.body);
        stack.extend(state.timers.iter().map(|timer| timer.steps.as_slice()));
    }
    let mut out = Vec::new();
    while let Some(steps) = stack.pop() {
        for step in steps {
            out.push(step);
            stack.extend(blocks(step));
        }
    }
    out
}
