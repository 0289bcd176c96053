// SPDX-License-Identifier: MIT OR Apache-2.0
//! How to reach one endpoint that speaks Chat Completions.

use std::time::Duration;

use blufio_core::secret::Secret;

use super::Dialect;
use crate::transport::Times;

/// One endpoint: `models.NAME.base_url` and the key of the environment variable beside it.
#[derive(Debug, Clone)]
pub struct OpenAiOptions {
    /// Part before the slash of a model's name: `openai`, `openrouter`, `groq`, `deepseek`, `local`.
    pub name: String,
    /// Base URL with its version (`https://api.openai.com/v1`); `/chat/completions` is added.
    pub base_url: String,
    /// Key; `None` where the server wants none.
    pub key: Option<Secret>,
    /// The variable that the key comes from, for messages (`OPENAI_API_KEY`).
    pub key_variable: String,
    /// What this endpoint does differently.
    pub dialect: Dialect,
    /// Longest waits.
    pub times: Times,
}

impl OpenAiOptions {
    /// The usual times, but three minutes of silence: reasoning models say nothing while they think, and local servers
    /// nothing while they read the prompt. And the dialect that the host is known to speak.
    pub fn new(name: &str, base_url: &str, key: Option<Secret>) -> Self {
        Self {
            name: name.to_string(),
            base_url: base_url.to_string(),
            key,
            key_variable: format!("{}_API_KEY", name.to_ascii_uppercase().replace('-', "_")),
            dialect: Dialect::of_host(base_url),
            times: Times { idle: Duration::from_secs(180), ..Times::usual() },
        }
    }

    /// Another dialect.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }
}
