// SPDX-License-Identifier: MIT OR Apache-2.0
//! The formatter: same program, same comments, one style, stable. The random part runs a few hundred cases; set
//! `BLUFIO_FORMAT_CASES=10000` (and `--release`) for the long run.

mod generate;

use std::path::{Path, PathBuf};

use blufio_lang::format::{FormatError, format};

use crate::support::{parsed, shapes, without_places};
use generate::{Dice, comments, program, relaid, tokens};

/// Every program of the repository.
fn corpus() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> =
        ["tests/fixtures", "../../agents", "../../examples"].iter().map(|name| root.join(name)).collect();
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "agent") {
                out.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    out.sort();
    out.push(("every word".to_string(), EVERY_WORD.to_string()));
    assert!(out.len() >= 14, "{}", out.len());
    out
}

fn formatted(text: &str) -> String {
    match format("test.agent", text, 0) {
        Ok(result) => result,
        Err(FormatError::Syntax(diagnostics)) => {
            let first = diagnostics.iter().next().map(|d| (d.title.clone(), d.label.span));
            panic!("{first:?}\n{text}")
        }
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn tree(text: &str) -> (String, Vec<String>) {
    let (file, diagnostics) = parsed(text);
    let first = diagnostics.iter().next().map(|d| (d.title.clone(), d.label.span));
    assert!(!diagnostics.has_errors(), "{first:?}\n{text}");
    (without_places(&file.kind), shapes(&file.items))
}

/// Formats and checks everything that holds for any program.
fn checked(text: &str) -> String {
    let result = formatted(text);
    assert_eq!(tree(&result), tree(text), "another program:\n{text}\n---\n{result}");
    assert_eq!(tokens(&result), tokens(text), "other tokens:\n{text}\n---\n{result}");
    assert_eq!(comments(&result), comments(text), "other comments:\n{text}\n---\n{result}");
    assert_eq!(formatted(&result), result, "not stable:\n{text}");
    for line in result.lines().filter(|_| !text.contains("\"\"\"")) {
        assert_eq!(line, line.trim_end(), "blanks at the line's end:\n{result}");
    }
    assert!(result.ends_with('\n') && !result.ends_with("\n\n") && !result.starts_with('\n'));
    result
}

#[test]
fn every_program_stays_the_same_program() {
    for (name, text) in corpus() {
        let result = checked(&text);
        assert!(!result.is_empty(), "{name}");
    }
}

#[test]
fn blanks_never_matter() {
    let mut dice = Dice::new(7);
    for (name, text) in corpus() {
        let wide = relaid(&text, &mut dice, false);
        assert_eq!(formatted(&wide), formatted(&text), "{name}");
    }
}

#[test]
fn any_layout_of_any_program_keeps_tokens_and_comments() {
    let cases: u64 = std::env::var("BLUFIO_FORMAT_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(240);
    let corpus = corpus();
    let mut with_comments = 0;
    for seed in 0..cases {
        let mut dice = Dice::new(seed);
        let source = match seed % 8 {
            0 => corpus[dice.below(corpus.len())].1.clone(),
            _ => program(&mut dice),
        };
        let text = relaid(&source, &mut dice, true);
        assert_eq!(tree(&text), tree(&source), "the generator changed the program (seed {seed}):\n{text}");
        with_comments += usize::from(comments(&text).len() > comments(&source).len());
        checked(&text);
    }
    assert!(with_comments as u64 > cases / 2, "the generator writes comments: {with_comments} of {cases}");
}

#[test]
fn what_does_not_parse_is_not_formatted() {
    for text in [
        "",
        "hello",
        "agent a v1\nstate x {",
        "agent a v1\ngoal \"open",
        "agent a v1\nstate s { nonsense }\n",
    ] {
        assert!(matches!(format("test.agent", text, 0), Err(FormatError::Syntax(_))), "{text}");
    }
}

#[test]
fn a_comment_between_documentation_and_an_indented_declaration_is_refused() {
    let text = "agent a v1\n\nstate x { -> y }\n  /// what\n  // why\n  state y { -> x }\n";
    tree(text);
    assert!(matches!(format("test.agent", text, 0), Err(FormatError::Immovable)));
}

fn becomes(before: &str, after: &str) {
    assert_eq!(checked(before), after, "\n--- from\n{before}");
}

#[test]
fn declarations_stand_apart_when_both_are_long() {
    becomes(
        "agent a v1 // head\n// about\ngoal   \"g\"\nlanguage \"de\"  zone \"UTC\"\n\n\n\nstate x {\n\n  -> y\n\n}\n// why y\nstate y {\n-> x }\nstate z {-> x}",
        "agent a v1  // head\n\n// about\ngoal \"g\"\nlanguage \"de\"\nzone \"UTC\"\n\nstate x {\n  -> y\n}\n\n// why y\nstate y {\n  -> x\n}\nstate z { -> x }\n",
    );
}

#[test]
fn brackets_over_several_lines_break_inside() {
    becomes(
        "agent a v1\n\nstate x\n{ when a // first\n{ yes { reply \"1\"\n-> y } no {\n} }\nm = call t.t(a:1,\nb:[2,3] // two\n) retry 2\n-> y }\n",
        "agent a v1\n\nstate x {\n  when a  // first\n    {\n      yes {\n        reply \"1\"\n        -> y\n      }\n      no {}\n    }\n  m = call t.t(\n    a: 1,\n    b: [2, 3]  // two\n  ) retry 2\n  -> y\n}\n",
    );
}

#[test]
fn columns_of_arms() {
    becomes(
        "agent a v1\n\nstate x {\n  pick W using f {\n    yes -> a\n    no or other(x,y) { reply x -> b }\n    unused {}\n  }\n}\n",
        "agent a v1\n\nstate x {\n  pick W using f {\n    yes                          -> a\n    no or other(x, y) { reply x  -> b }\n    unused            {}\n  }\n}\n",
    );
}

#[test]
fn width_is_counted_in_characters() {
    becomes(
        "agent a v1\n\nmodels {\n  a = \"ä\" // 1\n  long = \"aa\" // 2\n}\n",
        "agent a v1\n\nmodels {\n  a    = \"ä\"   // 1\n  long = \"aa\"  // 2\n}\n",
    );
}

#[test]
fn signs_and_operators() {
    becomes(
        "agent a v1\n\nkeep{a:int -5 to 5=-1,b:text? =none,m:map max 3 of int}\nstate x { a=a-1*-b  m[ a ]+=1 b=orders . find  c=(a+b)/2 -> y}\nmodels { f=\"x\" auto=by complexity(simple:f)when budget under 20 % use f }\n",
        "agent a v1\n\nkeep { a: int -5 to 5 = -1, b: text? = none, m: map max 3 of int }\nstate x { a = a - 1 * -b  m[a] += 1  b = orders.find  c = (a + b) / 2  -> y }\nmodels { f = \"x\"  auto = by complexity (simple: f) when budget under 20% use f }\n",
    );
}

#[test]
fn documentation_stands_alone_and_texts_stay() {
    becomes(
        "shared s\n/// D\ntype T = { /// q\n  a: text, b: int // why\n}\n",
        "shared s\n\n/// D\ntype T = {\n  /// q\n  a: text, b: int  // why\n}\n",
    );
    becomes(
        "agent a v1\n\nstate x { reply \"\"\"one\n   {a or \"z\"}   \n two\"\"\"   -> x }\n",
        "agent a v1\n\nstate x { reply \"\"\"one\n   {a or \"z\"}   \n two\"\"\"  -> x }\n",
    );
}

#[test]
fn routes_are_a_table() {
    becomes(
        "routes\npeople { owner\n ops=telegram -100123 }\ntelegram from owner->a per person\nshell, gateway -> b // all\notherwise drop\n",
        "routes\n\npeople {\n  owner\n  ops = telegram -100123\n}\ntelegram from owner -> a per person\nshell, gateway      -> b  // all\notherwise drop\n",
    );
}

/// A program with every declaration and step.
const EVERY_WORD: &str = include_str!("fixtures/format/every_word.agent");
