// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all callers of a provider learn from one another's errors: when it may be asked again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use blufio_core::model::{ModelError, ModelErrorKind};

/// How long a refused key or an empty account keeps everybody from asking. Shorter than the first pause of the runtime's
/// own breaker, whose next try must reach the provider; this one covers what does not go through it (counting tokens).
const BREAKER_OPEN: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct State {
    not_before: Option<Instant>,
    open: Option<(Instant, ModelError)>,
}

/// A gate in front of a provider.
#[derive(Debug, Default)]
pub struct Limiter {
    state: Mutex<State>,
}

impl Limiter {
    /// Whether a request may start now; otherwise the error that it would get, with the time to wait.
    pub fn admit(&self) -> Result<(), ModelError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((until, error)) = &state.open
            && now < *until
        {
            return Err(error.clone());
        }
        match state.not_before {
            Some(at) if now < at => Err(ModelError {
                kind: ModelErrorKind::RateLimited,
                message: "waiting because the provider asked for it".into(),
                retry_after_ms: Some((at - now).as_millis() as u64 + 1),
                usage: None,
                request_id: None,
                status: None,
            }),
            _ => Ok(()),
        }
    }

    /// Takes note of an error.
    pub fn learn(&self, error: &ModelError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match error.kind {
            ModelErrorKind::RateLimited => {
                state.not_before =
                    error.retry_after_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
            }
            ModelErrorKind::Authentication | ModelErrorKind::Billing => {
                // What that attempt used was charged with it.
                let refusal = ModelError { usage: None, request_id: None, ..error.clone() };
                state.open = Instant::now().checked_add(BREAKER_OPEN).map(|until| (until, refusal));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ModelErrorKind, retry_after_ms: Option<u64>) -> ModelError {
        ModelError { kind, message: "m".into(), retry_after_ms, usage: None, request_id: None, status: None }
    }

    #[test]
    fn m02_everybody_waits_after_a_rate_limit() {
        let limiter = Limiter::default();
        assert!(limiter.admit().is_ok());
        limiter.learn(&error(ModelErrorKind::RateLimited, Some(60_000)));
        let waiting = limiter.admit().unwrap_err();
        assert_eq!(waiting.kind, ModelErrorKind::RateLimited);
        assert!(waiting.retry_after_ms.unwrap() > 59_000);
    }

    #[test]
    fn m01_a_refused_key_opens_the_breaker_for_everybody() {
        let limiter = Limiter::default();
        limiter.learn(&error(ModelErrorKind::Overloaded, None));
        assert!(limiter.admit().is_ok());
        let used = Some(blufio_core::model::Usage { output_tokens: 9, ..Default::default() });
        limiter.learn(&ModelError { usage: used, ..error(ModelErrorKind::Billing, None) });
        let refused = limiter.admit().unwrap_err();
        assert_eq!((refused.kind, refused.usage), (ModelErrorKind::Billing, None), "charged once");
    }
}
