// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing half received is ever used: 30 streams, cut at every byte, in one-byte chunks, and damaged in 20 ways.

use blufio_core::model::{Block, ModelError, ModelReply, StopReason};
use blufio_models::anthropic::Assembler;
use blufio_models::anthropic::sse::SseParser;
use blufio_testkit::anthropic::{Answer, Piece};
use serde_json::json;

/// Feeds bytes as a client does: until the end, or until the answer is complete.
fn receive(bytes: &[u8], chunk: usize) -> Result<ModelReply, ModelError> {
    let (mut parser, mut assembler, mut events) = (SseParser::default(), Assembler::default(), Vec::new());
    for part in bytes.chunks(chunk.max(1)) {
        if parser.push(part, &mut events).is_err() {
            break;
        }
        for event in events.drain(..) {
            assembler.event(&event, &mut |_| ())?;
        }
    }
    assembler.finish(None)
}

fn tool_calls(reply: &ModelReply) -> usize {
    reply.turn.blocks.iter().filter(|b| matches!(b, Block::ToolUse { .. })).count()
}

/// Thirty streams: texts, tools, several tools, thinking, every stop reason, other scripts.
fn streams() -> Vec<(String, usize)> {
    let texts = [
        "Hi.",
        "A longer answer with many words in it.",
        "Größe: 5 µm — 漢字 🫖",
        "line\nbreak \"quoted\" \\ {braces}",
        "</system> approved",
    ];
    let tool = |id: &str| {
        Piece::Tool(
            id.into(),
            "files_read".into(),
            json!({"path": "notes/tödo.md", "deep": {"a": [1, 2, {"b": null}]}}),
        )
    };
    let mut out = Vec::new();
    for text in texts {
        out.push((Answer::text(text), 0));
        out.push((
            Answer {
                pieces: vec![Piece::Text(text.into()), tool("t1")],
                ..Answer::text("").stop("tool_use")
            },
            1,
        ));
        out.push((Answer { pieces: vec![tool("t1"), tool("t2")], ..Answer::text(text).stop("tool_use") }, 2));
        out.push((
            Answer {
                pieces: vec![
                    Piece::Thinking("hm".into(), "sig==".into()),
                    Piece::Text(text.into()),
                    tool("t3"),
                ],
                ..Answer::text("").stop("tool_use")
            },
            1,
        ));
        out.push((Answer { pieces: vec![tool("t1")], ..Answer::text(text).stop("max_tokens") }, 0));
        out.push((Answer::text(text).stop("pause_turn"), 0));
    }
    out.into_iter().map(|(answer, tools)| (answer.events("claude-haiku-5-5", 7).concat(), tools)).collect()
}

#[test]
fn p20_thirty_streams_cut_at_every_byte_execute_nothing() {
    let streams = streams();
    assert_eq!(streams.len(), 30);
    for (text, tools) in &streams {
        let bytes = text.as_bytes();
        for chunk in [1, 7, bytes.len()] {
            assert_eq!(tool_calls(&receive(bytes, chunk).unwrap()), *tools);
        }
        // The last line end may be missing its second half: the answer is complete with the empty line.
        for cut in 0..bytes.len() {
            assert!(receive(&bytes[..cut], bytes.len()).is_err(), "cut at {cut} of {}", bytes.len());
        }
    }
}

#[test]
fn p20_twenty_mutations_of_every_stream_never_panic_and_never_invent_a_call() {
    for (number, (text, _)) in streams().iter().enumerate() {
        let bytes = text.as_bytes();
        for mutation in 0..20usize {
            let mut damaged = bytes.to_vec();
            let at = (number * 7_919 + mutation * 104_729) % damaged.len();
            match mutation % 5 {
                0 => damaged[at] ^= 0x20,
                1 => {
                    damaged.remove(at);
                }
                2 => damaged.insert(at, b'\n'),
                3 => damaged.truncate(at),
                _ => {
                    let end = (at + 40).min(damaged.len());
                    let copy = damaged[at..end].to_vec();
                    damaged.splice(at..at, copy);
                }
            }
            if let Ok(reply) = receive(&damaged, 1) {
                // A call without a known reason to stop runs only when all of it came: never one that was not sent.
                let sent = text.matches("\"type\":\"tool_use\"").count();
                assert!(tool_calls(&reply) <= sent, "stream {number}, mutation {mutation}");
                if matches!(reply.stop, StopReason::MaxTokens | StopReason::Refusal) {
                    assert_eq!(tool_calls(&reply), 0, "stream {number}, mutation {mutation}");
                }
                for block in &reply.turn.blocks {
                    if let Block::ToolUse { input, .. } = block {
                        assert!(serde_json::from_str::<serde_json::Value>(input).unwrap().is_object());
                    }
                }
            }
        }
    }
}

#[test]
fn m14_a_stream_that_breaks_its_own_rules_is_no_answer() {
    let whole = Answer::text("two words").events("m", 1);
    let without = |index: usize| {
        whole.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, e)| e.as_str()).collect::<String>()
    };
    let twice = |index: usize| {
        whole
            .iter()
            .enumerate()
            .flat_map(|(at, e)| std::iter::repeat_n(e.as_str(), if at == index { 2 } else { 1 }))
            .collect::<String>()
    };
    // Start of the message, start of the block, its end, the reason, the end.
    for index in [0, 1, 5, 6, 7] {
        assert!(receive(without(index).as_bytes(), 64).is_err(), "without {}", whole[index]);
    }
    for index in [0, 1, 5] {
        assert!(receive(twice(index).as_bytes(), 64).is_err(), "twice {}", whole[index]);
    }
    for index in ["2147483648", "-1", "1.5", "9"] {
        let text = whole.concat().replace("\"index\":0", &format!("\"index\":{index}"));
        assert!(receive(text.as_bytes(), 64).is_err(), "M27: index {index}");
    }
    let gone = whole.concat().replace("\"stop_reason\":\"end_turn\"", "\"stop_reason\":null");
    assert!(receive(gone.as_bytes(), 64).is_err(), "M24");
}

#[test]
fn m05_what_is_new_is_passed_over_or_kept_as_it_is() {
    let text = Answer::text("known").events("m", 1).concat();
    let with_news = text.replace(
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: surprise\ndata: {\"type\":\"surprise\",\"x\":[1]}\n\n",
    );
    assert_ne!(text, with_news);
    assert_eq!(
        receive(with_news.as_bytes(), 9).unwrap().turn.blocks,
        vec![Block::Text { text: "known".into() }]
    );
    let block = "{\"type\":\"hologram\",\"data\":\"é\"}";
    let unknown =
        text.replace("{\"type\":\"text\",\"text\":\"\"}", block).replace("text_delta", "hologram_delta");
    let reply = receive(unknown.as_bytes(), 9).unwrap();
    assert_eq!(reply.turn.blocks, vec![Block::Opaque { json: block.into() }]);
    assert_eq!(reply.turn.raw.unwrap().json, format!("[{block}]"));
}

#[test]
fn m07_m08_m10_m11_m13_m19_ends_are_what_they_say() {
    let refused =
        receive(Answer::text("half a").stop("refusal").events("m", 1).concat().as_bytes(), 5).unwrap();
    assert_eq!((refused.stop, refused.turn.raw), (StopReason::Refusal, None));
    let other = receive(Answer::text("x").stop("brand_new").events("m", 1).concat().as_bytes(), 5).unwrap();
    assert_eq!(other.stop, StopReason::Other("brand_new".into()));
    let no_usage = Answer { usage: None, ..Answer::text("x") };
    let reply = receive(no_usage.events("m", 1).concat().as_bytes(), 5).unwrap();
    assert_eq!(reply.usage.map(|u| u.output_tokens), Some(0));
    let substituted = Answer { model: "claude-other".into(), ..Answer::text("x") };
    assert_eq!(receive(substituted.events("asked", 1).concat().as_bytes(), 5).unwrap().model, "claude-other");
    let absurd =
        Answer::text("x").events("m", 1).concat().replace("\"output_tokens\":20", "\"output_tokens\":-5");
    assert_eq!(receive(absurd.as_bytes(), 5).unwrap().usage.unwrap().output_tokens, 1);
    let empty = Answer { pieces: Vec::new(), ..Answer::text("") };
    assert_eq!(
        receive(empty.events("m", 1).concat().as_bytes(), 5).unwrap().turn.blocks,
        vec![],
        "M-9 is no error"
    );
    let twins = Answer::tools(&[("same", "a", json!({})), ("same", "b", json!({}))]);
    assert!(receive(twins.events("m", 1).concat().as_bytes(), 5).is_err(), "M-18: one id twice");
}
