// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `.agent` language: text in, checked program out, steps taken purely.
//!
//! `Source → ast::File → typed::Program → program::Program → machine::Machine`. Each stage is one public pure
//! function that returns its result together with [`diagnostic::Diagnostics`]; a failed node becomes a recovery
//! node, so one mistake gives one message and the rest is still checked. There is no I/O, clock, randomness or
//! runtime in this crate.
//!
//! Modules in reading order.

pub mod ast;
pub mod authority;
pub mod check;
pub mod compile;
pub mod diagnostic;
pub mod effect;
pub mod format;
pub mod graph;
pub mod machine;
pub mod manifest;
pub mod parse;
pub mod program;
pub mod reference;
pub mod schema;
pub mod simulate;
pub mod source;
pub mod typed;
pub mod value;
