// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules while the program runs: what a step decided is looked at before anybody is told, so that a step that would
//! break a rule does nothing at all. The order is that of the step: the event, its answer, what was decided, then what
//! is asked for.

#[cfg(test)]
mod tests;

use super::execute::Context;
use super::{Machine, Pending};
use crate::effect::{Action, Effect, Event, Fault, Outcome, Stop};
use crate::program::monitor::{Concern, Does, MonitorKind};
use crate::program::{Asked, Program, Purpose};

/// What a step began with, as far as rules look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Happened {
    /// Nothing that a rule speaks of.
    #[default]
    Nothing,
    /// An event was taken.
    Event(Taken),
    /// Somebody approved: index into [`Program::people`].
    Yes(u16),
}

/// Events as rules tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Message,
    Wake,
    Declared(u32),
    /// One that no rule names.
    Other,
}

impl Happened {
    /// What taking an event means to rules.
    pub(super) fn event(event: &Event) -> Self {
        Self::Event(match event {
            Event::Message(_) => Taken::Message,
            Event::Wake { .. } => Taken::Wake,
            Event::Declared { event, .. } => Taken::Declared(*event),
            _ => Taken::Other,
        })
    }

    /// What the outcome of a pending effect means to rules.
    pub(super) fn outcome(program: &Program, pending: &[Pending], number: u32, outcome: &Outcome) -> Self {
        let Outcome::Yes(_) = outcome else { return Self::Nothing };
        let asked = pending.iter().find(|pending| pending.number == number);
        let site = asked.and_then(|pending| program.sites.get(usize::from(pending.site)));
        match site.map(|site| &site.purpose) {
            Some(Purpose::Request { asked: Asked::Approval { by, .. }, .. }) => Self::Yes(*by),
            _ => Self::Nothing,
        }
    }
}

impl Machine {
    /// Looks at a step before it is returned; the fault when it would break a rule.
    pub(super) fn watch(&mut self, context: &Context<'_>, stop: &Stop) -> Option<Fault> {
        let broken = self.broken(context, stop)?;
        let text = context.program.monitors.get(usize::from(broken))?.text.as_str();
        Some(Fault::RuleBroken(text.into()))
    }

    fn broken(&mut self, context: &Context<'_>, stop: &Stop) -> Option<u16> {
        let program = context.program;
        let watch = &program.derived.watch;
        match context.happened {
            Happened::Nothing => {}
            Happened::Event(taken) => {
                for at in &watch.per_event {
                    self.set_rule(*at, 0);
                }
                let concerns: &[Concern] = match taken {
                    Taken::Message => &watch.messages,
                    Taken::Wake => &watch.wakes,
                    Taken::Declared(event) => watch.events.get(event as usize).map_or(&[], Vec::as_slice),
                    Taken::Other => &[],
                };
                if let Some(broken) = self.happens(concerns) {
                    return Some(broken);
                }
            }
            Happened::Yes(who) => self.approve(program, who),
        }
        for action in &context.actions {
            let concerns: &[Concern] = match action {
                Action::Reply(_) => &watch.replies,
                Action::Send(..) => &watch.sends,
                Action::Moved { to, .. } => watch.states.get(*to as usize).map_or(&[], Vec::as_slice),
                _ => continue,
            };
            if let Some(broken) = self.happens(concerns) {
                return Some(broken);
            }
        }
        if let Stop::Await(awaited) = stop {
            for asked in awaited.iter().filter(|asked| asked.fresh) {
                if let Some(broken) = self.asked(program, &asked.effect) {
                    return Some(broken);
                }
            }
        }
        watch.answers.iter().copied().find(|at| self.owes(program, *at, stop))
    }

    /// The tools that an effect calls.
    fn asked(&mut self, program: &Program, effect: &Effect) -> Option<u16> {
        let tools = &program.derived.watch.tools;
        match effect {
            Effect::Call { grant, .. } => self.happens(tools.get(*grant as usize)?),
            Effect::Run { calls, .. } => calls.iter().find_map(|call| {
                let granted = program.tools.iter().position(|tool| *tool.tool == *call.tool)?;
                self.happens(tools.get(granted)?)
            }),
            _ => None,
        }
    }

    #[inline]
    fn happens(&mut self, concerns: &[Concern]) -> Option<u16> {
        for concern in concerns {
            let state = self.rules.get_mut(usize::from(concern.monitor))?;
            let breaks = match concern.does {
                Does::UseUp | Does::Need => *state == 0,
                Does::Count => *state >= concern.max,
                Does::Raise | Does::Settle => false,
            };
            if breaks {
                return Some(concern.monitor);
            }
            match concern.does {
                Does::UseUp | Does::Settle => *state = 0,
                Does::Raise => *state = 1,
                Does::Count => *state += 1,
                Does::Need => {}
            }
        }
        None
    }

    fn approve(&mut self, program: &Program, who: u16) {
        for at in &program.derived.watch.approvals {
            let monitor = program.monitors.get(usize::from(*at)).map(|monitor| &monitor.kind);
            if matches!(monitor, Some(MonitorKind::Approved { by, .. }) if by.contains(&who)) {
                self.set_rule(*at, 1);
            }
        }
    }

    fn set_rule(&mut self, at: u16, to: u32) {
        if let Some(state) = self.rules.get_mut(usize::from(at)) {
            *state = to;
        }
    }

    /// Whether an answer is owed where the session stops, and nothing will bring it.
    fn owes(&self, program: &Program, at: u16, stop: &Stop) -> bool {
        if self.rules.get(usize::from(at)).copied() != Some(1) {
            return false;
        }
        let Some(MonitorKind::LeadsTo { rests, .. }) =
            program.monitors.get(usize::from(at)).map(|monitor| &monitor.kind)
        else {
            return false;
        };
        match stop {
            Stop::Done(_) => true,
            Stop::Idle => {
                let timers = program.states.get(self.state as usize).map_or(0, |state| state.timers.len());
                let spent = (0..timers).all(|timer| self.fired >> timer & 1 == 1);
                spent || rests.iter().any(|state| u32::from(*state) == self.state)
            }
            Stop::Await(_) => {
                let bounded = self.each.as_ref().is_some_and(|each| each.timer.is_some());
                !bounded && self.pending.iter().any(|pending| is_unbounded(program, pending.site))
            }
            Stop::Fault(_) => false,
        }
    }
}

/// Whether nothing but a person or an agent ends the effect of a site.
fn is_unbounded(program: &Program, site: u16) -> bool {
    match program.sites.get(usize::from(site)).map(|site| &site.purpose) {
        Some(Purpose::Run { approved_by: Some(_), deadline, .. }) => !deadline,
        Some(Purpose::Request { asked, .. }) => match asked {
            Asked::Agent { deadline, .. }
            | Asked::Person { deadline, .. }
            | Asked::Approval { deadline, .. } => !deadline,
            Asked::Call { .. } | Asked::Recall { .. } => false,
        },
        _ => false,
    }
}
