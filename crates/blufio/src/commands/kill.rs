// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio kill`: stops every model call at once, until `blufio kill --release`.

use anyhow::{Result, bail};
use blufio_agent::kill::Killed;
use blufio_lang::program::civil::print_moment;
use clap::Args;

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::control::protocol::{Answer, Ask};
use crate::output;

/// Arguments of `kill`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Why, for the owner and for `status`.
    #[arg(long, value_name = "TEXT", conflicts_with = "release")]
    reason: Option<String>,
    /// Let model calls go on.
    #[arg(long)]
    release: bool,
}

/// What `status` says while it holds.
pub fn line(killed: &Killed) -> String {
    let why = killed.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let words =
        format!("stopped since {}{why}; release with `blufio kill --release`", print_moment(killed.since_ms));
    output::harmless(&words).replace('\n', " ")
}

/// Stops or releases; 1 when there was nothing to release.
pub fn run(context: &Context, arguments: Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let ask = if arguments.release { Ask::Release } else { Ask::Kill { reason: arguments.reason } };
    match client::runtime()?.block_on(client::ask_or_read(&data, ask))? {
        Answer::Killed(killed) => output::talk(&format!("model calls are {}", line(&killed))),
        Answer::Released(Some(_)) => output::talk("model calls go on"),
        Answer::Released(None) => {
            output::talk("model calls are not stopped");
            return Ok(INPUT_HAS_ERRORS);
        }
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(0)
}
