// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio event AGENT TYPE JSON`: hands an event of a declared type to an agent of the running server, for scripts.
//! Exit 0 when it is stored, 1 when the server refuses it.

use std::io::Read;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};

use crate::cli::{Context, INPUT_HAS_ERRORS};
use crate::control::client;
use crate::control::protocol::{Answer, Ask, EventPost};
use crate::output::{self, DataArguments};

/// Longest event that is read from standard input, bytes.
const BYTES_MAX: u64 = 1 << 20;
/// Random bytes of an id.
const ID_BYTES: usize = 16;

/// Arguments of `event`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Agent that gets it.
    agent: String,
    /// Its declared type.
    #[arg(value_name = "TYPE")]
    event: String,
    /// Its fields as a JSON object; `-` reads standard input.
    #[arg(value_name = "JSON")]
    value: String,
    /// The same id is the same event, however often it is handed over (default: a new one).
    #[arg(long)]
    id: Option<String>,
    /// Key of the session that gets it, as `blufio sessions` shows it (default: as the routes say, else the agent's own).
    #[arg(long, value_name = "KEY")]
    session: Option<String>,
    #[command(flatten)]
    data: DataArguments,
}

/// Hands it over.
pub fn run(context: &Context, arguments: Arguments) -> Result<u8> {
    let data = context.data_folder()?;
    let text = if arguments.value == "-" { standard_input()? } else { arguments.value };
    let value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) => {
            output::talk(&format!("error: the event is not JSON: {error}"));
            return Ok(INPUT_HAS_ERRORS);
        }
    };
    let id = arguments.id.map_or_else(fresh_id, Ok)?;
    let Arguments { agent, event, session, .. } = arguments;
    let ask = Ask::Event(EventPost { agent, event, value, id, session });
    match client::runtime()?.block_on(client::ask(&data, ask))? {
        Some(Answer::Event(line)) if arguments.data.is_json() => output::json(&line)?,
        Some(Answer::Event(line)) => {
            let known = if line.new { "" } else { " (known already)" };
            output::data(&format!("{} -> {}{known}\n", line.id, line.session))?;
        }
        Some(Answer::EventRefused(refusal)) => {
            if arguments.data.is_json() {
                output::json(&refusal)?;
            }
            output::talk(&output::harmless(&format!("error: {}", refusal.message)));
            return Ok(INPUT_HAS_ERRORS);
        }
        None => bail!("no server runs on {}: start it with `blufio serve --data {0}`", data.display()),
        Some(other) => bail!("unexpected answer {other:?}"),
    }
    Ok(0)
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().take(BYTES_MAX + 1).read_to_string(&mut text).context("standard input")?;
    if read as u64 > BYTES_MAX {
        bail!("standard input is longer than {} MiB", BYTES_MAX >> 20);
    }
    Ok(text)
}

fn fresh_id() -> Result<String> {
    let mut random = [0; ID_BYTES];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| anyhow!("the operating system gives no random bytes"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
