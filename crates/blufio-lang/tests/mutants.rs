// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shipped examples with one arm deleted, one cap removed, one target misspelt and one type wrong: the right code
//! at the right line, each alone and all four in one run.

use blufio_lang::check::check;
use blufio_lang::diagnostic::Diagnostics;
use blufio_lang::source::SourceMap;

use crate::litmus::environment;

/// One mistake: what is replaced in which file, and the code and the text of the line that must be reported.
struct Mistake {
    find: &'static str,
    replace: &'static str,
    code: &'static str,
    /// A piece of the line (after the replacement) that the report must point at.
    at_line_with: &'static str,
}

fn sources_of(files: &[(&str, String)]) -> SourceMap {
    let mut sources = SourceMap::default();
    for (name, text) in files {
        sources.add(name, text).unwrap();
    }
    sources
}

fn example(name: &str) -> String {
    let path = format!("{}/tests/fixtures/examples/{name}.agent", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn reported(diagnostics: &Diagnostics, sources: &SourceMap, code: &str) -> Vec<u32> {
    diagnostics
        .iter()
        .filter(|d| d.code == code)
        .map(|d| sources.position_of(d.label.span).unwrap().1.line)
        .collect()
}

fn check_mistakes(name: &str, others: &[&str], mistakes: &[Mistake]) {
    let original = example(name);
    let with = |chosen: &[&Mistake]| {
        let mut text = original.clone();
        for mistake in chosen {
            assert!(text.contains(mistake.find), "`{}` is not in {name}", mistake.find);
            text = text.replacen(mistake.find, mistake.replace, 1);
        }
        let mut files = vec![("it.agent", text.clone())];
        files.extend(others.iter().map(|other| (*other, example(other))));
        let sources = sources_of(&files);
        let (_, diagnostics) = check(&sources, &environment());
        (text, sources, diagnostics)
    };
    let (_, _, before) = with(&[]);
    assert!(
        before.iter().all(|d| d.code == "E0901" || d.code == "E0503"),
        "{name} is clean but for what does not run yet"
    );
    let assert_reported = |chosen: &[&Mistake]| {
        let (text, sources, diagnostics) = with(chosen);
        for mistake in chosen {
            let line = text.lines().position(|l| l.contains(mistake.at_line_with)).unwrap() as u32 + 1;
            let lines = reported(&diagnostics, &sources, mistake.code);
            assert!(
                lines.contains(&line),
                "{name}: {} expected at line {line}, found at {lines:?}\n{}",
                mistake.code,
                blufio_lang::diagnostic::render(&diagnostics, &sources, false)
            );
        }
    };
    for mistake in mistakes {
        assert_reported(&[mistake]);
    }
    assert_reported(&mistakes.iter().collect::<Vec<_>>());
}

#[test]
fn support() {
    check_mistakes(
        "support",
        &["researcher"],
        &[
            Mistake {
                find: "    angry                                                       -> human\n",
                replace: "",
                code: "E0203",
                at_line_with: "pick Wish using fast",
            },
            Mistake {
                find: "state answer max 2 per event else human {",
                replace: "state answer {",
                code: "E0303",
                at_line_with: "state answer {",
            },
            Mistake {
                find: "-> check_order }",
                replace: "-> chek_order }",
                code: "E0103",
                at_line_with: "-> chek_order }",
            },
            Mistake {
                find: "notes: text = \"\" }",
                replace: "notes: txt = \"\" }",
                code: "E0104",
                at_line_with: "notes: txt",
            },
        ],
    );
}

#[test]
fn assistant() {
    check_mistakes(
        "assistant",
        &[],
        &[
            Mistake {
                find: "    nothing                        -> idle\n",
                replace: "",
                code: "E0203",
                at_line_with: "pick Note using fast",
            },
            Mistake {
                find: "state think max 10 per event else give_up {",
                replace: "state think {",
                code: "E0303",
                at_line_with: "state think {",
            },
            Mistake {
                find: "send owner note   -> idle",
                replace: "send owner note   -> idel",
                code: "E0103",
                at_line_with: "-> idel",
            },
            Mistake {
                find: "tell(note: text max 500)",
                replace: "tell(note: txet)",
                code: "E0104",
                at_line_with: "tell(note: txet)",
            },
        ],
    );
}

#[test]
fn remind() {
    check_mistakes(
        "remind",
        &[],
        &[
            Mistake {
                find: "      clear { forget wakes  reply \"All cleared.\" }\n",
                replace: "",
                code: "E0203",
                at_line_with: "pick Ask using fast",
            },
            Mistake {
                find: "budget { message = 1 calls  heartbeat = 0 calls }",
                replace: "budget { heartbeat = 0 calls }",
                code: "E0402",
                at_line_with: "pick Ask using fast",
            },
            Mistake {
                find: "reply \"That did not work.\"  -> idle",
                replace: "reply \"That did not work.\"  -> idla",
                code: "E0103",
                at_line_with: "-> idla",
            },
            Mistake {
                find: "what: text max 300)",
                replace: "what: text max 0)",
                code: "E0208",
                at_line_with: "text max 0)",
            },
        ],
    );
}
