// SPDX-License-Identifier: MIT OR Apache-2.0
//! The control socket `DATA/blufio.sock`: how every other command reaches the server that owns the database. Requests
//! and answers are JSON lines; `chat` turns the connection into a conversation.

pub mod client;
pub mod protocol;
pub mod server;
pub mod shell_channel;
pub mod versions;

use std::path::{Path, PathBuf};

/// Longest line that either side reads, bytes.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// The socket of a data folder.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("blufio.sock")
}
