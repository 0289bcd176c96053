// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunks of Chat Completions: nothing half received is ever used, whatever the split, the cut, the damage and the
//! dialect. Numbers are those of the failure catalogue.

use blufio_core::model::{Block, ModelError, ModelErrorKind, ModelReply, StopReason, Usage};
use blufio_models::openai::{Assembler, Dialect};
use blufio_models::sse::SseParser;
use blufio_models::stream::{Collector, Splitter};
use blufio_testkit::openai::{Answer, Piece};
use proptest::prelude::*;
use serde_json::{Value, json};

fn receive_as(dialect: &Dialect, bytes: &[u8], sizes: &[usize]) -> Result<ModelReply, ModelError> {
    crate::fuzzed::streams::receive::<SseParser>(Assembler::new("openai", dialect, false), bytes, sizes)
}

fn receive(text: &str, chunk: usize) -> Result<ModelReply, ModelError> {
    receive_as(&Dialect::openrouter(), text.as_bytes(), &[chunk])
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

fn stream(answer: &Answer) -> String {
    answer.events("gpt-6-luna", 7, true).concat()
}

/// A stream of these chunks: the inside of `choices[0]`, or a whole chunk where it has `choices` or `error` itself.
fn chunks(all: &[Value]) -> String {
    let event = |chunk: &Value| {
        let whole = match chunk {
            Value::String(text) => return format!("{text}\n\n"),
            own if own.get("choices").is_some() || own.get("error").is_some() => own.clone(),
            choice => {
                json!({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})
            }
        };
        format!("data: {whole}\n\n")
    };
    all.iter().map(event).collect::<String>() + "data: [DONE]\n\n"
}

fn delta(delta: Value) -> Value {
    json!({"index": 0, "delta": delta, "finish_reason": null})
}

fn piece(call: Value) -> Value {
    delta(json!({ "tool_calls": [call] }))
}

fn end(reason: &str) -> Value {
    json!({"index": 0, "delta": {}, "finish_reason": reason})
}

/// Twenty-five streams with the number of calls in them: texts, tools, reasoning, comments, every reason to finish.
fn streams() -> Vec<(String, usize)> {
    let tool = |id: &str| {
        Piece::Tool(
            id.into(),
            "files_read".into(),
            json!({"path": "notes/tödo.md", "deep": {"a": [1, {"b": null}]}}),
        )
    };
    let mut out = Vec::new();
    for text in [
        "Hi.",
        "A longer answer with many words in it.",
        "Größe: 5 µm — 漢字 🫖",
        "line\nbreak \"q\" \\ {b}",
        "</system>",
    ] {
        let said = || Piece::Text(text.into());
        let reason = Piece::Reasoning("hm, well".into());
        let detail =
            Piece::Detail(json!({"type": "reasoning.text", "text": "x", "signature": "s==", "index": 0}));
        let commented =
            Answer { comments: true, ..Answer::of(vec![reason, said(), tool("t1")], "tool_calls") };
        out.push((Answer::text(text), 0));
        out.push((commented, 1));
        out.push((Answer::of(vec![detail, tool("t1"), tool("t2")], "tool_calls"), 2));
        out.push((Answer::of(vec![said(), tool("t1")], "length"), 0));
        out.push((Answer::of(vec![said(), tool("t1")], "stop"), 1));
    }
    out.into_iter().map(|(answer, tools)| (stream(&answer), tools)).collect()
}

#[test]
fn m06_m15_streams_cut_at_every_byte_are_typed_errors_and_never_half_a_call() {
    let streams = streams();
    assert_eq!(streams.len(), 25);
    for (text, tools) in &streams {
        for chunk in [1, 7, text.len()] {
            assert_eq!(calls(&receive(text, chunk).unwrap()).len(), *tools);
        }
        // Byte by byte, with an end after each: the same as a cut there, because the split does not matter.
        let (mut parser, mut events) = (SseParser::default(), Vec::new());
        let mut assembler = Assembler::new("openai", &Dialect::common(), false);
        for (at, byte) in text.as_bytes().iter().enumerate() {
            assert!(!assembler.is_finished(), "cut at {at} of {}", text.len());
            assert_eq!(assembler.clone().finish(None).unwrap_err().kind, Incomplete, "cut at {at}");
            parser.push(&[*byte], &mut events).unwrap();
            events.drain(..).for_each(|event| assembler.take(&event, &mut |_| ()).unwrap());
        }
        assert!(assembler.is_finished());
    }
    let (text, _) = &streams[2];
    for cut in 0..text.len() {
        let failed = receive_as(&Dialect::common(), &text.as_bytes()[..cut], &[cut.max(1)]).unwrap_err();
        assert_eq!(failed.kind, Incomplete, "cut at {cut} of {}", text.len());
    }
}

#[test]
fn m14_twenty_mutations_of_every_stream_never_panic_and_never_invent_a_call() {
    for (number, (text, _)) in streams().iter().enumerate() {
        for mutation in 0..20usize {
            let mut damaged = text.as_bytes().to_vec();
            let at = (number * 7_919 + mutation * 104_729) % damaged.len();
            match mutation % 5 {
                0 => damaged[at] ^= 0x20,
                1 => drop(damaged.remove(at)),
                2 => damaged.insert(at, b'\n'),
                3 => damaged.truncate(at),
                _ => {
                    let copy = damaged[at..(at + 40).min(damaged.len())].to_vec();
                    damaged.splice(at..at, copy);
                }
            }
            let Ok(reply) = receive_as(&Dialect::deepseek(), &damaged, &[1]) else { continue };
            let sent = text.matches("\"type\":\"function\"").count();
            assert!(calls(&reply).len() <= sent, "stream {number}, mutation {mutation}");
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
    fn m15_the_split_never_matters(which in 0..25usize, sizes in prop::collection::vec(1..90usize, 1..12)) {
        let (text, _) = &streams()[which];
        let split = receive_as(&Dialect::openrouter(), text.as_bytes(), &sizes);
        prop_assert_eq!(split, receive(text, text.len()));
    }

    #[test]
    fn m08_arguments_are_whole_or_the_answer_is_none(cut in 0..40usize, pieces in 1..9usize) {
        let whole = "{\"path\":\"a b\",\"n\":[1,2,{\"x\":\"é\"}]}";
        let cut = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap();
        let characters: Vec<char> = whole[..cut].chars().collect();
        let mut all = vec![piece(json!({"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}))];
        all.extend(characters.chunks(pieces).map(|part| {
            piece(json!({"index": 0, "function": {"arguments": part.iter().collect::<String>()}}))
        }));
        all.push(end("tool_calls"));
        match receive(&chunks(&all), 64) {
            Ok(reply) => {
                let expected = if cut == 0 { "{}" } else { whole };
                prop_assert_eq!(calls(&reply), vec![("t", "f", expected)]);
                prop_assert!(cut == 0 || cut == whole.len());
            }
            Err(failed) => prop_assert_eq!(failed.kind, Incomplete),
        }
    }
}

/// What a stream comes to.
enum Comes {
    To(StopReason, &'static str, &'static [(&'static str, &'static str, &'static str)]),
    Fails(ModelErrorKind),
}

fn holds(cases: Vec<(&str, Vec<Value>, Comes)>) {
    for (name, all, comes) in cases {
        let text = chunks(&all);
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

use Comes::{Fails, To};
use ModelErrorKind::{Authentication, Billing, Incomplete, InvalidRequest, Overloaded, RateLimited};
use StopReason::{EndTurn, MaxTokens, Refusal, ToolUse};

#[test]
fn m04_errors_behind_status_200_in_every_dialect() {
    let half = || delta(json!({"content": "half"}));
    let error = |inner: Value| json!({ "error": inner });
    holds(vec![
        ("OpenAI", vec![half(), error(json!({"message": "m", "type": "server_error"}))], Fails(Overloaded)),
        ("OpenAI, quota", vec![error(json!({"code": "insufficient_quota"})), end("stop")], Fails(Billing)),
        (
            "OpenRouter",
            vec![
                half(),
                json!({"id": "c1", "error": {"code": 502, "message": "upstream"},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
            ],
            Fails(Overloaded),
        ),
        (
            "OpenRouter, a word",
            vec![half(), error(json!({"code": "rate_limit_exceeded"}))],
            Fails(RateLimited),
        ),
        ("a reason only", vec![half(), end("error")], Fails(Overloaded)),
        ("SGLang", vec![half(), end("abort")], Fails(Overloaded)),
        ("DeepSeek", vec![half(), end("insufficient_system_resource")], Fails(Overloaded)),
        (
            "vLLM",
            vec![error(json!({"message": "m", "type": "BadRequestError", "code": 400}))],
            Fails(InvalidRequest),
        ),
        (
            "vLLM before the envelope",
            vec![json!("data: {\"object\":\"error\",\"message\":\"m\",\"code\":500}")],
            Fails(Overloaded),
        ),
        (
            "Groq",
            vec![json!("event: error\ndata: {\"error\":{\"message\":\"m\",\"status_code\":401}}")],
            Fails(Authentication),
        ),
        (
            "Groq, stopped",
            vec![json!({"choices": [], "x_groq": {"error": "over capacity"}}), end("stop")],
            Fails(Overloaded),
        ),
        ("llama.cpp, a line of its own", vec![half(), json!("error: {\"code\":500}")], Fails(Incomplete)),
        (
            "null is no error",
            vec![json!({"error": null, "choices": []}), half(), end("stop")],
            To(EndTurn, "half", &[]),
        ),
    ]);
}

#[test]
fn m05_m25_what_is_new_is_passed_over() {
    holds(vec![
        (
            "fields, comments, events",
            vec![
                json!(": OPENROUTER PROCESSING"),
                json!({"object": "telemetry", "choices": []}),
                json!({"choices": null, "prompt_filter_results": []}),
                delta(json!({"content": "a", "hologram": [1], "audio": null, "tool_calls": null})),
                json!({"index": 0, "finish_reason": "stop", "logprobs": null, "native_finish_reason": "x"}),
            ],
            To(EndTurn, "a", &[]),
        ),
        (
            "content in parts (Mistral)",
            vec![delta(json!({"content": [{"type": "text", "text": "a"}]})), end("stop")],
            To(EndTurn, "a", &[]),
        ),
        (
            "reasoning is no content",
            vec![
                delta(json!({"reasoning_content": "hm", "content": null})),
                delta(json!({"reasoning": "h", "content": "a"})),
                end("stop"),
            ],
            To(EndTurn, "a", &[]),
        ),
        (
            "interleaved calls",
            vec![
                piece(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}})),
                piece(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}})),
                piece(json!({"index": 0, "function": {"arguments": ":1}"}})),
                piece(json!({"index": 1, "function": {"arguments": "}"}})),
                end("tool_calls"),
            ],
            To(ToolUse, "", &[("a", "f", "{\"x\":1}"), ("b", "g", "{}")]),
        ),
    ]);
}

#[test]
fn m07_m08_m09_m10_m11_ends_are_what_they_say() {
    let call = |arguments: &str| {
        piece(json!({"index": 0, "id": "t", "function": {"name": "f", "arguments": arguments}}))
    };
    let text = || delta(json!({"content": "half"}));
    let other = || To(StopReason::Other("brand_new".into()), "half", &[]);
    holds(vec![
        (
            "M-7: a call, then usage, then the end",
            vec![call("{}"), end("tool_calls"), json!({"choices": []})],
            To(ToolUse, "", &[("t", "f", "{}")]),
        ),
        (
            "M-8: cut by the cap, whole or not",
            vec![text(), call("{\"a\":1}"), end("length")],
            To(MaxTokens, "half", &[]),
        ),
        ("M-8: cut by the cap", vec![call("{\"a\":"), end("length")], To(MaxTokens, "", &[])),
        ("M-8: cut, and called tool_calls", vec![call("{\"a\":"), end("tool_calls")], Fails(Incomplete)),
        ("M-9: nothing", vec![delta(json!({"content": ""})), end("stop")], To(EndTurn, "", &[])),
        ("M-9: blanks", vec![delta(json!({"content": "\n\n"})), end("stop")], To(EndTurn, "", &[])),
        ("M-10: a filter", vec![text(), call("{}"), end("content_filter")], To(Refusal, "half", &[])),
        (
            "M-10: a refusal in words",
            vec![delta(json!({"refusal": "I cannot."})), end("stop")],
            To(Refusal, "I cannot.", &[]),
        ),
        ("M-11: a new reason", vec![text(), end("brand_new")], other()),
        (
            "M-11: the reason twice (OpenRouter)",
            vec![text(), end("stop"), end("stop")],
            To(EndTurn, "half", &[]),
        ),
        ("two reasons", vec![text(), end("stop"), end("length")], Fails(Incomplete)),
        ("`stop` with a call (Gemini)", vec![call("{}"), end("stop")], To(ToolUse, "", &[("t", "f", "{}")])),
        ("`tool_calls` without one", vec![text(), end("tool_calls")], Fails(Incomplete)),
    ]);
    let refused = receive(&chunks(&[text(), end("content_filter")]), 9).unwrap();
    assert_eq!(refused.turn.raw, None, "what was said before a refusal is not sent again");
}

#[test]
fn m14_m24_m27_m31_a_stream_that_breaks_its_own_rules_is_no_answer() {
    let text = || delta(json!({"content": "a"}));
    let call = |index: Value| {
        piece(json!({"index": index, "id": "t", "function": {"name": "f", "arguments": "{}"}}))
    };
    holds(vec![
        ("M-14: nothing at all", vec![], Fails(Incomplete)),
        ("M-14: content after the reason", vec![text(), end("stop"), text()], Fails(Incomplete)),
        (
            "M-14: a piece before its call",
            vec![piece(json!({"function": {"arguments": "{}"}})), end("tool_calls")],
            Fails(Incomplete),
        ),
        (
            "M-14: a second choice",
            vec![json!({"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"})],
            Fails(Incomplete),
        ),
        ("M-14: two choices", vec![json!({"choices": [text(), text()]}), end("stop")], Fails(Incomplete)),
        ("M-14: no JSON", vec![json!("data: {\"choices\":["), end("stop")], Fails(Incomplete)),
        ("M-14: no object", vec![json!("data: [1]"), end("stop")], Fails(Incomplete)),
        ("M-24: null to the end", vec![text()], Fails(Incomplete)),
        ("M-27: 2^31", vec![call(json!(2_147_483_648_u64)), end("tool_calls")], Fails(Incomplete)),
        ("M-27: -1", vec![call(json!(-1)), end("tool_calls")], Fails(Incomplete)),
        ("M-27: 1.5", vec![call(json!(1.5)), end("tool_calls")], Fails(Incomplete)),
        (
            "M-31: of another answer",
            vec![text(), json!({"id": "c2", "choices": [end("stop")]})],
            Fails(Incomplete),
        ),
    ]);
}

fn first(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn at(index: u64, mut call: Value) -> Value {
    call["index"] = index.into();
    piece(call)
}

#[test]
fn m28_calls_come_whole_from_every_dialect() {
    let done = || end("tool_calls");
    let more = |id: Value, name: Value, arguments: &str| json!({"id": id, "function": {"name": name, "arguments": arguments}});
    const TWO: &[(&str, &str, &str)] = &[("a", "f", "{}"), ("b", "g", "{}")];
    const WITH: &[(&str, &str, &str)] = &[("a", "f", "{\"x\":1}")];
    const BARE: &[(&str, &str, &str)] = &[("a", "f", "{}")];
    const INVENTED: &[(&str, &str, &str)] = &[("call_c1_0", "f", "{}"), ("call_c1_1", "f", "{}")];
    let null = || Value::Null;
    let object = json!({"id": "a", "function": {"name": "f", "arguments": {"x": 1}}});
    let no_arguments = json!({"id": "a", "function": {"name": "f"}});
    let cases = [
        ("no index (Gemini)", vec![piece(first("a", "f", "{}")), piece(first("b", "g", "{}")), done()], TWO),
        (
            "no index, in pieces",
            vec![piece(first("a", "f", "{\"x\"")), piece(more(null(), null(), ":1}")), done()],
            WITH,
        ),
        ("always index 0", vec![at(0, first("a", "f", "{}")), at(0, first("b", "g", "{}")), done()], TWO),
        (
            "from index 1 (LiteLLM)",
            vec![at(1, first("a", "f", "")), at(1, more(null(), null(), "{}")), done()],
            BARE,
        ),
        (
            "the name in every piece (SGLang)",
            vec![at(0, first("a", "f", "{")), at(0, first("", "f", "}")), done()],
            BARE,
        ),
        (
            "the id in every piece",
            vec![at(0, first("a", "f", "{")), at(0, first("a", "", "}")), done()],
            BARE,
        ),
        ("an object for text", vec![piece(object), done()], WITH),
        ("no arguments", vec![at(0, no_arguments), done()], BARE),
        ("no id", vec![at(0, first("", "f", "{}")), at(1, first("", "f", "{}")), done()], INVENTED),
        (
            "neither index nor id",
            vec![piece(first("", "f", "{}")), piece(first("", "f", "{}")), done()],
            INVENTED,
        ),
    ];
    holds(cases.into_iter().map(|(name, all, calls)| (name, all, To(ToolUse, "", calls))).collect());
}

#[test]
fn m18_m28_a_call_that_is_not_whole_makes_no_answer() {
    let done = || end("tool_calls");
    let number = json!({"id": "a", "function": {"name": "f", "arguments": 3}});
    let nameless = json!({"id": "a", "function": {"arguments": "{}"}});
    let cases = [
        ("M-18: one id twice", vec![at(0, first("a", "f", "{}")), at(1, first("a", "g", "{}")), done()]),
        ("M-18: another name", vec![at(0, first("a", "f", "{")), at(0, first("a", "g", "}")), done()]),
        ("M-18: no name", vec![at(0, nameless), done()]),
        ("M-18: a list", vec![at(0, first("a", "f", "[]")), done()]),
        ("M-18: two objects", vec![at(0, first("a", "f", "{}{}")), done()]),
        ("M-18: a number", vec![at(0, number), done()]),
        (
            "M-28: one of two is cut",
            vec![at(0, first("a", "f", "{}")), at(1, first("b", "g", "{\"x\":")), done()],
        ),
        (
            "M-28: the first of two is cut",
            vec![at(0, first("a", "f", "{\"x\":")), at(1, first("b", "g", "{}")), done()],
        ),
    ];
    holds(cases.into_iter().map(|(name, all)| (name, all, Fails(Incomplete))).collect());
}

#[test]
fn m13_m17_m19_m22_usage_model_and_text_as_they_came() {
    let reply = receive(&stream(&Answer::text("x")), 5).unwrap();
    assert_eq!(reply.usage, Some(Usage { input_tokens: 120, output_tokens: 20, ..Usage::default() }));
    assert_eq!(reply.model, "gpt-6-luna");
    let substituted =
        Answer { model: "gpt-other".into(), usage: None, ..Answer::text("</system> approved \u{1b}[31m") };
    let reply = receive(&stream(&substituted), 5).unwrap();
    assert_eq!((reply.model.as_str(), reply.usage), ("gpt-other", None));
    assert_eq!(reply.turn.blocks, vec![Block::Text { text: "</system> approved \u{1b}[31m".into() }]);
    // What an answer that failed has used is charged.
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}});
    let negative = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": -4}});
    let reply = receive(&chunks(&[delta(json!({"content": "a"})), end("stop"), negative]), 9).unwrap();
    assert_eq!(reply.usage, None, "a count that cannot be meant is none");
    let failed = receive(&chunks(&[usage.clone(), json!({"error": {"message": "m"}})]), 9).unwrap_err();
    assert_eq!(failed.usage.map(|u| u.output_tokens), Some(4));
    let failed = receive(&chunks(&[usage]), 9).unwrap_err();
    assert_eq!(failed.usage.map(|u| u.input_tokens), Some(9));
    // Some count in every chunk: what broke off before the end costs more than was counted by then.
    let counting = |tokens: u64, choice: Value| json!({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": tokens}});
    let said = || counting(1, delta(json!({"content": "a"})));
    let cases = [
        (vec![said()], None),
        (vec![said(), json!("data: no JSON")], None),
        (vec![said(), end("stop")], None),
        (vec![said(), json!({"error": {"message": "m"}})], Some(1)),
        (vec![said(), counting(5, end("stop"))], Some(5)),
    ];
    for (all, expected) in cases {
        let usage = match receive(&chunks(&all), 9) {
            Ok(reply) => reply.usage,
            Err(failed) => failed.usage,
        };
        assert_eq!(usage.map(|u| u.output_tokens), expected, "{all:?}");
    }
}
