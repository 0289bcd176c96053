// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives programs durably: journal, step, perform, journal.
//!
//! `channel → deliver → inbox row → session (load, step, commit, perform, commit …) → outbox row → channel`. A
//! message is acknowledged when it is stored, an effect is performed when its intent is stored, a reply is sent when
//! the step that decided it is stored. A process that dies anywhere resumes at the step where it stood.
//!
//! Modules in reading order.

pub mod options;

pub mod routes;

pub mod runtime;

mod breaker;

mod estimators;

mod hygiene;

pub mod inspect;
pub mod prefix;

pub mod kill;

pub mod caps;
mod outages;

mod deliver;

pub mod events;

mod questions;

mod internal;

mod shared;

mod reload;

mod statics;

mod panics;

mod supervise;

mod timers;

mod session;

mod attachments;

mod transcript;

mod context;

pub mod media;

mod perform;

mod outbox;

mod journal;

mod outcome;

mod schedules;

mod heartbeats;

pub mod replay;

pub mod status;

pub use context::static_tokens_max;
pub use options::{AgentProgram, Limits, Options, Price, SKILLS, Window};
pub use runtime::{Handle, Runtime, RuntimeError};
pub use session::envelope::{Envelope, EnvelopeError};
