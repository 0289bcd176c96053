// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the label analysis found where sessions rest. It goes with the compiled program, so that sessions which move to
//! another version can be held against the proofs of both.

use super::Label;

/// A set of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Labels(u8);

impl Labels {
    /// Just this one.
    pub fn of(label: Label) -> Self {
        Self(1 << label as u8)
    }

    /// Both.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it is in the set.
    pub fn contains(self, label: Label) -> bool {
        self.0 & Self::of(label).0 != 0
    }

    /// Those that must not decide what is dangerous: all but `secret`, which is about where text goes.
    pub fn untrusted(self) -> Self {
        self.but(Self::of(Label::Secret))
    }

    /// Those that the other set does not hold.
    pub fn but(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the other set holds all of these.
    pub fn is_within(self, other: Self) -> bool {
        self.but(other).is_empty()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of [`Label::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Label> {
        Label::ALL.into_iter().filter(move |label| self.contains(*label))
    }

    /// One bit for each label, in the order of [`Label::ALL`].
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; `None` when one of them is no label.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits >> Label::ALL.len() == 0).then_some(Self(bits))
    }
}

/// From where everything may come that a session has while it waits in a state: an upper bound of what sessions carry
/// there, and all that the proofs of the program count on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// Of each slot.
    pub slots: Vec<Labels>,
    /// Of each local of the state; in a compiled program in the order of its frame, scalars first.
    pub locals: Vec<Labels>,
    /// Of the time of each deadline.
    pub timers: Vec<Labels>,
    /// Of the history.
    pub history: Labels,
    /// Of pending wakes.
    pub wakes: Labels,
    /// Of those who write to the agent, and so of what waits in the mailbox.
    pub sender: Labels,
    /// Whether words of several people may be among all that, so that a sender cannot speak for it.
    pub mixed: bool,
    /// Of what decided that the session waits here.
    pub control: Labels,
    /// Whether nothing depends on that decision, because every session comes back here.
    pub forgets: bool,
    /// Whether a dangerous call behind this wait is endorsed by an approval before it.
    pub relies: bool,
}
