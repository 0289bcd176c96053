// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio demo`: the main job without key and network. A real server runs in a process of its own against emulated
//! services on loopback; it is killed in the middle of a model's answer and started again.

mod report;
mod world;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use blufio_testkit::telegram;
use clap::Args;

use crate::output;
use crate::wiring::TOKEN_VARIABLE;
use world::{CUSTOMER, OWNER, World};

/// Longest wait for any one thing to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the result as JSON instead of the story.
    #[arg(long)]
    json: bool,
}

/// Runs the story; 1 when anything was not as promised.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(story(arguments.json))
}

/// A server process that does not outlive the demo.
struct Server(Child);

impl Server {
    fn start(folder: &Path, world: &World) -> Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        // What the visitor has configured is not the demo's.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BLUFIO_"))
        {
            command.env_remove(name);
        }
        let child = command
            .arg("serve")
            .arg(folder.join("agents"))
            .arg("--data")
            .arg(folder.join("data"))
            .env("BLUFIO_TELEGRAM__API_URL", world.telegram.url())
            .env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string())
            .env("BLUFIO_MODELS__ANTHROPIC__BASE_URL", world.model.url())
            .env(TOKEN_VARIABLE, telegram::TOKEN)
            .env("ANTHROPIC_API_KEY", "demo-key")
            .env("BLUFIO_CONFIG", folder.join("blufio.toml"))
            .env("BLUFIO_LOG__LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting the server")?;
        Ok(Self(child))
    }

    /// Waits for something, and no longer than the server lives.
    async fn alive<T>(&mut self, wanted: impl Future<Output = T>) -> Result<T> {
        let mut wanted = std::pin::pin!(wanted);
        loop {
            tokio::select! {
                found = &mut wanted => return Ok(found),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            if let Some(status) = self.0.try_wait().context("looking after the server")? {
                bail!("the server stopped by itself ({status}); what it said is above");
            }
        }
    }

    /// SIGKILL: the process gets no chance to do anything.
    fn kill(mut self) -> Result<()> {
        self.0.kill().context("killing the server")?;
        self.0.wait().context("waiting for the killed server")?;
        Ok(())
    }

    /// SIGTERM: the server drains and closes.
    async fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.0.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .context("the server's process id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM).context("stopping the server")?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.0.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the server did not stop within {} s", PATIENCE.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after `kill` and `stop`; on an error path nothing may be left running.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn story(json: bool) -> Result<u8> {
    let begin = Instant::now();
    let folder =
        tempfile::Builder::new().prefix("blufio-demo-").tempdir().context("making a folder for the demo")?;
    world::write_agents(folder.path())?;
    let world = World::start().await?;
    let say = |text: &str| {
        if !json {
            output::talk(text);
        }
    };
    say("Starting a real server against emulated Telegram and Anthropic on loopback …");
    let mut server = Server::start(folder.path(), &world)?;

    say("A customer writes: “My kettle drips at the lid. What now?”");
    world.telegram.say(CUSTOMER, "My kettle drips at the lid. What now?");
    if !server.alive(world.model.wait_paused(PATIENCE)).await? {
        bail!("the model was not asked for an answer within {} s", PATIENCE.as_secs());
    }
    let shown = world.partial_text().await;
    say(&format!("The model is in the middle of its answer; the customer sees: “{shown}”"));
    say("kill -9.");
    server.kill()?;
    world.model.resume();

    say("Starting the server again on the same data folder …");
    let mut server = Server::start(folder.path(), &world)?;
    server.alive(world.wait_for_text(CUSTOMER, world::ANSWER)).await??;
    say("The answer arrived after the crash. The customer writes: “Thanks!”");
    world.telegram.say(CUSTOMER, "Thanks!");
    server.alive(world.wait_for_text(CUSTOMER, world::FAREWELL)).await??;
    world.wait_confirmed().await?;
    say("Stopping the server …");
    server.stop().await?;
    let report = report::Report::collect(folder.path(), &world, begin.elapsed()).await?;
    if json {
        output::json(&report)?;
    } else {
        output::data(&report.text())?;
    }
    Ok(u8::from(!report.kept()))
}
