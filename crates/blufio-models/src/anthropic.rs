// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Anthropic Messages API (<https://docs.anthropic.com/en/api/messages>): one streamed attempt a call.

mod assemble;
mod errors;
pub mod request;
pub mod sse;

use std::time::Duration;

use blufio_core::BoxFuture;
use blufio_core::model::{ModelDelta, ModelError, ModelErrorKind, ModelProvider, ModelReply, ModelRequest};
use blufio_core::secret::Secret;
use futures_util::StreamExt;
use serde_json::Value;

pub use assemble::Assembler;

use crate::http::{checked_base, client};
use crate::limiter::Limiter;

pub use crate::http::ConfigError;

/// Name of the provider: the part before the slash.
pub(crate) const PROVIDER: &str = "anthropic";
/// The API version that this client speaks.
const API_VERSION: &str = "2023-06-01";
/// Most bytes of a body that is not a stream.
const BODY_BYTES_MAX: usize = 1 << 20;

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
        Self {
            base_url: base_url.to_string(),
            key,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            overall_timeout: Duration::from_secs(600),
        }
    }
}

/// The provider. One instance serves all sessions, so that they share one limiter.
#[derive(Debug)]
pub struct Anthropic {
    client: reqwest::Client,
    base: String,
    options: Options,
    limiter: Limiter,
}

fn error(kind: ModelErrorKind, message: impl Into<String>) -> ModelError {
    ModelError { kind, message: message.into(), retry_after_ms: None, usage: None, request_id: None }
}

impl Anthropic {
    /// Checks the options; nothing is sent.
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        if options.key.is_empty() {
            return Err(ConfigError::NoKey("ANTHROPIC_API_KEY"));
        }
        let base = checked_base(&options.base_url)?;
        let client = client(&base, options.connect_timeout)?;
        Ok(Self {
            client,
            base: base.as_str().trim_end_matches('/').to_string(),
            options,
            limiter: Limiter::default(),
        })
    }

    async fn send(&self, path: &str, body: String) -> Result<reqwest::Response, ModelError> {
        self.limiter.admit()?;
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .header("anthropic-version", API_VERSION)
            .header("x-api-key", self.options.key.expose())
            .body(body);
        let sent = tokio::time::timeout(self.options.idle_timeout, request.send()).await;
        let response = match sent {
            Err(_) => return Err(error(ModelErrorKind::Incomplete, "no answer in time")),
            Ok(Err(e)) if e.is_connect() => {
                return Err(error(
                    ModelErrorKind::Unreachable,
                    format!("cannot connect: {}", cause(&e.without_url())),
                ));
            }
            Ok(Err(e)) => {
                return Err(error(
                    ModelErrorKind::Incomplete,
                    format!("the connection broke: {}", cause(&e.without_url())),
                ));
            }
            Ok(Ok(response)) => response,
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let failed = self.failure(response).await;
        self.limiter.learn(&failed);
        Err(failed)
    }

    async fn failure(&self, response: reqwest::Response) -> ModelError {
        let status = response.status().as_u16();
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_string);
        let (request_id, retry_after) = (header("request-id"), header("retry-after"));
        let body = self.bounded_body(response).await;
        let mut failed = match body.ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) {
            Some(body) => errors::from_body(&body, Some(status)),
            None => errors::from_status_alone(status),
        };
        failed.request_id = request_id;
        failed.retry_after_ms = errors::retry_after_ms(retry_after.as_deref());
        failed
    }

    async fn bounded_body(&self, response: reqwest::Response) -> Result<Vec<u8>, ModelError> {
        let (mut stream, mut out) = (response.bytes_stream(), Vec::new());
        loop {
            match tokio::time::timeout(self.options.idle_timeout, stream.next()).await {
                Err(_) => return Err(error(ModelErrorKind::Incomplete, "the answer stalled")),
                Ok(None) => return Ok(out),
                Ok(Some(Err(_))) => return Err(error(ModelErrorKind::Incomplete, "the connection broke")),
                Ok(Some(Ok(bytes))) if out.len() + bytes.len() > BODY_BYTES_MAX => {
                    return Err(error(ModelErrorKind::NotTheProvider, "the answer is too large"));
                }
                Ok(Some(Ok(bytes))) => out.extend_from_slice(&bytes),
            }
        }
    }

    async fn attempt(
        &self,
        request: &ModelRequest,
        on_delta: &mut (dyn FnMut(ModelDelta) + Send),
    ) -> Result<ModelReply, ModelError> {
        let response = self.send("/v1/messages", request::body(request, true)).await?;
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_string);
        let request_id = header("request-id");
        let content_type = header("content-type").unwrap_or_default();
        if content_type.starts_with("application/json") {
            // A status of 200 with an error for a body.
            let bytes = self.bounded_body(response).await?;
            let body: Value = serde_json::from_slice(&bytes)
                .map_err(|_| error(ModelErrorKind::NotTheProvider, "the answer is not JSON"))?;
            return Err(match body.get("error") {
                Some(_) => errors::from_body(&body, None),
                None => error(ModelErrorKind::NotTheProvider, "the answer is no stream"),
            });
        }
        if !content_type.starts_with("text/event-stream") {
            let message = format!(
                "something else than the API answered (content type `{}`): a proxy or a login page?",
                printable(&content_type)
            );
            return Err(error(ModelErrorKind::NotTheProvider, message));
        }
        let mut assembler = Assembler::default();
        let mut parser = sse::SseParser::default();
        let (mut stream, mut events) = (response.bytes_stream(), Vec::new());
        while !assembler.is_finished() {
            let usage = assembler.usage();
            let broken = |message: &str| ModelError {
                usage,
                request_id: request_id.clone(),
                ..error(ModelErrorKind::Incomplete, message)
            };
            let bytes = match tokio::time::timeout(self.options.idle_timeout, stream.next()).await {
                Err(_) => return Err(broken("the stream stalled")),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(broken("the connection broke within the stream")),
                Ok(Some(Ok(bytes))) => bytes,
            };
            parser
                .push(&bytes, &mut events)
                .map_err(|e| broken(&format!("the stream cannot be read: {e:?}")))?;
            for event in events.drain(..) {
                assembler.event(&event, on_delta).inspect_err(|e| self.limiter.learn(e))?;
            }
        }
        assembler.finish(request_id)
    }
}

/// The innermost cause of an error: the outer ones say only that something failed.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    printable(&inner.to_string())
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

impl ModelProvider for Anthropic {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        on_delta: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            match tokio::time::timeout(self.options.overall_timeout, self.attempt(request, on_delta)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(error(ModelErrorKind::Incomplete, "the answer took too long")),
            }
        })
    }

    fn count_tokens<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async move {
            let response = self.send("/v1/messages/count_tokens", request::count_body(request)).await?;
            let bytes = self.bounded_body(response).await?;
            let body: Value = serde_json::from_slice(&bytes)
                .map_err(|_| error(ModelErrorKind::NotTheProvider, "the answer is not JSON"))?;
            body.get("input_tokens")
                .and_then(Value::as_u64)
                .ok_or_else(|| error(ModelErrorKind::NotTheProvider, "the answer has no token count"))
        })
    }
}
