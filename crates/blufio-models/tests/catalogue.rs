// SPDX-License-Identifier: MIT OR Apache-2.0
//! The failure catalogue over HTTP, against the emulated API.

use std::sync::Arc;
use std::time::Duration;

use blufio_core::model::{Block, ModelErrorKind, ModelProvider, ModelRequest, Role, ToolOffer, Turn};
use blufio_core::secret::Secret;
use blufio_models::anthropic::{Anthropic, ConfigError, Options};
use blufio_testkit::anthropic::{Answer, Emulator, Script};

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
    assert_eq!(error.request_id.as_deref(), Some("req_emulated"));
    assert!(error.usage.is_some(), "what was used is charged");
}

#[tokio::test]
async fn m01_m02_everybody_learns_of_a_limit_and_of_a_refused_key() {
    let (emulator, provider) = world().await;
    emulator.push(Script::Error(429, "rate_limit_error".into(), "slow".into(), Some(60)));
    assert!(provider.complete(&request()).await.is_err());
    let waiting = provider.complete(&request()).await.unwrap_err();
    assert!(waiting.kind == ModelErrorKind::RateLimited && waiting.retry_after_ms.unwrap() > 59_000);
    assert_eq!(emulator.requests().len(), 1);
    let (emulator, provider) = world().await;
    emulator.push(Script::ErrorInStream("billing_error".into(), "pay".into()));
    for number in 0..3 {
        let refused = provider.complete(&request()).await.unwrap_err();
        assert_eq!((refused.kind, refused.usage.is_some()), (ModelErrorKind::Billing, number == 0));
    }
    assert_eq!(emulator.requests().len(), 1, "the breaker is open");
}

#[tokio::test]
async fn m06_m16_m20_m29_m30_what_is_not_a_whole_stream_is_no_answer() {
    use ModelErrorKind::{Incomplete, NotTheProvider, Overloaded, RateLimited};
    let raw = |status, kind: &str, body: &str| Script::Raw(status, kind.into(), body.into());
    let long = || Answer::text("a long answer that is cut");
    let whole = long().events("m", 1);
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#;
    let cases = [
        ("M-6", Script::CutAfter(long(), 700), Incomplete),
        ("M-6: before the first byte", Script::CutAfter(long(), 0), Incomplete),
        (
            "M-6: an ordinary end",
            raw(200, "text/event-stream", &whole[..whole.len() - 1].concat()),
            Incomplete,
        ),
        ("M-14: no JSON", raw(200, "text/event-stream", "data: \u{0}\n\ndata: x\n\n"), Incomplete),
        ("M-16", Script::Stall, Incomplete),
        ("M-16: within", Script::PauseAfter(long(), 300), Incomplete),
        ("M-20", raw(200, "text/html", "<html>log in</html>"), NotTheProvider),
        ("M-20: nothing", raw(200, "", ""), NotTheProvider),
        ("M-20: a redirect", raw(302, "text/html", ""), NotTheProvider),
        ("M-29", raw(429, "text/html", "<html>slow down</html>"), RateLimited),
        ("M-29: 502", raw(502, "text/html", "<html>bad gateway</html>"), Overloaded),
        ("M-30", raw(200, "application/json", overloaded), Overloaded),
        ("M-30: no error", raw(200, "application/json", "{\"content\":[]}"), NotTheProvider),
        ("M-30: cut", raw(200, "application/json", "{\"err"), NotTheProvider),
    ];
    for (name, script, expected) in cases {
        let (emulator, provider) = world().await;
        emulator.push(script);
        assert_eq!(provider.complete(&request()).await.unwrap_err().kind, expected, "{name}");
    }
}

#[tokio::test]
async fn m16_an_answer_that_takes_too_long_as_a_whole_is_none() {
    let emulator = Emulator::start().await.unwrap();
    emulator.push(Script::PauseAfter(Answer::text("a long answer"), 300));
    let mut options = Options::new(&emulator.url(), Secret::new("k"));
    options.overall_timeout = Duration::from_millis(300);
    let failed = Anthropic::new(options).unwrap().complete(&request()).await.unwrap_err();
    assert_eq!(
        (failed.kind, failed.message.as_str(), failed.usage),
        (ModelErrorKind::Incomplete, "the answer took too long", None)
    );
}

#[tokio::test]
async fn what_comes_behind_the_end_of_an_answer_is_not_looked_at() {
    let (emulator, provider) = world().await;
    let whole = Answer::text("whole").events("m", 1).concat();
    let huge = "x".repeat(blufio_models::sse::LINE_BYTES_MAX + 1);
    for behind in ["data: no JSON\n\n", "data: {\"type\":\"error\"}\n\n", &huge] {
        emulator.push(Script::Raw(200, "text/event-stream".into(), format!("{whole}{behind}")));
        let reply = provider.complete(&request()).await.unwrap();
        assert_eq!(reply.turn.blocks, vec![Block::Text { text: "whole".into() }]);
    }
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
