// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one integration-test binary of this crate.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod budgets;
mod documents;
mod examples;
mod format;
mod fuzzed;
mod hostile;
mod litmus;
mod mutants;
mod performs;
mod recovery;
mod refusals;
mod rules;
mod runs;
mod sends;
mod simulate;
mod support;
mod teaching;
mod verdicts;
mod words;
