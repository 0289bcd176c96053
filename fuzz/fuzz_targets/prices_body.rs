// SPDX-License-Identifier: MIT OR Apache-2.0
// Included by the fuzz target `prices` and by the tests of blufio-models: any text as an operator's table of prices.

use blufio_core::model::Usage;
use blufio_models::prices::Prices;

/// A table is refused with words, or every price in it is one that a bound can be made of.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let prices = match Prices::with_overrides(text) {
        Ok(prices) => prices,
        Err(refused) => return assert!(!refused.to_string().trim().is_empty()),
    };
    // Sizes of a prompt and an answer that differ with the input.
    let size = |at: usize| data.get(at).map_or(0, |byte| 1_u64 << (byte % 32));
    let usages = [
        Usage { input_tokens: size(0), output_tokens: size(1), ..Usage::default() },
        Usage {
            cache_read_tokens: size(2),
            cache_write_tokens: size(3),
            cache_write_1h_tokens: size(4),
            input_tokens: 1,
            output_tokens: 1,
        },
    ];
    for model in prices.models() {
        for usage in &usages {
            let prompt_tokens = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
            let price = prices.usd_micros(model, usage);
            let dearest = prices.dearest(model, prompt_tokens);
            let (Some(price), Some(dearest)) = (price, dearest) else { panic!("`{model}` has no price") };
            let kept = usage.cache_write_1h_tokens.min(usage.cache_write_tokens);
            let most = u128::from(prompt_tokens - kept) * u128::from(dearest.input_micro_usd_per_million)
                + u128::from(kept) * u128::from(dearest.kept_input_micro_usd_per_million)
                + u128::from(usage.output_tokens) * u128::from(dearest.output_micro_usd_per_million);
            // A millionth for the rounding of each.
            let most = most.div_ceil(1_000_000) + 2;
            assert!(u128::try_from(price).is_ok_and(|price| price <= most), "`{model}`: {price} > {most}");
            assert!(!prices.is_free(model) || price == 0, "`{model}` is free");
        }
        assert!(prices.window(model).is_some_and(|window| window.context_tokens > 0));
    }
}
