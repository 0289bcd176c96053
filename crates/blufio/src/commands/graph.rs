// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio graph [PATH] [--agent NAME]`: the picture of an agent, as text for other programs or for the terminal.

use std::io;
use std::path::PathBuf;

use anyhow::{Result, bail};
use blufio_lang::diagnostic::render;
use blufio_lang::graph::{Highlight, graph, to_dot, to_mermaid, to_text};
use clap::{Args, ValueEnum};

use super::check::default_path;
use crate::cli::INPUT_HAS_ERRORS;
use crate::{output, programs};

/// Picture formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
    /// Nodes and edges as data.
    Json,
    /// For a terminal.
    Text,
}

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of agents, or one file (default: ./agents, else the working directory).
    path: Option<PathBuf>,
    /// Only this agent.
    #[arg(long)]
    agent: Option<String>,
    /// What to write.
    #[arg(long, value_enum, default_value = "mermaid")]
    format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Draws; 1 when the programs have errors.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let set = programs::load(&default_path(arguments.path.as_ref()))?;
    if set.diagnostics.has_errors() {
        output::talk(&render(&set.diagnostics, &set.sources.map, output::colour(&io::stderr())));
        return Ok(INPUT_HAS_ERRORS);
    }
    let wanted = |name: &str| arguments.agent.as_ref().is_none_or(|agent| agent == name);
    let graphs: Vec<_> = set
        .checked
        .agents
        .iter()
        .filter(|agent| wanted(&agent.program.name))
        .map(|agent| graph(&agent.program))
        .collect();
    if graphs.is_empty() {
        let names: Vec<&str> = set.checked.agents.iter().map(|agent| agent.program.name.as_str()).collect();
        bail!(
            "there is no agent `{}` here; there is {}",
            arguments.agent.as_deref().unwrap_or_default(),
            names.join(", ")
        );
    }
    let none = Highlight::default();
    match if arguments.json { Format::Json } else { arguments.format } {
        Format::Json => output::json(&graphs)?,
        Format::Mermaid => {
            output::data(&graphs.iter().map(|graph| to_mermaid(graph, &none)).collect::<Vec<_>>().join("\n"))?
        }
        Format::Dot => {
            output::data(&graphs.iter().map(|graph| to_dot(graph, &none)).collect::<Vec<_>>().join("\n"))?
        }
        Format::Text => {
            output::data(&graphs.iter().map(|graph| to_text(graph, &none)).collect::<Vec<_>>().join("\n"))?
        }
    }
    Ok(0)
}
