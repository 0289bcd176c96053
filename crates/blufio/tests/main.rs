// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one integration-test binary of the program: drives the real executable.
#![allow(missing_docs, reason = "tests")]

mod command_line;
mod kill_loop;
mod project;
mod running;
mod support;
