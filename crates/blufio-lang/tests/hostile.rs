// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that were not written by friends: wrong encodings, bottomless nesting, look-alike letters, noise.

use std::collections::BTreeSet;
use std::time::Duration;

use blufio_lang::parse::{decode, report};
use proptest::prelude::*;

use crate::examples::examples;
use crate::support::{codes, parsed, processor_time, tokens};

/// A state whose body is the given text.
fn state(body: &str) -> String {
    format!("agent a v1\nstart state one {{\n{body}\n}}\nstate two {{ -> one }}\n")
}

/// Wrong texts by code; every place that a code can come from has a row.
fn wrong() -> Vec<(&'static str, String)> {
    let long = "x".repeat(65);
    vec![
        ("E0001", String::new()),
        ("E0001", "\n  // only a comment\n/// and another\n".into()),
        ("E0003", state("-> ")),
        ("E0003", state("reply \"not closed")),
        ("E0003", state("reply \"\"\"not closed")),
        ("E0003", state("} }")),
        ("E0004", state(&format!("x = {}1{}", "(".repeat(65), ")".repeat(65)))),
        ("E0004", state(&format!("x = {}1", "a + ".repeat(65)))),
        ("E0004", state(&format!("x = {}x", "length ".repeat(65)))),
        ("E0004", state(&format!("x = {}{}", "(a + a + ".repeat(40), "1".to_string() + &")".repeat(40)))),
        ("E0004", format!("agent a v1\nkeep {{ x: {}text }}\n", "list max 2 of ".repeat(65))),
        ("E0004", format!("agent a v1\nkeep {{ x: text{} }}\n", "?".repeat(65))),
        ("E0005", state(&format!("{long} = 1"))),
        ("E0005", state(&format!("reply \"{}\"", "y".repeat(65_537)))),
        ("E0006", state("x = 9223372036854775808")),
        ("E0006", state("x = 0x10")),
        ("E0006", state("x = 1e400")),
        ("E0006", state("x = 2026-02-30")),
        ("E0006", state("x = 24:00")),
        ("E0006", state("x = 999999999999 w").replace(" w", "w")),
        ("E0006", state("x = 99999999999999999999 eur")),
        ("E0006", format!("agent a v4294967296\n{}", &state("-> one")[11..])),
        ("E0006", "agent a v1\nkeep { x: int 1 to 9223372036854775808 }\n".into()),
        ("E0007", state("reply \"Hello {name\"")),
        ("E0007", state("reply \"Hello {name\n")),
        ("E0007", state("reply \"Hello {}\"")),
        ("E0007", state("reply \"Hello {1 +}\"")),
        ("E0007", state("reply \"Hello name}\"")),
        ("E0007", state("reply \"\"\"Hello {name name}\"\"\"")),
        ("E0008", "system:\n    instructions: \"x\"\n".into()),
        ("E0008", "# @dialect: agentforce\n".into()),
        ("E0008", "config:\n  agent_name: x\n".into()),
        ("E0009", state("n\u{430}me = 1")),
        ("E0009", state("na\u{200b}me = 1")),
        ("E0009", state("x = 1 \u{2212} 1")),
        ("E0010", "mission a v1\nstart state one { -> one }\n".into()),
        ("E0010", "edition 2031\nagent a v1\n".into()),
        ("E0011", "agent a v1\nkeep { reply: text }\n".into()),
        ("E0011", "agent a v1\nstart state call { -> call }\n".into()),
        ("E0011", "agent a v1\ntype done = a | b\n".into()),
        ("E0011", state("when = 1")),
        ("E0012", state("x = 20 xyz")),
        ("E0012", state("x = 20 EUR")),
        ("E0012", state("x = 5min")),
    ]
}

#[test]
fn every_code_has_texts_that_give_it_alone() {
    for (code, text) in wrong() {
        let (_, diagnostics) = parsed(&text);
        let short: String = text.chars().take(200).collect();
        assert_eq!(codes(&diagnostics), [code], "{short}\n{:?}", diagnostics.iter().next());
        let found = diagnostics.iter().next().unwrap();
        assert!(found.title.len() < 200 && found.label.message.len() < 200, "{short}");
    }
    let mut provoked: BTreeSet<&str> = wrong().into_iter().map(|(code, _)| code).collect();
    provoked.insert("E0002");
    let pages: BTreeSet<&str> = report::PAGES.iter().map(|page| page.code).collect();
    assert_eq!(provoked, pages, "every page has a wrong text, E0002 through `decode`");
}

#[test]
fn what_looks_like_a_mistake_and_is_none() {
    let right = [
        state("x = 9223372036854775807"),
        state(&format!("{} = 1", "x".repeat(64))),
        state(&format!("x = {}1{}", "(".repeat(60), ")".repeat(60))),
        state(&format!("x = {}1", "a + ".repeat(64))),
        state(&format!("reply \"{}\"", "y".repeat(65_000))),
        state("reply \"naïve, \u{430}, {x.first} \\{as it is}\" // Übung"),
        state("x = m.reply + y.call\nsend owner Note(when: x, state: y)"),
        state("reply \"\"\"a \"quoted\" word, {f(a: \"b\")}\n{x}\"\"\""),
        "agent a v1\nkeep { x: list max 9 of map of list of text? }\n".to_string(),
    ];
    for text in right {
        let (file, diagnostics) = parsed(&text);
        assert!(diagnostics.is_empty() && !file.recovered, "{text}\n{:?}", diagnostics.iter().next());
    }
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_offset() {
    let text = "agent a v1\n";
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let cases: [(&[u8], &str, usize, &str); 6] = [
        (&utf16, "E0002", 0, "UTF-16"),
        (&utf16[2..], "E0002", 1, "NUL"),
        (b"agent \xffx", "E0002", 6, "offset 6"),
        (b"\xef\xbb\xbfagent \xffx", "E0002", 9, "offset 9"),
        (b"agent\0", "E0002", 5, "offset 5"),
        (b"PK\x03\x04rest", "E0008", 0, "ZIP"),
    ];
    for (bytes, code, offset, word) in cases {
        let error = decode(bytes).unwrap_err();
        assert_eq!((error.code, error.offset), (code, offset));
        assert!(error.title.contains(word), "{}", error.title);
    }
    assert_eq!(decode(b"\xef\xbb\xbfa\r\nb\rc\n").unwrap(), "a\nb\nc\n");
}

#[test]
fn bottomless_nesting_is_answered_at_once() {
    let many = 100_000;
    let bodies = [
        format!("x = {}1{}", "(".repeat(many), ")".repeat(many)),
        format!("x = {}1{}", "[".repeat(many), "]".repeat(many)),
        format!("x = {}", "f(".repeat(many)),
        format!("x = {}1", "not ".repeat(many)),
        format!("x = {}1", "- ".repeat(many)),
        format!("x = a{}", ".b".repeat(many)),
        format!("x = a{}", "[1]".repeat(many)),
        format!("x = a{}", " or a".repeat(many)),
        format!("x = {}a", "length ".repeat(many)),
        format!("x = {}a", "first length ".repeat(many)),
        format!("a{} = 1", "[a".repeat(many)),
        format!("reply {}", "\"{".repeat(many)),
        format!("reply {}", "\"\"\"{".repeat(many)),
        format!("pick {}text", "list of ".repeat(many)),
        format!("pick text{}", "?".repeat(many)),
        format!("pick text{}", " so far".repeat(many)),
        "when x { yes { ".repeat(many),
        "{".repeat(many),
        "}".repeat(many),
        "call f() else { ".repeat(many),
        "\"".repeat(many),
        "\"\"\"".repeat(many),
        "\\".repeat(many),
        "///\n".repeat(many),
        "state\n".repeat(many),
    ];
    for body in bodies {
        let begin = processor_time();
        let (_, diagnostics) = parsed(&state(&body));
        let short: String = body.chars().take(30).collect();
        assert!(diagnostics.has_errors(), "{short}");
        let time = processor_time() - begin;
        assert!(time < Duration::from_secs(8), "{short} took {time:?} without optimisation");
    }
}

/// Nested blocks whose innermost one is broken: a parser that tries each level twice never comes back.
#[test]
fn a_mistake_deep_inside_is_found_at_once() {
    let deep = 30;
    let bodies = [
        format!("{} ; {}", "when x { yes { ".repeat(deep), "} }".repeat(deep)),
        format!("{} ; {}", "pick T using m { a { ".repeat(deep), "} }".repeat(deep)),
        format!("{} ; {}", "call f(a: 1) { done(x) { ".repeat(deep), "} }".repeat(deep)),
        format!("{} ; {}", "x = ask f(a: 1) { done(x) { ".repeat(deep), "} }".repeat(deep)),
        format!("{} ; {}", "x = each a in b { ".repeat(deep), "}".repeat(deep)),
        format!("x = {} ; {}", "f(a: g(".repeat(deep), "))".repeat(deep)),
        format!("x = {} ; {}", "[a, (".repeat(deep), ")]".repeat(deep)),
        format!("x = {} ; {}", "\"{f(a: ".repeat(deep / 2), ")}\"".repeat(deep / 2)),
        format!("{} ; {} = 1", "a[".repeat(deep), "]".repeat(deep)),
    ];
    for body in bodies {
        let begin = processor_time();
        let (file, diagnostics) = parsed(&state(&body));
        assert!(diagnostics.has_errors(), "{body}");
        assert_eq!(file.items.len(), 1, "the other state is there: {body}");
        let time = processor_time() - begin;
        assert!(time < Duration::from_secs(2), "{time:?}: {body}");
    }
}

#[test]
fn very_many_declarations_are_read() {
    use std::fmt::Write as _;
    let mut text = String::from("agent a v1\n");
    for at in 0..100_000 {
        writeln!(text, "{}state s{at} {{ -> s0 }}", if at == 0 { "start " } else { "" }).unwrap();
    }
    let begin = processor_time();
    let (file, diagnostics) = parsed(&text);
    assert!(diagnostics.is_empty(), "{:?}", codes(&diagnostics));
    assert_eq!(file.items.len(), 100_000);
    let time = processor_time() - begin;
    assert!(time < Duration::from_secs(60), "{time:?} without optimisation");
}

fn never_panics(text: &str) {
    let (file, diagnostics) = parsed(text);
    assert!(!file.recovered || diagnostics.has_errors(), "something was dropped without a word: {text}");
    for found in diagnostics.iter() {
        assert!(
            found.label.span.start <= found.label.span.end && found.label.span.end as usize <= text.len(),
            "{found:?}"
        );
        assert!(
            text.is_char_boundary(found.label.span.start as usize)
                && text.is_char_boundary(found.label.span.end as usize),
            "{found:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(text) = decode(&bytes) {
            never_panics(&text);
        }
        never_panics(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_words_never_panic(words in proptest::collection::vec(0usize..60, 0..80)) {
        const WORDS: [&str; 60] = [
            "agent a v1\n", "\nstate s ", "{", "}", "(", ")", "[", "]", "\"", "\"\"\"", "{x}", "->", "-", "+=", "=", ":", ",", "|", "?", "\n",
            "///", "//", "when ", "yes ", "no ", "else ", "pick T ", "using m ", "from a ", "with history ", "call f", "1", "0.5", "20 eur",
            "5m", "08:00", "is ", "not ", "or ", "and ", "between ", "length ", "first ", "list of ", "text max 5 ", "so far ", "on message m ",
            "after ", "every ", "hold ", "\nkeep ", "\ntype T ", "\nrules ", "\nroutes\n", "\\", "é", "\u{200b}", ".", "a", "\r",
        ];
        let text: String = words.into_iter().map(|at| WORDS[at]).collect();
        never_panics(&text);
        never_panics(&format!("agent a v1\nstart state one {{ {text}"));
        never_panics(&format!("routes\n{text}"));
    }

    #[test]
    fn damaged_examples_never_panic(which in 0usize..10, at in any::<proptest::sample::Index>(), cut in 0usize..6, noise in "[ -~\n]{0,4}|\\PC{0,2}") {
        let (_, text) = examples().swap_remove(which);
        let all = tokens(&text);
        let first = at.index(all.len());
        let last = (first + cut).min(all.len() - 1);
        let mut broken = text;
        broken.replace_range(all[first].start..all[last].end, &noise);
        never_panics(&broken);
    }
}
