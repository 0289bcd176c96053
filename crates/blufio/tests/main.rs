// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one integration-test binary of the program: drives the real executable.
#![allow(missing_docs, reason = "tests")]

mod command_line;
mod commands;
mod configuration;
mod kill_loop;
mod project;
mod running;
mod serving;
mod support;
mod talking;
mod world;
