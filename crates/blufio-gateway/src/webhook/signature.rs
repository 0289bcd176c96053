// SPDX-License-Identifier: MIT OR Apache-2.0
//! HMAC-SHA256 over what was posted, in the two forms that senders use: over the body, and over a time and the body.
//! Compared in constant time.

use std::borrow::Cow;

use axum::http::HeaderMap;
use blufio_core::secret::Secret;
use ring::hmac;
use thiserror::Error;

/// Headers that hold a signature. Exactly one of them is there, once.
const HEADERS: [&str; 3] = ["x-hub-signature-256", "x-blufio-signature", "stripe-signature"];
/// Farthest that a signed time lies from now, milliseconds.
const AGE_MS_MAX: u64 = 5 * 60_000;
/// Most signatures in one header (a sender that changes its key signs with both).
const SIGNATURES_MAX: usize = 8;

/// Why a request counts as unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsigned {
    /// No header with a signature.
    #[error(
        "there is no signature: send X-Hub-Signature-256 or X-Blufio-Signature, `sha256=` and the HMAC-SHA256 of the body in hexadecimal"
    )]
    Missing,
    /// More than one, so that nobody knows which one counts.
    #[error("there is more than one signature")]
    Several,
    /// Not in any form that is understood.
    #[error("the signature cannot be read: it is `sha256=HEX`, or `t=SECONDS,v1=HEX` over `SECONDS.BODY`")]
    Unreadable,
    /// Of another time.
    #[error(
        "the signature is of another time: clocks differ by more than 5 minutes, or it is an old request"
    )]
    Old,
    /// It is of another body or another key.
    #[error("the signature does not fit the body and the key")]
    Wrong,
}

/// The one signature of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    /// Signed time as it is written, seconds since 1970.
    time: Option<String>,
    /// Signatures, one of which must fit.
    codes: Vec<[u8; 32]>,
}

impl Signature {
    /// Finds it, before anything of the body is read.
    pub fn of(headers: &HeaderMap) -> Result<Self, Unsigned> {
        let mut found = HEADERS.iter().flat_map(|name| headers.get_all(*name));
        let header = found.next().ok_or(Unsigned::Missing)?;
        if found.next().is_some() {
            return Err(Unsigned::Several);
        }
        let text = header.to_str().map_err(|_| Unsigned::Unreadable)?;
        Self::parse(text).ok_or(Unsigned::Unreadable)
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(code) = text.trim().strip_prefix("sha256=") {
            return Some(Self { time: None, codes: vec![code_of(code)?] });
        }
        let (mut time, mut codes) = (None, Vec::new());
        for part in text.split(',') {
            match part.trim().split_once('=')? {
                ("t", seconds) if time.is_none() => time = Some(seconds.to_string()),
                ("t", _) => return None,
                ("v1", code) => codes.push(code_of(code)?),
                // Other schemes of the same sender.
                _ => {}
            }
        }
        let has_time = time.as_ref().is_some_and(|time| time.len() <= 12 && time.parse::<u64>().is_ok());
        (has_time && !codes.is_empty() && codes.len() <= SIGNATURES_MAX).then_some(Self { time, codes })
    }

    /// Whether it signs this body with this key, now.
    pub fn verify(&self, key: &Secret, body: &[u8], now_ms: i64) -> Result<(), Unsigned> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let signed = match &self.time {
            None => Cow::Borrowed(body),
            Some(time) => {
                let seconds = time.parse::<i64>().map_err(|_| Unsigned::Unreadable)?;
                if seconds.saturating_mul(1_000).abs_diff(now_ms) > AGE_MS_MAX {
                    return Err(Unsigned::Old);
                }
                Cow::Owned([time.as_bytes(), b".", body].concat())
            }
        };
        // Each comparison takes constant time, and all of them are made.
        let fits = |fits: bool, code: &[u8; 32]| fits | hmac::verify(&key, &signed, code).is_ok();
        if self.codes.iter().fold(false, fits) { Ok(()) } else { Err(Unsigned::Wrong) }
    }
}

fn code_of(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let pairs: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect();
    (digits.len() == 64).then(|| pairs.try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a key of sixteen bytes";

    fn signed(text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
        hmac::sign(&key, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(header: &str, body: &str, now_ms: i64) -> Result<(), Unsigned> {
        let mut headers = HeaderMap::new();
        headers.insert("x-blufio-signature", header.parse().unwrap());
        Signature::of(&headers)?.verify(&Secret::new(KEY), body.as_bytes(), now_ms)
    }

    #[test]
    fn the_documented_example_of_github_verifies() {
        // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let mut headers = HeaderMap::new();
        headers.insert("x-hub-signature-256", header.parse().unwrap());
        let key = Secret::new("It's a Secret to Everybody");
        assert_eq!(Signature::of(&headers).unwrap().verify(&key, b"Hello, World!", 0), Ok(()));
    }

    #[test]
    fn a_signed_time_holds_for_five_minutes_and_one_of_several_codes_must_fit() {
        let good = signed("1000.{}");
        let header = format!("t=1000,v1={},v1={good},v0=old", "0".repeat(64));
        for (now_ms, verdict) in [
            (1_000_000, Ok(())),
            (1_300_000, Ok(())),
            (700_000, Ok(())),
            (1_300_001, Err(Unsigned::Old)),
            (699_999, Err(Unsigned::Old)),
        ] {
            assert_eq!(check(&header, "{}", now_ms), verdict, "{now_ms}");
        }
        assert_eq!(check(&header.replace("t=1000", "t=1001"), "{}", 1_000_000), Err(Unsigned::Wrong));
        let plain = format!("sha256={good}");
        assert_eq!(check(&plain, "{}", 1_000_000), Err(Unsigned::Wrong), "no time is dropped from a request");
        assert_eq!(check(&plain, "1000.{}", 0), Ok(()));
    }

    #[test]
    fn g11_what_is_no_signature_is_refused_before_the_body_is_read() {
        let good = signed("{}");
        let short = format!("sha256={}", &good[..63]);
        let long = format!("sha256={good}0");
        let many = format!("t=1,{}", vec![format!("v1={good}"); 9].join(","));
        let hex = format!("sha256={}é", &good[..62]);
        for header in [
            "",
            "sha256=",
            "sha1=abc",
            &good,
            &short,
            &long,
            &many,
            &hex,
            "t=1",
            "v1=",
            "t=,v1=",
            "t=-1,v1=",
            "a,b",
            &format!("t=1,t=2,v1={good}"),
            &format!("t=x,v1={good}"),
            &format!("t=9999999999999,v1={good}"),
        ] {
            let found = check(header, "{}", 0);
            assert_eq!(found, Err(Unsigned::Unreadable), "{header}");
        }
        assert_eq!(check(&format!("sha256={}", "0".repeat(64)), "{}", 0), Err(Unsigned::Wrong));
        let mut headers = HeaderMap::new();
        assert_eq!(Signature::of(&headers), Err(Unsigned::Missing));
        headers.append("x-hub-signature-256", format!("sha256={good}").parse().unwrap());
        assert!(Signature::of(&headers).is_ok());
        headers.append("x-blufio-signature", format!("sha256={good}").parse().unwrap());
        assert_eq!(Signature::of(&headers), Err(Unsigned::Several));
    }
}
