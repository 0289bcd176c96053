// SPDX-License-Identifier: MIT OR Apache-2.0
//! The port of tools.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::BoxFuture;

/// What repeating a call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Same answer for ever.
    Pure,
    /// Looks and changes nothing.
    Read,
    /// May be repeated with its key.
    Idempotent,
    /// Must not be repeated; a crash in between makes it uncertain.
    Once,
}

/// What a tool is.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolManifest {
    /// Dotted name.
    pub name: String,
    /// For the model, one or two sentences.
    pub description: String,
    /// JSON Schema of the arguments, serialised.
    pub input_schema: String,
    /// What repeating means.
    pub effect: EffectClass,
    /// Whether a person should look first when untrusted text was read.
    pub dangerous: bool,
}

/// One call with the authority it has.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRequest {
    /// Dotted name.
    pub tool: String,
    /// One JSON object.
    pub arguments: String,
    /// Coordinate of the effect: the idempotency key.
    pub idempotency_key: String,
    /// Absolute folder that the grant opens, for file tools.
    pub folder: Option<std::path::PathBuf>,
    /// Hosts or recipients that the grant allows; empty for any that the tool allows itself.
    pub hosts: Vec<String>,
    /// Commands that the grant allows.
    pub commands: Vec<String>,
    /// The event's time, milliseconds since 1970.
    pub now_ms: i64,
}

/// Why a call failed; the text goes back to the model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ToolError {
    /// The arguments do not fit the schema.
    #[error("invalid arguments: {0}")]
    Invalid(String),
    /// No grant for it.
    #[error("not allowed: {0}")]
    Denied(String),
    /// It failed.
    #[error("failed: {0}")]
    Broken(String),
    /// It may or may not have happened.
    #[error("outcome unknown: {0}")]
    Uncertain(String),
}

/// Runs tools.
pub trait ToolHost: Send + Sync {
    /// What a tool is, by its dotted name; `None` when there is none. May change when programs are loaded again.
    fn manifest(&self, tool: &str) -> Option<ToolManifest>;
    /// Runs one call. The output is at most 64 KiB; longer ones are cut with a mark.
    fn call<'a>(&'a self, request: &'a ToolRequest) -> BoxFuture<'a, Result<String, ToolError>>;
}
