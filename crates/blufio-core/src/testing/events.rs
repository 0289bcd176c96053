// SPDX-License-Identifier: MIT OR Apache-2.0
//! Posted events that are kept in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::BoxFuture;
use crate::webhook::{Delivery, EventSink, PostError};

/// Remembers what was posted to the paths that it knows.
#[derive(Debug, Default)]
pub struct MemoryEvents {
    keys: BTreeMap<String, String>,
    posted: Mutex<Vec<(String, Delivery, Value)>>,
    failing: Mutex<Option<PostError>>,
}

impl MemoryEvents {
    /// Knows these paths, each with the name of its key.
    pub fn new(paths: &[(&str, &str)]) -> Self {
        let keys = paths.iter().map(|(path, key)| (path.to_string(), key.to_string())).collect();
        Self { keys, ..Self::default() }
    }

    /// What was stored, in order.
    pub fn posted(&self) -> Vec<(String, Delivery, Value)> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses everything from now on, or nothing any more.
    pub fn fail(&self, error: Option<PostError>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

impl EventSink for MemoryEvents {
    fn key_name(&self, path: &str) -> Option<String> {
        self.keys.get(path).cloned()
    }

    fn post<'a>(
        &'a self,
        path: &'a str,
        delivery: &'a Delivery,
        body: &'a Value,
    ) -> BoxFuture<'a, Result<bool, PostError>> {
        Box::pin(async move {
            if let Some(error) = self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Err(error);
            }
            let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = !posted.iter().any(|(at, known, _)| at == path && known == delivery);
            if is_new {
                posted.push((path.to_string(), delivery.clone(), body.clone()));
            }
            Ok(is_new)
        })
    }
}
