// SPDX-License-Identifier: MIT OR Apache-2.0
//! The failure catalogue over HTTP, against the emulated Chat Completions API.

use std::time::Duration;

use blufio_core::model::{
    Block, ModelDelta, ModelErrorKind, ModelProvider, ModelRequest, Role, Support, ToolOffer, Turn,
};
use blufio_core::secret::Secret;
use blufio_models::ConfigError;
use blufio_models::openai::{Dialect, OpenAi, OpenAiOptions, StructuredOutput};
use blufio_testkit::openai::{Answer, Emulator, Script};

pub fn provider(emulator: &Emulator, name: &str, dialect: Dialect) -> OpenAi {
    let url = format!("{}/v1", emulator.url());
    let mut options = OpenAiOptions::new(name, &url, Some(Secret::new("sk-canary-4711"))).dialect(dialect);
    options.times.idle = Duration::from_millis(300);
    OpenAi::new(options).unwrap()
}

async fn world() -> (Emulator, OpenAi) {
    let emulator = Emulator::start().await.unwrap();
    let provider = provider(&emulator, "openai", Dialect::openai());
    (emulator, provider)
}

pub fn user(text: &str) -> Turn {
    Turn { role: Role::User, blocks: vec![Block::Text { text: text.into() }], raw: None }
}

pub fn request() -> ModelRequest {
    ModelRequest {
        model: "gpt-6-luna".into(),
        system: vec!["Be brief.".into(), "Persona.".into()],
        tools: vec![ToolOffer {
            name: "time_now".into(),
            description: "The time.".into(),
            input_schema: "{\"type\":\"object\"}".into(),
        }],
        turns: vec![user("Hello").into()],
        output_schema: None,
        output_tokens_max: 100,
        caches_static_for_an_hour: false,
    }
}

#[tokio::test]
async fn an_answer_arrives_with_its_deltas_usage_and_id() {
    let (emulator, provider) = world().await;
    emulator.push(Script::Answer(Answer { comments: true, ..Answer::text("two words") }));
    let mut seen = String::new();
    let mut show = |delta| {
        if let ModelDelta::Text(text) = delta {
            seen.push_str(&text);
        }
    };
    let reply = provider.stream(&request(), &mut show).await.unwrap();
    assert_eq!(seen, "two words");
    assert_eq!(reply.turn.blocks, vec![Block::Text { text: "two words".into() }]);
    assert_eq!(reply.usage.unwrap().input_tokens, 120);
    assert_eq!(reply.request_id.as_deref(), Some("req_emulated"));
    assert_eq!(emulator.violations(), Vec::<String>::new());
    assert!(provider.count_tokens(&request()).await.unwrap() > 10);
    assert_eq!(provider.name(), "openai");
}

#[tokio::test]
async fn m01_to_m04_errors_are_classified_and_never_show_the_key() {
    use ModelErrorKind::{Authentication, Billing, InvalidRequest, Overloaded, RateLimited};
    let cases = [
        (400, "invalid_request_error", InvalidRequest),
        (400, "context_length_exceeded", InvalidRequest),
        (401, "invalid_api_key", Authentication),
        (402, "", Billing),
        (403, "", Authentication),
        (404, "model_not_found", InvalidRequest),
        (408, "", Overloaded),
        (413, "", InvalidRequest),
        (429, "rate_limit_exceeded", RateLimited),
        (429, "insufficient_quota", Billing),
        (500, "server_error", Overloaded),
        (503, "", Overloaded),
    ];
    for (status, kind, expected) in cases {
        let (emulator, provider) = world().await;
        let words = "words\u{1b}[31m".to_string();
        emulator.push(Script::Error(status, kind.into(), words, Some(7)));
        let failed = provider.complete(&request()).await.unwrap_err();
        assert_eq!(failed.kind, expected, "{status} {kind}");
        assert_eq!(failed.retry_after_ms, expected.is_retryable().then_some(7_000), "{status} {kind}");
        assert_eq!(failed.request_id.as_deref(), Some("req_emulated"));
        assert!(failed.message.starts_with("openai answered "), "{}", failed.message);
        assert!(!failed.message.contains("canary") && !failed.message.contains('\u{1b}'));
    }
    let (emulator, provider) = world().await;
    let half = Answer::text("one two three");
    emulator.push(Script::ErrorInStream(half, 3, "server_error".into(), "busy".into()));
    let failed = provider.complete(&request()).await.unwrap_err();
    assert_eq!(
        (failed.kind, failed.message.as_str()),
        (Overloaded, "openai: busy"),
        "M-4: after a status of 200"
    );
    assert_eq!(failed.request_id.as_deref(), Some("req_emulated"));
}

#[tokio::test]
async fn m01_m02_everybody_learns_of_a_limit_and_of_a_refused_key() {
    let (emulator, provider) = world().await;
    emulator.push(Script::Error(429, "rate_limit_exceeded".into(), "slow".into(), Some(60)));
    assert!(provider.complete(&request()).await.is_err());
    let waiting = provider.complete(&request()).await.unwrap_err();
    assert!(waiting.kind == ModelErrorKind::RateLimited && waiting.retry_after_ms.unwrap() > 59_000);
    assert_eq!(emulator.requests().len(), 1);
    let (emulator, provider) = world().await;
    emulator.push(Script::ErrorInStream(Answer::text("x"), 1, "insufficient_quota".into(), "pay".into()));
    for _ in 0..3 {
        assert_eq!(provider.complete(&request()).await.unwrap_err().kind, ModelErrorKind::Billing);
    }
    assert_eq!(emulator.requests().len(), 1, "the breaker is open");
}

#[tokio::test]
async fn m06_m16_m20_m29_m30_what_is_not_a_whole_stream_is_no_answer() {
    use ModelErrorKind::{Incomplete, NotTheProvider, Overloaded, RateLimited};
    let raw = |status, kind: &str, body: &str| Script::Raw(status, kind.into(), body.into());
    let long = || Answer::text("a long answer that is cut");
    let cases = [
        ("M-6", Script::CutAfter(long(), 700), Incomplete),
        ("M-6: before the first byte", Script::CutAfter(long(), 0), Incomplete),
        ("M-6: an ordinary end", raw(200, "text/event-stream", "data: {\"choices\":[]}\n\n"), Incomplete),
        ("M-14: no JSON", raw(200, "text/event-stream", "data: \u{0}\n\ndata: x\n\n"), Incomplete),
        ("M-16", Script::Stall, Incomplete),
        ("M-16: within", Script::StallAfter(long(), 300), Incomplete),
        ("M-20", raw(200, "text/html", "<html>log in</html>"), NotTheProvider),
        ("M-20: nothing", raw(200, "", ""), NotTheProvider),
        ("M-20: a redirect", raw(302, "text/html", ""), NotTheProvider),
        ("M-29", raw(429, "text/html", "<html>slow down</html>"), RateLimited),
        ("M-29: 502", raw(502, "text/html", "<html>bad gateway</html>"), Overloaded),
        ("M-30", raw(200, "application/json", "{\"error\":{\"code\":502,\"message\":\"m\"}}"), Overloaded),
        ("M-30: no error", raw(200, "application/json", "{\"choices\":[]}"), NotTheProvider),
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
    emulator.push(Script::StallAfter(Answer::text("a long answer"), 300));
    let url = format!("{}/v1", emulator.url());
    let mut options = OpenAiOptions::new("openai", &url, Some(Secret::new("k"))).dialect(Dialect::openai());
    options.times.overall = Duration::from_millis(300);
    let failed = OpenAi::new(options).unwrap().complete(&request()).await.unwrap_err();
    assert_eq!(
        (failed.kind, failed.message.as_str(), failed.usage),
        (ModelErrorKind::Incomplete, "the answer took too long", None)
    );
}

#[tokio::test]
async fn m12_a_tool_call_without_its_result_is_refused_by_the_emulator_as_by_the_api() {
    let (emulator, provider) = world().await;
    let call = Block::ToolUse { id: "t".into(), name: "time_now".into(), input: "{}".into() };
    let mut orphaned = request();
    orphaned.turns.push(Turn { role: Role::Assistant, blocks: vec![call], raw: None }.into());
    orphaned.turns.push(user("and?").into());
    assert_eq!(provider.complete(&orphaned).await.unwrap_err().kind, ModelErrorKind::InvalidRequest);
    assert_eq!(emulator.violations().len(), 1);
}

#[tokio::test]
async fn what_an_endpoint_lacks_is_told_beforehand_and_refused_before_anything_is_sent() {
    let emulator = Emulator::start().await.unwrap();
    let none = Dialect {
        tools: false,
        images: false,
        embeddings: false,
        structured_output: StructuredOutput::Refused,
        ..Dialect::common()
    };
    let poor = provider(&emulator, "local", none);
    let can = poor.capabilities();
    assert_eq!(
        [can.tools, can.images, can.documents, can.structured_output, can.embeddings],
        [Support::Missing; 5]
    );
    assert_eq!(can.token_counts, Support::Emulated);
    // Who has PDFs read elsewhere, unseen by any usage, is not asked to.
    let readers = ["openai", "openrouter", "groq", "deepseek", "common"]
        .map(|name| Dialect::named(name).unwrap().capabilities().documents == Support::Native);
    assert_eq!(readers, [true, false, false, false, false]);
    let image = Block::Image { media_type: "image/png".into(), data: "AA==".into() };
    let document = Block::Document {
        media_type: "application/pdf".into(),
        name: "bill.pdf".into(),
        pages: 1,
        data: "JVBERi0xLjQK".into(),
    };
    let with_document = Turn { role: Role::User, blocks: vec![document], raw: None };
    let plain = ModelRequest { tools: Vec::new(), ..request() };
    let with_image = Turn { role: Role::User, blocks: vec![image], raw: None };
    let refused = [
        ("local takes no tools", request()),
        ("local takes no images", ModelRequest { turns: vec![with_image.into()], ..plain.clone() }),
        ("local takes no documents", ModelRequest { turns: vec![with_document.into()], ..plain.clone() }),
        (
            "local has no structured output",
            ModelRequest { output_schema: Some("{}".into()), ..plain.clone() },
        ),
    ];
    for (words, request) in refused {
        let failed = poor.complete(&request).await.unwrap_err();
        assert_eq!((failed.kind, failed.message.as_str()), (ModelErrorKind::InvalidRequest, words));
    }
    let mut dotted = request();
    dotted.tools[0].name = "time.now".into();
    let rich = provider(&emulator, "openai", Dialect::openai());
    assert!(rich.complete(&dotted).await.unwrap_err().message.contains("`time.now`"));
    let broken = ModelRequest { output_schema: Some("{".into()), ..request() };
    assert!(rich.complete(&broken).await.unwrap_err().message.contains("not JSON"));
    let texts = ["a".to_string()];
    assert_eq!(poor.embed("m", &texts).await.unwrap_err().message, "local has no embeddings");
    assert_eq!(emulator.requests().len(), 0);
    assert_eq!(rich.capabilities().structured_output, Support::Native);
    let words = provider(&emulator, "groq", Dialect::groq());
    assert_eq!(words.capabilities().structured_output, Support::Emulated);
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts() {
    let (_emulator, provider) = world().await;
    let texts = ["a".to_string(), "öö".to_string()];
    let vectors = provider.embed("text-embedding-3-small", &texts).await.unwrap();
    assert_eq!(vectors, [[1.0, 1.0, 1.0], [4.0, 2.0, 1.0]]);
    let empty = [String::new()];
    let failed = provider.embed("text-embedding-3-small", &empty).await.unwrap_err();
    assert_eq!(failed.kind, ModelErrorKind::InvalidRequest);
}

#[test]
fn sec10_plain_http_goes_to_literal_loopback_only_and_names_and_keys_are_checked() {
    let make = |name: &str, url: &str, key: Option<&str>| {
        OpenAi::new(OpenAiOptions::new(name, url, key.map(Secret::new))).map(|_| ())
    };
    for url in [
        "http://127.0.0.1:9/v1",
        "http://[::1]:9",
        "https://api.openai.com/v1",
        "https://openrouter.ai/api/v1",
    ] {
        assert_eq!(make("x", url, Some("k")), Ok(()), "{url}");
    }
    for url in
        ["http://localhost:9", "http://127.0.0.1.evil.example", "http://10.0.0.1", "https://me:pw@host", "x"]
    {
        assert!(matches!(make("x", url, Some("k")), Err(ConfigError::BaseUrl { .. })), "{url}");
    }
    assert_eq!(make("local", "http://127.0.0.1:9", None), Ok(()));
    let no_key = make("my-proxy", "https://api.openai.com/v1", Some(" "));
    assert_eq!(no_key, Err(ConfigError::NoKey("MY_PROXY_API_KEY".into())));
    for name in ["", "a/b", "a b", "ü", &"x".repeat(41)] {
        assert!(
            matches!(make(name, "https://api.openai.com/v1", Some("k")), Err(ConfigError::Name(_))),
            "{name}"
        );
    }
}
