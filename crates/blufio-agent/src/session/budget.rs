// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a session may still spend: calls and time of the event under way, calls and money of the day and the month, and
//! the same of whoever asked this agent. Days and months are those of UTC.

use blufio_core::store::Cap;
use blufio_lang::effect::Outcome;
use blufio_lang::program::{Limits, RatePeriod, Tool};

use super::Session;
use crate::caps::{Period, calls_name, money_name};
use crate::perform::{Allowance, Reservation};

/// Heartbeats stop when so many hundredths of a day's or a month's money are spent: the rest is for people.
const HEARTBEAT_HUNDREDTHS: i64 = 90;

impl Session {
    /// An event of the world is taken. Events are counted, and their time noted, only where something asks for it.
    pub(super) fn begin_event(&mut self, schedule: Option<u32>, now_ms: i64) {
        let program = &self.program.program;
        let by_event = |tool: &Tool| tool.rate.is_some_and(|(_, period)| period == RatePeriod::Event);
        let limits = [&program.budget.message, &program.budget.heartbeat];
        let counted =
            program.tools.iter().any(by_event) || limits.iter().any(|limits| limits.money.is_some());
        self.notes.events += i64::from(counted);
        (self.notes.heartbeat, self.notes.schedule) = (schedule.is_some(), schedule);
        self.notes.event_ms = limits.iter().any(|limits| limits.time_ms.is_some()).then_some(now_ms);
    }

    fn event_limits(&self) -> &Limits {
        let budget = &self.program.program.budget;
        if self.notes.heartbeat { &budget.heartbeat } else { &budget.message }
    }

    /// How a model step ends that would be one call too many for its event or for whoever asked this agent.
    pub(super) fn over_calls(&self) -> Option<Outcome> {
        let event = self.event_limits().calls.is_some_and(|(most, _)| self.machine.model_calls() > most);
        let parent = self.notes.parent.as_ref();
        let asked = parent.is_some_and(|parent| parent.calls_max.is_some_and(|most| parent.calls > most));
        (event || asked).then_some(Outcome::OverBudget(None))
    }

    /// What a model step may use up.
    pub(super) fn allowance(&self, now_ms: i64) -> Allowance {
        let deadline = self.notes.event_ms.zip(self.event_limits().time_ms);
        Allowance {
            calls: self.reservations(now_ms),
            caps: self.caps(now_ms),
            deadline_ms: deadline.map(|(began, (most, _))| began.saturating_add(most)),
        }
    }

    /// What a model step takes of the agent's budgets of calls by day and month.
    fn reservations(&self, now_ms: i64) -> Vec<Reservation> {
        let program = &self.program.program;
        let of = |limits: &Limits, period: Period| {
            let (most, _) = limits.calls?;
            Some(Reservation { what: calls_name(&program.name, period), most, until_ms: period.end(now_ms) })
        };
        let day = of(&program.budget.day, Period::Day);
        day.into_iter().chain(of(&program.budget.month, Period::Month)).collect()
    }

    /// How the names begin under which the session alone counts money and uses.
    pub(super) fn counts(&self) -> Vec<String> {
        let own = self.id.map(|id| format!("{id}/"));
        own.into_iter().chain([format!("{}/{}/", self.key, self.notes.birth)]).collect()
    }

    /// The caps on money that a model step counts against, those of who asked this agent included.
    pub(super) fn caps(&self, now_ms: i64) -> Vec<Cap> {
        let Self { key, notes, program, .. } = self;
        let program = &program.program;
        let cap = |limits: &Limits, what: String, period: i64| {
            let (most_usd_micros, ..) = limits.money?;
            Some(Cap { what, most_usd_micros, period, warns: false, frees_up_ms: None })
        };
        let shared = |limits: &Limits, period: Period| {
            let until_ms = period.end(now_ms);
            let cap = cap(limits, money_name(&program.name, period), until_ms)?;
            let most_usd_micros = if notes.heartbeat {
                cap.most_usd_micros / 100 * HEARTBEAT_HUNDREDTHS
            } else {
                cap.most_usd_micros
            };
            Some(Cap { most_usd_micros, warns: !notes.heartbeat, frees_up_ms: Some(until_ms), ..cap })
        };
        let event = format!("{key}/{}/usd/event", notes.birth);
        let mut caps: Vec<Cap> = cap(self.event_limits(), event, notes.events).into_iter().collect();
        caps.extend(shared(&program.budget.day, Period::Day));
        caps.extend(shared(&program.budget.month, Period::Month));
        caps.extend(notes.parent.iter().flat_map(|parent| parent.caps.iter().cloned()));
        caps
    }
}
