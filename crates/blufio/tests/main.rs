// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real executable, driven from outside.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;
mod world;

mod command_line;
mod commands;
mod configuration;
mod kill_loop;
mod project;
mod running;
mod serving;
mod talking;
