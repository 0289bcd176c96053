// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where text comes from: every file of a program lies in one address space, so that a place is eight bytes.

use std::sync::Arc;

/// A half-open range of byte offsets in the [`SourceMap`]'s address space. Names the file as well as the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span from `start` (inclusive) to `end` (exclusive), both in the map's address space.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// Whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One source file: its display path and its text, with the offset at which it begins in the map.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path as the user wrote it; shown in messages.
    pub path: Arc<str>,
    /// Whole text, UTF-8.
    pub text: Arc<str>,
    /// Offset of the first byte in the map's address space.
    pub base: u32,
}

/// Line and column of a byte, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// All files of one program.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
    end: u32,
}

/// Largest total of source bytes that one program may have (16 MiB): keeps every offset inside 32 bits.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;

impl SourceMap {
    /// Adds a file and returns its base offset; `None` when the map would exceed [`SOURCE_BYTES_MAX`].
    pub fn add(&mut self, path: &str, text: &str) -> Option<u32> {
        let base = self.end;
        let next = (base as usize).checked_add(text.len())?.checked_add(1)?;
        if next > SOURCE_BYTES_MAX {
            return None;
        }
        self.sources.push(Source { path: path.into(), text: text.into(), base });
        self.end = next as u32;
        Some(base)
    }

    /// Files in the order they were added.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The file that holds a span.
    pub fn source_of(&self, span: Span) -> Option<&Source> {
        let after = self.sources.partition_point(|source| source.base <= span.start);
        self.sources.get(after.checked_sub(1)?)
    }

    /// The text that a span covers; empty where the span lies outside the map.
    pub fn text_of(&self, span: Span) -> &str {
        self.source_of(span)
            .and_then(|s| s.text.get((span.start - s.base) as usize..(span.end - s.base) as usize))
            .unwrap_or("")
    }

    /// Path, line and column of the beginning of a span.
    pub fn position_of(&self, span: Span) -> Option<(&str, Position)> {
        let source = self.source_of(span)?;
        let offset = ((span.start - source.base) as usize).min(source.text.len());
        let before = source.text.get(..offset)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&b| b == b'\n').count() as u32 + 1;
        let column = before[line_start..].chars().count() as u32 + 1;
        Some((&source.path, Position { line, column }))
    }
}
