// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets do, with what fuzzing found once. Other tests receive streams with the same words.

/// The body of the fuzz target `prices`.
pub mod prices {
    include!("../../../fuzz/fuzz_targets/prices_body.rs");
}

/// The body of the fuzz target `streams`.
pub mod streams {
    include!("../../../fuzz/fuzz_targets/streams_body.rs");
}

/// A stream behind the byte that says whose it is.
fn of(whose: u8, stream: &str) -> Vec<u8> {
    [&[whose], stream.as_bytes()].concat()
}

#[test]
fn findings_and_whole_streams_of_every_provider_are_taken() {
    use blufio_testkit::{anthropic, ollama, openai};
    let mut all = vec![
        of(0, &anthropic::Answer::text("one two").events("m", 1).concat()),
        of(
            0,
            &anthropic::Answer::tools(&[("t", "f", serde_json::json!({"x": "é"}))]).events("m", 1).concat(),
        ),
        of(1, &ollama::Answer::tools(&[("f", serde_json::json!({"x": "é"}))]).lines("m", 1).concat()),
    ];
    let calls = vec![openai::Piece::Tool("t".into(), "f".into(), serde_json::json!({"x": "é"}))];
    let stream = openai::Answer::of(calls, "tool_calls").events("m", 1, true).concat();
    all.extend((2..7).map(|dialect| of(dialect, &stream)));
    // What comes behind the end arrives with it or later.
    for behind in ["data: no JSON\n\n", "\u{ff}garbage\n"] {
        all.extend(all.clone().iter().take(8).map(|stream| [stream, behind.as_bytes()].concat()));
    }
    for stream in all {
        for cut in [stream.len(), stream.len() / 2] {
            streams::run(&stream[..cut]);
            streams::run(&[&[stream[0] | 0x80], &stream[1..cut]].concat());
        }
    }
}

#[test]
fn the_price_table_of_this_version_and_what_is_none_are_taken() {
    let table = include_str!("../src/prices.toml");
    for text in [
        table,
        "",
        "[models.\"a/b\"]\nfree = true\ncontext_tokens = 1\noutput_tokens_max = 1\n",
        "models = 3",
    ] {
        prices::run(text.as_bytes());
    }
}
