// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ollama: lines, errors as lines, what is refused, what is listed.

use blufio_testkit::ollama::{Answer, Emulator, MISSING_MODEL, Script};
use serde_json::{Value, json};

use crate::post;

async fn ask(emulator: &Emulator, extra: Value) -> (u16, String) {
    let mut body = json!({"model": "qwen3:4b", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    post(&format!("{}/api/chat", emulator.url()), &body, &[]).await
}

#[tokio::test]
async fn a_stream_is_lines_and_the_last_one_says_so() {
    let emulator = Emulator::start().await.unwrap();
    emulator.push(Script::Answer(Answer::tools(&[("look", json!({"a": "ü"}))])));
    let (status, text) = ask(&emulator, json!({})).await;
    assert!(status == 200 && text.ends_with('\n'));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["message"]["tool_calls"][0]["function"]["arguments"], json!({"a": "ü"}));
    assert_eq!((&lines[0]["done"], &lines[1]["done"]), (&json!(false), &json!(true)));
    assert_eq!((&lines[1]["done_reason"], &lines[1]["eval_count"]), (&json!("stop"), &json!(20)));
    let (_, text) = ask(&emulator, json!({"stream": false})).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["message"]["content"], "echo: hi");
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let (_, text) = ask(&emulator, json!({"stream": false, "format": schema})).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["message"]["content"], "{\"n\":1}");
}

#[tokio::test]
async fn errors_are_words_with_a_status_or_within_the_stream() {
    let emulator = Emulator::start().await.unwrap();
    emulator.push(Script::Error(500, String::new(), "no memory".into(), None));
    assert_eq!(ask(&emulator, json!({})).await, (500, "{\"error\":\"no memory\"}".to_string()));
    emulator.push(Script::ErrorInStream(Answer::text("a b c"), 2, String::new(), "stopped".into()));
    let (status, text) = ask(&emulator, json!({})).await;
    assert!(status == 200 && text.ends_with("{\"error\":\"stopped\"}\n") && !text.contains("\"done\":true"));
    let (status, text) = ask(&emulator, json!({ "model": MISSING_MODEL })).await;
    assert_eq!((status, text.as_str()), (404, "{\"error\":\"model 'missing' not found\"}"));
}

#[tokio::test]
async fn what_the_server_cannot_read_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let message = |message: Value| json!({ "messages": [message] });
    let call = |arguments: Value| {
        message(
            json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}),
        )
    };
    let refused = [
        json!({"max_tokens": 5}),
        json!({"model": ""}),
        json!({"options": {"num_ctxt": 5}}),
        json!({"options": {"num_ctx": "5"}}),
        json!({"format": "yaml"}),
        json!({"think": 3}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        message(json!({"role": "robot", "content": "x"})),
        message(json!({"role": "user", "content": [{"type": "text"}]})),
        message(json!({"role": "user", "content": "", "images": ["data:image/png;base64,AA"]})),
        message(json!({"role": "tool", "content": "x"})),
        message(json!({"role": "user", "content": "x", "name": "y"})),
        call(json!("{}")),
    ];
    for (number, extra) in refused.iter().enumerate() {
        let (status, text) = ask(&emulator, extra.clone()).await;
        assert_eq!(status, 400, "{extra}: {text}");
        assert_eq!(emulator.violations().len(), number + 1);
    }
    assert_eq!(ask(&emulator, call(json!({}))).await.0, 200);
}
