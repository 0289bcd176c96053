// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every prompt of a program begins with, piece by piece: tools, goal, files. It is kept once for each form that it
//! ever had, by its fingerprint, so that `blufio context` can tell which piece a cache was lost by.

use std::collections::HashSet;
use std::sync::Mutex;

use blufio_core::model::ToolOffer;
use blufio_core::store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::shared::lock;
use crate::transcript::fingerprint;

/// How the names of tools begin.
const TOOL: &str = "tool ";

/// A piece of the static zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// `tool files_read`, `goal`, `persona.md`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Of its text.
    pub fingerprint: u64,
}

impl Piece {
    /// Whether it is a tool.
    pub(crate) fn is_tool(&self) -> bool {
        self.name.starts_with(TOOL)
    }
}

/// Where a static zone stopped to be the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The first piece that is another one: as it is called now, or was when it is gone.
    pub piece: String,
    /// Bytes before it, which are still read from the cache.
    pub same_bytes: u64,
    /// Bytes from it on, which are read anew, of the static zone alone.
    pub changed_bytes: u64,
}

/// The pieces in the order in which providers read them. Texts without a name of their own are numbered.
pub(crate) fn pieces(tools: &[ToolOffer], system: &[String], names: &[String]) -> Vec<Piece> {
    let piece = |name: String, texts: &[&str]| Piece {
        name,
        bytes: texts.iter().map(|text| text.len() as u64).sum(),
        fingerprint: fingerprint(&texts.join("\0")),
    };
    let tools = tools.iter().map(|tool| {
        piece(format!("{TOOL}{}", tool.name), &[&tool.name, &tool.description, &tool.input_schema])
    });
    let system = system.iter().enumerate().map(|(at, text)| {
        let name = names.get(at).cloned();
        piece(name.unwrap_or_else(|| format!("text {}", at + 1)), &[text])
    });
    tools.chain(system).collect()
}

/// One word for all pieces. When it changes, providers read nothing behind the change from their cache.
pub(crate) fn fingerprint_of(pieces: &[Piece]) -> String {
    let all: String =
        pieces.iter().map(|piece| format!("{}:{:016x}", piece.bytes, piece.fingerprint)).collect();
    format!("{:016x}", fingerprint(&all))
}

/// Where two static zones differ first; `None` when they are the same.
pub fn first_change(before: &[Piece], now: &[Piece]) -> Option<Change> {
    let same = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    let piece = now.get(same).or_else(|| before.get(same))?;
    let bytes = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes).sum();
    let (kept, rest) = now.split_at_checked(same)?;
    Some(Change { piece: piece.name.clone(), same_bytes: bytes(kept), changed_bytes: bytes(rest) })
}

fn setting_of(fingerprint: &str) -> String {
    format!("prefix/{fingerprint}")
}

/// The pieces behind a fingerprint, where they were kept.
pub(crate) async fn stored(store: &dyn Store, fingerprint: &str) -> Result<Option<Vec<Piece>>, StoreError> {
    let stored = store.setting(&setting_of(fingerprint)).await?;
    Ok(stored.and_then(|json| serde_json::from_str(&json).ok()))
}

/// Which forms this process has kept.
#[derive(Default)]
pub(crate) struct Prefixes(Mutex<HashSet<String>>);

impl Prefixes {
    /// Keeps the pieces, once; their fingerprint.
    pub async fn keep(&self, store: &dyn Store, pieces: &[Piece]) -> Result<String, StoreError> {
        let fingerprint = fingerprint_of(pieces);
        if lock(&self.0).contains(&fingerprint) {
            return Ok(fingerprint);
        }
        let json = serde_json::to_string(pieces).map_err(|e| StoreError::Refused(e.to_string()))?;
        store.set_setting(&setting_of(&fingerprint), &json).await?;
        lock(&self.0).insert(fingerprint.clone());
        Ok(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(tool: &str, persona: &str) -> Vec<Piece> {
        let text = |text: &str| text.to_string();
        let tool = ToolOffer { name: text("t"), description: text(tool), input_schema: text("{}") };
        pieces(&[tool], &[text("goal"), text(persona)], &[text("goal"), text("persona.md")])
    }

    #[test]
    fn the_first_piece_that_differs_is_named_with_what_is_still_the_same() {
        let before = zone("Looks.", "Kind.");
        assert_eq!(first_change(&before, &zone("Looks.", "Kind.")), None);
        let change = first_change(&before, &zone("Looks.", "Very kind.")).unwrap();
        assert_eq!((change.piece.as_str(), change.same_bytes, change.changed_bytes), ("persona.md", 13, 10));
        let change = first_change(&before, &zone("Sees.", "Kind.")).unwrap();
        assert_eq!((change.piece.as_str(), change.same_bytes, change.changed_bytes), ("tool t", 0, 17));
        let shorter = first_change(&before, &before[..2]).unwrap();
        assert_eq!(
            (shorter.piece.as_str(), shorter.same_bytes, shorter.changed_bytes),
            ("persona.md", 13, 0)
        );
        assert_ne!(fingerprint_of(&before), fingerprint_of(&zone("Looks.", "Kind!")));
    }

    #[test]
    fn a_byte_that_moves_over_an_edge_is_a_change() {
        let text = |text: &str| text.to_string();
        let (one, other) =
            (pieces(&[], &[text("ab"), text("c")], &[]), pieces(&[], &[text("a"), text("bc")], &[]));
        assert_ne!(fingerprint_of(&one), fingerprint_of(&other));
        assert_eq!(one[1].name, "text 2");
    }
}
