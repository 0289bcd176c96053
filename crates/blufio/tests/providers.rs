// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of other providers behind the daemon: they answer, they stand in for one another, and what is missing is named.

use std::process::Command;

use blufio_testkit::{ollama, openai};

use crate::world::{Server, World, code, stderr, stdout};

const OWNER: i64 = 77;
const LOCAL: &str = "\"ollama/qwen3:4b\"";
const LUNA: &str = "\"openai/gpt-6-luna\"";
const PRICES: &str =
    "[models.\"ollama/qwen3:4b\"]\nfree = true\ncontext_tokens = 32_768\noutput_tokens_max = 8_192\n";

/// The starter folder with another model, which keeps no cache for an hour.
fn world(model: &str) -> World {
    let world = World::new();
    let path = world.path().join("agents/assistant.agent");
    let mut text = std::fs::read_to_string(&path).unwrap().replace(" cache 1h", "");
    for tier in ["haiku", "sonnet", "opus"] {
        text = text.replace(&format!("\"anthropic/claude-{tier}-5-5\""), model);
    }
    std::fs::write(&path, text).unwrap();
    std::fs::write(world.path().join("prices.toml"), PRICES).unwrap();
    world
}

/// Serves without a key of Anthropic: nobody names its models.
fn serve(world: &World, change: impl FnOnce(&mut Command)) -> Server {
    world.serve(|command| {
        command
            .env("BLUFIO_TELEGRAM__OWNER", OWNER.to_string())
            .env("BLUFIO_PRICES_FILE", world.path().join("prices.toml"))
            .env_remove("ANTHROPIC_API_KEY");
        change(command);
    })
}

fn answers(world: &World, text: &str) {
    world.telegram.say(OWNER, text);
    world.seen(OWNER, |seen| seen.contains(&format!("echo: {text}")));
}

#[test]
fn a_model_that_speaks_chat_completions_answers_a_telegram_message() {
    let world = world(LUNA);
    let openai = world.runtime.block_on(openai::Emulator::start()).unwrap();
    let _server = serve(&world, |command| {
        command
            .env("BLUFIO_MODELS__OPENAI__BASE_URL", format!("{}/v1", openai.url()))
            .env("OPENAI_API_KEY", "key");
    });
    answers(&world, "hello");
    answers(&world, "again");
    assert_eq!(openai.requests()[0]["model"], "gpt-6-luna");
    assert!(world.anthropic.requests().is_empty());
    assert!(stdout(&world.run(&["status"])).contains("provider  openai healthy"));
    assert_eq!((world.telegram.violations(), openai.violations()), (Vec::new(), Vec::new()));
}

#[test]
fn a_server_under_a_name_of_its_own_needs_no_key_on_this_machine() {
    let world = world("\"my-box/small\"");
    // The emulator wants a key as OpenAI does: the variable is named.
    let openai = world.runtime.block_on(openai::Emulator::start()).unwrap();
    let prices = PRICES.replace("ollama/qwen3:4b", "my-box/small");
    std::fs::write(world.path().join("prices.toml"), prices).unwrap();
    let file = world.path().join("box.toml");
    let text = format!(
        "[models.my-box]\nkind = \"openai\"\nbase_url = \"{}/v1\"\nkey_variable = \"BOX_KEY\"\n",
        openai.url()
    );
    std::fs::write(&file, text).unwrap();
    let _server = serve(&world, |command| {
        command.arg("--config").arg(&file).env("BOX_KEY", "key");
    });
    answers(&world, "hello");
    assert_eq!(openai.violations(), Vec::<String>::new());
}

#[test]
fn ollama_answers_with_the_window_of_the_prices_file() {
    let world = world(LOCAL);
    let ollama = world.runtime.block_on(ollama::Emulator::start()).unwrap();
    let _server = serve(&world, |command| {
        command.env("BLUFIO_MODELS__OLLAMA__BASE_URL", ollama.url());
    });
    answers(&world, "hello");
    assert_eq!(ollama.requests()[0]["options"]["num_ctx"], 32_768);
    assert_eq!((world.telegram.violations(), ollama.violations()), (Vec::new(), Vec::new()));
}

#[test]
fn one_provider_stands_in_for_another_that_is_down_and_the_owner_hears_of_it_once() {
    let world = world(&format!("{LUNA} else {LOCAL}"));
    let ollama = world.runtime.block_on(ollama::Emulator::start()).unwrap();
    let _server = serve(&world, |command| {
        command
            .env("BLUFIO_MODELS__OLLAMA__BASE_URL", ollama.url())
            // Nobody listens there.
            .env("BLUFIO_MODELS__OPENAI__BASE_URL", "http://127.0.0.1:9/v1")
            .env("OPENAI_API_KEY", "key");
    });
    for text in ["one", "two", "three"] {
        answers(&world, text);
    }
    world.seen(OWNER, |text| text.contains("openai does not answer"));
    let told = world.telegram.texts(OWNER).iter().filter(|text| text.contains("does not answer")).count();
    assert_eq!(told, 1);
    let status = stdout(&world.run(&["status"]));
    assert!(
        status.contains("provider  ollama healthy") && status.contains("provider  openai failed"),
        "{status}"
    );
}

#[test]
fn a_model_without_a_price_and_a_provider_that_lacks_something_are_refused() {
    let world = world(LOCAL);
    let unpriced = world.run_alone(&["check"]);
    assert_eq!(code(&unpriced), 1);
    let words = stdout(&unpriced);
    assert!(words.contains("`ollama/qwen3:4b` has no price") && words.contains("free = true"), "{words}");
    let path = world.path().join("agents/assistant.agent");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(LOCAL, "\"elsewhere/x\"")).unwrap();
    let unknown = stdout(&world.run_alone(&["check"]));
    assert!(unknown.contains("E0105") && unknown.contains("[models.elsewhere]"), "{unknown}");
    std::fs::write(&path, text).unwrap();
    let serve = world.run(&["serve"]);
    assert_eq!(code(&serve), 1);
    assert!(stderr(&serve).contains("has no price"), "{}", stderr(&serve));
    let with = |text: &str| {
        let file = world.path().join("with.toml");
        std::fs::write(&file, format!("prices_file = \"prices.toml\"\n{text}")).unwrap();
        world.run_alone(&["check", "--config", file.to_str().unwrap()])
    };
    assert_eq!(code(&with("")), 0, "{}", stdout(&with("")));
    let toolless = with("[models.ollama]\ntools = false\n");
    assert_eq!(code(&toolless), 1);
    assert!(stdout(&toolless).contains("E0512"), "{}", stdout(&toolless));
    std::fs::write(world.path().join("prices.toml"), "[models.\"ollama/qwen3:4b\"]\ninput = \"free\"\n")
        .unwrap();
    let broken = with("");
    assert_eq!(code(&broken), 2);
    assert!(stderr(&broken).contains("prices.toml:1"), "{}", stderr(&broken));
}

#[test]
fn serve_names_the_key_of_every_provider_that_is_asked() {
    let world = world(&format!("{LUNA} else \"deepseek/deepseek-flash\""));
    let serve = world.command(&["serve"]).env_remove("ANTHROPIC_API_KEY").output().unwrap();
    assert_eq!(code(&serve), 2);
    let words = stderr(&serve);
    assert!(
        words.contains("export OPENAI_API_KEY=") && words.contains("export DEEPSEEK_API_KEY="),
        "{words}"
    );
    assert!(!words.contains("ANTHROPIC"), "{words}");
    let shell = world.command(&["shell"]).output().unwrap();
    assert!(stderr(&shell).contains("_API_KEY is not set"), "{}", stderr(&shell));
}

#[test]
fn a_reload_that_asks_a_provider_that_was_not_opened_needs_a_restart() {
    let world = world(LOCAL);
    let ollama = world.runtime.block_on(ollama::Emulator::start()).unwrap();
    let _server = serve(&world, |command| {
        command.env("BLUFIO_MODELS__OLLAMA__BASE_URL", ollama.url());
    });
    let path = world.path().join("agents/assistant.agent");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(LOCAL, LUNA).replace("assistant v1", "assistant v2")).unwrap();
    let refused = world.run(&["reload"]);
    assert_eq!(code(&refused), 1);
    let words = stderr(&refused);
    assert!(words.contains("a model of openai is named") && words.contains("OPENAI_API_KEY"), "{words}");
    answers(&world, "hello");
}
