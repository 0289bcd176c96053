// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data goes to standard output, talk to standard error. A reader that closes its end early is no error.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// How a command prints its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The two spellings of the wish for JSON.
#[derive(Debug, Clone, Copy, Args)]
pub struct DataArguments {
    /// Print JSON (the same as `--format json`).
    #[arg(long)]
    json: bool,
    /// Print for people or for programs.
    #[arg(long, value_enum, default_value = "text", conflicts_with = "json")]
    format: Format,
}

impl DataArguments {
    /// Whether JSON is wanted.
    pub fn is_json(self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// Prints data. An error is an I/O error of standard output.
pub fn data(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') && !text.is_empty() {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints a value as indented JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    data(&serde_json::to_string_pretty(value)?)
}

/// Says something to whoever watches. That nobody can hear it is no error.
pub fn talk(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a stream takes colour: a terminal, not a dumb one, and nobody asked for none.
pub fn colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && !dumb
}

/// Makes foreign text harmless for a terminal: control characters are shown as escapes, line ends and tabs stay.
pub fn harmless(text: &str) -> String {
    let keep = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.chars().map(|c| if keep(c) { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

/// A table with aligned columns; the last column is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    aligned(head, rows, |cell, _, width| format!("{cell:<width$}"))
}

/// A table of numbers: all columns but the first end in line.
pub fn numbers(head: &[&str], rows: &[Vec<String>]) -> String {
    let pad = |cell: &str, column, width| {
        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    aligned(head, rows, pad)
}

fn aligned(head: &[&str], rows: &[Vec<String>], pad: impl Fn(&str, usize, usize) -> String) -> String {
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|cell| cell.to_string()).collect()];
    lines.extend(rows.iter().map(|row| row.iter().map(|cell| harmless(cell)).collect()));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(at, (cell, width))| pad(cell, at, *width));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\nc\u{9b}d"), "a\\u{1b}[2Jb\nc\\u{9b}d");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".into(), "b".into()], vec!["long".into(), "c".into()]];
        assert_eq!(table(&["K", "V"], &rows), "K     V\na     b\nlong  c\n");
        let rows = vec![vec!["a".into(), "10".into()], vec!["long".into(), "9".into()]];
        assert_eq!(numbers(&["K", "V"], &rows), "K      V\na     10\nlong   9\n");
    }
}
