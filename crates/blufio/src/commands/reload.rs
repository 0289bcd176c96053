// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio reload`: the server checks its programs again and takes them over; on an error it keeps the old ones.

use anyhow::{Result, bail};
use clap::Args;

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::control::protocol::{Answer, Ask};
use crate::output;

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Reloads; 1 when the programs have errors.
pub fn run(context: &Context, _arguments: &Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let answer = client::runtime()?.block_on(async {
        let Some(stream) = client::connect(&data).await? else { return Ok(None) };
        Ok::<_, anyhow::Error>(Some(client::request(stream, Ask::Reload).await?.0))
    })?;
    match answer {
        None => bail!("no server runs on {}: start it with `blufio serve`", data.display()),
        Some(Answer::Done(names)) => {
            output::talk(&format!("reloaded {}", output::harmless(&names)));
            Ok(0)
        }
        Some(Answer::Failed(words)) => {
            output::talk(&output::harmless(&words));
            Ok(INPUT_HAS_ERRORS)
        }
        Some(other) => bail!("unexpected answer {other:?}"),
    }
}
