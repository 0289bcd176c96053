// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one integration-test binary of the program: drives the real executable.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;
mod world;

mod command_line;
mod commands;
mod configuration;
mod costs;
mod demo;
mod formatting;
mod history;
mod kill_loop;
mod mix;
mod posting;
mod prompting;
mod providers;
mod recorded;
mod replaying;
mod repository;
mod running;
mod serving;
mod simulating;
mod talking;
