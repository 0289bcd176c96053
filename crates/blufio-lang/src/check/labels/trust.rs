// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who talks to an agent. Without a routes file only the owner does. A route of the owner, or of the shell of the
//! machine, brings the owner's own words, which are trusted; every other route brings words of a sender. Forwarded and
//! quoted parts of the owner's messages are not the owner's words: they are marked when a message is taken, which no
//! proof over the program can see.

use super::super::routes::{From, Per, Routes, To};

/// What routes say of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trust {
    /// Whether somebody else than the owner may write to it.
    pub from_others: bool,
    /// Whether one session may hold words of several people.
    pub mixed: bool,
}

/// Who reaches an agent.
pub(super) fn of(routes: Option<&Routes>, agent: &str) -> Trust {
    let mut trust = Trust { from_others: false, mixed: false };
    for rule in routes.iter().flat_map(|routes| &routes.rules) {
        let To::Agent { agent: to, per } = &rule.to else { continue };
        if to != agent || rule.webhook.is_some() {
            continue;
        }
        let owner = match &rule.from {
            From::Owner => true,
            From::People(people) => people.iter().all(|person| person == "owner"),
            From::Anyone => rule.channel.as_deref() == Some("shell"),
        };
        trust.from_others |= !owner;
        trust.mixed |= !owner && *per != Per::Person;
    }
    trust
}
