// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is posted to this machine: the listener of a running server, and the keys, which are environment variables that
//! the routes name (`signed by alerts_key` is `ALERTS_KEY`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use blufio_agent::routes::Webhook;
use blufio_core::webhook::EventSink;
use blufio_gateway::webhook::{KEY_BYTES_MIN, Limits, Options, Webhooks};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::models::secret;

/// Requests that are under way when the server stops get this long; whoever hears nothing posts again.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Environment variable of a key.
fn variable(key_name: &str) -> String {
    key_name.to_uppercase()
}

/// Every key that is missing or too short, with what fixes it.
pub fn missing_keys(webhooks: &[Webhook]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for webhook in webhooks {
        let name = variable(&webhook.key_name);
        let problem = match secret(&name) {
            None => "is not set".to_string(),
            Some(key) if key.expose().len() < KEY_BYTES_MIN => {
                format!("is shorter than {KEY_BYTES_MIN} characters, which can be guessed")
            }
            Some(_) => continue,
        };
        let line = format!(
            "  webhook   {name} {problem}: what is posted to {} is signed by it; the sender has the same\n            export {name}=…  (openssl rand -hex 32 makes one)",
            webhook.path
        );
        if !lines.iter().any(|known| known.starts_with(&format!("  webhook   {name} "))) {
            lines.push(line);
        }
    }
    lines
}

/// Binds the configured address.
pub async fn bind(config: &Config) -> Result<Webhooks> {
    let advice = "another address is `gateway.listen` of blufio.toml, or BLUFIO_GATEWAY__LISTEN";
    Webhooks::bind(config.gateway_listen).await.with_context(|| format!("webhooks ({advice})"))
}

/// A listener that runs.
pub struct Posts {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: Mutex<JoinHandle<()>>,
}

impl Posts {
    /// Begins to answer.
    pub fn start(listener: Webhooks, sink: Arc<dyn EventSink>) -> Self {
        let address = listener.address();
        let stop = watch::Sender::new(false);
        let mut stopping = stop.subscribe();
        let keys = Arc::new(|name: &str| secret(&variable(name)));
        let options = Options { sink, keys, clock: Arc::new(SystemClock), limits: Limits::default() };
        let task = tokio::spawn(async move {
            let stopped = async move {
                // A sender that is gone is a server that is gone: stop as well.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            if let Err(error) = listener.run(options, stopped).await {
                tracing::error!(%error, "webhooks are no longer listened for: start again");
            }
        });
        tracing::info!(%address, "webhooks are listened for");
        Self { address, stop, task: Mutex::new(task) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes nothing more; what is under way is finished where that is quick.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut task = self.task.lock().await;
        if tokio::time::timeout(STOP_TIMEOUT, &mut *task).await.is_err() {
            task.abort();
        }
    }
}
