// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files that a program names for the static zone of its prompts (`persona.md`): what can be wrong with one, its
//! kept versions, and the port through which a running daemon looks whether one changed. The port only reads: nothing
//! in a runtime can write such a file.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::BoxFuture;
use crate::message::UnixMs;

/// Largest file of the static zone.
pub const STATIC_FILE_BYTES_MAX: u64 = 1 << 20;
/// Versions kept of one file; beyond it the oldest is forgotten.
pub const FILE_VERSIONS_MAX: usize = 1_000;

/// Why a file cannot stand in a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileProblem {
    /// Nothing has this name.
    #[error("there is no such file")]
    Missing,
    /// Nothing but blanks.
    #[error("it is empty")]
    Empty,
    /// More than [`STATIC_FILE_BYTES_MAX`].
    #[error("it is larger than {} MiB", STATIC_FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// Bytes that are no text.
    #[error("it is not UTF-8 text (byte {0})")]
    NotText(usize),
    /// Somebody writes it at this moment.
    #[error("its size changed while it was read: wait until it is written")]
    Changing,
    /// A path that leads out of the folder, a link, a folder, a pipe.
    #[error("{0}")]
    Refused(String),
    /// The operating system refused.
    #[error("{0}")]
    Unreadable(String),
}

/// A version of a file, kept when it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// Agent that names it.
    pub agent: String,
    /// Name in the program.
    pub name: String,
    /// Folder of the program, absolute: the file is `folder/name`.
    pub folder: PathBuf,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
    /// The text.
    pub text: String,
    /// When it was kept.
    pub at_ms: UnixMs,
}

/// Reads files of programs.
pub trait Files: Send + Sync {
    /// The text of the file `name` below a program's folder.
    fn read<'a>(&'a self, folder: &'a Path, name: &'a str) -> BoxFuture<'a, Result<String, FileProblem>>;
}
