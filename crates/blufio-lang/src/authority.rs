// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an agent may do, and what a new version may do that the old one could not: which tools are called, by a step or
//! by a model, under whose approval; whom it asks and writes to; what it may cost. Two versions are compared as people
//! ask: what is new, what is gone, which bound moved.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{CheckedAgent, model_calls, step_blocks, step_targets};
use crate::typed::{HandlerAction, Limits, OutcomeKind, Program, Request, RequestStep, Step, StepKind, Who};

/// Something that an agent may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// A tool is called by a step.
    Call {
        /// Tool.
        tool: String,
        /// Whose approval stands around the call.
        approved_by: Option<String>,
    },
    /// A model may call a tool.
    Offer {
        /// Tool.
        tool: String,
        /// Who approves dangerous calls.
        approved_by: Option<String>,
    },
    /// Another agent is asked, with these tools.
    Ask {
        /// Agent.
        agent: String,
        /// Tools passed on.
        with: Vec<String>,
    },
    /// A question to a person.
    Question {
        /// Whom.
        whom: String,
    },
    /// Messages to somebody.
    Send {
        /// Whom.
        to: String,
    },
    /// Something is kept in memory.
    Remember,
}

impl std::fmt::Display for Power {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let approval = |who: &Option<String>| match who {
            Some(who) => format!(", approved by {who}"),
            None => String::new(),
        };
        match self {
            Self::Call { tool, approved_by } => write!(f, "calls {tool}{}", approval(approved_by)),
            Self::Offer { tool, approved_by } => {
                write!(f, "lets a model call {tool}{}", approval(approved_by))
            }
            Self::Ask { agent, with } if with.is_empty() => write!(f, "asks {agent}"),
            Self::Ask { agent, with } => write!(f, "asks {agent} with {}", with.join(", ")),
            Self::Question { whom } => write!(f, "asks {whom}"),
            Self::Send { to } => write!(f, "writes to {to}"),
            Self::Remember => write!(f, "keeps things in memory"),
        }
    }
}

/// What an agent may do and cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority {
    /// Powers with the states that use them.
    pub powers: BTreeMap<Power, BTreeSet<String>>,
    /// Bounds by name; `None` where there is none.
    pub bounds: BTreeMap<&'static str, Option<i64>>,
}

/// A difference between two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A power that only the new version has, and where.
    Gained(Power, Vec<String>),
    /// A power that only the old version had.
    Lost(Power),
    /// A bound that moved: name, before, after.
    Moved(&'static str, Option<i64>, Option<i64>),
}

impl Change {
    /// Whether the new version may do or cost more.
    pub fn is_more(&self) -> bool {
        match self {
            Self::Gained(..) => true,
            Self::Lost(_) => false,
            Self::Moved(_, before, after) => match (before, after) {
                (Some(before), Some(after)) => after > before,
                (before, _) => before.is_some(),
            },
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bound = |value: &Option<i64>| value.map_or("no bound".to_string(), |value| value.to_string());
        match self {
            Self::Gained(power, places) => write!(f, "+ {power} (in {})", places.join(", ")),
            Self::Lost(power) => write!(f, "- {power}"),
            Self::Moved(name, before, after) => write!(f, "~ {name}: {} → {}", bound(before), bound(after)),
        }
    }
}

/// What a checked agent may do.
pub fn authority(agent: &CheckedAgent) -> Authority {
    let program = &agent.program;
    let mut out = Authority::default();
    for state in &program.states {
        let mut walk = Walk { program, out: &mut out, place: &state.name };
        walk.steps(&state.body, None);
        state.timers.iter().for_each(|timer| walk.steps(&timer.steps, None));
        walk.handlers(&state.handlers);
    }
    Walk { program, out: &mut out, place: "anywhere" }.handlers(&program.anywhere);
    let facts = agent.facts.calls_per_event.map(i64::from);
    out.bounds.insert("model calls per message, at most", facts);
    let budget = &program.budget;
    for (name, limits) in [
        (["budget message, calls", "budget message, millionths", "budget message, ms"], budget.message),
        (
            ["budget heartbeat, calls", "budget heartbeat, millionths", "budget heartbeat, ms"],
            budget.heartbeat,
        ),
        (["budget day, calls", "budget day, millionths", "budget day, ms"], budget.day),
        (["budget month, calls", "budget month, millionths", "budget month, ms"], budget.month),
    ] {
        out.limits(name, limits);
    }
    out
}

impl Authority {
    fn limits(&mut self, [calls, money, time]: [&'static str; 3], limits: Limits) {
        self.bounds.insert(calls, limits.calls.map(|(calls, _)| i64::from(calls)));
        self.bounds.insert(money, limits.money.map(|(amount, ..)| amount));
        self.bounds.insert(time, limits.time_ms.map(|(ms, _)| ms));
    }
}

/// A state in the table of `blufio check --table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// State.
    pub state: String,
    /// Its visit cap in words.
    pub cap: Option<String>,
    /// Most model calls of one visit's body.
    pub model_calls: u32,
    /// What it does to the world.
    pub powers: Vec<String>,
    /// States that its body, handlers and deadlines lead to.
    pub leads_to: Vec<String>,
}

/// One row per state.
pub fn table(agent: &CheckedAgent) -> Vec<StateRow> {
    let program = &agent.program;
    let powers = authority(agent).powers;
    let row = |state: &crate::typed::State| {
        let handlers = state.handlers.iter().filter_map(|handler| match &handler.action {
            HandlerAction::Run { steps, .. } => Some(steps.as_slice()),
            _ => None,
        });
        let timers = state.timers.iter().map(|timer| timer.steps.as_slice());
        let targets: BTreeSet<u32> = std::iter::once(state.body.as_slice())
            .chain(handlers)
            .chain(timers)
            .flat_map(step_targets)
            .chain(state.cap.map(|cap| cap.otherwise.0))
            .collect();
        let name = |at: &u32| program.states.get(*at as usize).map_or_else(String::new, |s| s.name.clone());
        StateRow {
            state: state.name.clone(),
            cap: state.cap.map(|cap| {
                format!("{} per {}", cap.visits_max, if cap.per_event { "event" } else { "session" })
            }),
            model_calls: model_calls(program, &state.body),
            powers: powers
                .iter()
                .filter(|(_, at)| at.contains(&state.name))
                .map(|(p, _)| p.to_string())
                .collect(),
            leads_to: targets.iter().map(name).collect(),
        }
    };
    program.states.iter().map(row).collect()
}

/// What the new version may do and cost differently.
pub fn diff(old: &Authority, new: &Authority) -> Vec<Change> {
    let gained = new
        .powers
        .iter()
        .filter(|(power, _)| !old.powers.contains_key(*power))
        .map(|(power, places)| Change::Gained(power.clone(), places.iter().cloned().collect()));
    let lost = old.powers.keys().filter(|power| !new.powers.contains_key(*power)).cloned().map(Change::Lost);
    let names: BTreeSet<&'static str> = old.bounds.keys().chain(new.bounds.keys()).copied().collect();
    let moved = names.into_iter().filter_map(|name| {
        let (before, after) =
            (old.bounds.get(name).copied().flatten(), new.bounds.get(name).copied().flatten());
        (before != after).then_some(Change::Moved(name, before, after))
    });
    gained.chain(lost).chain(moved).collect()
}

struct Walk<'a> {
    program: &'a Program,
    out: &'a mut Authority,
    place: &'a str,
}

/// Somebody in the words of the program.
fn words(who: &Who) -> String {
    match who {
        Who::Owner => "owner".into(),
        Who::Sender => "sender".into(),
        Who::Person(name) => name.clone(),
        Who::Quorum(count, name) => format!("{count} of {name}"),
    }
}

impl Walk<'_> {
    fn note(&mut self, power: Power) {
        self.out.powers.entry(power).or_default().insert(self.place.to_string());
    }

    fn handlers(&mut self, handlers: &[crate::typed::Handler]) {
        for handler in handlers {
            if let HandlerAction::Run { steps, .. } = &handler.action {
                self.steps(steps, None);
            }
        }
    }

    /// `approval`: whose yes stands around these steps.
    fn steps(&mut self, steps: &[Step], approval: Option<&str>) {
        for step in steps {
            match &step.kind {
                StepKind::Request(request) => {
                    self.request(request, approval);
                    continue;
                }
                StepKind::Together(branches) => branches.iter().for_each(|b| self.request(b, approval)),
                StepKind::Run { approved_by, .. } => {
                    let approved_by = approved_by.as_ref().map(|(who, _)| words(who));
                    let tools = self.program.tools.iter().map(|tool| tool.tool.clone());
                    for tool in tools.collect::<Vec<_>>() {
                        self.note(Power::Offer { tool, approved_by: approved_by.clone() });
                    }
                }
                StepKind::Send(who, ..) => self.note(Power::Send { to: words(who) }),
                StepKind::Remember(..) => self.note(Power::Remember),
                _ => {}
            }
            for block in step_blocks(step) {
                self.steps(block, approval);
            }
        }
    }

    fn request(&mut self, step: &RequestStep, approval: Option<&str>) {
        match &step.request {
            Request::Call { grant, .. } => {
                if let Some(tool) = self.program.tools.get(*grant as usize) {
                    let approved_by = approval.map(str::to_string);
                    self.note(Power::Call { tool: tool.tool.clone(), approved_by });
                }
            }
            Request::AskAgent { grant, .. } => {
                if let Some(ask) = self.program.asks.get(*grant as usize) {
                    self.note(Power::Ask { agent: ask.agent.clone(), with: ask.with.clone() });
                }
            }
            Request::AskPerson { whom, .. } => self.note(Power::Question { whom: words(whom) }),
            Request::Approve { .. } | Request::Fill { .. } | Request::Recall { .. } => {}
        }
        for arm in &step.arms {
            let yes = match &step.request {
                Request::Approve { by, .. } if arm.outcomes.as_slice() == [OutcomeKind::Yes] => {
                    Some(words(by))
                }
                _ => None,
            };
            self.steps(&arm.steps, yes.as_deref().or(approval));
        }
        if let Some(otherwise) = &step.otherwise {
            self.steps(otherwise, approval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Authority {
        authority(&crate::machine::tests::front_end::checked(text)[0])
    }

    const OLD: &str = r#"agent a v1
goal "g"
models { fast = "anthropic/claude-haiku-5-5" }
budget { message = 3 calls }
can use orders.find, orders.refund
start state idle {
  on message m {
    write t using fast from m "?" reply t
    approve by owner "{t}" { yes { call orders.refund(order: "1", amount: 1 eur) { done(x) {} failed(w) {} uncertain {} } } no {} }
  }
}
anywhere { on message hold  on failed -> idle }
"#;

    #[test]
    fn a_lost_approval_and_a_moved_bound_are_told() {
        let old = of(OLD);
        let new = of(&OLD
            .replace("approve by owner \"{t}\" { yes { ", "")
            .replace("uncertain {} } } no {} }", "uncertain {} } send owner \"x\"")
            .replace("= 3 calls", "= 5 calls"));
        let changes: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            [
                "+ calls orders.refund (in idle)",
                "+ writes to owner (in idle)",
                "- calls orders.refund, approved by owner",
                "~ budget message, calls: 3 → 5",
            ]
        );
        assert!(diff(&old, &old).is_empty());
        let is_more: Vec<bool> = diff(&old, &new).iter().map(Change::is_more).collect();
        assert_eq!(is_more, [true, true, false, true]);
    }
}
