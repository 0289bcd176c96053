// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chat Completions: keys, streams, errors before and behind the head, cuts at any byte, what is refused.

use blufio_testkit::openai::{Answer, Emulator, Script, reasoning_content_comes_back};
use serde_json::{Value, json};

use crate::post;

const KEY: &[(&str, &str)] = &[("authorization", "Bearer k")];

fn request(extra: Value) -> Value {
    let mut body = json!({"model": "gpt-6-luna", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    body
}

async fn ask(emulator: &Emulator, extra: Value) -> (u16, String) {
    post(&format!("{}/v1/chat/completions", emulator.url()), &request(extra), KEY).await
}

fn streamed() -> Value {
    json!({"stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn a_stream_has_its_chunks_in_order_and_usage_only_when_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let answer = || Script::Answer(Answer::tools(&[("t1", "look", json!({"a": "ü"}))]));
    emulator.push(answer());
    emulator.push(answer());
    let (status, text) = ask(&emulator, streamed()).await;
    assert_eq!(status, 200);
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        data[..data.len() - 1].iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let arguments: String = chunks
        .iter()
        .filter_map(|c| c["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"a": "ü"}));
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[chunks.len() - 1]["usage"]["prompt_tokens"], 120);
    let (_, text) = ask(&emulator, json!({"stream": true})).await;
    assert!(!text.contains("usage"));
    let (_, text) = ask(&emulator, json!({})).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["choices"][0]["message"]["content"], "echo: hi");
}

#[tokio::test]
async fn keys_errors_and_cuts() {
    let emulator = Emulator::start().await.unwrap();
    let url = format!("{}/v1/chat/completions", emulator.url());
    assert_eq!(post(&url, &request(json!({})), &[]).await.0, 401);
    assert_eq!(post(&url, &request(json!({})), &[("authorization", "Bearer ")]).await.0, 401);
    assert_eq!(post(&format!("{}/v1/nothing", emulator.url()), &json!({}), KEY).await.0, 404);
    emulator.push(Script::Error(429, "insufficient_quota".into(), "pay".into(), Some(2)));
    let (status, text) = ask(&emulator, json!({})).await;
    assert!(status == 429 && text.contains("\"code\":\"insufficient_quota\""));
    emulator.push(Script::ErrorInStream(Answer::text("a b"), 2, "server_error".into(), "busy".into()));
    let (status, text) = ask(&emulator, streamed()).await;
    assert!(status == 200 && text.contains("\"busy\"") && !text.contains("[DONE]"));
    let whole = Answer::text("a few words").events("gpt-6-luna", 3, true).concat();
    for at in [1, whole.len() / 2, whole.len() - 1] {
        emulator.push(Script::CutAfter(Answer::text("a few words"), at));
        let call = crate::client().post(&url).header("authorization", "Bearer k");
        let is_whole = match call.body(request(streamed()).to_string()).send().await {
            Ok(response) => response.bytes().await.is_ok(),
            Err(_) => false,
        };
        assert!(!is_whole, "{at}");
    }
}

#[tokio::test]
async fn what_the_api_refuses_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let call = json!({"id": "t", "type": "function", "function": {"name": "a", "arguments": "{}"}});
    let assistant = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let user = |content: Value| json!({"role": "user", "content": content});
    let messages = |all: Value| json!({ "messages": all });
    let tool = |function: Value| json!({"reasoning_effort": "none", "tools": [{"type": "function", "function": function}]});
    let schema = |schema: Value| {
        json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "x", "strict": true, "schema": schema}}})
    };
    let pdf = |name: &str, data: &str| json!({"type": "file", "file": {"filename": name, "file_data": data}});
    let whole = pdf("bill.pdf", "data:application/pdf;base64,JVBERi0xLjQK");
    assert_eq!(ask(&emulator, messages(json!([user(json!([whole]))]))).await.0, 200);
    let refused = [
        json!({"nonsense": 1}),
        json!({"max_tokens": 5}),
        json!({"max_completion_tokens": 0}),
        json!({"stream_options": {"include_usage": true}}),
        json!({"tool_choice": "none"}),
        json!({"tools": []}),
        json!({"tools": [{"type": "function", "function": {"name": "a"}}]}),
        tool(json!({"name": "a.b"})),
        tool(json!({"name": "a", "parameters": {"type": "array"}})),
        json!({"response_format": {"type": "json_object"}}),
        json!({"response_format": {"type": "yaml"}}),
        schema(json!({"type": "array"})),
        schema(json!({"type": "object", "properties": {}})),
        schema(
            json!({"type": "object", "properties": {"a": {}}, "required": [], "additionalProperties": false}),
        ),
        messages(json!([])),
        messages(json!([{"role": "robot", "content": "x"}])),
        messages(json!([user(json!([]))])),
        messages(json!([user(
            json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,ä"}}])
        )])),
        messages(json!([user(json!([pdf("bill.pdf", "data:application/pdf;base64,UEsDBAoA")]))])),
        messages(json!([user(json!([pdf("bill.pdf", "data:application/pdf;base64,JVBERi0xLjQ")]))])),
        messages(json!([user(json!([pdf("a.txt", "data:text/plain;base64,JVBERi0xLjQK")]))])),
        messages(json!([user(json!([pdf("", "data:application/pdf;base64,JVBERi0xLjQK")]))])),
        messages(json!([user(json!([{"type": "file", "file": {"filename": "a.pdf"}}]))])),
        messages(json!([{"role": "assistant", "content": null}])),
        messages(json!([user(json!("x")), assistant])),
        messages(json!([user(json!("x")), assistant, user(json!("y"))])),
        messages(json!([{"role": "tool", "tool_call_id": "t", "content": "x"}])),
    ];
    for (number, extra) in refused.iter().enumerate() {
        let (status, text) = ask(&emulator, extra.clone()).await;
        assert_eq!(status, 400, "{extra}: {text}");
        assert_eq!(emulator.violations().len(), number + 1);
    }
    let answered =
        messages(json!([user(json!("x")), assistant, {"role": "tool", "tool_call_id": "t", "content": "x"}]));
    assert_eq!(ask(&emulator, answered.clone()).await.0, 200);
    emulator.also_check(reasoning_content_comes_back);
    assert_eq!(ask(&emulator, answered).await.0, 400);
}
