// SPDX-License-Identifier: MIT OR Apache-2.0
//! One request to a provider and what comes back before its meaning matters: connection, times, sizes, content type.
//! Each provider reads the bytes in its own way.

use std::time::Duration;

use blufio_core::model::{ModelError, ModelErrorKind};
use blufio_core::secret::Secret;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Response;
use serde_json::Value;
use url::Url;

use crate::http::{ConfigError, client};
use crate::limiter::Limiter;
use crate::waits;

/// Most bytes of a body that is not a stream.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a body with vectors.
pub(crate) const VECTORS_BYTES_MAX: usize = 64 << 20;
/// Longest text that is kept from outside, characters.
const OUTSIDE_CHARS_MAX: usize = 300;

/// Longest waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest silence within an answer, and longest wait for its first byte.
    pub idle: Duration,
    /// Longest whole answer.
    pub overall: Duration,
}

impl Times {
    /// 10 s to connect, 60 s of silence, 10 minutes in all.
    pub const fn usual() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            overall: Duration::from_secs(600),
        }
    }
}

/// How a provider wants to see its key.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// In a header of this name, as it is.
    Header(&'static str, Secret),
    /// As `Authorization: Bearer`.
    Bearer(Secret),
    /// No key: a server on this machine.
    None,
}

/// An answer with a status that is no success.
pub(crate) struct Refused {
    /// Its status.
    pub status: u16,
    /// Its body, where that is JSON.
    pub body: Option<Value>,
}

/// Words of an error, from a status and a body.
pub(crate) type Explain = fn(provider: &str, refused: &Refused) -> ModelError;

/// The connection to one provider, shared by all sessions.
#[derive(Debug)]
pub(crate) struct Transport {
    client: reqwest::Client,
    base: String,
    credential: Credential,
    headers: Vec<(&'static str, String)>,
    request_id_header: &'static str,
    pub(crate) times: Times,
    pub(crate) limiter: Limiter,
    provider: String,
    explain: Explain,
}

/// An error that carries nothing but kind and words.
pub(crate) fn error(kind: ModelErrorKind, message: impl Into<String>) -> ModelError {
    ModelError {
        kind,
        message: message.into(),
        retry_after_ms: None,
        usage: None,
        request_id: None,
        status: None,
    }
}

impl Transport {
    pub(crate) fn new(
        provider: &str,
        base: &Url,
        credential: Credential,
        times: Times,
        explain: Explain,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            client: client(base, times.connect)?,
            base: base.as_str().trim_end_matches('/').to_string(),
            credential,
            headers: Vec::new(),
            request_id_header: "x-request-id",
            times,
            limiter: Limiter::default(),
            provider: provider.to_string(),
            explain,
        })
    }

    /// A header that every request carries.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// Where the provider says the id of a request.
    pub(crate) fn with_request_id_header(mut self, name: &'static str) -> Self {
        self.request_id_header = name;
        self
    }

    /// Sends JSON and waits for the head of the answer. An error for every status that is no success.
    pub(crate) async fn post(&self, path: &str, body: String) -> Result<Response, ModelError> {
        let request = self.client.post(format!("{}{path}", self.base));
        self.send(request.header("content-type", "application/json").body(body)).await
    }

    /// Asks without a body.
    pub(crate) async fn get(&self, path: &str) -> Result<Response, ModelError> {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<Response, ModelError> {
        self.limiter.admit()?;
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request = match &self.credential {
            Credential::Header(name, key) => request.header(*name, key.expose()),
            Credential::Bearer(key) => request.bearer_auth(key.expose()),
            Credential::None => request,
        };
        let response = match tokio::time::timeout(self.times.idle, request.send()).await {
            Err(_) => return Err(error(ModelErrorKind::Incomplete, "no answer in time")),
            Ok(Err(e)) if e.is_builder() => {
                return Err(error(ModelErrorKind::InvalidRequest, "the key cannot be sent in a header"));
            }
            Ok(Err(e)) if e.is_connect() => {
                let words = format!("cannot connect: {}", cause(&e.without_url()));
                return Err(error(ModelErrorKind::Unreachable, words));
            }
            Ok(Err(e)) => {
                let words = format!("the connection broke: {}", cause(&e.without_url()));
                return Err(error(ModelErrorKind::Incomplete, words));
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

    async fn failure(&self, response: Response) -> ModelError {
        let status = response.status().as_u16();
        let request_id = self.request_id(&response);
        let retry_after_ms = waits::retry_after_ms(response.headers());
        let body = self.body(response, BODY_BYTES_MAX).await.ok();
        let body = body.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let failed = (self.explain)(&self.provider, &Refused { status, body });
        let retry_after_ms = retry_after_ms.filter(|_| failed.kind.is_retryable());
        ModelError { request_id, retry_after_ms, status: Some(status), ..failed }
    }

    /// The id that the provider gave to a request.
    pub(crate) fn request_id(&self, response: &Response) -> Option<String> {
        header(response, self.request_id_header).map(|id| printable(&id))
    }

    /// A body that is not a stream.
    pub(crate) async fn body(&self, response: Response, bytes_max: usize) -> Result<Vec<u8>, ModelError> {
        let (mut stream, mut out) = (response.bytes_stream(), Vec::new());
        while let Some(bytes) =
            self.next(&mut stream).await.map_err(|m| error(ModelErrorKind::Incomplete, m))?
        {
            if out.len() + bytes.len() > bytes_max {
                return Err(error(ModelErrorKind::NotTheProvider, "the answer is too large"));
            }
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// A body that is one JSON value.
    pub(crate) async fn json(&self, response: Response, bytes_max: usize) -> Result<Value, ModelError> {
        let bytes = self.body(response, bytes_max).await?;
        serde_json::from_slice(&bytes)
            .map_err(|_| error(ModelErrorKind::NotTheProvider, "the answer is not JSON"))
    }

    /// The next bytes of a stream; why there are none, in words.
    pub(crate) async fn next(
        &self,
        stream: &mut (impl Stream<Item = Result<Bytes, reqwest::Error>> + Unpin),
    ) -> Result<Option<Bytes>, &'static str> {
        match tokio::time::timeout(self.times.idle, stream.next()).await {
            Err(_) => Err("the stream stalled"),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err("the connection broke within the answer"),
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        }
    }

    /// Refuses an answer that is not a stream of this type: an error behind status 200 (M-4, M-30), or something that
    /// is not the provider at all (M-20).
    pub(crate) async fn expect_stream(
        &self,
        response: Response,
        content_type: &str,
    ) -> Result<Response, ModelError> {
        let given = header(&response, "content-type").unwrap_or_default();
        if given.starts_with(content_type) {
            return Ok(response);
        }
        if !given.starts_with("application/json") {
            let words = format!(
                "something else than the API answered (content type `{}`): a proxy or a login page?",
                printable(&given)
            );
            return Err(error(ModelErrorKind::NotTheProvider, words));
        }
        let request_id = self.request_id(&response);
        let body = self.json(response, BODY_BYTES_MAX).await?;
        if body.get("error").is_none() {
            return Err(error(ModelErrorKind::NotTheProvider, "the answer is no stream"));
        }
        let failed = (self.explain)(&self.provider, &Refused { status: 200, body: Some(body) });
        let failed = ModelError { request_id, ..failed };
        self.limiter.learn(&failed);
        Err(failed)
    }
}

/// One header's text.
fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string)
}

/// The kind of an error that says nothing but its status.
pub(crate) fn kind_of_status(status: u16) -> ModelErrorKind {
    match status {
        // Redirects are not followed: a login page asks for them, no API does (M-20).
        300..=399 => ModelErrorKind::NotTheProvider,
        401 | 403 => ModelErrorKind::Authentication,
        402 => ModelErrorKind::Billing,
        429 => ModelErrorKind::RateLimited,
        408 | 409 | 425 => ModelErrorKind::Overloaded,
        400..=499 => ModelErrorKind::InvalidRequest,
        _ => ModelErrorKind::Overloaded,
    }
}

/// Words of a provider's error, without what a terminal would act on.
pub(crate) fn outside_words(provider: &str, status: u16, words: &str) -> String {
    let words: String =
        words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(OUTSIDE_CHARS_MAX).collect();
    match status {
        200 => format!("{provider}: {words}"),
        status => format!("{provider} answered {status}: {words}"),
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

/// Text from outside for a message.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn words_from_outside_are_short_and_print(words in "(?s).{0,400}", status in 200..600_u16) {
            for shown in [outside_words("openai", status, &words), printable(&words)] {
                proptest::prop_assert!(!shown.chars().any(char::is_control) && shown.chars().count() < 350);
            }
        }
    }
}
