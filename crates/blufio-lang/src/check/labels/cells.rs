// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least fixpoint itself: cells that hold sets of labels, arrows between them, and where each label came from
//! first. An arrow is followed once per label, so solving is linear in the arrows.

use std::collections::VecDeque;

use crate::source::Span;
use crate::typed::Label;
pub(crate) use crate::typed::Labels;

/// Index of a cell.
pub(in crate::check) type CellId = u32;

/// What a cell stands for, for the path of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Role {
    /// A place where a label comes into being; index into the texts.
    Source(u32),
    /// A slot or a local; index into the texts.
    Variable(u32),
    /// What a step reads or gives.
    Result,
    /// An argument of a call.
    Argument,
    /// Whether a step runs at all.
    Control,
    /// The history at a place.
    History,
    /// Memory.
    Memory,
    /// What pending wakes carry.
    Wakes,
    /// What an agent gives to those who ask it.
    Gives,
    /// Words of those who talk to an agent.
    Sender,
}

#[derive(Debug, Clone, Copy)]
struct Arrow {
    from: CellId,
    to: CellId,
    span: Span,
    /// Labels that do not pass.
    but: Labels,
}

const NOWHERE: u32 = u32::MAX;

/// Cells and arrows.
#[derive(Debug, Default)]
pub(in crate::check) struct Cells {
    roles: Vec<Role>,
    held: Vec<Labels>,
    arrows: Vec<Arrow>,
    /// For each cell and label the arrow that brought it first.
    origins: Vec<[u32; 6]>,
    /// Places of sources.
    places: Vec<(CellId, Span)>,
    texts: Vec<String>,
}

/// One station on the way of a label.
#[derive(Debug, Clone)]
pub(in crate::check) struct Hop {
    /// Where.
    pub span: Span,
    /// What happens there.
    pub text: String,
    /// The name of what holds the label now, when it has one.
    pub name: Option<String>,
}

impl Cells {
    /// A new cell.
    pub fn cell(&mut self, role: Role) -> CellId {
        self.roles.push(role);
        self.held.push(Labels::default());
        (self.roles.len() - 1) as CellId
    }

    /// A text for roles.
    pub fn text(&mut self, text: impl Into<String>) -> u32 {
        self.texts.push(text.into());
        (self.texts.len() - 1) as u32
    }

    /// A cell that holds a label from the beginning.
    pub fn source(&mut self, label: Label, span: Span, text: impl Into<String>) -> CellId {
        let text = self.text(text);
        let cell = self.cell(Role::Source(text));
        self.held[cell as usize] = Labels::of(label);
        self.places.push((cell, span));
        cell
    }

    /// Whatever `from` holds, `to` holds.
    pub fn flow(&mut self, from: CellId, to: CellId, span: Span) {
        self.arrows.push(Arrow { from, to, span, but: Labels::default() });
    }

    /// Whatever `from` holds besides secrets, `to` holds.
    pub fn flow_but_secret(&mut self, from: CellId, to: CellId, span: Span) {
        self.arrows.push(Arrow { from, to, span, but: Labels::of(Label::Secret) });
    }

    /// Spreads every label along the arrows.
    pub fn solve(&mut self) {
        let count = self.roles.len();
        let mut first = vec![0u32; count + 1];
        for arrow in &self.arrows {
            first[arrow.from as usize + 1] += 1;
        }
        for at in 0..count {
            first[at + 1] += first[at];
        }
        let mut order = vec![0u32; self.arrows.len()];
        let mut next = first.clone();
        for (index, arrow) in self.arrows.iter().enumerate() {
            let slot = &mut next[arrow.from as usize];
            order[*slot as usize] = index as u32;
            *slot += 1;
        }
        self.origins = vec![[NOWHERE; 6]; count];
        let mut queue: VecDeque<(CellId, Label)> = (0..count)
            .flat_map(|cell| self.held[cell].iter().map(move |label| (cell as CellId, label)))
            .collect();
        // Ways through decisions come last, so that a value that carries a label is told before one that depends on it.
        let mut decisions = VecDeque::new();
        while let Some((cell, label)) = queue.pop_front().or_else(|| decisions.pop_front()) {
            let range = first[cell as usize] as usize..first[cell as usize + 1] as usize;
            for index in &order[range] {
                let arrow = self.arrows[*index as usize];
                let held = &mut self.held[arrow.to as usize];
                if !held.union(arrow.but).contains(label) {
                    *held = held.union(Labels::of(label));
                    self.origins[arrow.to as usize][label as usize] = *index;
                    let is_decision = self.roles[arrow.to as usize] == Role::Control;
                    if is_decision { &mut decisions } else { &mut queue }.push_back((arrow.to, label));
                }
            }
        }
    }

    /// What a cell holds.
    pub fn labels(&self, cell: CellId) -> Labels {
        self.held[cell as usize]
    }

    /// The way of a label into a cell, from its source.
    pub fn trace(&self, cell: CellId, label: Label) -> Vec<Hop> {
        let (mut at, mut hops) = (cell, Vec::new());
        loop {
            let origin = self.origins.get(at as usize).map_or(NOWHERE, |origins| origins[label as usize]);
            let Some(arrow) = self.arrows.get(origin as usize) else { break };
            // Nested decisions and a history that merely goes on are one station, the first.
            let passes_on = self.roles[arrow.from as usize] == self.roles[at as usize]
                && matches!(self.roles[at as usize], Role::Control | Role::History | Role::Variable(_));
            if !passes_on {
                hops.push(self.hop(at, arrow.span));
            }
            at = arrow.from;
        }
        if let Some((_, span)) = self.places.iter().find(|(source, _)| *source == at) {
            hops.push(self.hop(at, *span));
        }
        hops.reverse();
        hops
    }

    fn hop(&self, cell: CellId, span: Span) -> Hop {
        let text = |at: u32| self.texts.get(at as usize).cloned().unwrap_or_default();
        let (text, name) = match self.roles[cell as usize] {
            Role::Source(at) => (text(at), Some(text(at))),
            Role::Variable(at) => (format!("goes into `{}`", text(at)), Some(format!("`{}`", text(at)))),
            Role::Result => ("is read here".into(), None),
            Role::Argument => ("is an argument here".into(), None),
            Role::Control => ("decides whether this runs".into(), Some("a decision".into())),
            Role::History => ("enters the history here".into(), Some("the history".into())),
            Role::Memory => ("is remembered here".into(), Some("memory".into())),
            Role::Wakes => ("is carried by a wake here".into(), Some("a wake".into())),
            Role::Gives => ("is given to who asked here".into(), Some("the answer of an agent".into())),
            Role::Sender => ("talks to this agent here".into(), None),
        };
        Hop { span, text, name }
    }
}
