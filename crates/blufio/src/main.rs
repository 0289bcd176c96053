// SPDX-License-Identifier: MIT OR Apache-2.0
//! The binary: arguments, configuration, wiring, printing. Everything it does is done by the other crates.

mod cli;
mod clock;
mod commands;
mod config;
mod control;
mod daemon;
mod diff;
mod logging;
mod models;
mod output;
mod pairing;
mod programs;
mod rewrite;
mod skills;
mod sources;
mod tools;
mod webhooks;
mod wiring;

use std::process::ExitCode;

/// Keeps memory flat over months, which the system's allocator does not.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run()
}
