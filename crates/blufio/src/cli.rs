// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments and exit codes: 0 fine, 1 the input has errors (or what was asked is not so), 2 usage or I/O.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use crate::commands::{
    check, cost, demo, event, explain, explore, fmt, graph, history, init, kill, outbox, prompts, reload,
    replay, serve, sessions, shell, status, stop, test,
};
use crate::config::Config;
use crate::output;

/// Exit code of input with errors.
pub const INPUT_HAS_ERRORS: u8 = 1;
/// Exit code of wrong usage and of I/O errors.
pub const USAGE_OR_IO: u8 = 2;

/// Durable personal agents, written as small state machines and checked before they run.
#[derive(Debug, Parser)]
#[command(name = "blufio", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    /// Configuration file (otherwise BLUFIO_CONFIG, XDG's, /etc/blufio/blufio.toml).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database and of the control socket.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the programs of a folder.
    Check(check::Arguments),
    /// Bring files into the one style.
    Fmt(fmt::Arguments),
    /// Run the tests of programs: no model, no key, no network.
    Test(test::Arguments),
    /// Follow every path of an agent, without a model: what is stuck, parked or never reached.
    Explore(explore::Arguments),
    /// Draw an agent.
    Graph(graph::Arguments),
    /// Explain a code that `check` prints.
    Explain(explain::Arguments),
    /// Write a starter folder: an assistant, its persona, routes, blufio.toml.
    Init(init::Arguments),
    /// Run the agents of a folder.
    Serve(serve::Arguments),
    /// Talk to the agents in this terminal.
    Shell(shell::Arguments),
    /// Show a support conversation that survives a crash: no key, no network.
    Demo(demo::Arguments),
    /// Whether a server is ready, and what it does.
    Status(status::Arguments),
    /// List, show and drop sessions.
    Sessions(sessions::Arguments),
    /// Take a session's journal again: with its own program, or with another one.
    Replay(replay::Arguments),
    /// What a session's next prompt holds, zone by zone, and what it costs.
    Context(prompts::Arguments),
    /// The exact request of a session's next turn.
    Prompt(prompts::PromptArguments),
    /// Hand an event of a declared type to an agent.
    Event(event::Arguments),
    /// List messages on their way out.
    Outbox(outbox::Arguments),
    /// What model calls cost, and what is used of the caps.
    Cost(cost::Arguments),
    /// Stop every model call until `kill --release`.
    Kill(kill::Arguments),
    /// Versions of the files that programs name (persona.md): list, compare, bring one back.
    History(history::Arguments),
    /// Check the programs again and take them over.
    Reload(reload::Arguments),
    /// Stop the server.
    Stop(stop::Arguments),
}

/// What every command knows.
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// `--data`.
    pub data: Option<PathBuf>,
}

impl Context {
    /// The data folder.
    pub fn data_folder(&self) -> Result<PathBuf> {
        Ok(self.config.data_folder(self.data.as_deref())?)
    }

    /// The agents' folder: the argument, else `./agents`, else the configured one.
    pub fn agents_folder(&self, named: Option<PathBuf>) -> PathBuf {
        let local = PathBuf::from("agents");
        if let Some(named) = named {
            return named;
        }
        if local.is_dir() { local } else { self.config.agents_dir.clone().unwrap_or(local) }
    }
}

/// Parses the arguments of the process and runs the command.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing the usage can fail only like any other output, and then nobody reads it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE_OR_IO } else { 0 });
        }
    };
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::talk(&output::harmless(&format!("error: {error:#}")));
            ExitCode::from(USAGE_OR_IO)
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8> {
    unused(&cli)?;
    match cli.command {
        Command::Check(arguments) => return check::run(&arguments, cli.config.as_deref()),
        Command::Fmt(arguments) => return fmt::run(&arguments),
        Command::Graph(arguments) => return graph::run(&arguments, cli.config.as_deref(), cli.data),
        Command::Test(arguments) => return test::run(&arguments, cli.config.as_deref()),
        Command::Explore(arguments) => return explore::run(&arguments, cli.config.as_deref()),
        Command::Explain(arguments) => return explain::run(&arguments),
        Command::Init(arguments) => return init::run(&arguments),
        Command::Demo(arguments) => return demo::run(&arguments),
        _ => {}
    }
    let config = Config::load(cli.config.as_deref())?;
    let context = Context { config, data: cli.data };
    match cli.command {
        Command::Serve(arguments) => serve::run(&context, arguments),
        Command::Shell(arguments) => shell::run(&context, arguments),
        Command::Status(arguments) => status::run(&context, &arguments),
        Command::Sessions(arguments) => sessions::run(&context, arguments),
        Command::Replay(arguments) => replay::run(&context, &arguments),
        Command::Context(arguments) => prompts::run(&context, &arguments),
        Command::Prompt(arguments) => prompts::prompt(&context, &arguments),
        Command::Event(arguments) => event::run(&context, arguments),
        Command::Outbox(arguments) => outbox::run(&context, &arguments),
        Command::Cost(arguments) => cost::run(&context, arguments),
        Command::Kill(arguments) => kill::run(&context, arguments),
        Command::History(arguments) => history::run(&context, &arguments),
        Command::Reload(arguments) => reload::run(&context, &arguments),
        Command::Stop(arguments) => stop::run(&context, &arguments),
        Command::Check(_)
        | Command::Fmt(_)
        | Command::Test(_)
        | Command::Explore(_)
        | Command::Graph(_)
        | Command::Explain(_)
        | Command::Init(_)
        | Command::Demo(_) => Ok(0),
    }
}

/// An option that a command would not look at is an error, so that nobody believes that it did.
fn unused(cli: &Cli) -> Result<()> {
    let (word, reads_config) = match cli.command {
        Command::Check(_) => ("check", true),
        Command::Fmt(_) => ("fmt", false),
        Command::Test(_) => ("test", true),
        Command::Explore(_) => ("explore", true),
        Command::Explain(_) => ("explain", false),
        Command::Init(_) => ("init", false),
        Command::Demo(_) => ("demo", false),
        _ => return Ok(()),
    };
    let given = [("--config", cli.config.is_some() && !reads_config), ("--data", cli.data.is_some())];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => bail!("`blufio {word}` has no use for {option}: leave it out"),
        None => Ok(()),
    }
}

/// Whoever read our output has gone, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
