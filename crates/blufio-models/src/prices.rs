// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prices and windows of models, from a dated table and from the operator's. A model that is in neither has no price,
//! and a program that names it is refused.

mod read;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use blufio_core::model::Usage;
use thiserror::Error;

/// The table of this version. It is read by a test, so that it is never empty.
static BUILT_IN: LazyLock<Prices> =
    LazyLock::new(|| Prices { models: read::table(include_str!("prices.toml")).unwrap_or_default() });

/// Dollars per million tokens of one kind of prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rates {
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write_5m: f64,
    cache_write_1h: f64,
}

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Price {
    Free,
    Rates {
        short: Rates,
        /// Prices of prompts above so many tokens.
        long: Option<(u64, Rates)>,
    },
}

/// A model of the table.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    date: String,
    price: Price,
    window: Window,
}

/// How much a model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Prompt and answer together, tokens.
    pub context_tokens: u32,
    /// The longest answer, tokens.
    pub output_tokens_max: u32,
    /// Least tokens of a prefix that the provider caches, where that is known.
    pub cache_tokens_min: Option<u32>,
}

/// The dearest a million tokens can be, millionths of a US dollar: what a bound is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dearest {
    /// A prompt that is written to the cache for five minutes, or read for the first time.
    pub input_micro_usd_per_million: u64,
    /// A prompt that is written to the cache for an hour.
    pub kept_input_micro_usd_per_million: u64,
    /// An answer.
    pub output_micro_usd_per_million: u64,
}

/// Why a table of prices cannot be used. `model` is as written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// Not TOML, or not of the table's form.
    #[error("the price table cannot be read: {0}")]
    Form(String),
    /// A key that the table does not know.
    #[error("`{key}` of model `{model}` is not a key of the price table; keys are {known}")]
    UnknownKey {
        /// The model.
        model: String,
        /// The key.
        key: String,
        /// All keys.
        known: String,
    },
    /// A key that has to be there.
    #[error("model `{model}` has no `{key}`: {hint}")]
    Missing {
        /// The model.
        model: String,
        /// The key.
        key: String,
        /// What to write.
        hint: String,
    },
    /// A value that cannot be meant.
    #[error("`{key}` of model `{model}` cannot be {value}: {reason}")]
    Value {
        /// The model.
        model: String,
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A name without a provider.
    #[error("model `{0}` has no provider: write `PROVIDER/MODEL`")]
    Name(String),
}

impl PriceError {
    /// The model that it is about.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Form(_) => None,
            Self::UnknownKey { model, .. } | Self::Missing { model, .. } | Self::Value { model, .. } => {
                Some(model)
            }
            Self::Name(model) => Some(model),
        }
    }
}

/// Prices and windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    models: BTreeMap<String, Entry>,
}

impl Prices {
    /// The table of this version.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The table of this version with an operator's models in it: TOML of the same form. A model of the operator's
    /// replaces the whole model of that name.
    pub fn with_overrides(text: &str) -> Result<Self, PriceError> {
        let mut prices = Self::built_in().clone();
        prices.models.extend(read::table(text)?);
        Ok(prices)
    }

    /// Names of all models, with their providers.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The day on which a model's price was looked up.
    pub fn date(&self, model: &str) -> Option<&str> {
        self.find(model).next().map(|entry| entry.date.as_str())
    }

    /// How much a model holds; `None` for a model that is not in the table.
    pub fn window(&self, model: &str) -> Option<Window> {
        // Of several models with one bare name, the smallest.
        self.find(model).map(|entry| entry.window).min_by_key(|window| window.context_tokens)
    }

    /// Whether a model costs nothing.
    pub fn is_free(&self, model: &str) -> bool {
        let mut entries = self.find(model).peekable();
        entries.peek().is_some() && entries.all(|entry| entry.price == Price::Free)
    }

    /// Price of one attempt in millionths of a US dollar, rounded up; `None` where no price is known. `model` may carry
    /// its provider; a date behind the name of the model that answered is not part of its name. A bare name that
    /// several providers have costs as with the dearest.
    pub fn usd_micros(&self, model: &str, usage: &Usage) -> Option<i64> {
        self.find(model).map(|entry| entry.price.of(usage)).max()
    }

    /// Price of one attempt: by the model that answered, at the provider that was asked; by the model that was asked
    /// where the other has no price (a local server reports the path of a file).
    pub fn charge(&self, asked: &str, answered: &str, usage: &Usage) -> Option<i64> {
        let provider = asked.split_once('/').map_or("", |(provider, _)| provider);
        let full = format!("{provider}/{answered}");
        if let Some(entry) = self.exact(&full) {
            return Some(entry.price.of(usage));
        }
        self.usd_micros(asked, usage).or_else(|| self.usd_micros(answered, usage))
    }

    /// The dearest way a model can be used. `long_*` prices are in it where the window allows such prompts and
    /// `prompt_tokens_max` exceeds their limit.
    pub fn dearest(&self, model: &str, prompt_tokens_max: u64) -> Option<Dearest> {
        let of = |entry: &Entry| match entry.price {
            Price::Free => Dearest {
                input_micro_usd_per_million: 0,
                kept_input_micro_usd_per_million: 0,
                output_micro_usd_per_million: 0,
            },
            Price::Rates { short, long } => {
                let long = long.filter(|(above, _)| prompt_tokens_max > *above).map(|(_, rates)| rates);
                let all = [Some(short), long];
                let most = |pick: fn(&Rates) -> f64| {
                    let dollars = all.iter().flatten().map(pick).fold(0.0, f64::max);
                    // Saturates; prices are checked to be far below.
                    (dollars * 1e6).ceil() as u64
                };
                Dearest {
                    input_micro_usd_per_million: most(|r| r.input.max(r.cache_read).max(r.cache_write_5m)),
                    kept_input_micro_usd_per_million: most(|r| {
                        r.input.max(r.cache_read).max(r.cache_write_5m).max(r.cache_write_1h)
                    }),
                    output_micro_usd_per_million: most(|r| r.output),
                }
            }
        };
        self.find(model)
            .map(of)
            .max_by_key(|d| (d.input_micro_usd_per_million, d.output_micro_usd_per_million))
    }

    /// Entries of a name: the one of that full name, else all of that bare name.
    fn find(&self, model: &str) -> impl Iterator<Item = &Entry> {
        let exact = self.exact(model);
        let bare = self.models.iter().filter(move |(known, _)| {
            exact.is_none()
                && known
                    .split_once('/')
                    .is_some_and(|(_, bare)| bare == model || Some(bare) == undated(model))
        });
        exact.into_iter().chain(bare.map(|(_, entry)| entry))
    }

    fn exact(&self, model: &str) -> Option<&Entry> {
        self.models.get(model).or_else(|| self.models.get(undated(model)?))
    }
}

impl Price {
    /// Price of an attempt, millionths of a dollar, rounded up.
    fn of(&self, usage: &Usage) -> i64 {
        let Self::Rates { short, long } = self else { return 0 };
        let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
        let prompt = usage.input_tokens.saturating_add(cached);
        let rates = long.as_ref().filter(|(above, _)| prompt > *above).map_or(short, |(_, rates)| rates);
        let kept = usage.cache_write_1h_tokens.min(usage.cache_write_tokens);
        // Dollars per million tokens are millionths of a dollar per token.
        let total = usage.input_tokens as f64 * rates.input
            + usage.cache_write_tokens.saturating_sub(kept) as f64 * rates.cache_write_5m
            + kept as f64 * rates.cache_write_1h
            + usage.cache_read_tokens as f64 * rates.cache_read
            + usage.output_tokens as f64 * rates.output;
        total.ceil().clamp(0.0, 9e15) as i64
    }
}

/// A name without the date of its snapshot: `-20261007` or `-2026-10-07`.
fn undated(model: &str) -> Option<&str> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, last) = model.rsplit_once('-')?;
    if digits(last, 8) {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(rest)
}

/// Date of the built-in table.
pub fn table_date() -> &'static str {
    read::date_of(include_str!("prices.toml"))
}

/// [`Prices::usd_micros`] of the built-in table.
pub fn usd_micros(model: &str, usage: &Usage) -> Option<i64> {
    BUILT_IN.usd_micros(model, usage)
}

#[cfg(test)]
mod tests;
