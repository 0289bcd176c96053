// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far the estimate of tokens is off for each model: corrected by what the provider reports with every answer, kept
//! over restarts. Everything that counts tokens before a provider does (caps on history, `blufio context`) uses it.

use std::collections::HashMap;
use std::sync::Mutex;

use blufio_core::model::Usage;
use blufio_core::store::{Store, StoreError};

use crate::shared::lock;

/// How much a new report counts against all before it.
const WEIGHT: f64 = 0.2;
/// Reports beyond these are not about the tokenizer (a proxy that counts nothing, a provider that adds a long prompt).
const RATIO_MIN: f64 = 0.4;
const RATIO_MAX: f64 = 2.5;
/// Prompts so short say little: the frame around them weighs more than their words.
const TOKENS_MIN: u64 = 50;
/// Change of a ratio that is worth a write.
const WRITTEN_FROM: f64 = 0.02;

/// Reported by estimated tokens, by model with its provider.
#[derive(Default)]
pub(crate) struct Estimators(Mutex<HashMap<String, Known>>);

#[derive(Clone, Copy)]
struct Known {
    ratio: f64,
    stored: f64,
}

fn setting_of(model: &str) -> String {
    format!("estimator/{model}")
}

/// The ratio of a model as it is stored; 1 before any report.
pub(crate) async fn stored_ratio(store: &dyn Store, model: &str) -> Result<f64, StoreError> {
    let stored = store.setting(&setting_of(model)).await?;
    let ratio = stored.and_then(|text| text.parse().ok()).filter(|ratio: &f64| ratio.is_finite());
    Ok(ratio.unwrap_or(1.0).clamp(RATIO_MIN, RATIO_MAX))
}

impl Estimators {
    /// Takes a report; what is to be stored, if it changed much.
    pub async fn learn(
        &self,
        store: &dyn Store,
        model: &str,
        estimated_tokens: u64,
        usage: &Usage,
    ) -> Result<(), StoreError> {
        let reported = usage.prompt_tokens();
        let ratio = reported as f64 / estimated_tokens.max(1) as f64;
        if estimated_tokens < TOKENS_MIN || !(RATIO_MIN..=RATIO_MAX).contains(&ratio) {
            return Ok(());
        }
        self.load(store, model).await?;
        let write = {
            let mut known = lock(&self.0);
            let Some(known) = known.get_mut(model) else { return Ok(()) };
            known.ratio += (ratio - known.ratio) * WEIGHT;
            let is_far = (known.ratio - known.stored).abs() >= WRITTEN_FROM;
            is_far.then(|| {
                known.stored = known.ratio;
                known.ratio
            })
        };
        match write {
            Some(ratio) => store.set_setting(&setting_of(model), &format!("{ratio:.4}")).await,
            None => Ok(()),
        }
    }

    async fn load(&self, store: &dyn Store, model: &str) -> Result<(), StoreError> {
        if lock(&self.0).contains_key(model) {
            return Ok(());
        }
        let ratio = stored_ratio(store, model).await?;
        lock(&self.0).entry(model.to_string()).or_insert(Known { ratio, stored: ratio });
        Ok(())
    }

    /// An estimate as the provider would count it.
    pub fn corrected(&self, model: &str, estimated_tokens: i64) -> i64 {
        let ratio = lock(&self.0).get(model).map_or(1.0, |known| known.ratio);
        (estimated_tokens as f64 * ratio).ceil() as i64
    }
}

#[cfg(test)]
mod tests {
    use blufio_core::testing::MemoryStore;

    use super::*;

    fn reported(input_tokens: u64) -> Usage {
        Usage { input_tokens, ..Usage::default() }
    }

    #[tokio::test]
    async fn an_estimate_follows_what_is_reported_and_survives() {
        let store = MemoryStore::default();
        let estimators = Estimators::default();
        assert_eq!(estimators.corrected("a/b", 1_000), 1_000);
        for _ in 0..40 {
            estimators.learn(&store, "a/b", 1_000, &reported(1_300)).await.unwrap();
        }
        let error = (estimators.corrected("a/b", 1_000) - 1_300).abs();
        assert!(error <= 5, "{error}");
        assert_eq!(estimators.corrected("a/other", 1_000), 1_000);
        let ratio = stored_ratio(&store, "a/b").await.unwrap();
        assert!((ratio - 1.3).abs() < 0.03, "{ratio}");
    }

    #[tokio::test]
    async fn reports_that_are_not_about_tokens_teach_nothing() {
        let store = MemoryStore::default();
        let estimators = Estimators::default();
        for (estimated, usage) in [(1_000, reported(0)), (1_000, reported(90_000)), (10, reported(15))] {
            estimators.learn(&store, "a/b", estimated, &usage).await.unwrap();
        }
        assert_eq!(estimators.corrected("a/b", 1_000), 1_000);
    }
}
