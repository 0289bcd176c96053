// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio stop`: asks the server to stop and waits until the data folder is free.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use blufio_persist::SqliteStore;
use clap::Args;

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::control::protocol::Ask;
use crate::output;

/// The server drains for at most ten seconds; then it closes its database.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Stops; 1 when no server ran.
pub fn run(context: &Context, _arguments: &Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let runtime = client::runtime()?;
    if runtime.block_on(client::ask(&data, Ask::Stop))?.is_none() {
        output::talk(&format!("no server runs on {}", data.display()));
        return Ok(INPUT_HAS_ERRORS);
    }
    let begun = Instant::now();
    while SqliteStore::is_held(&data) {
        if begun.elapsed() > STOP_TIMEOUT {
            bail!(
                "the server still holds {} after {} s: send it a second SIGTERM",
                data.display(),
                STOP_TIMEOUT.as_secs()
            );
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    output::talk("stopped");
    Ok(0)
}
