// SPDX-License-Identifier: MIT OR Apache-2.0
//! From TOML to a table of prices. Every value is looked at: a price decides about budgets, so that none is guessed.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Entry, Price, PriceError, Rates, Window};

const RATES: [&str; 5] = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];
const LONG_RATES: [&str; 5] =
    ["long_input", "long_output", "long_cache_read", "long_cache_write_5m", "long_cache_write_1h"];
const LONG_ABOVE: &str = "long_above_tokens";
const OTHERS: [&str; 5] = ["free", "date", "context_tokens", "output_tokens_max", "cache_tokens_min"];

/// No model costs a hundred thousand dollars a million tokens: more is a price in another unit.
const DOLLARS_MAX: f64 = 100_000.0;

/// Reads a table.
pub(super) fn table(text: &str) -> Result<BTreeMap<String, Entry>, PriceError> {
    let table: Table = toml::from_str(text).map_err(|error| PriceError::Form(error.message().to_string()))?;
    let mut date = "";
    let mut models = &Table::new();
    for (key, value) in &table {
        match (key.as_str(), value) {
            ("date", Value::String(day)) => date = day,
            ("models", Value::Table(all)) => models = all,
            ("date", _) => return Err(PriceError::Form("`date` is a text like \"2026-10-08\"".into())),
            ("models", _) => {
                return Err(PriceError::Form("models are written as `[models.\"PROVIDER/MODEL\"]`".into()));
            }
            (other, _) => {
                let words = format!("`{other}` is not known here; there are `date` and `[models.…]`");
                return Err(PriceError::Form(words));
            }
        }
    }
    let mut out = BTreeMap::new();
    for (name, value) in models {
        let named = name.split_once('/').is_some_and(|(provider, model)| {
            !provider.is_empty() && !model.is_empty() && !name.contains(char::is_whitespace)
        });
        if !named {
            return Err(PriceError::Name(name.clone()));
        }
        let Value::Table(fields) = value else {
            return Err(PriceError::Form(format!("model `{name}` is not a table")));
        };
        out.insert(name.clone(), Model { name, fields }.entry(date)?);
    }
    Ok(out)
}

/// The date of a table.
pub(super) fn date_of(text: &'static str) -> &'static str {
    let line = text.lines().find_map(|line| line.strip_prefix("date = "));
    line.map_or("unknown", |date| date.trim_matches('"'))
}

struct Model<'a> {
    name: &'a str,
    fields: &'a Table,
}

impl Model<'_> {
    fn entry(&self, date: &str) -> Result<Entry, PriceError> {
        let known = || RATES.iter().chain(&LONG_RATES).chain([&LONG_ABOVE]).chain(&OTHERS);
        if let Some(key) = self.fields.keys().find(|key| !known().any(|k| *k == key.as_str())) {
            return Err(PriceError::UnknownKey {
                model: self.name.to_string(),
                key: key.clone(),
                known: known().copied().collect::<Vec<_>>().join(", "),
            });
        }
        let date = match self.fields.get("date") {
            None => date,
            Some(Value::String(day)) => day,
            Some(other) => return Err(self.wrong("date", other, "it is a text like \"2026-10-08\"")),
        };
        let window = Window {
            context_tokens: self.tokens("context_tokens")?,
            output_tokens_max: self.tokens("output_tokens_max")?,
            cache_tokens_min: match self.fields.contains_key("cache_tokens_min") {
                true => Some(self.tokens("cache_tokens_min")?),
                false => None,
            },
        };
        if window.output_tokens_max > window.context_tokens {
            let value = Value::Integer(i64::from(window.output_tokens_max));
            return Err(self.wrong("output_tokens_max", &value, "it exceeds `context_tokens`"));
        }
        Ok(Entry { date: date.to_string(), price: self.price()?, window })
    }

    fn price(&self) -> Result<Price, PriceError> {
        match self.fields.get("free") {
            None | Some(Value::Boolean(false)) => {}
            Some(Value::Boolean(true)) => {
                let priced = RATES.iter().chain(&LONG_RATES).chain([&LONG_ABOVE]);
                return match priced.into_iter().find(|key| self.fields.contains_key(**key)) {
                    None => Ok(Price::Free),
                    Some(key) => Err(self.wrong(
                        key,
                        self.fields.get(*key).unwrap_or(&Value::Boolean(true)),
                        "a free model has no prices",
                    )),
                };
            }
            Some(other) => return Err(self.wrong("free", other, "it is true or false")),
        }
        let short = self.rates(RATES)?;
        let has_long = self.fields.contains_key(LONG_ABOVE)
            || LONG_RATES.iter().any(|key| self.fields.contains_key(*key));
        let long = match has_long {
            true => Some((u64::from(self.tokens(LONG_ABOVE)?), self.rates(LONG_RATES)?)),
            false => None,
        };
        Ok(Price::Rates { short, long })
    }

    fn rates(&self, keys: [&str; 5]) -> Result<Rates, PriceError> {
        let [input, output, cache_read, cache_write_5m, cache_write_1h] = keys;
        Ok(Rates {
            input: self.dollars(input)?,
            output: self.dollars(output)?,
            cache_read: self.dollars(cache_read)?,
            cache_write_5m: self.dollars(cache_write_5m)?,
            cache_write_1h: self.dollars(cache_write_1h)?,
        })
    }

    fn dollars(&self, key: &str) -> Result<f64, PriceError> {
        let value = self.fields.get(key).ok_or_else(|| self.missing(key))?;
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => return Err(self.wrong(key, value, "it is a number of US dollars per million tokens")),
        };
        match number {
            n if !n.is_finite() => Err(self.wrong(key, value, "a price is a finite number")),
            n if n < 0.0 => Err(self.wrong(key, value, "a price is not negative")),
            n if n > DOLLARS_MAX => Err(self.wrong(key, value, "prices are US dollars per million tokens")),
            n => Ok(n),
        }
    }

    fn tokens(&self, key: &str) -> Result<u32, PriceError> {
        let value = self.fields.get(key).ok_or_else(|| self.missing(key))?;
        let number = value.as_integer().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        number.ok_or_else(|| self.wrong(key, value, "it is a whole number of tokens, at least 1"))
    }

    fn missing(&self, key: &str) -> PriceError {
        let hint = match key {
            "context_tokens" | "output_tokens_max" => "windows are needed for every model",
            "cache_read" | "cache_write_5m" | "cache_write_1h" => {
                "write the price of `input` where the provider makes no difference"
            }
            key if key.starts_with("long_") => "prices of long prompts are given all or none",
            _ => "write all prices, or `free = true`",
        };
        PriceError::Missing { model: self.name.to_string(), key: key.to_string(), hint: hint.to_string() }
    }

    fn wrong(&self, key: &str, value: &Value, reason: &str) -> PriceError {
        let value: String = value.to_string().chars().take(60).collect();
        PriceError::Value {
            model: self.name.to_string(),
            key: key.to_string(),
            value,
            reason: reason.to_string(),
        }
    }
}
