// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests are written straight into one buffer: a history of hundreds of turns is put together at every step, and what
//! it consists of stays where it is.

use serde_json::value::RawValue;

/// JSON under way. Commas are the caller's.
#[derive(Debug)]
pub(crate) struct JsonText(Vec<u8>);

impl JsonText {
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Punctuation and names of fields.
    pub fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A string with its quotes.
    pub fn string(&mut self, text: &str) {
        let begin = self.0.len();
        // Writing a string to memory cannot fail; if it ever did, what is sent must still be JSON.
        if serde_json::to_writer(&mut self.0, text).is_err() {
            self.0.truncate(begin);
            self.raw("\"\"");
        }
    }

    /// Somebody's JSON as it is; an empty object where it is none.
    pub fn json(&mut self, text: &str) {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(value) => self.raw(value.get()),
            Err(_) => self.raw("{}"),
        }
    }

    /// Items with commas between them.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.raw("[");
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }

    pub fn into_string(self) -> String {
        String::from_utf8(self.0)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let mut text = JsonText::with_capacity(0);
        text.list(["a\"b\u{1}", "ü"], |text, item| {
            text.raw("{\"s\":");
            text.string(item);
            text.raw(",\"j\":");
            text.json(if item == "ü" { "no json" } else { " [1, 2] " });
            text.raw("}");
        });
        let expected = "[{\"s\":\"a\\\"b\\u0001\",\"j\":[1, 2]},{\"s\":\"ü\",\"j\":{}}]";
        assert_eq!(text.into_string(), expected);
    }
}
