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
            let body = request::body(request, &self.name, &self.dialect)?;
            let collector = Assembler::new(&self.name, &self.dialect, request.output_schema.is_some());
            self.transport.answer::<SseParser>("/chat/completions", body, collector, on_delta).await
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
