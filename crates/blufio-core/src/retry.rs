// SPDX-License-Identifier: MIT OR Apache-2.0
//! When to ask a model again: a pure policy, so that every caller waits alike.

use std::time::Duration;

use crate::model::{ModelError, ModelErrorKind};

/// Attempts of one model step, the first included.
pub const ATTEMPTS_MAX: u32 = 4;
/// First waiting time; it doubles with every further attempt.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Longest waiting time that we choose ourselves. A `retry-after` is honoured whatever it says.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long to wait before the next attempt; `None` when there is to be none. `attempt` counts from 1; `jitter` lies
/// in 0..1 and spreads callers over the upper half of the delay ("equal jitter").
pub fn next_delay(error: &ModelError, attempt: u32, jitter: f64) -> Option<Duration> {
    if attempt >= ATTEMPTS_MAX || !error.kind.is_retryable() {
        return None;
    }
    if let Some(ms) = error.retry_after_ms {
        return Some(Duration::from_millis(ms));
    }
    let doubled = FIRST_DELAY.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(DELAY_MAX);
    let slower = if error.kind == ModelErrorKind::Overloaded { 2 } else { 1 };
    let ceiling = doubled.saturating_mul(slower).min(DELAY_MAX);
    Some(ceiling / 2 + (ceiling / 2).mul_f64(jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ModelErrorKind, retry_after_ms: Option<u64>) -> ModelError {
        ModelError {
            kind,
            message: String::new(),
            retry_after_ms,
            usage: None,
            request_id: None,
            status: None,
        }
    }

    #[test]
    fn m01_wrong_requests_and_keys_are_never_retried() {
        for kind in [
            ModelErrorKind::InvalidRequest,
            ModelErrorKind::Authentication,
            ModelErrorKind::Billing,
            ModelErrorKind::NotTheProvider,
        ] {
            assert_eq!(next_delay(&error(kind, None), 1, 0.5), None);
        }
    }

    #[test]
    fn m02_retry_after_is_honoured_exactly() {
        let delay = next_delay(&error(ModelErrorKind::RateLimited, Some(90_000)), 1, 0.9);
        assert_eq!(delay, Some(Duration::from_secs(90)));
    }

    #[test]
    fn m03_delays_grow_are_capped_and_end() {
        let at = |attempt, jitter| next_delay(&error(ModelErrorKind::Overloaded, None), attempt, jitter);
        assert_eq!(at(1, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(at(1, 1.0), Some(Duration::from_millis(1_000)));
        assert_eq!(at(2, 1.0), Some(Duration::from_millis(2_000)));
        assert_eq!(at(ATTEMPTS_MAX, 0.0), None);
    }
}
