// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the world says to a session: tools, and the people whom it asks.

use super::{Happening, Session};
use crate::effect::{Effect, Outcome};
use crate::program::Danger;
use crate::program::shape::ShapeId;
use crate::simulate::world::{Call, World};
use crate::typed::Who;

/// What came of a call inside of `run`.
enum Ran {
    /// It was performed or refused: the next one.
    Next,
    /// It waits for an answer or for its approval.
    Waits,
    /// Nobody knows; the rest is not performed (ruling 7).
    Uncertain,
}

impl Session<'_> {
    /// Lets the tool of an open effect answer; true when the effect ended.
    pub(super) fn answer_tool(&mut self, world: &World, at: usize, told_only: bool) -> bool {
        let program = self.program();
        let Some(open) = self.open.get(at) else { return false };
        let id = open.id;
        let outcome = match &open.effect {
            Effect::Call { grant, arguments, shape, .. } => {
                let Some(tool) = program.tools.get(*grant as usize) else { return false };
                let call = Call { tool: &tool.tool, arguments, shape: *shape };
                world.answer(self.folder, program, call, told_only)
            }
            Effect::Run { .. } => self.run(world, at, told_only),
            _ => None,
        };
        match outcome {
            Some(outcome) => {
                self.resolve(id, outcome);
                true
            }
            None => false,
        }
    }

    /// Performs the calls of a `run` as far as they can be; its outcome when all are done.
    fn run(&mut self, world: &World, at: usize, told_only: bool) -> Option<Outcome> {
        loop {
            let open = self.open.get(at)?;
            let Effect::Run { calls, .. } = &open.effect else { return None };
            if open.run.0 >= calls.len() {
                return Some(Outcome::Ran);
            }
            match self.run_next(world, at, told_only)? {
                Ran::Next => self.open.get_mut(at)?.run.0 += 1,
                Ran::Waits => return None,
                Ran::Uncertain => return Some(Outcome::Uncertain),
            }
        }
    }

    fn run_next(&mut self, world: &World, at: usize, told_only: bool) -> Option<Ran> {
        let program = self.program();
        let open = self.open.get_mut(at)?;
        let Effect::Run { calls, approved_by, .. } = &open.effect else { return None };
        let call = calls.get(open.run.0)?.clone();
        let Some(tool) = program.tools.iter().find(|tool| *tool.tool == *call.tool) else {
            return Some(Ran::Next);
        };
        if let (Some(who), Danger::Dangerous) = (approved_by.clone(), tool.danger) {
            match open.run.1 {
                Some(true) => {}
                Some(false) => return Some(Ran::Next),
                None => {
                    let question = format!("{} {}", call.tool, call.arguments);
                    let asked = Happening::Asked(who, question.into());
                    if !self.happened.contains(&asked) {
                        self.happened.push(asked);
                    }
                    return Some(Ran::Waits);
                }
            }
        }
        let shape = tool.gives.unwrap_or(ShapeId(u16::MAX));
        let asked = Call { tool: &tool.tool, arguments: &call.arguments, shape };
        let Some(outcome) = world.answer(self.folder, program, asked, told_only) else {
            return Some(Ran::Waits);
        };
        let arguments = call.arguments.clone();
        self.happened.push(Happening::Called { tool: tool.tool.clone(), arguments });
        Some(if outcome == Outcome::Uncertain { Ran::Uncertain } else { Ran::Next })
    }

    /// Somebody decides an approval; false when nobody asked them.
    pub fn decide(&mut self, who: &Who, yes: bool) -> bool {
        self.any_open(&mut |session, at| {
            let Some(open) = session.open.get_mut(at) else { return false };
            let id = open.id;
            let by = match &open.effect {
                Effect::Approve { by, .. } => by.clone(),
                Effect::Run { approved_by: Some(by), .. } if open.run.1.is_none() => by.clone(),
                _ => return false,
            };
            let Some(agreed) = vote(&session.folder.groups, &by, who, yes, &mut open.votes) else {
                return false;
            };
            match (agreed, &open.effect) {
                // A group waits for the others.
                (None, _) => {}
                (Some(agreed), Effect::Run { .. }) => open.run.1 = Some(agreed),
                (Some(agreed), _) => {
                    session.resolve(id, if agreed { Outcome::Yes(None) } else { Outcome::No });
                }
            }
            true
        })
    }

    /// Somebody answers a question in words; false when nobody asked them.
    pub fn answer(&mut self, who: &Who, text: &str) -> bool {
        self.any_open(&mut |session, at| {
            let Some(open) = session.open.get(at) else { return false };
            let id = open.id;
            let is_asked = matches!(&open.effect, Effect::AskPerson { whom, .. } if whom == who);
            if is_asked {
                session.resolve(id, Outcome::Said(text.into()));
            }
            is_asked
        })
    }
}

/// Whether somebody may decide (`None` when not), and what was decided with that: yes when enough of a group agreed, no
/// when too few are left (`None` until then).
fn vote(
    groups: &[(String, Vec<String>)],
    by: &Who,
    who: &Who,
    yes: bool,
    votes: &mut Vec<(Who, bool)>,
) -> Option<Option<bool>> {
    if by == who {
        return Some(Some(yes));
    }
    let (needed, group) = match by {
        Who::Quorum(needed, group) => (*needed as usize, group),
        Who::Person(group) => (1, group),
        _ => return None,
    };
    let name = match who {
        Who::Owner => "owner",
        Who::Person(name) if name == group => return Some(Some(yes)),
        Who::Person(name) => name.as_str(),
        _ => return None,
    };
    let (_, members) = groups.iter().find(|(name, _)| name == group)?;
    if !members.iter().any(|member| member == name) {
        return None;
    }
    votes.retain(|(voter, _)| voter != who);
    votes.push((who.clone(), yes));
    let agreed = votes.iter().filter(|(_, yes)| *yes).count();
    let refused = votes.len() - agreed;
    if agreed >= needed {
        return Some(Some(true));
    }
    Some((refused > members.len().saturating_sub(needed)).then_some(false))
}
