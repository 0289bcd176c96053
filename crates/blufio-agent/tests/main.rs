// SPDX-License-Identifier: MIT OR Apache-2.0
//! The runtime driven end to end against a scripted world in memory: programs from source text, a model that answers
//! by what it is asked, a channel that records what people see.

mod world;
mod conversation;
mod history;
mod outbox;
mod tools;
mod time;
mod crash;
