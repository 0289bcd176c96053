// SPDX-License-Identifier: MIT OR Apache-2.0
//! In-memory fakes beside the traits, and the suite that every store passes. Only for tests: panics are how the suite
//! reports.

mod clock;
mod conformance;
mod crashing;
mod events;
mod memory;

pub use clock::ManualClock;
pub use conformance::store_conformance;
pub use crashing::{CrashMode, CrashingStore};
pub use events::MemoryEvents;
pub use memory::{DeadLetter, MemoryStore};
