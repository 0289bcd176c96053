// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio serve [AGENTS]`: names everything that is missing, locks the data folder, starts the runtime, answers the
//! control socket, and drains on SIGTERM.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use blufio_lang::diagnostic::render;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Context, INPUT_HAS_ERRORS, USAGE_OR_IO};
use crate::control::server;
use crate::daemon::Daemon;
use crate::models::{self, Models};
use crate::programs::{self, ProgramSet};
use crate::sources::SourceError;
use crate::wiring::{self, Doors, Places};
use crate::{logging, output, webhooks};

/// Threads that drive sessions; the store and blocking work have their own.
const WORKER_THREADS: usize = 2;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of the agents (default: ./agents, else `agents_dir` of blufio.toml).
    agents: Option<PathBuf>,
}

/// Serves until told to stop.
pub fn run(context: &Context, arguments: Arguments) -> Result<u8> {
    logging::start(&context.config);
    let places = Places { agents: context.agents_folder(arguments.agents), data: context.data_folder()? };
    let models = Models::of(&context.config)?;
    let set = match load(&places, &models)? {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    let doors = Doors {
        telegram: set.uses_channel("telegram"),
        providers: set.providers(),
        webhooks: !set.webhooks().is_empty(),
    };
    let mut missing = missing(&doors, &models);
    missing.extend(webhooks::missing_keys(&set.webhooks()));
    if !missing.is_empty() {
        output::talk(&format!("Not started; this is missing:\n{}", missing.join("\n")));
        return Ok(USAGE_OR_IO);
    }
    if rustix::process::geteuid().is_root() {
        tracing::warn!("running as root: a user of its own is safer (useradd --system blufio)");
    }
    if context.config.file.is_none() {
        tracing::info!("no blufio.toml found: defaults are used");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build()?;
    let code = runtime.block_on(serve(context, places, doors, models, &set));
    // What still blocks must not hold the process up: everything acknowledged is stored.
    runtime.shutdown_background();
    code
}

/// The programs, or the exit code when there are none that can run.
fn load(places: &Places, models: &Models) -> Result<Result<ProgramSet, u8>> {
    match programs::load(&places.agents, models) {
        Ok(set) if set.diagnostics.has_errors() => {
            output::talk(&render(&set.diagnostics, &set.sources.map, output::colour(&std::io::stderr())));
            output::talk("Not started: the programs have errors.");
            Ok(Err(INPUT_HAS_ERRORS))
        }
        Ok(set) => Ok(Ok(set)),
        Err(SourceError::Unreadable { path, problem }) => {
            let mut lines = vec![format!(
                "  agents    {path}: {problem}\n            write the first ones:  blufio init"
            )];
            // What the first agents need.
            let first = BTreeSet::from(["anthropic".to_string()]);
            let doors = Doors { telegram: true, providers: first, webhooks: false };
            lines.extend(missing(&doors, models));
            output::talk(&output::harmless(&format!("Not started; this is missing:\n{}", lines.join("\n"))));
            Ok(Err(USAGE_OR_IO))
        }
        Err(error) => {
            output::talk(&output::harmless(&format!("Not started: {error}")));
            Ok(Err(INPUT_HAS_ERRORS))
        }
    }
}

/// Every missing thing with the command that fixes it.
fn missing(doors: &Doors, models: &Models) -> Vec<String> {
    let mut lines = Vec::new();
    if doors.telegram && models::secret(wiring::TOKEN_VARIABLE).is_none() {
        lines.push(format!("  Telegram  {0} is not set: talk to @BotFather, /newbot, then\n            export {0}=123456789:AA…", wiring::TOKEN_VARIABLE));
    }
    let keys = doors.providers.iter().filter_map(|provider| models.missing_key(provider));
    lines.extend(
        keys.map(|missing| format!("  model     {} is not set: {}", missing.variable, missing.fix())),
    );
    lines
}

async fn serve(
    context: &Context,
    places: Places,
    doors: Doors,
    models: Models,
    set: &ProgramSet,
) -> Result<u8> {
    let mut stop_signals = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let data = places.data.clone();
    let daemon = Arc::new(Daemon::start(&context.config, places, doors, models, set).await?);
    let listener = server::bind(&data)?;
    tracing::info!(data = %data.display(), agents = set.programs.len(), "ready");
    let pairing = async {
        if context.config.telegram_owner.is_none() {
            daemon.keep_pairing().await;
        }
        std::future::pending::<()>().await;
    };
    let failure = tokio::select! {
        () = server::serve(&listener, Arc::clone(&daemon)) => None,
        () = pairing => None,
        () = stop_signals.next() => None,
        () = daemon.stop_requested() => None,
        () = reload_on_hangup(&mut hangup, &daemon) => None,
        error = daemon.handle.failed() => Some(error),
    };
    // Nobody can find the server any more; who is connected is let go.
    drop(listener);
    if let Some(error) = failure {
        // What was acknowledged may not be on the disk: nothing may be sent on its strength.
        return Err(anyhow::anyhow!("the database failed, stopped at once: {error}"));
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        stopped = daemon.stop() => stopped?,
        () = stop_signals.next() => {
            tracing::warn!("stopped at once; what is under way resumes at the next start");
            return Ok(USAGE_OR_IO);
        }
    }
    tracing::info!("stopped");
    Ok(0)
}

async fn reload_on_hangup(hangup: &mut Signal, daemon: &Daemon) {
    while hangup.recv().await.is_some() {
        if let Err(error) = daemon.reload().await {
            tracing::error!("{error:#}");
        }
    }
}

/// The signals that stop.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
