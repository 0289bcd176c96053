// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes within JSON (RFC 4648, section 4): how pictures and documents travel to models. Single bytes are read without
//! decoding the whole, because a header is small and a file is not.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of some bytes, padded, without line breaks.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4_usize {
            let six = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            let digit = ALPHABET.get(six).map_or('=', |digit| char::from(*digit));
            text.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

/// One byte of what a text stands for; `None` behind its end and where the text is no base64.
pub fn byte_at(text: &str, at: usize) -> Option<u8> {
    let six = |digit: usize| text.as_bytes().get(at / 3 * 4 + digit).copied().and_then(value);
    let (high, low) = match at % 3 {
        0 => (six(0)? << 2, six(1)? >> 4),
        1 => (six(1)? << 4, six(2)? >> 2),
        _ => (six(2)? << 6, six(3)?),
    };
    Some(high | low)
}

/// Whether a text is whole: full groups, padding at the end only.
pub fn is_whole(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|digit| value(digit).is_some())
}

fn value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, coded) in cases {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert!(is_whole(coded));
        }
        assert_eq!(encode(&[0xFB, 0xFF, 0xBF]), "+/+/");
        for broken in ["Zg=", "Z", "Zg==Zg==", "Z===", "Zm 9", "Zm9_", "Zm\n9"] {
            assert!(!is_whole(broken), "{broken}");
        }
    }

    #[test]
    fn every_byte_is_found_where_it_was() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        for length in [0, 1, 2, 3, 4, 256] {
            let text = encode(&bytes[..length]);
            let read: Vec<u8> = (0..).map_while(|at| byte_at(&text, at)).collect();
            assert_eq!(read, bytes[..length]);
        }
        assert_eq!(byte_at("Z!==", 0), None);
        assert_eq!(byte_at("é", 0), None);
    }
}
