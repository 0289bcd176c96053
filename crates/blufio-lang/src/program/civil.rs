// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dates, times, durations and money between numbers and text. UTC only: zones belong to the runtime. The calendar
//! arithmetic is Howard Hinnant's, "chrono-Compatible Low-Level Date Algorithms".

use crate::value::Currency;

const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01 of a date that exists; `None` otherwise.
pub fn days_from_date(year: i64, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn date_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_shifted + 2) / 5 + 1) as u32;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `2026-11-21`.
pub fn print_date(days: i32) -> String {
    let (year, month, day) = date_from_days(i64::from(days));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `08:30`.
pub fn print_time(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `2026-11-21T08:30:00Z`, with milliseconds where there are any.
pub fn print_moment(moment_ms: i64) -> String {
    let (days, of_day) = (moment_ms.div_euclid(DAY_MS), moment_ms.rem_euclid(DAY_MS));
    let (year, month, day) = date_from_days(days);
    let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// `2026-11-21 09:30` in a zone; `None` for a zone or a moment that does not exist.
pub fn print_moment_in(moment_ms: i64, zone: &str) -> Option<String> {
    let zoned = jiff::Timestamp::from_millisecond(moment_ms).ok()?.in_tz(zone).ok()?;
    Some(zoned.strftime("%Y-%m-%d %H:%M").to_string())
}

/// `4h 30m`; parts that are zero are left out.
pub fn print_duration(duration_ms: i64) -> String {
    let mut rest = duration_ms.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    match (parts.is_empty(), duration_ms < 0) {
        (true, _) => "0s".into(),
        (_, true) => format!("-{}", parts.join(" ")),
        _ => parts.join(" "),
    }
}

/// `20.00`, without the currency.
pub fn print_amount(minor: i64, currency: Currency) -> String {
    let per_unit = currency.minor_per_unit().unsigned_abs();
    let sign = if minor < 0 { "-" } else { "" };
    let (units, rest) = (minor.unsigned_abs() / per_unit, minor.unsigned_abs() % per_unit);
    match per_unit.ilog10() as usize {
        0 => format!("{sign}{units}"),
        digits => format!("{sign}{units}.{rest:0digits$}"),
    }
}

/// Minor units of `20`, `20.5` or `-20.00`; `None` for anything else and for more digits than the currency has.
pub fn parse_amount(text: &str, currency: Currency) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) {
        return None;
    }
    let places = currency.minor_per_unit().ilog10() as usize;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > places {
        return None;
    }
    let minor: i64 = if places == 0 { 0 } else { format!("{fraction:0<places$}").parse().ok()? };
    let total = whole.parse::<i64>().ok()?.checked_mul(currency.minor_per_unit())?.checked_add(minor)?;
    Some(if negative { -total } else { total })
}

/// Exactly `count` digits at the beginning, and what follows them.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (head, rest) = text.split_at_checked(count)?;
    if head.bytes().all(|b| b.is_ascii_digit()) { Some((head.parse().ok()?, rest)) } else { None }
}

/// Days of `2026-11-21`.
pub fn parse_date(text: &str) -> Option<i32> {
    let (days, rest) = date_prefix(text)?;
    rest.is_empty().then_some(days)
}

fn date_prefix(text: &str) -> Option<(i32, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    Some((days_from_date(i64::from(year), month, day)?, rest))
}

fn time_prefix(text: &str) -> Option<(u32, &str)> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    (hour < 24 && minute < 60).then_some((hour * 60 + minute, rest))
}

/// Minutes of `08:30` or `08:30:00`.
pub fn parse_time(text: &str) -> Option<u32> {
    let (minutes, rest) = time_prefix(text)?;
    matches!(rest, "" | ":00").then_some(minutes)
}

/// Milliseconds of an RFC 3339 moment: date, time with seconds, and an offset or `Z`.
pub fn parse_moment(text: &str) -> Option<i64> {
    let (days, rest) = date_prefix(text)?;
    let (minutes, rest) = time_prefix(rest.strip_prefix(['T', 't', ' '])?)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
    if second > 60 {
        return None;
    }
    let (millis, rest) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(fraction) => {
            let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let (shown, rest) = fraction.split_at_checked(length)?;
            if length == 0 {
                return None;
            }
            (format!("{shown:0<3}").get(..3)?.parse::<i64>().ok()?, rest)
        }
    };
    let offset_minutes = match rest.strip_prefix(['+', '-']) {
        None => matches!(rest, "Z" | "z").then_some(0)?,
        Some(offset) => {
            let (offset, end) = time_prefix(offset)?;
            end.is_empty().then_some(if rest.starts_with('-') {
                -i64::from(offset)
            } else {
                i64::from(offset)
            })?
        }
    };
    let local_minutes = i64::from(days) * 1_440 + i64::from(minutes);
    Some((local_minutes - offset_minutes) * 60_000 + i64::from(second.min(59)) * 1_000 + millis)
}

/// Milliseconds of `1d 4h 30m`, `90s` or `250ms`; each unit at most once, the largest first.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, text) = text.trim().strip_prefix('-').map_or((false, text.trim()), |rest| (true, rest));
    let units = [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let (mut total, mut next, mut rest) = (0i64, 0, text);
    while !rest.is_empty() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(length)?;
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let at = units.iter().position(|(name, _)| *name == unit)?;
        if at < next {
            return None;
        }
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(units.get(at)?.1)?)?;
        next = at + 1;
        rest = after.trim_start();
    }
    if next == 0 { None } else { Some(if negative { -total } else { total }) }
}

/// Minutes after midnight of a moment in a zone; `None` for a zone or a moment that does not exist.
pub fn time_of_day(moment_ms: i64, zone: &str) -> Option<i64> {
    let zoned = jiff::Timestamp::from_millisecond(moment_ms).ok()?.in_tz(zone).ok()?;
    Some(i64::from(zoned.hour()) * 60 + i64::from(zoned.minute()))
}

/// Milliseconds from a moment until the next such time of day in a zone, at least one. In a gap the first moment behind
/// it counts, in a fold the first of the two (the rule of Vixie cron).
pub fn until_time(moment_ms: i64, minutes: i64, zone: &str) -> Option<i64> {
    let minutes = minutes.rem_euclid(24 * 60);
    let now = jiff::Timestamp::from_millisecond(moment_ms).ok()?.in_tz(zone).ok()?;
    let time = jiff::civil::Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
    let mut date = now.date();
    for _ in 0..3 {
        let at = now.time_zone().to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()?;
        let due_ms = at.timestamp().as_millisecond();
        if due_ms > moment_ms {
            return Some(due_ms - moment_ms);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_goes_both_ways_over_centuries() {
        for days in (-200_000..200_000).step_by(37) {
            let (year, month, day) = date_from_days(days);
            assert_eq!(days_from_date(year, month, day), Some(days as i32));
        }
        assert_eq!(days_from_date(2026, 2, 29), None);
        assert_eq!(days_from_date(2024, 2, 29).map(print_date).as_deref(), Some("2024-02-29"));
        assert_eq!(days_from_date(2026, 13, 1), None);
    }

    #[test]
    fn moments_need_an_offset() {
        assert_eq!(parse_moment("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse_moment("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(parse_moment("2026-11-21T08:30:00"), None);
        assert_eq!(parse_moment("2026-11-21T24:30:00Z"), None);
        let moment = parse_moment("2026-11-21T08:30:00.250Z").unwrap();
        assert_eq!(print_moment(moment), "2026-11-21T08:30:00.250Z");
    }

    #[test]
    fn durations_and_amounts_go_both_ways() {
        for ms in [0, 1, 999, 1_000, 90_000, 16_200_000, 90_061_001, -60_000] {
            assert_eq!(parse_duration(&print_duration(ms)), Some(ms), "{ms}");
        }
        assert_eq!(print_duration(16_200_000), "4h 30m");
        assert_eq!(parse_duration("30m 4h"), None);
        assert_eq!(parse_duration(""), None);
        let (euro, yen) = (Currency::named("eur").unwrap(), Currency::named("jpy").unwrap());
        assert_eq!(print_amount(2_000, euro), "20.00");
        assert_eq!(print_amount(-5, euro), "-0.05");
        assert_eq!(print_amount(2_000, yen), "2000");
        assert_eq!(parse_amount("20.5", euro), Some(2_050));
        assert_eq!(parse_amount("-0.05", euro), Some(-5));
        assert_eq!(parse_amount("20.005", euro), None);
        assert_eq!(parse_amount("1e3", euro), None);
        assert_eq!(parse_amount("99999999999999999999", euro), None);
        assert_eq!(parse_amount("7.00", yen), Some(7));
    }
}
