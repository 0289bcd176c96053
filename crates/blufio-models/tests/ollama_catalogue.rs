// SPDX-License-Identifier: MIT OR Apache-2.0
//! The failure catalogue over HTTP, against the emulated Ollama; histories, schemas, lists of models.

use std::time::Duration;

use blufio_core::model::{
    Block, ModelDelta, ModelErrorKind, ModelProvider, ModelRequest, RawContent, Role, StopReason, Support,
    Turn,
};
use blufio_core::secret::Secret;
use blufio_models::ConfigError;
use blufio_models::ollama::{ModelInfo, Ollama, OllamaOptions, Settings, request as wire};
use blufio_testkit::ollama::{Answer, Emulator, MISSING_MODEL, Piece, Script};
use serde_json::{Value, json};

use crate::openai_catalogue::user;

fn request() -> ModelRequest {
    ModelRequest { model: "qwen3:4b".into(), ..crate::openai_catalogue::request() }
}

async fn world_with(settings: Settings) -> (Emulator, Ollama) {
    let emulator = Emulator::start().await.unwrap();
    let mut options = OllamaOptions::new("ollama", &emulator.url());
    options.times.idle = Duration::from_millis(300);
    options.settings = settings;
    (emulator, Ollama::new(options).unwrap())
}

async fn world() -> (Emulator, Ollama) {
    world_with(Settings::default()).await
}

#[tokio::test]
async fn an_answer_arrives_with_its_deltas_usage_and_id() {
    let (emulator, provider) =
        world_with(Settings { context_tokens: Some(8_192), think: Some(false), ..Settings::default() }).await;
    emulator.push(Script::Answer(Answer::text("two words")));
    let mut seen = String::new();
    let mut show = |delta| {
        if let ModelDelta::Text(text) = delta {
            seen.push_str(&text);
        }
    };
    let reply = provider.stream(&request(), &mut show).await.unwrap();
    assert_eq!(seen, "two words");
    assert_eq!(reply.usage.unwrap().input_tokens, 26);
    assert_eq!((reply.stop, reply.request_id.as_deref()), (StopReason::EndTurn, Some("req_emulated")));
    assert_eq!(emulator.violations(), Vec::<String>::new());
    let sent = emulator.requests().remove(0);
    assert_eq!(sent["options"], json!({"num_predict": 100, "num_ctx": 8_192}));
    assert_eq!(
        (&sent["truncate"], &sent["shift"], &sent["think"]),
        (&json!(false), &json!(false), &json!(false))
    );
    assert!(provider.count_tokens(&request()).await.unwrap() > 10);
    let settings = Settings {
        context_tokens: Some(1),
        context_tokens_of: [("qwen3:4b".to_string(), 2)].into(),
        ..Settings::default()
    };
    let body = wire::body(&request(), "ollama", &settings).unwrap();
    assert!(body.contains("\"num_ctx\":2"), "the window of the model comes first");
}

#[tokio::test]
async fn m01_to_m04_errors_are_classified_by_their_status() {
    use ModelErrorKind::{Authentication, Billing, InvalidRequest, Overloaded, RateLimited};
    let cases = [
        (400, InvalidRequest),
        (401, Authentication),
        (402, Billing),
        (403, Authentication),
        (404, InvalidRequest),
        (413, InvalidRequest),
        (429, RateLimited),
        (500, Overloaded),
        (502, Overloaded),
        (503, Overloaded),
    ];
    for (status, expected) in cases {
        let (emulator, provider) = world().await;
        emulator.push(Script::Error(status, String::new(), "words\u{1b}[31m".into(), Some(7)));
        let failed = provider.complete(&request()).await.unwrap_err();
        assert_eq!(failed.kind, expected, "{status}");
        assert_eq!(failed.retry_after_ms, expected.is_retryable().then_some(7_000), "{status}");
        assert_eq!(failed.message, format!("ollama answered {status}: words [31m"));
    }
    let (emulator, provider) = world().await;
    emulator.push(Script::ErrorInStream(Answer::text("one two"), 1, String::new(), "out of memory".into()));
    let failed = provider.complete(&request()).await.unwrap_err();
    assert_eq!((failed.kind, failed.message.as_str()), (Overloaded, "ollama: out of memory"), "M-4");
    let missing = ModelRequest { model: MISSING_MODEL.into(), ..request() };
    let failed = provider.complete(&missing).await.unwrap_err();
    assert_eq!(failed.message, "ollama answered 404: model 'missing' not found");
}

#[tokio::test]
async fn m06_m16_m20_m29_m30_what_is_not_a_whole_stream_is_no_answer() {
    use ModelErrorKind::{Incomplete, NotTheProvider, Overloaded, RateLimited};
    let raw = |status, kind: &str, body: &str| Script::Raw(status, kind.into(), body.into());
    let long = || Answer::text("a long answer that is cut");
    let cases = [
        ("M-6", Script::CutAfter(long(), 300), Incomplete),
        ("M-6: an ordinary end", raw(200, "application/x-ndjson", "{\"done\":false}\n"), Incomplete),
        (
            "M-6: without the line's end",
            raw(200, "application/x-ndjson", "{\"done\":true,\"done_reason\":\"stop\"}"),
            Incomplete,
        ),
        ("M-16", Script::Stall, Incomplete),
        ("M-16: within", Script::StallAfter(long(), 300), Incomplete),
        ("M-20", raw(200, "text/html", "<html>log in</html>"), NotTheProvider),
        ("M-20: a redirect", raw(302, "text/html", ""), NotTheProvider),
        ("M-20: nothing", raw(200, "", ""), NotTheProvider),
        ("M-29", raw(429, "text/html", "<html>slow down</html>"), RateLimited),
        ("M-29: 502", raw(502, "text/html", "<html>bad gateway</html>"), Overloaded),
        ("M-30", raw(200, "application/json", "{\"error\":\"m\"}"), Overloaded),
        ("M-30: no error", raw(200, "application/json", "{}"), NotTheProvider),
        ("M-30: cut", raw(200, "application/json", "{\"err"), NotTheProvider),
    ];
    for (name, script, expected) in cases {
        let (emulator, provider) = world().await;
        emulator.push(script);
        assert_eq!(provider.complete(&request()).await.unwrap_err().kind, expected, "{name}");
    }
    let nobody = Ollama::new(OllamaOptions::new("ollama", "http://127.0.0.1:9")).unwrap();
    assert_eq!(nobody.complete(&request()).await.unwrap_err().kind, ModelErrorKind::Unreachable);
}

#[tokio::test]
async fn m01_m02_everybody_learns_of_a_limit_and_of_a_refused_key() {
    let (emulator, provider) = world().await;
    emulator.push(Script::Error(429, String::new(), "slow".into(), Some(60)));
    assert!(provider.complete(&request()).await.is_err());
    let waiting = provider.complete(&request()).await.unwrap_err();
    assert!(waiting.kind == ModelErrorKind::RateLimited && waiting.retry_after_ms.unwrap() > 59_000);
    assert_eq!(emulator.requests().len(), 1);
    let (emulator, provider) = world().await;
    emulator.push(Script::Error(401, String::new(), "who are you?".into(), None));
    for _ in 0..3 {
        let refused = provider.complete(&request()).await.unwrap_err();
        assert_eq!(refused.kind, ModelErrorKind::Authentication);
    }
    assert_eq!(emulator.requests().len(), 1, "the breaker is open");
}

#[tokio::test]
async fn m16_an_answer_that_takes_too_long_as_a_whole_is_none() {
    let emulator = Emulator::start().await.unwrap();
    emulator.push(Script::StallAfter(Answer::text("a long answer"), 300));
    let mut options = OllamaOptions::new("ollama", &emulator.url());
    options.times.overall = Duration::from_millis(300);
    let failed = Ollama::new(options).unwrap().complete(&request()).await.unwrap_err();
    assert_eq!(
        (failed.kind, failed.message.as_str(), failed.usage),
        (ModelErrorKind::Incomplete, "the answer took too long", None)
    );
}

#[tokio::test]
async fn m12_a_tool_loop_names_the_tool_of_a_result_and_keeps_thinking_beside_calls() {
    let (emulator, provider) = world().await;
    let pieces = vec![
        Piece::Thinking("let me see".into()),
        Piece::Tool("time_now".into(), json!({"zone": "UTC"})),
        Piece::Tool("time_now".into(), json!({})),
    ];
    emulator.push(Script::Answer(Answer::of(pieces)));
    let mut asked = request();
    let first = provider.complete(&asked).await.unwrap();
    assert_eq!(first.stop, StopReason::ToolUse);
    let ids: Vec<String> = first
        .turn
        .blocks
        .iter()
        .filter_map(|b| if let Block::ToolUse { id, .. } = b { Some(id.clone()) } else { None })
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
    asked.turns.push(first.turn.into());
    let result =
        |id: &String| Block::ToolResult { id: id.clone(), content: "noon".into(), is_error: id == &ids[1] };
    let blocks = ids.iter().map(result).chain([Block::Text { text: "quick".into() }]).collect();
    asked.turns.push(Turn { role: Role::User, blocks, raw: None }.into());
    assert!(provider.complete(&asked).await.is_ok());
    assert_eq!(emulator.violations(), Vec::<String>::new());
    let messages = emulator.requests()[1]["messages"].as_array().unwrap().clone();
    assert_eq!(messages[2]["thinking"], "let me see");
    assert_eq!(messages[2]["tool_calls"][0]["function"]["arguments"], json!({"zone": "UTC"}));
    let tool = json!({"role": "tool", "content": "noon", "tool_name": "time_now", "tool_call_id": ids[0]});
    assert_eq!(messages[3], tool);
    assert_eq!(messages[4]["content"], "The tool failed: noon");
    assert_eq!(messages[5], json!({"role": "user", "content": "quick"}));
    // Ids are unlike those of the turn before.
    emulator.push(Script::Answer(Answer::tools(&[("time_now", json!({}))])));
    let third = provider.complete(&request()).await.unwrap();
    assert!(matches!(&third.turn.blocks[0], Block::ToolUse { id, .. } if !ids.contains(id)));
}

#[tokio::test]
async fn schemas_images_and_histories_of_others_fit_the_api() {
    let (emulator, provider) = world().await;
    let schema = "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}}}";
    let mut asked = ModelRequest { output_schema: Some(schema.into()), ..request() };
    let raw = RawContent { provider: "openai".into(), json: "[{\"role\":\"assistant\"}]".into() };
    let said = Block::Text { text: "Looking.".into() };
    let opaque = Block::Opaque { json: "{\"type\":\"thinking\"}".into() };
    asked.turns.push(Turn { role: Role::Assistant, blocks: vec![opaque, said], raw: Some(raw) }.into());
    let image = Block::Image { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() };
    asked.turns.push(Turn { role: Role::User, blocks: vec![image], raw: None }.into());
    let reply = provider.complete(&asked).await.unwrap();
    assert_eq!(reply.turn.blocks, vec![Block::Text { text: "{\"ok\":true}".into() }]);
    assert_eq!(emulator.violations(), Vec::<String>::new());
    emulator.push(Script::Answer(Answer::text("```json\n{}\n```")));
    let fenced = provider.complete(&asked).await.unwrap();
    assert_eq!(fenced.turn.blocks, vec![Block::Text { text: "{}".into() }]);
    let sent = emulator.requests().remove(0);
    assert_eq!((sent["format"]["type"].as_str(), sent.get("tools")), (Some("object"), None));
    assert_eq!(sent["messages"][2], json!({"role": "assistant", "content": "Looking."}));
    assert_eq!(sent["messages"][3], json!({"role": "user", "content": "", "images": ["iVBORw0KGgo="]}));
}

#[test]
fn one_more_turn_only_adds_to_the_bytes() {
    let mut asked = ModelRequest { turns: Vec::new(), ..request() };
    let mut before = String::new();
    for number in 0..20 {
        let raw = RawContent {
            provider: "ollama".into(),
            json: format!("[{{\"role\":\"assistant\",\"content\":\"{number}\"}}]"),
        };
        asked.turns.push(match number % 2 {
            0 => user(&format!("message {number}")).into(),
            _ => Turn { role: Role::Assistant, blocks: Vec::new(), raw: Some(raw) }.into(),
        });
        let now = wire::body(&asked, "ollama", &Settings::default()).unwrap();
        assert!(now.starts_with(before.strip_suffix("]}").unwrap_or("")), "turn {number}");
        assert!(serde_json::from_str::<Value>(&now).is_ok());
        before = now;
    }
}

#[tokio::test]
async fn models_are_listed_and_described_and_vectors_come() {
    let (_emulator, provider) = world().await;
    assert_eq!(provider.models().await.unwrap(), ["qwen3:4b"]);
    let expected = ModelInfo {
        context_tokens: Some(40_960),
        tools: Some(true),
        images: Some(false),
        thinks: Some(true),
    };
    assert_eq!(provider.show("qwen3:4b").await.unwrap(), expected);
    assert_eq!(provider.show(MISSING_MODEL).await.unwrap_err().kind, ModelErrorKind::InvalidRequest);
    let texts = ["a".to_string(), "öö".to_string()];
    assert_eq!(provider.embed("m", &texts).await.unwrap(), [[1.0, 1.0, 1.0], [4.0, 2.0, 1.0]]);
}

#[tokio::test]
async fn what_a_server_lacks_is_told_beforehand_and_refused_before_anything_is_sent() {
    let (emulator, provider) =
        world_with(Settings { tools: false, images: false, ..Settings::default() }).await;
    let can = provider.capabilities();
    assert_eq!(
        [can.tools, can.images, can.documents, can.structured_output],
        [Support::Missing, Support::Missing, Support::Missing, Support::Native]
    );
    assert_eq!(provider.complete(&request()).await.unwrap_err().message, "ollama takes no tools");
    let document = Block::Document {
        media_type: "application/pdf".into(),
        name: "bill.pdf".into(),
        pages: 1,
        data: "JVBERi0xLjQK".into(),
    };
    let mut with_document = ModelRequest { tools: Vec::new(), ..request() };
    with_document.turns.push(Turn { role: Role::User, blocks: vec![document], raw: None }.into());
    let refused = provider.complete(&with_document).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.message.as_str()),
        (ModelErrorKind::InvalidRequest, "ollama takes no documents")
    );
    assert_eq!(emulator.requests().len(), 0);
    assert_eq!(
        Ollama::new(OllamaOptions::new("a/b", "http://127.0.0.1:9")).map(|_| ()),
        Err(ConfigError::Name("a/b".into()))
    );
    let mut keyed = OllamaOptions::new("ollama", "https://ollama.com");
    keyed.key = Some(Secret::new(""));
    assert_eq!(Ollama::new(keyed).map(|_| ()), Err(ConfigError::NoKey("OLLAMA_API_KEY".into())));
    assert!(matches!(
        Ollama::new(OllamaOptions::new("o", "http://localhost:11434")),
        Err(ConfigError::BaseUrl { .. })
    ));
}
