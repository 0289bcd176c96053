// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a session's row: the machine's state, and what the runtime itself must know to resume in one read.

use blufio_core::model::Turn;
use blufio_lang::effect::EffectId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::internal::Parent;

/// First byte: version of this layout.
const LAYOUT: u8 = 1;

/// A session's stored state: the machine's bytes and the runtime's own notes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    /// [`blufio_lang::machine::Machine`] in its own encoding.
    pub machine: Vec<u8>,
    pub(crate) notes: Notes,
}

/// Why the bytes are not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// Too short, or of another version.
    #[error("the stored state has an unknown layout")]
    Layout,
    /// The notes do not parse.
    #[error("the stored notes are damaged: {0}")]
    Notes(String),
}

/// What the runtime knows about a session beyond its machine. Empty for an idle session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// What is known about the pending effects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectNotes>,
    /// Provider ids of tool calls in the transcript that have no result yet.
    /// INVARIANT: empty unless a `run` is pending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_calls: Vec<String>,
    /// Turns said while an answer or results were open; they follow them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<Turn>,
    /// Fingerprint of what the last `turn` said: a reply with the same words is not repeated in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<u64>,
    /// Turns of the transcript, from and before, whose pictures and documents were refused: words stand in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_refused: Vec<(i64, i64)>,
    /// Who wrote the message that was taken last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<SenderNote>,
    /// Who waits for this session's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The mail that opened the session: sessions of one key are told apart by it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub birth: i64,
    /// Events of the world taken so far, when some rate counts by them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events: i64,
    /// The progress line was shown since the last message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shown: bool,
    /// When the last event was taken, milliseconds since 1970, where its time is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ms: Option<i64>,
    /// The last event was a schedule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heartbeat: bool,
    /// Which schedule it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<u32>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Somebody who wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SenderNote {
    /// The channel's id.
    pub id: String,
    /// Under which name memory and approvals know them.
    pub who: String,
}

/// What is known about one pending effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EffectNotes {
    pub visit: u64,
    pub number: u32,
    /// Turns of the window that the model call sends: later ones came while it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_turns: Option<usize>,
    /// Its answer becomes part of the history: what is said meanwhile follows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answers: bool,
    /// How many of the window's oldest turns are summarised on the way to the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// How far a `run` or a `call` got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunProgress>,
    /// Why it was not even asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// People asked; 0 for everything else.
    #[serde(default, skip_serializing_if = "is_none_asked")]
    pub asked: u32,
    /// How many of them must say yes.
    #[serde(default, skip_serializing_if = "is_none_asked")]
    pub needed: u32,
    /// Who said what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<(String, bool)>,
    /// Key of the asked agent's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// The conversation is the child's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub here: bool,
}

fn is_none_asked(number: &u32) -> bool {
    *number == 0
}

impl Notes {
    /// Whether the newest turns of the transcript wait for an answer or for results, which come right behind them.
    pub fn awaits_turns(&self) -> bool {
        !self.open_calls.is_empty() || self.effects.iter().any(|effect| effect.answers)
    }

    /// What is known about an effect.
    pub fn at(&self, id: EffectId) -> Option<&EffectNotes> {
        self.effects.iter().find(|notes| (notes.visit, notes.number) == (id.visit, id.number))
    }

    /// The same, to change.
    pub fn entry(&mut self, id: EffectId) -> &mut EffectNotes {
        let known =
            self.effects.iter().position(|notes| (notes.visit, notes.number) == (id.visit, id.number));
        let at = known.unwrap_or_else(|| {
            self.effects.push(EffectNotes { visit: id.visit, number: id.number, ..EffectNotes::default() });
            self.effects.len() - 1
        });
        &mut self.effects[at]
    }

    /// So many of the oldest turns are shown no more: pending effects send fewer, and what they summarise is done.
    pub fn begin_epoch(&mut self, turns: usize) {
        for effect in &mut self.effects {
            effect.prompt_turns = effect.prompt_turns.map(|sent| sent.saturating_sub(turns));
            effect.fold = None;
        }
    }

    /// The effect is over.
    pub fn forget(&mut self, id: EffectId) -> Option<EffectNotes> {
        let at = self.effects.iter().position(|n| (n.visit, n.number) == (id.visit, id.number))?;
        Some(self.effects.remove(at))
    }
}

/// How far a `run` got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunProgress {
    /// Results of the first calls, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<CallResult>,
    /// A call that must not be repeated was about to start after those results.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub started: bool,
    /// Somebody is asked whether the next call may start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaiting: bool,
    /// Calls about which somebody decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<(u32, bool)>,
}

/// Result of one call, as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallResult {
    /// Provider's id of the call.
    pub id: String,
    /// Text.
    pub content: String,
    /// Whether it failed.
    pub is_error: bool,
}

impl Envelope {
    /// Layout byte, length of the machine's bytes (little endian), those bytes, then the notes as JSON if any.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.machine.len() + 5);
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&(self.machine.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.machine);
        if self.notes != Notes::default() {
            bytes.extend(serde_json::to_vec(&self.notes).unwrap_or_default());
        }
        bytes
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (head, rest) = bytes.split_at_checked(5).ok_or(EnvelopeError::Layout)?;
        let length = head.get(1..5).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_le_bytes);
        if head.first() != Some(&LAYOUT) {
            return Err(EnvelopeError::Layout);
        }
        let length = length.and_then(|l| usize::try_from(l).ok()).ok_or(EnvelopeError::Layout)?;
        let (machine, notes) = rest.split_at_checked(length).ok_or(EnvelopeError::Layout)?;
        let notes = match notes {
            [] => Notes::default(),
            json => serde_json::from_slice(json).map_err(|error| EnvelopeError::Notes(error.to_string()))?,
        };
        Ok(Self { machine: machine.to_vec(), notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_costs_five_bytes_more_than_its_machine() {
        let envelope = Envelope { machine: vec![1, 2, 3], notes: Notes::default() };
        assert_eq!(envelope.encode().len(), 8);
        assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
    }

    #[test]
    fn notes_survive_and_damage_is_an_error() {
        let result = CallResult { id: "a".into(), content: "b".into(), is_error: true };
        let run = Some(RunProgress { results: vec![result], started: true, ..RunProgress::default() });
        let mut notes = Notes { open_calls: vec!["a".into()], ..Notes::default() };
        notes.entry(EffectId { visit: 3, number: 1 }).run = run;
        notes.entry(EffectId { visit: 3, number: 1 }).prompt_turns = Some(3);
        assert_eq!(notes.effects.len(), 1);
        let envelope = Envelope { machine: vec![9; 300], notes };
        let bytes = envelope.encode();
        assert_eq!(Envelope::decode(&bytes), Ok(envelope));
        for cut in 0..5 {
            assert_eq!(Envelope::decode(&bytes[..cut]), Err(EnvelopeError::Layout));
        }
        assert!(matches!(Envelope::decode(&bytes[..bytes.len() - 1]), Err(EnvelopeError::Notes(_))));
    }
}
