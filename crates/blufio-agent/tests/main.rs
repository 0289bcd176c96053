// SPDX-License-Identifier: MIT OR Apache-2.0
//! The runtime driven end to end against a scripted world in memory: programs from source text, a model that answers
//! by what it is asked, a channel that records what people see.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests report by panicking"
)]

mod asked;
mod attachments;
mod clocks;
mod conversation;
mod crash;
mod crash_money;
mod crash_requests;
mod defects;
mod documents;
mod epochs;
mod gated;
mod greed;
mod happenings;
mod heartbeats;
mod held;
mod history;
mod kill;
mod memory;
mod money;
mod outages;
mod outbox;
mod prefix;
mod present;
mod replies;
mod requests;
mod statics;
mod time;
mod tools;
mod versions;
mod webhooks;
mod world;
