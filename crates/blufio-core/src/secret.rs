// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secrets as a type that cannot be printed, compared or serialised.

use std::fmt;

/// A secret text. Its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes over a text; surrounding white space (a trailing newline from a file) is not part of the secret.
    pub fn new(text: &str) -> Self {
        Self(text.trim().as_bytes().into())
    }

    /// The text, for the last hop of a request only.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from removing the overwrite of memory that is about to be freed.
        std::hint::black_box(&self.0);
    }
}
