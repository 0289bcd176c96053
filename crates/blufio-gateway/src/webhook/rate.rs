// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many signed events are taken in a time: a bucket that fills again.

use std::sync::{Mutex, PoisonError};

/// So many at once, and so many in every second after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// In every second.
    pub per_second: u32,
}

/// The bucket, in thousandths of an event.
pub struct Bucket {
    rate: Rate,
    state: Mutex<(u64, i64)>,
}

impl Bucket {
    pub fn new(rate: Rate, now_ms: i64) -> Self {
        Self { rate, state: Mutex::new((u64::from(rate.burst) * 1_000, now_ms)) }
    }

    /// Takes one out; false when none is left. A clock that goes back fills nothing.
    pub fn take(&self, now_ms: i64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at_ms) = *state;
        let passed_ms = u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or(0);
        let filled = left.saturating_add(passed_ms.saturating_mul(u64::from(self.rate.per_second)));
        let left = filled.min(u64::from(self.rate.burst) * 1_000);
        let is_taken = left >= 1_000;
        *state = (if is_taken { left - 1_000 } else { left }, now_ms);
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_as_many_as_time_allows() {
        let bucket = Bucket::new(Rate { burst: 2, per_second: 10 }, 0);
        assert!(bucket.take(0) && bucket.take(0) && !bucket.take(0));
        assert!(!bucket.take(99) && bucket.take(100) && !bucket.take(100));
        assert!(!bucket.take(-5_000), "a clock that goes back");
        assert!(bucket.take(1_000_000) && bucket.take(1_000_000) && !bucket.take(1_000_000));
    }
}
