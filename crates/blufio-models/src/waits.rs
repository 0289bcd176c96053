// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long a provider asks to be left alone, from the headers of its refusal. A day at most.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::HeaderMap;

const DAY_MS: u64 = 86_400_000;
/// What Anthropic counts (<https://platform.claude.com/docs/en/api/rate-limits>).
const COUNTED: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

/// `retry-after-ms`, else `retry-after` in whole or decimal seconds (RFC 9110 10.2.3; none of the providers sends the form
/// with a date), else when the last of what is used up is full again.
pub(crate) fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let told = |name: &str, unit_ms: f64| text(headers, name).and_then(|text| waiting_ms(text, unit_ms));
    told("retry-after-ms", 1.0).or_else(|| told("retry-after", 1_000.0)).or_else(|| until_full_ms(headers))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn waiting_ms(text: &str, unit_ms: f64) -> Option<u64> {
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| (number * unit_ms).min(DAY_MS as f64).ceil() as u64)
}

/// `anthropic-ratelimit-…-reset`, against the provider's own clock: ours may be wrong.
fn until_full_ms(headers: &HeaderMap) -> Option<u64> {
    let now = rfc2822::DateTimeParser::new().parse_timestamp(text(headers, "date")?).ok()?;
    let full = |what: &&str| {
        let of = |part: &str| text(headers, &format!("anthropic-ratelimit-{what}-{part}"));
        let is_used_up = of("remaining")?.trim() == "0";
        let full: Timestamp = of("reset")?.trim().parse().ok()?;
        is_used_up.then_some(full)
    };
    let last = COUNTED.iter().filter_map(full).max()?;
    let wait_ms = last.as_millisecond().saturating_sub(now.as_millisecond());
    Some(u64::try_from(wait_ms).unwrap_or(0).min(DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(headers: &[(&'static str, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        retry_after_ms(&map)
    }

    #[test]
    fn m02_waiting_times_are_seconds_or_milliseconds_and_never_absurd() {
        let cases = [
            ("7", Some(7_000)),
            ("0.5", Some(500)),
            ("1e9", Some(86_400_000)),
            ("-1", None),
            ("inf", None),
            ("NaN", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ];
        for (text, expected) in cases {
            assert_eq!(waiting_ms(text, 1_000.0), expected, "{text}");
        }
        assert_eq!(waiting_ms("250", 1.0), Some(250));
    }

    proptest::proptest! {
        #[test]
        fn m02_whatever_a_header_says_nobody_waits_longer_than_a_day(text in "[ 0-9.eE+-]{0,12}|.{0,20}") {
            for unit_ms in [1.0, 1_000.0] {
                proptest::prop_assert!(waiting_ms(&text, unit_ms).is_none_or(|ms| ms <= 86_400_000));
            }
        }
    }

    #[test]
    fn m02_milliseconds_are_believed_before_seconds() {
        assert_eq!(waits(&[("retry-after", "7"), ("retry-after-ms", "1200")]), Some(1_200));
        assert_eq!(waits(&[("retry-after", "7")]), Some(7_000));
        assert_eq!(waits(&[]), None);
    }

    #[test]
    fn m02_without_retry_after_the_last_limit_that_is_used_up_tells() {
        let date = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");
        let requests = [
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:04Z"),
        ];
        let tokens = [
            ("anthropic-ratelimit-tokens-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-21T10:01:00Z"),
        ];
        let left = [
            ("anthropic-ratelimit-input-tokens-remaining", "5"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T11:00:00Z"),
        ];
        let all =
            |parts: &[&[(&'static str, &'static str)]]| waits(&[&[date], parts.concat().as_slice()].concat());
        assert_eq!(all(&[&requests]), Some(4_000));
        assert_eq!(all(&[&requests, &tokens, &left]), Some(60_000));
        assert_eq!(all(&[&left]), None, "there is something left of it");
        assert_eq!(waits(&requests), None, "nobody knows what time it is there");
        let past = [
            ("anthropic-ratelimit-tokens-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "2020-01-01T00:00:00Z"),
        ];
        assert_eq!(all(&[&past]), Some(0));
        let odd =
            [("anthropic-ratelimit-tokens-remaining", "0"), ("anthropic-ratelimit-tokens-reset", "tomorrow")];
        assert_eq!(all(&[&odd]), None);
    }
}
