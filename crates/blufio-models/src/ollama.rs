// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ollama's own API (<https://docs.ollama.com/api/chat>): one streamed attempt a call, lists of models and what each of
//! them can do. Its other endpoint, which speaks Chat Completions, is served by [`crate::openai`]; this one says the
//! size of the context and takes it, and refuses a prompt that does not fit instead of cutting it silently.

mod assemble;
mod errors;
mod listing;
pub mod ndjson;
pub mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use blufio_core::BoxFuture;
use blufio_core::model::{
    Capabilities, ModelDelta, ModelError, ModelErrorKind, ModelProvider, ModelReply, ModelRequest, Support,
};
use blufio_core::secret::Secret;
use serde_json::{Value, json};

pub use assemble::Assembler;
pub use listing::ModelInfo;

use crate::http::{ConfigError, checked_base, checked_name};
use crate::transport::{BODY_BYTES_MAX, Credential, Times, Transport, VECTORS_BYTES_MAX, error};
use crate::{estimate, vectors};

/// How to reach one server.
#[derive(Debug, Clone)]
pub struct OllamaOptions {
    /// Part before the slash of a model's name.
    pub name: String,
    /// `http://127.0.0.1:11434`, or a server behind TLS.
    pub base_url: String,
    /// Key of a server that wants one (`https://ollama.com`, a proxy).
    pub key: Option<Secret>,
    /// The variable that the key comes from, for messages.
    pub key_variable: String,
    /// What the server does and how.
    pub settings: Settings,
    /// Longest waits. Loading a large model takes minutes before the first byte.
    pub times: Times,
}

/// What every request of a server carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `num_ctx`: tokens of prompt and answer together. Without it the server takes its own default, which may be as
    /// small as 4,096 (<https://docs.ollama.com/context-length>).
    pub context_tokens: Option<u32>,
    /// The same for single models: the windows of the price table.
    pub context_tokens_of: BTreeMap<String, u32>,
    /// `think`; `None` leaves it to the model.
    pub think: Option<bool>,
    /// Whether tools are offered; a model without them answers 400.
    pub tools: bool,
    /// Whether images are sent.
    pub images: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            context_tokens: None,
            context_tokens_of: BTreeMap::new(),
            think: None,
            tools: true,
            images: true,
        }
    }
}

impl Settings {
    /// What such a server can do.
    pub fn capabilities(&self) -> Capabilities {
        let supported = |yes: bool| if yes { Support::Native } else { Support::Missing };
        Capabilities {
            tools: supported(self.tools),
            structured_output: Support::Native,
            images: supported(self.images),
            documents: Support::Missing,
            token_counts: Support::Emulated,
            embeddings: Support::Native,
        }
    }

    /// `num_ctx` of a model.
    fn context(&self, model: &str) -> Option<u32> {
        self.context_tokens_of.get(model).copied().or(self.context_tokens)
    }
}

impl OllamaOptions {
    /// The usual times, but five minutes of silence for a model that is being loaded.
    pub fn new(name: &str, base_url: &str) -> Self {
        Self {
            name: name.to_string(),
            base_url: base_url.to_string(),
            key: None,
            key_variable: "OLLAMA_API_KEY".to_string(),
            settings: Settings::default(),
            times: Times { idle: Duration::from_secs(300), ..Times::usual() },
        }
    }
}

/// One server. One instance serves all sessions, so that they share one limiter.
#[derive(Debug)]
pub struct Ollama {
    name: String,
    settings: Settings,
    transport: Transport,
}

impl Ollama {
    /// Checks the options; nothing is sent.
    pub fn new(options: OllamaOptions) -> Result<Self, ConfigError> {
        let name = checked_name(&options.name)?;
        let credential = match options.key {
            Some(key) if key.is_empty() => return Err(ConfigError::NoKey(options.key_variable)),
            Some(key) => Credential::Bearer(key),
            None => Credential::None,
        };
        let base = checked_base(&options.base_url)?;
        let transport = Transport::new(&name, &base, credential, options.times, errors::explain)?;
        Ok(Self { name, settings: options.settings, transport })
    }

    /// Names of the models that the server has (<https://docs.ollama.com/api/tags>).
    pub async fn models(&self) -> Result<Vec<String>, ModelError> {
        let response = self.transport.get("/api/tags").await?;
        listing::names(&self.transport.json(response, BODY_BYTES_MAX).await?)
    }

    /// Context and abilities of a model (<https://docs.ollama.com/api-reference/show-model-details>).
    pub async fn show(&self, model: &str) -> Result<ModelInfo, ModelError> {
        let response = self.transport.post("/api/show", json!({ "model": model }).to_string()).await?;
        // Licences and templates are long.
        listing::info(&self.transport.json(response, 8 * BODY_BYTES_MAX).await?)
    }
}

impl ModelProvider for Ollama {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.settings.capabilities()
    }

    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        on_delta: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            let body = request::body(request, &self.name, &self.settings)?;
            let collector = Assembler::new(&self.name, request.output_schema.is_some());
            self.transport.answer::<ndjson::Lines>("/api/chat", body, collector, on_delta).await
        })
    }

    /// The API has no endpoint that counts: an upper estimate.
    fn count_tokens<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>> {
        Box::pin(async move { Ok(estimate::input_tokens(request)) })
    }

    /// <https://docs.ollama.com/api/embed>
    fn embed<'a>(
        &'a self,
        model: &'a str,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        Box::pin(async move {
            // A text that does not fit is an error, not a vector of its beginning.
            let body = json!({"model": model, "input": texts, "truncate": false}).to_string();
            let response = self.transport.post("/api/embed", body).await?;
            let body = self.transport.json(response, VECTORS_BYTES_MAX).await?;
            let rows =
                body.get("embeddings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if rows.len() != texts.len() {
                return Err(error(
                    ModelErrorKind::NotTheProvider,
                    "the answer has not one vector for each text",
                ));
            }
            vectors::read(&rows.iter().collect::<Vec<_>>())
        })
    }
}
