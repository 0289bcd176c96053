// SPDX-License-Identifier: MIT OR Apache-2.0
// Included by the fuzz target `streams` and by the tests of blufio-models: any bytes as a provider's stream.

use std::collections::BTreeSet;

use blufio_core::model::{Block, ModelDelta, ModelError, ModelReply, ModelRequest, Role, StopReason, Turn};
use blufio_models::ollama::ndjson::Lines;
use blufio_models::openai::Dialect;
use blufio_models::sse::SseParser;
use blufio_models::stream::{Collector, Splitter};
use blufio_models::{anthropic, ollama, openai};

/// The answer of a stream that arrives in portions of these sizes, over and over, and the text that was shown meanwhile.
pub fn receive_shown<S: Splitter>(
    mut collector: impl Collector<S::Piece>,
    bytes: &[u8],
    sizes: &[usize],
) -> (Result<ModelReply, ModelError>, String) {
    let (mut splitter, mut pieces, mut shown) = (S::default(), Vec::new(), String::new());
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() && !collector.is_finished() {
        let (part, after) = rest.split_at(sizes.next().map_or(1, |size| *size).clamp(1, rest.len()));
        rest = after;
        let readable = splitter.push(part, &mut pieces);
        for piece in pieces.drain(..) {
            let mut show = |delta| {
                if let ModelDelta::Text(text) = delta {
                    shown.push_str(&text);
                }
            };
            if let Err(failed) = collector.take(&piece, &mut show) {
                return (Err(failed), shown);
            }
        }
        if readable.is_err() {
            break;
        }
    }
    (collector.finish(None), shown)
}

/// The same without what was shown.
pub fn receive<S: Splitter>(
    collector: impl Collector<S::Piece>,
    bytes: &[u8],
    sizes: &[usize],
) -> Result<ModelReply, ModelError> {
    receive_shown::<S>(collector, bytes, sizes).0
}

/// The first byte says whose stream the rest is.
pub fn run(data: &[u8]) {
    let Some((whose, bytes)) = data.split_first() else { return };
    let structured = whose & 0x80 != 0;
    let dialects = [Dialect::openai, Dialect::openrouter, Dialect::deepseek, Dialect::groq, Dialect::common];
    match (whose & 0x7f) % 7 {
        0 => any_split::<SseParser, _>(bytes, anthropic::Assembler::default),
        1 => any_split::<Lines, _>(bytes, || ollama::Assembler::new("ollama", structured)),
        other => {
            let dialect = dialects[usize::from(other) - 2]();
            any_split::<SseParser, _>(bytes, || openai::Assembler::new("openai", &dialect, structured));
        }
    }
}

/// How a stream is split never matters, and what comes of it can be used.
fn any_split<S: Splitter, C: Collector<S::Piece>>(bytes: &[u8], collector: impl Fn() -> C) {
    let whole = receive_shown::<S>(collector(), bytes, &[bytes.len()]);
    for sizes in [&[1][..], &[7, 1, 64]] {
        assert_eq!(receive_shown::<S>(collector(), bytes, sizes), whole, "{sizes:?}");
    }
    if let (Ok(reply), _) = whole {
        usable(&reply);
    }
}

fn usable(reply: &ModelReply) {
    let mut ids = BTreeSet::new();
    for block in &reply.turn.blocks {
        if let Block::ToolUse { id, name, input } = block {
            assert!(!id.is_empty() && !name.is_empty() && ids.insert(id), "{reply:?}");
            assert!(serde_json::from_str::<serde_json::Value>(input).is_ok_and(|input| input.is_object()));
        }
    }
    let is_cut =
        matches!(reply.stop, StopReason::MaxTokens | StopReason::ContextWindowExceeded | StopReason::Refusal);
    assert!(!is_cut || ids.is_empty(), "a call of an answer that was cut: {reply:?}");
    // What was said is sent again, to whoever comes next in the chain.
    let user = |blocks| Turn { role: Role::User, blocks, raw: None };
    let result =
        |id: &&String| Block::ToolResult { id: (*id).clone(), content: "done".into(), is_error: false };
    let mut results: Vec<Block> = ids.iter().map(result).collect();
    results.push(Block::Text { text: "Go on.".into() });
    let request = ModelRequest {
        model: "m".into(),
        system: Vec::new(),
        tools: Vec::new(),
        turns: vec![
            user(vec![Block::Text { text: "Hello".into() }]).into(),
            reply.turn.clone().into(),
            user(results).into(),
        ],
        output_schema: None,
        output_tokens_max: 100,
        caches_static_for_an_hour: false,
    };
    let bodies = [
        Ok(anthropic::request::body(&request, true)),
        openai::request::body(&request, "openai", &Dialect::openrouter()),
        ollama::request::body(&request, "ollama", &ollama::Settings::default()),
    ];
    for body in bodies.into_iter().flatten() {
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
    }
}
