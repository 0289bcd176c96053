// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time moved by hand, so that no test waits for a wall clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::BoxFuture;
use crate::clock::Clock;
use crate::message::UnixMs;

/// A clock that stands still until a test moves it. Clones share the time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Wall time; a test may let it jump.
    wall_ms: UnixMs,
    /// Monotonic nanoseconds, which sleepers wait for.
    monotonic_ns: u128,
    next_sleeper: u64,
    /// By deadline, then by arrival, so that waking is deterministic. The waker is absent until the first poll.
    sleepers: BTreeMap<(u128, u64), Option<Waker>>,
}

impl ManualClock {
    /// A clock that shows a time.
    pub fn new(wall_ms: UnixMs) -> Self {
        let clock = Self::default();
        clock.state().wall_ms = wall_ms;
        clock
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves wall and monotonic time on and wakes who waited for it, earliest deadline first.
    pub fn advance(&self, ms: u64) {
        self.advance_ns(u128::from(ms) * 1_000_000);
    }

    fn advance_ns(&self, ns: u128) {
        let due = {
            let mut state = self.state();
            let before_ms = state.monotonic_ns / 1_000_000;
            state.monotonic_ns += ns;
            let passed_ms = state.monotonic_ns / 1_000_000 - before_ms;
            state.wall_ms = state.wall_ms.saturating_add(i64::try_from(passed_ms).unwrap_or(i64::MAX));
            let later = (state.monotonic_ns + 1, 0);
            let rest = state.sleepers.split_off(&later);
            std::mem::replace(&mut state.sleepers, rest)
        };
        for waker in due.into_values().flatten() {
            waker.wake();
        }
    }

    /// Moves to the earliest deadline that somebody sleeps for; returns the new wall time, `None` when nobody sleeps.
    pub fn advance_to_next(&self) -> Option<UnixMs> {
        let ns = {
            let state = self.state();
            let ((deadline_ns, _), _) = state.sleepers.first_key_value()?;
            deadline_ns.saturating_sub(state.monotonic_ns)
        };
        // Whole milliseconds, so that the wall time has passed the deadline too.
        self.advance_ns(ns.div_ceil(1_000_000) * 1_000_000);
        Some(self.state().wall_ms)
    }

    /// Sets the wall time alone, as an operator or a time server does; sleepers go on sleeping.
    pub fn jump_wall(&self, wall_ms: UnixMs) {
        self.state().wall_ms = wall_ms;
    }

    /// How many sleep.
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.state().wall_ms
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        let deadline_ns = state.monotonic_ns + duration.as_nanos();
        let sleeper = state.next_sleeper;
        state.next_sleeper += 1;
        if !duration.is_zero() {
            state.sleepers.insert((deadline_ns, sleeper), None);
        }
        Box::pin(Sleep { clock: self.clone(), key: (deadline_ns, sleeper) })
    }
}

struct Sleep {
    clock: ManualClock,
    key: (u128, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.monotonic_ns >= self.key.0 {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn sleepers_wake_at_their_deadline_and_not_before() {
        let clock = ManualClock::new(1_000);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        let mut long = clock.sleep(Duration::from_millis(20));
        let mut short = clock.sleep(Duration::from_millis(10));
        assert!(long.as_mut().poll(&mut context).is_pending());
        assert!(short.as_mut().poll(&mut context).is_pending());
        clock.advance(9);
        assert_eq!((count.0.load(Ordering::SeqCst), clock.now_ms()), (0, 1_009));
        clock.advance(1);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(short.as_mut().poll(&mut context).is_ready());
        clock.jump_wall(5);
        assert!(long.as_mut().poll(&mut context).is_pending());
        assert_eq!(clock.advance_to_next(), Some(15));
        assert!(long.as_mut().poll(&mut context).is_ready());
        assert_eq!((clock.sleepers(), clock.advance_to_next()), (0, None));
        let dropped = clock.sleep(Duration::from_millis(1));
        assert_eq!(clock.sleepers(), 1);
        drop(dropped);
        assert_eq!(clock.sleepers(), 0);
    }
}
