// SPDX-License-Identifier: MIT OR Apache-2.0
//! Amounts of money for people. They are whole millionths of a dollar and never become a floating-point number.

/// Digits behind the point of the smallest amount that counts.
const DECIMALS_MAX: u32 = 6;

/// Digits behind the point that show four significant ones of an amount, or all that it has; at least two.
fn decimals(usd_micros: i64) -> u32 {
    let amount = usd_micros.unsigned_abs();
    if amount == 0 { 2 } else { 9_u32.saturating_sub(amount.ilog10()).clamp(2, DECIMALS_MAX) }
}

/// An amount with so many digits behind the point, rounded half up.
fn with(usd_micros: i64, decimals: u32) -> String {
    let unit = 10_u64.pow(DECIMALS_MAX.saturating_sub(decimals));
    let rounded = usd_micros.unsigned_abs().saturating_add(unit / 2) / unit;
    let whole = 10_u64.pow(decimals);
    let sign = if usd_micros < 0 { "-" } else { "" };
    let width = decimals as usize;
    format!("{sign}{}.{:0width$}", rounded / whole, rounded % whole)
}

/// An amount with at least four significant digits.
pub fn usd(usd_micros: i64) -> String {
    with(usd_micros, decimals(usd_micros))
}

/// Amounts below each other: with as many digits as the smallest needs.
pub fn column(amounts: &[i64]) -> Vec<String> {
    let decimals = amounts.iter().map(|amount| decimals(*amount)).max().unwrap_or(2);
    amounts.iter().map(|amount| with(*amount, decimals)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_show_four_digits() {
        let pairs = [
            (0, "0.00"),
            (7, "0.000007"),
            (1_234, "0.001234"),
            (12_345, "0.01235"),
            (123_456, "0.1235"),
            (1_234_567, "1.235"),
            (12_345_678, "12.35"),
            (999_999_999, "1000.00"),
            (i64::MAX, "9223372036854.78"),
            (-1_500_000, "-1.500"),
        ];
        for (amount, words) in pairs {
            assert_eq!(usd(amount), words);
        }
        assert_eq!(column(&[20_000_000, 1_234, 0]), ["20.000000", "0.001234", "0.000000"]);
        assert_eq!(column(&[]), [""; 0]);
    }
}
