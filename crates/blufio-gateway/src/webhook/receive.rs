// SPDX-License-Identifier: MIT OR Apache-2.0
//! One request: what is wrong with it is said as early as it is known, the cheapest question first. A body is read
//! only for a path that exists and a request that claims to be signed; it is parsed only when the signature fits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use blufio_core::secret::Secret;
use blufio_core::webhook::{Delivery, PostError};
use ring::digest;
use serde_json::{Value, json};

use super::rate::Bucket;
use super::signature::{Signature, Unsigned};
use super::{KEY_BYTES_MIN, Options};

/// Headers in which senders name a delivery; the first that is there counts.
const DELIVERY_HEADERS: [&str; 3] = ["webhook-id", "x-github-delivery", "idempotency-key"];
/// Longest id of a delivery, characters.
const DELIVERY_CHARACTERS_MAX: usize = 200;
/// Refusals are logged at most this often, so that nobody fills the log from outside.
const LOG_INTERVAL_MS: i64 = 10_000;

/// What all requests share.
pub struct Door {
    options: Options,
    bucket: Bucket,
    logged_ms: AtomicI64,
}

/// Why a request is refused.
enum Refusal {
    NotFound,
    Method,
    Browser,
    Media(&'static str),
    TooLarge(usize),
    Unread,
    Unsigned(Unsigned),
    NoKey(String),
    Rate,
    DeliveryId,
    NotJson(String),
    Post(PostError),
}

impl Door {
    pub fn new(options: Options) -> Self {
        let bucket = Bucket::new(options.limits.events, options.clock.now_ms());
        Self { options, bucket, logged_ms: AtomicI64::new(i64::MIN) }
    }

    async fn take(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let key_name = self.options.sink.key_name(path).ok_or(Refusal::NotFound)?;
        if head.method != Method::POST {
            return Err(Refusal::Method);
        }
        // Programs post; a page that a browser of this machine shows has no business here.
        if head.headers.contains_key(ORIGIN) {
            return Err(Refusal::Browser);
        }
        check_media(&head.headers)?;
        let signature = Signature::of(&head.headers).map_err(Refusal::Unsigned)?;
        let key = self.key(&key_name)?;
        let delivery = delivery(&head.headers)?;
        let bytes_max = self.options.limits.body_bytes_max;
        if declared_bytes(&head.headers).is_some_and(|bytes| bytes > bytes_max as u64) {
            return Err(Refusal::TooLarge(bytes_max));
        }
        let bytes = to_bytes(body, bytes_max).await.map_err(|error| unread(&error, bytes_max))?;
        let now_ms = self.options.clock.now_ms();
        signature.verify(&key, &bytes, now_ms).map_err(Refusal::Unsigned)?;
        if !self.bucket.take(now_ms) {
            return Err(Refusal::Rate);
        }
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|error| Refusal::NotJson(error.to_string()))?;
        let delivery = delivery.unwrap_or_else(|| Delivery::Digest(hexadecimal(&bytes)));
        let is_new = self.options.sink.post(path, &delivery, &value).await.map_err(Refusal::Post)?;
        tracing::debug!(path, is_new, "an event was posted");
        let told = Json(json!({ "id": delivery.id(), "new": is_new }));
        Ok((StatusCode::ACCEPTED, told).into_response())
    }

    fn key(&self, name: &str) -> Result<Secret, Refusal> {
        let long_enough = |key: &Secret| key.expose().len() >= KEY_BYTES_MIN;
        (self.options.keys)(name).filter(long_enough).ok_or_else(|| Refusal::NoKey(name.to_string()))
    }

    fn log(&self, refusal: &Refusal, path: &str) {
        let now_ms = self.options.clock.now_ms();
        let last_ms = self.logged_ms.load(Ordering::Relaxed);
        let words = refusal.words();
        if now_ms.saturating_sub(last_ms) < LOG_INTERVAL_MS && last_ms <= now_ms {
            tracing::debug!(path, words, "a request was refused");
            return;
        }
        self.logged_ms.store(now_ms, Ordering::Relaxed);
        tracing::warn!(path, words, "a request to a webhook was refused");
    }
}

/// Answers a request; its connection ends with it.
pub async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    let path = request.uri().path().to_string();
    let mut response = match door.take(request).await {
        Ok(response) => response,
        Err(refusal) => {
            // Paths that nobody named may be anything; they are nobody's log lines.
            if !matches!(refusal, Refusal::NotFound) {
                door.log(&refusal, &path);
            }
            refusal.into_response()
        }
    };
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// JSON, and not compressed. A request that does not say what it holds is taken at its word that it is JSON.
fn check_media(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Refusal::Media("send the body uncompressed"));
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    if kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json") {
        return Ok(());
    }
    Err(Refusal::Media("send JSON, with `Content-Type: application/json`"))
}

fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The sender's id of the delivery.
fn delivery(headers: &HeaderMap) -> Result<Option<Delivery>, Refusal> {
    let Some(header) = DELIVERY_HEADERS.iter().find_map(|name| headers.get(*name)) else { return Ok(None) };
    let id = header.to_str().unwrap_or_default().trim();
    if id.is_empty() || id.len() > DELIVERY_CHARACTERS_MAX {
        return Err(Refusal::DeliveryId);
    }
    Ok(Some(Delivery::Named(id.to_string())))
}

fn hexadecimal(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a body could not be read: too long, or the connection ended.
fn unread(error: &axum::Error, bytes_max: usize) -> Refusal {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.to_string().contains("length limit") {
            return Refusal::TooLarge(bytes_max);
        }
        source = error.source();
    }
    Refusal::Unread
}

impl Refusal {
    /// Status, and a word that programs can compare.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound | Self::Post(PostError::NoSuchPath) => (StatusCode::NOT_FOUND, "no_such_path"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Browser => (StatusCode::FORBIDDEN, "browser"),
            Self::Media(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Unread => (StatusCode::BAD_REQUEST, "unread"),
            Self::Unsigned(_) => (StatusCode::UNAUTHORIZED, "signature"),
            Self::NoKey(_) => (StatusCode::SERVICE_UNAVAILABLE, "key"),
            Self::Rate => (StatusCode::TOO_MANY_REQUESTS, "rate"),
            Self::DeliveryId => (StatusCode::BAD_REQUEST, "delivery_id"),
            Self::NotJson(_) => (StatusCode::BAD_REQUEST, "not_json"),
            Self::Post(PostError::Unfit(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "unfit"),
            Self::Post(PostError::Store(_)) => (StatusCode::SERVICE_UNAVAILABLE, "store"),
            Self::Post(PostError::Stopping) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::NotFound => PostError::NoSuchPath.to_string(),
            Self::Method => "events are posted: use POST".to_string(),
            Self::Browser => "this is no place for browsers: leave `Origin` out".to_string(),
            Self::Media(advice) => (*advice).to_string(),
            Self::TooLarge(bytes) => format!("the body is longer than {} KiB", bytes >> 10),
            Self::Unread => "the body did not arrive whole".to_string(),
            Self::Unsigned(why) => why.to_string(),
            Self::NoKey(name) => format!("the key `{name}` is not known here or too short"),
            Self::Rate => "too many events: try again in a second".to_string(),
            Self::DeliveryId => {
                format!("the id of the delivery is 1 to {DELIVERY_CHARACTERS_MAX} visible characters")
            }
            Self::NotJson(why) => format!("the body is not JSON: {why}"),
            // What the store says is for the operator, not for whoever posts.
            Self::Post(PostError::Store(_)) => "the event could not be stored: try again".to_string(),
            Self::Post(error) => error.to_string(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, kind) = self.kind();
        let mut told = json!({ "error": kind, "message": self.words() });
        if let (Self::Post(PostError::Unfit(violations)), Some(told)) = (&self, told.as_object_mut()) {
            told.insert("violations".to_string(), json!(violations));
        }
        let mut response = (status, Json(told)).into_response();
        let headers = response.headers_mut();
        if matches!(self, Self::Method) {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
