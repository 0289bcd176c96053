// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents tell the truth: every program in them passes the checker, and the reference is what the tables say.

use std::path::Path;

use blufio_lang::check::check;
use blufio_lang::compile::compile;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

/// Blocks of a document in the language: the word behind `agent`, the line, the text.
fn blocks(text: &str) -> Vec<(String, usize, String)> {
    let mut out = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.trim().to_string(), number + 2, String::new())),
            (Some(_), Some(_)) => out.extend(open.take()),
            (Some((_, _, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    out.into_iter()
        .filter_map(|(kind, line, body)| {
            let word = kind.strip_prefix("agent")?;
            Some((word.trim().to_string(), line, body))
        })
        .collect()
}

#[test]
fn every_program_of_the_tour_passes_and_compiles() {
    let text = document("tour.md");
    let blocks = blocks(&text);
    let head = &blocks.iter().find(|(kind, ..)| kind == "head").unwrap().2;
    assert!(blocks.len() > 12, "{}", blocks.len());
    for (kind, line, body) in blocks.iter().filter(|(kind, ..)| kind != "head") {
        let program = if kind == "part" { format!("{head}{body}") } else { body.clone() };
        let mut sources = SourceMap::default();
        sources.add("tour.agent", &program).unwrap();
        let (checked, diagnostics) = check(&sources, &environment());
        let shown = blufio_lang::diagnostic::render(&diagnostics, &sources, false);
        assert!(!diagnostics.has_errors(), "line {line}:\n{shown}");
        for agent in &checked.agents {
            let (_, found) = compile(&agent.program);
            let found: Vec<&str> = found.iter().map(|d| d.title.as_str()).collect();
            assert!(found.is_empty(), "line {line}: {found:?}");
        }
    }
}

/// The documents that are made: name and text. `BLESS=1` writes them.
#[test]
fn made_documents_are_what_the_tables_say() {
    let made = [
        ("reference.md", blufio_lang::reference::markdown()),
        ("diagnostics.md", blufio_lang::reference::diagnostics_markdown()),
    ];
    for (name, text) in made {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/{name} is old: BLESS=1 cargo test -p blufio-lang --test main documents"
        );
    }
}
