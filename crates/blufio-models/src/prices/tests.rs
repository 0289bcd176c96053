// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prices: the built-in table, an operator's, and every way in which one is refused.

use super::*;

fn usage(input: u64, output: u64) -> Usage {
    Usage { input_tokens: input, output_tokens: output, ..Usage::default() }
}

#[test]
fn the_built_in_table_is_whole() {
    let table = read::table(include_str!("../prices.toml")).unwrap();
    assert!(table.len() >= 12);
    assert!(table.values().all(|entry| entry.date.len() == 10));
    assert_eq!(table_date(), "2026-10-08");
    assert_eq!(Prices::built_in().date("openai/gpt-6-luna"), Some("2026-10-13"));
    assert_eq!(Prices::built_in().date("anthropic/claude-opus-5"), Some("2026-10-08"));
    assert!(Prices::built_in().models().all(|model| !Prices::built_in().is_free(model)));
}

#[test]
fn prices_are_per_million_tokens_and_know_long_prompts() {
    let short = usage(1_000, 100);
    for model in [
        "anthropic/claude-haiku-5-5",
        "anthropic/claude-haiku-5-5-20261007",
        "claude-haiku-5-5",
        "claude-haiku-5-5-20261007",
        "openai/gpt-6-luna",
        "gpt-6-luna-2026-09-22",
    ] {
        assert_eq!(usd_micros(model, &short), Some(150), "{model}");
    }
    for model in ["anthropic/unknown", "openai/claude-haiku-5-5", "gpt-6-luna-09-22", "", "/", "local/x"] {
        assert_eq!(usd_micros(model, &short), None, "{model}");
    }
    assert_eq!(usd_micros("anthropic/claude-haiku-5-5", &usage(200_000, 0)), Some(100_000));
    assert!(usd_micros("anthropic/claude-opus-5", &usage(u64::MAX, 0)).unwrap() > 0);
}

#[test]
fn each_kind_of_token_has_its_price() {
    let written = Usage { cache_write_tokens: 1_000_000, ..Usage::default() };
    let read = Usage { cache_read_tokens: 1_000_000, ..Usage::default() };
    assert_eq!(usd_micros("anthropic/claude-opus-5-5", &written), Some(5_000_000));
    assert_eq!(usd_micros("anthropic/claude-opus-5-5", &read), Some(200_000));
    assert_eq!(
        usd_micros("deepseek/deepseek-flash", &written),
        Some(300_000),
        "no price of writing: that of input"
    );
    let dearest = |model, prompt| Prices::built_in().dearest(model, prompt).unwrap();
    let haiku = dearest("anthropic/claude-haiku-5-5", 100_000);
    assert_eq!((haiku.input_micro_usd_per_million, haiku.output_micro_usd_per_million), (125_000, 500_000));
    assert_eq!(haiku.kept_input_micro_usd_per_million, 200_000);
    let kept = Usage { cache_write_1h_tokens: 400_000, ..written };
    assert_eq!(usd_micros("anthropic/claude-opus-5-5", &kept), Some(600_000 * 5 + 400_000 * 8));
    let haiku = dearest("anthropic/claude-haiku-5-5", 100_001);
    assert_eq!((haiku.input_micro_usd_per_million, haiku.output_micro_usd_per_million), (625_000, 2_500_000));
}

const LOCAL: &str =
    "[models.\"local/qwen\"]\nfree = true\ncontext_tokens = 32768\noutput_tokens_max = 8192\n";

#[test]
fn an_operator_adds_models_replaces_them_and_frees_them() {
    let prices = Prices::with_overrides(&format!(
        "date = \"2026-11-01\"\n{LOCAL}[models.\"openai/gpt-6-luna\"]\ninput = 1\noutput = 2.5\ncache_read = 0\n\
         cache_write_5m = 1.0\ncache_write_1h = 1.0\ncontext_tokens = 1000\noutput_tokens_max = 1000\n"
    ))
    .unwrap();
    assert_eq!(prices.usd_micros("local/qwen", &usage(1_000_000, 9)), Some(0));
    assert!(prices.is_free("local/qwen") && !prices.is_free("openai/gpt-6-luna") && !prices.is_free("x/y"));
    let window = Window { context_tokens: 32_768, output_tokens_max: 8_192, cache_tokens_min: None };
    assert_eq!(prices.window("local/qwen"), Some(window));
    assert_eq!(prices.window("local/other"), None);
    assert_eq!(prices.usd_micros("openai/gpt-6-luna", &usage(10, 10)), Some(35));
    assert_eq!(
        prices.usd_micros("openai/gpt-6-luna", &usage(300_000, 0)),
        Some(300_000),
        "no long prices left"
    );
    assert_eq!(prices.date("openai/gpt-6-luna"), Some("2026-11-01"));
    assert_eq!(prices.usd_micros("anthropic/claude-haiku-5-5", &usage(1_000, 100)), Some(150));
    assert_eq!(Prices::with_overrides("").as_ref(), Ok(Prices::built_in()));
    assert_eq!(usd_micros("local/qwen", &usage(1, 1)), None, "the built-in table is untouched");
}

#[test]
fn m19_an_attempt_is_charged_by_the_model_that_answered_where_it_has_a_price() {
    let other = LOCAL.replace("local/qwen", "openrouter/openai/gpt-6-luna");
    let prices = Prices::with_overrides(&format!("{LOCAL}{other}")).unwrap();
    let used = usage(1_000, 100);
    let cases = [
        ("openai/gpt-6-sol", "gpt-6-luna-2026-09-22", Some(150)),
        ("openai/gpt-6-luna", "gpt-6-luna", Some(150)),
        ("openai/gpt-6-luna", "", Some(150)),
        ("openai/gpt-6-luna", "unheard-of", Some(150)),
        ("local/qwen", "/models/qwen3-4b.gguf", Some(0)),
        // At its own provider, though OpenAI has a model of that full name.
        ("openrouter/openai/gpt-6-luna", "openai/gpt-6-luna", Some(0)),
        ("nobody/x", "unheard-of", None),
    ];
    for (asked, answered, expected) in cases {
        assert_eq!(prices.charge(asked, answered, &used), expected, "{asked} {answered}");
    }
    // A bare name of two providers: the dearer.
    let twice = Prices::with_overrides(&LOCAL.replace("local/qwen", "local/gpt-6-luna")).unwrap();
    assert_eq!(twice.usd_micros("gpt-6-luna", &used), Some(150));
}

#[test]
fn a_table_that_cannot_be_meant_is_refused_with_its_place_and_what_to_write() {
    let model = |fields: &str| {
        let usual = "input = 1\noutput = 1\ncache_read = 1\ncache_write_5m = 1\ncache_write_1h = 1\n\
                     context_tokens = 1000\noutput_tokens_max = 100\n";
        let kept: String = usual
            .lines()
            .filter(|line| {
                let key = line.split(' ').next().unwrap();
                !fields.lines().any(|f| f.trim_start_matches("no ").split(' ').next() == Some(key))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let given: String =
            fields.lines().filter(|f| !f.starts_with("no ")).map(|f| format!("{f}\n")).collect();
        format!("[models.\"a/b\"]\n{kept}{given}")
    };
    let cases = [
        (model("input = -0.01"), "`input` of model `a/b` cannot be -0.01: a price is not negative"),
        (model("input = nan"), "`input` of model `a/b` cannot be nan: a price is a finite number"),
        (model("output = inf"), "`output` of model `a/b` cannot be inf: a price is a finite number"),
        (model("output = -inf"), "`output` of model `a/b` cannot be -inf: a price is a finite number"),
        (model("output = 1e9"), "US dollars per million tokens"),
        (
            model("input = 1e30"),
            "`input` of model `a/b` cannot be 1000000000000000000000000000000.0: prices are",
        ),
        (model("input = 9223372036854775807"), "prices are US dollars per million tokens"),
        (model("input = 1e400"), "the price table cannot be read: floating-point number overflowed"),
        (
            model("cache_write_1h = -1"),
            "`cache_write_1h` of model `a/b` cannot be -1: a price is not negative",
        ),
        (model("input = \"1 eur\""), "cannot be \"1 eur\": it is a number of US dollars per million tokens"),
        (model("currency = \"eur\""), "`currency` of model `a/b` is not a key of the price table"),
        (model("price = \"free\""), "`price` of model `a/b` is not a key of the price table"),
        ("currency = \"eur\"\n".to_string(), "`currency` is not known here"),
        (model("input = \"1\""), "`input` of model `a/b` cannot be \"1\": it is a number"),
        (model("no input"), "model `a/b` has no `input`: write all prices, or `free = true`"),
        (model("no cache_read"), "model `a/b` has no `cache_read`: write the price of `input`"),
        (model("no cache_write_1h"), "model `a/b` has no `cache_write_1h`"),
        (model("no context_tokens"), "model `a/b` has no `context_tokens`: windows are needed"),
        (model("context_tokens = 0"), "`context_tokens` of model `a/b` cannot be 0"),
        (model("context_tokens = -1"), "cannot be -1"),
        (model("context_tokens = 5000000000"), "cannot be 5000000000"),
        (model("output_tokens_max = 1001"), "cannot be 1001: it exceeds `context_tokens`"),
        (model("long_above_tokens = 10"), "model `a/b` has no `long_input`: prices of long prompts"),
        (model("long_input = 2"), "model `a/b` has no `long_above_tokens`"),
        (
            model("cashe_read = 1"),
            "`cashe_read` of model `a/b` is not a key of the price table; keys are input",
        ),
        (model("free = true"), "`input` of model `a/b` cannot be 1: a free model has no prices"),
        (model("free = \"yes\""), "`free` of model `a/b` cannot be \"yes\""),
        (model("date = 2026-10-08"), "`date` of model `a/b`"),
        (model("").replace("a/b", "b"), "model `b` has no provider: write `PROVIDER/MODEL`"),
        (model("").replace("a/b", "/b"), "model `/b` has no provider"),
        ("[prices]\n".to_string(), "`prices` is not known here"),
        ("models = 3\n".to_string(), "models are written as"),
        ("date = 3\n".to_string(), "`date` is a text"),
        ("models.\"a/b\" = 3\n".to_string(), "model `a/b` is not a table"),
        ("[models.\"a/b\"]\ninput = 1\ninput = 2\n".to_string(), "the price table cannot be read: "),
        ("nonsense".to_string(), "the price table cannot be read: "),
    ];
    for (text, expected) in cases {
        let words = Prices::with_overrides(&text).expect_err(&text).to_string();
        assert!(words.contains(expected), "{text}\n{words}");
    }
    assert!(Prices::with_overrides(&model("")).is_ok());
}
