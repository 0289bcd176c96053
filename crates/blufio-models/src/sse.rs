// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server-sent events, parsed byte by byte: the WHATWG event-stream format, with caps, and no opinion about content.

use crate::stream::Splitter;

/// Longest line, bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Most data of one event, bytes.
pub const EVENT_BYTES_MAX: usize = 8 << 20;

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// `event:` field; empty when absent.
    pub event: String,
    /// `data:` lines joined by newlines.
    pub data: String,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SseError {
    /// A line longer than [`LINE_BYTES_MAX`].
    LineTooLong,
    /// An event larger than [`EVENT_BYTES_MAX`].
    EventTooLarge,
    /// Not UTF-8.
    NotUtf8,
}

/// Incremental parser: feed bytes in any portions.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    event: String,
    data: String,
    has_data: bool,
    /// The last byte was a carriage return, so that a following line feed belongs to it.
    after_cr: bool,
    started: bool,
}

impl Splitter for SseParser {
    type Piece = SseEvent;
    type Broken = SseError;
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn push(&mut self, bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), SseError> {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_of_line(out)?,
                _ => {
                    if self.line.len() >= LINE_BYTES_MAX {
                        return Err(SseError::LineTooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }
}

impl SseParser {
    fn end_of_line(&mut self, out: &mut Vec<SseEvent>) -> Result<(), SseError> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&bytes).map_err(|_| SseError::NotUtf8)?;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            if std::mem::take(&mut self.has_data) {
                out.push(SseEvent { event, data });
            }
        } else if !line.starts_with(':') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value))?;
        }
        // The buffer is kept for the next line.
        self.line = bytes;
        self.line.clear();
        Ok(())
    }

    fn field(&mut self, field: &str, value: &str) -> Result<(), SseError> {
        match field {
            "event" => self.event = value.to_string(),
            "data" => {
                if self.data.len() + value.len() + 1 > EVENT_BYTES_MAX {
                    return Err(SseError::EventTooLarge);
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // `id` and `retry` serve reconnection, which a model stream does not have.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], chunk: usize) -> Result<Vec<SseEvent>, SseError> {
        let (mut parser, mut out) = (SseParser::default(), Vec::new());
        for part in bytes.chunks(chunk) {
            parser.push(part, &mut out)?;
        }
        Ok(out)
    }

    #[test]
    fn m15_framing_is_the_same_for_every_line_end_and_chunk_size() {
        let text = "\u{feff}: hello\nevent: a\ndata: é1\ndata:2\n\nid: 7\nretry: 3\nunknown\ndata\n\nevent: none\n\n";
        let expected = vec![
            SseEvent { event: "a".into(), data: "é1\n2".into() },
            SseEvent { event: String::new(), data: String::new() },
        ];
        for end in ["\n", "\r\n", "\r"] {
            let bytes = text.replace('\n', end).into_bytes();
            for chunk in 1..=bytes.len() {
                assert_eq!(parse(&bytes, chunk).unwrap(), expected, "{end:?} {chunk}");
            }
        }
    }

    #[test]
    fn m15_an_event_that_is_not_ended_is_not_dispatched() {
        assert_eq!(parse(b"data: x\n", 3).unwrap(), vec![]);
        assert_eq!(parse(b"data: x", 3).unwrap(), vec![]);
    }

    #[test]
    fn m15_caps_hold_and_bad_utf8_is_an_error() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        assert_eq!(parse(&long, 4096), Err(SseError::LineTooLong));
        assert_eq!(parse(b"data: \xff\n\n", 1), Err(SseError::NotUtf8));
        let mut many = Vec::new();
        for _ in 0..9 {
            many.extend_from_slice(b"data:");
            many.extend(std::iter::repeat_n(b'y', LINE_BYTES_MAX - 5));
            many.push(b'\n');
        }
        assert_eq!(parse(&many, 65_536), Err(SseError::EventTooLarge));
        assert_eq!(parse(b"data: a\0b\n\n", 1).unwrap()[0].data, "a\0b");
    }
}
