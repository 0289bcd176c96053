// SPDX-License-Identifier: MIT OR Apache-2.0
//! The port of what is posted to this machine: who listens asks it which paths exist and which key signs them, and
//! hands over what was signed.

use serde_json::Value;
use thiserror::Error;

use crate::BoxFuture;

/// What tells two deliveries apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The sender's own id of it: the same id on the same path is the same delivery, for ever.
    Named(String),
    /// The sender gave none, so the SHA-256 of the body stands for it: the same body on the same path within a day is
    /// the same delivery.
    Digest(String),
}

impl Delivery {
    /// The id as the sender is told it.
    pub fn id(&self) -> String {
        match self {
            Self::Named(id) => id.clone(),
            Self::Digest(digest) => format!("sha256:{digest}"),
        }
    }
}

/// Why nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PostError {
    /// No route names the path (any more).
    #[error("nothing is posted to this path")]
    NoSuchPath,
    /// The body does not fit the type that the route declares: what is wrong, place by place.
    #[error("the body does not fit its type: {}", .0.join("; "))]
    Unfit(Vec<String>),
    /// The store refused; try again later.
    #[error("the event could not be stored: {0}")]
    Store(String),
    /// The runtime is stopping; try again later.
    #[error("the runtime is stopping")]
    Stopping,
}

/// How posted events reach the runtime.
pub trait EventSink: Send + Sync {
    /// Name of the key that signs what is posted to a path; `None` when nothing is posted there.
    fn key_name(&self, path: &str) -> Option<String>;
    /// Stores an event whose signature was verified. It is durable when this returns; whether it is new: a delivery
    /// that was stored before is not stored again.
    fn post<'a>(
        &'a self,
        path: &'a str,
        delivery: &'a Delivery,
        body: &'a Value,
    ) -> BoxFuture<'a, Result<bool, PostError>>;
}
