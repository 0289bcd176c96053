// SPDX-License-Identifier: MIT OR Apache-2.0
//! The HTTP client of all providers: TLS except to literal loopback, no redirects, bounded times.

use std::net::IpAddr;
use std::sync::Once;
use std::time::Duration;

use thiserror::Error;
use url::{Host, Url};

/// Why a provider cannot be set up.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The base URL cannot be used.
    #[error("base URL `{url}` cannot be used: {reason}")]
    BaseUrl {
        /// As configured, without user information.
        url: String,
        /// Why.
        reason: String,
    },
    /// The client could not be made.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
    /// No key.
    #[error("no API key: set {0}")]
    NoKey(String),
    /// A name that cannot stand before the slash of a model's name.
    #[error("provider name `{0}` cannot be used: letters, digits, `-` and `_` only")]
    Name(String),
}

/// Checks the name of a provider: what stands before the slash of a model's name.
pub(crate) fn checked_name(name: &str) -> Result<String, ConfigError> {
    let fits = (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(name.to_string()) } else { Err(ConfigError::Name(name.chars().take(80).collect())) }
}

/// Checks a base URL: https, or http to a literal loopback address (a name like `localhost` can be made to point
/// anywhere).
pub(crate) fn checked_base(text: &str) -> Result<Url, ConfigError> {
    let refuse = |reason: &str| ConfigError::BaseUrl {
        url: text.split('@').next_back().unwrap_or("").to_string(),
        reason: reason.into(),
    };
    let url = Url::parse(text.trim_end_matches('/')).map_err(|e| refuse(&e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it contains a user name or password"));
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(_)) => false,
        None => return Err(refuse("it has no host")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(refuse("plain http is allowed to 127.0.0.1 and [::1] only; use https")),
        _ => Err(refuse("it is neither https nor http")),
    }
}

/// A client for one base URL.
pub(crate) fn client(base: &Url, connect_timeout: Duration) -> Result<reqwest::Client, ConfigError> {
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        // A second installation by another crate of the process is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(8)
        .user_agent(concat!("blufio/", env!("CARGO_PKG_VERSION")));
    if base.scheme() == "http" {
        // Loopback: a proxy from the environment has no business there, and no certificates are needed.
        builder = builder.no_proxy().tls_certs_only([]);
    } else {
        let roots = webpki_roots::TLS_SERVER_ROOTS;
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore { roots: roots.to_vec() })
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(config);
    }
    builder.build().map_err(|e| ConfigError::Client(e.without_url().to_string()))
}
