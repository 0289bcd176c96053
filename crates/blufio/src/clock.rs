// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock of this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blufio_core::BoxFuture;
use blufio_core::clock::Clock;

/// Wall clock and timers of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
