// SPDX-License-Identifier: MIT OR Apache-2.0
//! Channels against scripted servers on loopback, under a clock that is moved by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;
mod telegram;
mod webhook;
