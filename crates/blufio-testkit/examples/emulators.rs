// SPDX-License-Identifier: MIT OR Apache-2.0
//! All emulators for clients of other languages. The first line of output tells their addresses; every line of input
//! is a command as JSON and is answered by one line. Ends with the input. `contrib/peers/prove_emulators.sh` uses it.
#![allow(missing_docs, clippy::print_stdout, reason = "an example that is driven through its output")]

use std::sync::Arc;

use blufio_testkit::anthropic::{self, Answer, Marks, Piece, PrefixCache, Script};
use blufio_testkit::scripted::{self, Wire};
use blufio_testkit::telegram::{self, Fault};
use blufio_testkit::{ollama, openai};
use bpe_openai::o200k_base as o200k;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

struct World {
    telegram: telegram::Emulator,
    anthropic: anthropic::Emulator,
    openai: openai::Emulator,
    ollama: ollama::Emulator,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let world = World {
        telegram: telegram::Emulator::start().await?,
        anthropic: anthropic::Emulator::start().await?,
        openai: openai::Emulator::start().await?,
        ollama: ollama::Emulator::start().await?,
    };
    let addresses = json!({"telegram": world.telegram.url(), "token": world.telegram.token(),
        "anthropic": world.anthropic.url(), "openai": world.openai.url(), "ollama": world.ollama.url()});
    println!("{addresses}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let answer = perform(&world, &command);
        println!("{}", answer.unwrap_or_else(|| json!({"error": "no such command"})));
    }
    Ok(())
}

fn perform(world: &World, command: &Value) -> Option<Value> {
    let World { telegram, anthropic: model, .. } = world;
    let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| command.get(name).and_then(Value::as_i64).unwrap_or_default();
    match text("do") {
        "say" => return Some(json!({ "update": telegram.say(number("user"), text("text")) })),
        "update" => {
            return Some(json!({ "update": telegram.push_update(command.get("update")?.clone()) }));
        }
        "limit" => telegram.fail_next(text("method"), 1, Fault::RetryAfter(number("seconds").unsigned_abs())),
        "file" => telegram.put_file(text("id"), text("bytes").as_bytes()),
        "messages" => {
            let messages = telegram.messages(number("chat"));
            return Some(json!(
                messages.iter().map(|m| json!({"text": m.text, "history": m.history})).collect::<Vec<_>>()
            ));
        }
        "violations" => {
            return Some(json!({"telegram": telegram.violations(), "anthropic": model.violations(),
                "openai": world.openai.violations(), "ollama": world.ollama.violations()}));
        }
        "requests" => return Some(json!(model.requests())),
        // From here on answers report what a provider's cache makes of their requests, counted by o200k.
        "cache" => {
            model.forget_requests();
            model.cache(PrefixCache::new(Marks::AsRequested, Arc::new(|text| o200k().count(text) as u64)));
        }
        "pass" => model.advance_cache(number("ms")),
        "answer" => match text("of") {
            "openai" => world.openai.push(openai_script(command)?),
            "ollama" => world.ollama.push(ollama_script(command)?),
            _ => model.push(script(command)?),
        },
        _ => return None,
    }
    Some(json!({"ok": true}))
}

fn script(command: &Value) -> Option<Script> {
    let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default();
    let words = || Answer::text(text("text"));
    Some(match text("kind") {
        "text" => Script::Answer(words()),
        "tool" => {
            let input = command.get("input")?.clone();
            Script::Answer(Answer::tools(&[("toolu_1", text("name"), input)]))
        }
        "turn" => Script::Answer(turn(command)?),
        "cut" => Script::CutAfter(words(), usize::try_from(command.get("bytes")?.as_u64()?).ok()?),
        "error" => Script::Error(
            u16::try_from(command.get("status")?.as_u64()?).ok()?,
            text("type").to_string(),
            "emulated".to_string(),
            command.get("retry_after").and_then(Value::as_u64),
        ),
        "error_in_stream" => Script::ErrorInStream(text("type").to_string(), "emulated".to_string()),
        _ => return None,
    })
}

/// An answer with words and calls, as the recorded sessions have them.
fn turn(command: &Value) -> Option<Answer> {
    let text = command.get("text")?.as_str()?.to_string();
    let call = |call: &Value| {
        let text = |name: &str| Some(call.get(name)?.as_str()?.to_string());
        Some(Piece::Tool(text("id")?, text("name")?, call.get("input")?.clone()))
    };
    let calls: Option<Vec<Piece>> = command.get("calls")?.as_array()?.iter().map(call).collect();
    let calls = calls?;
    let stop = if calls.is_empty() { "end_turn" } else { "tool_use" };
    let words = Some(Piece::Text(text)).filter(|piece| *piece != Piece::Text(String::new()));
    Some(Answer { pieces: words.into_iter().chain(calls).collect(), ..Answer::text("").stop(stop) })
}

/// The scripts that every protocol has: whole, cut, refused, refused within.
fn scripted<A: Wire>(command: &Value, answer: A) -> Option<scripted::Script<A>> {
    let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let number = |name: &str| command.get(name).and_then(Value::as_u64);
    Some(match text("kind").as_str() {
        "cut" => scripted::Script::CutAfter(answer, usize::try_from(number("bytes")?).ok()?),
        "error" => {
            let status = u16::try_from(number("status")?).ok()?;
            scripted::Script::Error(status, text("type"), "emulated".to_string(), number("retry_after"))
        }
        "error_in_stream" => scripted::Script::ErrorInStream(answer, 3, text("type"), "emulated".to_string()),
        _ => scripted::Script::Answer(answer),
    })
}

fn openai_script(command: &Value) -> Option<openai::Script> {
    use openai::{Answer, Piece};
    let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let call = |id: &str| Some(Piece::Tool(id.to_string(), text("name"), command.get("input")?.clone()));
    let answer = match text("kind").as_str() {
        "tool" => Answer::of(vec![Piece::Text(text("text")), call("call_1")?, call("call_2")?], "tool_calls"),
        "refusal" => Answer::of(vec![Piece::Refusal(text("text"))], "stop"),
        "length" => Answer::text(&text("text")).finish("length"),
        _ => Answer { comments: true, ..Answer::text(&text("text")) },
    };
    scripted(command, answer)
}

fn ollama_script(command: &Value) -> Option<ollama::Script> {
    use ollama::{Answer, Piece};
    let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let answer = match text("kind").as_str() {
        "tool" => {
            let call = Piece::Tool(text("name"), command.get("input")?.clone());
            Answer::of(vec![Piece::Thinking("let me see".to_string()), call])
        }
        "length" => Answer::text(&text("text")).done_reason("length"),
        _ => Answer::text(&text("text")),
    };
    scripted(command, answer)
}
