// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio shell`: a conversation in this terminal, with streaming, line editing and history; lines from a pipe work as
//! well. It talks to the server of the data folder, or runs the same runtime in process when there is none.

mod screen;

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use rustyline::error::ReadlineError;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;

use crate::cli::Context;
use crate::control::protocol::{Answer, Ask, Heard, Say};
use crate::control::{client, server};
use crate::daemon::{self, Daemon};
use crate::models::Models;
use crate::wiring::{Doors, Places};
use crate::{logging, output};
use screen::Screen;

/// An answer that takes longer than this is not waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(900);
/// Lines of history that are kept.
const HISTORY_MAX: usize = 1_000;

/// Arguments of `shell`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of the agents, where no server runs (default: ./agents, else `agents_dir` of blufio.toml).
    agents: Option<PathBuf>,
}

/// Both ends of a conversation.
type Conversation = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

/// Talks until the end of input.
pub fn run(context: &Context, arguments: Arguments) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let data = context.data_folder()?;
    let connection = runtime.block_on(client::connect(&data))?;
    let (conversation, own) = match connection {
        Some(stream) => (runtime.block_on(open(stream))?, None),
        None => {
            logging::start(&context.config);
            let places = Places { agents: context.agents_folder(arguments.agents), data: data.clone() };
            let (conversation, daemon) = runtime.block_on(start_own(context, places))?;
            (conversation, Some(daemon))
        }
    };
    let talked = talk(&runtime, conversation, &data);
    if let Some(daemon) = own {
        runtime.block_on(daemon.stop())?;
    }
    runtime.shutdown_background();
    talked.map(|()| 0)
}

/// Asks a server for a conversation.
async fn open(stream: UnixStream) -> Result<Conversation> {
    match client::request(stream, Ask::Chat).await? {
        (Answer::Done(_), conversation) => Ok(conversation),
        (Answer::Failed(words), _) => bail!("{words}"),
        (other, _) => bail!("unexpected answer {other:?}"),
    }
}

/// The runtime in this process, reached as a server would be. Telegram and webhooks stay closed: their messages wait
/// for `serve`.
async fn start_own(context: &Context, places: Places) -> Result<(Conversation, Arc<Daemon>)> {
    let models = Models::of(&context.config)?;
    let set = daemon::checked(&places, &models)?;
    let doors = Doors { telegram: false, providers: set.providers(), webhooks: false };
    if let Some(missing) = doors.providers.iter().find_map(|provider| models.missing_key(provider)) {
        bail!("{} is not set: {}", missing.variable, missing.fix());
    }
    let daemon = Arc::new(Daemon::start(&context.config, places, doors, models, &set).await?);
    let (here, there) = UnixStream::pair()?;
    let served = Arc::clone(&daemon);
    tokio::spawn(async move {
        let (read, write) = there.into_split();
        if let Err(error) = server::chat(&served, BufReader::new(read), write).await {
            tracing::warn!("the conversation ended: {error:#}");
        }
    });
    let (read, write) = here.into_split();
    Ok(((BufReader::new(read), write), daemon))
}

fn talk(runtime: &Runtime, (mut lines, mut write): Conversation, data: &Path) -> Result<()> {
    let (words, mut said) = tokio::sync::mpsc::unbounded_channel::<String>();
    let (settled, quiet) = mpsc::channel::<Result<(), String>>();
    let screen = Arc::new(Screen::new(io::stdin().is_terminal() && io::stdout().is_terminal()));
    runtime.spawn(async move {
        while let Some(say) = said.recv().await {
            if server::send(&mut write, &Say { say }).await.is_err() {
                break;
            }
        }
    });
    let shown = Arc::clone(&screen);
    runtime.spawn(async move {
        while let Ok(Some(line)) = server::next_line(&mut lines).await {
            let told = match serde_json::from_str::<Heard>(&line) {
                Ok(Heard::Quiet) => settled.send(Ok(())),
                Ok(Heard::Failed { reason }) => settled.send(Err(reason)),
                Ok(heard) => {
                    shown.hear(heard);
                    Ok(())
                }
                Err(error) => settled.send(Err(error.to_string())),
            };
            if told.is_err() {
                break;
            }
        }
    });
    let stop_words = words.clone();
    let say = |line: String| {
        // What settled before belongs to earlier words.
        while quiet.try_recv().is_ok() {}
        words.send(line).map_err(|_| anyhow!("the server has gone"))?;
        match quiet.recv_timeout(ANSWER_TIMEOUT) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => bail!("{reason}"),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the server has gone"),
        }
    };
    if screen.is_interactive() {
        // Ctrl-C while an answer is being written asks the agent to stop.
        runtime.spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop_words.send("/stop".to_string()).is_err() {
                    break;
                }
            }
        });
        interactive(&screen, data, say)
    } else {
        drop(stop_words);
        piped(say)
    }
}

fn piped(say: impl Fn(String) -> Result<()>) -> Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line.context("standard input")?;
        if !line.trim().is_empty() {
            say(line)?;
        }
    }
    Ok(())
}

fn interactive(screen: &Screen, data: &Path, say: impl Fn(String) -> Result<()>) -> Result<()> {
    let settings = rustyline::Config::builder()
        .max_history_size(HISTORY_MAX)?
        .history_ignore_dups(true)?
        .auto_add_history(true)
        .build();
    let mut editor = rustyline::DefaultEditor::with_config(settings)?;
    let history = data.join("shell_history");
    // The first time there is none.
    let _ = editor.load_history(&history);
    screen.print_through(editor.create_external_printer().ok());
    output::talk("Talk to your agent. Ctrl-C stops an answer, Ctrl-D leaves.");
    loop {
        screen.prompting(true);
        let line = editor.readline("› ");
        screen.prompting(false);
        match line {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => say(line)?,
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Err(error) = editor.save_history(&history) {
        output::talk(&format!("the history was not saved: {error}"));
    }
    Ok(())
}
