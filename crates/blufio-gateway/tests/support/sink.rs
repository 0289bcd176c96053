// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sink that behaves like the store (same id stored once, cursor in the same step) and shows what it was given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use blufio_core::BoxFuture;
use blufio_core::channel::{ChannelHealth, InboundSink, SinkError};
use blufio_core::message::Inbound;

#[derive(Default)]
pub struct State {
    pub stored: Vec<Inbound>,
    pub cursor: Option<String>,
    pub remembered: BTreeMap<String, String>,
    /// (source id, raw, reason)
    pub dead_letters: Vec<(String, String, String)>,
    pub reports: Vec<ChannelHealth>,
    /// Answers of the next deliveries; afterwards they succeed.
    pub deliveries: VecDeque<SinkError>,
}

#[derive(Default)]
pub struct RecordingSink(Mutex<State>);

impl RecordingSink {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn texts(&self) -> Vec<String> {
        self.state().stored.iter().map(|message| message.text.clone()).collect()
    }

    /// Words of the reports that are not healthy.
    pub fn troubles(&self) -> Vec<String> {
        let words = |health: &ChannelHealth| match health {
            ChannelHealth::Healthy => None,
            ChannelHealth::Degraded(words) | ChannelHealth::Failed(words) => Some(words.clone()),
        };
        self.state().reports.iter().filter_map(words).collect()
    }

    pub fn is_healthy(&self) -> bool {
        self.state().reports.last() == Some(&ChannelHealth::Healthy)
    }
}

impl InboundSink for RecordingSink {
    fn deliver<'a>(
        &'a self,
        channel: &'a str,
        batch: Vec<Inbound>,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            assert_eq!(channel, "telegram");
            let mut state = self.state();
            if let Some(error) = state.deliveries.pop_front() {
                return Err(error);
            }
            for message in batch {
                if !state.stored.iter().any(|stored| stored.source_id == message.source_id) {
                    state.stored.push(message);
                }
            }
            state.cursor = cursor.or_else(|| state.cursor.clone());
            Ok(())
        })
    }

    fn cursor<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<String>, SinkError>> {
        Box::pin(async move { Ok(self.state().cursor.clone()) })
    }

    fn remember<'a>(
        &'a self,
        _: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            self.state().remembered.insert(key.to_string(), value.to_string());
            Ok(())
        })
    }

    fn recall<'a>(&'a self, _: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<String>, SinkError>> {
        Box::pin(async move { Ok(self.state().remembered.get(key).cloned()) })
    }

    fn dead_letter<'a>(
        &'a self,
        _: &'a str,
        source_id: &'a str,
        raw: &'a str,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let letter = (source_id.to_string(), raw.to_string(), reason.to_string());
            self.state().dead_letters.push(letter);
            Ok(())
        })
    }

    fn report(&self, _: &str, health: ChannelHealth) {
        self.state().reports.push(health);
    }
}
