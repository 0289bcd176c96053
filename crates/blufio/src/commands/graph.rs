// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio graph [PATH] [--agent NAME] [--session KEY]`: the picture of an agent or of a folder, for people, for other
//! programs and for the terminal.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use blufio_lang::diagnostic::{Severity, render};
use blufio_lang::graph::{Graph, Highlight, connect, graph, to_dot, to_mermaid, to_svg, to_text};
use blufio_lang::parse::parse;
use clap::{Args, ValueEnum};

use super::check::default_path;
use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::config::Config;
use crate::control::client;
use crate::control::protocol::{Answer, Ask};
use crate::models::Models;
use crate::programs::ProgramSet;
use crate::{output, programs};

/// Code of what parses and checks but does not run yet: no reason to draw nothing.
const NOT_YET: &str = "E0901";

/// Picture formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
    /// A picture, drawn without other programs; several agents become one picture with their routes.
    Svg,
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
    /// Mark where a session stands and the path it took (its key, as `sessions` lists it).
    #[arg(long, value_name = "KEY")]
    session: Option<String>,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Draws; 1 when the programs have errors.
pub fn run(arguments: &Arguments, config: Option<&Path>, data: Option<PathBuf>) -> Result<u8> {
    let config = Config::load(config)?;
    let set = programs::load(&default_path(arguments.path.as_ref()), &Models::of(&config)?)?;
    if !set.diagnostics.is_empty() {
        output::talk(&render(&set.diagnostics, &set.sources.map, output::colour(&io::stderr())));
    }
    if set.diagnostics.iter().any(|found| found.severity == Severity::Error && found.code != NOT_YET) {
        return Ok(INPUT_HAS_ERRORS);
    }
    if set.diagnostics.has_errors() {
        output::talk("warning: these programs do not run yet; the picture shows them as they are written");
    }
    let session = match &arguments.session {
        Some(key) => {
            let context = Context { config, data };
            Some(session(&context, key)?)
        }
        None => None,
    };
    let graphs = graphs(&set, arguments, session.as_ref().map(|(agent, _)| agent.as_str()))?;
    let highlights: Vec<Highlight> = graphs
        .iter()
        .map(|graph| match &session {
            Some((agent, path)) if *agent == graph.agent => path.clone(),
            _ => Highlight::default(),
        })
        .collect();
    let text = drawn(if arguments.json { Format::Json } else { arguments.format }, &graphs, &highlights)?;
    match &arguments.output {
        Some(file) => std::fs::write(file, text).with_context(|| file.display().to_string())?,
        None => output::data(&text)?,
    }
    Ok(0)
}

/// The graphs that are wanted. Alone an agent is drawn without the routes and the other agents.
fn graphs(set: &ProgramSet, arguments: &Arguments, of_session: Option<&str>) -> Result<Vec<Graph>> {
    let wanted = arguments.agent.as_deref();
    if let (Some(wanted), Some(agent)) = (wanted, of_session)
        && wanted != agent
    {
        bail!("this session runs `{agent}`, not `{wanted}`");
    }
    let mut graphs: Vec<Graph> = set.checked.agents.iter().map(|agent| graph(&agent.program)).collect();
    let names: Vec<String> = graphs.iter().map(|graph| graph.agent.clone()).collect();
    match wanted {
        Some(wanted) => graphs.retain(|graph| graph.agent == wanted),
        None => {
            let sources = set.sources.map.sources();
            let files: Vec<_> =
                sources.iter().map(|source| parse(&source.path, &source.text, source.base).0).collect();
            connect(&mut graphs, &files);
        }
    }
    if graphs.is_empty() {
        bail!("there is no agent `{}` here; there is {}", wanted.unwrap_or_default(), names.join(", "));
    }
    if let Some(agent) = of_session
        && !names.iter().any(|name| name == agent)
    {
        bail!("this session runs `{agent}`, which is not here; there is {}", names.join(", "));
    }
    Ok(graphs)
}

/// The agent of a session and its path, from the running server or from the database.
fn session(context: &Context, key: &str) -> Result<(String, Highlight)> {
    let folder = context.data_folder()?;
    let runtime = client::runtime()?;
    let ask = |ask: Ask| runtime.block_on(client::ask_or_read(&folder, ask));
    let Answer::Sessions(sessions) = ask(Ask::Sessions { ended_too: true })? else {
        bail!("the server gave no list of sessions");
    };
    let Some(line) = sessions.into_iter().find(|session| session.key == key) else {
        bail!("there is no session `{key}`; `blufio sessions --all` lists them");
    };
    let Answer::Journal(journal) = ask(Ask::Journal { key: key.to_string() })? else {
        bail!("the server gave no journal");
    };
    let mut highlight = Highlight { moves: Vec::new(), current: Some(line.state) };
    for record in journal.iter().filter(|record| record.kind == "moved") {
        let name = |field: &str| record.body.get(field).and_then(|name| name.as_str()).map(str::to_string);
        if let Some(to) = name("to") {
            highlight.moves.push((name("from"), to));
        }
    }
    Ok((line.agent, highlight))
}

fn drawn(format: Format, graphs: &[Graph], highlights: &[Highlight]) -> Result<String> {
    let each = |draw: fn(&Graph, &Highlight) -> String| {
        graphs.iter().zip(highlights).map(|(graph, path)| draw(graph, path)).collect::<Vec<_>>().join("\n")
    };
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(graphs)?,
        Format::Mermaid => each(to_mermaid),
        Format::Dot => each(to_dot),
        Format::Text => each(to_text),
        Format::Svg => to_svg(graphs, highlights),
    })
}
