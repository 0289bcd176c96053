// SPDX-License-Identifier: MIT OR Apache-2.0
//! The transcript of a session: append-only turns, of which a window from `start` on is sent. The window's cap drops
//! the oldest whole exchanges, several at a time, so that the cached prefix changes seldom.

use std::sync::Arc;

use blufio_core::message::{ChatKind, Inbound};
use blufio_core::model::{Block, RawContent, Role, Turn};

use crate::context;
use crate::hygiene::outside;
use crate::media;

/// The part of the transcript that prompts hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Window {
    /// Number of its first turn in the transcript.
    pub start: i64,
    /// What stands for the turns before it, with its estimated tokens.
    pub summary: Option<(Arc<Turn>, i64)>,
    /// Turns with their estimated tokens.
    pub turns: Vec<(Arc<Turn>, i64)>,
}

impl Window {
    /// How many of the oldest turns must go, as whole exchanges, until three quarters of each cap hold, if a cap is
    /// exceeded. The newest exchange stays whatever its size.
    pub fn excess(
        &self,
        messages_max: u32,
        tokens_max: u32,
        corrected: impl Fn(i64) -> i64,
    ) -> Option<usize> {
        let messages_max = messages_max as usize;
        let tokens_max = i64::from(tokens_max);
        let before = self.summary.as_ref().map_or(0, |(_, tokens)| *tokens);
        let estimated =
            |turns: &[(Arc<Turn>, i64)]| before + turns.iter().map(|(_, tokens)| tokens).sum::<i64>();
        let tokens = |turns: &[(Arc<Turn>, i64)]| corrected(estimated(turns));
        if self.turns.len() <= messages_max && tokens(&self.turns) <= tokens_max {
            return None;
        }
        let (messages_goal, tokens_goal) = (messages_max * 3 / 4, tokens_max * 3 / 4);
        let begins: Vec<usize> = (0..self.turns.len())
            .filter(|at| self.turns.get(*at).is_some_and(|t| begins_exchange(&t.0)))
            .collect();
        let fits = |at: &&usize| {
            let rest = self.turns.get(**at..).unwrap_or_default();
            rest.len() <= messages_goal && tokens(rest) <= tokens_goal
        };
        begins.iter().find(fits).or_else(|| begins.last()).copied().filter(|cut| *cut > 0)
    }

    /// Shows the oldest turns no more.
    pub fn drop_oldest(&mut self, turns: usize) {
        let turns = turns.min(self.turns.len());
        self.turns.drain(..turns);
        self.start += i64::try_from(turns).unwrap_or(0);
    }

    /// What stands for earlier turns, then so many turns, without their sizes.
    pub fn to_turns(&self, count: usize) -> Vec<Arc<Turn>> {
        let turns = self.turns.iter().take(count);
        self.summary.iter().chain(turns).map(|(turn, _)| Arc::clone(turn)).collect()
    }
}

/// Provider of the raw content of what the runtime says in a conversation: no provider has this name, and no text of
/// people forges it.
const OWN: &str = "(runtime)";

impl Window {
    /// The same as a prompt holds it: what was refused of some turns of the transcript is words.
    pub fn to_prompt(&self, count: usize, media_refused: &[(i64, i64)]) -> Vec<Arc<Turn>> {
        let mut turns = self.to_turns(count);
        let at = |number: i64| usize::try_from(number - self.start).unwrap_or(0);
        let summaries = usize::from(self.summary.is_some());
        for (from, before) in media_refused {
            let before = (at(*before) + summaries).min(turns.len());
            media::leave_out(turns.get_mut(at(*from) + summaries..before).unwrap_or_default());
        }
        turns
    }
}

/// A person's turn begins an exchange. Tool results do not, they belong to the calls before them; nor does what is
/// remembered or what the runtime says, it belongs to the question before it.
pub(crate) fn begins_exchange(turn: &Turn) -> bool {
    let belongs_to_another = |block: &Block| match block {
        Block::ToolResult { .. } => true,
        Block::Text { text } => context::is_aside(text),
        _ => false,
    };
    turn.role == Role::User && turn.raw.is_none() && !turn.blocks.iter().any(belongs_to_another)
}

/// A text of one side.
pub(crate) fn text_turn(role: Role, text: &str) -> Turn {
    Turn { role, blocks: vec![Block::Text { text: text.to_string() }], raw: None }
}

/// What the runtime itself says to a model within an exchange.
pub(crate) fn own_turn(text: &str) -> Turn {
    let raw = Some(RawContent { provider: OWN.into(), json: String::new() });
    Turn { raw, ..text_turn(Role::User, text) }
}

/// A message as history holds it: own words plain (with the name where many speak), others' words fenced, its
/// attachments in blocks of their own: images and documents before the words, as models read them best, texts and names
/// of others after. Text among the attachments is as a prompt may hold it.
pub(crate) fn message_turn(message: &Inbound, attachments: Vec<Block>) -> Turn {
    let mut text = if message.own_words {
        outside(&message.text).into_owned()
    } else {
        context::fence("forwarded", None, &message.text)
    };
    if let Some(quoted) = &message.quoted {
        text = format!("{}\n{text}", context::fence("forwarded", Some("quoted"), quoted));
    }
    if let ChatKind::Group(_) = message.chat {
        let name: String = message.sender.name.chars().filter(|c| !c.is_control()).take(64).collect();
        let name = outside(&name);
        text = format!("{name}: {text}");
    }
    if !message.kind.is_message() {
        text = format!("({})\n{text}", message.kind.word());
    }
    if text.trim().is_empty() && attachments.is_empty() {
        text = "(empty message)".to_string();
    }
    let (mut blocks, texts): (Vec<_>, Vec<_>) = attachments
        .into_iter()
        .partition(|block| matches!(block, Block::Image { .. } | Block::Document { .. }));
    // Providers refuse empty texts.
    if !text.trim().is_empty() {
        blocks.push(Block::Text { text });
    }
    blocks.extend(texts);
    Turn { role: Role::User, blocks, raw: None }
}

/// Ids of the tool calls in a turn.
pub(crate) fn calls_in(turn: &Turn) -> impl Iterator<Item = &str> {
    turn.blocks.iter().filter_map(|block| match block {
        Block::ToolUse { id, .. } => Some(id.as_str()),
        _ => None,
    })
}

/// Fingerprint of a text (FNV-1a), to know a reply that says what the model's turn said.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(exchanges: usize) -> Window {
        let call = Block::ToolUse { id: "c".into(), name: "t".into(), input: "{}".into() };
        let result = Block::ToolResult { id: "c".into(), content: "r".into(), is_error: false };
        let turn = |role, block| (Arc::new(Turn { role, blocks: vec![block], raw: None }), 10);
        let mut turns = Vec::new();
        for _ in 0..exchanges {
            turns.push(turn(Role::User, Block::Text { text: "q".into() }));
            turns.push(turn(Role::Assistant, call.clone()));
            turns.push(turn(Role::User, result.clone()));
            turns.push(turn(Role::Assistant, Block::Text { text: "a".into() }));
        }
        Window { turns, ..Window::default() }
    }

    fn cap_at(window: &mut Window, messages_max: u32, tokens_max: u32) {
        let excess = window.excess(messages_max, tokens_max, |tokens| tokens);
        window.drop_oldest(excess.unwrap_or(0));
    }

    #[test]
    fn the_cap_drops_whole_exchanges_and_never_splits_a_call_from_its_result() {
        for exchanges in 1..20 {
            for cap in 1..40 {
                let mut capped = window(exchanges);
                cap_at(&mut capped, cap, 1_000_000);
                assert!(begins_exchange(&capped.turns[0].0), "{exchanges} {cap}");
                assert_eq!(usize::try_from(capped.start).unwrap() + capped.turns.len(), exchanges * 4);
                assert!(capped.turns.len() <= (cap as usize).max(4), "{exchanges} {cap}");
            }
        }
    }

    #[test]
    fn the_cap_leaves_room_so_that_the_prefix_changes_seldom() {
        let mut capped = window(10);
        cap_at(&mut capped, 39, 1_000_000);
        assert_eq!(capped.turns.len(), 28);
        let mut by_tokens = window(10);
        cap_at(&mut by_tokens, 1_000, 399);
        assert_eq!(by_tokens.turns.len(), 28);
    }

    #[test]
    fn below_the_cap_nothing_moves() {
        let mut same = window(10);
        cap_at(&mut same, 40, 400);
        assert_eq!(same, window(10));
    }
}
