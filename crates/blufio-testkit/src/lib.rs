// SPDX-License-Identifier: MIT OR Apache-2.0
//! The outside world on loopback: an emulated Telegram Bot API and an emulated Anthropic Messages API. For tests,
//! benchmarks and `blufio demo`; nothing else may depend on this crate.

pub mod anthropic;
pub mod telegram;

mod server;
