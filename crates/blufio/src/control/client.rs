// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands' side of the socket.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use blufio_persist::SqliteStore;
use tokio::io::BufReader;
use tokio::net::UnixStream;

use super::protocol::{Answer, Ask, Request, VERSION};
use super::server::{next_line, read, send};
use super::socket_path;

/// A server that does not answer within this time is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A runtime for one short command.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Connects to the server of a data folder; `None` when no server runs.
pub async fn connect(data: &Path) -> Result<Option<UnixStream>> {
    let path = socket_path(data);
    match UnixStream::connect(&path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Asks the server of a data folder; `None` when no server runs.
pub async fn ask(data: &Path, ask: Ask) -> Result<Option<Answer>> {
    let Some(stream) = connect(data).await? else { return Ok(None) };
    let (answer, _) = request(stream, ask).await?;
    match answer {
        Answer::Failed(words) => bail!("{words}"),
        answer => Ok(Some(answer)),
    }
}

/// Sends a request over a connection; the connection comes back for `chat`.
pub async fn request(
    stream: UnixStream,
    ask: Ask,
) -> Result<(Answer, (BufReader<tokio::net::unix::OwnedReadHalf>, tokio::net::unix::OwnedWriteHalf))> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    send(&mut write, &Request { version: VERSION, ask }).await?;
    let line = tokio::time::timeout(ANSWER_TIMEOUT, next_line(&mut lines))
        .await
        .context("the server does not answer")??;
    let line = line.ok_or_else(|| anyhow!("the server closed the connection"))?;
    Ok((serde_json::from_str(&line).context("the server's answer")?, (lines, write)))
}

/// Asks the server, or the database itself where no server runs.
pub async fn ask_or_read(data: &Path, wanted: Ask) -> Result<Answer> {
    if let Some(answer) = ask(data, wanted.clone()).await? {
        return Ok(answer);
    }
    // A folder without a database is a wrong folder: nothing is created in it.
    let mut store = SqliteStore::open_read_only(data)?;
    if matches!(wanted, Ask::DropSession { .. } | Ask::Kill { .. } | Ask::Release | Ask::KeepFile(_)) {
        blufio_core::store::Store::close(&store).await?;
        store = SqliteStore::open(data, &blufio_persist::Options::default())?;
    }
    let answer = read(&store, wanted).await;
    blufio_core::store::Store::close(&store).await?;
    answer
}
