// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file per subcommand.

pub mod check;
pub mod cost;
pub mod demo;
pub mod event;
pub mod explain;
pub mod explore;
pub mod fmt;
pub mod graph;
pub mod history;
pub mod init;
pub mod kill;
pub mod outbox;
pub mod prompts;
pub mod reload;
pub mod replay;
pub mod serve;
pub mod sessions;
pub mod shell;
pub mod status;
pub mod stop;
pub mod test;
