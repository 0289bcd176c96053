// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events of declared types from outside: what is posted to the paths of the routes, and what a command hands over.
//! Both are checked against the type, stored once per delivery, and taken like mail.

use std::sync::Arc;

use blufio_core::BoxFuture;
use blufio_core::store::{INTERNAL_CHANNEL, InboxBatch, NewInbox, StoreError};
use blufio_core::webhook::{Delivery, EventSink, PostError};
use blufio_lang::program::shape::{Shape, ShapeId};
use blufio_lang::schema::Violation;
use blufio_lang::value::Value;
use serde_json::Value as Json;
use thiserror::Error;

use crate::internal::Internal;
use crate::reload::Loaded;
use crate::routes::{Webhook, agent_of};
use crate::runtime::Handle;
use crate::shared::Shared;
use crate::supervise::{Reason, Supervisor};

/// Longest value that a session is kept by, characters.
const KEY_CHARACTERS_MAX: usize = 200;
/// How long the same body without an id of its own is the same delivery.
const DAY_MS: i64 = 86_400_000;

/// Why an event was not taken.
#[derive(Debug, Clone, Error)]
pub enum EventError {
    /// No such agent.
    #[error("there is no agent `{0}`")]
    UnknownAgent(String),
    /// The agent does not wait for such events.
    #[error("agent `{agent}` does not wait for `{event}`{}", hint(.awaited))]
    NotAwaited {
        /// Agent.
        agent: String,
        /// Type of the event.
        event: String,
        /// Types that it waits for.
        awaited: Vec<String>,
    },
    /// It does not fit its type.
    #[error("it does not fit `{event}`: {}", .violations.join("; "))]
    Unfit {
        /// Type of the event.
        event: String,
        /// What is wrong, place by place.
        violations: Vec<String>,
    },
    /// No event from outside may open this session.
    #[error("`{0}` is no session that an event may be for")]
    Session(String),
    /// The runtime is stopping.
    #[error("the runtime is stopping")]
    Stopping,
    /// The store refused.
    #[error("the event could not be stored: {0}")]
    Store(#[from] StoreError),
}

fn hint(awaited: &[String]) -> String {
    if awaited.is_empty() { String::new() } else { format!(", but for {}", awaited.join(", ")) }
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Key of the session that gets it.
    pub session: String,
    /// Whether it is new; `false` when the same delivery was stored before.
    pub is_new: bool,
}

impl Handle {
    /// Where events are posted to.
    pub fn events(&self) -> Arc<dyn EventSink> {
        Arc::new(Door(Arc::clone(&self.shared)))
    }

    /// An event of a declared type as JSON in the forms of [`blufio_lang::schema`]. Without a session it is for the one
    /// that the routes keep for it, or for the agent's own. It is durable when this returns; what has the same id is
    /// taken once.
    pub async fn event(
        &self,
        agent: &str,
        session: Option<&str>,
        event: &str,
        value: Json,
        id: &str,
    ) -> Result<Taken, EventError> {
        let shared = &self.shared;
        let (loaded, shape) = shared.awaited(agent, event)?;
        let unfit = |violations: Vec<String>| EventError::Unfit { event: event.to_string(), violations };
        let read = loaded.program.value_of_shape(shape, &value).map_err(|found| unfit(words(found)))?;
        let key = match session {
            // Sessions that agents open for each other are theirs alone.
            Some(key) if agent_of(key) != agent || !key.contains('/') || key.contains("/ask:") => {
                return Err(EventError::Session(key.to_string()));
            }
            Some(key) => key.to_string(),
            None => {
                let routes = shared.routes();
                let same = |webhook: &&Webhook| webhook.agent == agent && webhook.event == event;
                let per = routes.webhooks.iter().find(same).and_then(|webhook| webhook.per.as_deref());
                session_key(&loaded, agent, shape, &read, per).map_err(|why| unfit(vec![why]))?
            }
        };
        let value = loaded.program.json_of_shape(shape, &read);
        let is_new = shared.store_event(event, value, &key, format!("event/{agent}/{id}")).await?;
        Ok(Taken { session: key, is_new })
    }
}

impl Shared {
    /// The current program of an agent, and the shape of a type that it waits for.
    fn awaited(&self, agent: &str, event: &str) -> Result<(Arc<Loaded>, ShapeId), EventError> {
        let unknown = || EventError::UnknownAgent(agent.to_string());
        let loaded = self.programs.current(agent).ok_or_else(unknown)?;
        match loaded.program.events.iter().find(|known| known.name == event).map(|known| known.shape) {
            Some(shape) => Ok((loaded, shape)),
            None => Err(EventError::NotAwaited {
                agent: agent.to_string(),
                event: event.to_string(),
                awaited: loaded.program.events.iter().map(|known| known.name.clone()).collect(),
            }),
        }
    }

    /// Stores an event that fits its type; whether it is new.
    async fn store_event(
        self: &Arc<Self>,
        event: &str,
        value: Json,
        key: &str,
        source_id: String,
    ) -> Result<bool, EventError> {
        if self.is_stopping() {
            return Err(EventError::Stopping);
        }
        let now_ms = self.clock.now_ms();
        let mail = Internal::Declared { event: event.to_string(), value };
        let message = mail.to_inbound(source_id, now_ms);
        let batch = InboxBatch {
            channel: INTERNAL_CHANNEL.to_string(),
            messages: vec![NewInbox::new(message, Some(key.to_string()), Vec::new())],
            cursor: None,
            settings: Vec::new(),
            questions: Vec::new(),
            now_ms,
        };
        let stored = self.store.accept(batch).await;
        let keys = stored.inspect_err(|error| self.store_failed(error))?.keys;
        for key in &keys {
            Supervisor::wake(self, key, Reason::Mail);
        }
        Ok(!keys.is_empty())
    }

    async fn posted(
        self: &Arc<Self>,
        path: &str,
        delivery: &Delivery,
        body: &Json,
    ) -> Result<bool, PostError> {
        let routes = self.routes();
        let webhook = routes.webhook(path).ok_or(PostError::NoSuchPath)?;
        let Webhook { event, agent, per, .. } = webhook;
        let (loaded, shape) = self.awaited(agent, event).map_err(refused)?;
        let unfit = |found| PostError::Unfit(words(found));
        let read = loaded.program.value_of_document(shape, body).map_err(unfit)?;
        let key = session_key(&loaded, agent, shape, &read, per.as_deref());
        let key = key.map_err(|why| PostError::Unfit(vec![why]))?;
        let value = loaded.program.json_of_shape(shape, &read);
        let (shared, event, path) = (Arc::clone(self), event.clone(), path.to_string());
        let delivery = delivery.clone();
        // A sender that hangs up cancels its request. What is stored by then must still wake its session.
        let stored =
            tokio::spawn(async move { shared.store_posted(&path, &delivery, &event, value, &key).await });
        stored.await.map_err(|error| PostError::Store(error.to_string()))?.map_err(refused)
    }

    async fn store_posted(
        self: &Arc<Self>,
        path: &str,
        delivery: &Delivery,
        event: &str,
        value: Json,
        key: &str,
    ) -> Result<bool, EventError> {
        let digest = match delivery {
            Delivery::Named(id) => {
                return self.store_event(event, value, key, format!("hook{path}/id:{id}")).await;
            }
            Delivery::Digest(digest) => digest,
        };
        // Two at once around midnight could both find nothing.
        let _door = self.door.lock().await;
        let now_ms = self.clock.now_ms();
        let of_day = |day: i64| format!("hook{path}/sha256:{digest}/{day}");
        let today = now_ms.div_euclid(DAY_MS);
        let before = self.store.received_ms(INTERNAL_CHANNEL, &of_day(today - 1)).await;
        let before = before.inspect_err(|error| self.store_failed(error))?;
        if before.is_some_and(|at| now_ms - at < DAY_MS) {
            return Ok(false);
        }
        self.store_event(event, value, key, of_day(today)).await
    }
}

/// The front door of what is posted.
struct Door(Arc<Shared>);

impl EventSink for Door {
    fn key_name(&self, path: &str) -> Option<String> {
        self.0.routes().webhook(path).map(|webhook| webhook.key_name.clone())
    }

    fn post<'a>(
        &'a self,
        path: &'a str,
        delivery: &'a Delivery,
        body: &'a Json,
    ) -> BoxFuture<'a, Result<bool, PostError>> {
        Box::pin(self.0.posted(path, delivery, body))
    }
}

fn refused(error: EventError) -> PostError {
    match error {
        EventError::Stopping | EventError::Store(StoreError::Closed | StoreError::Fatal(_)) => {
            PostError::Stopping
        }
        other => PostError::Store(other.to_string()),
    }
}

fn words(violations: Vec<Violation>) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

/// The key of the session that an event is for. It says `value:` before the value, so that no value is a person's or a
/// chat's key.
fn session_key(
    loaded: &Loaded,
    agent: &str,
    shape: ShapeId,
    event: &Value,
    per: Option<&str>,
) -> Result<String, String> {
    let Some(field) = per else { return Ok(format!("{agent}/own")) };
    let program = &loaded.program;
    let fields = match program.shape(shape) {
        Some(Shape::Record(record)) => record.members.as_slice(),
        _ => &[],
    };
    let at = fields.iter().position(|known| known.name == field);
    let found = match (at.and_then(|at| Some((at, fields.get(at)?))), event) {
        (Some((at, known)), Value::Record(values)) => {
            values.get(at).map(|value| program.json_of_shape(known.shape, value))
        }
        _ => None,
    };
    let text = match found {
        Some(Json::String(text)) => text,
        Some(Json::Number(number)) => number.to_string(),
        Some(Json::Bool(yes)) => yes.to_string(),
        _ => return Err(format!("{field}: sessions are kept by it, so it must be a single value")),
    };
    if text.trim().is_empty() {
        return Err(format!("{field}: sessions are kept by it, so it must not be empty"));
    }
    if text.chars().count() > KEY_CHARACTERS_MAX {
        return Err(format!(
            "{field}: sessions are kept by it, so it must have at most {KEY_CHARACTERS_MAX} characters"
        ));
    }
    Ok(format!("{agent}/value:{}", escaped(&text)))
}

/// A value as part of a key: what people can read stays, the rest is written as bytes. Different values differ.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || "-._~:@+=#".contains(c) {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_be_no_other_kind_of_key() {
        assert_eq!(escaped("A-1.b:2"), "A-1.b:2");
        assert_eq!(escaped("x/ask:1.2"), "x%2fask:1.2", "no session that an agent opened");
        assert_eq!(escaped("100%\n"), "100%25%0a");
        assert_eq!(escaped("é\u{202e}"), "é%e2%80%ae");
        assert_ne!(escaped("a b"), escaped("a%20b"));
    }
}
