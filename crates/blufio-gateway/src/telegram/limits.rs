// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast the bot may speak: own rates as floors, and the waiting times that Telegram asks for on top.
//!
//! The rates are those of <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>: one message
//! per second in a chat, 20 per minute in a group, about 30 per second overall.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blufio_core::clock::Clock;
use blufio_core::message::UnixMs;
use serde::{Deserialize, Serialize};

use super::client::RETRY_AFTER_MS_MAX;

/// Key under which the sink keeps the waiting times.
pub(crate) const HOLDS_KEY: &str = "not_before";
/// Chats whose state is kept; beyond it those that have long been quiet are forgotten.
const CHATS_MAX: usize = 1_024;
/// A send waits at most this long for its turn; after that the caller hears how long it would take, milliseconds.
const TURN_WAIT_MS_MAX: u64 = 60_000;

/// A token bucket: `burst` messages at once, then one per `interval_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Messages that may go at once after silence; at least 1.
    pub burst: u32,
    /// Time in which one message becomes free, milliseconds.
    pub interval_ms: u64,
}

/// Rates of a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// In one private chat.
    pub private: Rate,
    /// In one group.
    pub group: Rate,
    /// Over all chats.
    pub overall: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            private: Rate { burst: 3, interval_ms: 1_000 },
            // 5 + 14 is the most in any minute.
            group: Rate { burst: 5, interval_ms: 4_000 },
            // 10 + 19 is the most in any second.
            overall: Rate { burst: 10, interval_ms: 50 },
        }
    }
}

/// A time before which nothing may be sent. It is stored, so it is wall time; because that may be set, the moment of
/// writing belongs to it: no jump makes the wait longer than asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hold {
    since_ms: UnixMs,
    until_ms: UnixMs,
}

impl Hold {
    fn remaining_ms(self, now_ms: UnixMs) -> u64 {
        let asked = self.until_ms.saturating_sub(self.since_ms);
        let left = self.until_ms.saturating_sub(now_ms).min(asked);
        u64::try_from(left).unwrap_or(0).min(RETRY_AFTER_MS_MAX)
    }
}

/// What is written down.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Holds {
    all: Option<Hold>,
    #[serde(default)]
    chats: HashMap<String, Hold>,
}

/// Theoretical arrival time of the generic cell rate algorithm (ITU-T I.371), which is a token bucket in one number.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    arrival_ms: UnixMs,
}

impl Bucket {
    /// Milliseconds until a token is there.
    fn wait_ms(self, rate: Rate, now_ms: UnixMs) -> u64 {
        let tolerance_ms = rate.interval_ms.saturating_mul(u64::from(rate.burst.saturating_sub(1)));
        let full_ms = rate.interval_ms.saturating_mul(u64::from(rate.burst.max(1)));
        let ahead_ms = u64::try_from(self.arrival_ms.saturating_sub(now_ms)).unwrap_or(0);
        // The second bound holds when the wall clock was set back.
        ahead_ms.min(full_ms).saturating_sub(tolerance_ms)
    }

    fn take(&mut self, rate: Rate, now_ms: UnixMs) {
        let full_ms = saturating_ms(rate.interval_ms.saturating_mul(u64::from(rate.burst.max(1))));
        let from_ms = self.arrival_ms.max(now_ms).min(now_ms.saturating_add(full_ms));
        self.arrival_ms = from_ms.saturating_add(saturating_ms(rate.interval_ms));
    }
}

fn saturating_ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[derive(Debug, Default)]
struct State {
    overall: Bucket,
    chats: HashMap<i64, Bucket>,
    hold_all: Option<Hold>,
    hold_chats: HashMap<i64, Hold>,
}

/// Gives turns.
pub(crate) struct Limiter {
    clock: Arc<dyn Clock>,
    limits: RateLimits,
    state: Mutex<State>,
}

impl Limiter {
    pub(crate) fn new(clock: Arc<dyn Clock>, limits: RateLimits) -> Self {
        Self { clock, limits, state: Mutex::new(State::default()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn in a chat; the time that is still to wait, milliseconds, when that is too long to stand here.
    pub(crate) async fn turn(&self, chat: i64) -> Result<(), u64> {
        loop {
            match self.take(chat) {
                Ok(()) => return Ok(()),
                Err(wait_ms) if wait_ms > TURN_WAIT_MS_MAX => return Err(wait_ms),
                Err(wait_ms) => self.clock.sleep(Duration::from_millis(wait_ms)).await,
            }
        }
    }

    /// Takes a turn in a chat if there is one now, else says how long it will take, milliseconds.
    pub(crate) fn take(&self, chat: i64) -> Result<(), u64> {
        // A private chat has the id of its person, which is positive; groups are negative.
        let rate = if chat > 0 { self.limits.private } else { self.limits.group };
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let held_ms = held_ms(&state, chat, now_ms);
        let bucket = state.chats.get(&chat).copied().unwrap_or_default();
        let wait_ms =
            held_ms.max(bucket.wait_ms(rate, now_ms)).max(state.overall.wait_ms(self.limits.overall, now_ms));
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        if state.chats.len() >= CHATS_MAX {
            state.chats.retain(|_, bucket| bucket.arrival_ms > now_ms);
        }
        state.overall.take(self.limits.overall, now_ms);
        state.chats.entry(chat).or_default().take(rate, now_ms);
        Ok(())
    }

    /// Whether something that nobody waits for may be sent to a chat: nothing is on hold.
    pub(crate) fn is_open(&self, chat: i64) -> bool {
        held_ms(&self.state(), chat, self.clock.now_ms()) == 0
    }

    /// How long the whole bot has to wait, milliseconds.
    pub(crate) fn held_all_ms(&self) -> u64 {
        let now_ms = self.clock.now_ms();
        self.state().hold_all.map_or(0, |hold| hold.remaining_ms(now_ms))
    }

    /// Telegram asked to wait: in a chat, or (`None`) with everything.
    pub(crate) fn hold(&self, chat: Option<i64>, ms: u64) {
        let now_ms = self.clock.now_ms();
        let hold = Hold { since_ms: now_ms, until_ms: now_ms.saturating_add(saturating_ms(ms)) };
        let mut state = self.state();
        match chat {
            None => state.hold_all = Some(hold),
            Some(chat) => {
                if state.hold_chats.len() >= CHATS_MAX {
                    state.hold_chats.retain(|_, hold| hold.remaining_ms(now_ms) > 0);
                }
                state.hold_chats.insert(chat, hold);
            }
        }
    }

    /// The waiting times as text, for the sink.
    pub(crate) fn holds(&self) -> String {
        let now_ms = self.clock.now_ms();
        let state = self.state();
        let chats = state.hold_chats.iter().filter(|(_, hold)| hold.remaining_ms(now_ms) > 0);
        let holds = Holds {
            all: state.hold_all.filter(|hold| hold.remaining_ms(now_ms) > 0),
            chats: chats.map(|(chat, hold)| (chat.to_string(), *hold)).collect(),
        };
        serde_json::to_string(&holds).unwrap_or_default()
    }

    /// Takes over what an earlier process wrote down; nonsense counts as nothing.
    pub(crate) fn restore(&self, text: &str) {
        let Ok(holds) = serde_json::from_str::<Holds>(text) else { return };
        let mut state = self.state();
        state.hold_all = holds.all;
        state.hold_chats =
            holds.chats.iter().filter_map(|(chat, hold)| Some((chat.parse().ok()?, *hold))).collect();
    }
}

fn held_ms(state: &State, chat: i64, now_ms: UnixMs) -> u64 {
    let all = state.hold_all.map_or(0, |hold| hold.remaining_ms(now_ms));
    all.max(state.hold_chats.get(&chat).map_or(0, |hold| hold.remaining_ms(now_ms)))
}

#[cfg(test)]
mod tests {
    use blufio_core::testing::ManualClock;

    use super::*;

    fn limiter() -> (ManualClock, Limiter) {
        let clock = ManualClock::new(1_000_000);
        (clock.clone(), Limiter::new(Arc::new(clock), RateLimits::default()))
    }

    /// Takes every turn as early as it comes for a time; returns when they came.
    fn greedy(chat: impl Fn(usize) -> i64, ms: i64) -> Vec<i64> {
        let (clock, limiter) = limiter();
        let mut taken = Vec::new();
        while clock.now_ms() < 1_000_000 + ms {
            match limiter.take(chat(taken.len())) {
                Ok(()) => taken.push(clock.now_ms()),
                Err(wait_ms) => clock.advance(wait_ms),
            }
        }
        taken
    }

    fn most_within(times: &[i64], ms: i64) -> usize {
        times
            .iter()
            .map(|start| times.iter().filter(|at| (*start..start + ms).contains(at)).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn t03_own_rates_are_below_telegrams() {
        let private = greedy(|_| 7, 60_000);
        assert_eq!((most_within(&private, 1), most_within(&private, 60_000)), (3, 62));
        let group = greedy(|_| -7, 300_000);
        assert_eq!((most_within(&group, 1), most_within(&group, 60_000)), (5, 19));
        let overall = greedy(|n| i64::try_from(n).unwrap() + 1, 10_000);
        assert_eq!((most_within(&overall, 1), most_within(&overall, 1_000)), (10, 29));
    }

    #[test]
    fn t03_holds_survive_a_restart_and_concern_whom_they_should() {
        let (clock, limiter) = limiter();
        limiter.hold(Some(7), 3 * 3_600_000);
        assert_eq!((limiter.take(7), limiter.take(8)), (Err(3 * 3_600_000), Ok(())));
        limiter.hold(None, 10_000);
        clock.advance(4_000);
        let restarted = Limiter::new(Arc::new(clock.clone()), RateLimits::default());
        restarted.restore(&limiter.holds());
        assert_eq!((restarted.take(8), restarted.held_all_ms()), (Err(6_000), 6_000));
        clock.advance(6_000);
        assert_eq!((restarted.take(8), restarted.take(7)), (Ok(()), Err(3 * 3_600_000 - 10_000)));
        assert!(!restarted.is_open(7) && restarted.is_open(8));
        restarted.restore("{nonsense");
        assert!(restarted.take(7).is_err());
    }

    #[test]
    fn a_wall_clock_that_jumps_never_lengthens_a_wait() {
        let (clock, limiter) = limiter();
        limiter.hold(None, 5_000);
        clock.jump_wall(0);
        assert_eq!(limiter.held_all_ms(), 5_000);
        let (clock, limiter) = (clock, Limiter::new(limiter.clock.clone(), RateLimits::default()));
        clock.jump_wall(i64::MAX - 10);
        for _ in 0..3 {
            assert_eq!(limiter.take(7), Ok(()));
        }
        clock.jump_wall(1_000);
        assert!(limiter.take(7).unwrap_err() <= 1_000);
    }

    #[test]
    fn the_number_of_chats_that_are_remembered_is_bounded() {
        let (clock, limiter) = limiter();
        for chat in 1..10_000 {
            assert_eq!(limiter.take(chat), Ok(()));
            clock.advance(50);
        }
        assert!(limiter.state().chats.len() <= CHATS_MAX);
    }
}
