// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server's side of the socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use blufio_agent::{caps, kill};
use blufio_core::channel::SinkError;
use blufio_core::clock::Clock;
use blufio_core::store::{CostGroup, CostQuery, Costs, Store};
use blufio_lang::program::civil::print_moment;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc, watch};

use super::protocol::{
    Answer, Ask, CostLine, CostReport, EventLine, EventPost, GROUPS_MAX, Heard, JournalLine, Request, Say,
    StatusReport, VERSION,
};
use super::shell_channel::{self, ShellChannel};
use super::{LINE_BYTES_MAX, socket_path, versions};
use crate::clock::SystemClock;
use crate::daemon::Daemon;

/// Connections served at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 32;
/// A client that connects and says nothing is let go.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows of a list.
const ROWS_MAX: u32 = 10_000;

/// A socket that is bound; the file goes when this is dropped.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A leftover file is harmless: the next server replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds the socket. Call it only with the data folder's lock held: a file that is there is then a leftover.
pub fn bind(data: &Path) -> Result<Listener> {
    let path = socket_path(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| path.display().to_string());
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).with_context(|| {
        format!("{} (a socket's path has at most 107 bytes: use a shorter --data)", path.display())
    })?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| path.display().to_string())?;
    Ok(Listener { listener, path })
}

/// Answers until the task is dropped.
pub async fn serve(listener: &Listener, daemon: Arc<Daemon>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.listener.accept().await {
            Ok((stream, _)) => {
                let daemon = Arc::clone(&daemon);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &daemon).await {
                        tracing::debug!("control connection: {error:#}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, daemon: &Daemon) -> Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let line =
        tokio::time::timeout(REQUEST_TIMEOUT, next_line(&mut lines)).await.context("no request came")??;
    let Some(line) = line else { return Ok(()) };
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            return send(
                &mut write,
                &Answer::Failed(format!(
                    "this server does not understand the request ({error}); are both the same version?"
                )),
            )
            .await;
        }
    };
    if request.version != VERSION {
        let words = format!(
            "the server speaks protocol {VERSION}, this command {}: use the blufio that runs the server (version {})",
            request.version,
            env!("CARGO_PKG_VERSION")
        );
        return send(&mut write, &Answer::Failed(words)).await;
    }
    if request.ask == Ask::Chat {
        send(&mut write, &Answer::Done("connected".to_string())).await?;
        return chat(daemon, lines, write).await;
    }
    let stops = request.ask == Ask::Stop;
    let answer =
        answer(daemon, request.ask).await.unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
    send(&mut write, &answer).await?;
    if stops {
        daemon.request_stop();
    }
    Ok(())
}

async fn answer(daemon: &Daemon, ask: Ask) -> Result<Answer> {
    Ok(match ask {
        Ask::Status => {
            let status = daemon.handle.status().await?;
            Answer::Status(Box::new(StatusReport {
                process: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_string(),
                webhooks: daemon.listens_on().map(|address| format!("http://{address}")),
                status,
            }))
        }
        Ask::Event(EventPost { agent, event, value, id, session }) => {
            match daemon.handle.event(&agent, session.as_deref(), &event, value, &id).await {
                Ok(taken) => Answer::Event(EventLine { id, session: taken.session, new: taken.is_new }),
                Err(error) => Answer::EventRefused(error.into()),
            }
        }
        Ask::Reload => Answer::Done(daemon.reload().await?),
        Ask::Stop => Answer::Done("stopping".to_string()),
        Ask::Kill { reason } => Answer::Killed(daemon.handle.kill(reason).await?),
        Ask::Release => Answer::Released(daemon.handle.release().await?),
        Ask::DropSession { key } => Answer::Dropped(daemon.handle.drop_session(&key).await?),
        other => read(&*daemon.store, other).await?,
    })
}

/// Answers that need the store alone: also used where no server runs.
pub async fn read(store: &dyn Store, ask: Ask) -> Result<Answer> {
    Ok(match ask {
        Ask::Sessions { ended_too } => {
            Answer::Sessions(store.sessions(ended_too, ROWS_MAX).await?.into_iter().map(Into::into).collect())
        }
        Ask::Outbox { state } => {
            Answer::Outbox(store.outbox(state, ROWS_MAX).await?.into_iter().map(Into::into).collect())
        }
        Ask::Journal { key } => {
            let id = session_id(store, &key).await?;
            let line = |row: blufio_core::store::JournalRow| JournalLine {
                sequence: row.sequence,
                at_ms: row.at_ms,
                kind: row.record.kind,
                body: serde_json::from_str(&row.record.body)
                    .unwrap_or(serde_json::Value::String(row.record.body)),
            };
            Answer::Journal(store.journal(id, 0, ROWS_MAX).await?.into_iter().map(line).collect())
        }
        Ask::Costs { by, since_ms, agent } => {
            Answer::Costs(Box::new(costs(store, by, since_ms, agent).await?))
        }
        Ask::Kill { reason } => Answer::Killed(kill::kill(store, reason, SystemClock.now_ms()).await?),
        Ask::Release => Answer::Released(kill::release(store).await?),
        Ask::DropSession { key } => Answer::Dropped(store.drop_session(&key, SystemClock.now_ms()).await?),
        Ask::History { agent, file } => Answer::History(versions::list(store, agent, file).await?),
        Ask::FileVersion { agent, file, hash } => {
            Answer::FileVersion(Box::new(versions::one(store, &agent, &file, &hash).await?))
        }
        Ask::KeepFile(text) => Answer::Kept(versions::keep(store, *text, SystemClock.now_ms()).await?),
        _ => Answer::Failed("no server runs on this data folder".to_string()),
    })
}

async fn costs(
    store: &dyn Store,
    by: CostGroup,
    since_ms: Option<i64>,
    agent: Option<String>,
) -> Result<CostReport> {
    let query = CostQuery { by, since_ms, agent: agent.clone(), groups_max: GROUPS_MAX };
    let Costs { total, mut groups } = store.costs(query).await?;
    if by == CostGroup::Day {
        for row in &mut groups {
            let moment = row.name.parse().map(print_moment).unwrap_or_default();
            row.name = moment.split('T').next().unwrap_or_default().to_string();
        }
        // Time runs from the top to the bottom.
        groups.reverse();
    }
    let mut caps = caps::caps(store, SystemClock.now_ms()).await?;
    caps.retain(|cap| agent.as_ref().is_none_or(|agent| cap.agent == *agent));
    let groups = groups.into_iter().map(CostLine::from).collect();
    Ok(CostReport { by, since_ms, agent, total: total.into(), groups, caps })
}

/// The session of a key: the living one, else the last that ended.
async fn session_id(store: &dyn Store, key: &str) -> Result<i64> {
    if let Some(row) = store.session(key).await? {
        return Ok(row.id);
    }
    let ended = store.sessions(true, ROWS_MAX).await?.into_iter().find(|row| row.key == key);
    ended
        .map(|row| row.id)
        .ok_or_else(|| anyhow!("there is no session `{key}`; `blufio sessions` lists them"))
}

/// A conversation over one connection. Reading, writing and settling are independent, so that words can come at any
/// time, also while an answer is being written.
pub async fn chat(
    daemon: &Daemon,
    mut lines: BufReader<OwnedReadHalf>,
    mut write: OwnedWriteHalf,
) -> Result<()> {
    let mut heard = daemon.shell.listen();
    let (events, mut own) = mpsc::channel::<Heard>(8);
    let (said, mut unsettled) = watch::channel(0_u64);
    let failures = events.clone();
    let listen = async {
        while let Some(line) = next_line(&mut lines).await? {
            let words: Say = serde_json::from_str(&line)?;
            match take(daemon, &words.say).await {
                Ok(()) => said.send_modify(|number| *number += 1),
                Err(error) => failures.send(Heard::Failed { reason: error.to_string() }).await?,
            }
        }
        Ok::<(), anyhow::Error>(())
    };
    let settle = async {
        while unsettled.changed().await.is_ok() {
            daemon.handle.quiet().await;
            if events.send(Heard::Quiet).await.is_err() {
                break;
            }
        }
        Ok::<(), anyhow::Error>(())
    };
    let speak = async {
        loop {
            let event = tokio::select! {
                // What was said before "quiet" is told before it.
                biased;
                event = heard.recv() => match event {
                    Ok(event) => event,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return Ok(()),
                },
                event = own.recv() => match event {
                    Some(event) => event,
                    None => return Ok(()),
                },
            };
            send(&mut write, &event).await?;
        }
    };
    tokio::select! {
        ended = listen => ended,
        ended = settle => ended,
        ended = speak => ended,
    }
}

/// Delivers what somebody typed.
async fn take(daemon: &Daemon, text: &str) -> Result<(), SinkError> {
    let now_ms = SystemClock.now_ms();
    let message = ShellChannel::message(daemon.shell.new_source_id(now_ms), text, now_ms);
    daemon.handle.sink().deliver(shell_channel::NAME, vec![message], None).await
}

/// The next line; `None` at the end. A line that is too long ends the connection.
pub async fn next_line(lines: &mut BufReader<OwnedReadHalf>) -> Result<Option<String>> {
    let mut line = Vec::new();
    let read = (&mut *lines).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).await?;
    if read > LINE_BYTES_MAX {
        return Err(anyhow!("a line longer than {} MiB", LINE_BYTES_MAX >> 20));
    }
    if read == 0 { Ok(None) } else { Ok(Some(String::from_utf8(line)?)) }
}

/// Sends one line.
pub async fn send(write: &mut OwnedWriteHalf, value: &impl serde::Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    Ok(())
}
