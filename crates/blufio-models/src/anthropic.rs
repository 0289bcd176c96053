// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Anthropic Messages API (<https://docs.anthropic.com/en/api/messages>): one streamed attempt a call.

mod assemble;
mod errors;
pub mod request;

use std::time::Duration;

use blufio_core::BoxFuture;
use blufio_core::model::{ModelDelta, ModelError, ModelErrorKind, ModelProvider, ModelReply, ModelRequest};
use blufio_core::secret::Secret;
use serde_json::Value;

pub use assemble::Assembler;

use crate::http::checked_base;
use crate::sse::SseParser;
use crate::transport::{BODY_BYTES_MAX, Credential, Times, Transport, error};

pub use crate::http::ConfigError;

/// Name of the provider: the part before the slash.
pub(crate) const PROVIDER: &str = "anthropic";
/// The API version that this client speaks.
const API_VERSION: &str = "2023-06-01";

/// How to reach the API.
#[derive(Debug, Clone)]
pub struct Options {
    /// `https://api.anthropic.com`, or an emulator on literal loopback.
    pub base_url: String,
    /// `ANTHROPIC_API_KEY`.
    pub key: Secret,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest silence within an answer.
    pub idle_timeout: Duration,
    /// Longest whole answer.
    pub overall_timeout: Duration,
}

impl Options {
    /// The usual times: 10 s to connect, 60 s of silence, 10 minutes in all.
    pub fn new(base_url: &str, key: Secret) -> Self {
        let Times { connect, idle, overall } = Times::usual();
        Self {
            base_url: base_url.to_string(),
            key,
            connect_timeout: connect,
            idle_timeout: idle,
            overall_timeout: overall,
        }
    }
}

/// The provider. One instance serves all sessions, so that they share one limiter.
#[derive(Debug)]
pub struct Anthropic {
    transport: Transport,
}

impl Anthropic {
    /// Checks the options; nothing is sent.
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        if options.key.is_empty() {
            return Err(ConfigError::NoKey("ANTHROPIC_API_KEY".into()));
        }
        let base = checked_base(&options.base_url)?;
        let times = Times {
            connect: options.connect_timeout,
            idle: options.idle_timeout,
            overall: options.overall_timeout,
        };
        let credential = Credential::Header("x-api-key", options.key);
        let transport = Transport::new(PROVIDER, &base, credential, times, errors::explain)?
            .with_header("anthropic-version", API_VERSION)
            .with_request_id_header("request-id");
        Ok(Self { transport })
    }
}

impl ModelProvider for Anthropic {
    fn name(&self) -> &str {
        PROVIDER
    }

    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        on_delta: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        let body = request::body(request, true);
        let assembler = Assembler::new(request.caches_static_for_an_hour);
        Box::pin(self.transport.answer::<SseParser>("/v1/messages", body, assembler, on_delta))
    }

    fn count_tokens<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async move {
            let body = request::count_body(request);
            let response = self.transport.post("/v1/messages/count_tokens", body).await?;
            let body = self.transport.json(response, BODY_BYTES_MAX).await?;
            body.get("input_tokens")
                .and_then(Value::as_u64)
                .ok_or_else(|| error(ModelErrorKind::NotTheProvider, "the answer has no token count"))
        })
    }
}
