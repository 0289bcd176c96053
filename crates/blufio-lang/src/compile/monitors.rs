// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules become monitors. One that speaks of an event that no handler takes has nothing to watch and is left out.

use super::Compiler;
use crate::check::monitors::{accepts, endorses};
use crate::program::monitor::{Monitor, MonitorKind, Watched};
use crate::typed::{RuleKind, Subject};

impl Compiler<'_> {
    /// The monitors of the rules; everything that names people is compiled before.
    pub(super) fn monitors(&self) -> Vec<Monitor> {
        let source = self.source;
        let compiled = source.rules.iter().filter_map(|rule| {
            let kind = match &rule.kind {
                RuleKind::NeverUnlessApproved(subject, wanted) => {
                    let counts = self.people.iter().enumerate().filter(|(_, who)| endorses(who, wanted));
                    let by = counts.map(|(at, _)| at as u16).collect();
                    MonitorKind::Approved { what: self.watched(subject)?, by }
                }
                RuleKind::NeverUnless(subject, before) => {
                    MonitorKind::Before { what: self.watched(subject)?, before: self.watched(before)? }
                }
                RuleKind::LeadsTo(subject, to) => MonitorKind::LeadsTo {
                    what: self.watched(subject)?,
                    to: to.iter().filter_map(|subject| self.watched(subject)).collect(),
                    rests: (0..source.states.len())
                        .filter(|at| source.states[*at].timers.is_empty() || accepts(source, subject, *at))
                        .map(|at| at as u16)
                        .collect(),
                },
                RuleKind::AtMost { count, subject, per_event } => {
                    MonitorKind::AtMost { what: self.watched(subject)?, count: *count, per_event: *per_event }
                }
                RuleKind::NeverReaches(..) => return None,
            };
            Some(Monitor { kind, text: rule.text.clone(), span: rule.span })
        });
        compiled.collect()
    }

    fn watched(&self, subject: &Subject) -> Option<Watched> {
        Some(match subject {
            Subject::Tool(grant) => Watched::Tool(*grant as u16),
            Subject::Reply => Watched::Reply,
            Subject::Send => Watched::Send,
            Subject::Message => Watched::Message,
            Subject::Wake => Watched::Wake,
            Subject::State(id) => Watched::State(id.0 as u16),
            Subject::Declared(id) => {
                Watched::Declared(self.event_ids.iter().position(|known| known == id)? as u16)
            }
        })
    }
}
