// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers and prices from the configuration.

use blufio_core::model::{Block, Role, Turn};

use super::*;

fn models(text: &str, prices: Option<&str>) -> Result<Models, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blufio.toml");
    std::fs::write(&file, text).unwrap();
    if let Some(prices) = prices {
        std::fs::write(folder.path().join("prices.toml"), prices).unwrap();
    }
    Models::of(&Config::load_from(Some(&file), &Vec::new())?)
}

fn price_of(models: &Models, model: &str, prompt_tokens: u64) -> Option<ModelPrice> {
    models.prices_for_checker().of(model, prompt_tokens)
}

const LOCAL: &str = "[models.local]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n";

#[test]
fn known_providers_are_there_and_configured_ones_join_them() {
    let names = |models: Models| models.for_checker().into_iter().map(|p| p.name).collect::<Vec<_>>();
    let known = ["anthropic", "deepseek", "groq", "ollama", "openai", "openrouter"];
    assert_eq!(names(models("", None).unwrap()), known);
    assert!(names(models(LOCAL, None).unwrap()).contains(&"local".to_string()));
}

#[test]
fn what_a_provider_lacks_is_known_to_the_checker() {
    let text = format!("{LOCAL}tools = false\nstructured_output = \"none\"\n");
    let local = models(&text, None).unwrap().for_checker().into_iter().find(|p| p.name == "local").unwrap();
    assert_eq!(local.lacks, [Feature::Tools, Feature::StructuredOutput]);
    let words = models(&format!("{LOCAL}structured_output = \"words\"\n"), None).unwrap();
    assert!(words.for_checker().iter().all(|provider| provider.lacks.is_empty()), "emulated is not missing");
    let silent = models("[models.ollama]\ntools = false\n", None).unwrap();
    let ollama = silent.for_checker().into_iter().find(|provider| provider.name == "ollama").unwrap();
    assert_eq!(ollama.lacks, [Feature::Tools]);
}

#[test]
fn the_dialect_is_the_one_configured_else_of_the_name_else_of_the_host() {
    let of = |text: &str, name: &str| dialect(&models(text, None).unwrap().providers[name]);
    assert_eq!(of("", "groq"), Dialect::groq());
    assert_eq!(of("[models.groq]\nbase_url = \"http://127.0.0.1:1\"\n", "groq"), Dialect::groq());
    assert_eq!(of(LOCAL, "local"), Dialect::common());
    assert_eq!(of(&format!("{LOCAL}dialect = \"deepseek\"\n"), "local"), Dialect::deepseek());
    let mine = "[models.mine]\nkind = \"openai\"\nbase_url = \"https://api.groq.com/openai/v1\"\n";
    assert_eq!(of(mine, "mine"), Dialect::groq());
}

#[test]
fn a_request_is_shown_without_what_its_provider_is_not_sent() {
    let document = Block::Document {
        media_type: "application/pdf".into(),
        name: "bill.pdf".into(),
        pages: 1,
        data: "JVBERi0xLjQK".into(),
    };
    let request = ModelRequest {
        model: "m".into(),
        system: Vec::new(),
        tools: Vec::new(),
        turns: vec![Turn { role: Role::User, blocks: vec![document], raw: None }.into()],
        output_schema: None,
        output_tokens_max: 1,
        caches_static_for_an_hour: false,
    };
    let blind = models("[models.openai]\nimages = false\n", None).unwrap();
    let seeing = models("", None).unwrap();
    for (models, provider, is_sent) in [
        (&seeing, "anthropic", true),
        (&seeing, "openai", true),
        (&blind, "openai", false),
        (&seeing, "ollama", false),
    ] {
        let body = models.body(provider, &request).unwrap();
        assert_eq!(body.contains("JVBERi0xLjQK"), is_sent, "{provider}: {body}");
        assert_eq!(body.contains("[the document bill.pdf, which"), !is_sent, "{provider}: {body}");
    }
}

#[test]
fn the_prices_file_adds_models_and_changes_known_ones() {
    let prices = "date = \"2026-11-01\"\n[models.\"ollama/qwen3:4b\"]\nfree = true\ncontext_tokens = 40_960\noutput_tokens_max = 8_192\n";
    let with = models("prices_file = \"prices.toml\"\n", Some(prices)).unwrap();
    let free = price_of(&with, "ollama/qwen3:4b", 1_000).unwrap();
    assert_eq!((free.input_micro_usd_per_million, free.window_tokens), (0, 40_960));
    assert_eq!(with.windows("ollama").get("qwen3:4b"), Some(&40_960));
    assert!(with.prices.is_free("ollama/qwen3:4b"));
    assert!(price_of(&with, "anthropic/claude-haiku-5-5", 1_000).is_some());
    assert_eq!(price_of(&models("", None).unwrap(), "ollama/qwen3:4b", 1_000), None);
}

#[test]
fn a_prices_file_that_cannot_be_used_is_named_with_its_place() {
    let problem =
        |prices: Option<&str>| models("prices_file = \"prices.toml\"\n", prices).unwrap_err().to_string();
    assert!(problem(None).contains("prices.toml: cannot be read"), "{}", problem(None));
    let syntax = problem(Some("date = \"2026-11-01\"\n[models\n"));
    assert!(syntax.contains("prices.toml:2"), "{syntax}");
    let negative = "\n[models.\"a/b\"]\ninput = -1\noutput = 1\ncache_read = 1\ncache_write_5m = 1\ncache_write_1h = 1\ncontext_tokens = 10\noutput_tokens_max = 5\n";
    let negative = problem(Some(negative));
    assert!(negative.contains("prices.toml:2") && negative.contains("not negative"), "{negative}");
    for (price, words) in [
        ("nan", "finite"),
        ("inf", "finite"),
        ("-inf", "finite"),
        ("1e30", "US dollars per million tokens"),
        ("\"1 eur\"", "US dollars per million tokens"),
        ("\"free\"", "US dollars per million tokens"),
    ] {
        let shown = problem(Some(&format!(
            "\n\n[models.\"a/b\"]\ninput = {price}\ncontext_tokens = 10\noutput_tokens_max = 5\n"
        )));
        assert!(shown.contains("prices.toml:3") && shown.contains(words), "{shown}");
    }
    let incomplete = problem(Some("[models.\"a/b\"]\nfree = true\n"));
    assert!(incomplete.contains("prices.toml:1") && incomplete.contains("a/b"), "{incomplete}");
}

#[test]
fn a_local_server_needs_no_key_and_a_remote_one_names_its_variable() {
    let variable = |text: &str, name: &str| {
        let models = models(text, None).unwrap();
        models.missing_key(name).map(|missing| missing.variable.to_string())
    };
    assert_eq!((variable(LOCAL, "local"), variable("", "ollama")), (None, None));
    let remote = "[models.my-box]\nkind = \"openai\"\nbase_url = \"https://box.example/v1\"\n";
    assert_eq!(variable(remote, "my-box").as_deref(), Some("MY_BOX_API_KEY"));
    let named = format!("{remote}key_variable = \"BLUFIO_TEST_NO_SUCH_KEY\"\n");
    assert_eq!(variable(&named, "my-box").as_deref(), Some("BLUFIO_TEST_NO_SUCH_KEY"));
    assert!(models(LOCAL, None).unwrap().open("local").is_ok());
    assert!(models("", None).unwrap().open("elsewhere").is_err());
}

#[test]
fn the_examples_of_the_manual_are_read() {
    let manual = include_str!("../../../../docs/operations.md");
    let block = |first: &str| {
        let lines = manual.lines().skip_while(|line| line.trim() != first);
        let indented = lines.take_while(|line| line.starts_with("    ") || line.is_empty());
        indented.map(|line| line.trim()).collect::<Vec<_>>().join("\n")
    };
    let local = models(&block("[models.my-box]"), None).unwrap();
    assert_eq!(local.providers["my-box"].kind, ProviderKind::OpenAi);
    let prices = block("# prices.toml");
    let with = models("prices_file = \"prices.toml\"\n", Some(&prices)).unwrap();
    for model in ["ollama/qwen3:4b", "openrouter/some/model"] {
        assert!(price_of(&with, model, 1_000).is_some(), "{model} of {prices}");
    }
}
