// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one integration-test binary of this crate.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod catalogue;
mod cuts;
mod fuzzed;
mod ollama_catalogue;
mod ollama_streams;
mod openai_catalogue;
mod openai_history;
mod openai_streams;
