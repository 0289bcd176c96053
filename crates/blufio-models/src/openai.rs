// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chat Completions (<https://platform.openai.com/docs/api-reference/chat>), as OpenAI speaks it and as others do:
//! OpenRouter, Groq, DeepSeek, vLLM, llama.cpp. One instance is one endpoint under a name of the operator's; what
//! differs between endpoints is data, in [`Dialect`].

mod assemble;
mod calls;
mod dialect;
mod errors;
mod options;
pub mod request;
mod strict;
mod usage;

use blufio_core::BoxFuture;
use blufio_core::model::{
    Capabilities, ModelDelta, ModelError, ModelErrorKind, ModelProvider, ModelReply, ModelRequest,
};
use serde_json::{Value, json};

pub use assemble::Assembler;
pub use dialect::{Dialect, OutputCap, ReasoningHistory, StructuredOutput};
pub use options::OpenAiOptions;

use crate::http::{ConfigError, checked_base};
use crate::sse::SseParser;
use crate::transport::{Credential, Transport, VECTORS_BYTES_MAX, error};
use crate::{estimate, vectors};

/// One endpoint. One instance serves all sessions, so that they share one limiter.
#[derive(Debug)]
pub struct OpenAi {
    name: String,
    dialect: Dialect,
    transport: Transport,
}

impl OpenAi {
    /// Checks the options; nothing is sent.
    pub fn new(options: OpenAiOptions) -> Result<Self, ConfigError> {
        let name = crate::http::checked_name(&options.name)?;
        let credential = match options.key {
            Some(key) if key.is_empty() => return Err(ConfigError::NoKey(options.key_variable)),
            Some(key) => Credential::Bearer(key),
            None => Credential::None,
        };
        let base = checked_base(&options.base_url)?;
        let transport = Transport::new(&name, &base, credential, options.times, errors::explain)?;
        Ok(Self { name, dialect: options.dialect, transport })
    }

    async fn attempt(
        &self,
        request: &ModelRequest,
        on_delta: &mut (dyn FnMut(ModelDelta) + Send),
    ) -> Result<ModelReply, ModelError> {
        let body = request::body(request, &self.name, &self.dialect)?;
        let response = self.transport.post("/chat/completions", body).await?;
        let response = self.transport.expect_stream(response, &["text/event-stream"]).await?;
        let request_id = self.transport.request_id(&response);
        let mut assembler = Assembler::new(&self.name, &self.dialect, request.output_schema.is_some());
        let mut parser = SseParser::default();
        let (mut stream, mut events) = (response.bytes_stream(), Vec::new());
        while !assembler.is_finished() {
            let usage = assembler.usage();
            let broken = |message: &str| ModelError {
                usage,
                request_id: request_id.clone(),
                ..error(ModelErrorKind::Incomplete, message)
            };
            let Some(bytes) = self.transport.next(&mut stream).await.map_err(broken)? else { break };
            parser
                .push(&bytes, &mut events)
                .map_err(|e| broken(&format!("the stream cannot be read: {e:?}")))?;
            for event in events.drain(..) {
                assembler.event(&event, on_delta).map_err(|failed| {
                    self.transport.limiter.learn(&failed);
                    ModelError { request_id: request_id.clone(), ..failed }
                })?;
            }
        }
        assembler.finish(request_id)
    }
}

impl ModelProvider for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.dialect.capabilities()
    }

    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        on_delta: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            let attempt = self.attempt(request, on_delta);
            match tokio::time::timeout(self.transport.times.overall, attempt).await {
                Ok(outcome) => outcome,
                Err(_) => Err(error(ModelErrorKind::Incomplete, "the answer took too long")),
            }
        })
    }

    /// Chat Completions has no endpoint that counts: an upper estimate.
    fn count_tokens<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async move { Ok(estimate::input_tokens(request)) })
    }

    /// <https://platform.openai.com/docs/api-reference/embeddings>
    fn embed<'a>(
        &'a self,
        model: &'a str,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        Box::pin(async move {
            if !self.dialect.embeddings {
                let words = format!("{} has no embeddings", self.name);
                return Err(error(ModelErrorKind::InvalidRequest, words));
            }
            let body = json!({"model": model, "input": texts, "encoding_format": "float"}).to_string();
            let response = self.transport.post("/embeddings", body).await?;
            let body = self.transport.json(response, VECTORS_BYTES_MAX).await?;
            let rows = body.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            // The order of the answer is that of `index`, not of arrival.
            let mut placed = vec![&Value::Null; texts.len()];
            for (at, row) in rows.iter().enumerate() {
                let index = row.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
                if let Some(place) = usize::try_from(index).ok().and_then(|index| placed.get_mut(index)) {
                    *place = row.get("embedding").unwrap_or(&Value::Null);
                }
            }
            vectors::read(&placed)
        })
    }
}
