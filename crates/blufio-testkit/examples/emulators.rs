// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both emulators for clients of other languages. The first line of output tells their addresses; every line of input
//! is a command as JSON and is answered by one line. Ends with the input. `contrib/peers/prove_emulators.sh` uses it.
#![allow(missing_docs, clippy::print_stdout, reason = "an example that is driven through its output")]

use blufio_testkit::anthropic::{self, Answer, Script};
use blufio_testkit::telegram::{self, Fault};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (telegram, model) = (telegram::Emulator::start().await?, anthropic::Emulator::start().await?);
    println!("{}", json!({"telegram": telegram.url(), "token": telegram.token(), "anthropic": model.url()}));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let answer = perform(&telegram, &model, &command);
        println!("{}", answer.unwrap_or_else(|| json!({"error": "no such command"})));
    }
    Ok(())
}

fn perform(telegram: &telegram::Emulator, model: &anthropic::Emulator, command: &Value) -> Option<Value> {
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
            return Some(json!({"telegram": telegram.violations(), "anthropic": model.violations()}));
        }
        "requests" => return Some(json!(model.requests())),
        "answer" => model.push(script(command)?),
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
