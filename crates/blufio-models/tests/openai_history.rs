// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is sent again, and how JSON is asked for: against the emulated API, which refuses what the real one refuses.

use blufio_core::model::{Block, ModelProvider, ModelRequest, RawContent, Role, StopReason, Turn};
use blufio_models::openai::{Dialect, request as wire};
use blufio_testkit::openai::{Answer, Emulator, Piece, Script, reasoning_content_comes_back};
use serde_json::{Value, json};

use crate::openai_catalogue::{provider, request, user};

fn results(ids: &[(&str, bool)]) -> Turn {
    let result = |(id, is_error): &(&str, bool)| Block::ToolResult {
        id: id.to_string(),
        content: "noon".into(),
        is_error: *is_error,
    };
    Turn { role: Role::User, blocks: ids.iter().map(result).collect(), raw: None }
}

/// One call, its result, an answer; the messages of the second request.
async fn tool_loop(dialect: Dialect, pieces: Vec<Piece>) -> (Turn, Vec<Value>) {
    let emulator = Emulator::start().await.unwrap();
    if dialect == Dialect::deepseek() {
        emulator.also_check(reasoning_content_comes_back);
    }
    let provider = provider(&emulator, "here", dialect);
    emulator.push(Script::Answer(Answer::of(pieces, "tool_calls")));
    let mut asked = ModelRequest { model: "some-model".into(), ..request() };
    let first = provider.complete(&asked).await.unwrap();
    assert_eq!(first.stop, StopReason::ToolUse);
    asked.turns.push(first.turn.clone().into());
    asked.turns.push(results(&[("t1", false)]).into());
    assert!(provider.complete(&asked).await.is_ok());
    assert_eq!(emulator.violations(), Vec::<String>::new());
    let messages = emulator.requests()[1]["messages"].as_array().unwrap().clone();
    (first.turn, messages)
}

fn call() -> Piece {
    Piece::Tool("t1".into(), "time_now".into(), json!({"zone": "Europe/Berlin"}))
}

#[tokio::test]
async fn a_tool_loop_sends_what_came_and_reasoning_where_it_must_come_back() {
    let reasoning = || Piece::Reasoning("let me see".into());
    let (turn, messages) =
        tool_loop(Dialect::common(), vec![reasoning(), Piece::Text("Well.".into()), call()]).await;
    assert_eq!(messages[0], json!({"role": "system", "content": "Be brief.\n\nPersona."}));
    let calls = json!([{"id": "t1", "type": "function",
        "function": {"name": "time_now", "arguments": "{\"zone\":\"Europe/Berlin\"}"}}]);
    assert_eq!(messages[2], json!({"role": "assistant", "content": "Well.", "tool_calls": calls}));
    assert_eq!(messages[3], json!({"role": "tool", "tool_call_id": "t1", "content": "noon"}));
    assert_eq!(turn.blocks.len(), 2);

    let (_, messages) = tool_loop(Dialect::deepseek(), vec![reasoning(), call()]).await;
    assert_eq!(messages[2]["reasoning_content"], "let me see");
    // Without reasoning too: the API answers 400 to a call without the field.
    let (_, messages) = tool_loop(Dialect::deepseek(), vec![call()]).await;
    assert_eq!(messages[2]["reasoning_content"], "");

    let detail = |text: &str| json!({"type": "reasoning.text", "text": text, "index": 0, "format": "x"});
    let signed = json!({"type": "reasoning.text", "signature": "s==", "index": 0});
    let other = json!({"type": "reasoning.encrypted", "data": "abc", "index": 1, "id": "r1"});
    let details = [detail("let "), detail("me see"), signed, other.clone()].map(Piece::Detail);
    let pieces = details.into_iter().chain([call()]).collect();
    let (_, messages) = tool_loop(Dialect::openrouter(), pieces).await;
    let whole = json!({"type": "reasoning.text", "text": "let me see", "index": 0, "format": "x", "signature": "s=="});
    assert_eq!(messages[2]["reasoning_details"], json!([whole, other]));
}

#[tokio::test]
async fn histories_of_other_providers_images_documents_and_failed_tools_fit_the_api() {
    let emulator = Emulator::start().await.unwrap();
    let here = provider(&emulator, "here", Dialect::openai());
    let foreign = RawContent { provider: "anthropic".into(), json: "[{\"type\":\"thinking\"}]".into() };
    let call =
        |id: &str| Block::ToolUse { id: id.into(), name: "time_now".into(), input: "{\"a\":1}".into() };
    let mut asked = request();
    asked.turns.push(
        Turn {
            role: Role::Assistant,
            blocks: vec![
                Block::Opaque { json: "{\"type\":\"thinking\",\"signature\":\"s\"}".into() },
                Block::Text { text: "Looking.".into() },
                call("a"),
                call("b"),
            ],
            raw: Some(foreign),
        }
        .into(),
    );
    let mut answers = results(&[("a", false), ("b", true)]);
    answers.blocks.push(Block::Text { text: "and this:".into() });
    answers.blocks.push(Block::Image { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() });
    answers.blocks.push(document());
    asked.turns.push(answers.into());
    assert!(here.complete(&asked).await.is_ok());
    assert_eq!(emulator.violations(), Vec::<String>::new());
    let messages = emulator.requests()[0]["messages"].as_array().unwrap().clone();
    assert_eq!(messages.len(), 6);
    assert!(!messages[2].to_string().contains("thinking"));
    assert_eq!(messages[2]["tool_calls"][1]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(messages[4]["content"], "The tool failed: noon");
    assert_eq!(messages[5]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");
    let file = json!({"filename": "bill.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"});
    assert_eq!(messages[5]["content"][2], json!({"type": "file", "file": file}));
}

fn document() -> Block {
    Block::Document {
        media_type: "application/pdf".into(),
        name: "bill.pdf".into(),
        pages: 1,
        data: "JVBERi0xLjQK".into(),
    }
}

#[test]
fn one_more_turn_only_adds_to_the_bytes() {
    let raw = |text: &str| RawContent {
        provider: "here".into(),
        json: format!("[{{\"role\":\"assistant\",\"content\":\"{text}\",\"reasoning_content\":\"é\"}}]"),
    };
    let mut asked = ModelRequest { turns: Vec::new(), ..request() };
    let mut before = String::new();
    for number in 0..20 {
        asked.turns.push(match number % 2 {
            0 if number % 3 == 0 => {
                let text = user(&format!("message {number}")).blocks.remove(0);
                Turn { role: Role::User, blocks: vec![document(), text], raw: None }.into()
            }
            0 => user(&format!("message {number}")).into(),
            _ => {
                Turn { role: Role::Assistant, blocks: Vec::new(), raw: Some(raw(&format!("said {number}"))) }
                    .into()
            }
        });
        let now = wire::body(&asked, "here", &Dialect { documents: true, ..Dialect::common() }).unwrap();
        let prefix = before.strip_suffix("]}").unwrap_or("");
        assert!(now.starts_with(prefix), "turn {number} changed earlier bytes");
        assert!(serde_json::from_str::<Value>(&now).is_ok());
        before = now;
    }
    assert!(before.contains("\"reasoning_content\":\"é\""));
}

const CLOSED: &str = "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}},\"required\":[\"ok\"],\"additionalProperties\":false}";
const OPEN: &str = "{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}}}";
const WORD: &str = "{\"enum\":[\"yes\",\"no\"]}";

#[tokio::test]
async fn structured_output_is_native_where_it_can_be_and_said_in_words_elsewhere() {
    // Dialect, schema, `response_format.type`, `strict`, whether it is said in words.
    let cases = [
        (Dialect::openai(), CLOSED, Some("json_schema"), Some(true), false),
        (Dialect::openai(), OPEN, Some("json_schema"), Some(false), false),
        (Dialect::openai(), WORD, None, None, true),
        (Dialect::deepseek(), CLOSED, Some("json_object"), None, true),
        (Dialect::deepseek(), WORD, None, None, true),
        (Dialect::groq(), CLOSED, None, None, true),
        (Dialect::common(), CLOSED, Some("json_schema"), Some(true), false),
    ];
    for (dialect, schema, kind, strict, in_words) in cases {
        let emulator = Emulator::start().await.unwrap();
        let here = provider(&emulator, "here", dialect.clone());
        let model = if dialect == Dialect::openai() { "gpt-6-luna" } else { "some-model" };
        let asked = ModelRequest { model: model.into(), output_schema: Some(schema.into()), ..request() };
        assert!(here.complete(&asked).await.is_ok());
        assert_eq!(emulator.violations(), Vec::<String>::new(), "{dialect:?}");
        let sent = emulator.requests().remove(0);
        let format = &sent["response_format"];
        assert_eq!(format["type"].as_str(), kind, "{dialect:?}");
        assert_eq!(format["json_schema"]["strict"].as_bool(), strict, "{dialect:?}");
        assert_eq!(sent["tool_choice"], "none", "the answer is to be the value");
        let last = sent["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last["content"].as_str().unwrap().contains(schema), in_words, "{dialect:?}");
        assert_eq!(last["role"], "user");
    }
}

#[tokio::test]
async fn a_code_fence_around_json_that_was_asked_for_is_taken_off() {
    let emulator = Emulator::start().await.unwrap();
    let here = provider(&emulator, "groq", Dialect::groq());
    let fenced = "```json\n{\"ok\":true}\n```";
    let free = ModelRequest { model: "some-model".into(), ..request() };
    let asked = ModelRequest { output_schema: Some(CLOSED.into()), ..free.clone() };
    for (request, expected) in [(asked, "{\"ok\":true}"), (free, fenced)] {
        emulator.push(Script::Answer(Answer::text(fenced)));
        let reply = here.complete(&request).await.unwrap();
        assert_eq!(reply.turn.blocks, vec![Block::Text { text: expected.into() }], "prose is left alone");
    }
}
