// SPDX-License-Identifier: MIT OR Apache-2.0
//! The circuit breaker of each provider: after failures in a row, or a refused key, nobody asks it for a while; then one
//! attempt looks whether it is back. And the time that a provider asked everybody to wait. Sessions share both, and a
//! restart knows of them: the owner hears of an outage once, and a `retry-after` holds.

use std::collections::HashMap;
use std::sync::Mutex;

use blufio_core::message::UnixMs;
use blufio_core::model::{ModelError, ModelErrorKind};
use serde::{Deserialize, Serialize};

use crate::shared::lock;

/// Failures in a row after which nobody asks.
const FAILURES_MAX: u32 = 5;
/// The first pause, milliseconds; each look that fails doubles it.
const PAUSE_MS_FIRST: i64 = 30_000;
/// The longest pause, milliseconds.
const PAUSE_MS_MAX: i64 = 600_000;
/// When others may come back while one looks, milliseconds.
const LOOK_MS: i64 = 5_000;

/// All providers.
#[derive(Default)]
pub(crate) struct Outages {
    circuits: Mutex<HashMap<String, Circuit>>,
}

/// One provider.
#[derive(Default)]
struct Circuit {
    /// Failures since it last answered.
    failures: u32,
    wait: Option<Span>,
    outage: Option<Outage>,
}

/// A time in which nothing is asked. A clock that was set back before its beginning ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from_ms: UnixMs,
    until_ms: UnixMs,
}

impl Span {
    fn holds(self, now_ms: UnixMs) -> bool {
        (self.from_ms..self.until_ms).contains(&now_ms)
    }
}

struct Outage {
    /// What the owner was told.
    text: String,
    /// Whether the key or the account is refused: waiting alone does not help.
    refuses: bool,
    pause: Span,
    pause_ms: i64,
    /// Somebody looks whether it is back.
    is_looked_at: bool,
}

/// What a restart knows of a provider.
#[derive(Serialize, Deserialize)]
struct Kept {
    wait: Option<Span>,
    /// What the owner was told of an outage, and whether the key is refused.
    outage: Option<(String, bool)>,
}

/// Whether an attempt may be made.
pub(crate) enum Admission<'a> {
    /// Now.
    Go(Ticket<'a>),
    /// When the provider's own time is over.
    Wait {
        /// Its end.
        until_ms: UnixMs,
    },
    /// Not now.
    Closed {
        /// When it is worth another try.
        until_ms: UnixMs,
        /// What is wrong.
        text: String,
        /// Whether the key or the account is refused.
        refuses: bool,
    },
}

/// What the owner should hear.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// An outage began.
    Begins(String),
    /// It is over: what was said of it, and what is said now.
    Over(String, String),
}

/// The right to one attempt. One that is dropped tells nothing, and lets another look.
pub(crate) struct Ticket<'a> {
    outages: &'a Outages,
    provider: String,
    looks: bool,
}

impl Outages {
    /// Whether an attempt may be made at a provider.
    pub fn admit(&self, provider: &str, now_ms: UnixMs) -> Admission<'_> {
        let mut circuits = lock(&self.circuits);
        let circuit = circuits.entry(provider.to_string()).or_default();
        let mut looks = false;
        if let Some(outage) = &mut circuit.outage {
            if outage.pause.holds(now_ms) || outage.is_looked_at {
                let until_ms = outage.pause.until_ms.max(now_ms.saturating_add(LOOK_MS));
                return Admission::Closed { until_ms, text: outage.text.clone(), refuses: outage.refuses };
            }
            outage.is_looked_at = true;
            looks = true;
        } else if let Some(wait) = circuit.wait.filter(|wait| wait.holds(now_ms)) {
            return Admission::Wait { until_ms: wait.until_ms };
        }
        Admission::Go(Ticket { outages: self, provider: provider.to_string(), looks })
    }

    /// Health of a provider in a word, and what there is to say.
    pub fn health(&self, provider: &str, now_ms: UnixMs) -> (&'static str, Option<String>) {
        let circuits = lock(&self.circuits);
        let Some(circuit) = circuits.get(provider) else { return ("healthy", None) };
        let seconds = |until_ms: UnixMs| until_ms.saturating_sub(now_ms).max(0).saturating_add(999) / 1_000;
        if let Some(outage) = &circuit.outage {
            let what = if outage.refuses { "refuses us" } else { "does not answer" };
            let left = seconds(outage.pause.until_ms);
            return ("failed", Some(format!("{what}; asked again in {left} s")));
        }
        match circuit.wait.filter(|wait| wait.holds(now_ms)) {
            Some(wait) => {
                ("degraded", Some(format!("wants to be left alone for {} s", seconds(wait.until_ms))))
            }
            None => ("healthy", None),
        }
    }

    /// What a restart should know, as a setting's text.
    pub fn kept(&self, provider: &str) -> String {
        let circuits = lock(&self.circuits);
        let circuit = circuits.get(provider);
        let kept = Kept {
            wait: circuit.and_then(|circuit| circuit.wait),
            outage: circuit
                .and_then(|circuit| circuit.outage.as_ref())
                .map(|outage| (outage.text.clone(), outage.refuses)),
        };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// Takes over what an earlier life kept; the text of an outage that goes on. Its key may be right by now, so that the
    /// first attempt looks at once.
    pub fn restore(&self, provider: &str, kept: &str, now_ms: UnixMs) -> Option<String> {
        let kept: Kept = serde_json::from_str(kept).ok()?;
        let mut circuits = lock(&self.circuits);
        let circuit = circuits.entry(provider.to_string()).or_default();
        circuit.wait = kept.wait.filter(|wait| wait.holds(now_ms));
        let (text, refuses) = kept.outage?;
        circuit.outage = Some(Outage {
            text: text.clone(),
            refuses,
            pause: Span { from_ms: now_ms, until_ms: now_ms },
            pause_ms: PAUSE_MS_FIRST,
            is_looked_at: false,
        });
        Some(text)
    }
}

/// The setting that keeps what a restart should know of a provider.
pub(crate) fn setting(provider: &str) -> String {
    format!("provider/{provider}")
}

impl Ticket<'_> {
    /// The provider answered.
    pub fn answered(mut self) -> Option<News> {
        self.looks = false;
        let mut circuits = lock(&self.outages.circuits);
        let circuit = circuits.get_mut(&self.provider)?;
        circuit.failures = 0;
        let outage = circuit.outage.take()?;
        Some(News::Over(outage.text, format!("{} answers again.", self.provider)))
    }

    /// The attempt failed.
    pub fn failed(mut self, error: &ModelError, now_ms: UnixMs) -> Option<News> {
        let looked = std::mem::replace(&mut self.looks, false);
        if error.kind == ModelErrorKind::InvalidRequest {
            // It works; what it was sent does not.
            return self.answered();
        }
        let mut circuits = lock(&self.outages.circuits);
        let circuit = circuits.entry(self.provider.clone()).or_default();
        let waits = circuit.learn_wait(error, now_ms);
        if error.kind == ModelErrorKind::RateLimited && waits {
            // Busy, and says until when: no outage.
            drop(circuits);
            return self.answered();
        }
        let refuses = is_refusal(error.kind);
        circuit.failures = circuit.failures.saturating_add(1);
        if let Some(outage) = &mut circuit.outage {
            if looked {
                outage.is_looked_at = false;
                outage.refuses = refuses;
                outage.pause_ms = outage.pause_ms.saturating_mul(2).min(PAUSE_MS_MAX);
                outage.pause = pause(now_ms, outage.pause_ms);
            }
            // Others were under way when it began.
            return None;
        }
        if !refuses && circuit.failures < FAILURES_MAX {
            return None;
        }
        let text = words(&self.provider, circuit.failures, error);
        circuit.outage = Some(Outage {
            text: text.clone(),
            refuses,
            pause: pause(now_ms, PAUSE_MS_FIRST),
            pause_ms: PAUSE_MS_FIRST,
            is_looked_at: false,
        });
        Some(News::Begins(text))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.looks {
            return;
        }
        let mut circuits = lock(&self.outages.circuits);
        if let Some(outage) = circuits.get_mut(&self.provider).and_then(|circuit| circuit.outage.as_mut()) {
            outage.is_looked_at = false;
        }
    }
}

impl Circuit {
    /// Takes note of a `retry-after`; whether there was one.
    fn learn_wait(&mut self, error: &ModelError, now_ms: UnixMs) -> bool {
        let Some(ms) = error.retry_after_ms.and_then(|ms| i64::try_from(ms).ok()) else { return false };
        let wait = pause(now_ms, ms);
        // The newest word counts, but one that is shorter was said before the other.
        let is_later = self.wait.is_none_or(|known| !known.holds(now_ms) || known.until_ms < wait.until_ms);
        if is_later {
            self.wait = Some(wait);
        }
        true
    }
}

fn pause(now_ms: UnixMs, ms: i64) -> Span {
    Span { from_ms: now_ms, until_ms: now_ms.saturating_add(ms) }
}

fn is_refusal(kind: ModelErrorKind) -> bool {
    matches!(kind, ModelErrorKind::Authentication | ModelErrorKind::Billing)
}

/// What the owner is told.
fn words(provider: &str, failures: u32, error: &ModelError) -> String {
    let until = "no agent can use its models until that is put right";
    let what = match error.kind {
        ModelErrorKind::Authentication => format!("refuses the key: {until}"),
        ModelErrorKind::Billing => format!("refuses to go on without payment: {until}"),
        _ => format!(
            "does not answer: {failures} attempts in a row failed, so that its models are left out until it does"
        ),
    };
    format!("{provider} {what}. It said: {}", error.message)
}
