// SPDX-License-Identifier: MIT OR Apache-2.0
//! The code by which the owner proves to be at the server's terminal. Pure: randomness and time come from the caller.

use std::fmt;
use std::hint::black_box;

use crate::message::UnixMs;

/// Characters of a code: 40 bits.
pub const CODE_CHARACTERS: usize = 8;
/// Wrong tries after which a code is burned.
pub const WRONG_TRIES_MAX: u32 = 5;
/// How long a code is good, milliseconds.
pub const VALID_MS: i64 = 15 * 60 * 1000;
/// A wall clock may be set back a little without burning the code, milliseconds.
const SET_BACK_MS: i64 = 60 * 1000;

/// Crockford's base 32 (<https://www.crockford.com/base32.html>): no I, L, O, U; what people read instead is understood.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code that pairs the owner: single use, burned after five wrong tries, good for a quarter of an hour.
pub struct PairingCode {
    code: [u8; CODE_CHARACTERS],
    created_ms: UnixMs,
    wrong_tries: u32,
    is_spent: bool,
}

impl PairingCode {
    /// A code from eight random bytes of the operating system.
    pub fn from_random(random: [u8; CODE_CHARACTERS], now_ms: UnixMs) -> Self {
        let code = random.map(|byte| ALPHABET[usize::from(byte % 32)]);
        Self { code, created_ms: now_ms, wrong_tries: 0, is_spent: false }
    }

    /// The code for the terminal, never for a log.
    pub fn text(&self) -> String {
        self.code.iter().map(|byte| char::from(*byte)).collect()
    }

    /// Whether a try can still succeed.
    pub fn is_live(&self, now_ms: UnixMs) -> bool {
        let age_ms = now_ms.saturating_sub(self.created_ms);
        !self.is_spent && self.wrong_tries < WRONG_TRIES_MAX && (-SET_BACK_MS..VALID_MS).contains(&age_ms)
    }

    /// Tries what somebody typed after `/start`; true once at most. The time it takes does not depend on how much of
    /// the code is right.
    pub fn matches(&mut self, typed: &str, now_ms: UnixMs) -> bool {
        if !self.is_live(now_ms) {
            return false;
        }
        let mut tried = [0_u8; CODE_CHARACTERS];
        let mut count = 0;
        for byte in typed.bytes().filter_map(normal) {
            if let Some(place) = tried.get_mut(count) {
                *place = byte;
            }
            count += 1;
        }
        let difference = tried.iter().zip(&self.code).fold(0_u8, |sum, (a, b)| black_box(sum | (a ^ b)));
        let is_right = black_box(difference) == 0 && count == CODE_CHARACTERS;
        if is_right {
            self.is_spent = true;
        } else {
            self.wrong_tries += 1;
        }
        is_right
    }
}

/// What a typed byte means; spaces and hyphens mean nothing.
fn normal(byte: u8) -> Option<u8> {
    match byte.to_ascii_uppercase() {
        b' ' | b'-' => None,
        b'O' => Some(b'0'),
        b'I' | b'L' => Some(b'1'),
        other => Some(other),
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> PairingCode {
        PairingCode::from_random([1, 33, 0, 31, 10, 20, 200, 255], 1_000)
    }

    #[test]
    fn a_code_is_readable_and_works_once() {
        let mut code = code();
        assert_eq!(code.text(), "110ZAM8Z");
        assert_eq!(format!("{code:?}"), "PairingCode(…)");
        assert!(code.matches("iLoz-am8z", 2_000));
        assert!(!code.matches("110ZAM8Z", 2_000));
    }

    #[test]
    fn five_wrong_tries_burn_it() {
        let mut code = code();
        for wrong in ["", "110ZAM8", "110ZAM8Z0", "110ZAM8Y", "ää"] {
            assert!(!code.matches(wrong, 2_000), "{wrong}");
        }
        assert!(!code.matches("110ZAM8Z", 2_000));
        let mut fresh = self::code();
        for _ in 1..WRONG_TRIES_MAX {
            assert!(!fresh.matches("wrong", 2_000));
        }
        assert!(fresh.matches("110ZAM8Z", 2_000));
    }

    #[test]
    fn it_expires_and_does_not_come_back_with_the_clock() {
        assert!(code().matches("110ZAM8Z", 1_000 + VALID_MS - 1));
        assert!(!code().matches("110ZAM8Z", 1_000 + VALID_MS));
        assert!(code().matches("110ZAM8Z", 1_000 - SET_BACK_MS));
        assert!(!code().matches("110ZAM8Z", 999 - SET_BACK_MS));
    }
}
