// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a program costs at the worst: money and time per message, heartbeat and day, and whether each prompt fits its
//! model's window. The same linear bound as of model calls, with a price for each step; agents that are asked are
//! bounded before those that ask them.
//!
//! Money is price × (prompt at its caps + longest answer), for every attempt. Time takes a model call, a tool and a
//! wait for people at their limits. What is expected is the same path without retries, each capped state visited once.
//!
//! A budget is kept at run time in any case: a step beyond it is `over_budget`. So a worst case above the budget is an
//! error only where nothing takes `over_budget`, and is a fact for people otherwise.

mod models;
mod prompt;
#[cfg(test)]
mod tests;
mod time;

pub(super) use time::{every_step, limit};

use std::collections::BTreeMap;

use super::bounds::{Calls, Measure, worst_case};
use super::flow::{Flow, flow};
use super::{CheckedAgent, Environment, ModelPrice, report, timers};
use crate::diagnostic::Diagnostics;
use crate::source::Span;
use crate::typed::{
    HandlerAction, Limits, ModelUse, Program, Request, RequestStep, ScheduleWhen, Step, StepKind, Trigger,
};
use crate::value::Currency;

/// A bound: what is expected on the worst path, and the worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// Without retries, each capped state visited once, waits for people left out.
    pub expected: u64,
    /// Never more.
    pub worst: u64,
}

/// What stands for "no bound": far above every amount, far below the end of the number.
pub(super) const UNBOUNDED: u64 = 1 << 56;

/// Days of the longest month.
const DAYS_OF_MONTH: u64 = 31;
/// Hours by which a month with a change of clocks is longer at the most.
const HOURS_OF_CHANGE: u64 = 2;
/// Share of a day's and of a month's money that heartbeats may spend.
const HEARTBEAT_HUNDREDTHS: u64 = 90;

/// Bounds of one agent; absent where nothing bounds it, or a price is not known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Costs {
    /// Millionths of a US dollar.
    pub money: Option<Bound>,
    /// Milliseconds.
    pub time: Option<Bound>,
}

/// Bounds every agent of a folder, those that are asked first; compares with budgets and deadlines.
pub(super) fn check(agents: &mut [CheckedAgent], environment: &Environment, diagnostics: &mut Diagnostics) {
    let mut known: BTreeMap<String, Costs> = BTreeMap::new();
    // Delegation is acyclic and at most three deep; each round settles those whose agents are settled.
    for _ in 0..=agents.len() {
        for agent in agents.iter_mut().filter(|agent| agent.facts.calls_per_event.is_some()) {
            let program = &agent.program;
            let asked = |name: &String| known.contains_key(name) || is_own(program, name);
            if known.contains_key(&program.name) || !program.asks.iter().all(|ask| asked(&ask.agent)) {
                continue;
            }
            let flow = flow(program);
            let pricing = Pricing { program, environment, known: &known };
            let message = pricing.costs(&flow, &|trigger| !matches!(trigger, Trigger::Every(_)));
            let heartbeat = pricing.costs(&flow, &|trigger| matches!(trigger, Trigger::Every(_)));
            pricing.check(message, heartbeat, diagnostics);
            heartbeat_calls(program, &flow, diagnostics);
            prompt::check(program, environment, diagnostics);
            models::check(program, agent.span, environment, diagnostics);
            timers::check(program, &flow, &pricing, diagnostics);
            let beats = (!program.schedules.is_empty()).then_some(heartbeat);
            agent.facts.money_per_event_micro_usd = message.money;
            agent.facts.time_per_event_ms = message.time;
            agent.facts.money_per_heartbeat_micro_usd = beats.and_then(|costs| costs.money);
            agent.facts.money_heartbeats_month_micro_usd =
                beats.and_then(|costs| heartbeats_of_month(&agent.program, costs.money));
            agent.facts.time_per_heartbeat_ms = beats.and_then(|costs| costs.time);
            known.insert(agent.program.name.clone(), message);
        }
    }
}

/// Most that all heartbeats of a month spend, millionths of a US dollar: every slot runs and each is as dear as it can be,
/// but not above a budget, of which the last tenth is for people. `None` where nothing bounds it.
fn heartbeats_of_month(program: &Program, beat: Option<Bound>) -> Option<u64> {
    let usd = |limits: &Limits, share: u64| {
        let (allowed, currency, _) = limits.money?;
        let allowed = u64::try_from(allowed).ok().filter(|_| currency.code() == "usd")?;
        Some(allowed / 100 * share)
    };
    let slots: u64 = program.schedules.iter().map(|schedule| fires_per_month(schedule.when)).sum();
    let budget = &program.budget;
    let one = beat.map(|bound| bound.worst).into_iter().chain(usd(&budget.heartbeat, 100)).min();
    let by_slots = one.map(|one| one.saturating_mul(slots));
    let by_day = usd(&budget.day, HEARTBEAT_HUNDREDTHS).map(|day| day.saturating_mul(DAYS_OF_MONTH));
    [by_slots, by_day, usd(&budget.month, HEARTBEAT_HUNDREDTHS)].into_iter().flatten().min()
}

/// Model calls of one heartbeat against their budget; those of messages are compared with the loops.
fn heartbeat_calls(program: &Program, flow: &Flow<'_>, diagnostics: &mut Diagnostics) {
    let Some((allowed, span)) = program.budget.heartbeat.calls else { return };
    let is_beat = |trigger: &Trigger| matches!(trigger, Trigger::Every(_));
    let (calls, path) = worst_case(program, flow, &Calls(program), &is_beat);
    if calls > u64::from(allowed) && !program.schedules.is_empty() {
        let names: Vec<&str> = path.iter().map(|at| program.states[*at].name.as_str()).collect();
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        diagnostics.push(report::over_budget::report(calls, allowed, &names.join(" → "), span));
    }
}

/// Whether an agent asks itself: that never settles and stays unknown.
fn is_own(program: &Program, name: &str) -> bool {
    program.name == name
}

/// One agent with what its prices depend on.
pub(super) struct Pricing<'a> {
    pub program: &'a Program,
    pub environment: &'a Environment,
    /// Bounds of the agents that are settled.
    pub known: &'a BTreeMap<String, Costs>,
}

impl Pricing<'_> {
    /// Bounds over the events that are looked at.
    pub fn costs(&self, flow: &Flow<'_>, counts: &dyn Fn(&Trigger) -> bool) -> Costs {
        let bound = |by: [&dyn Measure; 2]| {
            let [expected, worst] = by.map(|by| worst_case(self.program, flow, by, counts).0);
            (worst < UNBOUNDED).then_some(Bound { expected, worst })
        };
        let money = |is_worst| Money { pricing: self, is_worst };
        let time = |is_worst| time::Time { pricing: self, is_worst, with_people: true };
        Costs { money: bound([&money(false), &money(true)]), time: bound([&time(false), &time(true)]) }
    }

    /// The longest run of a schedule without waits for people, milliseconds.
    pub fn run_ms(&self, flow: &Flow<'_>, schedule: &Trigger) -> Option<u64> {
        let by = time::Time { pricing: self, is_worst: true, with_people: false };
        let (worst, _) = worst_case(self.program, flow, &by, &|trigger| trigger == schedule);
        (worst < UNBOUNDED).then_some(worst)
    }

    /// The price of one attempt of a model step, millionths of a US dollar; `None` where a price is not known.
    fn attempt(&self, model: &ModelUse, is_worst: bool) -> Option<u64> {
        let prompt = prompt::tokens(self.program, model);
        let mut price = self.call(model.model.0, prompt, prompt::kept_tokens(self.program), is_worst)?;
        let summary = self.program.context.history.and_then(|history| history.summarize);
        if let Some(summary) = summary.filter(|_| is_worst && model.history) {
            price =
                price.saturating_add(self.call(summary, prompt::history_tokens(self.program), 0, true)?);
        }
        Some(price)
    }

    /// `kept` of the prompt's tokens are written to a cache that lives for an hour.
    fn call(&self, model: u32, prompt: u64, kept: u64, is_worst: bool) -> Option<u64> {
        let prices: Option<Vec<u64>> = prompt::names(self.program, model)
            .iter()
            .map(|name| Some(call_price(self.environment.prices.of(name, prompt)?, prompt, kept)))
            .collect();
        let prices = prices?;
        if is_worst { prices.into_iter().max() } else { prices.first().copied() }
    }

    fn check(&self, message: Costs, heartbeat: Costs, diagnostics: &mut Diagnostics) {
        let budget = &self.program.budget;
        self.compare("message", &budget.message, message, diagnostics);
        if !self.program.schedules.is_empty() {
            self.compare("heartbeat", &budget.heartbeat, heartbeat, diagnostics);
        }
        let beats: u64 = self.program.schedules.iter().map(|schedule| fires_per_day(schedule.when)).sum();
        let times = |bound: Bound| Bound {
            expected: bound.expected.saturating_mul(beats),
            worst: bound.worst.saturating_mul(beats),
        };
        // Messages of a day have no bound: one of them, and every heartbeat, must fit all the same.
        let day = Costs { money: heartbeat.money.map(times).max_by_worst(message.money), time: None };
        self.compare("day", &Limits { time_ms: None, ..budget.day }, day, diagnostics);
    }

    fn compare(&self, scope: &str, limits: &Limits, costs: Costs, diagnostics: &mut Diagnostics) {
        if let Some((allowed, currency, span)) = limits.money {
            self.compare_money(scope, (allowed, currency, span), costs.money, diagnostics);
        }
        if let Some((allowed, span)) = limits.time_ms
            && !self.takes_over_budget()
            && costs.time.is_none_or(|bound| bound.worst > u64::try_from(allowed).unwrap_or(0))
        {
            diagnostics.push(report::over_time::report(scope, costs.time, allowed, span));
        }
    }

    fn compare_money(
        &self,
        scope: &str,
        (allowed, currency, span): (i64, Currency, Span),
        money: Option<Bound>,
        diagnostics: &mut Diagnostics,
    ) {
        let prices = &self.environment.prices;
        let is_unpriced = prompt::used_models(self.program)
            .into_iter()
            .flat_map(|model| prompt::names(self.program, model))
            .any(|name| prices.of(name, 0).is_none());
        if is_unpriced {
            // Reported where the model is asked.
            return;
        }
        // A budget in another currency is refused where it is declared.
        if currency.code() == "usd"
            && !self.takes_over_budget()
            && money.is_none_or(|bound| bound.worst > u64::try_from(allowed).unwrap_or(0))
        {
            diagnostics.push(report::over_money::report(scope, money, allowed, span));
        }
    }

    /// Whether a step beyond the budget has somebody who takes it, wherever it happens.
    fn takes_over_budget(&self) -> bool {
        let takes = |handlers: &[crate::typed::Handler]| {
            handlers.iter().any(|handler| {
                handler.trigger == Trigger::OverBudget && matches!(handler.action, HandlerAction::Run { .. })
            })
        };
        takes(&self.program.anywhere) || self.program.states.iter().all(|state| takes(&state.handlers))
    }
}

/// The larger of two bounds, where both are known.
trait MaxByWorst {
    fn max_by_worst(self, other: Option<Bound>) -> Option<Bound>;
}

impl MaxByWorst for Option<Bound> {
    fn max_by_worst(self, other: Option<Bound>) -> Option<Bound> {
        Some(self?).into_iter().chain(Some(other?)).max_by_key(|bound| bound.worst)
    }
}

fn call_price(price: ModelPrice, prompt: u64, kept: u64) -> u64 {
    let input = u128::from(prompt.saturating_sub(kept)) * u128::from(price.input_micro_usd_per_million)
        + u128::from(kept) * u128::from(price.kept_input_micro_usd_per_million);
    let output = u128::from(price.output_tokens_max) * u128::from(price.output_micro_usd_per_million);
    u64::try_from((input + output).div_ceil(1_000_000)).unwrap_or(UNBOUNDED)
}

fn fires_per_day(when: ScheduleWhen) -> u64 {
    match when {
        ScheduleWhen::At { .. } => 1,
        ScheduleWhen::Period { period_ms, window } => {
            let (from, to) = window.unwrap_or((0, 24 * 60));
            // A window over midnight ends on the next day.
            let minutes = if to > from { to - from } else { to + 24 * 60 - from };
            (u64::from(minutes) * 60_000).div_ceil(u64::try_from(period_ms).unwrap_or(1).max(1))
        }
    }
}

fn fires_per_month(when: ScheduleWhen) -> u64 {
    let longer = match when {
        ScheduleWhen::At { .. } => 0,
        ScheduleWhen::Period { period_ms, .. } => {
            (HOURS_OF_CHANGE * 3_600_000).div_ceil(u64::try_from(period_ms).unwrap_or(1).max(1))
        }
    };
    fires_per_day(when) * DAYS_OF_MONTH + longer
}

/// Money, millionths of a US dollar.
struct Money<'a> {
    pricing: &'a Pricing<'a>,
    is_worst: bool,
}

impl Money<'_> {
    fn model(&self, model: &ModelUse) -> u64 {
        let attempts = if self.is_worst { u64::from(model.retries) + 1 } else { 1 };
        let price = self.pricing.attempt(model, self.is_worst);
        price.map_or(UNBOUNDED, |price| price.saturating_mul(attempts))
    }

    fn request(&self, request: &RequestStep) -> u64 {
        match &request.request {
            Request::Fill { model, .. } => self.model(model),
            Request::AskAgent { grant, .. } => {
                let ask = self.pricing.program.asks.get(*grant as usize);
                let costs =
                    ask.and_then(|ask| self.pricing.known.get(&ask.agent)).and_then(|costs| costs.money);
                costs.map_or(UNBOUNDED, |bound| if self.is_worst { bound.worst } else { bound.expected })
            }
            _ => 0,
        }
    }
}

impl Measure for Money<'_> {
    fn own(&self, step: &Step) -> u64 {
        match &step.kind {
            StepKind::PickArms { model, .. }
            | StepKind::PickValue { model, .. }
            | StepKind::Write { model, .. }
            | StepKind::Turn { model, .. } => self.model(model),
            StepKind::Request(request) => self.request(request),
            StepKind::Together(branches) => {
                branches.iter().fold(0, |sum: u64, branch| sum.saturating_add(self.request(branch)))
            }
            _ => 0,
        }
    }

    fn visits_max(&self, program: &Program, state: usize) -> Option<u32> {
        visits_max(program, state, self.is_worst)
    }
}

/// Visits of a capped state: as many as allowed, or one.
pub(super) fn visits_max(program: &Program, state: usize, is_worst: bool) -> Option<u32> {
    program.states[state].cap.map(|cap| if is_worst { cap.visits_max } else { 1 })
}
