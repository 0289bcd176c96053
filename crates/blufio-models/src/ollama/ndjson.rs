// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of a stream of JSON objects (`application/x-ndjson`), byte by byte, with a cap. A line counts only with its
//! end: what the connection cut is no line.

use crate::stream::Splitter;

/// Longest line, bytes.
pub const LINE_BYTES_MAX: usize = 8 << 20;

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// A line longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// Not UTF-8.
    NotUtf8,
}

/// Incremental splitter: feed bytes in any portions.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
}

impl Splitter for Lines {
    type Piece = String;
    type Broken = LineError;
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    /// Blank lines are none.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<String>) -> Result<(), LineError> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(at);
            self.take(line)?;
            let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| LineError::NotUtf8)?;
            if !line.trim().is_empty() {
                out.push(line);
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.take(rest)
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        if self.line.len() + bytes.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m15_lines_are_the_same_for_every_chunk_size() {
        let text = "{\"a\":1}\r\n\n  \n{\"b\":\"é漢\"}\n{\"half\":";
        for chunk in 1..=text.len() {
            let (mut lines, mut out) = (Lines::default(), Vec::new());
            for part in text.as_bytes().chunks(chunk) {
                lines.push(part, &mut out).unwrap();
            }
            assert_eq!(out, ["{\"a\":1}\r", "{\"b\":\"é漢\"}"], "{chunk}");
        }
    }

    #[test]
    fn m15_caps_hold_and_bad_utf8_is_an_error() {
        let mut out = Vec::new();
        let mut lines = Lines::default();
        let part = vec![b'x'; LINE_BYTES_MAX / 2];
        assert_eq!(lines.push(&part, &mut out), Ok(()));
        assert_eq!(lines.push(&part, &mut out), Ok(()));
        assert_eq!(lines.push(b"x", &mut out), Err(LineError::TooLong));
        assert_eq!(Lines::default().push(b"\xff\n", &mut out), Err(LineError::NotUtf8));
        assert_eq!(out, Vec::<String>::new());
    }
}
