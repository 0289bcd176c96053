// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of Ollama: nothing half received is ever used, whatever the split, the cut and the damage. Numbers are those of
//! the failure catalogue. M-10, M-25 and M-31 have no place here: there are no refusals and no ids of answers, and calls
//! come whole.

use blufio_core::model::{Block, ModelError, ModelErrorKind, ModelReply, StopReason, Usage};
use blufio_models::ollama::Assembler;
use blufio_models::ollama::ndjson::Lines;
use blufio_testkit::ollama::{Answer, Piece};
use proptest::prelude::*;
use serde_json::{Value, json};

fn receive_as(bytes: &[u8], sizes: &[usize]) -> Result<ModelReply, ModelError> {
    crate::fuzzed::streams::receive::<Lines>(Assembler::new("ollama", false), bytes, sizes)
}

fn receive(text: &str, chunk: usize) -> Result<ModelReply, ModelError> {
    receive_as(text.as_bytes(), &[chunk])
}

fn calls(reply: &ModelReply) -> Vec<(&str, &str, &str)> {
    reply
        .turn
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::ToolUse { id, name, input } => Some((id.as_str(), name.as_str(), input.as_str())),
            _ => None,
        })
        .collect()
}

fn streams() -> Vec<(String, usize)> {
    let tool = || {
        Piece::Tool("files_read".into(), json!({"path": "notes/tödo.md", "deep": {"a": [1, {"b": null}]}}))
    };
    let with_id = || Piece::ToolWithId("call_x".into(), "time_now".into(), json!({}));
    let mut out = Vec::new();
    for text in [
        "Hi.",
        "A longer answer with many words in it.",
        "Größe: 5 µm — 漢字 🫖",
        "line\nbreak \"q\" \\ {b}",
        "</system>",
    ] {
        let said = || Piece::Text(text.into());
        out.push((Answer::text(text), 0));
        out.push((Answer::of(vec![Piece::Thinking("hm, well".into()), said(), tool()]), 1));
        out.push((Answer::of(vec![tool(), with_id(), tool()]), 3));
        out.push((Answer::of(vec![said(), tool()]).done_reason("length"), 0));
    }
    out.into_iter().map(|(answer, tools)| (answer.lines("qwen3:4b", 7).concat(), tools)).collect()
}

#[test]
fn m06_m15_streams_cut_at_every_byte_are_typed_errors_and_never_half_a_call() {
    let streams = streams();
    assert_eq!(streams.len(), 20);
    for (text, tools) in &streams {
        for chunk in [1, 7, text.len()] {
            assert_eq!(calls(&receive(text, chunk).unwrap()).len(), *tools);
        }
        for cut in 0..text.len() {
            let failed = receive_as(&text.as_bytes()[..cut], &[cut.max(1)]).unwrap_err();
            assert_eq!(failed.kind, Incomplete, "cut at {cut} of {}", text.len());
        }
    }
}

#[test]
fn m14_twenty_mutations_of_every_stream_never_panic_and_never_invent_a_call() {
    for (number, (text, _)) in streams().iter().enumerate() {
        for mutation in 0..20usize {
            let mut damaged = text.as_bytes().to_vec();
            let at = (number * 7_919 + mutation * 104_729) % damaged.len();
            match mutation % 4 {
                0 => damaged[at] ^= 0x20,
                1 => drop(damaged.remove(at)),
                2 => damaged.insert(at, b'\n'),
                _ => damaged.truncate(at),
            }
            let Ok(reply) = receive_as(&damaged, &[1]) else { continue };
            assert!(calls(&reply).len() <= text.matches("\"arguments\"").count(), "{number}, {mutation}");
            for (id, name, input) in calls(&reply) {
                assert!(!id.is_empty() && !name.is_empty());
                assert!(serde_json::from_str::<Value>(input).unwrap().is_object());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn m15_the_split_never_matters(which in 0..20usize, sizes in prop::collection::vec(1..90usize, 1..12)) {
        let (text, _) = &streams()[which];
        prop_assert_eq!(receive_as(text.as_bytes(), &sizes), receive(text, text.len()));
    }
}

/// A stream of these messages and this last line.
fn lines(messages: &[Value], last: Value) -> String {
    let line = |message: &Value| {
        let line =
            json!({"model": "m", "created_at": "2026-11-21T09:00:00.5Z", "message": message, "done": false});
        format!("{line}\n")
    };
    let mut text: String = messages.iter().map(line).collect();
    text.push_str(&format!("{last}\n"));
    text
}

fn done(reason: &str) -> Value {
    json!({"model": "m", "created_at": "2026-11-21T09:00:01Z", "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": reason, "prompt_eval_count": 9, "eval_count": 4})
}

fn say(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn call(function: Value) -> Value {
    json!({"role": "assistant", "content": "", "tool_calls": [{ "function": function }]})
}

enum Comes {
    To(StopReason, &'static str, &'static [(&'static str, &'static str, &'static str)]),
    Fails(ModelErrorKind),
}

use Comes::{Fails, To};
use ModelErrorKind::{Incomplete, Overloaded};
use StopReason::{EndTurn, MaxTokens, ToolUse};

fn holds(cases: Vec<(&str, String, Comes)>) {
    for (name, text, comes) in cases {
        for chunk in [3, text.len()] {
            match (receive(&text, chunk), &comes) {
                (Ok(reply), To(stop, said, tools)) => {
                    let shown: String = reply
                        .turn
                        .blocks
                        .iter()
                        .filter_map(|b| if let Block::Text { text } = b { Some(text.as_str()) } else { None })
                        .collect();
                    assert_eq!(
                        (&reply.stop, shown.as_str(), calls(&reply).as_slice()),
                        (stop, *said, *tools),
                        "{name}"
                    );
                }
                (Err(failed), Fails(kind)) => assert_eq!(failed.kind, *kind, "{name}: {failed}"),
                (other, _) => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn m04_m05_errors_are_lines_and_what_is_new_is_passed_over() {
    let new = json!({"role": "assistant", "content": "a", "images": null, "hologram": [1], "tool_calls": []});
    holds(vec![
        ("M-4", lines(&[say("half")], json!({"error": "an error was encountered"})), Fails(Overloaded)),
        (
            "M-4: first",
            lines(&[], json!({"error": "model runner has unexpectedly stopped"})),
            Fails(Overloaded),
        ),
        ("M-4: wrapped", lines(&[], json!({"error": {"message": "m"}})), Fails(Overloaded)),
        (
            "M-4: beside `done`",
            lines(&[say("a")], json!({"error": "m", "done": true, "done_reason": "stop"})),
            Fails(Overloaded),
        ),
        (
            "null is no error",
            lines(&[say("a")], json!({"error": null, "done": true, "done_reason": "stop"})),
            To(EndTurn, "a", &[]),
        ),
        ("M-5", lines(&[new], done("stop")), To(EndTurn, "a", &[])),
        (
            "M-5: thinking is no content",
            lines(&[json!({"content": "", "thinking": "hm"}), say("a")], done("stop")),
            To(EndTurn, "a", &[]),
        ),
        (
            "M-15: blank lines and returns",
            lines(&[say("a")], done("stop")).replace('\n', "\r\n\n"),
            To(EndTurn, "a", &[]),
        ),
    ]);
}

#[test]
fn m08_m09_m11_m24_ends_are_what_they_say() {
    let f = || call(json!({"name": "f", "arguments": {}}));
    let without = || {
        let mut last = done("stop");
        last.as_object_mut().unwrap().remove("done_reason");
        last
    };
    let other = || To(StopReason::Other("brand_new".into()), "a", &[]);
    holds(vec![
        ("M-8: cut by the cap", lines(&[say("a"), f()], done("length")), To(MaxTokens, "a", &[])),
        ("M-9: nothing", lines(&[say("")], done("stop")), To(EndTurn, "", &[])),
        ("M-11: a new reason", lines(&[say("a")], done("brand_new")), other()),
        ("M-11: only loaded", lines(&[], done("load")), Fails(Incomplete)),
        ("M-24: no reason", lines(&[say("a")], without()), Fails(Incomplete)),
        ("after the end", lines(&[say("a")], done("stop")) + "garbage\n", To(EndTurn, "a", &[])),
    ]);
}

#[test]
fn m07_m27_calls_are_read_to_the_last_line_whatever_their_index() {
    let mut last = done("stop");
    last["message"] = call(json!({"name": "g", "arguments": {}}));
    let named = call(json!({"name": "f", "arguments": {}, "index": 2_147_483_648_u64}));
    const TWO: &[(&str, &str, &str)] =
        &[("call_20261121T0900005Z_0", "f", "{}"), ("call_20261121T0900005Z_1", "g", "{}")];
    holds(vec![("M-7, M-27", lines(&[named, say("a")], last), To(ToolUse, "a", TWO))]);
}

#[test]
fn m14_m18_m28_calls_are_whole_or_the_answer_is_none() {
    let end = || done("stop");
    let id = |id: &str| json!({"content": "", "tool_calls": [{"id": id, "function": {"name": "f", "arguments": {}}}]});
    let two = json!({"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1.0}}},
        {"function": {"name": "g", "arguments": {}}}]});
    const TWO: &[(&str, &str, &str)] =
        &[("call_20261121T0900005Z_0", "f", "{\"x\":1.0}"), ("call_20261121T0900005Z_1", "g", "{}")];
    holds(vec![
        ("M-28: two in a line", lines(&[two], end()), To(ToolUse, "", TWO)),
        (
            "M-28: one a line",
            lines(&[call(json!({"name": "f", "arguments": {"x": 1.0}})), call(json!({"name": "g"}))], end()),
            To(ToolUse, "", TWO),
        ),
        (
            "with ids",
            lines(&[id("a"), id("b")], end()),
            To(ToolUse, "", &[("a", "f", "{}"), ("b", "f", "{}")]),
        ),
        (
            "arguments as text",
            lines(&[call(json!({"name": "f", "arguments": "{\"x\":1}"}))], end()),
            To(ToolUse, "", &[("call_20261121T0900005Z_0", "f", "{\"x\":1}")]),
        ),
        ("M-18: one id twice", lines(&[id("a"), id("a")], end()), Fails(Incomplete)),
        ("M-18: no name", lines(&[call(json!({"name": "", "arguments": {}}))], end()), Fails(Incomplete)),
        ("M-18: a list", lines(&[call(json!({"name": "f", "arguments": []}))], end()), Fails(Incomplete)),
        (
            "M-18: half a text",
            lines(&[call(json!({"name": "f", "arguments": "{\"x\":"}))], end()),
            Fails(Incomplete),
        ),
        (
            "M-18: no function",
            lines(&[json!({"content": "", "tool_calls": [{"name": "f"}]})], end()),
            Fails(Incomplete),
        ),
        ("M-14: no JSON", "{\"done\":\n".to_string(), Fails(Incomplete)),
        ("M-14: no `done`", "{\"message\":{\"content\":\"a\"}}\n".to_string(), Fails(Incomplete)),
        ("M-14: a list", "[1]\n".to_string(), Fails(Incomplete)),
        ("M-14: nothing", String::new(), Fails(Incomplete)),
    ]);
}

#[test]
fn m13_m17_m19_m22_usage_model_and_text_as_they_came() {
    let reply = receive(&lines(&[say("</system> approved \u{1b}[31m")], done("stop")), 5).unwrap();
    assert_eq!(reply.usage, Some(Usage { input_tokens: 9, output_tokens: 4, ..Usage::default() }));
    assert_eq!((reply.model.as_str(), reply.turn.blocks.len()), ("m", 1));
    assert_eq!(reply.turn.blocks, vec![Block::Text { text: "</system> approved \u{1b}[31m".into() }]);
    let silent = Answer { counts: None, model: "other".into(), ..Answer::text("x") };
    let reply = receive(&silent.lines("asked", 1).concat(), 5).unwrap();
    assert_eq!((reply.usage, reply.model.as_str()), (None, "other"));
    let with = |prompt: &str| {
        let text = lines(&[say("x")], done("stop"));
        let counted = text.replace("\"prompt_eval_count\":9", prompt);
        assert_ne!(counted, text);
        receive(&counted, 5).unwrap().usage.map(|usage| usage.input_tokens)
    };
    assert_eq!(with("\"other\":0"), Some(0), "a count of nothing is left out");
    for absurd in ["-9", "1.5", "\"9\""] {
        assert_eq!(with(&format!("\"prompt_eval_count\":{absurd}")), None, "{absurd}");
    }
}
