// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules as monitors of a running session: each is one small number and what changes it. The checker proves the same
//! rules; a monitor catches what reaches the machine past the checker, and defects of either.

use super::{Program, VerifyError};
use crate::program::bytes::{BytesError, Reader, Writer};
use crate::source::Span;

/// A rule that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// What it demands.
    pub kind: MonitorKind,
    /// As written.
    pub text: String,
    /// Place.
    pub span: Span,
}

/// Forms of monitors. The number of a monitor begins at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorKind {
    /// `never X unless approved by W`: 1 while a yes stands.
    Approved {
        /// X.
        what: Watched,
        /// Indexes into [`Program::people`] of those whose yes counts.
        by: Vec<u16>,
    },
    /// `never X unless Y`: 1 since Y.
    Before {
        /// X.
        what: Watched,
        /// Y.
        before: Watched,
    },
    /// `every X leads to Y or Z`: 1 while an answer is owed.
    LeadsTo {
        /// X.
        what: Watched,
        /// Y, Z.
        to: Vec<Watched>,
        /// States in which a session that owes an answer must not rest.
        rests: Vec<u16>,
    },
    /// `at most N X per event|session`: how many so far.
    AtMost {
        /// X.
        what: Watched,
        /// N.
        count: u32,
        /// Whether the count begins again at each event.
        per_event: bool,
    },
}

/// What a monitor looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// A call, by step or by a model: index into [`Program::tools`].
    Tool(u16),
    /// A reply.
    Reply,
    /// `send`.
    Send,
    /// A message that was taken.
    Message,
    /// A wake that was taken.
    Wake,
    /// A state that is entered.
    State(u16),
    /// An event of a declared type: index into [`Program::events`].
    Declared(u16),
}

/// Which monitors look at what, so that a step asks only those concerned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    pub replies: Vec<Concern>,
    pub sends: Vec<Concern>,
    pub messages: Vec<Concern>,
    pub wakes: Vec<Concern>,
    pub tools: Vec<Vec<Concern>>,
    pub states: Vec<Vec<Concern>>,
    pub events: Vec<Vec<Concern>>,
    /// Monitors that begin again at each event.
    pub per_event: Vec<u16>,
    /// Monitors that wait for a yes.
    pub approvals: Vec<u16>,
    /// Monitors that want an answer.
    pub answers: Vec<u16>,
}

/// A monitor, and what something does to its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Concern {
    pub monitor: u16,
    pub does: Does,
    /// Largest number, for [`Does::Count`].
    pub max: u32,
}

/// What something does to the number of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// Uses up a yes: breaks at 0, leaves 0.
    UseUp,
    /// Needs what came before: breaks at 0.
    Need,
    /// Leaves 1.
    Raise,
    /// Leaves 0.
    Settle,
    /// One more; breaks at the largest number.
    Count,
}

impl Monitor {
    /// X, then everything that the rule asks for.
    fn watched(&self) -> impl Iterator<Item = (Watched, bool)> {
        let (what, wanted): (Watched, Vec<Watched>) = match &self.kind {
            MonitorKind::Approved { what, .. } | MonitorKind::AtMost { what, .. } => (*what, Vec::new()),
            MonitorKind::Before { what, before } => (*what, vec![*before]),
            MonitorKind::LeadsTo { what, to, .. } => (*what, to.clone()),
        };
        std::iter::once((what, false)).chain(wanted.into_iter().map(|wanted| (wanted, true)))
    }

    /// Largest number that the monitor holds.
    pub(crate) fn state_max(&self) -> u32 {
        match self.kind {
            MonitorKind::AtMost { count, .. } => count,
            _ => 1,
        }
    }
}

impl Watch {
    /// The tables of a verified program.
    pub(crate) fn of(program: &Program) -> Self {
        let mut watch = Self::default();
        if program.monitors.is_empty() {
            return watch;
        }
        watch.tools = vec![Vec::new(); program.tools.len()];
        watch.states = vec![Vec::new(); program.states.len()];
        watch.events = vec![Vec::new(); program.events.len()];
        for (at, monitor) in program.monitors.iter().enumerate() {
            let at = at as u16;
            let max = monitor.state_max();
            match monitor.kind {
                MonitorKind::Approved { .. } => watch.approvals.push(at),
                MonitorKind::LeadsTo { .. } => watch.answers.push(at),
                MonitorKind::AtMost { per_event: true, .. } => watch.per_event.push(at),
                _ => {}
            }
            for (watched, wanted) in monitor.watched() {
                let list = match watched {
                    Watched::Reply => Some(&mut watch.replies),
                    Watched::Send => Some(&mut watch.sends),
                    Watched::Message => Some(&mut watch.messages),
                    Watched::Wake => Some(&mut watch.wakes),
                    Watched::Tool(index) => watch.tools.get_mut(usize::from(index)),
                    Watched::State(index) => watch.states.get_mut(usize::from(index)),
                    Watched::Declared(index) => watch.events.get_mut(usize::from(index)),
                };
                let does = match (&monitor.kind, wanted) {
                    (MonitorKind::Approved { .. }, _) => Does::UseUp,
                    (MonitorKind::Before { .. }, false) => Does::Need,
                    (MonitorKind::Before { .. }, true) | (MonitorKind::LeadsTo { .. }, false) => Does::Raise,
                    (MonitorKind::LeadsTo { .. }, true) => Does::Settle,
                    (MonitorKind::AtMost { .. }, _) => Does::Count,
                };
                if let Some(list) = list {
                    list.push(Concern { monitor: at, does, max });
                }
            }
        }
        watch
    }
}

/// Everything that a monitor names exists.
pub(super) fn verify(program: &Program) -> Result<(), VerifyError> {
    if program.monitors.len() > usize::from(u16::MAX) {
        return Err(VerifyError::TooMany("rules"));
    }
    let exists = |what: &'static str, index: u16, length: usize| {
        if usize::from(index) < length {
            return Ok(());
        }
        Err(VerifyError::Table { table: "a rule", what, index: u32::from(index) })
    };
    for monitor in &program.monitors {
        for (watched, _) in monitor.watched() {
            match watched {
                Watched::Tool(index) => exists("tool", index, program.tools.len())?,
                Watched::State(index) => exists("state", index, program.states.len())?,
                Watched::Declared(index) => exists("event", index, program.events.len())?,
                _ => {}
            }
        }
        match &monitor.kind {
            MonitorKind::Approved { by, .. } => {
                by.iter().try_for_each(|index| exists("person", *index, program.people.len()))?;
            }
            MonitorKind::LeadsTo { rests, .. } => {
                rests.iter().try_for_each(|index| exists("state", *index, program.states.len()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_watched(w: &mut Writer, watched: Watched) {
    let (kind, index) = match watched {
        Watched::Reply => (0, None),
        Watched::Send => (1, None),
        Watched::Message => (2, None),
        Watched::Wake => (3, None),
        Watched::Tool(index) => (4, Some(index)),
        Watched::State(index) => (5, Some(index)),
        Watched::Declared(index) => (6, Some(index)),
    };
    w.byte(kind);
    if let Some(index) = index {
        w.unsigned(u64::from(index));
    }
}

fn read_watched(r: &mut Reader<'_>) -> Result<Watched, BytesError> {
    Ok(match r.byte()? {
        0 => Watched::Reply,
        1 => Watched::Send,
        2 => Watched::Message,
        3 => Watched::Wake,
        4 => Watched::Tool(r.narrow()?),
        5 => Watched::State(r.narrow()?),
        6 => Watched::Declared(r.narrow()?),
        _ => return Err(BytesError::Unknown),
    })
}

fn write_indexes(w: &mut Writer, indexes: &[u16]) {
    w.each(indexes, |w, index| w.unsigned(u64::from(*index)));
}

/// Appends a monitor.
pub(super) fn write(w: &mut Writer, monitor: &Monitor) {
    match &monitor.kind {
        MonitorKind::Approved { what, by } => {
            w.byte(0);
            write_watched(w, *what);
            write_indexes(w, by);
        }
        MonitorKind::Before { what, before } => {
            w.byte(1);
            write_watched(w, *what);
            write_watched(w, *before);
        }
        MonitorKind::LeadsTo { what, to, rests } => {
            w.byte(2);
            write_watched(w, *what);
            w.each(to, |w, watched| write_watched(w, *watched));
            write_indexes(w, rests);
        }
        MonitorKind::AtMost { what, count, per_event } => {
            w.byte(3);
            write_watched(w, *what);
            w.unsigned(u64::from(*count));
            w.byte(u8::from(*per_event));
        }
    }
    w.text(&monitor.text);
    w.unsigned(u64::from(monitor.span.start));
    w.unsigned(u64::from(monitor.span.end));
}

/// Reads what [`write`] wrote.
pub(super) fn read(r: &mut Reader<'_>) -> Result<Monitor, BytesError> {
    let kind = match r.byte()? {
        0 => MonitorKind::Approved { what: read_watched(r)?, by: r.each(Reader::narrow)? },
        1 => MonitorKind::Before { what: read_watched(r)?, before: read_watched(r)? },
        2 => MonitorKind::LeadsTo {
            what: read_watched(r)?,
            to: r.each(read_watched)?,
            rests: r.each(Reader::narrow)?,
        },
        3 => MonitorKind::AtMost { what: read_watched(r)?, count: r.narrow()?, per_event: r.flag()? },
        _ => return Err(BytesError::Unknown),
    };
    Ok(Monitor { kind, text: r.text()?.to_string(), span: Span { start: r.narrow()?, end: r.narrow()? } })
}
