// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prices of models, from a dated table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use blufio_core::model::Usage;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Table {
    date: String,
    models: BTreeMap<String, Price>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    input: f64,
    output: f64,
    cache_read: f64,
    long_above_tokens: Option<u64>,
    long_input: Option<f64>,
    long_output: Option<f64>,
    long_cache_read: Option<f64>,
}

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| toml::from_str(include_str!("prices.toml")).ok());

/// Writing to the five-minute cache costs a quarter more than plain input.
const CACHE_WRITE_FACTOR: f64 = 1.25;

/// Date of the table.
pub fn table_date() -> &'static str {
    TABLE.as_ref().map_or("unknown", |t| t.date.as_str())
}

/// Price of one attempt in millionths of a US dollar, rounded up; `None` where no price is known. `model` may carry its
/// provider; a dated suffix of the model that answered (`-20261007`) is not part of its name.
pub fn usd_micros(model: &str, usage: &Usage) -> Option<i64> {
    let table = TABLE.as_ref()?;
    let dated = model
        .rsplit_once('-')
        .filter(|(_, suffix)| suffix.len() == 8 && suffix.bytes().all(|b| b.is_ascii_digit()));
    let named = |name: &str| {
        table
            .models
            .iter()
            .find(|(known, _)| *known == name || known.split_once('/').is_some_and(|(_, bare)| bare == name))
    };
    let (_, price) = named(model).or_else(|| named(dated?.0))?;
    let prompt =
        usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
    let is_long = price.long_above_tokens.is_some_and(|above| prompt > above);
    let choose = |short: f64, long: Option<f64>| if is_long { long.unwrap_or(short) } else { short };
    let input = choose(price.input, price.long_input);
    // Dollars per million tokens are millionths of a dollar per token.
    let total = usage.input_tokens as f64 * input
        + usage.cache_write_tokens as f64 * input * CACHE_WRITE_FACTOR
        + usage.cache_read_tokens as f64 * choose(price.cache_read, price.long_cache_read)
        + usage.output_tokens as f64 * choose(price.output, price.long_output);
    Some(total.ceil().clamp(0.0, 9e15) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_per_million_tokens_and_know_long_prompts() {
        assert!(TABLE.is_some());
        let usage = Usage { input_tokens: 1_000, output_tokens: 100, ..Usage::default() };
        assert_eq!(usd_micros("anthropic/claude-haiku-5-5", &usage), Some(150));
        assert_eq!(usd_micros("anthropic/claude-haiku-5-5-20261007", &usage), Some(150));
        assert_eq!(usd_micros("claude-haiku-5-5", &usage), Some(150));
        assert_eq!(usd_micros("anthropic/unknown", &usage), None);
        let long = Usage { input_tokens: 200_000, ..Usage::default() };
        assert_eq!(usd_micros("anthropic/claude-haiku-5-5", &long), Some(100_000));
        let absurd = Usage { input_tokens: u64::MAX, ..Usage::default() };
        assert!(usd_micros("anthropic/claude-opus-5", &absurd).unwrap() > 0);
    }
}
