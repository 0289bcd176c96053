// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a runtime is made of: the ports it drives, the programs it runs, and its limits with their names.

use std::path::PathBuf;
use std::sync::Arc;

use blufio_core::channel::Channel;
use blufio_core::clock::Clock;
use blufio_core::files::Files;
use blufio_core::message::Address;
use blufio_core::model::{ModelProvider, Usage};
use blufio_core::store::Store;
use blufio_core::tool::ToolHost;
use blufio_lang::program::Program;

use crate::routes::Routes;

/// Under which name the static files of a program hold the list of its skills: no file has the name of a folder.
pub const SKILLS: &str = "skills/";

/// A compiled program with what it needs from its folder.
#[derive(Clone)]
pub struct AgentProgram {
    /// The program.
    pub program: Program,
    /// Its source, for people.
    pub source: String,
    /// Static files by the name the program gives them: (name, text), in the program's order.
    pub static_files: Vec<(String, String)>,
    /// The program's folder, absolute; grants of folders are relative to it.
    pub folder: PathBuf,
}

/// Price of an attempt: (model asked with its provider, model as reported, tokens) → millionths of a US dollar.
pub type Price = Arc<dyn Fn(&str, &str, &Usage) -> Option<i64> + Send + Sync>;

/// Context window of a model (named with its provider) in tokens.
pub type Window = Arc<dyn Fn(&str) -> Option<u64> + Send + Sync>;

/// Checks a text that somebody unknown sent against the pairing code; true pairs the sender. A code works once.
pub type Pairing = Arc<dyn Fn(&str, i64) -> bool + Send + Sync>;

/// Everything a runtime is made of.
#[derive(Clone)]
pub struct Options {
    /// The durable store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Channels.
    pub channels: Vec<Arc<dyn Channel>>,
    /// Model providers.
    pub providers: Vec<Arc<dyn ModelProvider>>,
    /// Tools.
    pub tools: Arc<dyn ToolHost>,
    /// Where the files of static zones are looked at while they are in use; without it nobody looks.
    pub files: Option<Arc<dyn Files>>,
    /// Programs that new sessions start on.
    pub programs: Vec<AgentProgram>,
    /// Who reaches which agent.
    pub routes: Routes,
    /// The owner's numeric Telegram id, when the configuration names it; else pairing does.
    pub owner_telegram: Option<String>,
    /// Where the owner is told things when no Telegram id is known (a shell).
    pub owner_address: Option<Address>,
    /// The pairing code's check, while nobody is paired.
    pub pairing: Option<Pairing>,
    /// Prices.
    pub price: Option<Price>,
    /// Windows, which bound what a document can cost.
    pub window: Option<Window>,
    /// Limits.
    pub limits: Limits,
}

/// Limits. Each is a cap with a stated behaviour, never a target.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sessions that are worked on at the same time; further ones wait their turn.
    pub sessions_at_once_max: usize,
    /// Idle sessions kept decoded in memory; the oldest is dropped.
    pub sessions_cached_max: usize,
    /// Unconsumed messages of one session that are looked at; further ones wait in the store.
    pub mail_window_max: u32,
    /// Output cap of `pick`, tokens.
    pub pick_tokens_max: u32,
    /// Output cap of `write`, tokens.
    pub write_tokens_max: u32,
    /// Output cap of `turn`, tokens.
    pub turn_tokens_max: u32,
    /// Wait after which a model call fails with `timeout`, milliseconds, all attempts together.
    pub model_timeout_ms: u64,
    /// Wait after which a tool call fails, milliseconds.
    pub tool_timeout_ms: u64,
    /// Wait after which the attachments of a message that are not downloaded are only named, milliseconds.
    pub attachments_timeout_ms: u64,
    /// Messages that one sender in a group may send within a minute; further ones are dropped until that sender is
    /// quiet for a minute, so that two programs cannot answer each other for ever. The owner is not counted.
    pub group_messages_per_minute_max: usize,
    /// Turns of history in a prompt when the program sets no cap.
    pub history_messages_max: u32,
    /// Tokens of history in a prompt when the program sets no cap.
    pub history_tokens_max: u32,
    /// Time for stopping: sends and tool calls under way may finish, milliseconds.
    pub drain_ms: u64,
    /// Least time between two edits of a streamed message, milliseconds.
    pub stream_edit_ms: u64,
    /// Longest wait between two tries of a send, milliseconds.
    pub send_backoff_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_at_once_max: 1_024,
            sessions_cached_max: 64,
            mail_window_max: 256,
            pick_tokens_max: 1_024,
            write_tokens_max: 4_096,
            turn_tokens_max: 8_192,
            model_timeout_ms: 600_000,
            tool_timeout_ms: 60_000,
            attachments_timeout_ms: 60_000,
            group_messages_per_minute_max: 20,
            history_messages_max: 200,
            history_tokens_max: 50_000,
            drain_ms: 10_000,
            stream_edit_ms: 1_000,
            send_backoff_ms_max: 60_000,
        }
    }
}
