// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cuts a reply into messages. Telegram counts UTF-16 units; a cut never falls into a surrogate pair, a grapheme or a
//! code fence (the fence is closed before the cut and opened again after it), and prefers ends of lines and words.

use unicode_segmentation::UnicodeSegmentation;

/// Longest message, UTF-16 units (<https://core.telegram.org/bots/api#sendmessage>).
pub(crate) const MESSAGE_UNITS_MAX: usize = 4096;
/// What is sent for a text in which nothing prints, because Telegram refuses empty messages.
const NOTHING: &str = "…";
/// A longer line that looks like the start or end of a fence is taken for text, UTF-16 units.
const FENCE_LINE_UNITS_MAX: usize = 64;

/// Cuts a text into messages of at most `units_max` UTF-16 units.
pub(crate) fn split(text: &str, units_max: usize) -> Vec<String> {
    let text: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    let mut splitter =
        Splitter { units_max, messages: Vec::new(), message: String::new(), units: 0, fence: None };
    for line in text.split_inclusive('\n') {
        splitter.push_line(line);
    }
    splitter.finish()
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// An open code block.
#[derive(Clone)]
struct Fence {
    /// The line that opened it, without its end.
    line: String,
    /// Its backticks.
    marker: String,
}

impl Fence {
    /// Units that closing adds: a line end and the marker.
    fn closing_units(&self) -> usize {
        1 + self.marker.len()
    }
}

/// The fence that a line opens.
fn opens(line: &str) -> Option<Fence> {
    let trimmed = line.trim();
    let ticks = trimmed.bytes().take_while(|b| *b == b'`').count();
    let is_fence = ticks >= 3 && !trimmed[ticks..].contains('`') && units(line) <= FENCE_LINE_UNITS_MAX;
    is_fence.then(|| Fence { line: trimmed.to_string(), marker: "`".repeat(ticks) })
}

fn closes(line: &str, fence: &Fence) -> bool {
    let trimmed = line.trim();
    let is_marker = trimmed.len() >= fence.marker.len() && trimmed.bytes().all(|b| b == b'`');
    is_marker && units(line) <= FENCE_LINE_UNITS_MAX
}

struct Splitter {
    units_max: usize,
    messages: Vec<String>,
    message: String,
    units: usize,
    fence: Option<Fence>,
}

impl Splitter {
    fn push_line(&mut self, line: &str) {
        match self.fence.clone() {
            Some(fence) if closes(line, &fence) => {
                // Room for it was kept; the line end after it may go.
                let line = line.trim_end();
                if self.units + units(line) > self.units_max {
                    self.cut();
                }
                self.fence = None;
                self.append(line);
                self.append_if_it_fits("\n");
            }
            Some(_) => self.push_text(line),
            None => match opens(line) {
                Some(fence) => {
                    // An opening at the very end would only be closed again.
                    if self.units + units(line) + fence.closing_units() + self.units_max / 8 > self.units_max
                    {
                        self.cut();
                    }
                    self.append(line);
                    self.fence = Some(fence);
                }
                None => self.push_text(line),
            },
        }
    }

    fn push_text(&mut self, line: &str) {
        let mut rest = line;
        loop {
            let room = self.room();
            if units(rest) <= room {
                self.append(rest);
                return;
            }
            // The end of the line before is a good cut unless it leaves half of a message unused.
            if self.units >= self.units_max / 2 && units(rest) <= self.room_of_fresh() {
                self.cut();
                continue;
            }
            let end = cut_at(rest, room);
            if end == 0 {
                if self.is_fresh() {
                    // Not even one character fits into an empty message; `units_max` is absurd. Better long than lost.
                    self.append(rest);
                    return;
                }
                self.cut();
                continue;
            }
            self.append(&rest[..end]);
            rest = &rest[end..];
            self.cut();
        }
    }

    fn room(&self) -> usize {
        let closing = self.fence.as_ref().map_or(0, Fence::closing_units);
        self.units_max.saturating_sub(self.units + closing)
    }

    fn opening(&self) -> String {
        self.fence.as_ref().map_or(String::new(), |fence| format!("{}\n", fence.line))
    }

    fn room_of_fresh(&self) -> usize {
        let closing = self.fence.as_ref().map_or(0, Fence::closing_units);
        self.units_max.saturating_sub(closing + units(&self.opening()))
    }

    fn is_fresh(&self) -> bool {
        self.message == self.opening()
    }

    fn append(&mut self, text: &str) {
        self.message.push_str(text);
        self.units += units(text);
    }

    fn append_if_it_fits(&mut self, text: &str) {
        if self.units + units(text) <= self.units_max {
            self.append(text);
        }
    }

    /// Ends the message here and goes on in the next.
    fn cut(&mut self) {
        let is_empty = self.is_fresh();
        let mut message = std::mem::take(&mut self.message);
        if let Some(fence) = &self.fence {
            if !message.ends_with('\n') {
                message.push('\n');
            }
            message.push_str(&fence.marker);
        }
        if !is_empty {
            self.keep(&message);
        }
        self.message = self.opening();
        self.units = units(&self.message);
    }

    /// White space around a message is dropped by Telegram; a message of nothing else is refused.
    fn keep(&mut self, message: &str) {
        let message = message.trim_end().trim_start_matches('\n');
        if message.chars().any(prints) {
            self.messages.push(message.to_string());
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.is_fresh() || self.messages.is_empty() {
            let mut message = std::mem::take(&mut self.message);
            if let Some(fence) = &self.fence {
                // An answer that was cut off in a block; without the end the rest of the chat would look like code.
                if !message.ends_with('\n') {
                    message.push('\n');
                }
                message.push_str(&fence.marker);
            }
            self.keep(&message);
        }
        if self.messages.is_empty() {
            self.messages.push(NOTHING.to_string());
        }
        self.messages
    }
}

/// Whether a character leaves a trace; zero-width ones alone make a message that Telegram calls empty.
fn prints(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}')
}

/// Where to cut a text so that the first part has at most `room` units: after a word in the last quarter, else
/// between graphemes, else between characters. 0 when not even one character fits.
fn cut_at(text: &str, room: usize) -> usize {
    let (mut used, mut end, mut word_end) = (0, 0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        let size = units(grapheme);
        if used + size > room {
            break;
        }
        used += size;
        end = at + grapheme.len();
        if grapheme.chars().all(char::is_whitespace) && used >= room / 4 * 3 {
            word_end = end;
        }
    }
    if word_end > 0 {
        return word_end;
    }
    if end > 0 || room < 64 {
        // With little room left a whole grapheme goes to the next message.
        return end;
    }
    for (at, c) in text.char_indices() {
        if used + c.len_utf16() > room {
            break;
        }
        used += c.len_utf16();
        end = at + c.len_utf8();
    }
    end
}

#[cfg(test)]
mod tests;
