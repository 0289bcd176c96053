// SPDX-License-Identifier: MIT OR Apache-2.0
//! The failure catalogue over HTTP, against the emulated API.

use std::sync::Arc;
use std::time::Duration;

use blufio_core::model::{Block, ModelErrorKind, ModelProvider, ModelRequest, Role, ToolOffer, Turn};
use blufio_core::secret::Secret;
use blufio_models::anthropic::{Anthropic, ConfigError, Options};
use blufio_testkit::anthropic::{Answer, Emulator, Script};
use serde_json::json;

async fn world() -> (Emulator, Anthropic) {
    let emulator = Emulator::start().await.unwrap();
    let mut options = Options::new(&emulator.url(), Secret::new("sk-canary-4711"));
    options.idle_timeout = Duration::from_millis(300);
    let provider = Anthropic::new(options).unwrap();
    (emulator, provider)
}

fn request() -> ModelRequest {
    ModelRequest {
        model: "claude-haiku-5-5".into(),
        system: vec!["Be brief.".into()],
        tools: vec![ToolOffer {
            name: "time_now".into(),
            description: "The time.".into(),
            input_schema: "{\"type\":\"object\"}".into(),
        }],
        turns: vec![
            Turn { role: Role::User, blocks: vec![Block::Text { text: "Hello".into() }], raw: None }.into(),
        ],
        output_schema: None,
        output_tokens_max: 100,
        caches_static_for_an_hour: false,
    }
}

#[tokio::test]
async fn an_answer_arrives_with_its_deltas_usage_and_id() {
    let (emulator, provider) = world().await;
    emulator.push(Script::Answer(Answer::text("two words")));
    let mut seen = String::new();
    let reply = provider
        .stream(&request(), &mut |delta| {
            if let blufio_core::model::ModelDelta::Text(text) = delta {
                seen.push_str(&text);
            }
        })
        .await
        .unwrap();
    assert_eq!(seen, "two words");
    assert_eq!(reply.turn.blocks, vec![Block::Text { text: "two words".into() }]);
    assert_eq!(reply.usage.unwrap().input_tokens, 120);
    assert_eq!(reply.request_id.as_deref(), Some("req_emulated"));
    assert_eq!(emulator.violations(), Vec::<String>::new());
    assert!(provider.count_tokens(&request()).await.unwrap() > 0);
}

#[tokio::test]
async fn documents_and_pictures_are_sent_as_the_api_takes_them() {
    let (emulator, provider) = world().await;
    let document = |data: &str| Block::Document {
        media_type: "application/pdf".into(),
        name: "bill.pdf".into(),
        pages: 1,
        data: data.into(),
    };
    let image = Block::Image { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() };
    let mut asked = request();
    Arc::make_mut(&mut asked.turns[0]).blocks.splice(0..0, [document("JVBERi0xLjQK"), image]);
    assert!(provider.complete(&asked).await.is_ok());
    assert!(provider.count_tokens(&asked).await.unwrap() > 0);
    assert_eq!(emulator.violations(), Vec::<String>::new());
    Arc::make_mut(&mut asked.turns[0]).blocks[0] = document("aGVsbG8h");
    let refused = provider.complete(&asked).await.unwrap_err();
    assert_eq!(refused.kind, ModelErrorKind::InvalidRequest);
    assert!(refused.message.contains("The PDF specified was not valid"), "{}", refused.message);
}

#[tokio::test]
async fn m01_to_m04_errors_are_classified_by_type_and_never_show_the_key() {
    let cases = [
        (400, "invalid_request_error", ModelErrorKind::InvalidRequest),
        (401, "authentication_error", ModelErrorKind::Authentication),
        (402, "billing_error", ModelErrorKind::Billing),
        (403, "permission_error", ModelErrorKind::Authentication),
        (404, "not_found_error", ModelErrorKind::InvalidRequest),
        (413, "request_too_large", ModelErrorKind::InvalidRequest),
        (429, "rate_limit_error", ModelErrorKind::RateLimited),
        (500, "api_error", ModelErrorKind::Overloaded),
        (529, "overloaded_error", ModelErrorKind::Overloaded),
    ];
    for (status, kind, expected) in cases {
        let (emulator, provider) = world().await;
        emulator.push(Script::Error(
            status,
            kind.into(),
            "words\u{1b}[31m".into(),
            (status == 429).then_some(7),
        ));
        let error = provider.complete(&request()).await.unwrap_err();
        assert_eq!(error.kind, expected, "{status}");
        assert_eq!(error.retry_after_ms, (status == 429).then_some(7_000));
        assert!(!error.message.contains("canary") && !error.message.contains('\u{1b}'), "{}", error.message);
    }
    let (emulator, provider) = world().await;
    emulator.push(Script::ErrorInStream("overloaded_error".into(), "busy".into()));
    let error = provider.complete(&request()).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Overloaded, "M-4: after a status of 200");
    assert!(error.usage.is_some(), "what was used is charged");
}

#[tokio::test]
async fn m06_m16_m20_m29_m30_what_is_not_a_whole_stream_is_no_answer() {
    let (emulator, provider) = world().await;
    emulator.push(Script::CutAfter(Answer::text("a long answer that is cut"), 700));
    emulator.push(Script::Stall);
    emulator.push(Script::Raw(200, "text/html".into(), "<html>log in</html>".into()));
    emulator.push(Script::Raw(429, "text/html".into(), "<html>slow down</html>".into()));
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(provider.complete(&request()).await.unwrap_err().kind);
    }
    assert_eq!(
        kinds,
        [
            ModelErrorKind::Incomplete,
            ModelErrorKind::Incomplete,
            ModelErrorKind::NotTheProvider,
            ModelErrorKind::RateLimited
        ]
    );
    let body = json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}).to_string();
    emulator.push(Script::Raw(200, "application/json".into(), body));
    assert_eq!(provider.complete(&request()).await.unwrap_err().kind, ModelErrorKind::Overloaded);
}

#[tokio::test]
async fn m12_a_tool_call_without_its_result_is_refused_by_the_emulator_as_by_the_api() {
    let (emulator, provider) = world().await;
    let mut orphaned = request();
    orphaned.turns.push(
        Turn {
            role: Role::Assistant,
            blocks: vec![Block::ToolUse { id: "t".into(), name: "time_now".into(), input: "{}".into() }],
            raw: None,
        }
        .into(),
    );
    orphaned
        .turns
        .push(Turn { role: Role::User, blocks: vec![Block::Text { text: "and?".into() }], raw: None }.into());
    assert_eq!(provider.complete(&orphaned).await.unwrap_err().kind, ModelErrorKind::InvalidRequest);
    assert_eq!(emulator.violations().len(), 1);
}

#[test]
fn sec10_plain_http_goes_to_literal_loopback_only() {
    let make = |url: &str| Anthropic::new(Options::new(url, Secret::new("k")));
    for url in ["http://127.0.0.1:9", "http://[::1]:9", "https://api.anthropic.com"] {
        assert!(make(url).is_ok(), "{url}");
    }
    for url in [
        "http://localhost:9",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://me:pw@host",
        "nonsense",
    ] {
        assert!(matches!(make(url), Err(ConfigError::BaseUrl { .. })), "{url}");
    }
    assert!(matches!(
        Anthropic::new(Options::new("https://api.anthropic.com", Secret::new(" "))),
        Err(ConfigError::NoKey(_))
    ));
}
