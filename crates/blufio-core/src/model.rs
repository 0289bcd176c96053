// SPDX-License-Identifier: MIT OR Apache-2.0
//! The port of a model provider: one attempt in, a whole answer or a typed error out. Retrying, budgets and
//! journaling are the caller's business.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::BoxFuture;

/// Who speaks in a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person, tool results, the runtime.
    User,
    /// The model.
    Assistant,
}

/// A piece of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Block {
    /// Text.
    Text {
        /// It.
        text: String,
    },
    /// An image, base64.
    Image {
        /// MIME type.
        media_type: String,
        /// Base64 without line breaks.
        data: String,
    },
    /// A PDF, base64. Files of plain text are no documents but text: every model reads them as such.
    Document {
        /// MIME type.
        media_type: String,
        /// Name for display, harmless wherever it is shown.
        name: String,
        /// Its pages, rather too many than too few: counted once, when it was read.
        pages: u32,
        /// Base64 without line breaks.
        data: String,
    },
    /// A tool call that the model asked for; complete.
    ToolUse {
        /// The provider's id.
        id: String,
        /// Name as offered.
        name: String,
        /// One complete JSON object, byte for byte as received.
        input: String,
    },
    /// Its result.
    ToolResult {
        /// Id of the call.
        id: String,
        /// What the tool gave.
        content: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// A block that this version does not know (thinking, signatures), kept byte for byte.
    Opaque {
        /// The provider's JSON of the block.
        json: String,
    },
}

/// One turn of a transcript. Append-only: what was sent once is sent again unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who.
    pub role: Role,
    /// What.
    pub blocks: Vec<Block>,
    /// For assistant turns: the provider's content array, byte for byte, and the provider it is valid for.
    pub raw: Option<RawContent>,
}

/// Content in a provider's own JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawContent {
    /// Provider name (`anthropic`).
    pub provider: String,
    /// JSON array of content blocks.
    pub json: String,
}

/// A tool offered to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolOffer {
    /// Name as the provider allows it (letters, digits, `_`, `-`).
    pub name: String,
    /// One or two sentences.
    pub description: String,
    /// JSON Schema of its input, serialised.
    pub input_schema: String,
}

/// One attempt's request.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// Model id without the provider's prefix.
    pub model: String,
    /// Static zone: blocks of system text in order. The provider marks the last one as cacheable.
    pub system: Vec<String>,
    /// Tools, in a fixed order.
    pub tools: Vec<ToolOffer>,
    /// Transcript, oldest first; begins with a user turn. Shared with whoever keeps it: a prompt copies no history.
    pub turns: Vec<Arc<Turn>>,
    /// JSON Schema that the answer must fit (structured output).
    pub output_schema: Option<String>,
    /// Cap of the answer, tokens.
    pub output_tokens_max: u32,
    /// Whether the static zone is to stay in the provider's cache for an hour, where it can; five minutes otherwise.
    pub caches_static_for_an_hour: bool,
}

/// Streamed piece of an answer, for display only: it is never acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelDelta {
    /// More text.
    Text(String),
    /// The model began to write a tool call.
    ToolStarted(String),
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// It was done.
    EndTurn,
    /// It wants its tools run.
    ToolUse,
    /// The cap was reached: text may be cut, tool calls are never complete.
    MaxTokens,
    /// It declined.
    Refusal,
    /// It wants to go on with the same content.
    PauseTurn,
    /// The context window is full.
    ContextWindowExceeded,
    /// A stop sequence.
    StopSequence,
    /// A reason this version does not know.
    Other(String),
}

/// Tokens by kind. Absent numbers are zero only if the provider reported any usage at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input that was not cached.
    pub input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
    /// Input read from the cache.
    pub cache_read_tokens: u64,
    /// Input written to the cache.
    pub cache_write_tokens: u64,
    /// Of these, those that are kept for an hour and not for five minutes, where the provider makes that difference.
    #[serde(default)]
    pub cache_write_1h_tokens: u64,
}

impl Usage {
    /// Tokens of the whole prompt, cached or not.
    pub fn prompt_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.cache_read_tokens).saturating_add(self.cache_write_tokens)
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    /// Its blocks; tool calls in it are complete and their input is valid JSON.
    pub turn: Turn,
    /// Why it ended.
    pub stop: StopReason,
    /// What it cost; `None` when the provider did not say.
    pub usage: Option<Usage>,
    /// The model that answered, as reported.
    pub model: String,
    /// The provider's id of the request.
    pub request_id: Option<String>,
}

/// What kind of error it is; decides about retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelErrorKind {
    /// The request is wrong (400, 404, 413): never retried.
    InvalidRequest,
    /// The key is wrong (401, 403): never retried, opens the breaker.
    Authentication,
    /// Out of credit (402): never retried, opens the breaker.
    Billing,
    /// Too many requests (429): retried after the time given.
    RateLimited,
    /// 5xx, 529, an error event within a stream.
    Overloaded,
    /// Connection refused, reset, or the name did not resolve: nothing was received.
    Unreachable,
    /// The stream ended or stalled before its end, or broke its protocol: nothing of it is used.
    Incomplete,
    /// Something answered that is not the provider (HTML, wrong content type).
    NotTheProvider,
}

/// One failed attempt. Carries no key and no address with a secret.
#[derive(Debug, Clone, Error, PartialEq)]
#[error("{kind:?}: {message}")]
pub struct ModelError {
    /// Which.
    pub kind: ModelErrorKind,
    /// Words for the operator.
    pub message: String,
    /// `retry-after`, milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Usage seen before it failed; charged.
    pub usage: Option<Usage>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// The status with which the provider refused the request before it read it; `None` for everything else.
    pub status: Option<u16>,
}

impl ModelErrorKind {
    /// Whether another attempt may succeed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Overloaded | Self::Unreachable | Self::Incomplete)
    }
}

/// How a provider does a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Support {
    /// By itself.
    Native,
    /// In another way: structured output by asking for it in words, token counts by estimate. Callers check results.
    Emulated,
    /// Not at all: a request for it is refused with `InvalidRequest` before anything is sent.
    Missing,
}

/// What a provider can do, for the checker; a request that needs more is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Tool calls.
    pub tools: Support,
    /// Answers that fit a JSON Schema.
    pub structured_output: Support,
    /// Images in user turns.
    pub images: Support,
    /// PDFs in user turns.
    pub documents: Support,
    /// Counting the tokens of a request.
    pub token_counts: Support,
    /// Vectors for texts.
    pub embeddings: Support,
}

impl Capabilities {
    /// All but embeddings.
    pub const fn full() -> Self {
        Self {
            tools: Support::Native,
            structured_output: Support::Native,
            images: Support::Native,
            documents: Support::Native,
            token_counts: Support::Native,
            embeddings: Support::Missing,
        }
    }
}

/// A model provider.
pub trait ModelProvider: Send + Sync {
    /// Its name, the part before the slash of a model's name.
    fn name(&self) -> &str;
    /// What it can do.
    fn capabilities(&self) -> Capabilities {
        Capabilities::full()
    }
    /// One attempt, streamed. Deltas are for display; only the returned reply counts. Dropping the future aborts
    /// the request.
    fn stream<'a>(
        &'a self,
        request: &'a ModelRequest,
        on_delta: &'a mut (dyn FnMut(ModelDelta) + Send),
    ) -> BoxFuture<'a, Result<ModelReply, ModelError>>;
    /// Tokens of a request's input, as the provider counts them.
    fn count_tokens<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<u64, ModelError>>;
    /// One attempt without display.
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move { self.stream(request, &mut |_| ()).await })
    }
    /// Vectors for texts, where the provider has an endpoint for them; providers without one refuse.
    fn embed<'a>(
        &'a self,
        _model: &'a str,
        _texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        Box::pin(async move {
            Err(ModelError {
                kind: ModelErrorKind::InvalidRequest,
                message: format!("{} has no embeddings", self.name()),
                retry_after_ms: None,
                usage: None,
                request_id: None,
                status: None,
            })
        })
    }
}
