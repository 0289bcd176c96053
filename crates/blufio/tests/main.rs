// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real executable, driven from outside.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod harness;
mod support;

mod commands;
mod configuration;
mod demo;
mod kill_loop;
mod repository;
mod running;
mod serving;
mod talking;
