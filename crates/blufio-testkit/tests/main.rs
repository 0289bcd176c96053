// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulators behave as the real services do, seen through a plain HTTP client. Clients of others see the same:
//! `contrib/peers/prove_emulators.sh`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod anthropic;
mod ollama;
mod openai;
mod telegram;

use serde_json::Value;

/// Status and body of a request with a JSON body.
pub async fn post(url: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = client().post(url).header("content-type", "application/json").body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.text().await.unwrap_or_default())
}

pub fn client() -> reqwest::Client {
    let provider = rustls::crypto::ring::default_provider();
    let _ = provider.install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
