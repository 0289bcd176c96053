// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time as a port: production reads the system clock, tests move it by hand.

use std::time::Duration;

use crate::BoxFuture;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Wall time, milliseconds since 1970 UTC. Stored times come from here.
    fn now_ms(&self) -> i64;
    /// Completes after a duration of monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
