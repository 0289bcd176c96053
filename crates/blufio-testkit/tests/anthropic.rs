// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Messages API: versions and keys, streams, errors before and behind the head, cuts at any byte.

use blufio_testkit::anthropic::{Answer, Emulator, Script};
use serde_json::{Value, json};

use crate::post;

type Headers = &'static [(&'static str, &'static str)];

const HEADERS: Headers = &[("x-api-key", "k"), ("anthropic-version", "2023-06-01")];

fn request(extra: Value) -> Value {
    let mut body = json!({"model": "claude-haiku-5-5", "max_tokens": 64,
        "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    body
}

async fn ask(emulator: &Emulator, body: &Value, headers: &[(&str, &str)]) -> (u16, String) {
    post(&format!("{}/v1/messages", emulator.url()), body, headers).await
}

#[tokio::test]
async fn keys_and_versions_are_looked_at() {
    let emulator = Emulator::start().await.unwrap();
    let cases: [(Headers, Value, u16); 6] = [
        (HEADERS, json!({}), 200),
        (&[("authorization", "Bearer k"), ("anthropic-version", "2026-10-21")], json!({}), 200),
        (
            &[("authorization", "Bearer k"), ("anthropic-version", "2026-10-21")],
            json!({"temperature": 1}),
            400,
        ),
        (HEADERS, json!({"temperature": 1}), 200),
        (&[("anthropic-version", "2023-06-01")], json!({}), 401),
        (&[("x-api-key", "k")], json!({}), 400),
    ];
    for (headers, extra, expected) in cases {
        assert_eq!(ask(&emulator, &request(extra), headers).await.0, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_stream_has_its_events_in_order() {
    let emulator = Emulator::start().await.unwrap();
    emulator.push(Script::Answer(Answer::tools(&[("t1", "look", json!({"a": "ü"}))])));
    let (status, text) = ask(&emulator, &request(json!({"stream": true})), HEADERS).await;
    assert_eq!(status, 200);
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(
        (names[0], names[1], names[names.len() - 2], names[names.len() - 1]),
        ("message_start", "content_block_start", "message_delta", "message_stop")
    );
    let pieces: String = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|data| data["delta"]["partial_json"].as_str().map(str::to_string))
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), json!({"a": "ü"}));
}

#[tokio::test]
async fn streams_are_cut_at_any_byte_and_break_after_their_head() {
    let emulator = Emulator::start().await.unwrap();
    let whole = Answer::text("a few words").events("claude-haiku-5-5", 1).concat();
    for at in [1, whole.len() / 2, whole.len() - 1] {
        emulator.push(Script::CutAfter(Answer::text("a few words"), at));
        let url = format!("{}/v1/messages", emulator.url());
        let mut call = crate::client().post(url).body(request(json!({"stream": true})).to_string());
        for (name, value) in HEADERS {
            call = call.header(*name, *value);
        }
        let mut bytes = Vec::new();
        // Some clients see the connection close before the head, all of them before the end.
        let is_whole = match call.send().await {
            Ok(mut response) => loop {
                match response.chunk().await {
                    Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            },
            Err(_) => false,
        };
        assert!(!is_whole && bytes.len() <= at && whole.as_bytes().starts_with(&bytes), "{at}");
    }
    emulator.push(Script::ErrorInStream("overloaded_error".into(), "busy".into()));
    let (status, text) = ask(&emulator, &request(json!({"stream": true})), HEADERS).await;
    assert_eq!(status, 200);
    assert!(
        text.contains("event: error") && text.contains("overloaded_error") && !text.contains("message_stop")
    );
    emulator.push(Script::Error(529, "overloaded_error".into(), "busy".into(), Some(2)));
    assert_eq!(ask(&emulator, &request(json!({})), HEADERS).await.0, 529);
}

#[tokio::test]
async fn what_the_api_refuses_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let orphan = json!({"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "a", "input": {}}]},
        {"role": "user", "content": "y"},
    ]});
    let schema =
        |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let holding = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let source =
        |media_type: &str, data: &str| json!({"type": "base64", "media_type": media_type, "data": data});
    let document =
        |source: Value, title: &str| holding(json!({"type": "document", "source": source, "title": title}));
    let pdf = || source("application/pdf", "JVBERi0xLjQK");
    for extra in [document(pdf(), "bill.pdf"), holding(json!({"type": "document", "source": pdf()}))] {
        assert_eq!(ask(&emulator, &request(extra.clone()), HEADERS).await.0, 200, "{extra}");
    }
    let refused = [
        document(source("application/pdf", "JVBERi0xLjQ"), "x"),
        document(source("application/pdf", "UEsDBAoA"), "x"),
        document(source("application/zip", "JVBERi0xLjQK"), "x"),
        document(source("text/plain", "JVBERi0xLjQK"), "x"),
        document(json!({"type": "file_data", "data": "JVBERi0xLjQK"}), "x"),
        document(pdf(), ""),
        holding(json!({"type": "image", "source": source("image/svg+xml", "AAAA")})),
        holding(json!({"type": "image", "source": source("image/png", "")})),
        holding(json!({"type": "image", "source": source("image/png", &"A".repeat(5 * 1024 * 1024 + 4))})),
        json!({"messages": []}),
        json!({"messages": [{"role": "assistant", "content": "x"}]}),
        json!({"messages": [{"role": "user", "content": ""}]}),
        json!({"max_tokens": 0}),
        json!({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}),
        schema(json!({"type": "object", "properties": {}})),
        schema(json!({"type": "integer", "minimum": 1})),
        orphan,
    ];
    for extra in refused {
        let (status, text) = ask(&emulator, &request(extra.clone()), HEADERS).await;
        assert_eq!(status, 400, "{extra}: {text}");
    }
}
