// SPDX-License-Identifier: MIT OR Apache-2.0
//! The HTTP layer: the only place that knows the token, and the only place that sees a URL. What leaves it are the
//! result of a method or an error that names neither.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use blufio_core::clock::Clock;
use blufio_core::secret::Secret;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use url::{Host, Url};

use super::ConfigError;
use super::wire;

/// Largest answer of a method that is read; a full batch of updates is far below.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Waiting time when a 429 names none.
const RETRY_AFTER_DEFAULT_MS: u64 = 5_000;
/// Longest waiting time that is believed: after a day the updates are gone anyway.
pub(crate) const RETRY_AFTER_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No connection: not a byte of the request left.
    NotSent(String),
    /// The request (or part of it) left, and nothing came back that can be understood.
    NoAnswer {
        /// Words.
        reason: String,
        /// Whether our own deadline passed.
        is_stall: bool,
    },
    /// 429.
    RateLimited {
        /// Milliseconds to wait.
        retry_after_ms: u64,
    },
    /// Telegram understood and refused.
    Refused {
        /// `error_code`, or the status when it is missing.
        code: i64,
        /// `description`, which may be empty.
        description: String,
        /// `parameters.migrate_to_chat_id`.
        migrate_to_chat: Option<i64>,
    },
}

impl CallError {
    fn no_answer(reason: impl Into<String>) -> Self {
        Self::NoAnswer { reason: reason.into(), is_stall: false }
    }

    /// Words for an operator.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::NotSent(reason) | Self::NoAnswer { reason, .. } => reason.clone(),
            Self::RateLimited { retry_after_ms } => {
                format!("Telegram asks to wait {} s", retry_after_ms.div_ceil(1000))
            }
            Self::Refused { code, description, .. } if description.is_empty() => {
                format!("refused with code {code}, no reason given")
            }
            Self::Refused { code, description, .. } => format!("refused with code {code}: {description}"),
        }
    }
}

/// Checks the address of the Bot API: https, or http to a literal loopback address (a name like `localhost` can be
/// made to point anywhere).
pub(crate) fn checked_base(text: &str) -> Result<Url, ConfigError> {
    let refuse = |reason: &str| ConfigError::ApiUrl(reason.to_string());
    let url = Url::parse(text.trim().trim_end_matches('/')).map_err(|error| refuse(&error.to_string()))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(refuse("it may have neither user name, password, query nor fragment"));
    }
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(_)) => false,
        None => return Err(refuse("it has no host")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        "http" => Err(refuse("plain http is allowed to 127.0.0.1 and [::1] only; use https")),
        _ => Err(refuse("it is neither https nor http")),
    }
}

/// Whether a text has the shape of a token; others could reach into the path of the URL.
pub(crate) fn is_token(text: &str) -> bool {
    let shaped = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    text.split_once(':')
        .is_some_and(|(id, key)| id.bytes().all(|b| b.is_ascii_digit()) && shaped(id) && shaped(key))
}

/// Calls methods for one purpose over its own connections.
pub(crate) struct Client {
    base: Url,
    token: Secret,
    clock: Arc<dyn Clock>,
    http: Mutex<reqwest::Client>,
}

impl Client {
    pub(crate) fn new(base: Url, token: Secret, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let http = Mutex::new(connections(&base)?);
        Ok(Self { base, token, clock, http })
    }

    /// Forgets all connections, so that the next call opens a new one.
    pub(crate) fn renew(&self) {
        match connections(&self.base) {
            Ok(fresh) => *self.http.lock().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::warn!(%error, "connections to Telegram could not be renewed"),
        }
    }

    fn http(&self) -> reqwest::Client {
        self.http.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls a method and gives its `result` unread.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        parameters: &impl Serialize,
        deadline: Duration,
    ) -> Result<Box<RawValue>, CallError> {
        let body = serde_json::to_vec(parameters).map_err(|error| CallError::NotSent(error.to_string()))?;
        let path = format!("/bot{}/{method}", self.token.expose());
        let request =
            self.http().post(self.address(&path)).header(CONTENT_TYPE, "application/json").body(body);
        let answer = async {
            let response = request.send().await.map_err(|error| self.transport(error))?;
            let status = response.status();
            let retry_after = header_seconds(&response);
            let too_large =
                || CallError::no_answer(format!("the answer is larger than {ANSWER_BYTES_MAX} bytes"));
            let body = self.read(response, ANSWER_BYTES_MAX).await?.ok_or_else(too_large)?;
            self.understand(status, retry_after.as_deref(), &String::from_utf8_lossy(&body))
        };
        tokio::select! {
            answer = answer => answer,
            () = self.clock.sleep(deadline) => Err(self.stalled(deadline)),
        }
    }

    /// Downloads a file that `getFile` named. The path is checked by the caller; at most `bytes_max` are read.
    pub(crate) async fn download(
        &self,
        file_path: &str,
        bytes_max: usize,
        deadline: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let path = format!("/file/bot{}/{file_path}", self.token.expose());
        let request = self.http().get(self.address(&path));
        let answer = async {
            let response = request.send().await.map_err(|error| self.transport(error))?;
            let refuse = |code: u16, description: &str| {
                let (code, description) = (i64::from(code), description.to_string());
                Err(CallError::Refused { code, description, migrate_to_chat: None })
            };
            match response.status() {
                StatusCode::OK => match self.read(response, bytes_max).await? {
                    Some(bytes) => Ok(bytes),
                    None => refuse(413, "it is larger than announced"),
                },
                status if status.is_server_error() => {
                    Err(CallError::no_answer(format!("status {}", status.as_u16())))
                }
                status => refuse(status.as_u16(), ""),
            }
        };
        tokio::select! {
            answer = answer => answer,
            () = self.clock.sleep(deadline) => Err(self.stalled(deadline)),
        }
    }

    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    fn stalled(&self, deadline: Duration) -> CallError {
        CallError::NoAnswer { reason: format!("no answer within {} s", deadline.as_secs()), is_stall: true }
    }

    /// Reads a body and counts what comes, not what the header says; `None` when it is too large.
    async fn read(&self, mut response: Response, bytes_max: usize) -> Result<Option<Vec<u8>>, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(error))? {
            if body.len() + chunk.len() > bytes_max {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }

    fn transport(&self, error: reqwest::Error) -> CallError {
        let is_before_first_byte = error.is_connect() || error.is_builder();
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        let reason = self.scrub(&reason);
        if is_before_first_byte { CallError::NotSent(reason) } else { CallError::no_answer(reason) }
    }

    /// A server or proxy may echo the address that it was asked for.
    fn scrub(&self, text: &str) -> String {
        text.replace(self.token.expose(), "<token>")
    }

    fn understand(
        &self,
        status: StatusCode,
        retry_after: Option<&str>,
        body: &str,
    ) -> Result<Box<RawValue>, CallError> {
        if let Ok(wire::Answer { ok: true, result: Some(result) }) = serde_json::from_str(body) {
            return Ok(result);
        }
        let refusal: Option<wire::Refusal> = serde_json::from_str(&wire::repaired(body)).ok();
        let status = i64::from(status.as_u16());
        let code =
            refusal.as_ref().and_then(|refusal| refusal.error_code.as_ref()?.as_i64()).unwrap_or(status);
        if code == 429 || status == 429 {
            let named = refusal.as_ref().and_then(|refusal| refusal.parameters.as_ref()?.get("retry_after"));
            return Err(CallError::RateLimited { retry_after_ms: retry_after_ms(named, retry_after) });
        }
        match refusal {
            Some(refusal) if !refusal.ok && code < 500 && status < 500 => Err(CallError::Refused {
                code,
                description: self
                    .scrub(refusal.description.as_ref().and_then(|words| words.as_str()).unwrap_or("")),
                migrate_to_chat: refusal
                    .parameters
                    .and_then(|parameters| parameters.get("migrate_to_chat_id")?.as_i64()),
            }),
            Some(_) => {
                Err(CallError::no_answer(format!("the server is in trouble (status {status}, code {code})")))
            }
            None => Err(CallError::no_answer(format!(
                "status {status} with something that is no answer of the Bot API"
            ))),
        }
    }
}

fn header_seconds(response: &Response) -> Option<String> {
    response.headers().get(RETRY_AFTER)?.to_str().ok().map(ToString::to_string)
}

/// `retry_after` as it comes: missing, a fraction, a text, or absurd.
fn retry_after_ms(named: Option<&serde_json::Value>, header: Option<&str>) -> u64 {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = named.and_then(|value| value.as_f64().or_else(|| number(value.as_str()?)));
    let seconds = seconds.or_else(|| number(header?)).filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    let Some(seconds) = seconds else { return RETRY_AFTER_DEFAULT_MS };
    let wait = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX);
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).min(RETRY_AFTER_MS_MAX)
}

fn connections(base: &Url) -> Result<reqwest::Client, ConfigError> {
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        // A second installation by another crate of the process is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    // HTTP/1.1: one request per connection at a time, so that giving up a request closes its connection.
    let mut builder = reqwest::Client::builder()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(4)
        .user_agent(concat!("blufio/", env!("CARGO_PKG_VERSION")));
    if base.scheme() == "http" {
        // Loopback: a proxy from the environment has no business there, and no certificates are needed.
        builder = builder.no_proxy().tls_certs_only([]);
    } else {
        let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore { roots })
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        builder = builder.tls_backend_preconfigured(config);
    }
    builder.build().map_err(|error| ConfigError::Client(error.without_url().to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_tls_or_literal_loopback() {
        for good in [
            "https://api.telegram.org",
            "https://api.telegram.org/",
            "http://127.0.0.1:8081",
            "http://[::1]:1/x",
        ] {
            assert!(checked_base(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.telegram.org",
            "http://localhost:8081",
            "http://127.0.0.1.evil",
            "ftp://127.0.0.1",
            "api.telegram.org",
            "https://user@api.telegram.org",
            "https://api.telegram.org?x=1",
            "",
        ] {
            assert!(checked_base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_cannot_reach_into_the_path() {
        assert!(is_token("123456789:AAE-x_9"));
        for bad in ["", ":", "1:", ":a", "a:b", "1:a/../b", "1:a?b", "1:a b", "1:%2e", "123"] {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn t50_retry_after_missing_fraction_text_absurd() {
        let wait = |value: serde_json::Value| retry_after_ms(Some(&value), None);
        assert_eq!(wait(json!(7)), 7_000);
        assert_eq!(wait(json!(1.2)), 2_000);
        assert_eq!(wait(json!("30")), 30_000);
        assert_eq!(wait(json!(1e9)), RETRY_AFTER_MS_MAX);
        assert_eq!(wait(json!(1e300)), RETRY_AFTER_MS_MAX);
        for nonsense in [json!(0), json!(-3), json!(null), json!("soon"), json!({})] {
            assert_eq!(wait(nonsense), RETRY_AFTER_DEFAULT_MS);
        }
        assert_eq!(retry_after_ms(None, None), RETRY_AFTER_DEFAULT_MS);
        assert_eq!(retry_after_ms(None, Some("12")), 12_000);
    }
}
