// SPDX-License-Identifier: MIT OR Apache-2.0
//! `blufio outbox`: messages on their way out, and those of which nobody knows whether they arrived.

use anyhow::{Result, bail};
use blufio_core::store::OutboxState;
use clap::{Args, ValueEnum};

use crate::cli::Context;
use crate::control::client;
use crate::control::protocol::{Answer, Ask, OutboxLine};
use crate::output::{self, DataArguments};

/// States of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// Decided, not sent.
    Ready,
    /// Being sent.
    Sending,
    /// A placeholder stands.
    Placed,
    /// Delivered.
    Sent,
    /// Refused for good.
    Failed,
    /// Nobody knows.
    Uncertain,
    /// Waits for the next message of its chat.
    Held,
}

/// Arguments of `outbox`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only messages in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    data: DataArguments,
}

/// Prints the messages, newest first.
pub fn run(context: &Context, arguments: &Arguments) -> Result<u8> {
    let state = arguments.state.map(|state| match state {
        State::Ready => OutboxState::Ready,
        State::Sending => OutboxState::Sending,
        State::Placed => OutboxState::Placed,
        State::Sent => OutboxState::Sent,
        State::Failed => OutboxState::Failed,
        State::Uncertain => OutboxState::Uncertain,
        State::Held => OutboxState::Held,
    });
    let data = context.data_folder()?;
    match client::runtime()?.block_on(client::ask_or_read(&data, Ask::Outbox { state }))? {
        Answer::Outbox(messages) if arguments.data.is_json() => output::json(&messages)?,
        Answer::Outbox(messages) => output::data(&text(&messages))?,
        other => bail!("unexpected answer {other:?}"),
    }
    Ok(0)
}

fn text(messages: &[OutboxLine]) -> String {
    let row = |message: &OutboxLine| {
        let state = match message.state {
            OutboxState::Held => "waits for the next message".to_string(),
            state => format!("{state:?}").to_lowercase(),
        };
        let words = message
            .error
            .clone()
            .or_else(|| message.text.clone())
            .unwrap_or_else(|| "(being written)".to_string());
        let short: String = words.replace('\n', " ").chars().take(60).collect();
        vec![
            message.id.to_string(),
            state,
            format!("{}:{}", message.channel, message.chat),
            message.attempts.to_string(),
            short,
        ]
    };
    output::table(
        &["NUMBER", "STATE", "TO", "TRIES", "TEXT OR ERROR"],
        &messages.iter().map(row).collect::<Vec<_>>(),
    )
}
